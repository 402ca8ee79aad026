package machine

import (
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/value"
)

// memo is what one Step worked out and later ones need again: the trees of
// what a Map goes through, and the parts of the context object that never
// change. It is no part of the execution's truth, and may be lost.
type memo struct {
	trees   map[Ref]value.Value
	context value.Value
}

// finding is a tree that a Step wants remembered.
type finding struct {
	ref  Ref
	tree value.Value
}

// Apply moves the execution on by what a Step decided about it, in place.
// Payloads that nothing refers to any longer are let go.
func (x *Execution) Apply(d Delta) {
	if d.IsEmpty() {
		return
	}
	if x.held == nil {
		x.count()
	}
	before := x.Head
	x.hold(d)
	x.Head = *d.Head
	x.Start.Follow(&x.Head)
	x.lendOwed(d, before.LastPayload)
	for i, text := range d.Payloads {
		if ref := before.LastPayload + Ref(i) + 1; x.held[ref] > 0 {
			x.Payloads[ref] = text
		}
	}
	x.release(before.Input)
	x.release(before.Output)
	for _, f := range d.Frames {
		x.letGo(f.ID)
		x.Frames[f.ID] = f
	}
	for _, id := range d.Dropped {
		x.letGo(id)
		delete(x.Frames, id)
	}
	for _, j := range d.Jobs {
		if old := x.Jobs[j.ID]; old != nil {
			old.refer(x.release)
		}
		x.Jobs[j.ID] = j
	}
	for _, id := range d.Closed {
		if old := x.Jobs[id]; old != nil {
			old.refer(x.release)
			delete(x.Jobs, id)
		}
	}
	for _, u := range d.Undos {
		x.lend(u)
	}
	x.remember(d)
	x.takeBack()
}

// hold counts the references of what the delta puts.
func (x *Execution) hold(d Delta) {
	x.keep(d.Head.Input)
	x.keep(d.Head.Output)
	for _, f := range d.Frames {
		f.refer(x.keep)
	}
	for _, j := range d.Jobs {
		j.refer(x.keep)
	}
}

// keep counts one more reference.
func (x *Execution) keep(r Ref) {
	if r != 0 {
		x.held[r]++
	}
}

// Reopen puts a job back that is open for its frame, and whose row is gone. What it
// refers to may be among what the execution Needs then.
func (x *Execution) Reopen(j *Job) {
	x.Jobs[j.ID] = j
	if x.held != nil {
		j.refer(x.keep)
	}
}

// release takes one reference away, and the payload with the last of them.
func (x *Execution) release(r Ref) {
	if r == 0 {
		return
	}
	if x.held[r]--; x.held[r] == 0 {
		delete(x.held, r)
		delete(x.memo.trees, r)
		if !slices.Contains(x.lentTexts, r) {
			delete(x.Payloads, r)
		}
	}
}

func (x *Execution) letGo(id FrameID) {
	if old := x.Frames[id]; old != nil {
		old.refer(x.release)
	}
}

func (x *Execution) remember(d Delta) {
	for _, f := range d.found {
		if x.held[f.ref] > 0 {
			if x.memo.trees == nil {
				x.memo.trees = make(map[Ref]value.Value)
			}
			x.memo.trees[f.ref] = f.tree
		}
	}
	if !d.context.IsAbsent() {
		x.memo.context = d.context
	}
}

// refer names every payload that the frame refers to, as often as it does.
func (f *Frame) refer(each func(Ref)) {
	each(f.Input)
	each(f.Result)
	referAll(f.Variables, each)
	if f.Join != nil {
		each(f.Join.Items)
		each(f.Join.From)
	}
	each(f.Locked)
	if f.Body != nil {
		each(f.Body.Plan.request)
	}
	if sc := f.Scope; sc != nil {
		each(sc.Output)
		each(sc.Confirms)
		referAll(sc.Assigned, each)
		if sc.Save != nil {
			each(sc.Save.Input)
			referAll(sc.Save.Variables, each)
		}
	}
}

func referAll(all []binding, each func(Ref)) {
	for _, b := range all {
		each(b.Value)
	}
}

// refer names every payload that the job refers to.
func (j *Job) refer(each func(Ref)) {
	each(j.Request)
	each(j.Answer)
}

// Refer names every payload that the event refers to.
func (e *Event) Refer(each func(Ref)) {
	each(e.In)
	each(e.Out)
	referAll(e.Assigned, each)
}

// Refer names every payload that the row refers to.
func (u *Undo) Refer(each func(Ref)) {
	for _, r := range [...]Ref{u.Input, u.Request, u.Result, u.Lock} {
		each(r)
	}
	referAll(u.Variables, each)
	for i := range u.Calls {
		each(u.Calls[i].Request)
		each(u.Calls[i].Result)
	}
}

// count counts all references anew.
func (x *Execution) count() {
	x.held = make(map[Ref]int)
	x.keep(x.Head.Input)
	x.keep(x.Head.Output)
	for _, id := range slices.Sorted(maps.Keys(x.Frames)) {
		x.Frames[id].refer(x.keep)
	}
	for _, id := range slices.Sorted(maps.Keys(x.Jobs)) {
		x.Jobs[id].refer(x.keep)
	}
}

// Needs are the payloads that the execution's rows refer to and Payloads does
// not have, in order: what its next Step may look at.
func (x *Execution) Needs() []Ref {
	if x.held == nil {
		x.count()
	}
	var missing []Ref
	for _, ref := range slices.Sorted(maps.Keys(x.held)) {
		if _, there := x.Payloads[ref]; !there {
			missing = append(missing, ref)
		}
	}
	return missing
}

// Clone is a copy that moves on by itself.
func (x *Execution) Clone() *Execution {
	c := *x
	c.Frames = maps.Clone(x.Frames)
	c.Jobs = maps.Clone(x.Jobs)
	c.Payloads = maps.Clone(x.Payloads)
	c.Undos = maps.Clone(x.Undos)
	c.lentUndos, c.lentTexts = slices.Clone(x.lentUndos), slices.Clone(x.lentTexts)
	c.held = maps.Clone(x.held)
	c.memo.trees = maps.Clone(x.memo.trees)
	return &c
}
