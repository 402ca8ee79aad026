package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// zoo are state machines whose executions wait in every way that there is, and the
// function that they call: it keeps whoever asks it waiting, or refuses, until the zoo
// is open.
type zoo struct {
	url string

	mu     sync.Mutex
	open   bool
	opened chan struct{}  // closed when it is
	called map[string]int // by the state that calls
	tokens []string
}

func newZoo(t *testing.T) *zoo {
	z := &zoo{called: map[string]int{}, opened: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(z.serve))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	z.url = server.URL
	return z
}

func (z *zoo) configuration() string {
	return "functions:\n  Zoo: {url: \"" + z.url + "\"}\nlimits: {drain: 1s}\n"
}

func (z *zoo) serve(w http.ResponseWriter, r *http.Request) {
	var in struct{ Do, Token string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	z.mu.Lock()
	z.called[in.Do]++
	open := z.open
	if in.Token != "" {
		z.tokens = append(z.tokens, in.Token)
	}
	z.mu.Unlock()
	switch {
	case in.Do == "refuse" || in.Do == "undo" && !open:
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		fmt.Fprint(w, `{"errorType": "Refused", "errorMessage": "as ever"}`)
	case in.Do == "hang":
		select {
		case <-r.Context().Done():
			return
		case <-z.opened:
		}
		fallthrough
	default:
		fmt.Fprint(w, `{"done": true}`)
	}
}

func (z *zoo) count(what string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.called[what]
}

func (z *zoo) allTokens() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.tokens)
}

func (z *zoo) lastToken() string {
	all := z.allTokens()
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// does is a Task that asks the function.
func does(what, more string) string {
	return `{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"Zoo","Payload":{"do":"` + what + `"}},"ResultPath":null` + more + `}`
}

const (
	zooActivity = "arn:aws:states:us-east-1:123456789012:activity:zoo"
	zooWork     = `{"Type":"Task","Resource":"` + zooActivity + `","ResultPath":null,"End":true}`
	zooWait     = `{"Type":"Wait","Seconds":20,"End":true}`
)

// animals are the machines: by name, how each ends when the zoo is open, and its
// definition.
var animals = []struct{ name, ends, definition string }{
	{"Flight", "SUCCEEDED", `{"StartAt":"A","States":{"A":` + does("hang", `,"End":true`) + `}}`},
	{"Pause", "SUCCEEDED", `{"StartAt":"A","States":{"A":` + zooWait + `}}`},
	{"Callback", "SUCCEEDED", `{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken",
		"Parameters":{"FunctionName":"Zoo","Payload":{"do":"callback","token.$":"$$.Task.Token"}},"End":true}}}`},
	{"Work", "SUCCEEDED", `{"StartAt":"A","States":{"A":` + zooWork + `}}`},
	{"Branches", "SUCCEEDED", `{"StartAt":"A","States":{"A":{"Type":"Parallel","End":true,"Branches":[
		{"StartAt":"B","States":{"B":` + zooWork + `}},{"StartAt":"C","States":{"C":` + does("hang", `,"End":true`) + `}},{"StartAt":"D","States":{"D":{"Type":"Pass","End":true}}}]}}}`},
	{"Items", "SUCCEEDED", `{"StartAt":"A","States":{"A":{"Type":"Map","ItemsPath":"$.items","MaxConcurrency":2,"End":true,
		"ItemProcessor":{"StartAt":"B","States":{"B":` + does("hang", `,"End":true`) + `}}}}}`},
	{"Children", "SUCCEEDED", `{"StartAt":"A","States":{"A":{"Type":"Map","ItemsPath":"$.items","MaxConcurrency":2,"End":true,
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"B","States":{"B":` + does("hang", `,"End":true`) + `}}}}}`},
	{"Nested", "SUCCEEDED", `{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync",
		"Parameters":{"StateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:Flight","Input":{}},"End":true}}}`},
	{"Again", "FAILED", `{"StartAt":"A","States":{"A":` + does("refuse", `,"Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":20,"MaxAttempts":1}],"End":true`) + `}}`},
	{"Owed", "FAILED", `{"Saga":{},"StartAt":"A","States":{
		"A":` + does("do", `,"Compensate":`+zooUndo("undone")+`,"Next":"B"`) + `,
		"B":` + does("do", `,"Compensate":`+zooUndo("undone")+`,"Next":"C"`) + `,
		"C":{"Type":"Task","Resource":"` + zooActivity + `","TimeoutSeconds":86400,"Next":"D"},"D":{"Type":"Fail","Error":"Enough"}}}`},
	{"Held", "FAILED", `{"Saga":{},"StartAt":"A","States":{
		"A":` + does("do", `,"Compensate":`+zooUndo("undo")+`,"Next":"B"`) + `,"B":{"Type":"Fail","Error":"Enough"}}}`},
}

func zooUndo(what string) string {
	return `{"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"Zoo","Payload":{"do":"` + what + `"}},"Retry":[{"ErrorEquals":["States.ALL"],"MaxAttempts":0}]}`
}

// warden looks after the zoo's executions at a server.
type warden struct {
	*testing.T
	*client.Client
	zoo     *zoo
	animals []string // that are there
	taken   string   // token of a task that a worker has taken
}

func newWarden(t *testing.T, n *node, z *zoo) *warden {
	t.Helper()
	c, err := client.New(client.Config{Endpoint: n.url, Region: "us-east-1", Credentials: client.Credentials{AccessKeyID: "any", SecretAccessKey: "any"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &warden{T: t, Client: c, zoo: z}
}

func (k *warden) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// fill makes the machines that the server takes, starts one of each, and waits until
// each waits.
func (k *warden) fill() {
	k.Helper()
	ctx := k.Context()
	_, err := k.CreateActivity(ctx, &api.CreateActivityInput{Name: "zoo"})
	k.must(err)
	for _, a := range animals {
		_, err := k.CreateStateMachine(ctx, &api.CreateStateMachineInput{Name: a.name, Definition: a.definition, RoleArn: "arn:aws:iam::123456789012:role/zoo"})
		var refused *api.Error
		if errors.As(err, &refused) && refused.Code == api.CodeInvalidDefinition {
			k.Logf("%s is not known to this version: %v", a.name, err)
			continue
		}
		k.must(err)
		_, err = k.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: machineARN(a.name), Name: text("one"), Input: text(`{"items":[1,2,3]}`)})
		k.must(err)
		k.animals = append(k.animals, a.name)
	}
	_, err = k.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: machineARN("Pause"), Name: text("stopped")})
	k.must(err)
	_, err = k.StopExecution(ctx, &api.StopExecutionInput{ExecutionArn: "arn:aws:states:us-east-1:123456789012:execution:Pause:stopped"})
	k.must(err)
	hanging := 0
	for animal, calls := range map[string]int{"Flight": 1, "Branches": 1, "Items": 2, "Children": 2, "Nested": 1} {
		if k.has(animal) {
			hanging += calls
		}
	}
	await(k.T, "the calls", func() bool {
		return k.zoo.count("hang") >= hanging && k.zoo.lastToken() != "" && k.zoo.count("refuse") > 0 && (!k.has("Held") || k.zoo.count("undo") > 0)
	})
	task, err := k.GetActivityTask(ctx, &api.GetActivityTaskInput{ActivityArn: zooActivity})
	k.must(err)
	k.taken = *task.TaskToken
	await(k.T, "the hold", func() bool { return !k.has("Held") || len(k.holds()) == 1 })
}

func machineARN(name string) string {
	return "arn:aws:states:us-east-1:123456789012:stateMachine:" + name
}

func text(s string) *string { return &s }

func (k *warden) has(animal string) bool { return slices.Contains(k.animals, animal) }

func (k *warden) holds() []api.Hold {
	k.Helper()
	out, err := k.ListHolds(k.Context(), &api.ListHoldsInput{})
	k.must(err)
	return out.Holds
}

// histories are all events of the zoo, as text.
func (k *warden) histories() string {
	k.Helper()
	var all strings.Builder
	for _, name := range k.animals {
		out, err := k.GetExecutionHistory(k.Context(), &api.GetExecutionHistoryInput{ExecutionArn: "arn:aws:states:us-east-1:123456789012:execution:" + name + ":one", MaxResults: 1000})
		k.must(err)
		b, err := json.Marshal(out.Events)
		k.must(err)
		fmt.Fprintf(&all, "%s %s\n", name, b)
	}
	return all.String()
}

// empty opens the zoo and has everything end as it must. The server must take the
// tokens that are given.
func (k *warden) empty(tokens ...string) {
	k.Helper()
	ctx := k.Context()
	k.zoo.mu.Lock()
	k.zoo.open = true
	close(k.zoo.opened)
	k.zoo.mu.Unlock()
	for _, token := range tokens {
		_, err := k.SendTaskSuccess(ctx, &api.SendTaskSuccessInput{TaskToken: token, Output: `{}`})
		k.must(err)
	}
	work, stop := context.WithCancel(ctx)
	defer stop()
	go k.work(work)
	for _, h := range k.holds() {
		unknown := false
		await(k.T, "the hold to be resolved", func() bool {
			_, err := k.ResolveHold(ctx, &api.ResolveHoldInput{ExecutionArn: h.ExecutionArn, HoldId: &h.HoldId, Verb: api.HoldVerbRetry, Operator: "keeper", Reason: "the zoo is open"})
			switch code := api.CodeOf(err); {
			case code == api.CodeServiceUnavailable: // a database on a busy machine: it is asked again
				unknown = true
				return false
			case code == api.CodeHoldDoesNotExist && unknown: // it was
			default:
				k.must(err)
			}
			return true
		})
	}
	for _, a := range animals {
		if !k.has(a.name) {
			continue
		}
		arn := "arn:aws:states:us-east-1:123456789012:execution:" + a.name + ":one"
		await(k.T, a.name+" to end", func() bool {
			out, err := k.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: arn})
			k.must(err)
			if out.Status == api.ExecutionStatusRunning {
				return false
			}
			if string(out.Status) != a.ends {
				k.Errorf("%s ended as %s, not as %s: %s", a.name, out.Status, a.ends, said(out))
			}
			return true
		})
	}
}

func said(out *api.DescribeExecutionOutput) string {
	b, _ := json.Marshal(out)
	return string(b)
}

// work does activities' tasks, and answers callbacks.
func (k *warden) work(ctx context.Context) {
	go func() {
		for n := 0; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			for ; n < len(k.zoo.allTokens()); n++ { // of some the task is done, or was handed out before a restore
				k.SendTaskSuccess(ctx, &api.SendTaskSuccessInput{TaskToken: k.zoo.allTokens()[n], Output: `{}`})
			}
		}
	}()
	for ctx.Err() == nil {
		task, err := k.GetActivityTask(ctx, &api.GetActivityTaskInput{ActivityArn: zooActivity})
		if err != nil || task.TaskToken == nil {
			continue
		}
		k.SendTaskSuccess(ctx, &api.SendTaskSuccessInput{TaskToken: *task.TaskToken, Output: `{}`})
	}
}
