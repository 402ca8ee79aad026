package engine

import (
	"sync"

	"github.com/backstep/backstep/internal/store"
)

// alarmKey names an alarm: a job's due time, or the next try of a result of
// that job that could not be stored.
type alarmKey struct {
	store.JobKey
	again bool
}

// alarm is one entry of the heap.
type alarm struct {
	alarmKey
	due   int64
	place int
}

// alarms are the times in the near future at which the engine has something to
// do, the earliest first. Those of the far future are on disk; see timers.go.
type alarms struct {
	mu    sync.Mutex
	heap  []*alarm
	byKey map[alarmKey]*alarm
	looks int64         // when whoever waits for the next one looks again in any case, UTC ms
	wake  chan struct{} // holds one when an alarm became the earliest that he would miss
}

func newAlarms() *alarms {
	return &alarms{byKey: make(map[alarmKey]*alarm), wake: make(chan struct{}, 1)}
}

// set makes an alarm ring at due, whenever it would have rung before.
func (a *alarms) set(k alarmKey, due int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.put(k, due)
}

// remind makes an alarm that has rung ring again at due, unless it was set anew
// meanwhile.
func (a *alarms) remind(k alarmKey, due int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byKey[k] == nil {
		a.put(k, due)
	}
}

func (a *alarms) put(k alarmKey, due int64) {
	one := a.byKey[k]
	switch {
	case due == store.Never:
		if one != nil {
			a.drop(one)
		}
		return
	case one == nil:
		one = &alarm{alarmKey: k, due: due, place: len(a.heap)}
		a.byKey[k] = one
		a.heap = append(a.heap, one)
		a.up(one)
	default:
		one.due = due
		a.up(one)
		a.down(one)
	}
	if one.place == 0 && due < a.looks {
		a.nudge()
	}
}

// looksAt notes when whoever waits for the next alarm looks again in any case: he is
// not woken for what rings later.
func (a *alarms) looksAt(at int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.looks = at
}

// clear takes all alarms of a job away.
func (a *alarms) clear(k store.JobKey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, again := range [...]bool{false, true} {
		if one := a.byKey[alarmKey{k, again}]; one != nil {
			a.drop(one)
		}
	}
}

// due is when an alarm rings, and whether there is one.
func (a *alarms) due(k alarmKey) (int64, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if one := a.byKey[k]; one != nil {
		return one.due, true
	}
	return 0, false
}

// next is when the earliest alarm rings; store.Never where there is none.
func (a *alarms) next() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.heap) == 0 {
		return store.Never
	}
	return a.heap[0].due
}

// nudge has whoever waits for the next alarm look again.
func (a *alarms) nudge() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// take takes the earliest alarm if it rings at or before now.
func (a *alarms) take(now int64) (alarmKey, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.heap) == 0 || a.heap[0].due > now {
		return alarmKey{}, false
	}
	one := a.heap[0]
	a.drop(one)
	return one.alarmKey, true
}

// forget takes the alarms of a shard away, but for the executions that stay.
func (a *alarms) forget(s store.Shard, stays func(store.ID) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept := a.heap[:0]
	for _, one := range a.heap {
		if one.ID.Shard() == s && !stays(one.ID) {
			delete(a.byKey, one.alarmKey)
			continue
		}
		kept = append(kept, one)
	}
	clear(a.heap[len(kept):])
	a.heap = kept
	for i, one := range a.heap {
		one.place = i
	}
	for i := len(a.heap)/2 - 1; i >= 0; i-- {
		a.down(a.heap[i])
	}
}

func (a *alarms) drop(one *alarm) {
	delete(a.byKey, one.alarmKey)
	last := len(a.heap) - 1
	moved := a.heap[last]
	a.heap[last] = nil
	a.heap = a.heap[:last]
	if moved == one {
		return
	}
	moved.place = one.place
	a.heap[moved.place] = moved
	a.up(moved)
	a.down(moved)
}

// before is the heap's order: by time, then by name, so that the order in which
// alarms were set does not show.
func (x *alarm) before(y *alarm) bool {
	switch {
	case x.due != y.due:
		return x.due < y.due
	case x.ID != y.ID:
		return string(x.ID[:]) < string(y.ID[:])
	case x.Number != y.Number:
		return x.Number < y.Number
	}
	return !x.again && y.again
}

func (a *alarms) up(one *alarm) {
	for one.place > 0 {
		parent := a.heap[(one.place-1)/2]
		if !one.before(parent) {
			return
		}
		a.swap(one, parent)
	}
}

func (a *alarms) down(one *alarm) {
	for {
		least := one
		for child := 2*one.place + 1; child <= 2*one.place+2 && child < len(a.heap); child++ {
			if a.heap[child].before(least) {
				least = a.heap[child]
			}
		}
		if least == one {
			return
		}
		a.swap(one, least)
	}
}

func (a *alarms) swap(x, y *alarm) {
	a.heap[x.place], a.heap[y.place] = y, x
	x.place, y.place = y.place, x.place
}
