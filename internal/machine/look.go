package machine

import (
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// What those look at who show a saga, beside the fields that are open to them.

// Event is the event by which it came to the hold; 0: none tells of it.
func (h *hold) Event() int64 { return h.Fault.event }

// Key is the idempotency key of the frame's step as it is sent now.
func (f *Frame) Key(id ID) string { return id.Step(f.Entry) + keyOf(Forward, 0, f.Edition) }

// Key is the idempotency key that the body is sent with; "" of a Query.
func (b *body) Key(id ID) string {
	if b.Operation == Ask {
		return ""
	}
	return id.Step(b.Row) + keyOf(b.Operation, b.Alternative, b.Edition)
}

// Key is the idempotency key of the row's step as it was sent last.
func (u *Undo) Key(id ID) string { return id.Step(u.Number) + keyOf(Forward, 0, u.Edition) }

// Request is what the body sends, 0 where that could not be evaluated.
func (b *body) Request() Ref { return b.Plan.request }

// NextKey is what the idempotency key of the step's undo or Confirm has beside the
// step id when it is called next.
func (u *Undo) NextKey(o Operation) string {
	last := u.goesOn(o)
	return last.Key()
}

// Ordinal is the number of a saga, or of the one that a row belongs to, among its
// execution's, from 1; 0 where it belongs to none.
func (u *Undo) Ordinal() uint32 { return ordinal(u.Saga) }

// Ordinal is the number of the saga among its execution's, from 1; 0 where there
// is none.
func (s *sagaTold) Ordinal() uint32 { return ordinal(s.Saga) }

func ordinal(row uint32) uint32 {
	if row < firstSaga {
		return 0
	}
	return row - firstSaga + 1
}

// Owed reports whether a step was never undone although it should have been.
func (u *Undo) Owed(p *asl.Program) bool {
	if !u.IsStep() || !u.owed() {
		return false
	}
	s := p.States[u.State] // which a redrive may have given up, where nothing was owed for it
	return s != nil && s.Step != nil && s.Step.Compensate != nil
}

// Verbs are those that fit what the frame holds.
func (x *Execution) Verbs(p *asl.Program, f *Frame) []Verb {
	var fitting []Verb
	t := newTurn(&Env{}, p, x)
	for v := Retry; v < Abandon; v++ {
		// with all that a verb may need
		r := Resolution{Verb: v, Output: value.Checked("null"), Resource: "any", Outcome: StepFailed}
		if t.fits(f, &r) {
			fitting = append(fitting, v)
		}
	}
	return append(fitting, Abandon)
}
