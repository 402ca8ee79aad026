package machine

import (
	"strconv"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// Operation is what a call is to its saga. Their order is that of package
// integration.
type Operation uint8

// The operations of a saga's calls.
const (
	Forward Operation = iota
	Compensate
	Confirm
	Ask // a Query
)

var operationNames = [...]string{"forward", "compensate", "confirm", "query"}

// String is the operation as participants are told it.
func (o Operation) String() string { return operationNames[o] }

// body is the call of a step's Compensate, Confirm or Query, over all its tries.
type body struct {
	Operation   Operation
	Row         uint32 // of the step
	Alternative int    // of a Compensate
	Resource    string // that an operator gave in its place, or ""
	Plan        plan   // made once, as the body is first due
	Started     int64  // UTC ms
	Fault       *fault // of a Query before the step is given up: by which it ended
	effort
}

// keyOf is what the idempotency key of a call has beside the step id. A Query
// has no key.
func keyOf(o Operation, alternative int, edition uint32) string {
	key := ""
	if o != Forward {
		key = ":" + o.String()
	}
	if alternative > 0 {
		key += "-" + strconv.Itoa(alternative+1)
	}
	if edition > 0 {
		key += "~" + strconv.Itoa(int(edition)+1)
	}
	return key
}

// textOf is a body in the program.
func textOf(step *asl.Step, o Operation, alternative int) *asl.Body {
	switch o {
	case Compensate:
		return step.Compensate[alternative]
	case Confirm:
		return step.Confirm
	}
	return step.Query
}

// bodyText is the body in the program.
func (t *turn) bodyText(b *body) *asl.Body {
	return textOf(t.p.States[t.entry(b.Row).State].Step, b.Operation, b.Alternative)
}

// bodyResource is what a body calls.
func (t *turn) bodyResource(b *body) *asl.Resource {
	if b.Resource == "" {
		return &t.bodyText(b).Resource
	}
	r, _ := asl.ParseResource(b.Resource)
	return &r
}

// call makes a body due, of a step whose row is there.
func (t *turn) call(f *Frame, u *Undo, o Operation) { t.callBody(f, t.newBody(u, o)) }

// newBody is the call of a body that is to be made. One that was made before, and
// given up, goes on under its last key where it may have had an effect, or a
// person has changed it: under another one it might have a second.
func (t *turn) newBody(u *Undo, o Operation) *body {
	b := &body{Operation: o, Row: u.Number, Started: t.head.Now, effort: effort{Prev: u.EnteredEvent}}
	last := u.goesOn(o)
	b.Alternative, b.Edition, b.Resource, b.Plan.request = last.Alternative, last.Edition, last.Resource, last.Request
	b.sentBefore(u)
	return b
}

// goesOn is the last call of a body that the next one goes on under, without
// anything where the next one begins anew.
func (u *Undo) goesOn(o Operation) bodyCall {
	last := bodyCall{Operation: o}
	for i := range u.Calls {
		if c := &u.Calls[i]; c.Operation == o && (c.Unknown || c.Edition > 0) {
			last = *c
		}
	}
	return last
}

// sentBefore counts what was sent of a body before it was given up.
func (b *body) sentBefore(u *Undo) {
	for i := range u.Calls {
		if before := &u.Calls[i]; before.Operation == b.Operation && before.Alternative == b.Alternative {
			b.Sends, b.Unknown = before.Attempts, before.Unknown
		}
	}
}

// callBody evaluates what a body sends, where that was not done, and sends it. A
// request that is there, of an earlier call or of a person, stays as it is.
func (t *turn) callBody(f *Frame, b *body) {
	f.Body = b
	if !b.Plan.made() {
		t.recollect(t.entry(b.Row))
		sc := t.bodyScope(b)
		sc.why = t.why(f)
		p, fl := sc.bodyPlan(t.bodyText(b), b.Plan.request)
		if fl != nil {
			fl.evaluated = true
			t.bodyEnded(f, 0, fl)
			return
		}
		b.Plan = p
	}
	t.try(f)
}

// try sends a body once.
func (t *turn) try(f *Frame) {
	b := f.Body
	u := t.entry(b.Row)
	j := Job{State: u.State, Entry: b.Row, Attempt: b.attempt(), Request: b.Plan.request, RoleARN: b.Plan.role,
		Operation: b.Operation, Alternative: b.Alternative, Edition: b.Edition, Resource: b.Resource}
	t.send(f, t.bodyResource(b), &b.effort, b.Plan, j)
}

// bodyScope is what a body's expressions can reach: the step's input and result
// as they were, the variables that the bodies name, and how the step ended.
func (t *turn) bodyScope(b *body) *scope {
	u := t.entry(b.Row)
	s := t.p.States[u.State]
	thread := &Frame{Kind: Aside, State: u.State, Input: u.Input, Entry: u.Number, Entered: u.Started, EnteredEvent: u.EnteredEvent,
		Variables: u.Variables, Phase: Working}
	sc := t.scope(thread, s, b.Prev)
	sc.result, sc.step = datum{ref: u.Result}, u
	return sc
}

// why is the failure for which a frame is undone, by itself or with what is
// around it.
func (t *turn) why(f *Frame) Failure {
	for f.Recovery != nil && f.Recovery.Then == report && !f.isTop() {
		f = t.peek(f.Parent)
	}
	if f.Recovery == nil {
		return Failure{}
	}
	return f.Recovery.Fault.Failure
}

// bodyPlan is what a body is called with. Given is its request where there is one
// already.
func (sc *scope) bodyPlan(b *asl.Body, given Ref) (p plan, fl *fault) {
	t := sc.turn
	var whole datum
	if sc.state.Language == asl.JSONPath || b.Parameters == nil {
		whole = sc.ofStep()
	}
	if sc.state.Language == asl.JSONPath {
		sc.with(whole)
	}
	if p.timeout, fl = sc.seconds(&b.TimeoutSeconds); fl != nil {
		return p, fl
	}
	if p.heartbeat, fl = sc.seconds(&b.HeartbeatSeconds); fl != nil {
		return p, fl
	}
	role, fl := sc.line(&b.RoleARN)
	if fl != nil {
		return p, fl
	}
	if role != nil {
		p.role = *role
	}
	if p.request = given; given != 0 {
		return p, nil
	}
	switch {
	case b.Parameters != nil:
		if whole, fl = sc.composed(b.Parameters); fl != nil {
			return p, fl
		}
	case b.Resource.Kind == asl.CompensateChildren:
		whole = datum{tree: sc.children()}
	}
	var ok bool
	if p.request, ok = t.number(&whole, t.env.Limits.Payload); !ok {
		return p, tooLarge(sc.state.Name)
	}
	return p, nil
}

// ofStep is what a body is given where it says nothing else: its step's input and
// result.
func (sc *scope) ofStep() datum {
	t := sc.turn
	input, result := t.text(sc.frame.Input), value.Text{}
	if sc.result.ref != 0 {
		result = t.text(sc.result.ref)
	}
	if input.IsNormal() && (result.IsZero() || result.IsNormal()) {
		text := `{"input":` + input.String()
		if !result.IsZero() {
			text += `,"result":` + result.String()
		}
		return datum{text: value.Checked(text + "}")}
	}
	in := value.NewBuilder(2)
	in.Set("input", t.tree(sc.frame.Input))
	if sc.result.ref != 0 {
		in.Set("result", t.tree(sc.result.ref))
	}
	return datum{tree: in.Object()}
}

// children tells whom the undo of nested executions means: those that the step
// has started, or the children of its map run.
func (sc *scope) children() value.Value {
	t, u := sc.turn, sc.step
	asked := value.NewObject()
	if u.Request != 0 {
		asked = t.tree(u.Request)
	}
	if sc.state.Type == asl.Map {
		return value.NewObject(member("MapRun", asked.Get("MapRun")), member("MaxConcurrency", asked.Get("MaxConcurrency")))
	}
	return value.NewObject(
		member("StateMachineArn", asked.Get("StateMachineArn")),
		member("Name", asked.Get("Name")),
		member("StepId", value.NewString(t.x.Start.ID.Step(u.Number))),
		member("Attempts", value.NewInt(int64(u.Tries))),
	)
}

// bodyWorked goes on after a try of a body.
func (t *turn) bodyWorked(f *Frame, result Ref, fl *fault) {
	b := f.Body
	if fl != nil && !fl.fatal {
		retry := t.bodyText(b).Retry
		for i := range retry {
			if !fl.matches(retry[i].ErrorEquals) {
				continue
			}
			if b.used(i) < retry[i].MaxAttempts {
				t.later(f, t.delay(&retry[i], b.use(i, len(retry))))
				return
			}
			break
		}
	}
	t.bodyEnded(f, result, fl)
}

// later sends a body again after a while.
func (t *turn) later(f *Frame, delay int64) {
	f.Job = t.open(Job{Kind: Timer, Frame: f.ID, State: t.entry(f.Body.Row).State, Entry: f.Body.Row, Due: t.head.Now + delay})
}

// bodyEnded goes on after the last try of a body, or after one that could not be
// made.
func (t *turn) bodyEnded(f *Frame, result Ref, fl *fault) {
	b := f.Body
	switch {
	case b.Operation == Ask:
		t.toldOutcome(f, result, fl)
	case fl == nil:
		t.settleStep(f, b.settled(), result, nil)
	case fl.evaluated:
		t.hold(f, &hold{Operation: b.Operation, Row: b.Row, Fault: *fl})
	case b.Operation == Confirm:
		t.unconfirmed(f, fl)
	case !b.Unknown && b.Alternative+1 < len(t.p.States[t.entry(b.Row).State].Step.Compensate):
		u := t.record(f, 0, fl)
		next := &body{Operation: Compensate, Row: b.Row, Alternative: b.Alternative + 1, Started: t.head.Now, effort: effort{Prev: b.Prev}}
		next.sentBefore(u)
		t.callBody(f, next)
	case t.goesOnWithout(f):
		t.settleStep(f, CompensationFailed, 0, fl)
		f.Recovery.Failed = true
	default:
		t.hold(f, &hold{Operation: Compensate, Row: b.Row, Fault: *fl})
	}
}

// settled is what becomes of a step whose body was done.
func (b *body) settled() Settled {
	if b.Operation == Confirm {
		return Confirmed
	}
	return Compensated
}

// goesOnWithout reports whether the other undos are done although one has
// failed: by the option of the scope that recovers, but never after a pivot.
func (t *turn) goesOnWithout(f *Frame) bool {
	at := f
	for at.Recovery != nil && at.Recovery.Then == report && at.Kind != Root {
		at = t.peek(at.Parent)
	}
	if t.level(at) != nil {
		return false
	}
	o := t.options(at)
	return o != nil && o.Continue
}

// record adds what was called to the step's row.
func (t *turn) record(f *Frame, result Ref, fl *fault) *Undo {
	u := t.rewrite(f.Body.Row)
	call := f.Body.ended(t.head.Now, fl)
	call.Result = result
	u.Calls = append(u.Calls, call)
	return u
}

// ended is what was called by now.
func (b *body) ended(at int64, fl *fault) bodyCall {
	c := bodyCall{Operation: b.Operation, Alternative: b.Alternative, Edition: b.Edition, Resource: b.Resource,
		Started: b.Started, Ended: at, Attempts: b.Sends, Unknown: b.Unknown, Request: b.Plan.request}
	if fl != nil {
		c.Error, c.Cause = fl.Error, fl.Cause
	}
	return c
}

// settleStep ends what a step owed, and goes on with what is next.
func (t *turn) settleStep(f *Frame, as Settled, result Ref, fl *fault) {
	operation := f.Body.Operation
	u := t.record(f, result, fl)
	u.Settled = as
	if as == Compensated {
		t.unlock(f, u)
	}
	f.Prev = max(f.Prev, f.Body.Prev)
	f.Body = nil
	if as == CompensationFailed || as == Skipped {
		t.failSaga(f)
	}
	if operation == Confirm {
		t.confirmNext(f)
	}
}

// failSaga notes of the saga around a frame that an undo of it is not done.
func (t *turn) failSaga(f *Frame) {
	if o := t.outermost(f); o != nil {
		t.frame(o.ID).Scope.Failed = true
	}
}

// dropBody forgets a body that is due, and a hold.
func (t *turn) dropBody(f *Frame) {
	f.Body = nil
	t.unhold(f)
}
