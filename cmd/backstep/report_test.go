package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// A machine that logs has its events in the file that the configuration names,
// and a webhook hears of every status, before the server has ended.
func TestReports(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var heard []string
	webhook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event struct {
			Source string
			Detail struct{ Name, Status string }
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &event); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, event.Source+" "+event.Detail.Name+" "+event.Detail.Status)
	}))
	defer webhook.Close()
	file := filepath.Join(t.TempDir(), "executions.log")
	n := serveChild(t, "logs: {file: "+file+"}\nevents: {webhook: \""+webhook.URL+"\"}\n")
	s := &sdk{newClient(n, "any", "any"), context.Background(), nil}
	made, err := s.CreateStateMachine(s.ctx, &sfn.CreateStateMachineInput{
		Name: aws.String("told"), Definition: aws.String(`{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}`), RoleArn: aws.String(role),
		LoggingConfiguration: &types.LoggingConfiguration{Level: types.LogLevelAll, Destinations: []types.LogDestination{
			{CloudWatchLogsLogGroup: &types.CloudWatchLogsLogGroup{LogGroupArn: aws.String("arn:aws:logs:us-east-1:123456789012:log-group:/told:*")}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.start(t, made.StateMachineArn, "one", `{}`)
	n.stop(t)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for line := range strings.Lines(string(text)) {
		var event struct{ Type string }
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatal(err)
		}
		types = append(types, event.Type)
	}
	if got := strings.Join(types, " "); got != "ExecutionStarted PassStateEntered PassStateExited ExecutionSucceeded" {
		t.Errorf("the file has %s", got)
	}
	if got := strings.Join(heard, ", "); got != "aws.states one RUNNING, aws.states one SUCCEEDED" {
		t.Errorf("the webhook heard %s", got)
	}
}

// Where CloudWatch Logs takes the events, a log group must be there.
func TestReportsToLogGroups(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	logs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		mu.Lock()
		defer mu.Unlock()
		if asked = append(asked, operation); operation == "DescribeLogGroups" && strings.Contains(string(body), `"/there"`) {
			io.WriteString(w, `{"logGroups":[{"logGroupName":"/there"}]}`)
			return
		}
		io.WriteString(w, `{}`)
	}))
	defer logs.Close()
	n := serveFrom(t, filepath.Join(t.TempDir(), "data"), "", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS="+logs.URL, "AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s")
	s := &sdk{newClient(n, "any", "any"), context.Background(), nil}
	in := &sfn.CreateStateMachineInput{
		Name: aws.String("told"), Definition: aws.String(`{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}`), RoleArn: aws.String(role),
		LoggingConfiguration: &types.LoggingConfiguration{Level: types.LogLevelAll, Destinations: []types.LogDestination{
			{CloudWatchLogsLogGroup: &types.CloudWatchLogsLogGroup{LogGroupArn: aws.String("arn:aws:logs:us-east-1:123456789012:log-group:/gone:*")}},
		}},
	}
	var invalid *types.InvalidLoggingConfiguration
	if _, err := s.CreateStateMachine(s.ctx, in); !errors.As(err, &invalid) {
		t.Fatalf("a group that is not there: %v", err)
	}
	in.LoggingConfiguration.Destinations[0].CloudWatchLogsLogGroup.LogGroupArn = aws.String("arn:aws:logs:us-east-1:123456789012:log-group:/there:*")
	made, err := s.CreateStateMachine(s.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	s.start(t, made.StateMachineArn, "one", `{}`)
	n.stop(t)
	if got := strings.Join(asked, " "); got != "DescribeLogGroups DescribeLogGroups CreateLogStream PutLogEvents" {
		t.Errorf("asked for %s", got)
	}
}

// A destination that is away holds no execution back; what it misses is counted.
func TestReportsToNobody(t *testing.T) {
	t.Parallel()
	nobody := httptest.NewServer(http.NotFoundHandler())
	defer nobody.Close()
	n := serveChild(t, "events: {webhook: \""+nobody.URL+"\"}\n")
	s := &sdk{newClient(n, "any", "any"), context.Background(), nil}
	machine := s.create(t, "echo", "order", types.StateMachineTypeStandard)
	s.start(t, machine, "one", `{"order": "1"}`)
	await(t, "the loss to be counted", func() bool {
		answer, err := http.Get(n.url + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		return err == nil && strings.Contains(string(text), "\nbackstep_status_events_dropped_total ") &&
			!strings.Contains(string(text), "\nbackstep_status_events_dropped_total 0\n")
	})
	if !strings.Contains(n.said.String(), "status changes are dropped") {
		t.Errorf("the log says %s", n.said.String())
	}
}
