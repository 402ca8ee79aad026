package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// The test binary is the hosted program too: started with the address of a
// Runtime API it is a function, of the kind that PROGRAM names.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		if os.Getenv("HOST") != "" {
			host()
		}
		os.Exit(m.Run())
	}
	switch os.Getenv("PROGRAM") {
	case "raw":
		raw()
	case "exits":
		os.Exit(3)
	case "reports":
		post("init/error", `{"errorMessage":"no database","errorType":"ErrNoDatabase"}`)
		os.Exit(1)
	case "once":
		if err := os.Mkdir(os.Getenv("ONCE"), 0o700); err != nil {
			os.Exit(4)
		}
		awslambda.Start(onEvent)
	case "mute":
		time.Sleep(time.Hour) // a select without cases would be a deadlock, and end the program
	case "greedy":
		greedy()
	default:
		awslambda.Start(onEvent)
	}
}

// host is a server that tells of its program's process and goes on for ever.
func host() {
	h := New(Config{Functions: map[string]Function{"Book": {Command: []string{os.Args[0]}}}, Logger: quiet})
	pid, err := h.Call(context.Background(), task(`{"do":"sleep"}`))
	fmt.Println(pid, err)
	time.Sleep(time.Hour)
}

// event tells the function what to do.
type event struct {
	Do   string `json:"do"`
	Ms   int    `json:"ms,omitempty"`
	Size int    `json:"size,omitempty"`
	Echo any    `json:"echo,omitempty"`
}

type badOrder struct{}

func (badOrder) Error() string { return "the order is bad" }

// onEvent is built on aws-lambda-go and runs unchanged on Lambda.
func onEvent(ctx context.Context, e event) (any, error) {
	switch e.Do {
	case "fail":
		return nil, badOrder{}
	case "panic":
		panic("out of order")
	case "exit":
		os.Exit(7)
	case "sleep":
		time.Sleep(time.Duration(e.Ms) * time.Millisecond)
		return os.Getpid(), nil
	case "big":
		return strings.Repeat("x", e.Size), nil
	case "print":
		fmt.Println("one line")
		fmt.Fprintln(os.Stderr, "another line")
		return nil, nil
	case "context":
		return describe(ctx), nil
	case "folder":
		return os.Getwd()
	case "environment":
		return os.Environ(), nil
	}
	return e.Echo, nil
}

func describe(ctx context.Context) map[string]any {
	c, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return map[string]any{
		"arn": c.InvokedFunctionArn, "request": c.AwsRequestID, "custom": c.ClientContext.Custom,
		"name": lambdacontext.FunctionName, "deadline": deadline.UnixMilli(), "trace": ctx.Value("x-amzn-trace-id"),
	}
}

// raw is a bootstrap by hand: plain HTTP, lengths instead of chunks. What the
// payload says it sends back; a payload of "lost" is answered under a foreign
// id first, "silent" not at all.
func raw() {
	for {
		id, payload := next()
		switch payload {
		case `"lost"`:
			fmt.Println("status", post("invocation/00000000-0000-0000-0000-000000000000/response", `"stolen"`))
			post("invocation/"+id+"/response", `"found"`)
		case `"silent"`:
			id, payload = next()
			post("invocation/"+id+"/response", payload)
		case `"words"`:
			post("invocation/"+id+"/response", "no JSON, but words")
		case `"nothing"`:
			post("invocation/"+id+"/response", "")
		case `"untyped"`:
			post("invocation/"+id+"/error", `{"errorMessage":"whatever"}`)
		default:
			post("invocation/"+id+"/response", payload)
		}
	}
}

// greedy asks twice at once, and sends what it heard the second time.
func greedy() {
	statuses := make(chan int)
	for range 2 {
		go func() {
			r, err := http.Get(runtimeURL("invocation/next"))
			if err != nil {
				os.Exit(1)
			}
			defer r.Body.Close()
			if r.StatusCode == http.StatusOK {
				second := <-statuses
				post("invocation/"+r.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", fmt.Sprint(second))
				return
			}
			statuses <- r.StatusCode
		}()
	}
	time.Sleep(time.Hour)
}

func runtimeURL(path string) string {
	return "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/" + path
}

func next() (id, payload string) {
	r, err := http.Get(runtimeURL("invocation/next"))
	if err != nil || r.StatusCode != http.StatusOK {
		os.Exit(1)
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	return r.Header.Get("Lambda-Runtime-Aws-Request-Id"), string(body)
}

func post(path, body string) int {
	r, err := http.Post(runtimeURL(path), "application/json", strings.NewReader(body))
	if err != nil {
		os.Exit(1)
	}
	defer r.Body.Close()
	io.Copy(io.Discard, r.Body)
	return r.StatusCode
}

const account, region = "123456789012", "us-east-1"

// hosted is a handler with one program, "Book", which is the test binary.
func hosted(t *testing.T, program string, f Function) *Handler {
	t.Helper()
	f.Command = []string{os.Args[0]}
	env := map[string]string{"PROGRAM": program}
	for name, v := range f.Env {
		env[name] = v
	}
	f.Env = env
	h := New(Config{Functions: map[string]Function{"Book": f}, Region: region, Account: account, Logger: quiet})
	t.Cleanup(func() { h.Close(canceled()) })
	return h
}

var quiet = slog.New(slog.DiscardHandler)

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// task is a call of Book by its ARN.
func task(payload string) integration.Task {
	return integration.Task{
		Resource: "arn:aws:lambda:us-east-1:123456789012:function:Book", Service: "lambda",
		Request: value.Checked(payload), StepID: "aaaa-3", Attempt: 1,
		Execution: "arn:aws:states:us-east-1:123456789012:execution:Order:o-1", State: "Book it",
	}
}

// invoke is a call of lambda:invoke.
func invoke(parameters string) integration.Task {
	t := task(parameters)
	t.Resource, t.Action = "arn:aws:states:::lambda:invoke", "invoke"
	return t
}

// failure is err as a failure of a task.
func failure(t *testing.T, err error) *integration.Error {
	t.Helper()
	var failed *integration.Error
	if !errors.As(err, &failed) {
		t.Fatalf("%v is no failure of a task", err)
	}
	return failed
}

func decode(t *testing.T, text value.Text, into any) {
	t.Helper()
	if err := json.NewDecoder(bytes.NewReader([]byte(text.String()))).Decode(into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
