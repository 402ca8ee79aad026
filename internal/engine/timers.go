package engine

import (
	"time"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// Fire does what is due at now, UTC milliseconds: it lets calls go that waited for
// their rate, reads on in the jobs that are on disk, and sends an errand for every
// alarm that rings. One caller at a time.
func (e *Engine) Fire(now int64) {
	e.lapse()
	e.dispatcher.pump()
	for _, s := range e.shards {
		if s.epoch.Load() != 0 {
			e.readJobs(s, now)
		}
	}
	for e.dispatcher.isSlack() {
		k, rings := e.alarms.take(now)
		if !rings {
			return
		}
		if !e.ring(k) {
			e.alarms.remind(k, now)
			return
		}
	}
}

// Next is when Fire has something to do again, in UTC milliseconds.
func (e *Engine) Next(now int64) int64 {
	next := min(e.alarms.next(), e.dispatcher.soonest())
	for _, s := range e.shards {
		if s.epoch.Load() == 0 {
			continue
		}
		s.mu.Lock()
		at := s.reach.Load() - e.cfg.Limits.Window.Milliseconds()/2
		if s.reading || s.again {
			at = now + readingPause.Milliseconds()
		}
		s.mu.Unlock()
		next = min(next, at)
	}
	if !e.dispatcher.isSlack() {
		return max(next, now+readingPause.Milliseconds())
	}
	return max(next, now)
}

// readingPause is how long work that found no room waits before it is looked
// at again.
const readingPause = 20 * time.Millisecond

// ring sends the errand of an alarm.
func (e *Engine) ring(k alarmKey) bool {
	if k.again {
		return e.dispatcher.sendAgain(k.JobKey)
	}
	return e.dispatcher.send(&errand{key: k.JobKey, do: (*Engine).fire}, turning, ownerKey{})
}

// fire tells an execution that a job's time has come, unless a heartbeat has
// moved it meanwhile, or it is only time to poll. What could not be stored is
// told again.
func (e *Engine) fire(er *errand) {
	k := alarmKey{JobKey: er.key}
	job := machine.JobID(er.key.Number)
	err := e.hearBeats(er.key)
	if err != nil {
		if lasting(err) {
			e.alarms.remind(k, e.now()+e.backoff(timerTries))
		}
		return
	}
	_, err = e.turn(er.key.ID, machine.Message{Kind: machine.Fired, Job: job}, &rider{
		before: func(r *resident) bool {
			if _, moved := e.alarms.due(k); moved {
				return false
			}
			if e.waitsInLine(r, job) {
				e.alarms.set(k, e.now()+lineLook.Milliseconds())
				return false
			}
			return !e.pollsInstead(r, job)
		},
		after: func(r *resident) {
			if j := r.x.Jobs[job]; j != nil { // it was too early, by a clock that went back
				e.alarms.set(k, max(alarmOf(j), e.now()+e.cfg.Limits.RetryMost.Milliseconds()))
			}
		},
	})
	if err != nil && lasting(err) {
		e.alarms.remind(k, e.now()+e.backoff(timerTries))
	}
}

// hearBeats hears what was left for an execution before a heartbeat is missed there:
// it may have come to another node.
func (e *Engine) hearBeats(k store.JobKey) error {
	if e.apart() {
		return nil
	}
	s, r, j, err := e.awakeFor(k)
	if err != nil {
		return err
	}
	defer s.release(r)
	if j == nil || j.Heartbeat == 0 || r.volatile.Load() {
		return nil
	}
	if err := e.catchUp(s, r); err != nil {
		r.x = nil
		return err
	}
	return nil
}

// waitsInLine reports whether a call that is out of time was not sent yet because
// others go before it. Its time begins when it is sent, as long as the line moves:
// where nobody has been sent for as long as it may take, it is out of time.
func (e *Engine) waitsInLine(r *resident, job machine.JobID) bool {
	j := r.x.Jobs[job]
	if j == nil || j.Kind != machine.Call || j.Submitted {
		return false
	}
	return e.dispatcher.inLine(store.JobKey{ID: r.id, Number: uint32(job)}, j.Deadline-j.Made)
}

// lineLook is how soon the time of a call is looked at again that has not been
// sent yet.
const lineLook = 5 * time.Second

// timerTries is how often a timer counts as tried that could not be stored:
// there may be many of them, so that they do not come back at once.
const timerTries = 5

// readJobs reads those of a shard's jobs on disk that come due within the
// window and are not in memory yet. What finds no room is read later. After a
// lease was taken that is every job that waits for something: recovery is
// nothing but this.
func (e *Engine) readJobs(s *shard, now int64) {
	window := e.cfg.Limits.Window.Milliseconds()
	s.mu.Lock()
	switch {
	case s.reading:
	case s.again:
		s.reading, s.again, s.after = true, false, nil
	case s.reach.Load() <= now+window/2:
		s.reading = true
		s.after = &store.Job{JobKey: lastJob, Due: s.reach.Load()}
	default:
		s.mu.Unlock()
		return
	}
	s.reach.Store(max(s.reach.Load(), now+window))
	after, epoch := s.after, s.epoch.Load()
	s.mu.Unlock()
	done := false
	for !done && e.dispatcher.isSlack() {
		jobs, err := e.cfg.Store.Jobs(e.ctx, s.number, s.reach.Load(), after, e.cfg.Limits.Page)
		if err != nil {
			e.storeFailed(err)
			break
		}
		taken := e.adoptAll(jobs, now)
		if taken > 0 {
			after = &jobs[taken-1]
		}
		if done = taken == len(jobs) && len(jobs) < e.cfg.Limits.Page; taken < len(jobs) {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch.Load() != epoch { // it was taken anew meanwhile, and is read from the first job on
		return
	}
	s.reading, s.after = !done, after
	if done {
		s.recovered.Store(true)
	}
}

// adoptAll adopts jobs in their order until there is no room, and tells how many
// it did.
func (e *Engine) adoptAll(jobs []store.Job, now int64) int {
	for i := range jobs {
		if !e.adoptOne(&jobs[i], now) {
			return i
		}
	}
	return len(jobs)
}

// adoptOne adopts a job, or quarantines the execution that can't be read.
func (e *Engine) adoptOne(row *store.Job, now int64) (taken bool) {
	taken = true
	defer e.contain(row.ID)
	return e.adopt(row, now)
}

// lastJob is after every job of the same due time.
var lastJob = store.JobKey{
	ID:     store.ID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	Number: 1<<32 - 1,
}
