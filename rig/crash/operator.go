package main

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/backstep/backstep/api"
)

// operator is the person who finishes what software can't. It looks at all that
// is held, and decides at random. What it does by other means is done at the
// services first, as a person would.
type operator struct {
	journal *journal
	service api.Service
	chance  *chance
	barrier *barrier
	over    atomic.Bool
	seen    atomic.Int64 // holds that were looked at
}

// run works until the shift is over.
func (o *operator) run() {
	for !o.over.Load() {
		for _, h := range o.held() {
			if !o.over.Load() {
				o.decide(&h)
			}
		}
		o.chance.sleep(50*time.Millisecond, 150*time.Millisecond)
	}
}

// held is the inbox, as far as it can be read now.
func (o *operator) held() []api.Hold {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	var all []api.Hold
	in := &api.ListHoldsInput{MaxResults: 100}
	for {
		out, err := o.service.ListHolds(ctx, in)
		if err != nil {
			return all
		}
		all = append(all, out.Holds...)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return all
		}
	}
}

// decide resolves a hold by one of the verbs that fit it.
func (o *operator) decide(h *api.Hold) {
	o.seen.Add(1)
	in := &api.ResolveHoldInput{ExecutionArn: h.ExecutionArn, HoldId: &h.HoldId, Verb: api.HoldVerbRetry, Operator: "Ada", Reason: "drawn by chance"}
	drawn := o.chance.below(100)
	fits := func(v api.HoldVerb) bool { return slices.Contains(h.Verbs, v) }
	forward := h.Operation == api.SagaOperationForward
	switch {
	case h.StepId == nil:
	case drawn < 15 && fits(api.HoldVerbDone) && h.Operation == api.SagaOperationCompensate && undone(h):
		o.barrier.settle(*h.StepId)
		in.Verb = api.HoldVerbDone
	case drawn < 25 && fits(api.HoldVerbDone) && forward && called(h):
		in.Verb, in.Outcome = api.HoldVerbDone, api.StepOutcomeFailed
		if o.barrier.fulfil(*h.StepId) {
			result := `{"by":"hand"}`
			in.Outcome, in.Result = api.StepOutcomeSucceeded, &result
		} else {
			o.barrier.settle(*h.StepId)
		}
	case drawn < 25 && fits(api.HoldVerbEdit) && h.Operation == api.SagaOperationCompensate && h.Request != nil && undone(h):
		in.Verb, in.Request = api.HoldVerbEdit, h.Request
	case drawn < 30 && fits(api.HoldVerbSkip):
		in.Verb = api.HoldVerbSkip
	case drawn < 45 && fits(api.HoldVerbBack):
		if !undone(h) {
			o.barrier.settle(*h.StepId) // what has no undo is called back by other means
		}
		in.Verb = api.HoldVerbBack
	case drawn < 47 && fits(api.HoldVerbAbandon):
		in.Verb = api.HoldVerbAbandon
	}
	o.journal.resolve(in)
}

// undone reports whether a hold is of a call that undoes a step of the shop, and
// not a nested saga.
func undone(h *api.Hold) bool {
	return h.StateName != nil && undoOf[*h.StateName] != ""
}

// called reports whether a hold is of a step that a service is called for.
func called(h *api.Hold) bool {
	return h.StateName != nil && slices.Contains(shopFunctions, *h.StateName)
}
