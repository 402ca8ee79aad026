package sweep

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/prove"
)

// trouble is something that may happen to a call.
type trouble struct {
	kind   troubleKind
	name   string // the error's
	after  bool   // the participant did its work before
	effect integration.Effect
	always bool   // to every attempt, until a person has looked at it
	soft   bool   // the state's own expression fails, not the call
	denied bool   // of a script: where its step is held, a person says that nothing was done
	first  string // an error by which the first attempt fails after its effect, before this one; "": none
}

type troubleKind uint8

const (
	fails  troubleKind = iota // the call ends by an error
	silent                    // nobody answers, until the time is out
	late                      // the request arrives when nobody waits for it any more
	twice                     // the request, and the answer by a token, arrive twice
	flying                    // it is under way for as long as anything else goes on
	large                     // it is answered well, by more than a result may hold
)

// String is the trouble in words.
func (t trouble) String() string {
	s := ""
	switch t.kind {
	case fails:
		s = "fails by " + t.name
		if t.effect == integration.EffectUnknown && !t.soft {
			s += map[bool]string{false: " before its effect", true: " after its effect"}[t.after]
		}
		if t.soft {
			s = map[bool]string{false: "can't be made: " + t.name, true: "is answered well, and then fails by " + t.name}[t.after]
		}
	case silent:
		s = "times out" + map[bool]string{false: " before its effect", true: " after its effect, and answers too late"}[t.after]
	case late:
		s = "times out, and arrives then"
	case twice:
		s = "is delivered twice"
	case flying:
		s = "is under way for long"
	case large:
		s = "is answered well, by more than a result may hold"
	}
	switch {
	case t.first != "":
		return "fails by " + t.first + " after its effect, is tried again, and " + s
	case t.always:
		s += " at every attempt"
	}
	return s
}

// at is the trouble as one attempt has it.
func (t trouble) at(attempt int) trouble {
	if t.first != "" && attempt == 1 {
		return trouble{name: t.first, after: true}
	}
	return t
}

// retriedTimes bounds a trouble that comes at every attempt where no error may
// end the work: then it is over.
const retriedTimes = 12

type menuKey struct {
	state string
	op    integration.Operation
}

// menu is all that may happen to the calls of a state, or of a body of it, in a
// fixed order: seeds name a trouble by its place.
func (s *saga) menu(state *asl.State, op integration.Operation) []trouble {
	var all []trouble
	retry, timed, awaited := state.Retry, isSet(&state.Task.TimeoutSeconds), s.roles[state.Name].Awaited
	ways := s.roles[state.Name].Ways
	if op != integration.Forward {
		b, was := body(state, op), body(s.written.States[state.Name], op)
		retry, timed, awaited = b.Retry, true, was.Resource.Kind == asl.Activity || was.Resource.Pattern == asl.WaitForTaskToken
		ways = prove.BodyWays(was)
	}
	for _, w := range ways {
		t := trouble{name: w.Error, effect: effectOf(w.Effect)}
		all = append(all, t)
		if t.effect == integration.EffectUnknown {
			t.after = true
			all = append(all, t)
		}
	}
	if timed {
		all = append(all, trouble{kind: silent, name: timeout}, trouble{kind: silent, name: timeout, after: true}, trouble{kind: late, name: timeout})
	} else if awaited {
		all = append(all, trouble{kind: silent, after: true}) // the token is lost
	}
	all = append(all, trouble{kind: twice})
	for _, t := range slices.Clone(all) {
		if t.name != "" && t.kind != late && takes(retry, t) {
			t.always = true
			all = append(all, t)
		}
	}
	if i := slices.IndexFunc(all, func(t trouble) bool {
		return t.kind == fails && t.after && t.effect == integration.EffectUnknown && takes(retry, t)
	}); i >= 0 && op == integration.Forward {
		for _, t := range slices.Clone(all) {
			if t.effect != integration.EffectUnknown && !t.always {
				t.always, t.first = true, all[i].name
				all = append(all, t)
			}
		}
	}
	return all
}

// The names that the language itself gives.
const (
	timeout      = "States.Timeout"
	stateRuntime = "States.Runtime"
	stateQuery   = "States.QueryEvaluationError"
	stateLimit   = "States.DataLimitExceeded"
)

func isSet(q *asl.Quantity) bool { return q.Literal != nil || q.Path != nil || q.Query != nil }

func effectOf(e prove.Effect) integration.Effect {
	switch e {
	case prove.NoEffect:
		return integration.EffectNone
	case prove.NamedEffect:
		return integration.EffectNamed
	}
	return integration.EffectUnknown
}

// takes reports whether a trouble is retried at all.
func takes(retry []asl.Retrier, t trouble) bool {
	return slices.ContainsFunc(retry, func(r asl.Retrier) bool {
		return r.MaxAttempts > 0 && slices.ContainsFunc(r.ErrorEquals, func(name string) bool {
			return name == "States.ALL" || name == t.name || name == "States.TaskFailed" && t.name != timeout
		})
	})
}

// fault is one thing that goes wrong in a world: a call has a trouble, or
// something happens after a commit.
type fault struct {
	kind faultKind

	// Of a call.
	point   point
	trouble trouble
	number  int // the trouble's place in the menu; -1: it is of a script
	delay   int // how many rounds of calls its answer waits; see [world.rounds]

	// Of all else.
	commit  int // the commit after which it happens, from 1
	after   bool
	seconds int64 // of expiry: the execution's time limit
}

type faultKind uint8

const (
	ofCall faultKind = iota
	kill             // the engine is killed within a commit: after says that it was made
	stop             // somebody stops the execution: after says that the call is under way by then
	expiry           // the execution's time is out
)

// point is a call: which entry of a state it belongs to, of which item, and
// which attempt it is.
type point struct {
	state   string
	op      integration.Operation
	entry   int // of the state in the execution, from 1 in the order of their first calls
	item    int // of the Map around it, from 1; 0: none
	nth     int // which entry of the state it is within the item, from 1
	attempt int // sends, from 1
}

// String is the point in words.
func (p point) String() string {
	s := called(p.state, p.op)
	if p.item > 0 {
		s += fmt.Sprintf(", item %d", p.item)
	}
	if p.entry == 0 {
		s += ", each entry,"
	}
	if p.entry > 1 && p.item == 0 {
		s += fmt.Sprintf(", entry %d", p.entry)
	}
	if p.attempt > 1 {
		s += fmt.Sprintf(", attempt %d", p.attempt)
	}
	return s
}

// String is the fault in words.
func (f *fault) String() string {
	made := map[bool]string{false: "before", true: "after"}[f.after]
	switch f.kind {
	case kill:
		return fmt.Sprintf("the engine is killed just %s commit %d is made", made, f.commit)
	case stop:
		if f.after {
			return fmt.Sprintf("the execution is stopped after commit %d, with its calls under way", f.commit)
		}
		return fmt.Sprintf("the execution is stopped at commit %d", f.commit)
	case expiry:
		return fmt.Sprintf("the execution's TimeoutSeconds are out after %d s", f.seconds)
	}
	return f.point.String() + " " + f.trouble.String()
}

// matches reports whether the fault is of a call.
func (f *fault) matches(p point) bool { return f.kind == ofCall && f.isAt(p) }

// isAt reports whether the fault names a call.
func (f *fault) isAt(p point) bool {
	at := f.point
	switch {
	case at.state != p.state || at.op != p.op:
		return false
	case at.item > 0 && at.item != p.item:
		return false
	case at.entry > 0 && at.entry != p.entry && !(at.item > 0 && at.entry == p.nth):
		return false
	}
	if f.trouble.always {
		return at.attempt <= p.attempt
	}
	return at.attempt == 0 || at.attempt == p.attempt
}

// ways tells for each Choice where it goes: of each of its entries the place of
// a target among its targets.
type ways map[string][]int

// plan is all that makes a world what it is.
type plan struct {
	ways   ways
	faults []fault
	steps  int          // how many steps are done when nothing goes wrong; 0: nobody knows
	spoilt string       // of a script: a state that is no Task, and whose own expression fails
	runs   *asl.Program // of such a plan: what runs
}

// with is the plan with another fault.
func (p plan) with(f fault) plan {
	p.faults = append(slices.Clone(p.faults), f)
	return p
}

// opLetters stand for the operations in seeds.
const opLetters = "cuqk"

var opOrder = [...]integration.Operation{integration.Forward, integration.Compensate, integration.Query, integration.Confirm}

func letterOf(op integration.Operation) byte { return opLetters[slices.Index(opOrder[:], op)] }

// seed is the plan as a text without blanks, good for this definition: the ways
// of the Choices as w<choice>.<way><way>…, a call as
// c<state>.<entry>.<item>.<attempt>.<trouble>[.<delay>], a kill as b<commit> or
// a<commit>, a stop as s<commit> or f<commit>, the time limit as x<seconds>. "0"
// is the plan of a world in which nothing goes wrong.
func (s *saga) seed(p plan) string {
	var parts []string
	for _, name := range s.named {
		if w, ok := p.ways[name]; ok {
			digits := make([]string, len(w))
			for i, way := range w {
				digits[i] = strconv.Itoa(way)
			}
			parts = append(parts, fmt.Sprintf("w%d.%s", s.choice[name], strings.Join(digits, ".")))
		}
	}
	for i := range p.faults {
		f := &p.faults[i]
		switch f.kind {
		case kill:
			parts = append(parts, map[bool]string{false: "b", true: "a"}[f.after]+strconv.Itoa(f.commit))
		case stop:
			parts = append(parts, map[bool]string{false: "s", true: "f"}[f.after]+strconv.Itoa(f.commit))
		case expiry:
			parts = append(parts, "x"+strconv.FormatInt(f.seconds, 10))
		case ofCall:
			if f.number < 0 {
				return "" // a script's fault repeats by its script
			}
			at := f.point
			part := fmt.Sprintf("%c%d.%d.%d.%d.%d", letterOf(at.op), s.place[at.state], at.entry, at.item, at.attempt, f.number)
			if f.delay > 0 {
				part += "." + strconv.Itoa(f.delay)
			}
			parts = append(parts, part)
		default:
			return ""
		}
	}
	if len(parts) == 0 {
		return "0"
	}
	return strings.Join(parts, "-")
}

// planted reads a seed.
func (s *saga) planted(seed string) (plan, error) {
	p := plan{ways: ways{}}
	if seed == "0" {
		return p, nil
	}
	for part := range strings.SplitSeq(seed, "-") {
		if err := s.plantedPart(&p, part); err != nil {
			return p, fmt.Errorf("the seed %q is none of this definition: %w", seed, err)
		}
	}
	return p, nil
}

func (s *saga) plantedPart(p *plan, part string) error {
	bad := fmt.Errorf("%q is not understood", part)
	if part == "" {
		return bad
	}
	var n []int
	for digits := range strings.SplitSeq(part[1:], ".") {
		i, err := strconv.Atoi(digits)
		if err != nil || i < 0 {
			return bad
		}
		n = append(n, i)
	}
	switch letter := part[0]; {
	case letter == 'w' && len(n) > 1:
		for name, place := range s.choice {
			if place == n[0] {
				p.ways[name] = n[1:]
				return nil
			}
		}
		return fmt.Errorf("there is no Choice %d", n[0])
	case strings.IndexByte("basf", letter) >= 0 && len(n) == 1:
		f := fault{kind: kill, commit: n[0], after: letter == 'a' || letter == 'f'}
		if letter == 's' || letter == 'f' {
			f.kind = stop
		}
		p.faults = append(p.faults, f)
		return nil
	case letter == 'x' && len(n) == 1 && n[0] > 0:
		p.faults = append(p.faults, fault{kind: expiry, seconds: int64(n[0])})
		return nil
	case strings.IndexByte(opLetters, letter) >= 0 && (len(n) == 5 || len(n) == 6):
		return s.plantedCall(p, opOrder[strings.IndexByte(opLetters, letter)], n)
	}
	return bad
}

func (s *saga) plantedCall(p *plan, op integration.Operation, n []int) error {
	if n[0] >= len(s.named) {
		return fmt.Errorf("there is no state %d", n[0])
	}
	name := s.named[n[0]]
	state := s.runs.States[name]
	if state.Task == nil || op != integration.Forward && body(state, op) == nil {
		return fmt.Errorf("%s makes no such call", name)
	}
	menu := s.menus[menuKey{name, op}]
	if n[4] >= len(menu) {
		return fmt.Errorf("%s has no fault %d", name, n[4])
	}
	f := fault{point: point{state: name, op: op, entry: n[1], item: n[2], attempt: n[3]}, number: n[4], trouble: menu[n[4]]}
	if len(n) == 6 {
		f.delay = n[5]
	}
	f.trouble.always = f.trouble.always || f.point.entry == 0 // at each entry
	p.faults = append(p.faults, f)
	return nil
}
