package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/server"
)

// fake is a service whose answers a test scripts. What a test does not script panics.
type fake struct {
	api.Service
	start    func(context.Context, *api.StartExecutionInput) (*api.StartExecutionOutput, error)
	sync     func(context.Context, *api.StartSyncExecutionInput) (*api.StartSyncExecutionOutput, error)
	describe func(context.Context, *api.DescribeExecutionInput) (*api.DescribeExecutionOutput, error)
	list     func(context.Context, *api.ListExecutionsInput) (*api.ListExecutionsOutput, error)
	history  func(context.Context, *api.GetExecutionHistoryInput) (*api.GetExecutionHistoryOutput, error)
	stop     func(context.Context, *api.StopExecutionInput) (*api.StopExecutionOutput, error)
	task     func(context.Context, *api.GetActivityTaskInput) (*api.GetActivityTaskOutput, error)
	succeed  func(context.Context, *api.SendTaskSuccessInput) (*api.SendTaskSuccessOutput, error)
	tag      func(context.Context, *api.TagResourceInput) (*api.TagResourceOutput, error)
	untag    func(context.Context, *api.UntagResourceInput) (*api.UntagResourceOutput, error)
	create   func(context.Context, *api.CreateStateMachineInput) (*api.CreateStateMachineOutput, error)
	wait     func(context.Context, *api.WaitExecutionInput) (*api.WaitExecutionOutput, error)
}

func (f *fake) StartExecution(ctx context.Context, in *api.StartExecutionInput) (*api.StartExecutionOutput, error) {
	return f.start(ctx, in)
}
func (f *fake) StartSyncExecution(ctx context.Context, in *api.StartSyncExecutionInput) (*api.StartSyncExecutionOutput, error) {
	return f.sync(ctx, in)
}
func (f *fake) DescribeExecution(ctx context.Context, in *api.DescribeExecutionInput) (*api.DescribeExecutionOutput, error) {
	return f.describe(ctx, in)
}
func (f *fake) ListExecutions(ctx context.Context, in *api.ListExecutionsInput) (*api.ListExecutionsOutput, error) {
	return f.list(ctx, in)
}
func (f *fake) GetExecutionHistory(ctx context.Context, in *api.GetExecutionHistoryInput) (*api.GetExecutionHistoryOutput, error) {
	return f.history(ctx, in)
}
func (f *fake) StopExecution(ctx context.Context, in *api.StopExecutionInput) (*api.StopExecutionOutput, error) {
	return f.stop(ctx, in)
}
func (f *fake) GetActivityTask(ctx context.Context, in *api.GetActivityTaskInput) (*api.GetActivityTaskOutput, error) {
	return f.task(ctx, in)
}
func (f *fake) SendTaskSuccess(ctx context.Context, in *api.SendTaskSuccessInput) (*api.SendTaskSuccessOutput, error) {
	return f.succeed(ctx, in)
}
func (f *fake) TagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return f.tag(ctx, in)
}
func (f *fake) UntagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return f.untag(ctx, in)
}
func (f *fake) CreateStateMachine(ctx context.Context, in *api.CreateStateMachineInput) (*api.CreateStateMachineOutput, error) {
	return f.create(ctx, in)
}
func (f *fake) CreateStateMachineAlias(_ context.Context, in *api.CreateStateMachineAliasInput) (*api.CreateStateMachineAliasOutput, error) {
	return &api.CreateStateMachineAliasOutput{StateMachineAliasArn: in.Name}, nil
}
func (f *fake) UpdateStateMachineAlias(context.Context, *api.UpdateStateMachineAliasInput) (*api.UpdateStateMachineAliasOutput, error) {
	return &api.UpdateStateMachineAliasOutput{}, nil
}
func (f *fake) WaitExecution(ctx context.Context, in *api.WaitExecutionInput) (*api.WaitExecutionOutput, error) {
	return f.wait(ctx, in)
}

const (
	machineArn   = "arn:aws:states:us-east-1:123456789012:stateMachine:order"
	executionArn = "arn:aws:states:us-east-1:123456789012:execution:order:one"
	activityArn  = "arn:aws:states:us-east-1:123456789012:activity:pack"
)

// newFake answers every scripted operation well.
func newFake() *fake {
	return &fake{
		start: func(_ context.Context, in *api.StartExecutionInput) (*api.StartExecutionOutput, error) {
			return &api.StartExecutionOutput{ExecutionArn: in.StateMachineArn, StartDate: 1_700_000_000_123}, nil
		},
		list: func(context.Context, *api.ListExecutionsInput) (*api.ListExecutionsOutput, error) {
			return &api.ListExecutionsOutput{}, nil
		},
		history: func(context.Context, *api.GetExecutionHistoryInput) (*api.GetExecutionHistoryOutput, error) {
			return &api.GetExecutionHistoryOutput{}, nil
		},
		succeed: func(context.Context, *api.SendTaskSuccessInput) (*api.SendTaskSuccessOutput, error) {
			return &api.SendTaskSuccessOutput{}, nil
		},
		tag: func(context.Context, *api.TagResourceInput) (*api.TagResourceOutput, error) {
			return &api.TagResourceOutput{}, nil
		},
		untag: func(context.Context, *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
			return &api.UntagResourceOutput{}, nil
		},
		create: func(_ context.Context, in *api.CreateStateMachineInput) (*api.CreateStateMachineOutput, error) {
			return &api.CreateStateMachineOutput{StateMachineArn: in.Name}, nil
		},
	}
}

// open starts a server on loopback and gives its URL. It ends with the test.
func open(t *testing.T, c server.Config) (*server.Server, string) {
	t.Helper()
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Drain(ctx); err != nil {
			t.Errorf("Drain: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, "http://" + l.Addr().String()
}

// newCall is a request as an SDK would make it.
func newCall(url, target, body string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, url+"/", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", target)
	return r
}

// send gives status, headers and body of the answer.
func send(t *testing.T, r *http.Request) (int, http.Header, string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(body)
}

// syncBuffer is a log that many goroutines may write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestAnswerHasAWSsForm(t *testing.T) {
	_, url := open(t, server.Config{Service: newFake()})
	status, header, body := send(t, newCall(url, "AWSStepFunctions.StartExecution", `{"stateMachineArn":"m","unknown":[1]}`))
	if want := `{"executionArn":"m","startDate":1700000000.123}`; status != 200 || body != want {
		t.Errorf("answer %d %s, want 200 %s", status, body, want)
	}
	if got := header.Get("Content-Type"); got != "application/x-amz-json-1.0" {
		t.Errorf("Content-Type %q", got)
	}
	if id := header.Get("x-amzn-RequestId"); len(id) != 36 || id[14] != '4' {
		t.Errorf("x-amzn-RequestId %q is no random UUID", id)
	}
	if _, _, body := send(t, newCall(url, "AWSStepFunctions.ListExecutions", `{}`)); body != `{"executions":[]}` {
		t.Errorf("an empty page is %s", body)
	}
	if _, _, body := send(t, newCall(url, "AWSStepFunctions.SendTaskSuccess", `{"taskToken":"t","output":""}`)); body != `{}` {
		t.Errorf("an empty answer is %s", body)
	}
}

func TestErrorsOfTheService(t *testing.T) {
	var log syncBuffer
	f := newFake()
	_, url := open(t, server.Config{Service: f, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	call := func() (int, http.Header, string) {
		return send(t, newCall(url, "AWSStepFunctions.StartExecution", `{"stateMachineArn":"m"}`))
	}
	answer := func(err error) {
		f.start = func(context.Context, *api.StartExecutionInput) (*api.StartExecutionOutput, error) { return nil, err }
	}

	answer(api.ResourceNotFound("x"))
	status, header, body := call()
	if want := `{"__type":"ResourceNotFound","message":"Resource not found: 'x'","resourceName":"x"}`; status != 400 || body != want {
		t.Errorf("%d %s, want 400 %s", status, body, want)
	}
	if got := header.Get("x-amzn-ErrorType"); got != "ResourceNotFound" {
		t.Errorf("x-amzn-ErrorType %q", got)
	}
	answer(&api.Error{Code: api.CodeConflict, Message: "m", Reason: "R"})
	if status, _, body := call(); status != 409 || body != `{"__type":"ConflictException","message":"m","reason":"R"}` {
		t.Errorf("%d %s", status, body)
	}
	answer(context.DeadlineExceeded)
	if status, _, body := call(); status != 503 || !strings.Contains(body, `"ServiceUnavailable"`) {
		t.Errorf("%d %s, want 503 ServiceUnavailable", status, body)
	}
	if log.String() != "" {
		t.Errorf("what the caller is told is logged as well: %s", log.String())
	}

	answer(errors.New("disk of secrets is full"))
	status, header, body = call()
	id := header.Get("x-amzn-RequestId")
	if status != 500 || !strings.Contains(body, `"InternalFailure"`) || !strings.Contains(body, id) || strings.Contains(body, "secrets") {
		t.Errorf("%d %s, want 500 InternalFailure with %s and no cause", status, body, id)
	}
	if !strings.Contains(log.String(), "disk of secrets is full") || !strings.Contains(log.String(), id) {
		t.Errorf("the log does not say what %s was: %s", id, log.String())
	}

	refused := errors.New("there is no room")
	_, url = open(t, server.Config{Service: f, Log: slog.New(slog.NewJSONHandler(&log, nil)), Ready: func() error { return refused }})
	if status, _, body := call(); status != 503 || !strings.Contains(body, `"ServiceUnavailable"`) || strings.Contains(body, "secrets") {
		t.Errorf("while no work is taken: %d %s, want 503 ServiceUnavailable and no cause", status, body)
	}
	refused = nil

	f.start = nil // calling it panics
	if status, _, body := call(); status != 500 || !strings.Contains(body, `"InternalFailure"`) {
		t.Errorf("after a panic: %d %s, want 500 InternalFailure", status, body)
	}
	if !strings.Contains(log.String(), "panic: ") {
		t.Errorf("the panic is not logged: %s", log.String())
	}
}

func TestGoneCallersAreNoErrors(t *testing.T) {
	var log syncBuffer
	f := newFake()
	entered, left := make(chan struct{}), make(chan struct{})
	f.start = func(ctx context.Context, _ *api.StartExecutionInput) (*api.StartExecutionOutput, error) {
		close(entered)
		<-ctx.Done()
		close(left)
		return nil, ctx.Err()
	}
	_, url := open(t, server.Config{Service: f, Log: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-entered; cancel() }()
	r := newCall(url, "AWSStepFunctions.StartExecution", `{"stateMachineArn":"m"}`).WithContext(ctx)
	if _, err := http.DefaultClient.Do(r); !errors.Is(err, context.Canceled) {
		t.Errorf("Do: %v", err)
	}
	<-left
	if log.String() != "" {
		t.Errorf("logged: %s", log.String())
	}
}

func TestNewRefusesWhatCanNotBeRight(t *testing.T) {
	if _, err := server.New(server.Config{}); err == nil {
		t.Error("a server without a service")
	}
	if _, err := server.New(server.Config{Service: newFake(), Keys: map[string]string{"a": "b"}}); err == nil {
		t.Error("keys without a region")
	}
}

func TestHealth(t *testing.T) {
	var why error
	s, url := open(t, server.Config{Service: newFake(), Ready: func() error { return why }})
	get := func(path string) (int, string) {
		r, _ := http.NewRequest(http.MethodGet, url+path, nil)
		r.Host = "10.1.2.3:8083" // as a prober may call it
		status, _, body := send(t, r)
		return status, body
	}
	if status, body := get("/healthz"); status != 200 || body != "ok\n" {
		t.Errorf("/healthz: %d %q", status, body)
	}
	if status, _ := get("/readyz"); status != 200 {
		t.Errorf("/readyz: %d", status)
	}
	why = errors.New("the store is full")
	if status, body := get("/readyz"); status != 503 || body != "the store is full\n" {
		t.Errorf("/readyz: %d %q", status, body)
	}
	why = nil
	if err := s.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if w.Code != 503 {
		t.Errorf("/readyz of a server that drains: %d", w.Code)
	}
}

func TestMetrics(t *testing.T) {
	mine := prometheus.NewRegistry()
	mine.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "mine_total", Help: "Mine."}))
	s, url := open(t, server.Config{Service: newFake(), Metrics: mine, Keys: map[string]string{"k": "s"}, Region: "r"})
	send(t, newCall(url, "AWSStepFunctions.StartExecution", `{}`))
	send(t, newCall(url, "Nonsense", `{}`))
	r, _ := http.NewRequest(http.MethodGet, url+"/metrics", nil)
	_, _, body := send(t, r)
	for _, want := range []string{
		`backstep_api_requests_total{code="MissingAuthenticationTokenException",operation="StartExecution"} 1`,
		`backstep_api_requests_total{code="UnknownOperationException",operation="unknown"} 1`,
		`backstep_api_request_seconds_count{operation="StartExecution"} 1`,
		`backstep_api_in_flight{kind="poll"} 0`,
		"mine_total 0",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics does not say %s", want)
		}
	}
	far := httptest.NewRequest(http.MethodGet, "http://localhost/metrics", nil)
	far.RemoteAddr = "10.0.0.9:1234"
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, far); w.Code != 403 {
		t.Errorf("metrics for a foreign machine: %d", w.Code)
	}
}

func TestConsoleGetsTheRest(t *testing.T) {
	console := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "console "+r.URL.Path) })
	_, url := open(t, server.Config{Service: newFake(), Console: console})
	r, _ := http.NewRequest(http.MethodGet, url+"/sagas", nil)
	if status, _, body := send(t, r); status != 200 || body != "console /sagas" {
		t.Errorf("%d %s", status, body)
	}
	r.Host = "evil.example"
	if status, _, _ := send(t, r); status != 403 {
		t.Errorf("a foreign host sees the console: %d", status)
	}
}

// loopbackClient leads every name to this machine.
func loopbackClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}}}
}
