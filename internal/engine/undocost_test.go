package engine

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/embedded"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// loop is a saga that does one step so often, and fails then: all of it is undone.
func loop(steps int) string {
	return fmt.Sprintf(`{"QueryLanguage":"JSONata","Saga":{},"StartAt":"Init","States":{
		"Init":{"Type":"Pass","Assign":{"n":0},"Next":"Step"},
		"Step":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"do","Payload":{"n":"{%% $n %%}"}},
			"Assign":{"n":"{%% $n + 1 %%}"},"Output":"{%% $states.input %%}",
			"Compensate":{"Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"undo","Payload":{"n":"{%% $n %%}"}}},"Next":"More"},
		"More":{"Type":"Choice","Choices":[{"Condition":"{%% $n < %d %%}","Next":"Step"}],"Default":"Enough"},
		"Enough":{"Type":"Fail","Error":"Enough"}}}`, steps)
}

// A step of a long loop writes no more than one at its beginning, and neither does
// its undo; both are one commit.
func TestALongLoopWritesNoMorePerStep(t *testing.T) {
	const steps, share = 5000, 500
	var forward, undone []int // bytes of each commit
	r := newRig(t, func(context.Context, integration.Task) (value.Text, error) { return value.Checked(`{"ok":true}`), nil },
		func(c *Config) { c.Quotas.Events = 1 << 30 })
	m := r.define(loop(steps))
	undoing := false
	r.plan = func(method string, b *store.Batch) (f storetest.Fault) {
		if method == "Commit" && len(b.Executions) > 0 {
			for i := range b.Events {
				events, err := machine.Decode[machine.Events](b.Events[i].Body)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range *events {
					undoing = undoing || e.Type == machine.SagaPlanned
				}
			}
			if undoing {
				undone = append(undone, size(b))
			} else {
				forward = append(forward, size(b))
			}
		}
		return f
	}
	s := r.start(m, "a", `{"order":"1001"}`)
	r.settle()
	if h := r.head(s.ID); h.SagaStatus() != machine.SagaAborted.String() || len(forward) < steps || len(undone) < steps {
		t.Fatalf("%v %s: %d commits forward, %d backward", h.Status, h.SagaStatus(), len(forward), len(undone))
	}
	for what, all := range map[string][]int{"a step": forward[10:], "an undo": undone[10 : len(undone)-10]} {
		first, last := mean(all[:share]), mean(all[len(all)-share:])
		t.Logf("%s: %d bytes at the beginning, %d at the end; %d commits for %d", what, first, last, len(all), steps)
		if last > first*11/10 {
			t.Errorf("%s writes %d bytes at the beginning and %d at the end", what, first, last)
		}
	}
}

// size is what a batch writes, in bytes.
func size(b *store.Batch) int {
	n := 0
	for i := range b.Executions {
		n += len(b.Executions[i].Start) + len(b.Executions[i].Body)
	}
	for i := range b.Frames {
		n += len(b.Frames[i].Body)
	}
	for i := range b.Undos {
		n += len(b.Undos[i].Body)
	}
	for i := range b.Events {
		n += len(b.Events[i].Body)
	}
	for i := range b.Payloads {
		n += len(b.Payloads[i].Body)
	}
	for i := range b.Jobs {
		n += len(b.Jobs[i].Body)
	}
	for i := range b.Index {
		n += len(b.Index[i].Body)
	}
	return n
}

func mean(all []int) int {
	sum := 0
	for _, n := range all {
		sum += n
	}
	return sum / len(all)
}

// row is a saga of n steps in a row with compensations, which ends as told.
func row(n int, end string) string {
	var b strings.Builder
	b.WriteString(`{"Saga":{},"StartAt":"S1","States":{`)
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, `"S%d":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f%d","Payload.$":"$"},"ResultPath":"$.r%d",
			"Compensate":{"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"u%d","Payload.$":"$"}},"Next":"S%d"},`, i, i, i, i, i+1)
	}
	fmt.Fprintf(&b, `"S%d":%s}}`, n+1, end)
	return b.String()
}

// BenchmarkUndo measures the processor's time of a step forward and of its undo, in
// one run: sagas of 20 steps that end well, then such that are undone. Both are on a
// store on disk.
func BenchmarkUndo(b *testing.B) {
	const steps = 20
	disk, err := embedded.Open(b.TempDir(), embedded.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer disk.Close()
	answer := value.Checked(`{"Payload":"` + string(make1K()[:200]) + `"}`)
	registry := &integration.Registry{}
	registry.Add("lambda", "*", handler(func(context.Context, integration.Task) (value.Text, error) { return answer, nil }), integration.RequestResponse)
	e, err := Open(context.Background(), Config{Store: disk, Registry: registry, Exclusive: true})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); e.Run(ctx) }()
	defer func() { e.Close(); cancel(); <-ran }()
	for !e.Ready() {
		time.Sleep(time.Millisecond)
	}
	well, badly := defineOn(b, disk, row(steps, `{"Type":"Pass","End":true}`)), defineOn(b, disk, row(steps, `{"Type":"Fail"}`))
	b.ResetTimer()
	var forward, both time.Duration
	for range b.N {
		forward += runSagas(b, e, well, machine.Succeeded)
		both += runSagas(b, e, badly, machine.Failed)
	}
	const n = steps * sagasAtOnce
	perStep, perUndo := float64(forward.Microseconds())/n/float64(b.N), float64((both-forward).Microseconds())/n/float64(b.N)
	b.ReportMetric(perStep, "µs/step")
	b.ReportMetric(perUndo, "µs/undo")
	b.ReportMetric(perUndo/perStep, "undo/step")
}

const sagasAtOnce = 50

// runSagas runs sagas at once, and tells the processor's time that they took.
func runSagas(b *testing.B, e *Engine, m Machine, want machine.Status) time.Duration {
	before := processor()
	var ids []store.ID
	for range sagasAtOnce {
		s, err := e.Start(context.Background(), StartRequest{Machine: m, Input: value.Checked(`{"order":1}`)})
		if err != nil {
			b.Fatal(err)
		}
		ids = append(ids, s.ID)
	}
	for _, id := range ids {
		end, err := e.Wait(context.Background(), id, 1<<40, time.Minute)
		if err != nil || end.Head.Status != want {
			b.Fatal(end.Head.Status, err)
		}
	}
	return processor() - before
}

// processor is the processor's time that this process has had.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
