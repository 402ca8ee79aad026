package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/internal/server"
)

// script answers every operation by a function that is given the operation's name and input.
type script func(ctx context.Context, operation string, in any) (any, error)

func play[Out any](s script, ctx context.Context, operation string, in any) (*Out, error) {
	out, err := s(ctx, operation, in)
	if err != nil {
		return nil, err
	}
	return out.(*Out), nil
}

func (s script) CreateStateMachine(ctx context.Context, in *api.CreateStateMachineInput) (*api.CreateStateMachineOutput, error) {
	return play[api.CreateStateMachineOutput](s, ctx, "CreateStateMachine", in)
}
func (s script) DescribeStateMachine(ctx context.Context, in *api.DescribeStateMachineInput) (*api.DescribeStateMachineOutput, error) {
	return play[api.DescribeStateMachineOutput](s, ctx, "DescribeStateMachine", in)
}
func (s script) UpdateStateMachine(ctx context.Context, in *api.UpdateStateMachineInput) (*api.UpdateStateMachineOutput, error) {
	return play[api.UpdateStateMachineOutput](s, ctx, "UpdateStateMachine", in)
}
func (s script) DeleteStateMachine(ctx context.Context, in *api.DeleteStateMachineInput) (*api.DeleteStateMachineOutput, error) {
	return play[api.DeleteStateMachineOutput](s, ctx, "DeleteStateMachine", in)
}
func (s script) ListStateMachines(ctx context.Context, in *api.ListStateMachinesInput) (*api.ListStateMachinesOutput, error) {
	return play[api.ListStateMachinesOutput](s, ctx, "ListStateMachines", in)
}
func (s script) ValidateStateMachineDefinition(ctx context.Context, in *api.ValidateStateMachineDefinitionInput) (*api.ValidateStateMachineDefinitionOutput, error) {
	return play[api.ValidateStateMachineDefinitionOutput](s, ctx, "ValidateStateMachineDefinition", in)
}
func (s script) PublishStateMachineVersion(ctx context.Context, in *api.PublishStateMachineVersionInput) (*api.PublishStateMachineVersionOutput, error) {
	return play[api.PublishStateMachineVersionOutput](s, ctx, "PublishStateMachineVersion", in)
}
func (s script) DeleteStateMachineVersion(ctx context.Context, in *api.DeleteStateMachineVersionInput) (*api.DeleteStateMachineVersionOutput, error) {
	return play[api.DeleteStateMachineVersionOutput](s, ctx, "DeleteStateMachineVersion", in)
}
func (s script) ListStateMachineVersions(ctx context.Context, in *api.ListStateMachineVersionsInput) (*api.ListStateMachineVersionsOutput, error) {
	return play[api.ListStateMachineVersionsOutput](s, ctx, "ListStateMachineVersions", in)
}
func (s script) CreateStateMachineAlias(ctx context.Context, in *api.CreateStateMachineAliasInput) (*api.CreateStateMachineAliasOutput, error) {
	return play[api.CreateStateMachineAliasOutput](s, ctx, "CreateStateMachineAlias", in)
}
func (s script) DescribeStateMachineAlias(ctx context.Context, in *api.DescribeStateMachineAliasInput) (*api.DescribeStateMachineAliasOutput, error) {
	return play[api.DescribeStateMachineAliasOutput](s, ctx, "DescribeStateMachineAlias", in)
}
func (s script) UpdateStateMachineAlias(ctx context.Context, in *api.UpdateStateMachineAliasInput) (*api.UpdateStateMachineAliasOutput, error) {
	return play[api.UpdateStateMachineAliasOutput](s, ctx, "UpdateStateMachineAlias", in)
}
func (s script) DeleteStateMachineAlias(ctx context.Context, in *api.DeleteStateMachineAliasInput) (*api.DeleteStateMachineAliasOutput, error) {
	return play[api.DeleteStateMachineAliasOutput](s, ctx, "DeleteStateMachineAlias", in)
}
func (s script) ListStateMachineAliases(ctx context.Context, in *api.ListStateMachineAliasesInput) (*api.ListStateMachineAliasesOutput, error) {
	return play[api.ListStateMachineAliasesOutput](s, ctx, "ListStateMachineAliases", in)
}
func (s script) StartExecution(ctx context.Context, in *api.StartExecutionInput) (*api.StartExecutionOutput, error) {
	return play[api.StartExecutionOutput](s, ctx, "StartExecution", in)
}
func (s script) StartSyncExecution(ctx context.Context, in *api.StartSyncExecutionInput) (*api.StartSyncExecutionOutput, error) {
	return play[api.StartSyncExecutionOutput](s, ctx, "StartSyncExecution", in)
}
func (s script) DescribeExecution(ctx context.Context, in *api.DescribeExecutionInput) (*api.DescribeExecutionOutput, error) {
	return play[api.DescribeExecutionOutput](s, ctx, "DescribeExecution", in)
}
func (s script) ListExecutions(ctx context.Context, in *api.ListExecutionsInput) (*api.ListExecutionsOutput, error) {
	return play[api.ListExecutionsOutput](s, ctx, "ListExecutions", in)
}
func (s script) StopExecution(ctx context.Context, in *api.StopExecutionInput) (*api.StopExecutionOutput, error) {
	return play[api.StopExecutionOutput](s, ctx, "StopExecution", in)
}
func (s script) RedriveExecution(ctx context.Context, in *api.RedriveExecutionInput) (*api.RedriveExecutionOutput, error) {
	return play[api.RedriveExecutionOutput](s, ctx, "RedriveExecution", in)
}
func (s script) GetExecutionHistory(ctx context.Context, in *api.GetExecutionHistoryInput) (*api.GetExecutionHistoryOutput, error) {
	return play[api.GetExecutionHistoryOutput](s, ctx, "GetExecutionHistory", in)
}
func (s script) DescribeStateMachineForExecution(ctx context.Context, in *api.DescribeStateMachineForExecutionInput) (*api.DescribeStateMachineForExecutionOutput, error) {
	return play[api.DescribeStateMachineForExecutionOutput](s, ctx, "DescribeStateMachineForExecution", in)
}
func (s script) TestState(ctx context.Context, in *api.TestStateInput) (*api.TestStateOutput, error) {
	return play[api.TestStateOutput](s, ctx, "TestState", in)
}
func (s script) CreateActivity(ctx context.Context, in *api.CreateActivityInput) (*api.CreateActivityOutput, error) {
	return play[api.CreateActivityOutput](s, ctx, "CreateActivity", in)
}
func (s script) DescribeActivity(ctx context.Context, in *api.DescribeActivityInput) (*api.DescribeActivityOutput, error) {
	return play[api.DescribeActivityOutput](s, ctx, "DescribeActivity", in)
}
func (s script) DeleteActivity(ctx context.Context, in *api.DeleteActivityInput) (*api.DeleteActivityOutput, error) {
	return play[api.DeleteActivityOutput](s, ctx, "DeleteActivity", in)
}
func (s script) ListActivities(ctx context.Context, in *api.ListActivitiesInput) (*api.ListActivitiesOutput, error) {
	return play[api.ListActivitiesOutput](s, ctx, "ListActivities", in)
}
func (s script) GetActivityTask(ctx context.Context, in *api.GetActivityTaskInput) (*api.GetActivityTaskOutput, error) {
	return play[api.GetActivityTaskOutput](s, ctx, "GetActivityTask", in)
}
func (s script) SendTaskSuccess(ctx context.Context, in *api.SendTaskSuccessInput) (*api.SendTaskSuccessOutput, error) {
	return play[api.SendTaskSuccessOutput](s, ctx, "SendTaskSuccess", in)
}
func (s script) SendTaskFailure(ctx context.Context, in *api.SendTaskFailureInput) (*api.SendTaskFailureOutput, error) {
	return play[api.SendTaskFailureOutput](s, ctx, "SendTaskFailure", in)
}
func (s script) SendTaskHeartbeat(ctx context.Context, in *api.SendTaskHeartbeatInput) (*api.SendTaskHeartbeatOutput, error) {
	return play[api.SendTaskHeartbeatOutput](s, ctx, "SendTaskHeartbeat", in)
}
func (s script) TagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return play[api.TagResourceOutput](s, ctx, "TagResource", in)
}
func (s script) UntagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return play[api.UntagResourceOutput](s, ctx, "UntagResource", in)
}
func (s script) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	return play[api.ListTagsForResourceOutput](s, ctx, "ListTagsForResource", in)
}
func (s script) DescribeMapRun(ctx context.Context, in *api.DescribeMapRunInput) (*api.DescribeMapRunOutput, error) {
	return play[api.DescribeMapRunOutput](s, ctx, "DescribeMapRun", in)
}
func (s script) ListMapRuns(ctx context.Context, in *api.ListMapRunsInput) (*api.ListMapRunsOutput, error) {
	return play[api.ListMapRunsOutput](s, ctx, "ListMapRuns", in)
}
func (s script) UpdateMapRun(ctx context.Context, in *api.UpdateMapRunInput) (*api.UpdateMapRunOutput, error) {
	return play[api.UpdateMapRunOutput](s, ctx, "UpdateMapRun", in)
}
func (s script) WaitExecution(ctx context.Context, in *api.WaitExecutionInput) (*api.WaitExecutionOutput, error) {
	return play[api.WaitExecutionOutput](s, ctx, "WaitExecution", in)
}
func (s script) ListNodes(ctx context.Context, in *api.ListNodesInput) (*api.ListNodesOutput, error) {
	return play[api.ListNodesOutput](s, ctx, "ListNodes", in)
}
func (s script) ExplainExecution(ctx context.Context, in *api.ExplainExecutionInput) (*api.ExplainExecutionOutput, error) {
	return play[api.ExplainExecutionOutput](s, ctx, "ExplainExecution", in)
}
func (s script) ListExecutionsWhere(ctx context.Context, in *api.ListExecutionsWhereInput) (*api.ListExecutionsWhereOutput, error) {
	return play[api.ListExecutionsWhereOutput](s, ctx, "ListExecutionsWhere", in)
}
func (s script) RedriveWithChanges(ctx context.Context, in *api.RedriveWithChangesInput) (*api.RedriveWithChangesOutput, error) {
	return play[api.RedriveWithChangesOutput](s, ctx, "RedriveWithChanges", in)
}
func (s script) DescribeSaga(ctx context.Context, in *api.DescribeSagaInput) (*api.DescribeSagaOutput, error) {
	return play[api.DescribeSagaOutput](s, ctx, "DescribeSaga", in)
}
func (s script) ListSagas(ctx context.Context, in *api.ListSagasInput) (*api.ListSagasOutput, error) {
	return play[api.ListSagasOutput](s, ctx, "ListSagas", in)
}
func (s script) ListHolds(ctx context.Context, in *api.ListHoldsInput) (*api.ListHoldsOutput, error) {
	return play[api.ListHoldsOutput](s, ctx, "ListHolds", in)
}
func (s script) DescribeHold(ctx context.Context, in *api.DescribeHoldInput) (*api.DescribeHoldOutput, error) {
	return play[api.DescribeHoldOutput](s, ctx, "DescribeHold", in)
}
func (s script) ResolveHold(ctx context.Context, in *api.ResolveHoldInput) (*api.ResolveHoldOutput, error) {
	return play[api.ResolveHoldOutput](s, ctx, "ResolveHold", in)
}
func (s script) ResolveHolds(ctx context.Context, in *api.ResolveHoldsInput) (*api.ResolveHoldsOutput, error) {
	return play[api.ResolveHoldsOutput](s, ctx, "ResolveHolds", in)
}
func (s script) CompensateExecution(ctx context.Context, in *api.CompensateExecutionInput) (*api.CompensateExecutionOutput, error) {
	return play[api.CompensateExecutionOutput](s, ctx, "CompensateExecution", in)
}
func (s script) PreviewAbort(ctx context.Context, in *api.PreviewAbortInput) (*api.PreviewAbortOutput, error) {
	return play[api.PreviewAbortOutput](s, ctx, "PreviewAbort", in)
}

// connect gives a client of a server before the script; each asks for a signature, or makes one.
func connect(t *testing.T, s script) *client.Client {
	t.Helper()
	handler, err := server.New(server.Config{Service: s, Keys: map[string]string{"id": "secret"}, Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(handler)
	t.Cleanup(listener.Close)
	return newClient(t, client.Config{Endpoint: listener.URL, Region: "eu-west-1", Credentials: client.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}})
}

func newClient(t *testing.T, c client.Config) *client.Client {
	t.Helper()
	made, err := client.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made
}

// TestEverythingTravels calls each operation with every member set, and looks at what arrives on either side.
func TestEverythingTravels(t *testing.T) {
	for _, o := range api.Operations {
		t.Run(o.Name, func(t *testing.T) {
			sent, answered := filled(o.Input), filled(o.Output)
			var arrived any
			c := connect(t, func(_ context.Context, operation string, in any) (any, error) {
				if operation != o.Name {
					t.Errorf("arrived as %s", operation)
				}
				arrived = in
				return answered, nil
			})
			got, err := o.Call(context.Background(), c, sent)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(arrived, sent) {
				t.Errorf("sent    %+v\narrived %+v", sent, arrived)
			}
			if !reflect.DeepEqual(got, answered) {
				t.Errorf("answered %+v\ncame     %+v", answered, got)
			}
		})
	}
}

// filled is a pointer to a struct whose members are all set, to what their constraints allow.
func filled(t reflect.Type) any {
	v := reflect.New(t)
	fill(v.Elem())
	return v.Interface()
}

func fill(v reflect.Value) {
	if enum, ok := v.Interface().(interface{ Values() []string }); ok {
		v.SetString(enum.Values()[1])
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("text <&>")
	case reflect.Int32, reflect.Int64:
		v.SetInt(60)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		item := reflect.New(v.Type().Elem()).Elem()
		fill(item)
		v.SetMapIndex(reflect.ValueOf("key"), item)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
			if strings.HasSuffix(v.Type().Field(i).Tag.Get("check"), ",alias") {
				v.Field(i).SetString("text") // no alias has other characters
			}
		}
	}
}

func TestErrorsArriveTyped(t *testing.T) {
	c := connect(t, func(context.Context, string, any) (any, error) {
		return nil, &api.Error{Code: api.CodeValidation, Message: "m", Reason: "R", ResourceName: "N"}
	})
	_, err := c.StopExecution(context.Background(), &api.StopExecutionInput{ExecutionArn: "a"})
	var e *api.Error
	if !errors.As(err, &e) || e.Code != "ValidationException" || e.Message != "m" || e.Reason != "R" || e.ResourceName != "N" || e.Status != 400 || len(e.RequestID) != 36 {
		t.Errorf("it arrives as %#v", err)
	}
	if _, err := c.StopExecution(context.Background(), &api.StopExecutionInput{}); api.CodeOf(err) != api.CodeValidation || !strings.Contains(err.Error(), "executionArn") {
		t.Errorf("the server's own refusal arrives as %v", err)
	}
}

func TestAWrongSecretIsRefused(t *testing.T) {
	good := connect(t, func(context.Context, string, any) (any, error) { return &api.ListActivitiesOutput{}, nil })
	if _, err := good.ListActivities(context.Background(), &api.ListActivitiesInput{}); err != nil {
		t.Fatal(err)
	}
	handler, err := server.New(server.Config{Service: script(nil), Keys: map[string]string{"id": "secret"}, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(handler)
	defer listener.Close()
	for _, k := range []struct {
		credentials client.Credentials
		code        string
	}{
		{client.Credentials{AccessKeyID: "id", SecretAccessKey: "wrong"}, api.CodeInvalidSignature},
		{client.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, api.CodeInvalidSignature}, // right, but for another region
		{client.Credentials{}, api.CodeMissingAuthentication},
	} {
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		c := newClient(t, client.Config{Endpoint: listener.URL, Credentials: k.credentials, Region: "eu-west-1"})
		if _, err := c.ListActivities(context.Background(), &api.ListActivitiesInput{}); api.CodeOf(err) != k.code {
			t.Errorf("%+v: %v, want %s", k.credentials, err, k.code)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "token")
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "eu-west-3")
	var header http.Header
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		fmt.Fprint(w, `{"activities":[]}`)
	}))
	defer listener.Close()
	if _, err := newClient(t, client.Config{Endpoint: listener.URL}).ListActivities(context.Background(), &api.ListActivitiesInput{}); err != nil {
		t.Fatal(err)
	}
	if got := header.Get("Authorization"); !strings.Contains(got, "Credential=id/") || !strings.Contains(got, "/eu-west-3/states/aws4_request") {
		t.Errorf("signed as %s", got)
	}
	if header.Get("X-Amz-Security-Token") != "token" {
		t.Error("no session token")
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []client.Config{
		{Endpoint: "127.0.0.1:8083"}, {Endpoint: "ftp://host"}, {Endpoint: "http://"}, {Endpoint: "http://host/path"}, {Endpoint: "http://host?x=1"},
		{Endpoint: "http://user:word@host"}, {Endpoint: "http://%"}, {Credentials: client.Credentials{AccessKeyID: "half"}},
	} {
		_, err := client.New(c)
		if err == nil {
			t.Errorf("%+v is taken", c)
		} else if strings.Contains(err.Error(), "word") {
			t.Errorf("the password is told: %v", err)
		}
	}
}

// TestRepeats holds what is tried again: only what had no effect, or has no further one.
func TestRepeats(t *testing.T) {
	ctx := context.Background()
	describe := func(c *client.Client) error {
		_, err := c.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: "a"})
		return err
	}
	complete := func(c *client.Client) error {
		_, err := c.SendTaskSuccess(ctx, &api.SendTaskSuccessInput{TaskToken: "t", Output: "1"})
		return err
	}
	start := func(name *string) func(*client.Client) error {
		return func(c *client.Client) error {
			_, err := c.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: "a", Name: name})
			return err
		}
	}
	name := "n"
	for _, c := range []struct {
		name  string
		call  func(*client.Client) error
		first error
		calls int32
	}{
		{"throttled", complete, api.Errorf(api.CodeThrottling, ""), 2},
		{"read, fault", describe, api.Errorf(api.CodeInternalFailure, ""), 2},
		{"read, refused", describe, api.Errorf(api.CodeInvalidArn, ""), 1},
		{"completion, fault", complete, api.Errorf(api.CodeInternalFailure, ""), 1},
		{"start with a name, fault", start(&name), api.Errorf(api.CodeServiceUnavailable, ""), 2},
		{"start without a name, fault", start(nil), api.Errorf(api.CodeServiceUnavailable, ""), 1},
		{"read, connection lost", describe, http.ErrAbortHandler, 2},
		{"completion, connection lost", complete, http.ErrAbortHandler, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var calls atomic.Int32
			listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var refusal *api.Error
				switch {
				case calls.Add(1) > 1:
					fmt.Fprint(w, `{}`)
				case errors.As(c.first, &refusal):
					w.WriteHeader(refusal.HTTPStatus())
					fmt.Fprintf(w, `{"__type":"com.amazonaws#%s","Message":"m"}`, refusal.Code)
				default:
					panic(c.first)
				}
			}))
			defer listener.Close()
			err := c.call(newClient(t, client.Config{Endpoint: listener.URL}))
			if calls.Load() != c.calls || (err == nil) != (c.calls > 1) {
				t.Errorf("%d calls and %v, want %d calls", calls.Load(), err, c.calls)
			}
		})
	}
}

func TestAServerThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, err = newClient(t, client.Config{Endpoint: "http://" + address, Attempts: 2}).ListActivities(context.Background(), &api.ListActivitiesInput{})
	if err == nil || api.CodeOf(err) != "" {
		t.Errorf("it comes as %v", err)
	}
}

func TestAnswersOutOfTheProtocol(t *testing.T) {
	answers := map[string]func(http.ResponseWriter){
		"a proxy's page":   func(w http.ResponseWriter) { w.WriteHeader(502); fmt.Fprint(w, "<html>") },
		"JSON of no error": func(w http.ResponseWriter) { w.WriteHeader(400); fmt.Fprint(w, `{"x":1}`) },
		"no JSON":          func(w http.ResponseWriter) { fmt.Fprint(w, "hello") },
		"cut off":          func(w http.ResponseWriter) { w.Header().Set("Content-Length", "9"); fmt.Fprint(w, `{}`) },
	}
	for name, answer := range answers {
		listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
		_, err := newClient(t, client.Config{Endpoint: listener.URL, Attempts: 1}).ListActivities(context.Background(), &api.ListActivitiesInput{})
		if err == nil || api.CodeOf(err) != "" {
			t.Errorf("%s comes as %v", name, err)
		}
		listener.Close()
	}
}

func TestTimeouts(t *testing.T) {
	release := make(chan struct{})
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-release }))
	defer listener.Close()
	defer close(release)
	c := newClient(t, client.Config{Endpoint: listener.URL, Timeout: 20 * time.Millisecond})
	if _, err := c.ListActivities(context.Background(), &api.ListActivitiesInput{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the client's own limit: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.ListActivities(ctx, &api.ListActivitiesInput{}); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller's own limit: %v", err)
	}
}
