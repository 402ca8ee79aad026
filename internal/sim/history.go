package sim

import (
	"math"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/machine"
)

// happened is an event of a history, as far as its successors are judged by it.
type happened struct {
	kind  machine.EventType
	prev  int64
	at    int64
	entry uint32 // the state entry that it belongs to; 0: none, or not known
	state string
	err   string
	next  bool // something followed it on its thread
}

// events are sets of event types.
type events [kinds]bool

// kinds is how many types of events there are, and one more.
const kinds = int(machine.LateTaskResult) + 1

func these(types ...machine.EventType) *events {
	var s events
	for _, t := range types {
		s[t] = true
	}
	return &s
}

func (s *events) and(others ...*events) *events {
	union := *s
	for _, o := range others {
		for t := range o {
			union[t] = union[t] || o[t]
		}
	}
	return &union
}

var (
	entered = these(machine.PassStateEntered, machine.TaskStateEntered, machine.ChoiceStateEntered, machine.WaitStateEntered,
		machine.SucceedStateEntered, machine.FailStateEntered, machine.ParallelStateEntered, machine.MapStateEntered)
	exited = these(machine.PassStateExited, machine.TaskStateExited, machine.ChoiceStateExited, machine.WaitStateExited,
		machine.SucceedStateExited, machine.ParallelStateExited, machine.MapStateExited)
	scheduled = these(machine.TaskScheduled, machine.LambdaFunctionScheduled, machine.ActivityScheduled)
	started   = these(machine.TaskStarted, machine.LambdaFunctionStarted, machine.ActivityStarted)
	succeeded = these(machine.TaskSucceeded, machine.LambdaFunctionSucceeded, machine.ActivitySucceeded)
	timedOut  = these(machine.TaskTimedOut, machine.LambdaFunctionTimedOut, machine.ActivityTimedOut)
	failed    = these(machine.TaskFailed, machine.TaskSubmitFailed, machine.LambdaFunctionFailed, machine.ActivityFailed).and(timedOut)
	outcome   = succeeded.and(failed)
	terminal  = these(machine.ExecutionSucceeded, machine.ExecutionFailed, machine.ExecutionTimedOut, machine.ExecutionAborted)
	split     = these(machine.ParallelStateStarted, machine.MapStateStarted)
	broken    = these(machine.ParallelStateFailed, machine.MapStateFailed, machine.EvaluationFailed)
	failing   = failed.and(entered, broken, succeeded, exited, split, these(machine.MapIterationStarted, machine.MapIterationSucceeded, machine.MapRunStarted, machine.MapRunRedriven, machine.MapRunFailed))
	ofTask    = outcome.and(these(machine.TaskStateEntered, machine.EvaluationFailed))
	ofJoin    = exited.and(these(machine.ParallelStateEntered, machine.ParallelStateFailed, machine.EvaluationFailed))
	ofMap     = these(machine.MapStateEntered, machine.MapStateStarted, machine.MapIterationSucceeded, machine.MapRunStarted, machine.MapRunRedriven,
		machine.MapStateFailed, machine.EvaluationFailed)
	runs = these(machine.MapRunStarted, machine.MapRunRedriven)
)

// mayFollow says which types an event of a type may name as the one before it;
// nil: 0.
var mayFollow = func() (m [kinds]*events) {
	for t, is := range entered {
		if is {
			m[t] = exited.and(these(machine.MapIterationStarted, machine.ParallelStateStarted))
		}
	}
	for t, is := range scheduled {
		if is {
			m[t] = failed.and(these(machine.TaskStateEntered, machine.EvaluationFailed)).and(succeeded)
		}
	}
	for t, is := range started {
		if is {
			m[t] = scheduled
		}
	}
	m[machine.TaskSubmitted] = these(machine.TaskStarted)
	for t, is := range outcome {
		if is {
			m[t] = started.and(these(machine.TaskSubmitted))
		}
	}
	m[machine.ActivityTimedOut] = these(machine.ActivityScheduled, machine.ActivityStarted)
	m[machine.ActivityFailed] = m[machine.ActivityTimedOut]
	m[machine.PassStateExited] = these(machine.PassStateEntered)
	m[machine.ChoiceStateExited] = these(machine.ChoiceStateEntered)
	m[machine.WaitStateExited] = these(machine.WaitStateEntered)
	m[machine.SucceedStateExited] = these(machine.SucceedStateEntered)
	m[machine.TaskStateExited] = ofTask
	m[machine.ParallelStateExited] = ofJoin
	m[machine.MapStateExited] = ofMap
	m[machine.ParallelStateStarted] = failing
	m[machine.MapStateStarted] = failing
	m[machine.MapIterationStarted] = exited.and(these(machine.MapStateStarted))
	m[machine.MapIterationSucceeded] = exited
	m[machine.TaskSubmitFailed] = these(machine.TaskStarted)
	m[machine.ParallelStateSucceeded] = exited
	m[machine.MapStateSucceeded] = these(machine.MapIterationSucceeded, machine.MapStateStarted, machine.MapRunSucceeded)
	m[machine.MapRunStarted] = these(machine.MapStateStarted)
	m[machine.MapRunRedriven] = these(machine.MapStateStarted)
	m[machine.MapRunSucceeded] = runs
	m[machine.MapRunFailed] = runs
	m[machine.EvaluationFailed] = failing
	for _, t := range []machine.EventType{machine.MapIterationFailed, machine.MapIterationAborted, machine.MapStateFailed, machine.MapStateAborted,
		machine.ParallelStateFailed, machine.ParallelStateAborted, machine.MapRunAborted, machine.TaskStateAborted, machine.WaitStateAborted, machine.ExecutionFailed} {
		m[t] = failing
	}
	m[machine.ExecutionSucceeded] = exited
	m[machine.ExecutionRedriven] = these(machine.ExecutionFailed, machine.ExecutionTimedOut, machine.ExecutionAborted)
	return m
}()

// once are types that only one event of these types may follow on a thread: a
// second one is an effect that happened twice. Anew says that a redrive may bring
// another one.
var once = [...]struct {
	of, follower *events
	anew         bool
}{
	{of: entered, follower: exited},
	{of: these(machine.TaskStateEntered), follower: scheduled, anew: true},
	{of: scheduled, follower: started.and(timedOut)},
	{of: started.and(these(machine.TaskSubmitted)), follower: outcome.and(these(machine.TaskSubmitted))},
	{of: outcome, follower: scheduled.and(these(machine.TaskStateExited))},
	{of: exited, follower: entered},
	{of: these(machine.MapIterationStarted), follower: entered},
	{of: exited, follower: these(machine.MapIterationSucceeded)},
	{of: these(machine.MapStateStarted), follower: these(machine.MapRunStarted)},
	{of: these(machine.MapStateStarted), follower: these(machine.MapRunRedriven), anew: true},
	{of: runs, follower: these(machine.MapRunSucceeded, machine.MapRunFailed)},
}

// history enters the events of a commit: numbered on without a gap, never the
// same number twice, each a legal successor.
func (b *book) history(l *life, t *turned) {
	w := b.w
	for i := range t.batch.Events {
		row := &t.batch.Events[i]
		read, err := machine.Decode[machine.Events](row.Body)
		if err != nil {
			w.fail("I2", l.id, "events can't be read: "+err.Error())
			return
		}
		all := *read
		if len(all) == 0 || row.First != all[0].ID {
			w.failf("I2", l.id, "events are kept under %d, and are not these", row.First)
			return
		}
		l.digest.bytes(row.Body)
		for j := range all {
			b.event(l, &all[j])
		}
	}
	if int64(len(l.events)) != l.head.LastEvent {
		w.failf("I2", l.id, "the last event is %d, the head says %d", len(l.events), l.head.LastEvent)
	}
	if last := len(l.events); last > 0 && !l.saga() && l.head.Status.Ended() != terminal[l.events[last-1].kind] {
		w.failf("I2", l.id, "%v, and the last event is %v", l.head.Status, l.events[last-1].kind)
	}
	full := l.head.LastEvent >= w.plan.events // where an entry may find no room
	if n := int(l.head.Entries); n != len(l.entries) && !(full && n == len(l.entries)+1) {
		w.failf("I2", l.id, "%d entries in history, the head says %d", len(l.entries), l.head.Entries)
	}
}

// event enters one event.
func (b *book) event(l *life, e *machine.Event) {
	w := b.w
	w.out.Events++
	h := happened{kind: e.Type, prev: e.Prev, at: e.At, state: e.State}
	if e.Error != nil {
		h.err = *e.Error
	}
	w.trace.note(w.now, "event", e.Type.String()+" "+e.State, e.ID<<32|e.Prev)
	switch n := int64(len(l.events)); {
	case e.ID != n+1:
		w.failf("I2", l.id, "event %d follows event %d", e.ID, n)
		return
	case e.Type == machine.ExecutionRedriven:
		if l.anew = e.ID; e.Prev != n {
			w.failf("I2", l.id, "event %d, a redrive, follows event %d", e.ID, e.Prev)
		}
	case n > 0 && terminal[l.events[n-1].kind] && !l.saga():
		w.failf("I2", l.id, "event %d, %v, after the end", e.ID, e.Type)
	case n > 0 && e.At < l.events[n-1].at:
		w.failf("I2", l.id, "event %d is earlier than event %d", e.ID, n)
	case e.At > w.now:
		w.failf("I2", l.id, "event %d is of the future", e.ID)
	}
	b.succeeds(l, e, &h)
	if entered[e.Type] {
		l.entries = append(l.entries, entry{event: e.ID})
		h.entry = uint32(len(l.entries))
	}
	l.events = append(l.events, h)
	b.account(l, e, &h)
}

// succeeds checks an event against the one that it names.
func (b *book) succeeds(l *life, e *machine.Event, h *happened) {
	w := b.w
	legal := mayFollow[e.Type]
	if l.saga() {
		b.succeedsInSaga(l, e, h)
		return
	}
	if e.Prev == 0 {
		first := entered[e.Type] && len(l.entries) == 0 || e.Type == machine.ExecutionStarted && e.ID == 1
		first = first || e.Type == machine.EvaluationFailed || e.Type == machine.ExecutionAborted || e.Type == machine.ExecutionTimedOut
		if !first {
			w.failf("I2", l.id, "event %d, %v, follows nothing", e.ID, e.Type)
		}
		return
	}
	if e.Prev < 0 || e.Prev >= e.ID {
		w.failf("I2", l.id, "event %d follows event %d", e.ID, e.Prev)
		return
	}
	before := &l.events[e.Prev-1]
	full := e.Type == machine.ExecutionFailed && e.ID == w.plan.events // whatever came last
	if full {
		w.saw(historyFull)
	} else if legal == nil || !legal[before.kind] {
		w.failf("I2", l.id, "event %d, %v, follows event %d, %v", e.ID, e.Type, e.Prev, before.kind)
		return
	}
	if !entered[e.Type] && !split[e.Type] && !terminal[e.Type] {
		h.entry = before.entry
	}
	if e.State != "" && e.Type == machine.TaskStateExited && h.entry != 0 && l.stateAt(h.entry) != e.State {
		w.failf("I2", l.id, "event %d leaves %q, and %q was entered", e.ID, e.State, l.stateAt(h.entry))
	}
	for _, rule := range once {
		if rule.of[before.kind] && rule.follower[e.Type] && l.followed(e.Prev, rule.follower, rule.anew) {
			w.failf("I2", l.id, "event %d, %v, is the second of its kind after event %d, %v", e.ID, e.Type, e.Prev, before.kind)
		}
	}
	before.next = true
}

// succeedsInSaga checks an event of an execution with sagas, whose undos are told
// between what goes on: it follows an earlier one.
func (b *book) succeedsInSaga(l *life, e *machine.Event, h *happened) {
	if e.Prev < 0 || e.Prev >= e.ID {
		b.w.failf("I2", l.id, "event %d follows event %d", e.ID, e.Prev)
		return
	}
	if e.Prev > 0 && !entered[e.Type] && !split[e.Type] && !terminal[e.Type] {
		h.entry = l.events[e.Prev-1].entry
	}
}

// stateAt is the state of an entry.
func (l *life) stateAt(n uint32) string { return l.events[l.entries[n-1].event-1].state }

// followed reports whether an event of one of these types names that one as the
// one before it; with anew, since the last redrive.
func (l *life) followed(id int64, by *events, anew bool) bool {
	if !l.events[id-1].next {
		return false
	}
	since := id
	if anew {
		since = max(id, l.anew)
	}
	return slices.ContainsFunc(l.events[since:], func(h happened) bool { return h.prev == id && by[h.kind] })
}

// account counts what an event tells.
func (b *book) account(l *life, e *machine.Event, h *happened) {
	w := b.w
	en := l.entry(h.entry)
	switch {
	case scheduled[e.Type]:
		en.succeeded = false // as an attempt before a redrive may have
		if en.scheduled++; en.scheduled == 2 {
			w.saw(retried)
		}
		if most := l.attempts(h.entry); en.scheduled > most {
			w.failf("L5", l.id, "%s has %d attempts, and may have %d", l.stateAt(h.entry), en.scheduled, most)
		}
	case succeeded[e.Type]:
		en.succeeded = true
	case e.Type == machine.TaskSubmitted:
		en.submitted++
	case timedOut[e.Type]:
		w.saw(taskTimedOut)
		if e.Type == machine.ActivityTimedOut && e.Prev > 0 && l.events[e.Prev-1].kind == machine.ActivityScheduled {
			w.saw(untakenOut)
		}
	case e.Type == machine.TaskStateExited && e.Prev > 0 && failed[l.events[e.Prev-1].kind]:
		w.saw(caught)
	case failed[e.Type] && strings.HasPrefix(h.err, "StepFunctions."):
		w.saw(childRefused)
	case e.Type == machine.EvaluationFailed:
		w.saw(evaluationFailed)
	case e.Type == machine.MapStateStarted && e.Length >= 5:
		w.saw(wideMap)
	case e.Type == machine.TaskStateAborted:
		w.saw(itemsAborted)
	case e.Type == machine.ExecutionTimedOut:
		w.saw(executionOut)
	}
	if len(e.Assigned) > 0 {
		w.saw(variablesKept)
	}
}

// attempts is how many attempts a state's entry may have at most.
func (l *life) attempts(n uint32) int {
	if n == 0 || l.stateOf == nil || l.saga() {
		return math.MaxInt
	}
	most := 1
	for _, r := range l.stateOf.program.States[l.stateAt(n)].Retry {
		most += int(r.MaxAttempts)
	}
	return most * (1 + l.head.Redrives)
}
