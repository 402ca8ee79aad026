package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

func TestSend(t *testing.T) {
	var got any
	c := connect(t, func(_ context.Context, operation string, in any) (any, error) {
		got = in
		switch operation {
		case "SendTaskSuccess":
			return &api.SendTaskSuccessOutput{}, nil
		case "SendTaskFailure":
			return nil, api.TaskTimedOut()
		}
		return nil, errors.New("nobody asks for " + operation)
	})
	ctx := context.Background()
	if err := c.Send(ctx, "SendTaskSuccess", []byte(`{"taskToken":"t","output":"1"}`)); err != nil {
		t.Error(err)
	}
	if in, ok := got.(*api.SendTaskSuccessInput); !ok || in.TaskToken != "t" || in.Output != "1" {
		t.Errorf("it was asked for %#v", got)
	}
	for operation, input := range map[string]string{"SendTaskFailure": `{"taskToken":"t"}`, "Nothing": `{}`, "SendTaskSuccess": `{`} {
		want := map[string]string{"SendTaskFailure": api.CodeTaskTimedOut, "Nothing": api.CodeUnknownOperation, "SendTaskSuccess": api.CodeSerialization}[operation]
		err := c.Send(ctx, operation, []byte(input))
		var told interface{ ErrorCode() string }
		if !errors.As(err, &told) || told.ErrorCode() != want {
			t.Errorf("%s gives %v, want %s", operation, err, want)
		}
	}
}

// TestSendAStartAgain: a start that had its effect before is no error, even when its execution has ended meanwhile.
func TestSendAStartAgain(t *testing.T) {
	const arn = "arn:aws:states:us-east-1:123456789012:execution:Order:"
	inputs := map[string]string{arn + "same": `{"n": 1}`, arn + "empty": `{}`, arn + "other": `{"n":2}`}
	c := connect(t, func(_ context.Context, operation string, in any) (any, error) {
		switch in := in.(type) {
		case *api.StartExecutionInput:
			return nil, api.ExecutionAlreadyExists(arn + *in.Name)
		case *api.DescribeExecutionInput:
			if input, ok := inputs[in.ExecutionArn]; ok {
				return &api.DescribeExecutionOutput{ExecutionArn: in.ExecutionArn, Input: &input}, nil
			}
			return nil, api.ExecutionDoesNotExist(in.ExecutionArn)
		}
		return nil, errors.New("nobody asks for " + operation)
	})
	const machine = `"stateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:Order`
	for input, want := range map[string]string{
		`{` + machine + `","name":"same","input":"{\"n\": 1}"}`:      "",
		`{` + machine + `:7","name":"same","input":"{\"n\": 1}"}`:    "",
		`{` + machine + `:PROD","name":"same","input":"{\"n\": 1}"}`: "",
		`{` + machine + `","name":"empty"}`:                          "",
		`{` + machine + `","name":"other","input":"{\"n\": 1}"}`:     api.CodeExecutionAlreadyExists,
		`{` + machine + `","name":"gone","input":"{\"n\": 1}"}`:      api.CodeExecutionDoesNotExist,
	} {
		if err := c.Send(context.Background(), "StartExecution", []byte(input)); api.CodeOf(err) != want || (err == nil) != (want == "") {
			t.Errorf("%s gives %v, want %q", input, err, want)
		}
	}
}

// Whose the name is stays unknown while the server can't be asked.
func TestSendAStartThatNobodyCanLookAt(t *testing.T) {
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") == api.TargetAWS+"StartExecution" {
			w.WriteHeader(400)
			w.Write([]byte(`{"__type":"ExecutionAlreadyExists"}`))
			return
		}
		panic(http.ErrAbortHandler)
	}))
	defer listener.Close()
	c := newClient(t, client.Config{Endpoint: listener.URL, Attempts: 1})
	err := c.Send(context.Background(), "StartExecution", []byte(`{"stateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:Order","name":"n"}`))
	if err == nil || api.CodeOf(err) != "" {
		t.Errorf("it gives %v", err)
	}
}
