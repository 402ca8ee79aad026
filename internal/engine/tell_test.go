package engine

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// hearsay is what Config.Tell was told, by execution.
type hearsay struct {
	events   map[string][]machine.Event
	texts    map[string]map[machine.Ref]string
	statuses map[string][]machine.Status // one for each change
}

func newHearsay() *hearsay {
	return &hearsay{events: map[string][]machine.Event{}, texts: map[string]map[machine.Ref]string{}, statuses: map[string][]machine.Status{}}
}

func (h *hearsay) tell(t *Telling) {
	arn := t.Start.ExecutionARN()
	h.events[arn] = append(h.events[arn], t.Events...)
	if h.texts[arn] == nil {
		h.texts[arn] = map[machine.Ref]string{}
	}
	for _, e := range t.Events {
		for _, ref := range []machine.Ref{e.In, e.Out} {
			if ref != 0 {
				h.texts[arn][ref] = t.Text(ref).String()
			}
		}
	}
	if t.Was != t.Head.Status {
		h.statuses[arn] = append(h.statuses[arn], t.Head.Status)
	}
}

// holdTexts holds the payloads that were told against those that are kept.
func (h *hearsay) holdTexts(r *rig, id store.ID, arn string) {
	r.t.Helper()
	for ref, text := range h.texts[arn] {
		kept, err := r.session.Payloads(context.Background(), id, []uint32{uint32(ref)})
		if err != nil || string(kept[0]) != text {
			r.t.Errorf("payload %d was told as %q, and is %q, %v", ref, text, kept, err)
		}
	}
}

// What is told of an execution is its history, whole and in order, with the
// payloads that it refers to.
func TestTellsTheHistory(t *testing.T) {
	h := newHearsay()
	w := newWorld(t)
	adjust := w.adjust
	w.adjust = func(c *Config) { adjust(c); c.Tell = h.tell }
	w.open()
	id := w.start(w.parent, "a", `{"x":1}`).ID
	w.run(id)
	start, _, err := w.engine.Execution(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	arn := start.ExecutionARN()
	if got, want := story(h.events[arn]), story(w.history(id)); got != want {
		t.Errorf("told  %s\nkept  %s", got, want)
	}
	h.holdTexts(w.rig, id, arn)
	if want := []machine.Status{machine.Running, machine.Succeeded}; !slices.Equal(h.statuses[arn], want) {
		t.Errorf("told of %v", h.statuses[arn])
	}
	if len(h.events) != 2 {
		t.Errorf("told of %d executions", len(h.events))
	}
}

// A new process has the payloads at hand that the next events refer to, wherever
// the execution stands.
func TestTellsAfterRestarts(t *testing.T) {
	h := newHearsay()
	w := newWorld(t)
	adjust := w.adjust
	w.adjust = func(c *Config) { adjust(c); c.Tell = h.tell }
	w.open()
	id := w.start(w.parent, "a", `{"x":1}`).ID
	for range 100 {
		w.open()
		w.settle()
		w.open()
		w.outside()
		w.settle()
		w.open()
		w.pass(6 * time.Second)
	}
	start, head, err := w.engine.Execution(context.Background(), id)
	if err != nil || head.Status != machine.Succeeded {
		t.Fatalf("it is %v, %v: %s", head.Status, err, story(w.history(id)))
	}
	arn := start.ExecutionARN()
	if got, want := story(h.events[arn]), story(w.history(id)); got != want {
		t.Errorf("told  %s\nkept  %s", got, want)
	}
	h.holdTexts(w.rig, id, arn)
}

// Nothing is told before it is durable, and nothing twice, whatever becomes of
// commits.
func TestTellsWhatIsDurable(t *testing.T) {
	for n := 1; n <= 12; n++ {
		for _, fault := range []storetest.Fault{{Err: store.ErrUnknown}, {Err: store.ErrUnknown, Done: true}} {
			h := newHearsay()
			w := newWorld(t)
			adjust := w.adjust
			w.adjust = func(c *Config) {
				adjust(c)
				c.Tell = func(told *Telling) {
					h.tell(told)
					if last := w.head(store.ID(told.Start.ID)).LastEvent; last != told.Head.LastEvent {
						t.Errorf("commit %d, %+v: event %d was told, the store has %d", n, fault, told.Head.LastEvent, last)
					}
				}
			}
			w.open()
			commits := 0
			w.plan = func(method string, b *store.Batch) storetest.Fault {
				if method != "Commit" {
					return storetest.Fault{}
				}
				if commits++; commits == n {
					return fault
				}
				return storetest.Fault{}
			}
			id := w.startHard()
			w.run(id)
			start, _, err := w.engine.Execution(context.Background(), id)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := story(h.events[start.ExecutionARN()]), story(w.history(id)); got != want {
				t.Errorf("commit %d, %+v:\ntold  %s\nkept  %s", n, fault, got, want)
			}
		}
	}
}

// Express executions are told of too: nothing else is left of them.
func TestTellsExpress(t *testing.T) {
	h := newHearsay()
	r := newRig(t, echo, func(c *Config) { c.Tell = h.tell })
	if _, err := r.engine.StartExpress(context.Background(), StartRequest{Machine: r.define(saga(1)), Name: "x", Input: value.Checked(`{}`)}); err != nil {
		t.Fatal(err)
	}
	r.pass(time.Second)
	for arn, events := range h.events {
		if got := story(events); got != "ExecutionStarted TaskStateEntered TaskScheduled TaskStarted TaskSucceeded TaskStateExited ExecutionSucceeded" {
			t.Errorf("%s: told %s", arn, got)
		}
	}
	if len(h.events) != 1 {
		t.Errorf("told of %d executions", len(h.events))
	}
}
