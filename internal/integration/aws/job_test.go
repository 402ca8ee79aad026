package aws

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// TestJobsFitTheModels: what the table of jobs calls, asks with and looks at is
// in the models.
func TestJobsFitTheModels(t *testing.T) {
	c := newCatalog(models)
	models := map[string]string{}
	for _, s := range optimisedServices {
		for name, a := range s.actions {
			models[s.name+":"+name] = a.model
		}
	}
	for name, j := range jobs {
		if models[name] == "" {
			t.Errorf("%s is no action", name)
			continue
		}
		_, o, err := c.operation(models[name], j.describe)
		if err != nil || o == nil {
			t.Errorf("%s: no operation %s, %v", name, j.describe, err)
			continue
		}
		takes(t, name, o, j.by)
		path := strings.Trim(j.at+"."+j.status, ".")
		if s := leadsTo(o.Output.shape, path); s == nil || s.Kind != stringKind {
			t.Errorf("%s: %s answers with no %s", name, j.describe, path)
		}
		if j.well == "" && !j.gone {
			t.Errorf("%s never ends well", name)
		}
		if j.stop == "" {
			continue
		}
		if _, o, err = c.operation(models[name], j.stop); err != nil || o == nil {
			t.Errorf("%s: no operation %s, %v", name, j.stop, err)
			continue
		}
		takes(t, name, o, j.stopBy)
	}
}

func takes(t *testing.T, name string, o *operation, by fields) {
	t.Helper()
	for _, f := range by {
		if o.Input.shape.find(f.name) == nil {
			t.Errorf("%s: %s takes no %s", name, o.Name, f.name)
		}
	}
}

// leadsTo is the shape that a path leads to in results, nil where there is none.
func leadsTo(s *shape, path string) *shape {
	for name := range strings.SplitSeq(path, ".") {
		if _, err := strconv.Atoi(name); err == nil {
			if s.Kind != listKind {
				return nil
			}
			s = s.Item.shape
			continue
		}
		var found *shape
		for i := range s.Members {
			if s.Members[i].first == name {
				found = s.Members[i].shape
			}
		}
		if s = found; s == nil {
			return nil
		}
	}
	return s
}

// poller is a registry's handler of a resource of the pattern .sync.
func poller(t *testing.T, r *integration.Registry, resource string) integration.Poller {
	t.Helper()
	call := task(resource, `{}`)
	p, is := r.Find(call.Service, call.Action, integration.Sync).(integration.Poller)
	if !is {
		t.Fatalf("%s.sync is not served", resource)
	}
	return p
}

// begin submits a job.
func (c *cloud) begin(t *testing.T, r *integration.Registry, resource, request, answer string) (integration.Poller, integration.Submission, error) {
	t.Helper()
	p := poller(t, r, resource)
	s := integration.Submission{Task: task(resource, request), Age: time.Hour}
	s.Pattern = integration.Sync
	c.status, c.answer = 200, answer
	var err error
	s.Answer, err = p.Call(t.Context(), s.Task)
	return p, s, err
}

// noLists is what a container has whose service tells nothing of them.
const noLists = `"GpuIds":[],"ManagedAgents":[],"NetworkBindings":[],"NetworkInterfaces":[]`

// clusterIn is the result of a cluster in that state, of which the service tells
// nothing else.
func clusterIn(state string) string {
	return `{"Cluster":{"Applications":[],"Configurations":[],"Id":"j-1","PlacementGroups":[],"Status":{"ErrorDetails":[],"State":"` + state + `"},"Tags":[]},"ClusterId":"j-1"}`
}

func TestJobs(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, true)
	for _, test := range []struct {
		resource, request, answer string // of the call
		asks                      string // the service, each time
		runs                      string // an answer as long as the job goes on
		well, result              string
		badly, cause              string
		stops                     string // what is sent; "": nothing
	}{
		{"batch:submitJob", `{"JobName":"n","JobQueue":"q","JobDefinition":"d"}`, `{"jobArn":"a","jobId":"1","jobName":"n"}`, `{"jobs":["1"]}`,
			`{"jobs":[{"jobId":"1","status":"RUNNING"}]}`,
			`{"jobs":[{"jobId":"1","status":"SUCCEEDED","createdAt":5}]}`, `{"CreatedAt":5,"JobId":"1","Status":"SUCCEEDED"}`,
			`{"jobs":[{"jobId":"1","status":"FAILED","statusReason":"r"}]}`, `{"JobId":"1","Status":"FAILED","StatusReason":"r"}`,
			`{"jobId":"1","reason":"The task of the execution that waited for it has ended"}`},
		{"glue:startJobRun", `{"JobName":"j"}`, `{"JobRunId":"r"}`, `{"JobName":"j","RunId":"r"}`,
			`{"JobRun":{"Id":"r","JobRunState":"STOPPING"}}`,
			`{"JobRun":{"Id":"r","JobRunState":"SUCCEEDED","StartedOn":1.5}}`, `{"Id":"r","JobName":"j","JobRunState":"SUCCEEDED","StartedOn":1500}`,
			`{"JobRun":{"Id":"r","JobRunState":"TIMEOUT"}}`, `{"Id":"r","JobRunState":"TIMEOUT","JobName":"j"}`,
			`{"JobName":"j","JobRunIds":["r"]}`},
		{"athena:startQueryExecution", `{"QueryString":"select"}`, `{"QueryExecutionId":"q"}`, `{"QueryExecutionId":"q"}`,
			`{"QueryExecution":{"Status":{"State":"QUEUED"}}}`,
			`{"QueryExecution":{"Status":{"State":"SUCCEEDED"}}}`, `{"QueryExecution":{"Status":{"State":"SUCCEEDED"}}}`,
			`{"QueryExecution":{"Status":{"State":"CANCELLED"}}}`, `{"QueryExecution":{"Status":{"State":"CANCELLED"}}}`,
			`{"QueryExecutionId":"q"}`},
		{"codebuild:startBuild", `{"ProjectName":"p"}`, `{"build":{"id":"p:1"}}`, `{"ids":["p:1"]}`,
			`{"builds":[{"id":"p:1","buildStatus":"IN_PROGRESS"}]}`,
			`{"builds":[{"id":"p:1","buildStatus":"SUCCEEDED"}]}`, `{"Build":{"BuildStatus":"SUCCEEDED","Id":"p:1"}}`,
			`{"builds":[{"id":"p:1","buildStatus":"FAULT"}]}`, `{"Build":{"BuildStatus":"FAULT","Id":"p:1"}}`,
			`{"id":"p:1"}`},
		{"ecs:runTask", `{"Cluster":"c","TaskDefinition":"d"}`, `{"tasks":[{"taskArn":"t","clusterArn":"k"}],"failures":[]}`, `{"cluster":"k","tasks":["t"]}`,
			`{"tasks":[{"lastStatus":"DEPROVISIONING","stopCode":"EssentialContainerExited"}]}`,
			`{"tasks":[{"lastStatus":"STOPPED","stopCode":"EssentialContainerExited","containers":[{"exitCode":0},{}]}]}`,
			`{"Attachments":[],"Attributes":[],"Containers":[{"ExitCode":0,` + noLists + `},{` + noLists + `}],"InferenceAccelerators":[],"LastStatus":"STOPPED","StopCode":"EssentialContainerExited","Tags":[]}`,
			`{"tasks":[{"lastStatus":"STOPPED","stopCode":"EssentialContainerExited","containers":[{"exitCode":0},{"exitCode":137}]}]}`,
			`{"Attachments":[],"Attributes":[],"Containers":[{"ExitCode":0,` + noLists + `},{"ExitCode":137,` + noLists + `}],"InferenceAccelerators":[],"LastStatus":"STOPPED","StopCode":"EssentialContainerExited","Tags":[]}`,
			`{"cluster":"k","task":"t","reason":"The task of the execution that waited for it has ended"}`},
		{"elasticmapreduce:createCluster", `{"Name":"n"}`, `{"JobFlowId":"j-1"}`, `{"ClusterId":"j-1"}`,
			`{"Cluster":{"Id":"j-1","Status":{"State":"BOOTSTRAPPING"}}}`,
			`{"Cluster":{"Id":"j-1","Status":{"State":"WAITING"}}}`, clusterIn("WAITING"),
			`{"Cluster":{"Id":"j-1","Status":{"State":"TERMINATED_WITH_ERRORS"}}}`, clusterIn("TERMINATED_WITH_ERRORS"),
			``},
		{"elasticmapreduce:addStep", `{"ClusterId":"j-1","Step":{"Name":"s"}}`, `{"StepIds":["s-1"]}`, `{"ClusterId":"j-1","StepId":"s-1"}`,
			`{"Step":{"Status":{"State":"PENDING"}}}`,
			`{"Step":{"Status":{"State":"COMPLETED"}}}`, `{"Step":{"Status":{"State":"COMPLETED"}},"StepId":"s-1"}`,
			`{"Step":{"Status":{"State":"FAILED"}}}`, `{"Step":{"Status":{"State":"FAILED"}},"StepId":"s-1"}`,
			`{"ClusterId":"j-1","StepIds":["s-1"]}`},
		{"sagemaker:createTrainingJob", `{"TrainingJobName":"t"}`, `{"TrainingJobArn":"a"}`, `{"TrainingJobName":"t"}`,
			`{"TrainingJobStatus":"InProgress"}`,
			`{"TrainingJobStatus":"Completed","ModelArtifacts":{"S3ModelArtifacts":"s3://b/m"}}`, `{"ModelArtifacts":{"S3ModelArtifacts":"s3://b/m"},"TrainingJobStatus":"Completed"}`,
			`{"TrainingJobStatus":"Stopped"}`, `{"TrainingJobStatus":"Stopped"}`,
			`{"TrainingJobName":"t"}`},
		{"emr-serverless:startJobRun", `{"ApplicationId":"a","ExecutionRoleArn":"r"}`, `{"applicationId":"a","jobRunId":"j","arn":"x"}`, ``,
			`{"jobRun":{"state":"SCHEDULED"}}`,
			`{"jobRun":{"jobRunId":"j","state":"SUCCESS"}}`, `{"JobRunId":"j","State":"SUCCESS"}`,
			`{"jobRun":{"jobRunId":"j","state":"CANCELLED"}}`, `{"JobRunId":"j","State":"CANCELLED"}`,
			`-`},
		{"mediaconvert:createJob", `{"Role":"r","Settings":{}}`, `{"job":{"id":"m"}}`, ``,
			`{"job":{"id":"m","status":"PROGRESSING"}}`,
			`{"job":{"id":"m","status":"COMPLETE"}}`, `{"Job":{"Id":"m","Status":"COMPLETE"}}`,
			`{"job":{"id":"m","status":"ERROR"}}`, `{"Job":{"Id":"m","Status":"ERROR"}}`,
			`-`},
	} {
		p, s, err := c.begin(t, r, test.resource, test.request, test.answer)
		if err != nil {
			t.Errorf("%s: %v", test.resource, err)
			continue
		}
		c.answer = test.runs
		if got, over, err := p.Poll(t.Context(), s); over || err != nil || c.body != test.asks {
			t.Errorf("%s: asked %s; %s, %v, %v", test.resource, c.body, got, over, err)
		}
		c.answer = test.well
		got, over, err := p.Poll(t.Context(), s)
		if !over || err != nil || !value.Equal(got.Decode(), value.Checked(test.result).Decode()) {
			t.Errorf("%s: %s, %v, %v, want %s", test.resource, got, over, err, test.result)
		}
		c.answer = test.badly
		_, over, err = p.Poll(t.Context(), s)
		if got := failed(t, err); over || got.Name != "States.TaskFailed" || !value.Equal(value.Checked(got.Cause).Decode(), value.Checked(test.cause).Decode()) {
			t.Errorf("%s: %v, %+v, want %s", test.resource, over, got, test.cause)
		}
		before := c.calls
		c.answer = `{}`
		if err := p.Stop(t.Context(), s); err != nil || c.calls-before != min(len(test.stops), 1) || c.calls > before && c.body != strings.Trim(test.stops, "-") {
			t.Errorf("%s: stopped by %d calls, %s, %v", test.resource, c.calls-before, c.body, err)
		}
	}
}

// TestWhatIsDeleted: it has been deleted when the service knows it no more.
func TestWhatIsDeleted(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, true)
	p, s, err := c.begin(t, r, "eks:deleteCluster", `{"Name":"n"}`, `{"cluster":{"name":"n","status":"DELETING"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, over, err := p.Poll(t.Context(), s); over || err != nil || c.request.URL.Path != "/clusters/n" {
		t.Errorf("%v, %v, asked %s", over, err, c.request.URL)
	}
	c.status, c.answer = 404, `{"__type":"ResourceNotFoundException","message":"No cluster found for name: n."}`
	got, over, err := p.Poll(t.Context(), s)
	if !over || err != nil || got.String() != `{"Cluster":{"Name":"n","Status":"DELETING"}}` {
		t.Errorf("%s, %v, %v", got, over, err)
	}
}

// TestPollsThatFail: what may pass is no failure of the task.
func TestPollsThatFail(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, true)
	p, s, err := c.begin(t, r, "batch:submitJob", `{}`, `{"jobId":"1"}`)
	if err != nil {
		t.Fatal(err)
	}
	young := s
	young.Age = time.Second
	for _, test := range []struct {
		s      integration.Submission
		status int
		answer string
		final  string
	}{
		{s, 400, `{"__type":"ThrottlingException","message":"Rate exceeded"}`, ""},
		{s, 429, `{"__type":"TooManyRequestsException"}`, ""},
		{s, 503, `{}`, ""},
		{s, 400, `{"__type":"ExpiredTokenException"}`, ""},
		{s, 200, `no JSON`, ""},
		{s, 403, `{"__type":"AccessDeniedException","message":"not authorized to perform: batch:DescribeJobs"}`, "Batch.AWSBatchException"},
		{young, 403, `{"__type":"AccessDeniedException","message":"not authorized to perform: batch:DescribeJobs"}`, ""},
		{young, 200, `{"jobs":[]}`, ""},
		{s, 200, `{"jobs":[]}`, "States.TaskFailed"},
	} {
		c.status, c.answer = test.status, test.answer
		_, over, err := p.Poll(t.Context(), test.s)
		var failed *integration.Error
		final := ""
		if errors.As(err, &failed) {
			final = failed.Name
		}
		if over || err == nil || final != test.final || failed != nil && failed.Effect != integration.EffectUnknown {
			t.Errorf("%d %s: over %v, %v", test.status, test.answer, over, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := p.Poll(ctx, s); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	c.status, c.answer = 200, `{"jobs":[{"status":"SUCCEEDED","statusReason":"`+strings.Repeat("x", integration.MaxResult)+`"}]}`
	if _, over, err := p.Poll(t.Context(), s); over || failed(t, err).Name != "States.DataLimitExceeded" || failed(t, err).Effect != integration.EffectDone {
		t.Error(over, err)
	}
	c.answer = strings.Repeat("x", maxAnswer+1) // which may be about a job that goes on
	var final *integration.Error
	if _, over, err := p.Poll(t.Context(), s); over || err == nil || errors.As(err, &final) {
		t.Error(over, err)
	}
	s.Answer = value.Checked(`{}`)
	c.status, c.answer = 400, `{"__type":"ClientException","message":"m"}`
	if err := p.Stop(t.Context(), s); failed(t, err).Name != "Batch.ClientException" {
		t.Error(err)
	}
	c.status = 500
	if err := p.Stop(t.Context(), s); err == nil || errors.As(err, &final) {
		t.Error(err)
	}
}

// TestJobsAreBegunAsOne: builds carry a token, and a cluster must take the one
// task that it is asked to run.
func TestJobsAreBegunAsOne(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, true)
	if _, _, err := c.begin(t, r, "codebuild:startBuild", `{"IdempotencyToken":"t"}`, `{}`); err != nil || c.body != `{"idempotencyToken":"t"}` {
		t.Errorf("sent %s, %v", c.body, err)
	}
	if _, _, err := c.begin(t, r, "codebuild:startBuild", `{}`, `{}`); err != nil || len(value.Checked(c.body).Decode().Get("idempotencyToken").AsString()) != 36 {
		t.Errorf("sent %s, %v", c.body, err)
	}
	const refused = `{"tasks":[],"failures":[{"arn":"i","reason":"RESOURCE:MEMORY"}]}`
	_, _, err := c.begin(t, r, "ecs:runTask", `{}`, refused)
	if got := failed(t, err); got.Name != "AmazonECS.Unknown" || !strings.Contains(got.Cause, `"Reason":"RESOURCE:MEMORY"`) {
		t.Errorf("%+v", got)
	}
	if _, err := do(t, r, "ecs:runTask", `{}`); err != nil {
		t.Errorf("request-response: %v", err)
	}
	before := c.calls
	_, _, err = c.begin(t, r, "ecs:runTask", `{"Count":2}`, `{}`)
	if got := failed(t, err); got.Name != "States.Runtime" || c.calls != before {
		t.Errorf("%+v", got)
	}
	for resource, request := range map[string]string{"codebuild:startBuild": `1`, "ecs:runTask": `1`} {
		_, _, err := c.begin(t, r, resource, request, `{}`)
		if got := failed(t, err); got.Name != "States.Runtime" {
			t.Errorf("%s: %+v", resource, got)
		}
	}
}
