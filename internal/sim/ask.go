package sim

import (
	"context"
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// askEvery is after how many happenings it is asked, about.
const askEvery = 40

// ask has the engine say of everything that goes on what it waits for: that must be
// something, all of it, and there. And it looks for what waits for nothing, which must
// find nothing: what it finds it logs as an error, and that is one.
func (w *world) ask() {
	p := w.up()
	if !w.asks || p == nil || w.out.Violation != nil || !w.curious.once(askEvery) {
		return
	}
	if w.out.Waits == nil {
		w.out.Waits = map[engine.WaitKind]int{}
	}
	if err := p.engine.InspectJobs(context.Background(), &p.rounds, 1000); err != nil {
		w.failf("I9", store.ID{}, "jobs can't be inspected: %v", err)
	}
	for _, l := range w.book.order {
		if l.start.Express {
			continue
		}
		why, err := p.engine.Why(context.Background(), l.id)
		if err != nil {
			w.failf("I9", l.id, "what it waits for can't be told: %v", err)
			return
		}
		for _, one := range why.Waits {
			w.out.Waits[one.Kind]++
		}
		if what := w.untold(l, why); what != "" {
			w.failf("I9", l.id, "asked what it waits for, the engine %s: %+v", what, why.Waits)
			return
		}
		if _, err := p.engine.Inspect(context.Background(), l.id); err != nil {
			w.failf("I9", l.id, "it can't be inspected: %v", err)
			return
		}
	}
}

// untold says what is wrong with an answer, "" where nothing is.
func (w *world) untold(l *life, why *engine.Why) string {
	waits := why.Waits
	switch {
	case why.Head.Status != l.head.Status:
		return "says it is " + why.Head.Status.String()
	case l.head.Status.Ended() && l.head.OpenSagas == 0:
		if len(waits) > 0 {
			return "knows something although it has ended"
		}
		return ""
	case len(waits) == 0:
		return "knows nothing"
	}
	told := map[machine.JobID]bool{}
	holds := 0
	for i := range waits {
		one := &waits[i]
		told[one.Job] = true
		if one.Kind == engine.WaitPerson {
			holds++
		}
		if what := w.astray(l, one); what != "" {
			return what
		}
	}
	if l.start.IsRun() {
		return ""
	}
	if holds != int(l.head.OpenHolds) {
		return fmt.Sprintf("tells of %d holds, of %d", holds, l.head.OpenHolds)
	}
	for _, f := range l.frames {
		if j := l.jobs[f.Job]; j != nil && j.Frame == f.ID && !told[j.ID] {
			return fmt.Sprintf("leaves job %d of kind %d out", j.ID, j.Kind)
		}
	}
	return ""
}

// astray says why one thing that is told of is not so, "" where it is.
func (w *world) astray(l *life, one *engine.Wait) string {
	j := l.jobs[one.Job]
	switch one.Kind {
	case engine.WaitNothing, engine.WaitEnd, engine.WaitQuarantine:
		return "finds nothing"
	case engine.WaitNode, engine.WaitItems, engine.WaitInbox:
		return ""
	case engine.WaitPerson:
		if f := l.heldFrame(one.Hold); f == nil || f.Hold.Since != one.Since || len(one.Verbs) == 0 {
			return "tells of a hold that is not there"
		}
		return ""
	}
	if j == nil {
		return "tells of a job that is not there"
	}
	switch one.Kind {
	case engine.WaitTime, engine.WaitRetry:
		if j.Kind != machine.Timer || one.Next != j.Due {
			return "tells of a timer that is not so"
		}
	case engine.WaitChild, engine.WaitMapRun, engine.WaitLock:
		if one.Execution != "" && !slices.ContainsFunc(w.book.order, func(other *life) bool {
			return other.start.ExecutionARN() == one.Execution || other.start.IsRun() && other.start.MapRunARN() == one.Execution
		}) {
			return "tells of an execution that is not there"
		}
		if one.Execution == "" && one.Kind != engine.WaitLock {
			return "does not know the execution's name"
		}
	}
	if one.Most != 0 && one.Attempt > one.Most || one.Attempt < 0 {
		return "can't count attempts"
	}
	return ""
}
