package engine

import (
	"fmt"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// writer makes batches of deltas. Its memory is used again: a batch is only
// good until the next one.
type writer struct {
	b       store.Batch
	bytes   []byte // of all bodies
	sharing sharing
}

var writers = sync.Pool{New: func() any { return new(writer) }}

// mostKept is the memory for bodies that a writer keeps between batches.
const mostKept = 64 << 10

func (w *writer) reset() {
	b := &w.b
	*b = store.Batch{
		ExpectNames: b.ExpectNames[:0], ExpectJobs: b.ExpectJobs[:0], ExpectQueued: b.ExpectQueued[:0],
		DropExecutions: b.DropExecutions[:0], Names: b.Names[:0], Executions: b.Executions[:0], Frames: b.Frames[:0], DropFrames: b.DropFrames[:0],
		Undos: b.Undos[:0], Events: b.Events[:0], Payloads: b.Payloads[:0], Jobs: b.Jobs[:0], MovedJobs: b.MovedJobs[:0], DropJobs: b.DropJobs[:0],
		Queue: b.Queue[:0], DropQueue: b.DropQueue[:0], Index: b.Index[:0], DropIndex: b.DropIndex[:0],
	}
	if cap(w.bytes) > mostKept {
		w.bytes = nil
	}
	w.bytes = w.bytes[:0]
}

// body is what was appended since start.
func (w *writer) body(start int) []byte { return w.bytes[start:len(w.bytes):len(w.bytes)] }

// written is a batch, or why there can't be one.
func (w *writer) written(r *resident, d *machine.Delta, with *rider, guarded bool) (b *store.Batch, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &brokenError{what: fmt.Sprint(p), stack: debug.Stack()}
		}
	}()
	return w.batch(r, d, with, guarded), nil
}

// batch is a delta as rows. guarded says that another node may complete a job
// as well, so that each that is closed or changed must still be there; and take an
// activity's task, so that one which is closed as untaken must still wait for a worker.
func (w *writer) batch(r *resident, d *machine.Delta, with *rider, guarded bool) *store.Batch {
	w.reset()
	switch {
	case d.IsEmpty():
	case r.x.Start.Lock && d.Head.Status.Ended():
		w.unlocked(r, d)
	default:
		w.head(r, d)
		w.parts(r, d)
		w.jobs(r, d, guarded)
		w.lists(r, d, guarded)
		w.attributes(r, d.Head)
	}
	if with != nil {
		w.b.ExpectQueued, w.b.DropMessages = append(w.b.ExpectQueued, with.expectQueued...), with.dropMessages
		if with.name != nil {
			if !with.drawn {
				w.b.ExpectNames = append(w.b.ExpectNames, with.name.NameKey)
			}
			w.b.Names = append(w.b.Names, *with.name)
		}
	}
	return &w.b
}

func (w *writer) head(r *resident, d *machine.Delta) {
	row := store.Execution{ID: r.id}
	at := len(w.bytes)
	if r.x.Head.Status == 0 {
		w.bytes = machine.Append(w.bytes, &r.x.Start)
		row.Start = w.body(at)
	}
	at = len(w.bytes)
	w.bytes = machine.Append(w.bytes, d.Head)
	row.Body = w.body(at)
	w.b.Executions = append(w.b.Executions, row)
}

func (w *writer) parts(r *resident, d *machine.Delta) {
	for _, f := range d.Frames {
		at := len(w.bytes)
		w.bytes = machine.Append(w.bytes, f)
		w.b.Frames = append(w.b.Frames, store.Frame{ID: r.id, Number: uint32(f.ID), Body: w.body(at)})
	}
	for _, id := range d.Dropped {
		w.b.DropFrames = append(w.b.DropFrames, store.FrameKey{ID: r.id, Number: uint32(id)})
	}
	for _, u := range d.Undos {
		at := len(w.bytes)
		w.bytes = machine.Append(w.bytes, u)
		w.b.Undos = append(w.b.Undos, store.Undo{ID: r.id, Number: u.Number, Body: w.body(at)})
	}
	if len(d.Events) > 0 {
		at := len(w.bytes)
		w.bytes = machine.Append(w.bytes, &d.Events)
		w.b.Events = append(w.b.Events, store.Events{ID: r.id, First: d.Events[0].ID, Body: w.body(at)})
	}
	w.sharing = sharing{first: uint32(r.x.Head.LastPayload) + 1, texts: d.Payloads, how: w.sharing.how[:0]}
	for i := range d.Payloads {
		at := len(w.bytes)
		w.bytes = w.sharing.append(w.bytes)
		w.b.Payloads = append(w.b.Payloads, store.Payload{ID: r.id, Number: w.sharing.first + uint32(i), Body: w.body(at)})
	}
	w.sharing.texts = nil // they live no longer than the delta
}

// jobs are a delta's, but for those that have no row any more.
func (w *writer) jobs(r *resident, d *machine.Delta, guarded bool) {
	for _, j := range d.Jobs {
		if r.away[j.ID] {
			continue
		}
		k := store.JobKey{ID: r.id, Number: uint32(j.ID)}
		at := len(w.bytes)
		w.bytes = machine.Append(w.bytes, j)
		w.b.Jobs = append(w.b.Jobs, store.Job{JobKey: k, Due: j.Due, Body: w.body(at)})
		was := r.x.Jobs[j.ID]
		if was == nil {
			continue
		}
		if guarded {
			w.b.ExpectJobs = append(w.b.ExpectJobs, k)
		}
		if was.Due != j.Due {
			w.b.MovedJobs = append(w.b.MovedJobs, store.Job{JobKey: k, Due: was.Due})
		}
	}
	for _, id := range d.Closed {
		was := r.x.Jobs[id]
		if was == nil || r.away[id] {
			continue
		}
		k := store.JobKey{ID: r.id, Number: uint32(id)}
		w.b.DropJobs = append(w.b.DropJobs, store.Job{JobKey: k, Due: was.Due})
		if guarded {
			w.b.ExpectJobs = append(w.b.ExpectJobs, k)
		}
	}
}

// lists keeps what others find executions and tasks by: the lists by machine
// and by status, and the queues of activities.
func (w *writer) lists(r *resident, d *machine.Delta, guarded bool) {
	for _, j := range d.Jobs {
		switch was := r.x.Jobs[j.ID]; {
		case j.Kind != machine.Activity:
		case was == nil && !j.Taken:
			w.b.Queue = append(w.b.Queue, store.Queued{QueuedKey: queuedKey(r, j)})
		case was != nil && !was.Taken && j.Taken:
			w.b.DropQueue = append(w.b.DropQueue, queuedKey(r, was))
		}
	}
	for _, id := range d.Closed {
		was := r.x.Jobs[id]
		if was == nil || was.Kind != machine.Activity || was.Taken || !knows(r, was) {
			continue
		}
		k := queuedKey(r, was)
		w.b.DropQueue = append(w.b.DropQueue, k)
		if guarded && !r.away[id] {
			w.b.ExpectQueued = append(w.b.ExpectQueued, k)
		}
	}
	if r.x.Start.Lock {
		return
	}
	if s := &r.x.Start; r.x.Head.Status != d.Head.Status || r.x.Head.Redrives != d.Head.Redrives {
		w.item(s, r.id, r.x.Head.Status, d.Head)
	}
	if was, is := r.x.Head.SagaStatus(), d.Head.SagaStatus(); was != is {
		w.saga(&r.x.Start, r.id, was, is)
	}
}

func (w *writer) item(s *machine.Start, id store.ID, was machine.Status, h *machine.Head) {
	item := itemOf(s, h)
	at := len(w.bytes)
	w.bytes = item.append(w.bytes)
	eachList(s, id, func(k store.IndexKey, byStatus string) {
		w.b.Index = append(w.b.Index, store.Index{IndexKey: k, Body: w.body(at)})
		if byStatus == "" {
			return
		}
		name := k.Value
		k.Index, k.Value = byStatus, StatusValue(name, h.Status)
		w.b.Index = append(w.b.Index, store.Index{IndexKey: k, Body: w.body(at)})
		if was != 0 && was != h.Status {
			k.Value = StatusValue(name, was)
			w.b.DropIndex = append(w.b.DropIndex, k)
		}
	})
}

// itemOf is what lists show of an execution.
func itemOf(s *machine.Start, h *machine.Head) Item {
	item := Item{Name: s.Name, Status: h.Status, Start: s.At, Stop: h.Stop, Version: s.Version, Alias: s.Alias, Redrives: h.Redrives, Redriven: h.Redriven}
	if s.Map != nil {
		item.Machine = s.Machine
	}
	if s.Map != nil && s.Map.Item != nil {
		item.Items = s.Map.Item.Count
	}
	return item
}

// eachList visits the lists that an execution is in: its place in each, and the
// index that lists the same by status, "" for none.
func eachList(s *machine.Start, id store.ID, visit func(k store.IndexKey, byStatus string)) {
	k := store.IndexKey{Tenant: Tenant(s.Account, s.Region), Start: s.At, ID: id}
	switch {
	case s.IsRun():
		k.Index, k.Value = IndexMapRuns, s.Parent.ID.String()
		visit(k, "")
	case s.Map != nil:
		k.Index, k.Value = IndexChildren, s.Parent.ID.String()
		visit(k, IndexChildren)
	default:
		for _, name := range [...]string{s.Machine, qualified(s.Version), qualified(s.Alias)} {
			if name != "" {
				k.Index, k.Value = IndexMachine, name
				visit(k, IndexStatus)
			}
		}
	}
}

// qualified is what the ARN of a version or an alias names, "machine:3"; ""
// where there is none.
func qualified(arn string) string {
	for range 6 {
		_, arn, _ = strings.Cut(arn, ":")
	}
	return arn
}

// queuedKey is where an activity's task waits for a worker.
func queuedKey(r *resident, j *machine.Job) store.QueuedKey {
	return QueuedPlace(r.id, r.program, j)
}

// taskOf is the resource of a job's Task.
func taskOf(r *resident, j *machine.Job) *asl.Resource {
	return j.Task(r.program)
}

// heldMark is the number of the row that marks a quarantined execution, among
// its jobs; its body is the reason.
const heldMark = 1<<32 - 1

// heldBatch marks an execution as quarantined.
func heldBatch(r *resident) *store.Batch {
	s := &r.x.Start
	reason := []byte(r.held)
	return &store.Batch{
		Jobs: []store.Job{{JobKey: store.JobKey{ID: r.id, Number: heldMark}, Due: store.Never, Body: reason}},
		Index: []store.Index{{
			IndexKey: store.IndexKey{Tenant: Tenant(s.Account, s.Region), Index: IndexQuarantined, Start: s.At, ID: r.id},
			Body:     reason,
		}},
	}
}
