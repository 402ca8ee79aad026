package prove

import (
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
)

// way is a way out of a state that is none of success.
type way struct {
	fault  fault
	label  string // for people: "States.Timeout", "any other error"
	script string // the error's name in a fault script
	effect effect
	soft   bool  // an expression, or a size: nobody outside failed
	tries  int64 // how often the state is tried before the error goes outward
	before *way  // an error that an attempt before it was retried for, and that may have had its effect
}

// The names in fault scripts of what is no error of a state.
const (
	scriptStop     = "StopExecution"
	scriptDeadline = "ExecutionTimeout"
	scriptFlying   = "InFlight"
	scriptOther    = "Unlisted"
)

// The operations of faults that strike a body of a step.
const (
	scriptUndo  = "compensate"
	scriptQuery = "query"
)

// unlisted is an error's name that none of the lists has.
func unlisted(lists []string) string {
	name := scriptOther
	for slices.Contains(lists, name) {
		name += "Error"
	}
	return name
}

// waysOf are the ways out of a state, but for success: those of a Task in an
// order that puts what says most first, then what its expressions may do.
func (p *prover) waysOf(s *asl.State) []*way {
	var all []*way
	if s.Type == asl.Task {
		all = p.taskWays(s)
	}
	all = append(all, softWays(s)...)
	for _, w := range all {
		r := w.fault.retrier(s)
		w.tries = tries(r)
		if !givesUp(r) {
			w.tries = 0
		}
	}
	all = slices.DeleteFunc(all, func(w *way) bool { return w.tries == 0 })
	if held(s) {
		slices.SortStableFunc(all, func(a, b *way) int { return tells(b) - tells(a) })
	}
	if i := slices.IndexFunc(all, func(w *way) bool { return w.effect == unknown && w.tries > 1 }); i >= 0 {
		for _, w := range all {
			if w.effect == refused || w.effect == noEffect && !w.soft {
				w.before = all[i]
			}
		}
	} else if w := endlessUnknown(p, s); w != nil {
		for _, other := range all {
			if other.effect == refused || other.effect == noEffect && !other.soft {
				other.before = w
			}
		}
	}
	return all
}

// held reports whether a person is asked where the outcome of a state is unknown.
func held(s *asl.State) bool { return s.Step != nil && (s.Step.Pivot || s.Step.HoldUnknown) }

// tells is 1 where an error tells what became of the call, so that nobody has to
// be asked, else 0.
func tells(w *way) int {
	if w.effect == unknown {
		return 0
	}
	return 1
}

// endlessUnknown is an error of unknown effect that the state is tried again
// for without end, nil where there is none.
func endlessUnknown(p *prover, s *asl.State) *way {
	if s.Type != asl.Task {
		return nil
	}
	for _, w := range p.taskWays(s) {
		if w.effect == unknown && !givesUp(w.fault.retrier(s)) {
			return w
		}
	}
	return nil
}

// taskWays are the errors that a Task's work may give.
func (p *prover) taskWays(s *asl.State) []*way {
	c := p.call(s)
	known := p.knownFailed(s)
	lists := named(s)
	var all []*way
	add := func(w *way) {
		if !slices.ContainsFunc(all, func(o *way) bool { return o.fault == w.fault }) {
			all = append(all, w)
		}
	}
	plain := func(name string) {
		f := fault{name: name, timeout: name == stateTimeout}
		w := &way{fault: f, label: name, script: name, effect: c.effectOf(name, known)}
		if name == stateTask && p.undoesItself(c) {
			w.effect = noEffect
		}
		add(w)
	}
	if isSet(&s.Task.TimeoutSeconds) {
		plain(stateTimeout)
	}
	if isSet(&s.Task.HeartbeatSeconds) && c.awaits() {
		add(&way{fault: fault{name: stateTimeout, timeout: true, heartbeat: true}, label: stateBeat, script: stateBeat, effect: unknown})
	}
	for _, name := range c.usual() {
		plain(name)
	}
	if c.named() {
		add(&way{fault: fault{open: true}, label: "any other error", script: unlisted(p.allNames(s)), effect: c.effectOf("", known)})
	}
	for _, name := range append(lists, known...) {
		switch name {
		case stateBeat, stateRuntime, stateLimit, stateQuery, stateResult:
		default:
			plain(name)
		}
	}
	return all
}

// undoesItself reports whether a nested execution that is waited for is a saga
// that leaves nothing behind when it fails.
func (p *prover) undoesItself(c *call) bool {
	if c.resource.Kind != asl.NestedExecution || c.resource.Pattern == asl.RequestResponse || c.resource.Pattern == asl.WaitForTaskToken {
		return false
	}
	child := p.nested(c.child())
	if child == nil || child.Saga == nil {
		return false
	}
	s := child.Saga
	return !s.Continue && !s.Abort && s.Recovery != asl.Forward
}

// allNames are the names in the lists of a state, and of all around it.
func (p *prover) allNames(s *asl.State) []string {
	all := named(s)
	for at := s; at.Flow.Owner != nil; at = at.Flow.Owner {
		all = append(all, named(at.Flow.Owner)...)
	}
	return all
}

// usual are errors that calls of such a kind have, whoever is called: one that
// leaves the effect unknown, and one that tells that there was none.
func (c *call) usual() []string {
	r := c.resource
	prefix := servicePrefix(r.Service)
	switch {
	case r.Service == "lambda":
		return []string{"Lambda.Unknown", "Lambda.TooManyRequestsException"}
	case r.Service == "http":
		return []string{"States.Http.Socket", "States.Http.StatusCode.503", "States.Http.StatusCode.429"}
	case r.Kind == asl.Activity, r.Kind == asl.CompensateChildren:
		return nil
	case r.Kind == asl.NestedExecution:
		return []string{stateTask, "StepFunctions.SdkClientException", "StepFunctions.ThrottlingException"}
	case prefix == "":
		return []string{stateTask}
	}
	return []string{prefix + ".SdkClientException", prefix + ".ThrottlingException"}
}

// servicePrefix is what the names of a service's errors begin with.
func servicePrefix(service string) string {
	service = strings.TrimPrefix(service, "aws-sdk:")
	switch service {
	case "":
		return ""
	case "dynamodb":
		return "DynamoDB"
	case "sns", "sqs", "ecs", "eks", "emr", "ses":
		return strings.ToUpper(service)
	case "states", "sfn":
		return "StepFunctions"
	}
	return strings.ToUpper(service[:1]) + service[1:]
}

func isSet(q *asl.Quantity) bool { return q.Literal != nil || q.Path != nil || q.Query != nil }

// softWays are the errors that a state's own expressions and sizes may give,
// before its work and after it, and those of what a Map reads and writes.
func softWays(s *asl.State) []*way {
	var all []*way
	name := stateQuery
	if s.Language == asl.JSONPath {
		name = stateRuntime
	}
	add := func(name, label string, e effect) {
		all = append(all, &way{fault: fault{name: name, fatal: name == stateRuntime}, label: label, script: name, effect: e, soft: true})
	}
	if readsBefore(s) {
		add(name, name, noEffect)
	}
	if s.Type == asl.Map && s.Map.ItemReader != nil {
		all = append(all, &way{fault: fault{name: stateReader}, label: stateReader, script: stateReader, effect: noEffect})
	}
	if s.Type == asl.Map && s.Map.ResultWriter != nil {
		all = append(all, &way{fault: fault{name: stateWriter}, label: stateWriter, script: stateWriter, effect: hadEffect})
	}
	if s.Type == asl.Choice && s.Choice.Default == nil {
		add(stateRuntime, stateRuntime+" (no rule holds)", noEffect)
	}
	if s.Type != asl.Task && s.Type != asl.Parallel && s.Type != asl.Map && s.Type != asl.Saga {
		if readsAfter(s) && len(all) == 0 {
			add(name, name, noEffect)
		}
		return all
	}
	if readsAfter(s) {
		add(name, name+" after the work", hadEffect)
	}
	if s.ResultPath != nil && s.ResultPath.Reference != nil {
		add(stateResult, stateResult, hadEffect)
	}
	if s.Type == asl.Task {
		add(stateLimit, stateLimit, hadEffect)
	}
	return all
}

// readsBefore reports whether an expression that may fail stands before the
// state's work.
func readsBefore(s *asl.State) bool {
	if selects(s.InputPath) || mayFail(s.Parameters) {
		return true
	}
	switch s.Type {
	case asl.Task:
		t := s.Task
		return computed(&t.TimeoutSeconds) || computed(&t.HeartbeatSeconds) || computedLine(&t.RoleARN)
	case asl.Choice:
		return slices.ContainsFunc(s.Choice.Rules, func(r asl.Rule) bool { return r.Query != nil && queryMayFail(r.Query) || comparesUnset(r.Condition) })
	case asl.Wait:
		return computed(&s.Wait.Seconds) || computedLine(&s.Wait.Timestamp)
	case asl.Map:
		m := s.Map
		return selects(m.ItemsPath) || mayFail(m.Items) || mayFail(m.ItemSelector) || computed(&m.MaxConcurrency)
	}
	return false
}

// readsAfter reports whether an expression that may fail stands after the
// state's work.
func readsAfter(s *asl.State) bool {
	if mayFail(s.ResultSelector) || selects(s.OutputPath) || mayFail(s.Output) {
		return true
	}
	return s.Assign != nil && slices.ContainsFunc(s.Assign.Variables, func(v asl.Variable) bool { return mayFail(v.Value) })
}

func selects(s *asl.Selection) bool {
	return s != nil && s.Path != nil && pathMayFail(s.Path.String())
}

func computed(q *asl.Quantity) bool { return q.Path != nil || q.Query != nil }
func computedLine(l *asl.Line) bool { return l.Path != nil || l.Query != nil }
func pathMayFail(text string) bool  { return text != "$" && !strings.HasPrefix(text, "$$") }
func queryMayFail(q *asl.QueryExpr) bool {
	switch q.Text {
	case "true", "false", "$states.input", "$states.result", "$states.errorOutput":
		return false
	}
	return true
}

// mayFail reports whether a template has an expression that may find nothing.
func mayFail(t *asl.Template) bool {
	switch {
	case t == nil:
		return false
	case t.Path != nil:
		return t.Path.Expression.Call() != "" || pathMayFail(t.Path.Text)
	case t.Query != nil:
		return queryMayFail(t.Query)
	}
	return slices.ContainsFunc(t.Object, func(m asl.TemplateMember) bool { return mayFail(m.Value) }) || slices.ContainsFunc(t.Array, mayFail)
}

// comparesUnset reports whether a rule compares what need not be there, without
// having asked whether it is.
func comparesUnset(c *asl.Condition) bool {
	switch {
	case c == nil:
		return false
	case c.Not != nil:
		return comparesUnset(c.Not)
	case c.Or != nil:
		return slices.ContainsFunc(c.Or, comparesUnset)
	case c.And != nil:
		asked := map[string]bool{}
		for _, k := range c.And {
			if k != nil && k.Test.Operator == "IsPresent" && k.Test.Literal.AsBool() {
				asked[k.Variable.String()] = true
			}
		}
		return slices.ContainsFunc(c.And, func(k *asl.Condition) bool {
			return comparesUnset(k) && (k.Variable == nil || !asked[k.Variable.String()])
		})
	case c.Test.Operator == "IsPresent":
		return false
	}
	return c.Variable != nil && pathMayFail(c.Variable.String())
}
