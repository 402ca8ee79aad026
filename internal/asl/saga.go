package asl

import (
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/value"
)

// How a scope recovers from an error that nothing within it takes.
const (
	Backward    = "Backward"
	ToSavePoint = "ToSavePoint"
	Forward     = "Forward"
)

// SagaFields are what a saga scope has of its own: that of the machine, or of a
// Saga state. The children of a distributed Map within a scope have one of
// their own, which no text declares.
type SagaFields struct {
	Flow               *Flow       // its states
	Outer              *SagaFields // the scope around it in the same execution; nil: the outermost
	Recovery           string      // [Backward], [ToSavePoint] or [Forward]
	MaxForwardAttempts int64       // with ToSavePoint
	Continue           bool        // OnCompensationFailure: the other undos are done all the same
	Abort              bool        // OnStop: it ends at once
	Runbook            string      // for who finds it on hold

	Confirms bool // a step of it, or of a scope within, has a Confirm
}

// Step is what a Task within a saga scope has of its own. A distributed Map within
// one is a step, too: its Compensate undoes its children.
type Step struct {
	Compensate       []*Body // the alternatives in their order
	Confirm          *Body
	Query            *Body
	SavePoint, Pivot bool
	HoldUnknown      bool     // OnUnknown
	KnownFailed      []string // nil: not given
	CompensateWithin int64    // seconds; 0: at any time
	Lock             *lock
	Runbook          string
	Names            []string // the variables that its bodies name, sorted
}

// Body is a call that a step may need later: an undo, a Confirm, a Query.
type Body struct {
	Resource         Resource
	Parameters       *Template // nil: input and result
	Retry            []Retrier
	TimeoutSeconds   Quantity
	HeartbeatSeconds Quantity
	RoleARN          Line
}

// Lock is a SemanticLock.
type lock struct {
	Key  Line
	Wait int64 // seconds
}

// The defaults of a body and of a lock.
const (
	bodySeconds = 300
	lockSeconds = 60
)

// bodyRetry is what a body without a Retry has: ten tries in all.
var bodyRetry = []Retrier{{ErrorEquals: []string{"States.ALL"}, IntervalSeconds: 1, MaxAttempts: 9, BackoffRate: 2, MaxDelaySeconds: 60, FullJitter: true}}

// machineSaga reads the scope of the whole machine, nil where it has none.
func (c *compiler) machineSaga(root *node) *SagaFields {
	n := root.get("Saga")
	if n == nil || !c.object(n) {
		return nil
	}
	c.supported(n, sagaFields)
	c.sagaAllowed(n)
	return c.options(n)
}

// saga reads what a Saga state has of its own.
func (c *compiler) saga(s *State, n *node) {
	s.Retry, s.Catch = c.retries(n), c.catchers(s, n)
	c.sagaAllowed(n)
	s.Saga = c.options(n)
	c.sagaFlow(s.Saga, n, &scope{flow: &Flow{Owner: s}})
}

// sagaFlow compiles the states of a scope. They stand beside its options.
func (c *compiler) sagaFlow(saga *SagaFields, n *node, s *scope) {
	s.saga = saga
	if c.scope != nil {
		saga.Outer = c.scope.saga
	}
	if saga.Outer != nil && n.get("OnStop") != nil {
		c.schema(n.get("OnStop"), "Field 'OnStop' is only supported for the outermost saga scope")
	}
	saga.Flow = c.flow(n, s)
	if saga.Outer != nil {
		saga.Outer.Confirms = saga.Outer.Confirms || saga.Confirms
	}
	if saga.Recovery == ToSavePoint && !s.saves {
		c.schema(n, "The Recovery 'ToSavePoint' needs a state with a 'SavePoint' in the scope")
	}
}

// sagaAllowed refuses a scope where there is none.
func (c *compiler) sagaAllowed(n *node) {
	if c.rules.Express || c.scope != nil && c.scope.express {
		c.schema(n, "Express state machine does not support sagas")
	}
}

// options reads the options of a scope.
func (c *compiler) options(n *node) *SagaFields {
	c.program.sagas = true
	saga := &SagaFields{Recovery: Backward, MaxForwardAttempts: c.orElse(n, "MaxForwardAttempts", 1, 1, MaxSeconds)}
	if r := n.get("Recovery"); r != nil {
		saga.Recovery = c.choose(r, Backward, ToSavePoint, Forward)
	}
	if o := n.get("OnCompensationFailure"); o != nil {
		saga.Continue = c.choose(o, "Hold", "Continue") == "Continue"
	}
	if o := n.get("OnStop"); o != nil {
		saga.Abort = c.choose(o, "Compensate", "Abort") == "Abort"
	}
	saga.Runbook = c.optional(n, "Runbook")
	return saga
}

// optional reads a text that may be absent.
func (c *compiler) optional(n *node, name string) string {
	if m := n.get(name); m != nil {
		text, _ := c.string(m)
		return text
	}
	return ""
}

// step reads what a Task has for its saga, nil outside any scope.
func (c *compiler) step(s *State, n *node) *Step {
	saga := c.scope.saga
	if saga == nil {
		for _, m := range n.items {
			if isStepField(m.name) {
				c.schema(m, "Field '"+m.name+"' is only supported within a saga scope")
			}
		}
		return nil
	}
	step := &Step{SavePoint: c.flag(n, "SavePoint"), Pivot: c.flag(n, "Pivot"), Runbook: c.optional(n, "Runbook")}
	outer := c.state.reads
	c.state.reads = make(map[string]bool)
	step.Compensate = c.alternatives(s, n.get("Compensate"))
	step.Confirm, step.Query = c.body(s, n.get("Confirm")), c.body(s, n.get("Query"))
	step.Names = slices.Sorted(maps.Keys(c.state.reads))
	maps.Copy(outer, c.state.reads)
	c.state.reads = outer
	if o := n.get("OnUnknown"); o != nil {
		step.HoldUnknown = c.choose(o, "Compensate", "Hold") == "Hold"
	}
	if k := n.get("KnownFailed"); k != nil {
		step.KnownFailed = c.knownFailed(k)
	}
	if w := n.get("CompensateWithin"); w != nil {
		step.CompensateWithin, _ = c.integer(w, 1, MaxSeconds)
	}
	if l := n.get("SemanticLock"); l != nil && c.object(l) {
		c.stateFields(s, l, kind{fields: lockFields}, false)
		c.requiredLine(s, l, "Key")
		step.Lock = &lock{Key: c.line(s.Language, l, "Key", ".$", true), Wait: c.orElse(l, "Wait", lockSeconds, 0, MaxSeconds)}
	}
	c.checkStep(step, n)
	saga.Confirms = saga.Confirms || step.Confirm != nil
	c.scope.saves = c.scope.saves || step.SavePoint
	return step
}

// checkStep refuses what a step can't have where it stands.
func (c *compiler) checkStep(step *Step, n *node) {
	const within = "' is not supported beneath a Parallel or Map of the same saga"
	if step.Pivot && c.scope.beneath {
		c.schema(n.get("Pivot"), "Field 'Pivot"+within)
	}
	if step.SavePoint && c.scope.beneath {
		c.schema(n.get("SavePoint"), "Field 'SavePoint"+within)
	}
	if step.Pivot && step.Compensate != nil {
		c.schema(n.get("Pivot"), "A state with 'Pivot' can not have 'Compensate'")
	}
	if step.Pivot && step.Confirm != nil {
		c.schema(n.get("Pivot"), "A state with 'Pivot' can not have 'Confirm'")
	}
	if f := n.get("Confirm"); f != nil && n.get("Compensate") == nil {
		c.schema(f, "A state with 'Confirm' must have 'Compensate'")
	}
	if f := n.get("Confirm"); f != nil && c.scope.child {
		c.schema(f, "Field 'Confirm' is not supported in the processor of a distributed Map within a saga scope")
	}
	if f := n.get("SavePoint"); step.SavePoint && c.scope.saga.Recovery != ToSavePoint {
		c.schema(f, "Field 'SavePoint' needs the Recovery 'ToSavePoint' of its scope")
	}
}

// alternatives reads a Compensate: a body, or several that are tried in turn.
func (c *compiler) alternatives(s *State, n *node) []*Body {
	switch {
	case n == nil:
		return nil
	case n.kind != value.Array:
		return []*Body{c.body(s, n)}
	}
	var all []*Body
	for _, item := range c.list(n) {
		all = append(all, c.body(s, item))
	}
	return all
}

// body reads a body, in its state's query language. Nil where there is none.
func (c *compiler) body(s *State, n *node) *Body {
	if n == nil || !c.object(n) {
		return nil
	}
	c.stateFields(s, n, kind{fields: bodyFields}, false)
	c.required(n, "Resource")
	b := &Body{
		Retry:            bodyRetry,
		TimeoutSeconds:   c.quantity(s, n, "TimeoutSeconds", seconds),
		HeartbeatSeconds: c.quantity(s, n, "HeartbeatSeconds", seconds),
	}
	if r := n.get("Resource"); r != nil {
		b.Resource = c.bodyResource(r)
	}
	if b.Resource.Kind == CompensateChildren {
		b.Retry = nil // what can't be undone does not get better
	}
	if n.get("Retry") != nil {
		b.Retry = c.retries(n)
	}
	if a := n.get("Arguments"); a != nil && s.Language == JSONata {
		b.Parameters = c.query(a)
	}
	if p := n.get("Parameters"); p != nil && s.Language == JSONPath {
		b.Parameters = c.payload(p)
	}
	if k := n.get("Credentials"); k != nil {
		b.RoleARN = c.credentials(s, k)
	}
	c.bodyTime(b, n)
	return b
}

// bodyTime sets the time limit of a body that has none. What others work on has
// to say how long that may take.
func (c *compiler) bodyTime(b *Body, n *node) {
	t := &b.TimeoutSeconds
	switch r := &b.Resource; {
	case t.Literal != nil || t.Path != nil || t.Query != nil || r.Kind == CompensateChildren:
	case r.Kind == Activity || r.Pattern != RequestResponse:
		c.schema(n, "The field 'TimeoutSeconds' is required of an activity, a callback and a job")
	default:
		limit := float64(bodySeconds)
		*t = Quantity{Literal: &limit, Field: "TimeoutSeconds"}
	}
}

// bodyResource reads a body's Resource: one of a Task's, or what undoes nested
// executions.
func (c *compiler) bodyResource(n *node) Resource {
	if n.text() == compensateExecution.Text {
		return compensateExecution
	}
	return c.resource(n)
}

// compensateExecution undoes the nested executions of a step, or those that it
// is told of.
var compensateExecution = Resource{
	Text: "arn:aws:states:::backstep:compensateExecution", Kind: CompensateChildren, Service: "backstep", Action: "compensateExecution",
}

// knownFailed reads names of errors, which stand for themselves.
func (c *compiler) knownFailed(n *node) []string {
	names := []string{}
	if !c.array(n) {
		return names
	}
	for _, item := range n.items {
		name, _ := c.string(item)
		if name == "States.ALL" || name == "States.TaskFailed" {
			c.schema(item, "'KnownFailed' takes no '"+name+"', which stands for other names")
		}
		names = append(names, name)
	}
	return names
}

// flag reads a member that is true or false; an absent one is false.
func (c *compiler) flag(n *node, name string) bool {
	m := n.get(name)
	return m != nil && c.is(m, value.Bool) && m.scalar.AsBool()
}

// requiredLine refuses an object without a text that may be computed.
func (c *compiler) requiredLine(s *State, n *node, name string) {
	if n.get(name) == nil && (s.Language == JSONata || n.get(name+".$") == nil) {
		c.required(n, name)
	}
}

func isStepField(name string) bool {
	_, is := find(stepFields, name)
	return is
}

// HasSagas reports whether the program has a saga scope anywhere, in the
// processors of distributed Maps too.
func (p *Program) HasSagas() bool { return p.sagas }

// Known reports whether an error of that name, which a participant gave, means
// that the call had no effect.
func (s *Step) Known(name string) bool { return slices.Contains(s.KnownFailed, name) }
