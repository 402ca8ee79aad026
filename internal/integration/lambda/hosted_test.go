package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
)

func TestHostedAnswers(t *testing.T) {
	tests := []struct {
		name, program, payload string
		want                   string // the payload, or
		fails, cause           string
		effect                 integration.Effect
	}{
		{name: "echo", payload: `{"echo": {"b":1,"a":[true,null]}}`, want: `{"a":[true,null],"b":1}`},
		{name: "nothing to say", payload: `{}`, want: `null`},
		{name: "own error", payload: `{"do":"fail"}`, fails: "badOrder", cause: `{"errorMessage":"the order is bad","errorType":"badOrder"}`, effect: integration.EffectNamed},
		{name: "panic", payload: `{"do":"panic"}`, fails: "string", cause: `"errorMessage":"out of order"`, effect: integration.EffectNamed},
		{name: "dies", payload: `{"do":"exit"}`, fails: "Runtime.ExitError", cause: `Error: Runtime exited with error: exit status 7`, effect: integration.EffectUnknown},
		{name: "foreign shape", payload: `[1]`, fails: "UnmarshalTypeError", cause: `cannot unmarshal array`, effect: integration.EffectNamed},
		{name: "as large as may be", payload: `{"do":"big","size":262142}`, want: `"` + strings.Repeat("x", 262142) + `"`},
		{name: "too large", payload: `{"do":"big","size":262143}`, fails: "States.DataLimitExceeded",
			cause:  "The state/task 'arn:aws:lambda:us-east-1:123456789012:function:Book' returned a result with a size exceeding the maximum number of bytes service limit.",
			effect: integration.EffectDone},
		{name: "far too large", payload: `{"do":"big","size":9000000}`, fails: "States.DataLimitExceeded", effect: integration.EffectDone},
		{name: "raw", program: "raw", payload: `{"n": 1.10}`, want: `{"n": 1.10}`},
		{name: "raw words", program: "raw", payload: `"words"`, want: `"no JSON, but words"`},
		{name: "raw nothing", program: "raw", payload: `"nothing"`, want: `""`},
		{name: "raw answers for another", program: "raw", payload: `"lost"`, want: `"found"`},
		{name: "raw asks on without an answer", program: "raw", payload: `"silent"`, fails: "Runtime.ExitError", effect: integration.EffectUnknown},
		{name: "raw untyped error", program: "raw", payload: `"untyped"`, fails: "Lambda.Unknown",
			cause:  `The cause could not be determined because Lambda did not return an error type. Returned payload: {"errorMessage":"whatever"}`,
			effect: integration.EffectUnknown},
		{name: "asks twice", program: "greedy", payload: `{}`, want: `403`},
		{name: "exits at its start", program: "exits", payload: `{}`, fails: "Runtime.ExitError", cause: "exit status 3", effect: integration.EffectNone},
		{name: "reports its start", program: "reports", payload: `{}`, fails: "ErrNoDatabase", cause: `{"errorMessage":"no database","errorType":"ErrNoDatabase"}`, effect: integration.EffectNone},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := hosted(t, test.program, Function{Concurrency: 1})
			got, err := h.Call(t.Context(), task(test.payload))
			if test.fails == "" {
				if err != nil || got.String() != test.want {
					t.Fatalf("got %.200s, %v, want %.200s", got, err, test.want)
				}
				return
			}
			failed := failure(t, err)
			if failed.Name != test.fails || !strings.Contains(failed.Cause, test.cause) || failed.Effect != test.effect {
				t.Errorf("got %+v, want %s with %q, effect %v", failed, test.fails, test.cause, test.effect)
			}
		})
	}
}

func TestHostedCommandThatIsNone(t *testing.T) {
	for _, command := range []string{"/no/such/program", "no-such-program", os.TempDir()} {
		h := New(Config{Functions: map[string]Function{"Book": {Command: []string{command}}}, Logger: quiet})
		_, err := h.Call(t.Context(), task(`{}`))
		failed := failure(t, err)
		if failed.Name != "Runtime.InvalidEntrypoint" || !strings.Contains(failed.Cause, command) || failed.Effect != integration.EffectNone {
			t.Errorf("%s: got %+v", command, failed)
		}
		h.Close(t.Context())
	}
}

func TestHostedCommandIsFoundInItsFolder(t *testing.T) {
	folder := t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(folder, "book")); err != nil {
		t.Fatal(err)
	}
	h := New(Config{Functions: map[string]Function{"Book": {Command: []string{"./book"}, Dir: folder}}, Logger: quiet})
	defer h.Close(t.Context())
	text, err := h.Call(t.Context(), task(`{"do":"folder"}`))
	if err != nil || text.String() != strconv.Quote(folder) {
		t.Errorf("got %s, %v, want %q", text, err, folder)
	}
}

func TestHostedIsToldOfTheCall(t *testing.T) {
	h := hosted(t, "", Function{Timeout: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	call := task(`{"do":"context"}`)
	call.Trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
	call.State = "Bücher"
	text, err := h.Call(ctx, call)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		ARN, Request, Name, Trace string
		Deadline                  int64
		Custom                    map[string]string
	}
	decode(t, text, &got)
	end, _ := ctx.Deadline()
	if got.ARN != call.Resource || got.Name != "Book" || got.Trace != call.Trace || got.Deadline != end.UnixMilli() || len(got.Request) != 36 {
		t.Errorf("told %+v", got)
	}
	for _, want := range call.Headers() {
		if got.Custom[want.Name] != want.Value {
			t.Errorf("custom %s is %q, want %q", want.Name, got.Custom[want.Name], want.Value)
		}
	}
	if got.Custom["Idempotency-Key"] != "aaaa-3" || got.Custom["Backstep-State"] != "B%C3%BCcher" {
		t.Errorf("custom %v", got.Custom)
	}
}

func TestHostedClientContextOfTheDefinitionWins(t *testing.T) {
	h := hosted(t, "", Function{})
	mine := base64.StdEncoding.EncodeToString([]byte(`{"custom":{"Idempotency-Key":"mine","färbe":"😀"}}`))
	text, err := h.Call(t.Context(), invoke(fmt.Sprintf(`{"FunctionName":"Book:live","Payload":{"do":"context"},"ClientContext":%q}`, mine)))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		ExecutedVersion string
		Payload         struct {
			ARN    string
			Custom map[string]string
		}
	}
	decode(t, text, &got)
	c := got.Payload.Custom
	if c["Idempotency-Key"] != "mine" || c["färbe"] != "😀" || c["Backstep-Operation"] != "forward" {
		t.Errorf("custom %v", c)
	}
	if !strings.HasSuffix(got.Payload.ARN, ":function:Book:live") || got.ExecutedVersion != "live" {
		t.Errorf("invoked as %s, version %s", got.Payload.ARN, got.ExecutedVersion)
	}
}

func TestHostedStrictTellsNothingOfItsOwn(t *testing.T) {
	h := New(Config{StrictAWS: true, Logger: quiet, Functions: map[string]Function{"Book": {Command: []string{os.Args[0]}}}})
	defer h.Close(t.Context())
	text, err := h.Call(t.Context(), task(`{"do":"context"}`))
	if err != nil || !strings.Contains(text.String(), `"custom":null`) {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestHostedEnvironment(t *testing.T) {
	t.Setenv("BACKSTEP_POSTGRES", "canary-8841")
	h := hosted(t, "", Function{Env: map[string]string{"TABLE_NAME": "orders"}})
	text, err := h.Call(t.Context(), task(`{"do":"environment"}`))
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	decode(t, text, &env)
	for _, want := range []string{"TABLE_NAME=orders", "AWS_LAMBDA_FUNCTION_NAME=Book", "AWS_REGION=us-east-1", "PATH=" + os.Getenv("PATH")} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is missing in %v", want, env)
		}
	}
	if strings.Contains(text.String(), "canary-8841") {
		t.Error("the program gets what is Backstep's own")
	}
}

func TestHostedConcurrency(t *testing.T) {
	h := hosted(t, "", Function{Concurrency: 2})
	var mu sync.Mutex
	pids := map[string]int{}
	var calls sync.WaitGroup
	for range 10 {
		calls.Go(func() {
			pid, err := h.Call(t.Context(), task(`{"do":"sleep","ms":20}`))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			pids[pid.String()]++
			mu.Unlock()
		})
	}
	calls.Wait()
	if len(pids) != 2 {
		t.Errorf("10 invocations ran in processes %v, want 2 of them", pids)
	}
}

func TestHostedRestartsWhatDied(t *testing.T) {
	h := hosted(t, "", Function{Concurrency: 1})
	before, err := h.Call(t.Context(), task(`{"do":"sleep"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{`{"do":"panic"}`, `{"do":"exit"}`} {
		if _, err := h.Call(t.Context(), task(payload)); err == nil {
			t.Fatalf("%s went well", payload)
		}
		after, err := h.Call(t.Context(), task(`{"do":"sleep"}`))
		if err != nil || after == before {
			t.Errorf("after %s: process %s, %v, before %s", payload, after, err, before)
		}
		before = after
	}
}

func TestHostedTimeout(t *testing.T) {
	h := hosted(t, "", Function{Concurrency: 1, Timeout: 300 * time.Millisecond})
	pid := pidOf(t, h)
	_, err := h.Call(t.Context(), task(`{"do":"sleep","ms":60000}`))
	failed := failure(t, err)
	if failed.Name != "Sandbox.Timedout" || !strings.Contains(failed.Cause, "Task timed out after 0.30 seconds") || failed.Effect != integration.EffectUnknown {
		t.Errorf("got %+v", failed)
	}
	eventually(t, "the process ends", func() bool { return ended(pid) })
	if next := pidOf(t, h); next == pid {
		t.Error("the process that took too long goes on")
	}
}

func TestHostedEndsWithItsCaller(t *testing.T) {
	h := hosted(t, "", Function{Concurrency: 1})
	pid := pidOf(t, h)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := h.Call(ctx, task(`{"do":"sleep","ms":60000}`))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	eventually(t, "the process ends", func() bool { return ended(pid) })

	ctx, cancel = context.WithCancel(t.Context())
	answer := make(chan error)
	go func() {
		_, err := h.Call(ctx, task(`{"do":"sleep","ms":60000}`))
		answer <- err
	}()
	eventually(t, "a process begins", func() bool { return busy(h) })
	cancel()
	if err := <-answer; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestHostedWaitsInLine(t *testing.T) {
	h := hosted(t, "", Function{Concurrency: 1})
	pid := pidOf(t, h)
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := h.Call(t.Context(), task(`{"do":"sleep","ms":300}`)); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the first is served", func() bool { return busy(h) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := h.Call(ctx, task(`{}`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	first.Wait()
	if next := pidOf(t, h); next != pid {
		t.Error("who gave up in the line ended somebody else's process")
	}
}

func TestHostedEvent(t *testing.T) {
	h := hosted(t, "", Function{Concurrency: 1})
	for _, do := range []string{"sleep", "fail"} {
		text, err := h.Call(t.Context(), invoke(`{"FunctionName":"Book","InvocationType":"Event","Payload":{"do":"`+do+`"}}`))
		if err != nil || !strings.Contains(text.String(), `"Payload":""`) || !strings.HasSuffix(text.String(), `"StatusCode":202}`) {
			t.Errorf("%s: got %s, %v", do, text, err)
		}
	}
	if text, err := h.Call(t.Context(), invoke(`{"FunctionName":"Book","InvocationType":"DryRun"}`)); err != nil || !strings.HasSuffix(text.String(), `"StatusCode":204}`) {
		t.Errorf("dry run: got %s, %v", text, err)
	}
}

func TestHostedOutput(t *testing.T) {
	var mu sync.Mutex
	var logged bytes.Buffer
	h := New(Config{
		Functions: map[string]Function{"Book": {Command: []string{os.Args[0]}}},
		Logger:    slog.New(slog.NewJSONHandler(writer(func(p []byte) (int, error) { mu.Lock(); defer mu.Unlock(); return logged.Write(p) }), nil)),
	})
	text, err := h.Call(t.Context(), invoke(`{"FunctionName":"Book","LogType":"Tail","Payload":{"do":"print"}}`))
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ LogResult []byte }
	decode(t, text, &got)
	if !strings.Contains(string(got.LogResult), "one line\n") {
		t.Errorf("the tail is %q", got.LogResult)
	}
	h.Close(t.Context())
	for _, want := range []string{`"function":"Book","line":"one line"`, `"function":"Book","line":"another line"`} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("%s is not in the log: %s", want, logged.String())
		}
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestOutputLines(t *testing.T) {
	var logged bytes.Buffer
	o := newOutput(slog.New(slog.NewTextHandler(&logged, nil)))
	fmt.Fprintf(o, "a\r\nb")
	fmt.Fprintf(o, "c\n\n%s", strings.Repeat("d", maxLine+3))
	o.flush()
	var lines []string
	for l := range strings.Lines(logged.String()) {
		_, line, _ := strings.Cut(strings.TrimSpace(l), " line=")
		lines = append(lines, line)
	}
	want := []string{"a", "bc", strings.Repeat("d", maxLine), "ddd"}
	if !slices.Equal(lines, want) {
		t.Errorf("got %.60q", lines)
	}
	if tail, _ := base64.StdEncoding.DecodeString(o.tailOf()); len(tail) != maxTail {
		t.Errorf("the tail has %d bytes", len(tail))
	}
}

// After Close there is no process, no goroutine and no port left, and what was
// under way has been answered.
func TestHostedClose(t *testing.T) {
	before := runtime.NumGoroutine()
	h := hosted(t, "", Function{Concurrency: 2})
	pid := pidOf(t, h)
	address := addressOf(h)
	var under sync.WaitGroup
	under.Go(func() {
		if _, err := h.Call(t.Context(), task(`{"do":"sleep","ms":200}`)); err != nil {
			t.Errorf("under way: %v", err)
		}
	})
	eventually(t, "it is under way", func() bool { return busy(h) })
	h.Close(t.Context())
	under.Wait()
	if !ended(pid) {
		t.Error("the process goes on")
	}
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Error("the port is open")
	}
	if _, err := h.Call(t.Context(), task(`{}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("afterwards: %v", err)
	}
	eventually(t, "the goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

// A server that is killed leaves no program behind.
func TestHostedDiesWithItsServer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux lets a process die with its parent")
	}
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), "HOST=1")
	out, _ := server.StdoutPipe()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil || ended(pid) {
		t.Errorf("program %d: %v", pid, err)
	}
	server.Process.Kill()
	server.Wait()
	eventually(t, "the program ends", func() bool { return ended(pid) })
}

func TestHostedCloseInHaste(t *testing.T) {
	h := hosted(t, "mute", Function{Concurrency: 1})
	answer := make(chan error)
	go func() {
		_, err := h.Call(t.Context(), task(`{}`))
		answer <- err
	}()
	eventually(t, "a process begins", func() bool {
		f := h.functions["Book"].(*fleet)
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.processes) == 1
	})
	h.Close(canceled())
	if err := <-answer; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestHostedProgramThatNeverAsks(t *testing.T) {
	h := hosted(t, "mute", Function{Concurrency: 1})
	f := h.functions["Book"].(*fleet)
	answer := make(chan error)
	go func() {
		_, err := h.Call(t.Context(), task(`{}`))
		answer <- err
	}()
	eventually(t, "a process begins", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for p := range f.processes {
			p.boot.Reset(0)
			return true
		}
		return false
	})
	if failed := failure(t, <-answer); failed.Name != "Runtime.ExitError" || !strings.Contains(failed.Cause, "killed") || failed.Effect != integration.EffectNone {
		t.Errorf("got %+v", failed)
	}
}

// A page in a browser can send requests to the port, but takes nothing.
func TestRuntimeAPIRefusesBrowsers(t *testing.T) {
	h := hosted(t, "", Function{Concurrency: 1})
	pidOf(t, h)
	url := "http://" + addressOf(h) + "/2018-06-01/runtime/invocation/next"
	for name, v := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
		r, _ := http.NewRequest("GET", url, nil)
		r.Header.Set(name, v)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden || !strings.Contains(string(body), "NotForBrowsers") {
			t.Errorf("%s: got %d %s", name, answer.StatusCode, body)
		}
	}
}

// A program that can't start is not started over and over: the waits between
// starts grow, however many ask.
func TestHostedBackoff(t *testing.T) {
	h := hosted(t, "exits", Function{Concurrency: 4})
	f := h.functions["Book"].(*fleet)
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			if _, err := h.Call(t.Context(), task(`{}`)); err == nil {
				t.Error("a program that exits at its start answered")
			}
		})
	}
	calls.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failures == 0 || time.Until(f.retryAt) <= 0 {
		t.Errorf("%d failures, next start in %v", f.failures, time.Until(f.retryAt))
	}
	if len(f.waiting) != 0 {
		t.Errorf("%d still wait", len(f.waiting))
	}
}

// A start that fails while another process works fails nobody: who waits is
// served by the one that works.
func TestHostedStartFailsBesideOneThatWorks(t *testing.T) {
	once := filepath.Join(t.TempDir(), "started")
	h := hosted(t, "once", Function{Concurrency: 2, Env: map[string]string{"ONCE": once}})
	pid := pidOf(t, h)
	var calls sync.WaitGroup
	for range 6 {
		calls.Go(func() {
			if got, err := h.Call(t.Context(), task(`{"do":"sleep","ms":50}`)); err != nil || got.String() != strconv.Itoa(pid) {
				t.Errorf("got %s, %v, want process %d", got, err, pid)
			}
		})
	}
	calls.Wait()
}

func TestHostedIdleProcessRests(t *testing.T) {
	h := hosted(t, "", Function{Concurrency: 1})
	pid := pidOf(t, h)
	f := h.functions["Book"].(*fleet)
	eventually(t, "it is idle", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.idle) == 1 })
	f.mu.Lock()
	f.idle[0].rest.Reset(0)
	f.mu.Unlock()
	eventually(t, "it ends", func() bool { return ended(pid) })
	if next := pidOf(t, h); next == pid {
		t.Error("the same process")
	}
}

func pidOf(t *testing.T, h *Handler) int {
	t.Helper()
	text, err := h.Call(t.Context(), task(`{"do":"sleep"}`))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if err := json.Unmarshal([]byte(text.String()), &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// addressOf is where the Runtime API of Book's only process listens.
func addressOf(h *Handler) (address string) {
	f := h.functions["Book"].(*fleet)
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.processes {
		<-p.started
		address = strings.TrimPrefix(p.command.Env[0], "AWS_LAMBDA_RUNTIME_API=")
	}
	return address
}

func ended(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// busy reports whether a process of Book has an invocation.
func busy(h *Handler) bool {
	f := h.functions["Book"].(*fleet)
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.processes {
		if p.turn != nil && p.told {
			return true
		}
	}
	return false
}
