package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// awsCLI is the AWS CLI at a server.
type awsCLI struct {
	endpoint string
	env      []string
	desk     *desk
	asked    asked
}

// TestAWSCLI runs the AWS CLI, a process per call, at a server that asks for
// signatures.
func TestAWSCLI(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(debianAWS); err != nil {
		t.Skipf("the AWS CLI is not here, so nothing is known of it: apt-get install awscli (%v)", err)
	}
	d := openDesk(t)
	n := serveChild(t, keys+d.configuration())
	a := &awsCLI{endpoint: n.url, desk: d, env: foreignEnv(t, "HTTP_PROXY="+resolver(t, n))}
	t.Run("all it knows", func(t *testing.T) {
		t.Run("orders", a.orders)
		t.Run("express", a.express)
		t.Run("approvals", a.approvals)
		t.Run("activity", a.activity)
		t.Run("catalogue", a.catalogue)
		t.Run("map run", a.mapRun)
		t.Run("saga", a.saga)
	})
	for _, name := range a.known(t) {
		if !slices.Contains(a.asked.names, name) {
			t.Errorf("aws %s was not called", name)
		}
	}
	t.Run("wrong secret", func(t *testing.T) {
		t.Parallel()
		stranger := &awsCLI{endpoint: a.endpoint, env: append(foreignEnv(t), "AWS_SECRET_ACCESS_KEY=wrong")}
		stranger.refused(t, badSignature, "list-state-machines")
	})
}

// known are the operations that the CLI has, by the model of the service that
// comes with it: which ones depends on its age.
func (a *awsCLI) known(t *testing.T) []string {
	t.Helper()
	text, err := exec.Command(debianPython, "-c", `import awscli.botocore.session; s = awscli.botocore.session.get_session().get_service_model("stepfunctions")
from awscli.botocore import xform_name; print(*(xform_name(n, "-") for n in s.operation_names))`).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// resolver is a proxy that leads every name to the server. The CLI puts "sync-"
// before the host of a synchronous start and knows no setting against it;
// "sync-127.0.0.1" is a name that no resolver knows.
func resolver(t *testing.T, n *node) string {
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Host = strings.TrimPrefix(n.url, "http://")
	}})
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// call runs the CLI and gives what it prints, what it complains of and its exit
// code.
func (a *awsCLI) call(t *testing.T, args ...string) (out, complaint string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a.asked.note(args[0])
	c := exec.CommandContext(ctx, debianAWS, append([]string{"--endpoint-url", a.endpoint, "stepfunctions"}, args...)...)
	c.Env = a.env
	stdout, err := c.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(stdout), string(exit.Stderr), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(stdout), "", 0
}

// ask runs a call that must go well, and gives what a query finds in its answer,
// a tab between the values.
func (a *awsCLI) ask(t *testing.T, query string, args ...string) string {
	t.Helper()
	out, complaint, code := a.call(t, append(args, "--output", "text", "--query", query)...)
	if code != 0 {
		t.Fatalf("aws %s: exit code %d\n%s", strings.Join(args, " "), code, complaint)
	}
	return strings.TrimSuffix(out, "\n")
}

// refused runs a call that must end with an error of AWS's; 254 is the CLI's
// exit code for what the service refuses.
func (a *awsCLI) refused(t *testing.T, name string, args ...string) {
	t.Helper()
	if _, complaint, code := a.call(t, args...); code != 254 || !strings.Contains(complaint, "An error occurred ("+name+") when calling") {
		t.Errorf("aws %s: exit code %d, want %s\n%s", strings.Join(args, " "), code, name, complaint)
	}
}

func (a *awsCLI) create(t *testing.T, name, what, kind string) string {
	t.Helper()
	return a.ask(t, "stateMachineArn", "create-state-machine", "--name", name, "--role-arn", role, "--type", kind,
		"--definition", "file://testdata/"+what+".asl.json")
}

func (a *awsCLI) start(t *testing.T, machine, name string) string {
	t.Helper()
	return a.ask(t, "executionArn", "start-execution", "--state-machine-arn", machine, "--name", name, "--input", `{"order":"`+name+`"}`)
}

// ended waits for the end of an execution, and wants it to be so: status,
// output, error, cause.
func (a *awsCLI) ended(t *testing.T, execution, want string) {
	t.Helper()
	var seen string
	await(t, "the end of "+execution, func() bool {
		seen = a.ask(t, "[status,output,error,cause]", "describe-execution", "--execution-arn", execution)
		return !strings.HasPrefix(seen, "RUNNING")
	})
	if seen != want {
		t.Errorf("%s ended as %q, want %q", execution, seen, want)
	}
}

func (a *awsCLI) orders(t *testing.T) {
	t.Parallel()
	machine := a.create(t, "order", "order", "STANDARD")
	good := a.start(t, machine, "good")
	a.ended(t, good, "SUCCEEDED\t"+`{"booked":true,"order":"good"}`+"\tNone\tNone")
	first, next := a.history(t, good, "--page-size", "2", "--max-items", "3")
	rest, end := a.history(t, good, "--page-size", "2", "--starting-token", next)
	const want = "ExecutionStarted TaskStateEntered TaskScheduled | TaskStarted TaskSucceeded TaskStateExited ExecutionSucceeded"
	if got := first + " | " + rest; got != want || next == "" || end != "" {
		t.Errorf("the history is %s, and more behind %q", got, end)
	}
	a.refused(t, "ExecutionAlreadyExists", "start-execution", "--state-machine-arn", machine, "--name", "good", "--input", "{}")
	a.refused(t, "StateMachineDoesNotExist", "describe-state-machine", "--state-machine-arn", machine+"-absent")
	a.refused(t, "InvalidExecutionInput", "start-execution", "--state-machine-arn", machine, "--input", "{")
	a.refused(t, "InvalidDefinition", "create-state-machine", "--name", "broken", "--role-arn", role, "--definition", `{"StartAt":"A","States":{}}`)
}

// history is one answer of the CLI's own paginator: the events' types, and its
// token for more.
func (a *awsCLI) history(t *testing.T, execution string, paging ...string) (events, next string) {
	t.Helper()
	out, complaint, code := a.call(t, append([]string{"get-execution-history", "--output", "json", "--execution-arn", execution}, paging...)...)
	var answer struct {
		Events    []struct{ Type string }
		NextToken string
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("exit code %d: %v\n%s%s", code, err, out, complaint)
	}
	types := make([]string, len(answer.Events))
	for i, e := range answer.Events {
		types[i] = e.Type
	}
	return strings.Join(types, " "), answer.NextToken
}

func (a *awsCLI) express(t *testing.T) {
	t.Parallel()
	machine := a.create(t, "quick", "order", "EXPRESS")
	seen := a.ask(t, "[status,output]", "start-sync-execution", "--state-machine-arn", machine, "--input", `{"order":"now"}`)
	if seen != "SUCCEEDED\t"+`{"booked":true,"order":"now"}` {
		t.Errorf("the synchronous execution is %q", seen)
	}
}

func (a *awsCLI) approvals(t *testing.T) {
	t.Parallel()
	machine := a.create(t, "approval", "approval", "STANDARD")
	yes, no, stopped := a.start(t, machine, "yes"), a.start(t, machine, "no"), a.start(t, machine, "stopped")
	a.ask(t, "@", "send-task-success", "--task-token", a.desk.await(t, "yes"), "--task-output", `{"by":"Ada"}`)
	a.ask(t, "@", "send-task-failure", "--task-token", a.desk.await(t, "no"), "--error", "Refused", "--cause", "too dear")
	a.ask(t, "@", "stop-execution", "--execution-arn", stopped, "--error", "Changed", "--cause", "my mind")
	a.ended(t, yes, "SUCCEEDED\t"+`{"by":"Ada"}`+"\tNone\tNone")
	a.ended(t, no, "FAILED\tNone\tRefused\ttoo dear")
	a.ended(t, stopped, "ABORTED\tNone\tChanged\tmy mind")
}

func (a *awsCLI) activity(t *testing.T) {
	t.Parallel()
	packers := a.ask(t, "activityArn", "create-activity", "--name", "packers")
	execution := a.start(t, a.create(t, "packing", "packing", "STANDARD"), "ring")
	token, input, _ := strings.Cut(a.ask(t, "[taskToken,input]", "get-activity-task", "--activity-arn", packers, "--worker-name", "Grace"), "\t")
	a.ask(t, "@", "send-task-success", "--task-token", token, "--task-output", `{"packed":`+input+`}`)
	a.ended(t, execution, "SUCCEEDED\t"+`{"packed":{"order":"ring"}}`+"\tNone\tNone")
}

// catalogue makes, changes, tags and deletes.
func (a *awsCLI) catalogue(t *testing.T) {
	t.Parallel()
	machine := a.create(t, "catalogue", "approval", "STANDARD")
	a.ask(t, "updateDate", "update-state-machine", "--state-machine-arn", machine, "--tracing-configuration", "enabled=true")
	if seen := a.ask(t, "[name,status,tracingConfiguration.enabled]", "describe-state-machine", "--state-machine-arn", machine); seen != "catalogue\tACTIVE\tTrue" {
		t.Errorf("the machine is %q", seen)
	}
	a.ask(t, "@", "tag-resource", "--resource-arn", machine, "--tags", "key=team,value=shop", "key=cost,value=7")
	a.ask(t, "@", "untag-resource", "--resource-arn", machine, "--tag-keys", "team")
	if seen := a.ask(t, "tags[].[key,value]", "list-tags-for-resource", "--resource-arn", machine); seen != "cost\t7" {
		t.Errorf("the tags are %q", seen)
	}
	execution := a.start(t, machine, "catalogued")
	a.ask(t, "@", "send-task-heartbeat", "--task-token", a.desk.await(t, "catalogued"))
	if seen := a.ask(t, "executions[].[name,status]", "list-executions", "--state-machine-arn", machine); seen != "catalogued\tRUNNING" {
		t.Errorf("the executions are %q", seen)
	}
	if seen := a.ask(t, "name", "describe-state-machine-for-execution", "--execution-arn", execution); seen != "catalogue" {
		t.Errorf("the execution is of %q", seen)
	}
	painters := a.ask(t, "activityArn", "create-activity", "--name", "painters")
	if seen := a.ask(t, "name", "describe-activity", "--activity-arn", painters); seen != "painters" {
		t.Errorf("the activity is %q", seen)
	}
	if seen := a.ask(t, "activities[?name=='painters'].activityArn", "list-activities"); seen != painters {
		t.Errorf("the activities are %q", seen)
	}
	if seen := a.ask(t, "stateMachines[?name=='catalogue'].stateMachineArn", "list-state-machines"); seen != machine {
		t.Errorf("the machines are %q", seen)
	}
	a.ask(t, "@", "delete-activity", "--activity-arn", painters)
	a.refused(t, "ActivityDoesNotExist", "describe-activity", "--activity-arn", painters)
	a.ask(t, "@", "delete-state-machine", "--state-machine-arn", machine)
	// What is asked for is not there: an error of the API, and none of the server's.
	run := strings.Replace(machine, "stateMachine:catalogue", "mapRun:catalogue/all:1", 1)
	for _, args := range [][]string{
		{"start-execution", "--state-machine-arn", machine},
		{"describe-map-run", "--map-run-arn", run},
		{"list-map-runs", "--execution-arn", execution + "-absent"},
	} {
		if _, complaint, code := a.call(t, args...); code != 254 || strings.Contains(complaint, "(InternalFailure)") {
			t.Errorf("aws %s: exit code %d\n%s", strings.Join(args, " "), code, complaint)
		}
	}
}

// mapRun watches a map run, and lets more of its children run at once.
func (a *awsCLI) mapRun(t *testing.T) {
	t.Parallel()
	machine := a.create(t, "gathering", "gathering", "STANDARD")
	execution := a.ask(t, "executionArn", "start-execution", "--state-machine-arn", machine, "--input", `{"orders":["g1","g2"]}`)
	first := a.desk.await(t, "g1")
	run := a.ask(t, "mapRuns[0].mapRunArn", "list-map-runs", "--execution-arn", execution)
	a.ask(t, "@", "update-map-run", "--map-run-arn", run, "--max-concurrency", "2")
	for _, token := range []string{first, a.desk.await(t, "g2")} {
		a.ask(t, "@", "send-task-success", "--task-token", token, "--task-output", "1")
	}
	a.ended(t, execution, "SUCCEEDED\t[1,1]\tNone\tNone")
	if seen := a.ask(t, "[status,maxConcurrency,itemCounts.succeeded]", "describe-map-run", "--map-run-arn", run); seen != "SUCCEEDED\t2\t2" {
		t.Errorf("the map run is %q", seen)
	}
}

// saga reads the events of a saga, which the CLI does not know.
func (a *awsCLI) saga(t *testing.T) {
	t.Parallel()
	undone := a.start(t, a.create(t, "saga", "saga", "STANDARD"), "good")
	a.ended(t, undone, "FAILED\tNone\tOrderRefused\t"+`{"errorType": "OrderRefused", "errorMessage": "no seats left"}`)
	events, _ := a.history(t, undone, "--page-size", "3")
	if !strings.HasSuffix(events, sagaUndone) {
		t.Errorf("the history is %s", events)
	}
}
