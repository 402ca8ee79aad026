package sim

import (
	"bytes"
	"context"
	"fmt"
	"math"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// patience is how long everything may take once nothing fails any more, in ms.
const (
	patience     = 60_000
	timerTardy   = 40_000  // after the faults a lease may have to run out first
	timerLate    = 5000    // of one that is due when all is well again
	takeover     = 5000    // after a lease has run out, until somebody else has the shard
	startTardy   = 20_000  // until who asks for a start has it
	callPatience = 260_000 // slow calls from before, and what queued behind them

	expressPatience = 2 * callPatience // an express execution has 300 s
)

// late reports whether something that was due is later than that, since it was due
// or all was healed. Where few jobs find room in memory, everything waits for
// calls that others make.
func (w *world) late(at, allowed int64) bool {
	if w.plan.waiting > 0 {
		allowed += callPatience
	}
	return at != store.Never && w.now > max(at, w.heal)+allowed
}

// cure ends the faults: from now on everything must come to its end.
func (w *world) cure() {
	w.healed, w.heal = true, w.now
	w.trace.note(w.now, "healed", "", 0)
	if w.cluster {
		w.mend()
	}
	w.auditStore()
	w.after(5000, w.vigil)
}

// vigil looks at what goes on, until nothing does.
func (w *world) vigil() {
	done := w.book.open == 0
	for _, in := range w.intents {
		done = done && in.acked
	}
	if rule, what := w.unserved(); what != "" {
		w.fail(rule, w.book.goesOn(), what)
		return
	}
	for _, l := range w.book.order {
		if l.start.Express {
			done = done && !l.record
			w.runsExpress(l)
			continue
		}
		done = done && len(l.jobs) == 0 && l.head.OpenSagas == 0
		for _, j := range l.jobList() {
			if what := w.stuck(l, j); what != "" {
				w.failf("L1", l.id, "job %d of kind %d in %q: %s", j.ID, j.Kind, j.State, what)
				return
			}
		}
	}
	if !w.lockBusy() && done && w.up() != nil {
		w.conclude()
		return
	}
	w.abandonHopeless()
	w.after(5000, w.vigil)
}

// unserved says what is not served although all is well again: a shard that nobody
// has, once the leases of those who are gone have run out (L4), or a start that
// nobody takes (L3).
func (w *world) unserved() (rule, what string) {
	within := int64(takeover)
	if w.out.AnyNode { // so long others leave who has just gone its share
		within += w.plan.lease.Milliseconds()
	}
	for s := range store.Shard(w.plan.shards) {
		l := w.book.leases[s]
		if w.cluster && w.late(l.Expires, within) {
			return "L4", fmt.Sprintf("shard %d is %s's until %d, who is not there, and nobody takes it", s, l.Node, relative(l.Expires))
		}
	}
	for _, in := range w.intents {
		if !in.acked && w.late(w.heal, w.plan.lease.Milliseconds()+startTardy) {
			return "L3", "nobody takes the start of " + in.name
		}
	}
	return "", ""
}

// stuck says that nothing becomes of a job that something must have become of.
func (w *world) stuck(l *life, j *machine.Job) string {
	since := w.late
	if l.isAnswered(j.ID) {
		if since(l.away[j.ID].at, patience) {
			return "its answer was brought to another node, and its owner does not hear"
		}
		return ""
	}
	switch j.Kind {
	case machine.Timer:
		allowed := int64(timerTardy)
		if j.Due > w.heal+timerTardy {
			allowed = timerLate
		}
		if since(j.Due, allowed) {
			return fmt.Sprintf("the timer of %d has not fired", relative(j.Due))
		}
		return ""
	case machine.Tell, machine.Resume, machine.Halt:
		allowed := int64(patience)
		if j.Answer != 0 {
			allowed = callPatience
		}
		if since(j.Made, allowed) {
			return "nobody did it"
		}
		return ""
	}
	if since(j.Deadline, timerTardy) {
		return fmt.Sprintf("its time was out at %d", relative(j.Deadline))
	}
	switch {
	case j.Kind == machine.Activity && !j.Taken:
		if since(j.Made, patience) {
			return "no worker gets the task"
		}
	case j.Heartbeat > 0 && (j.Submitted || j.Taken):
		if since(max(j.Due, l.beats[j.ID]+j.Heartbeat), timerTardy+j.Heartbeat) {
			return "its heart beats no more, and nobody notices"
		}
	case j.Polled():
		job := w.submissions[submissionKey(l.start.ID.Step(j.Entry), int(j.Earlier))]
		if job != nil && since(job.over, callPatience) {
			return "the job has ended, and nobody asks"
		}
	case j.Kind == machine.Call && !j.Submitted:
		if since(j.Made, callPatience) && w.tasks.flying[l.start.ID.Step(j.Entry)] == 0 {
			return "nobody makes the call"
		}
	case j.Kind == machine.Child, j.Kind == machine.StartRun, j.Kind == machine.StartItem:
		return w.childStuck(l, j, since)
	}
	return ""
}

func (w *world) childStuck(l *life, j *machine.Job, since func(at, allowed int64) bool) string {
	id, born := w.book.kids[store.JobKey{ID: l.id, Number: uint32(j.ID)}]
	if !born {
		allowed := int64(patience)
		if l.runsVolatile() {
			allowed += expressPatience
		}
		if since(j.Made, allowed) {
			return "nobody starts the nested execution"
		}
		return ""
	}
	if child := w.book.lives[id]; child.head.Status.Ended() && since(child.moved, patience) {
		return "the nested execution has ended, and the parent does not hear"
	}
	return ""
}

// runsVolatile reports whether a life is a map run whose children are express:
// nothing of theirs is durable but what they tell the run in the end.
func (l *life) runsVolatile() bool {
	if !l.start.IsRun() || l.stateOf == nil {
		return false
	}
	return l.stateOf.program.States[l.start.Map.State].Map.Express
}

// runsExpress checks that an express execution, whose record is there, runs.
func (w *world) runsExpress(l *life) {
	if l.record && w.now > max(l.moved, w.heal)+2*callPatience {
		w.fail("L1", l.id, "an express execution does not end")
	}
}

// conclude checks what must be true in the end.
func (w *world) conclude() {
	w.ended = true
	w.checkDisk()
	w.auditStore()
	for _, in := range w.intents {
		if !in.machine.express && w.book.lives[in.id] == nil {
			w.failf("I1", in.id, "the acknowledged start of %s is lost", in.name)
		}
	}
	for _, l := range w.book.order {
		for n := range l.entries {
			en := &l.entries[n]
			if en.succeeded && en.calls == 0 && !l.saga() && w.calls(l, uint32(n+1)) {
				w.failf("I3", l.id, "%s succeeded as entry %d, and nobody was called", l.stateAt(uint32(n+1)), n+1)
			}
		}
		switch {
		case l.saga():
			w.judge(l)
		case !l.start.Express && l.start.Machine == orderName:
			w.balance(l)
		}
	}
	for s := range w.plan.shards {
		jobs, err := w.reader.Jobs(context.Background(), store.Shard(s), store.Never, nil, 10)
		if err != nil || len(jobs) > 0 {
			w.failf("I9", store.ID{}, "%d jobs are left in shard %d: %v", len(jobs), s, err)
		}
	}
	if len(w.book.queued) > 0 {
		w.failf("I9", store.ID{}, "%d tasks are left in queues", len(w.book.queued))
	}
	w.checkLists()
	w.checkFound()
	w.checkSagaLists()
	w.checkLocks()
}

// checkLists checks that every execution stands once in the list of its machine
// and once in that of its status, and so for its version and alias, and nothing
// else does (I12).
func (w *world) checkLists() {
	listed, due := map[store.ID]int{}, map[string]int{}
	for _, m := range w.machines {
		due[m.name] = 2 * len(m.lists())
		for _, name := range m.lists() {
			for s := machine.Running; s <= machine.Aborted; s++ {
				for _, row := range w.list(engine.IndexStatus, engine.StatusValue(name, s)) {
					if l := w.book.lives[row.ID]; l == nil || l.head.Status != s || l.start.Machine != m.name {
						w.failf("I12", row.ID, "an execution is listed as one of %s that is %v", name, s)
					}
					listed[row.ID]++
				}
			}
			for _, row := range w.list(engine.IndexMachine, name) {
				listed[row.ID]++
			}
		}
	}
	for _, l := range w.book.order {
		n, want := listed[l.id], due[l.start.Machine]
		switch {
		case l.start.Express:
			want = 0
		case l.start.IsRun():
			n, want = w.stands(l, engine.IndexMapRuns, l.start.Parent.ID.String()), 1
		case l.start.Map != nil:
			run := l.start.Parent.ID.String()
			n, want = w.stands(l, engine.IndexChildren, run)+w.stands(l, engine.IndexChildren, engine.StatusValue(run, l.head.Status)), 2
		}
		if n != want {
			w.failf("I12", l.id, "%s stands %d times in lists, not %d times", l.start.Name, n, want)
		}
	}
}

// stands is how often a life stands in a list.
func (w *world) stands(l *life, index, of string) int {
	n := 0
	for _, row := range w.list(index, of) {
		if row.ID == l.id {
			n++
		}
	}
	return n
}

func (w *world) list(index, of string) []store.Index {
	rows, err := w.reader.Index(context.Background(), store.IndexQuery{Tenant: tenant, Index: index, Value: of, Limit: math.MaxInt})
	if err != nil {
		w.failf("I12", store.ID{}, "a list can't be read: %v", err)
	}
	return rows
}

// calls reports whether an entry is of a Task that a participant does.
func (w *world) calls(l *life, n uint32) bool {
	return l.stateOf != nil && l.stateOf.called[l.stateAt(n)]
}

// over takes note that an execution has ended.
func (w *world) over(l *life) {
	undone := l.head.Error != nil && *l.head.Error == "OrderUndone" || l.head.SagaStatus() == machine.SagaAborted.String()
	if !l.well && (l.head.Status == machine.Succeeded || undone) {
		l.well = true
		w.out.Well++
	}
	w.redriveEnded(l)
	if p := l.start.Parent; p != nil {
		if parent := w.book.lives[store.ID(p.ID)]; parent != nil && parent.head.Status.Ended() {
			w.saw(childOrphan)
		}
	}
}

// checkDisk reads everything again that was ever durable (I1, I2): nothing is
// gone, and nothing of a history changed.
func (w *world) checkDisk() {
	ctx := context.Background()
	for _, l := range w.book.order {
		if l.start.Express {
			continue
		}
		row, err := w.reader.Execution(ctx, l.id)
		if err != nil || !bytes.Equal(row.Body, machine.Append(nil, &l.head)) {
			w.failf("I1", l.id, "an execution is not as it was: %v", err)
			return
		}
		groups, err := w.reader.Events(ctx, l.id, 1, false, math.MaxInt)
		var read trace
		for i := range groups {
			read.bytes(groups[i].Body)
		}
		if err != nil || read.hash != l.digest.hash {
			w.failf("I2", l.id, "a history is not as it was: %v", err)
			return
		}
	}
	for k, id := range w.book.names {
		if got, err := w.reader.Name(ctx, k); err != nil || got != id {
			w.failf("I6", id, "the name %s is not as it was: %v", k.Name, err)
		}
	}
}
