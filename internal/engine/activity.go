package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// activityKey names an activity.
type activityKey struct{ tenant, name string }

// activityOf reads an activity's ARN.
func activityOf(arn string) activityKey {
	parts := strings.SplitN(arn, ":", 7)
	if len(parts) < 7 {
		return activityKey{name: arn}
	}
	return activityKey{Tenant(parts[4], parts[3]), parts[6]}
}

// activities are those that somebody polls: who waits for a task, and the tasks
// that are just being handed out. The tasks themselves are on disk.
type activities struct {
	mu     sync.Mutex
	polled map[activityKey]*polled
}

type polled struct {
	pollers int
	waiting []chan struct{}          // each has room for one, and is empty; the first waits longest
	taking  map[store.QueuedKey]bool // being handed out
}

// enter is a poller that comes; false where there are too many.
func (a *activities) enter(k activityKey, most int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.polled[k]
	if p == nil {
		p = &polled{taking: make(map[store.QueuedKey]bool)}
		a.polled[k] = p
	}
	if p.pollers >= most {
		return false
	}
	p.pollers++
	return true
}

// leave is a poller that goes. A wake-up that it did not use goes to the next.
func (a *activities) leave(k activityKey, wake chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.polled[k]
	p.pollers--
	if p.pollers == 0 {
		delete(a.polled, k)
		return
	}
	for i, w := range p.waiting {
		if w == wake {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return
		}
	}
	select {
	case <-wake:
		p.wakeOne()
	default:
	}
}

// wait puts a poller at the end of those who wait, which is about to look: a wake-up
// that it has not used is used by that.
func (a *activities) wait(k activityKey, wake chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-wake:
	default:
	}
	if p := a.polled[k]; !slices.Contains(p.waiting, wake) {
		p.waiting = append(p.waiting, wake)
	}
}

// wake lets the poller that has waited longest look for a new task.
func (a *activities) wake(k activityKey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.polled[k]; p != nil {
		p.wakeOne()
	}
}

func (p *polled) wakeOne() {
	if len(p.waiting) == 0 {
		return
	}
	first := p.waiting[0]
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	first <- struct{}{}
}

// claim marks a task as being handed out; false where it is already.
func (a *activities) claim(k activityKey, task store.QueuedKey) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.polled[k]
	if p.taking[task] {
		return false
	}
	p.taking[task] = true
	return true
}

func (a *activities) unclaim(k activityKey, task store.QueuedKey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.polled[k].taking, task)
}

// claimed is how many tasks are being handed out.
func (a *activities) claimed(k activityKey) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.polled[k].taking)
}

// PolledTask is an activity's task for a worker.
type PolledTask struct {
	Token string // "": no task came in time
	Input value.Text
}

// Poll hands the activity's oldest waiting task to a worker, waiting for one at
// most that long. Activity is its name.
func (e *Engine) Poll(ctx context.Context, account, region, activity, worker string, wait time.Duration) (PolledTask, error) {
	k := activityKey{Tenant(account, region), activity}
	if e.shut.Err() != nil {
		return PolledTask{}, nil
	}
	if !e.activities.enter(k, e.cfg.Limits.Pollers) {
		return PolledTask{}, ErrTooManyPollers
	}
	wake := make(chan struct{}, 1)
	defer e.activities.leave(k, wake)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	look, stop := e.elsewhere()
	defer stop()
	for {
		// Whoever waits before looking misses nothing that comes meanwhile.
		e.activities.wait(k, wake)
		task, err := e.takeTask(ctx, k, worker)
		if err != nil || task.Token != "" {
			return task, err
		}
		select {
		case <-wake:
		case <-look:
		case <-timer.C:
			return PolledTask{}, nil
		case <-e.shut.Done():
			return PolledTask{}, nil
		case <-ctx.Done():
			return PolledTask{}, ctx.Err()
		}
	}
}

// elsewhere ticks where other nodes may put tasks into queues, of which nobody
// tells this one.
func (e *Engine) elsewhere() (<-chan time.Time, func()) {
	if e.cfg.Exclusive {
		return nil, func() {}
	}
	t := time.NewTicker(inboxPause)
	return t.C, t.Stop
}

// takeTask takes the oldest task that nobody has; none is no error.
func (e *Engine) takeTask(ctx context.Context, k activityKey, worker string) (PolledTask, error) {
	for limit := 1 + e.activities.claimed(k); ; limit *= 2 {
		rows, err := e.cfg.Store.Queue(ctx, k.tenant, k.name, limit)
		if err != nil {
			return PolledTask{}, err
		}
		for _, row := range rows {
			if !e.activities.claim(k, row.QueuedKey) {
				continue
			}
			task, err := e.takeQueued(row.QueuedKey, worker)
			e.activities.unclaim(k, row.QueuedKey)
			if err != nil || task.Token != "" {
				return task, err
			}
		}
		if len(rows) < limit || limit > e.cfg.Limits.Page {
			return PolledTask{}, nil
		}
	}
}

// takeQueued takes one task. One that is gone meanwhile is no error.
func (e *Engine) takeQueued(k store.QueuedKey, worker string) (PolledTask, error) {
	var q machine.Request
	var missing error
	job := machine.JobID(k.Job.Number)
	_, err := e.turn(k.Job.ID, machine.Message{Kind: machine.Taken, Job: job, Worker: worker}, &rider{
		expectQueued: []store.QueuedKey{k},
		before: func(r *resident) bool {
			j := r.x.Jobs[job]
			return j != nil && !j.Taken
		},
		after: func(r *resident) {
			if j := r.x.Jobs[job]; j != nil && j.Taken {
				if missing = e.atHand(r, j); missing == nil {
					q, missing = r.x.Request(e.env(), r.program, job)
				}
			}
		},
	})
	if e.again(err) {
		return e.takeElsewhere(k, worker)
	}
	switch {
	case errors.Is(err, store.ErrConflict), errors.Is(err, ErrNotFound), errors.Is(err, ErrQuarantined), errors.Is(err, ErrNotReady):
		return PolledTask{}, nil
	case err != nil:
		return PolledTask{}, err
	}
	return PolledTask{Token: q.Token, Input: q.Input}, missing
}

// queued are the activities into whose queues a delta puts tasks.
func queued(r *resident, d *machine.Delta) []activityKey {
	var keys []activityKey
	for _, j := range d.Jobs {
		if j.Kind == machine.Activity && !j.Taken && r.x.Jobs[j.ID] == nil {
			keys = append(keys, activityOf(taskOf(r, j).Text))
		}
	}
	return keys
}
