package sim

import (
	"fmt"
	"strconv"
	"strings"
)

// sagas makes definitions with saga scopes: nested ones, in Parallel and Map,
// with pivots, save points, confirms, queries, alternatives. Every step is a
// call of the participants that keep the ledger.
type sagas struct {
	c        chance
	names    int
	budget   int             // states that may still be made
	children []*stateMachine // that it may start
	apart    bool            // in the processor of a distributed Map
}

// place is where a flow stands.
type place struct {
	depth   int
	scoped  bool // inside a saga scope
	beneath bool // … with a Parallel or Map of that saga around it
	saves   bool // its own scope goes back to save points
	saved   bool // and has one
	pivot   bool // after a pivot of its saga, as far as the text tells
	apart   bool // done by children of a distributed Map of that saga
}

// sagaMachine makes a definition: in two of three cases a saga as a whole.
func sagaMachine(c chance, name string, children []*stateMachine) *stateMachine {
	s := &sagas{c: c, budget: c.between(3, 16), children: children}
	at := place{}
	var b strings.Builder
	b.WriteByte('{')
	if c.once(5) {
		fmt.Fprintf(&b, `"TimeoutSeconds":%d,`, c.between(30, 400))
	}
	if !c.once(3) {
		options := s.options(&at, true)
		b.WriteString(`"Saga":{` + strings.Trim(options, ",") + `},`)
	}
	b.WriteString(s.flow(&at))
	b.WriteByte('}')
	return newMachine(name, b.String(), false)
}

// options are a scope's, and what they make of the flow within it.
func (s *sagas) options(at *place, outermost bool) string {
	outer := at.scoped
	at.scoped, at.saves, at.saved = true, false, false
	text := ""
	switch s.c.IntN(10) {
	case 0, 1:
		if !at.beneath {
			at.saves = true
			text += fmt.Sprintf(`"Recovery":"ToSavePoint","MaxForwardAttempts":%d,`, s.c.between(1, 3))
		}
	case 2:
		if s.c.once(2) {
			text += `"Recovery":"Forward",`
		}
	}
	if s.c.once(4) {
		text += `"OnCompensationFailure":"Continue",`
	}
	if outermost && !outer && s.c.once(6) {
		text += `"OnStop":"Abort",`
	}
	return text
}

func (s *sagas) name() string {
	s.names++
	return "S" + strconv.Itoa(s.names)
}

// flow makes a StartAt with its States, a chain.
func (s *sagas) flow(at *place) string {
	k := s.c.between(1, max(2, 5-at.depth))
	names := make([]string, k)
	for i := range names {
		names[i] = s.name()
	}
	fails := s.name()
	states := make([]string, 0, k+1)
	failing := false
	for i, name := range names {
		onward := `"End":true`
		later := names[i+1:]
		if len(later) > 0 {
			onward = `"Next":"` + later[0] + `"`
		}
		text, fail := s.state(at, later, onward, fails)
		failing = failing || fail
		states = append(states, `"`+name+`":`+text)
	}
	if failing {
		states = append(states, `"`+fails+`":{"Type":"Fail","Error":"E.Chosen","Cause":"a path that fails"}`)
	}
	return `"StartAt":"` + names[0] + `","States":{` + strings.Join(states, ",\n") + `}`
}

func (s *sagas) state(at *place, later []string, onward, fails string) (text string, failing bool) {
	s.budget--
	roll := s.c.IntN(100)
	switch {
	case at.saves && !at.saved, roll < 58 || s.budget <= 0 || at.depth >= 4:
		return s.step(at, later) + onward + `}`, false
	case roll < 62:
		return fmt.Sprintf(`{"Type":"Wait","Seconds":%d,%s}`, s.c.between(0, 10), onward), false
	case roll < 66:
		return fmt.Sprintf(`{"Type":"Pass","Assign":{"v%s.$":"$$.State.EnteredTime"},%s}`, s.name(), onward), false
	case roll < 72 && len(later) > 0:
		to, fail := `"`+pick(s.c, later...)+`"`, false
		if s.c.once(2) {
			to, fail = `"`+fails+`"`, true
		}
		return fmt.Sprintf(`{"Type":"Choice","Choices":[{"Variable":"$.last.v","NumericGreaterThan":%d,"Next":%s}],"Default":"%s"}`,
			s.c.between(3, 8), to, later[0]), fail
	case roll < 82:
		return s.parallel(at, later) + onward + `}`, false
	case roll < 90:
		return s.mapping(at, later) + onward + `}`, false
	}
	return s.inner(at, later) + onward + `}`, false
}

// mishaps are the Retry and Catch of a state that may fail.
func (s *sagas) mishaps(later []string) string {
	text := ""
	if s.c.share(500) {
		text += fmt.Sprintf(`"Retry":[{"ErrorEquals":[%s],"IntervalSeconds":%d,"MaxAttempts":%d,"BackoffRate":1.5}],`,
			pick(s.c, `"E.Soft","States.Timeout"`, `"States.ALL"`, `"E.Biz"`), s.c.between(1, 3), s.c.between(0, 3))
	}
	if len(later) > 0 && s.c.share(350) {
		text += fmt.Sprintf(`"Catch":[{"ErrorEquals":[%s],"ResultPath":"$.error","Next":"%s"}],`,
			pick(s.c, `"States.ALL"`, `"E.Biz"`, `"States.TaskFailed"`), pick(s.c, later...))
	}
	return text
}

const sagaCall = `"Resource":"arn:aws:states:::lambda:invoke",`

func call(function, payload string) string {
	return sagaCall + `"Parameters":{"FunctionName":"` + function + `",` + payload + `}`
}

// step makes a Task, with what a scope lets it have.
func (s *sagas) step(at *place, later []string) string {
	if len(s.children) > 0 && s.c.once(7) && !(at.saves && !at.saved) {
		return s.nested(at, later)
	}
	text := `{"Type":"Task",` + s.how() + `"ResultPath":"$.last",` + s.mishaps(later)
	if !at.scoped {
		return text
	}
	if s.c.once(8) {
		text += fmt.Sprintf(`"SemanticLock":{"Key":"k%d","Wait":%d},`, s.c.between(1, 3), s.c.between(0, 60))
	}
	if at.saves && (!at.saved || s.c.once(4)) {
		at.saved = true
		text += `"SavePoint":true,`
	}
	if !at.beneath && !at.pivot && !s.apart && s.c.once(9) {
		at.pivot = true
		return text + `"Pivot":true,` + s.doubts()
	}
	if s.c.share(850) {
		text += `"Compensate":` + s.undo() + `,`
		if s.c.once(5) && !at.apart {
			text += `"Confirm":{` + call("confirm", `"Payload.$":"$.input"`) + s.tries() + `},`
		}
		if s.c.once(12) {
			text += fmt.Sprintf(`"CompensateWithin":%d,`, s.c.between(20, 200))
		}
	}
	return text + s.doubts()
}

// how is who does a step: a function, by itself or with a callback, or a worker
// who asks for tasks.
func (s *sagas) how() string {
	times := fmt.Sprintf(`"TimeoutSeconds":%d,`, s.c.between(5, 40))
	switch s.c.IntN(8) {
	case 0:
		asked := call("do", `"Payload":{"in.$":"$","token.$":"$$.Task.Token"}`)
		return strings.Replace(asked, "invoke", "invoke.waitForTaskToken", 1) + "," + times + pick(s.c, "", `"HeartbeatSeconds":4,`)
	case 1:
		return `"Resource":"` + arnActivity + `saga",` + times
	case 2, 3, 4:
		times = ""
	}
	return call("do", `"Payload.$":"$"`) + "," + times
}

// nested makes a Task that starts another saga.
func (s *sagas) nested(at *place, later []string) string {
	child := pick(s.c, s.children...)
	text := `{"Type":"Task","Resource":"arn:aws:states:::states:startExecution` + pick(s.c, "", ".sync", ".sync:2") + `",` +
		`"Parameters":{"StateMachineArn":"` + child.arn + `","Input":{"items.$":"$.few","few":[1],"last.$":"$.last"}},"ResultPath":null,` + s.mishaps(later)
	if s.c.once(3) {
		text += fmt.Sprintf(`"TimeoutSeconds":%d,`, s.c.between(20, 300))
	}
	if at.scoped && s.c.share(900) {
		text += `"Compensate":{"Resource":"arn:aws:states:::backstep:compensateExecution"},`
	}
	return text
}

// doubts say what is to be done about an outcome that is not known.
func (s *sagas) doubts() string {
	text := ""
	if s.c.once(4) {
		text += `"Query":{` + call("ask", `"Payload.$":"$.input"`) + s.tries() + `},`
	}
	if s.c.once(10) {
		text += `"OnUnknown":"Hold",`
	}
	if s.c.once(4) {
		text += pick(s.c, `"KnownFailed":["E.Biz"],`, `"KnownFailed":[],`)
	}
	return text
}

func (s *sagas) tries() string {
	return pick(s.c, "", fmt.Sprintf(`,"Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":1,"MaxAttempts":%d,"BackoffRate":1}]`, s.c.between(0, 4))) +
		pick(s.c, "", fmt.Sprintf(`,"TimeoutSeconds":%d`, s.c.between(5, 60)))
}

func (s *sagas) undo() string {
	one := `{` + call("undo", `"Payload.$":"$.input","by":1`) + s.tries() + `}`
	if s.c.once(6) {
		return `[` + one + `,{` + call("undo", `"Payload.$":"$.input","by":2`) + s.tries() + `}]`
	}
	return one
}

func (s *sagas) parallel(at *place, later []string) string {
	branches := make([]string, s.c.between(2, 4))
	for i := range branches {
		branches[i] = `{` + s.within(at) + `}`
	}
	return `{"Type":"Parallel",` + s.mishaps(later) + `"ResultPath":null,"Branches":[` + strings.Join(branches, ",\n") + `],`
}

func (s *sagas) mapping(at *place, later []string) string {
	text := `{"Type":"Map",` + s.mishaps(later) + `"ItemsPath":"$.items","ItemSelector":{"items.$":"$.few","few":[1],"last.$":"$.last"},"ResultPath":null,`
	if s.c.once(2) {
		text += fmt.Sprintf(`"MaxConcurrency":%d,`, s.c.between(1, 3))
	}
	if s.c.once(4) && !s.apart {
		s.apart = true
		defer func() { s.apart = false }()
		in := place{depth: at.depth + 1, scoped: at.scoped, beneath: at.scoped, pivot: true, apart: at.scoped || at.apart}
		if s.c.once(3) {
			text += fmt.Sprintf(`"ToleratedFailurePercentage":%d,`, pick(s.c, 20, 50, 100))
		}
		return text + `"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},` + s.flow(&in) + `},`
	}
	return text + `"ItemProcessor":{` + s.within(at) + `},`
}

// within is the flow of a branch or an item.
func (s *sagas) within(at *place) string {
	in := place{depth: at.depth + 1, scoped: at.scoped, beneath: at.scoped, pivot: at.pivot, apart: at.apart}
	return s.flow(&in)
}

// inner makes a Saga state.
func (s *sagas) inner(at *place, later []string) string {
	in := place{depth: at.depth + 1, scoped: at.scoped, beneath: at.scoped && at.beneath, pivot: at.pivot, apart: at.apart}
	text := `{"Type":"Saga",` + s.mishaps(later) + `"ResultPath":null,` + s.options(&in, !at.scoped) + s.flow(&in) + `,`
	at.pivot = at.pivot || at.scoped && in.pivot
	return text
}
