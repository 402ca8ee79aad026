package sim

import (
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// What a node does for an execution whose shard is another's: it begins it, takes
// one of its tasks or brings a task's answer, without the fence, by rows of which
// one alone can have it; and leaves a message for the owner, who enters it later.

// begins reports whether a batch only makes executions that were not there, under
// names that nobody has: anybody may.
func (w *world) begins(b *store.Batch) bool {
	for i := range b.Executions {
		x := &b.Executions[i]
		if x.Start == nil || w.book.lives[x.ID] != nil || w.book.locks[x.ID] != nil {
			return false
		}
	}
	return w.cluster && (len(b.Messages) == len(b.Executions) || len(b.Jobs) == 0)
}

// elsewhere enters what a commit did to an execution beside its owner.
func (b *book) elsewhere(c *store.Batch) {
	if len(c.Executions) > 0 || c.Fence != nil || len(c.Messages) == 0 {
		return
	}
	for i := range c.DropJobs {
		b.answeredElsewhere(&c.DropJobs[i])
	}
	for i := range c.DropQueue {
		k := c.DropQueue[i].Job
		l := b.lives[k.ID]
		if l == nil || l.jobs[machine.JobID(k.Number)] == nil {
			b.w.failf("I4", k.ID, "job %d is taken elsewhere, and is not there", k.Number)
			continue
		}
		b.w.saw(takenElsewhere)
		l.apart(machine.JobID(k.Number)).taken = true
	}
}

// answeredElsewhere enters a job whose answer lies in the owner's inbox: the job's
// row is gone, and its frame does not know yet.
func (b *book) answeredElsewhere(row *store.Job) {
	w := b.w
	l := b.lives[row.ID]
	id := machine.JobID(row.Number)
	if l == nil || l.jobs[id] == nil {
		w.failf("I4", row.ID, "job %d is answered elsewhere, and is not there", id)
		return
	}
	a := l.apart(id)
	if a.answered {
		w.failf("I4", l.id, "job %d is answered twice", id)
	}
	a.answered, a.at = true, w.now
	w.trace.note(w.now, "answered", l.jobs[id].State, int64(id))
	w.saw(answeredAway)
}

// heardAway enters the jobs of which an owner has heard the answers in this commit.
func (b *book) heardAway(l *life, t *turned) {
	for _, id := range slices.Sorted(maps.Keys(l.away)) {
		a, j := l.away[id], l.jobs[id]
		if !a.answered || j == nil || l.waitsFor(j) {
			continue
		}
		delete(l.jobs, id)
		delete(l.away, id)
		t.closed = append(t.closed, j)
	}
}

// waitsFor reports whether a frame still waits for a job. One that is kept for a
// redrive does not.
func (l *life) waitsFor(j *machine.Job) bool {
	if l.head.Status.Ended() && l.head.OpenSagas == 0 {
		return false
	}
	f := l.frames[j.Frame]
	return f != nil && f.Job == j.ID
}

// apart is what was done to a job beside its owner, who does not know yet.
type apart struct {
	taken    bool
	answered bool
	at       int64 // then
}

func (l *life) apart(id machine.JobID) *apart {
	if l.away == nil {
		l.away = map[machine.JobID]*apart{}
	}
	if l.away[id] == nil {
		l.away[id] = &apart{}
	}
	return l.away[id]
}

// isAnswered reports whether a job's answer lies in the owner's inbox.
func (l *life) isAnswered(id machine.JobID) bool { return l.away[id] != nil && l.away[id].answered }

// isTaken reports whether a worker has an activity's task.
func (l *life) isTaken(j *machine.Job) bool {
	return j.Taken || l.away[j.ID] != nil && l.away[j.ID].taken
}
