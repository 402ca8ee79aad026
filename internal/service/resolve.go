package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// decision is what an operator has decided, of a hold or of many.
type decision struct {
	verb     api.HoldVerb
	request  *string
	resource *string
	outcome  api.StepOutcome
	result   *string
	operator string
	reason   string
}

// verbs are those of the API as the machine has them.
var verbs = map[api.HoldVerb]machine.Verb{
	api.HoldVerbRetry: machine.Retry, api.HoldVerbEdit: machine.Edit, api.HoldVerbAlternate: machine.Alternate, api.HoldVerbDone: machine.Done,
	api.HoldVerbSkip: machine.Skip, api.HoldVerbBack: machine.Back, api.HoldVerbAbandon: machine.Abandon,
}

// resolution is a decision, checked as far as that goes without a hold.
func (s *Service) resolution(d *decision) (machine.Resolution, error) {
	r := machine.Resolution{Verb: verbs[d.verb], Operator: strings.TrimSpace(d.operator), Reason: strings.TrimSpace(d.reason)}
	switch {
	case r.Verb == 0:
		return r, api.Validation("There is no verb '%s'", d.verb)
	case r.Operator == "" || r.Reason == "":
		return r, api.Validation("A decision needs an operator and a reason: both go into the history")
	}
	for _, of := range []struct {
		name  string
		given bool
		verb  api.HoldVerb
		needs bool
	}{
		{"request", d.request != nil, api.HoldVerbEdit, true}, {"resource", d.resource != nil, api.HoldVerbAlternate, true},
		{"outcome", d.outcome != "", api.HoldVerbDone, false}, {"result", d.result != nil, api.HoldVerbDone, false},
	} {
		switch {
		case of.given && d.verb != of.verb:
			return r, api.Validation("%s is for the verb %s alone", of.name, of.verb)
		case !of.given && of.needs && d.verb == of.verb:
			return r, api.Validation("The verb %s needs %s", of.verb, of.name)
		}
	}
	return r, s.complete(&r, d)
}

// complete gives a resolution what its verb takes.
func (s *Service) complete(r *machine.Resolution, d *decision) (err error) {
	switch r.Verb {
	case machine.Edit:
		r.Output, err = s.decided("request", *d.request)
	case machine.Alternate:
		r.Resource = *d.resource
		err = s.Catalog.callable(r.Resource)
	case machine.Done:
		r.Outcome = machine.StepSucceeded
		if d.outcome == api.StepOutcomeFailed {
			r.Outcome = machine.StepFailed
		}
		if d.result == nil {
			break
		}
		if r.Outcome == machine.StepFailed {
			return api.Validation("A step that has FAILED has no result")
		}
		r.Output, err = s.decided("result", *d.result)
	}
	return err
}

// decided is a JSON text that an operator gives.
func (s *Service) decided(name, given string) (value.Text, error) {
	if len(given) > s.MaxInput {
		return value.Text{}, api.Validation("The %s has %d bytes, more than the %d that are allowed", name, len(given), s.MaxInput)
	}
	text, err := value.Check(given)
	if err != nil {
		return text, api.Validation("The %s is no JSON: %s", name, syntax(given, err))
	}
	return text, nil
}

// callable refuses a resource that an undo can't call here.
func (c *Catalog) callable(resource string) error {
	r, ok := asl.ParseResource(resource)
	switch {
	case !ok:
	case r.Kind == asl.Activity:
		if !c.Gone(resource) {
			return nil
		}
	case r.Kind == asl.NestedExecution:
		return nil
	case r.Kind == asl.LambdaARN:
		if c.serves("lambda", "invoke", asl.RequestResponse) {
			return nil
		}
	case c.serves(r.Service, r.Action, r.Pattern):
		return nil
	}
	return api.Validation("The resource %s is not served here", resource)
}

// fitting completes a resolution for what a frame holds, and refuses one that
// does not fit that.
func (x *sagas) fitting(f *machine.Frame, r machine.Resolution) (machine.Resolution, error) {
	r.Hold = f.Hold.Number
	if x.Quarantined != "" || x.Program == nil {
		return r, quarantined()
	}
	if x.unread != nil {
		return r, api.Validation("The saga log of the execution can not be read, so that nothing can be decided about its holds: %s", *unreadable(x.unread))
	}
	fit := x.verbs(f)
	is := api.HoldVerb(r.Verb.String())
	words := make([]string, len(fit))
	ok := false
	for i, v := range fit {
		words[i], ok = string(v), ok || v == is
	}
	if !ok {
		return r, api.Validation("The verb %s does not fit a hold of operation %s here; these do: %s", is, f.Hold.Operation, strings.Join(words, ", "))
	}
	switch {
	case r.Verb == machine.Abandon:
		saga := x.sagaOf(f)
		if saga == nil {
			return r, api.Validation("The hold belongs to no saga that is open")
		}
		r.Saga = saga.Number
	case r.Verb != machine.Done:
	case f.Hold.Operation != machine.Forward && (r.Outcome == machine.StepFailed || !r.Output.IsZero()):
		return r, api.Validation("What is done about a hold of operation %s has neither outcome nor result", f.Hold.Operation)
	case f.Hold.Operation == machine.Forward && r.Outcome == machine.StepSucceeded && x.Program.States[f.State].Type != asl.Task:
		return r, api.Validation("The state %s is no Task: done takes the outcome FAILED alone", f.State)
	case f.Hold.Operation == machine.Forward && r.Outcome == machine.StepSucceeded && r.Output.IsZero():
		return r, api.Validation("done needs the result of a step that has SUCCEEDED")
	}
	return r, nil
}

// settle takes a resolution of an execution to the engine.
func (s *Service) settle(ctx context.Context, x *sagas, r machine.Resolution) error {
	err := s.Engine.Resolve(ctx, x.id, r)
	var late *engine.SagaError
	if !errors.As(err, &late) {
		return sagaRefusal(x.Start.ExecutionARN(), err)
	}
	now, err := s.sagasOf(ctx, x.id) // somebody was faster, or the saga has moved on
	if err != nil {
		return sagaRefusal(x.Start.ExecutionARN(), err)
	}
	if r.Hold == 0 {
		return api.Validation("The saga is not open any more")
	}
	f, err := s.heldAs(ctx, now, fmt.Sprint(r.Hold))
	if err != nil {
		return err
	}
	if _, err := now.fitting(f, r); err != nil {
		return err
	}
	return api.Validation("%s", late.Reason)
}

// ResolveHold does what an operator has decided.
func (s *Service) ResolveHold(ctx context.Context, in *api.ResolveHoldInput) (*api.ResolveHoldOutput, error) {
	r, err := s.resolution(&decision{in.Verb, in.Request, in.Resource, in.Outcome, in.Result, in.Operator, in.Reason})
	if err != nil {
		return nil, err
	}
	done, err := s.placeForLog(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	id, err := s.find(ctx, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	if textOf(in.HoldId) == quarantinedID && in.SagaId == nil {
		err = s.release(ctx, id, in, r)
	} else {
		err = s.decide(ctx, id, in, r)
	}
	if err != nil {
		return nil, err
	}
	_, head, err := s.Engine.Execution(ctx, id)
	if err != nil {
		return nil, sagaRefusal(in.ExecutionArn, err)
	}
	return &api.ResolveHoldOutput{SagaStatus: api.SagaStatus(head.SagaStatus()), Version: head.LastEvent}, nil
}

// decide does what is decided of a hold, or of a saga.
func (s *Service) decide(ctx context.Context, id store.ID, in *api.ResolveHoldInput, r machine.Resolution) error {
	x, err := s.sagasOf(ctx, id)
	if err != nil {
		return sagaRefusal(in.ExecutionArn, err)
	}
	if r, err = s.addressed(ctx, x, in, r); err != nil {
		return err
	}
	return s.settle(ctx, x, r)
}

// addressed finds what a resolution is about: a hold, or a saga to be abandoned.
func (s *Service) addressed(ctx context.Context, x *sagas, in *api.ResolveHoldInput, r machine.Resolution) (machine.Resolution, error) {
	switch {
	case x.Quarantined != "":
		return r, quarantined()
	case in.HoldId != nil && in.SagaId != nil:
		return r, api.Validation("Exactly one of holdId and sagaId must be specified")
	case in.HoldId != nil:
		f, err := s.heldAs(ctx, x, *in.HoldId)
		if err != nil {
			return r, err
		}
		return x.fitting(f, r)
	case in.SagaId == nil:
		return r, api.Validation("Exactly one of holdId and sagaId must be specified")
	case r.Verb != machine.Abandon:
		return r, api.Validation("The verb %s needs a hold; a saga can be abandoned without one", in.Verb)
	}
	for _, u := range x.Log {
		if !u.IsSaga() || *sagaID(u.Ordinal()) != *in.SagaId {
			continue
		}
		if u.Status.Ended() {
			return r, api.Validation("The saga %s is not open any more: it is %s", *in.SagaId, u.Status)
		}
		r.Saga = u.Number
		return r, nil
	}
	return r, api.Validation("The execution has no saga %s", *in.SagaId)
}

// ResolveHolds does the same about many holds.
func (s *Service) ResolveHolds(ctx context.Context, in *api.ResolveHoldsInput) (*api.ResolveHoldsOutput, error) {
	r, err := s.resolution(&decision{in.Verb, in.Request, in.Resource, in.Outcome, in.Result, in.Operator, in.Reason})
	if err != nil {
		return nil, err
	}
	of, err := s.sagasIn(ctx, &in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	out := &api.ResolveHoldsOutput{Resolved: []api.HoldReference{}, Refused: []api.HoldReference{}}
	lost := func(held api.Hold) {
		ref := api.HoldReference{ExecutionArn: held.ExecutionArn, HoldId: held.HoldId, Operation: held.Operation, Why: held.Cause}
		out.Refused = append(out.Refused, ref)
	}
	b := inbox{s: s, machine: of, error: &in.ErrorFilter, lost: lost, see: func(x *sagas, f *machine.Frame) error {
		ref := api.HoldReference{
			ExecutionArn: x.Start.ExecutionARN(), HoldId: fmt.Sprint(f.Hold.Number), StateName: x.heldState(f),
			Operation: api.SagaOperation(f.Hold.Operation.String()),
		}
		fit, err := x.fitting(f, r)
		if err == nil && !in.DryRun {
			err = s.settle(ctx, x, fit)
		}
		if err == nil {
			out.Resolved = append(out.Resolved, ref)
			return nil
		}
		ref.Why = s.why(&ref, err)
		out.Refused = append(out.Refused, ref)
		return nil
	}}
	out.NextToken, err = b.page(ctx, s.page("ResolveHolds", in.MaxResults, of, in.ErrorFilter), in.NextToken)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// why is what is told of a hold that could not be resolved.
func (s *Service) why(ref *api.HoldReference, err error) *string {
	var refused *api.Error
	if errors.As(err, &refused) {
		return &refused.Message
	}
	s.Log.Error("a hold could not be resolved", "execution", ref.ExecutionArn, "hold", ref.HoldId, "cause", err)
	why := "The server could not do it, or nobody knows whether it did: look at the hold again"
	return &why
}

// heldState is the name of the state that a frame's hold is about.
func (x *sagas) heldState(f *machine.Frame) *string {
	if u := x.log[f.Hold.Row]; u != nil && f.Hold.Operation != machine.Forward {
		return &u.State
	}
	return &f.State
}
