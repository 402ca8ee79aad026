package sweep

import (
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/clockwork"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
)

// TestWrongEngine plays to the ledger what a right engine never does, and asks
// what it is found guilty of.
func TestWrongEngine(t *testing.T) {
	const forward, undo, confirm = integration.Forward, integration.Compensate, integration.Confirm
	for _, c := range []struct {
		name  string
		calls []string // operation, and the key under which it is made
		ends  machine.Status
		guilt []Kind
	}{
		{"a good end", []string{"forward 1", "confirm 1:confirm"}, machine.Succeeded, nil},
		{"a good way back", []string{"forward 1", "compensate 1:compensate"}, machine.Failed, nil},
		{"forgets to undo", []string{"forward 1"}, machine.Failed, []Kind{left}},
		{"undoes twice", []string{"forward 1", "compensate 1:compensate", "compensate 2:compensate"}, machine.Failed, []Kind{undoneTwice}},
		{"undoes what was never done", []string{"compensate 1:compensate"}, machine.Failed, []Kind{undoneNever}},
		{"forgets to confirm", []string{"forward 1"}, machine.Succeeded, []Kind{unconfirmed}},
		{"confirms what is undone", []string{"forward 1", "compensate 1:compensate", "confirm 1:confirm"}, machine.Failed, []Kind{confirmedUndone}},
		{"undoes what is confirmed", []string{"forward 1", "confirm 1:confirm", "compensate 1:compensate"}, machine.Failed, []Kind{undoneConfirmed}},
		{"sends what was undone", []string{"forward 1", "compensate 1:compensate", "forward 1"}, machine.Failed, []Kind{sentAfterUndo}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := newSaga(Input{Definition: []byte(`{"Saga": {}, "StartAt": "Reserve", "States": {"Reserve": {"Type": "Task", "End": true,
				"Resource": "arn:aws:lambda:us-east-1:123456789012:function:reserve",
				"Compensate": {"Resource": "arn:aws:lambda:us-east-1:123456789012:function:release"},
				"Confirm": {"Resource": "arn:aws:lambda:us-east-1:123456789012:function:keep"}}}}`)})
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(s, plan{}, &clockwork.Runners{})
			e := &effect{id: "1", point: point{state: "Reserve", entry: 1, nth: 1}}
			w.effects[e.id], w.order, w.lives = e, []*effect{e}, 1
			for _, made := range c.calls {
				word, key, _ := strings.Cut(made, " ")
				op := map[string]integration.Operation{"forward": forward, "compensate": undo, "confirm": confirm}[word]
				w.sends[made]++
				call := &call{point: e.point, key: key, step: e}
				call.op, call.attempt = op, w.sends[made]
				w.sent(call)
				_, err := w.perform(call)
				w.answered(call, err)
			}
			w.status = c.ends
			w.judge()
			var guilt []Kind
			for _, p := range w.problems {
				guilt = append(guilt, p.kind)
				if said := w.said(p); !strings.HasPrefix(said, "Reserve ") {
					t.Errorf("%s is told as %q", p.kind, said)
				}
			}
			if !slices.Equal(guilt, c.guilt) {
				t.Errorf("it is found guilty of %v, not of %v", guilt, c.guilt)
			}
		})
	}
}

// TestBrokenEngine: what the engine calls an error is a finding by itself, and
// nothing else is judged then.
func TestBrokenEngine(t *testing.T) {
	s, err := newSaga(Input{Definition: order(t)})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(s, plan{}, &clockwork.Runners{})
	w.broken("the engine logs an error: no shard")
	w.status = machine.Failed
	w.judge()
	if len(w.problems) != 1 || w.problems[0].kind != engineBroken || w.said(w.problems[0]) != "the engine logs an error: no shard" {
		t.Errorf("it is found guilty of %v", w.problems)
	}
}
