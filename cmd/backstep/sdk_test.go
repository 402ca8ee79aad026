package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

const role = "arn:aws:iam::123456789012:role/backstep"

// sdk is the AWS SDK for Go at a server.
type sdk struct {
	*sfn.Client
	ctx  context.Context
	desk *desk
}

// newClient is the SDK's client with a key. Synchronous starts go to the host
// "sync-127.0.0.1", which no resolver knows: the dialer stands in for it.
func newClient(n *node, key, secret string) *sfn.Client {
	address := strings.TrimPrefix(n.url, "http://")
	toServer := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	return sfn.New(sfn.Options{
		BaseEndpoint: aws.String(n.url), Region: "us-east-1", HTTPClient: &http.Client{Transport: toServer},
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	})
}

func TestSDK(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	n := serveChild(t, d.configuration())
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	s := &sdk{newClient(n, "any", "any"), ctx, d}
	t.Run("order", s.order)
	t.Run("express", s.express)
	t.Run("stop", s.stopped)
	t.Run("typed errors", s.typedErrors)
	t.Run("tokens", s.approvals)
	t.Run("activity", s.activity)
	t.Run("lists", s.lists)
	t.Run("saga", s.saga)
}

func (s *sdk) create(t *testing.T, name, definitionName string, kind types.StateMachineType) *string {
	t.Helper()
	out, err := s.CreateStateMachine(s.ctx, &sfn.CreateStateMachineInput{
		Name: &name, Definition: aws.String(definition(t, definitionName)), RoleArn: aws.String(role), Type: kind,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.StateMachineArn
}

func (s *sdk) start(t *testing.T, machine *string, name, input string) *string {
	t.Helper()
	out, err := s.StartExecution(s.ctx, &sfn.StartExecutionInput{StateMachineArn: machine, Name: &name, Input: &input})
	if err != nil {
		t.Fatal(err)
	}
	return out.ExecutionArn
}

// ended waits for the end of an execution.
func (s *sdk) ended(t *testing.T, execution *string) *sfn.DescribeExecutionOutput {
	t.Helper()
	var out *sfn.DescribeExecutionOutput
	await(t, "the end of "+*execution, func() bool {
		var err error
		if out, err = s.DescribeExecution(s.ctx, &sfn.DescribeExecutionInput{ExecutionArn: execution}); err != nil {
			t.Fatal(err)
		}
		return out.Status != types.ExecutionStatusRunning
	})
	return out
}

// history is all events, by the client's own paginator, two a page.
func (s *sdk) history(t *testing.T, execution *string) (events []string, pages int) {
	t.Helper()
	p := sfn.NewGetExecutionHistoryPaginator(s, &sfn.GetExecutionHistoryInput{ExecutionArn: execution, MaxResults: 2})
	for ; p.HasMorePages(); pages++ {
		page, err := p.NextPage(s.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if e.Id != int64(len(events)+1) {
				t.Errorf("event %d stands at place %d", e.Id, len(events)+1)
			}
			events = append(events, string(e.Type))
		}
	}
	return events, pages
}

func (s *sdk) order(t *testing.T) {
	machine := s.create(t, "order", "order", types.StateMachineTypeStandard)
	good := s.start(t, machine, "good", `{"order": "good"}`)
	if out := s.ended(t, good); out.Status != types.ExecutionStatusSucceeded || aws.ToString(out.Output) != `{"booked":true,"order":"good"}` || out.StopDate.Before(*out.StartDate) {
		t.Errorf("good ended as %v with %s", out.Status, aws.ToString(out.Output))
	}
	events, pages := s.history(t, good)
	const want = "ExecutionStarted TaskStateEntered TaskScheduled TaskStarted TaskSucceeded TaskStateExited ExecutionSucceeded"
	if got := strings.Join(events, " "); got != want || pages != 4 {
		t.Errorf("in %d pages the history is %s", pages, got)
	}
	if out := s.ended(t, s.start(t, machine, "bad", `{"order": "bad"}`)); out.Status != types.ExecutionStatusFailed || aws.ToString(out.Error) != "OrderRefused" {
		t.Errorf("bad ended as %v with %s", out.Status, aws.ToString(out.Error))
	}
}

func (s *sdk) express(t *testing.T) {
	machine := s.create(t, "quick", "order", types.StateMachineTypeExpress)
	out, err := s.StartSyncExecution(s.ctx, &sfn.StartSyncExecutionInput{StateMachineArn: machine, Input: aws.String(`{"order": "now"}`)})
	if err != nil {
		t.Fatal(err)
	}
	if out.Status != types.SyncExecutionStatusSucceeded || aws.ToString(out.Output) != `{"booked":true,"order":"now"}` || out.BillingDetails == nil {
		t.Errorf("the synchronous execution is %+v", out)
	}
}

func (s *sdk) stopped(t *testing.T) {
	machine := s.create(t, "approval", "approval", types.StateMachineTypeStandard)
	execution := s.start(t, machine, "stopped", `{"order": "stopped"}`)
	token := s.desk.await(t, "stopped")
	if _, err := s.StopExecution(s.ctx, &sfn.StopExecutionInput{ExecutionArn: execution, Error: aws.String("Changed"), Cause: aws.String("my mind")}); err != nil {
		t.Fatal(err)
	}
	if out := s.ended(t, execution); out.Status != types.ExecutionStatusAborted || aws.ToString(out.Error) != "Changed" || aws.ToString(out.Cause) != "my mind" {
		t.Errorf("it ended as %+v", out)
	}
	_, err := s.SendTaskSuccess(s.ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{}`)})
	var late *types.TaskTimedOut
	if !errors.As(err, &late) {
		t.Errorf("a token of a stopped execution: %v", err)
	}
}

// sagaUndone is how the history of a saga ends whose second step has failed.
const sagaUndone = "TaskFailed SagaAborting TaskScheduled TaskStarted TaskSucceeded SagaEnded ExecutionFailed"

// saga reads the events of a saga, which the SDK does not know.
func (s *sdk) saga(t *testing.T) {
	undone := s.start(t, s.create(t, "saga", "saga", types.StateMachineTypeStandard), "good", `{"order": "good"}`)
	if out := s.ended(t, undone); out.Status != types.ExecutionStatusFailed || aws.ToString(out.Error) != "OrderRefused" {
		t.Errorf("it ended as %v with %s", out.Status, aws.ToString(out.Error))
	}
	events, _ := s.history(t, undone)
	if got := strings.Join(events, " "); !strings.HasSuffix(got, sagaUndone) || len(events) != 16 {
		t.Errorf("the history is %s", got)
	}
}

func (s *sdk) lists(t *testing.T) {
	var names []string
	for p := sfn.NewListStateMachinesPaginator(s, &sfn.ListStateMachinesInput{MaxResults: 2}); p.HasMorePages(); {
		page, err := p.NextPage(s.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.StateMachines {
			names = append(names, *m.Name)
			if time.Since(*m.CreationDate) > time.Hour {
				t.Errorf("%s was made at %v", *m.Name, m.CreationDate)
			}
		}
	}
	if got := strings.Join(names, " "); got != "approval order packing quick" {
		t.Errorf("the machines are %s", got)
	}
}
