package sim

import (
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// What must hold of sagas (I7): nothing that is owed is ever lost, what was done
// is undone in the reverse order, and what the log says is what the participants
// know.

// step is a place in the order of a saga: the frames around a step's entry,
// from the root on, each with the entry that it was at.
type lineage []stop

type stop struct {
	frame machine.FrameID
	entry uint32
}

// before reports whether a step was done before another of the same sequence:
// where their ways part, it is the earlier one. Steps of two branches are in no
// order.
func (a lineage) before(b lineage) bool {
	for i := range a {
		if i == len(b) || a[i].frame != b[i].frame {
			return false
		}
		if a[i].entry != b[i].entry {
			return a[i].entry < b[i].entry
		}
	}
	return false
}

// sagaRows enters the rows of the saga log of a commit, and the places of the
// steps that began in it.
func (b *book) sagaRows(l *life, t *turned) {
	for i := range t.batch.Undos {
		row := &t.batch.Undos[i]
		u, err := machine.Decode[machine.Undo](row.Body)
		if err != nil || u.Number != row.Number || row.ID != l.id {
			b.w.failf("I2", l.id, "row %d of the saga log can't be read: %v", row.Number, err)
			return
		}
		if l.log == nil {
			l.log, l.lines, l.undoing = map[uint32]*machine.Undo{}, map[uint32]lineage{}, map[uint32]bool{}
		}
		l.log[u.Number] = u
		if u.Error != nil && *u.Error == "Saga.LockTimeout" {
			b.w.saw(lockTimedOut)
		}
		b.w.trace.note(b.w.now, "row", u.State+" "+u.Status.String()+u.Outcome.String()+" "+u.Settled.String(), int64(u.Number))
	}
	for _, j := range t.opened {
		if j.Kind == machine.StartRun {
			l.runs[j.ID] = j.Entry
		}
		if (j.Kind == machine.Call || j.Kind == machine.Activity) && j.Operation == machine.Forward && l.lines != nil && l.lines[j.Entry] == nil {
			l.lines[j.Entry] = l.lineage(j.Frame)
		}
	}
	if l.head.OpenHolds == 0 {
		return
	}
	for _, f := range l.frameList() { // whoever looks at them draws chance
		if f.Hold != nil {
			b.w.attend(l, f)
		}
	}
}

func (l *life) lineage(id machine.FrameID) lineage {
	var line lineage
	for f := l.frames[id]; f != nil; f = l.frames[f.Parent] {
		line = append(line, stop{f.ID, f.Entry})
		if f.ID == 0 {
			break
		}
	}
	slices.Reverse(line)
	return line
}

// owes reports whether a row of the log is still to be undone or confirmed.
func (l *life) owes(u *machine.Undo) bool { return l.standing().Owes(u) }

// heldFrame is the frame with a hold of that number, nil where there is none.
func (l *life) heldFrame(number uint32) *machine.Frame {
	for _, f := range l.frames {
		if f.Hold != nil && f.Hold.Number == number {
			return f
		}
	}
	return nil
}

func (l *life) stepID(entry uint32) string { return machine.ID(l.id).Step(entry) }

// goesForward reports whether a frame stands where nothing can go back.
func (l *life) goesForward(f *machine.Frame) bool {
	for ; f != nil; f = l.frames[f.Parent] {
		if f.Scope != nil && f.Scope.Committed {
			return true
		}
		if f.ID == 0 {
			break
		}
	}
	return false
}

// sagaOf is the saga that a frame belongs to.
func (l *life) sagaOf(f *machine.Frame) uint32 {
	for f != nil {
		if f.Scope != nil && f.Scope.Outermost {
			return f.Scope.Saga
		}
		if f.ID == 0 {
			break
		}
		f = l.frames[f.Parent]
	}
	return 0
}

// calledInSaga holds a call of a saga against what is durable (I3, I7).
func (p *process) calledInSaga(l *life, n uint32, t *integration.Task) {
	w := p.w
	open := false
	for _, j := range l.jobs {
		if j.Entry == n && j.State == t.State && int(j.Operation) == int(t.Operation) && int(j.Send) == t.Attempt && !j.Submitted {
			open = true
			if j.Landing && !l.sent[sendKey(t)] && p.owns(l.id.Shard()) {
				w.failf("I7", l.id, "%s is called although it was only to be waited for", t.State)
			}
		}
	}
	if !open && !p.owns(l.id.Shard()) {
		w.saw(zombieCall)
	} else if !open {
		w.failf("I3", l.id, "%s is called to %v as entry %d, send %d, and no such job is durable", t.State, t.Operation, n, t.Attempt)
	}
	if l.sent == nil {
		l.sent = map[string]bool{}
	}
	if l.sent[sendKey(t)] && t.Operation != integration.Query {
		w.failf("I3", l.id, "%s is called twice to %v as entry %d, send %d", t.State, t.Operation, n, t.Attempt)
	}
	l.sent[sendKey(t)] = true
	want := l.stepID(n)
	if t.Operation != integration.Forward {
		want += ":" + t.Operation.String()
	}
	if t.Operation != integration.Query && !strings.HasPrefix(t.StepID, want) {
		w.failf("I3", l.id, "%s is called to %v under the key %s", t.State, t.Operation, t.StepID)
	}
	if t.Operation == integration.Compensate && !l.undoing[n] {
		l.undoing[n] = true
		w.inOrder(l, n)
	}
}

func sendKey(t *integration.Task) string {
	return t.Forward + "/" + t.StepID + "/" + t.Operation.String() + "/" + strconv.Itoa(t.Attempt)
}

// inOrder holds that all that came after a step in its sequence is undone by the
// time that it is undone itself.
func (w *world) inOrder(l *life, n uint32) {
	mine, u := l.lines[n], l.log[n]
	if mine == nil || u == nil {
		w.failf("I7", l.id, "entry %d is undone, and was not done", n)
		return
	}
	if u.Outcome == machine.StepFailed {
		w.failf("I7", l.id, "%s is undone, and had no effect", u.State)
	}
	for other, row := range l.log {
		if other != n && row.Saga == u.Saga && l.owes(row) && mine.before(l.lines[other]) {
			w.failf("I7", l.id, "%s (entry %d) is undone before %s (entry %d), which came after it", u.State, n, row.State, other)
		}
	}
}

// judge holds what the log says of an execution's sagas against what the
// participants know (I7, I8), once nothing goes on any more.
func (w *world) judge(l *life) {
	for n, u := range l.log {
		if !u.IsStep() {
			continue
		}
		if w.judgeChildren(l, u) {
			continue
		}
		e := w.effectOf(l.stepID(n))
		saga := l.log[u.Saga]
		switch {
		case u.Settled == machine.Compensated && e.done && e.undoneBy == "" && !l.byHand(u):
			w.failf("I7", l.id, "%s (entry %d) is said to be undone, and stands", u.State, n)
		case u.Settled == machine.Confirmed && !e.confirmed:
			w.failf("I7", l.id, "%s (entry %d) is said to be confirmed, and is not", u.State, n)
		case u.Settled != machine.Compensated && e.undoneBy != "" && u.Settled != machine.CompensationFailed && u.Settled != machine.Skipped &&
			saga.Status != machine.SagaAbandoned:
			w.failf("I7", l.id, "%s (entry %d) was undone, and its log says %v", u.State, n, u.Settled)
		case u.Outcome == machine.StepFailed && e.done && e.undoneBy == "":
			w.failf("I7", l.id, "%s (entry %d) is said to have failed, and had its effect", u.State, n)
		case u.Outcome == machine.StepSucceeded && !e.done:
			w.failf("I7", l.id, "%s (entry %d) is said to have succeeded, and had no effect", u.State, n)
		}
	}
	for _, u := range l.log {
		if u.IsSaga() {
			w.saw(sagaEnds[u.Status])
			if !u.Status.Ended() {
				w.failf("L1", l.id, "a saga is %v in the end", u.Status)
			}
		}
	}
}

// judgeChildren judges a step that has started executions, and reports whether it
// is one: when it is undone, so are they.
func (w *world) judgeChildren(l *life, u *machine.Undo) bool {
	s := l.stateOf.program.States[u.State]
	if s.Task != nil && s.Task.Resource.Kind != asl.NestedExecution {
		return false
	}
	if u.Settled != machine.Compensated || l.byHand(u) {
		return true
	}
	for _, child := range w.book.order {
		if !w.startedBy(child, l, u) || child.head.Sagas == 0 {
			continue
		}
		w.saw(childUndone)
		if got := child.head.SagaStatus(); got != machine.SagaAborted.String() || !child.head.Status.Ended() {
			w.failf("I7", child.id, "%s of %s is undone, and what it has started is %v, its saga %s", u.State, l.start.Name, child.head.Status, got)
		}
	}
	return true
}

// startedBy reports whether a step has started an execution, by itself or by a
// map run.
func (w *world) startedBy(child, l *life, u *machine.Undo) bool {
	p := child.start.Parent
	if p == nil {
		return false
	}
	if run := w.book.lives[store.ID(p.ID)]; run != nil && run.start.IsRun() {
		return run.start.Parent.ID == machine.ID(l.id) && l.runs[run.start.Parent.Job] == u.Number && w.runsOf(l, u.Number) == 1
	}
	step := l.stepID(u.Number)
	return p.ID == machine.ID(l.id) && (child.start.Name == step || strings.HasPrefix(child.start.Name, step+"-"))
}

// runsOf is how many map runs an entry of a Map has started. Where there are
// several, its row is that of the last.
func (w *world) runsOf(l *life, entry uint32) int {
	n := 0
	for _, run := range w.book.order {
		if run.start.IsRun() && run.start.Parent.ID == machine.ID(l.id) && l.runs[run.start.Parent.Job] == entry {
			n++
		}
	}
	return n
}

// byHand reports whether a person said that a step was undone.
func (l *life) byHand(u *machine.Undo) bool {
	last := u.Calls[len(u.Calls)-1]
	return last.Result == 0
}

// sagaEnds are how sagas end.
var sagaEnds = map[machine.SagaStatus]situation{
	machine.SagaAborted: sagaAborted, machine.SagaCompleted: sagaCompleted, machine.SagaCompensationFailed: sagaEndedBadly,
	machine.SagaAbandoned: sagaAbandoned,
}

// checkSagaLists checks that every execution with sagas stands where it should in
// the lists of them.
func (w *world) checkSagaLists() {
	listed := map[store.ID]int{}
	for _, m := range append([]string{""}, w.machineNames()...) {
		for _, row := range w.list(engine.IndexSagas, m) {
			listed[row.ID]++
		}
		for _, s := range []string{"STARTED", "ABORTING", "ABORTED", "COMPLETED", "ON_HOLD", "COMPENSATION_FAILED", "ABANDONED"} {
			for _, row := range w.list(engine.IndexSagas, engine.SagaValue(m, s)) {
				listed[row.ID]++
				if l := w.book.lives[row.ID]; l == nil || l.head.SagaStatus() != s {
					w.failf("I12", row.ID, "an execution is listed as %s", s)
				}
			}
		}
	}
	for _, l := range w.book.order {
		want := 0
		if l.head.Sagas > 0 && l.start.Map == nil {
			want = 4
		}
		if listed[l.id] != want {
			w.failf("I12", l.id, "%s stands %d times in the lists of sagas, not %d times", l.start.Name, listed[l.id], want)
		}
	}
}

func (w *world) machineNames() []string {
	var names []string
	for _, m := range w.machines {
		names = append(names, m.name)
	}
	return names
}
