package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// batch is a service of jobs. A job's name is its id.
type batch struct {
	mu        sync.Mutex
	submitted []string
	polls     map[string]int
	stopped   []string
	status    map[string]string // "": it runs
}

func (b *batch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var in struct {
		JobName string
		JobID   string `json:"jobId"`
		Jobs    []string
	}
	_ = json.Unmarshal(body, &in)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch r.URL.Path {
	case "/v1/submitjob":
		b.submitted = append(b.submitted, in.JobName)
		io.WriteString(w, `{"jobId":"`+in.JobName+`","jobName":"`+in.JobName+`"}`)
	case "/v1/describejobs":
		b.polls[in.Jobs[0]]++
		status := b.status[in.Jobs[0]]
		if status == "" {
			status = "RUNNING"
		}
		io.WriteString(w, `{"jobs":[{"jobId":"`+in.Jobs[0]+`","status":"`+status+`"}]}`)
	case "/v1/terminatejob":
		b.stopped = append(b.stopped, in.JobID)
		io.WriteString(w, `{}`)
	}
}

// set gives a job a status.
func (b *batch) set(job, status string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status[job] = status
}

// count tells what the service was asked.
func (b *batch) count(job string) (submitted, polls, stopped int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range b.submitted {
		if name == job {
			submitted++
		}
	}
	return submitted, b.polls[job], len(b.stopped)
}

// A job goes on while the server is down, and is followed to its end by the
// next one; one that is not waited for any more is stopped.
func TestJobs(t *testing.T) {
	t.Parallel()
	service := &batch{polls: map[string]int{}, status: map[string]string{}}
	web := httptest.NewServer(service)
	defer web.Close()
	env := []string{"AWS_ENDPOINT_URL_BATCH=" + web.URL, "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any"}
	data := filepath.Join(t.TempDir(), "data")
	n := serveFrom(t, data, "", env...)
	s := &sdk{newClient(n, "any", "any"), t.Context(), nil}
	machine := s.create(t, "job", "job", types.StateMachineTypeStandard)
	one, two, three := s.start(t, machine, "one", `{"name":"one"}`), s.start(t, machine, "two", `{"name":"two"}`), s.start(t, machine, "three", `{"name":"three"}`)
	await(t, "the jobs to be polled", func() bool {
		all := true
		for _, job := range []string{"one", "two", "three"} {
			_, polls, _ := service.count(job)
			all = all && polls > 0
		}
		return all
	})
	if err := n.process.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = n.process.Wait()
	n.asked.Do(func() {})
	n.ended.Do(func() {})
	service.set("one", "SUCCEEDED")
	service.set("two", "FAILED")
	n = serveFrom(t, data, "", env...)
	s = &sdk{newClient(n, "any", "any"), t.Context(), nil}
	if out := s.ended(t, one); out.Status != types.ExecutionStatusSucceeded || aws.ToString(out.Output) != `{"JobId":"one","Status":"SUCCEEDED"}` {
		t.Errorf("%v: %s", out.Status, aws.ToString(out.Output))
	}
	if out := s.ended(t, two); out.Status != types.ExecutionStatusFailed || aws.ToString(out.Error) != "States.TaskFailed" || aws.ToString(out.Cause) != `{"JobId":"two","Status":"FAILED"}` {
		t.Errorf("%v: %s, %s", out.Status, aws.ToString(out.Error), aws.ToString(out.Cause))
	}
	if _, err := s.StopExecution(s.ctx, &sfn.StopExecutionInput{ExecutionArn: three}); err != nil {
		t.Fatal(err)
	}
	await(t, "the job to be stopped", func() bool {
		_, _, stopped := service.count("three")
		return stopped > 0
	})
	time.Sleep(100 * time.Millisecond)
	service.mu.Lock()
	defer service.mu.Unlock()
	slices.Sort(service.submitted)
	if strings.Join(service.submitted, " ") != "one three two" || strings.Join(service.stopped, " ") != "three" {
		t.Errorf("submitted %v, stopped %v", service.submitted, service.stopped)
	}
	events, _ := s.history(t, one)
	if want := "TaskStateEntered TaskScheduled TaskStarted TaskSubmitted TaskSucceeded TaskStateExited ExecutionSucceeded"; !strings.HasSuffix(strings.Join(events, " "), want) {
		t.Errorf("history: %v", events)
	}
}

// Express executions do not wait for jobs.
func TestExpressRunsNoJobs(t *testing.T) {
	t.Parallel()
	client := newClient(serveChild(t, ""), "any", "any")
	_, err := client.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("job"), Definition: aws.String(definition(t, "job")), RoleArn: aws.String(role), Type: types.StateMachineTypeExpress,
	})
	if !is[*types.InvalidDefinition](err) || !strings.Contains(err.Error(), "Express state machine does not support '.sync' service integration") {
		t.Error(err)
	}
}
