package machine

import (
	"maps"
	"slices"
	"strconv"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// turn is one Step under way: what it has changed so far, laid over an
// execution that is only read.
type turn struct {
	env  *Env
	p    *asl.Program
	x    *Execution
	head Head

	frames   overlay[FrameID, Frame]
	jobs     overlay[JobID, Job]
	undos    overlay[uint32, Undo]
	events   []Event
	payloads []value.Text
	trees    []value.Value // of payloads, Absent where nobody has looked inside
	read     []finding     // trees of older payloads that somebody looked inside
	found    []finding
	context  value.Value

	ready   []*Frame // may go on, in order
	entries int      // states entered
	over    bool     // the execution has ended in it
	chance  chance
}

func newTurn(e *Env, p *asl.Program, x *Execution) *turn {
	t := &turn{env: e, p: p, x: x, head: x.Head, context: x.memo.context}
	t.chance.seed = e.Seed
	t.head.Now = max(x.Head.Now, e.Now)
	t.events = make([]Event, 0, 5) // of a task's end and the next one's begin
	return t
}

// overlay is what a turn put or took away among the frames or jobs of an
// execution, in the order of the first touch. Few are the rule, so it looks
// through all of them until they are many.
type overlay[K ~uint32, V any] struct {
	keys  []K
	rows  []*V // nil: taken away
	index map[K]int
}

const overlayIndexFrom = 16

func (o *overlay[K, V]) find(key K) int {
	if o.index != nil {
		if i, ok := o.index[key]; ok {
			return i
		}
		return -1
	}
	for i, k := range o.keys {
		if k == key {
			return i
		}
	}
	return -1
}

func (o *overlay[K, V]) put(key K, row *V) {
	if i := o.find(key); i >= 0 {
		o.rows[i] = row
		return
	}
	o.keys, o.rows = append(o.keys, key), append(o.rows, row)
	switch {
	case o.index != nil:
		o.index[key] = len(o.keys) - 1
	case len(o.keys) >= overlayIndexFrom:
		o.index = make(map[K]int, 4*overlayIndexFrom)
		for i, k := range o.keys {
			o.index[k] = i
		}
	}
}

// running reports whether the execution is still open.
func (t *turn) running() bool { return t.head.Status == Running }

// goesOn reports whether the execution is open, or one of its sagas is: that of
// one that has ended may be undone.
func (t *turn) goesOn() bool { return t.running() || t.head.OpenSagas > 0 }

// frame is the frame to be changed. One that is not there breaks an invariant.
func (t *turn) frame(id FrameID) *Frame {
	if i := t.frames.find(id); i >= 0 && t.frames.rows[i] != nil {
		return t.frames.rows[i]
	}
	f := *t.x.Frames[id]
	f.Join, f.Scope, f.Recovery, f.Body = copied(f.Join), copied(f.Scope), copied(f.Recovery), copied(f.Body)
	t.frames.put(id, &f)
	return &f
}

// copied is another of what p points to, nil where that is nothing.
func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// allFrames are the numbers of all frames, in order.
func (t *turn) allFrames() []FrameID {
	ids := slices.Collect(maps.Keys(t.x.Frames))
	ids = append(ids, t.frames.keys...)
	slices.Sort(ids)
	return slices.DeleteFunc(slices.Compact(ids), func(id FrameID) bool { return t.peek(id) == nil })
}

// peek is the frame to be read, nil where there is none.
func (t *turn) peek(id FrameID) *Frame {
	if i := t.frames.find(id); i >= 0 {
		return t.frames.rows[i]
	}
	return t.x.Frames[id]
}

// drop takes a frame away.
func (t *turn) drop(f *Frame) {
	f.Phase = Ended
	t.forget(f)
	t.unhold(f)
	t.frames.put(f.ID, nil)
}

// open puts a new job.
func (t *turn) open(j Job) JobID {
	t.head.LastJob++
	j.ID, j.Made = t.head.LastJob, t.head.Now
	if end := t.lifeEnds(); t.head.Now < end { // a saga may go on beyond it
		j.Due = min(j.Due, end)
	}
	t.jobs.put(j.ID, &j)
	return j.ID
}

// job is the job to be changed, nil where there is none.
func (t *turn) job(id JobID) *Job {
	if i := t.jobs.find(id); i >= 0 {
		return t.jobs.rows[i]
	}
	old := t.x.Jobs[id]
	if old == nil {
		return nil
	}
	j := *old
	t.jobs.put(id, &j)
	return &j
}

// peekJob is the job to be read, nil where there is none.
func (t *turn) peekJob(id JobID) *Job {
	if i := t.jobs.find(id); i >= 0 {
		return t.jobs.rows[i]
	}
	return t.x.Jobs[id]
}

// close ends the frame's open job. What it started and goes on is stopped.
func (t *turn) close(f *Frame) {
	if f.Job != 0 {
		t.halt(f.Job)
		t.jobs.put(f.Job, nil)
		f.Job = 0
	}
}

// halt asks to stop what a job has started, which nobody waits for any more.
// One that was made in this turn has started nothing.
func (t *turn) halt(id JobID) {
	j := t.peekJob(id)
	if j == nil || t.x.Jobs[id] == nil {
		return
	}
	halting := Job{Kind: Halt, State: j.State, Entry: j.Entry, Send: uint32(id), Due: t.head.Now}
	switch {
	case j.Kind == StartItem:
	case j.Kind == TakeLock:
		t.free(j.Request, j.Entry)
		return
	case j.Kind == StartRun:
		halting.Request = j.Request
	case j.Polled():
		halting.Request, halting.Answer, halting.RoleARN = j.Request, j.Answer, j.RoleARN
		halting.Attempt, halting.Send, halting.Earlier = j.Attempt, j.Send, j.Earlier
	default:
		return
	}
	t.open(halting)
}

// state is where the frame stands.
func (t *turn) state(f *Frame) *asl.State {
	s := t.p.States[f.State]
	if s == nil {
		panic("the program has no state " + strconv.Quote(f.State))
	}
	return s
}

// event tells history, and gives the event's id: 0 where the history is full,
// which ends the execution, or where it has ended.
func (t *turn) event(e Event) int64 {
	if !t.goesOn() {
		return 0
	}
	if most := t.env.Limits.Events; most > 0 && t.head.LastEvent+1 >= most && !t.x.Start.Express {
		if t.head.OpenSagas == 0 {
			t.overrun(most)
			return 0
		}
	}
	return t.tell(e)
}

func (t *turn) tell(e Event) int64 {
	t.head.LastEvent++
	e.ID, e.At = t.head.LastEvent, t.head.Now
	t.events = append(t.events, e)
	return e.ID
}

// payload numbers a text that is new.
func (t *turn) payload(text value.Text, tree value.Value) Ref {
	t.head.LastPayload++
	t.payloads = append(t.payloads, text)
	t.trees = append(t.trees, tree)
	return t.head.LastPayload
}

// text is the payload of that number. One that is not there breaks an
// invariant.
func (t *turn) text(ref Ref) value.Text {
	if ref > t.x.Head.LastPayload {
		return t.payloads[ref-t.x.Head.LastPayload-1]
	}
	text, ok := t.x.Payloads[ref]
	switch {
	case ok:
		return text
	case t.p.HasSagas(): // it is of a step that has ended
		panic(&recall{payloads: []Ref{ref}})
	}
	panic("payload " + strconv.Itoa(int(ref)) + " is not at hand")
}

// tree is the payload of that number, decoded at most once in a turn.
func (t *turn) tree(ref Ref) value.Value {
	if ref > t.x.Head.LastPayload {
		tree := &t.trees[ref-t.x.Head.LastPayload-1]
		if tree.IsAbsent() {
			*tree = t.text(ref).Decode()
		}
		return *tree
	}
	if tree, ok := t.x.memo.trees[ref]; ok {
		return tree
	}
	for _, r := range t.read {
		if r.ref == ref {
			return r.tree
		}
	}
	tree := t.text(ref).Decode()
	t.read = append(t.read, finding{ref, tree})
	return tree
}

// remember asks to keep the tree of a payload beyond this turn.
func (t *turn) remember(ref Ref) {
	if _, known := t.x.memo.trees[ref]; known {
		return
	}
	if !slices.ContainsFunc(t.found, func(f finding) bool { return f.ref == ref }) {
		t.found = append(t.found, finding{ref, t.tree(ref)})
	}
}

// delta is all that the turn changed.
func (t *turn) delta() Delta {
	if t.over {
		return t.lastDelta()
	}
	d := Delta{Head: &t.head, Payloads: t.payloads, Events: t.events, found: t.found, context: t.context}
	d.Frames, d.Dropped = t.changedFrames()
	d.Undos = t.undos.rows
	for i, j := range t.jobs.rows {
		if j != nil {
			d.Jobs = append(d.Jobs, j)
		} else if _, stored := t.x.Jobs[t.jobs.keys[i]]; stored {
			d.Closed = append(d.Closed, t.jobs.keys[i])
		}
	}
	return d
}

// changedFrames are the frames that are new or changed, and those that are
// gone.
func (t *turn) changedFrames() (put []*Frame, dropped []FrameID) {
	for i, f := range t.frames.rows {
		if f != nil {
			put = append(put, f)
		} else if _, stored := t.x.Frames[t.frames.keys[i]]; stored {
			dropped = append(dropped, t.frames.keys[i])
		}
	}
	return put, dropped
}
