package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// Rounds is how far the rows of this node's shards have been gone through, and which
// looked wrong the last time: what is found twice is wrong.
type Rounds struct {
	shard    int
	after    *store.Job
	suspects map[store.JobKey]bool // of the round before
	found    map[store.JobKey]bool // of this one
}

// forgottenAfter is how long a job must have been due before it counts that nobody
// in memory knows of it, in ms.
const forgottenAfter = 60_000

// InspectJobs looks at the next jobs of this node's shards, at most so many: each
// must be an execution's, and one that is due must be in memory. What is not is taken
// away, or read again. What can't be looked at is passed over; the error is that of
// the first.
func (e *Engine) InspectJobs(ctx context.Context, r *Rounds, most int) (failed error) {
	if r.found == nil {
		r.found = map[store.JobKey]bool{}
	}
	s := e.shards[r.shard]
	var jobs []store.Job
	if s.epoch.Load() != 0 {
		var err error
		if jobs, err = e.cfg.Store.Jobs(ctx, s.number, store.Never, r.after, most); err != nil {
			return fmt.Errorf("jobs of shard %d: %w", s.number, err)
		}
	}
	for i := range jobs {
		if err := e.inspectJob(ctx, s, r, &jobs[i]); err != nil && failed == nil {
			failed = fmt.Errorf("job %d of execution %s: %w", jobs[i].Number, jobs[i].ID, err)
		}
	}
	if len(jobs) == most {
		r.after = &jobs[most-1]
		return failed
	}
	r.after = nil
	if r.shard++; r.shard == len(e.shards) {
		r.shard, r.suspects, r.found = 0, r.found, nil
	}
	return failed
}

func (e *Engine) inspectJob(ctx context.Context, s *shard, r *Rounds, row *store.Job) error {
	_, err := e.cfg.Store.Execution(ctx, row.ID)
	lost := errors.Is(err, store.ErrNotFound)
	if err != nil && !lost {
		return err
	}
	if !lost && !e.isForgotten(s, row) {
		return nil
	}
	if !r.suspects[row.JobKey] {
		r.found[row.JobKey] = true
		return nil
	}
	if !lost {
		return e.remember(ctx, s, row)
	}
	if err := e.underLease(ctx, s, s.epoch.Load(), &store.Batch{DropJobs: []store.Job{*row}}); err != nil {
		return err
	}
	e.cfg.Log.Error("a job of no execution was taken away", "execution", row.ID, "job", row.Number)
	e.orphans.Jobs.Add(1)
	return nil
}

// isForgotten reports whether a job has been due for a while, and nothing in memory
// knows of it.
func (e *Engine) isForgotten(s *shard, row *store.Job) bool {
	s.mu.Lock()
	reading := s.reading || s.again
	s.mu.Unlock()
	if row.Number >= expressMark || reading || row.Due > e.now()-forgottenAfter || !e.dispatcher.turnsRest() {
		return false
	}
	for _, again := range [...]bool{false, true} {
		if _, set := e.alarms.due(alarmKey{row.JobKey, again}); set {
			return false
		}
	}
	return !e.dispatcher.stands(row.JobKey).known && !answeredElsewhere(row)
}

// turnsRest reports whether nothing that an alarm has rung for is still to be done.
func (d *dispatcher) turnsRest() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.turns.running == 0 && d.turns.waiting() == 0
}

// answeredElsewhere reports whether a job has been done, and is open until another
// execution says what came of it: nothing in memory needs to know of it.
func answeredElsewhere(row *store.Job) bool {
	j, err := machine.Decode[machine.Job](row.Body)
	return err != nil || j.Kind == machine.StartRun || j.Kind == machine.StartItem || j.Kind == machine.TakeLock
}

// remember has a forgotten job read again, unless its execution is held, which
// forgets on purpose.
func (e *Engine) remember(ctx context.Context, s *shard, row *store.Job) error {
	x, err := e.Holding(ctx, row.ID)
	if err != nil || heldFor(x) != "" || x.Execution.Jobs[machine.JobID(row.Number)] == nil {
		return nil // what can't be read is quarantined by its next turn
	}
	e.cfg.Log.Error("a job was due, and nobody in memory knew of it: it is read again", "execution", x.Start.ExecutionARN(), "job", row.Number, "due", row.Due)
	e.orphans.Forgotten.Add(1)
	s.readAgain()
	e.alarms.nudge()
	return nil
}

// InspectQueue looks at the oldest tasks of an activity, at most so many: each must
// be of a job that nobody has taken. What is not is taken away. What can't be read is
// passed over; the error is that of the first.
func (e *Engine) InspectQueue(ctx context.Context, tenant, activity string, most int) (failed error) {
	rows, err := e.cfg.Store.Queue(ctx, tenant, activity, most)
	if err != nil {
		return fmt.Errorf("queue of activity %s: %w", activity, err)
	}
	for i := range rows {
		k := rows[i].QueuedKey
		s := e.shardOf(k.Job.ID)
		if s == nil || s.epoch.Load() == 0 {
			continue
		}
		loaded, err := e.cfg.Store.Load(ctx, k.Job.ID)
		if err == nil && hasJob(&loaded, k.Job.Number) {
			continue
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			failed = cmp.Or(failed, err)
			continue
		}
		// A task and its job come and go in one commit: what has none now has none.
		err = e.underLease(ctx, s, s.epoch.Load(), &store.Batch{ExpectQueued: []store.QueuedKey{k}, DropQueue: []store.QueuedKey{k}})
		if errors.Is(err, store.ErrConflict) { // it was taken meanwhile
			continue
		}
		if err != nil {
			return err
		}
		e.cfg.Log.Error("a task of no job is taken away from an activity's queue", "execution", k.Job.ID, "job", k.Job.Number, "activity", activity)
		e.orphans.Tasks.Add(1)
	}
	return failed
}

func hasJob(l *store.Loaded, number uint32) bool {
	for i := range l.Jobs {
		if l.Jobs[i].Number == number {
			return true
		}
	}
	return false
}
