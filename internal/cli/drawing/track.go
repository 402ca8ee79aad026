package drawing

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/backstep/backstep/api"
)

// visit is one entry of a state.
type visit struct {
	state         string
	kind          string // the type, as events are named by it: "Task", "Map" …
	parent        int    // the visit of the Map or Parallel around it; -1: none
	attempt       int    // of the parent, by which it was entered
	entered, last int64  // events
	attempts      int
	closed        bool
	failed        bool
	fenced        bool // a saga went back before it had ended
	err           string

	done, failures, total int    // items of a Map
	run                   string // the ARN of its map run
}

// Tracker follows a history, event by event from the first.
type Tracker struct {
	failure  func(*api.HistoryEvent) string
	visits   []visit
	at       map[int64]int  // the visit of each event
	exits    map[int64]bool // events by which a visit ended
	taken    map[Passage]bool
	passages []Passage
	redriven int64
}

// NewTracker is a tracker to whom failure tells the error of an event.
func NewTracker(failure func(*api.HistoryEvent) string) *Tracker {
	return &Tracker{failure: failure, at: map[int64]int{}, exits: map[int64]bool{}, taken: map[Passage]bool{}}
}

// Hear takes the next event in.
func (t *Tracker) Hear(e *api.HistoryEvent) {
	on, known := t.at[e.PreviousEventId]
	if !known {
		on = -1
	}
	switch name := string(e.Type); {
	case e.StateEnteredEventDetails != nil:
		t.enter(e, on)
		return
	case e.StateExitedEventDetails != nil:
		on = t.climb(on, func(v *visit) bool { return v.state == e.StateExitedEventDetails.Name })
		if on >= 0 {
			t.visits[on].closed = true
			t.exits[e.Id] = true
		}
	case e.Type == api.HistoryEventTypeExecutionSucceeded:
		if on >= 0 && t.exits[e.PreviousEventId] {
			t.pass(Passage{From: t.visits[on].state})
		}
	case e.Type == api.HistoryEventTypeExecutionRedriven:
		t.redriven = e.Id
		return
	case strings.HasPrefix(name, "MapIteration"):
		on = t.item(e, on)
	case strings.HasPrefix(name, "Parallel"):
		on = t.around(e, on, "Parallel")
	case strings.HasPrefix(name, "MapState"):
		on = t.around(e, on, "Map")
	case e.SagaEventDetails != nil:
		t.saga(e)
		t.exits[e.Id] = t.exits[e.PreviousEventId]
	case on >= 0 && t.isUndo(e, on):
		return
	case on >= 0:
		t.work(e, &t.visits[on])
	}
	if on >= 0 {
		t.at[e.Id] = on
		if e.SagaEventDetails == nil {
			t.visits[on].last = e.Id
		}
	}
}

// saga takes in that the saga of the whole machine goes back: of what is under way
// nothing will come any more. That of a Saga state has failed as a Parallel does.
func (t *Tracker) saga(e *api.HistoryEvent) {
	if e.Type != api.HistoryEventTypeSagaAborting || e.SagaEventDetails.StateName != nil {
		return
	}
	for i := range t.visits {
		t.visits[i].fenced = true
	}
}

// climb is the innermost visit around one, itself included, of which something
// holds; -1 where there is none.
func (t *Tracker) climb(on int, holds func(*visit) bool) int {
	for on >= 0 && !holds(&t.visits[on]) {
		on = t.visits[on].parent
	}
	return on
}

// enter begins a visit: behind one that ended, or within a Map or Parallel.
func (t *Tracker) enter(e *api.HistoryEvent, on int) {
	v := visit{state: e.StateEnteredEventDetails.Name, kind: strings.TrimSuffix(string(e.Type), "StateEntered"), parent: -1, entered: e.Id, last: e.Id}
	switch {
	case on < 0:
		t.pass(Passage{To: v.state})
	case t.exits[e.PreviousEventId]:
		before := &t.visits[on]
		v.parent = before.parent
		t.pass(Passage{From: before.state, To: v.state, Caught: before.failed})
	case t.visits[on].kind == "Map" || t.visits[on].kind == "Parallel":
		v.parent = on
	default: // a redrive let it begin elsewhere
		v.parent = t.visits[on].parent
	}
	if v.parent >= 0 {
		v.attempt = t.visits[v.parent].attempts
	}
	v.failed = v.kind == "Fail"
	t.visits = append(t.visits, v)
	t.at[e.Id] = len(t.visits) - 1
}

func (t *Tracker) pass(p Passage) {
	if !t.taken[p] {
		t.taken[p] = true
		t.passages = append(t.passages, p)
	}
}

// item counts an item of a Map.
func (t *Tracker) item(e *api.HistoryEvent, on int) int {
	on = t.climb(on, func(v *visit) bool { return v.kind == "Map" && !v.closed })
	if on < 0 {
		return on
	}
	switch e.Type {
	case api.HistoryEventTypeMapIterationSucceeded:
		t.visits[on].done++
	case api.HistoryEventTypeMapIterationFailed:
		t.visits[on].failures++
	}
	return on
}

// around takes in what happens to a Map or Parallel itself. One that has failed
// already is not what fails.
func (t *Tracker) around(e *api.HistoryEvent, on int, kind string) int {
	name := string(e.Type)
	ends := strings.HasSuffix(name, "Failed") || strings.HasSuffix(name, "Aborted")
	on = t.climb(on, func(v *visit) bool { return v.kind == kind && !v.closed && !(ends && v.failed) })
	if on < 0 {
		return on
	}
	v := &t.visits[on]
	switch {
	case strings.HasSuffix(name, "Started"):
		v.attempts++
		v.failed, v.done, v.failures = false, 0, 0
		if d := e.MapStateStartedEventDetails; d != nil {
			v.total = int(d.Length)
		}
	case strings.HasSuffix(name, "Failed"):
		v.failed = true
	}
	return on
}

// isUndo reports whether an event is of a compensation, a Confirm or a Query, which
// begin anew from where the step was entered. So does what a redrive does again.
func (t *Tracker) isUndo(e *api.HistoryEvent, on int) bool {
	v := &t.visits[on]
	again := !v.closed && t.redriven > v.last
	return e.PreviousEventId == v.entered && v.last != v.entered && !again
}

// work takes in what happens to a state's own task.
func (t *Tracker) work(e *api.HistoryEvent, v *visit) {
	name := string(e.Type)
	switch {
	case e.MapRunStartedEventDetails != nil && e.MapRunStartedEventDetails.MapRunArn != nil:
		v.run = *e.MapRunStartedEventDetails.MapRunArn
	case strings.HasPrefix(name, "Execution"):
	case strings.HasSuffix(name, "Scheduled"):
		v.attempts++
		v.failed = false
	case strings.HasSuffix(name, "Failed") || strings.HasSuffix(name, "TimedOut"):
		v.failed, v.err = true, t.failure(e)
	}
}

// over reports whether nothing will come of a visit any more that has not ended by
// itself: the execution has, or what is around it.
func (t *Tracker) over(v *visit) bool {
	if v.fenced {
		return true
	}
	for v.parent >= 0 {
		p := &t.visits[v.parent]
		if p.closed || p.failed || v.attempt < p.attempts {
			return true
		}
		v = p
	}
	return false
}

// Runs are the ARNs of the map runs whose counts are still to be told, by the names
// of their states.
func (t *Tracker) Runs() map[string]string {
	runs := map[string]string{}
	for i := range t.visits {
		if v := &t.visits[i]; v.run != "" {
			runs[v.state] = v.run
		}
	}
	return runs
}

// Count tells how far the last map run of a state has come.
func (t *Tracker) Count(state string, n *api.MapRunItemCounts) {
	for i := range t.visits {
		if v := &t.visits[i]; v.state == state && v.run != "" {
			v.done, v.failures, v.total = int(n.Succeeded), int(n.Failed+n.TimedOut+n.Aborted), int(n.Total)
		}
	}
}

// Tell puts the visits of each state together. ended: the execution has.
func (t *Tracker) Tell(ended bool) *Trail {
	trail := &Trail{States: map[string]Stand{}, Undos: map[string]Stand{}, Taken: t.passages}
	counts := map[string]map[Mark]int{}
	last := map[string]*visit{}
	for i := range t.visits {
		v := &t.visits[i]
		mark := Running
		switch over := ended || t.over(v); {
		case v.closed && v.failed:
			mark = Caught
		case v.closed:
			mark = Done
		case over && v.failed:
			mark = Failed
		case over:
			mark = Stopped
		}
		if counts[v.state] == nil {
			counts[v.state] = map[Mark]int{}
		}
		counts[v.state][mark]++
		last[v.state] = v
	}
	for state, n := range counts {
		trail.States[state] = standOf(n, last[state])
	}
	return trail
}

// gravest are the marks, that first which most needs to be seen.
var gravest = []Mark{Held, Running, Failed, Stopped, Caught, Compensated, Done}

// standOf is what became of all visits of a state, in words by the last one.
func standOf(n map[Mark]int, last *visit) Stand {
	stand := Stand{done: n[Done]}
	var words []string
	for _, mark := range gravest {
		if n[mark] == 0 {
			continue
		}
		stand.Mark = cmp.Or(stand.Mark, mark)
		words = append(words, fmt.Sprintf("%d %s", n[mark], mark))
	}
	if len(words) == 1 {
		words[0] = string(stand.Mark)
		switch n := n[stand.Mark]; {
		case n > 1:
			words[0] = fmt.Sprintf("%s %d×", stand.Mark, n)
		case last.failed && last.err != "" && stand.Mark == Running:
			words[0] += " after " + last.err
		case last.failed && last.err != "":
			words[0] += " " + last.err
		}
		if n[stand.Mark] == 1 && last.attempts > 1 {
			words = append(words, fmt.Sprintf("%d tries", last.attempts))
		}
	}
	if last.total > 0 {
		words = append(words, fmt.Sprintf("%d/%d", last.done, last.total))
		if last.failures > 0 {
			words = append(words, fmt.Sprintf("%d failed", last.failures))
		}
	}
	stand.Words = strings.Join(words, ", ")
	return stand
}
