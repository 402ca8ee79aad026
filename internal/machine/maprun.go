package machine

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// A map run goes through items and has a child for each, or for each batch. It
// is an execution without states and without a history. Its root frame stands
// in the distributed Map, so that an ItemSelector sees what the Map sees; the
// frame's join holds the items at hand. A child that is under way is a job, the
// result of one that ended well a frame of the child's number. So it costs what
// is open, and what it has to give back; of those that did not end well it keeps
// a list, see rerun.go.

// Run is where a map run stands. What it counts are items, but for Children.
type Run struct {
	MaxConcurrency      int     // children at once; 0: as many as the limit allows
	ToleratedCount      int64   // failed items that are tolerated; below 0: any number
	ToleratedPercentage float64 // the same as a share; below 0: any share
	Items, Executions   counts

	Read     int    // come in so far
	Begun    int    // of those, how many a child was made for
	Taken    int    // of the items at hand, how many of them
	Children int    // so far: the last child's number
	Bytes    int    // of all results, or of those that are still to be written
	Writes   int    // of results, so far
	Cursor   string // where the reader goes on; "": it has not begun
	Over     bool   // no more items come in
	Failing  bool   // the run has failed, and what it has is still to be written
	Lost     int    // children that did not end well, each as often as it did not
	Again    int    // of those, how many were done again
	Until    int    // and how many are, before the run goes on
}

// counts are items or children by what became of them.
type counts struct {
	Running, Succeeded, Failed, TimedOut, Aborted, Written int

	Pending   int // did not end well in an earlier try, and are still to be done again
	Permanent int // of those that did not end well, how many no redrive can do again
}

// of is the count of the children, or of their items, that ended so.
func (c *counts) of(s Status) *int {
	switch s {
	case Succeeded:
		return &c.Succeeded
	case TimedOut:
		return &c.TimedOut
	case Aborted:
		return &c.Aborted
	}
	return &c.Failed
}

// lost is how many did not end well.
func (c *counts) lost() int { return c.Failed + c.TimedOut + c.Aborted }

// Update changes the limits of a map run that is under way; nil leaves one as
// it is.
type Update struct {
	MaxConcurrency      *int
	ToleratedCount      *int64
	ToleratedPercentage *float64
}

// takeRun does what a message says to a map run, and reports whether it says
// anything.
func (t *turn) takeRun(m Message) bool {
	switch m.Kind {
	case Begin:
		return t.beginRun(m)
	case Stop:
		return t.running() && t.endRun(Aborted, given(m.Failure))
	case Answered:
		return t.running() && t.answered(m.Endings)
	case Updated:
		return t.running() && t.updated(m.Update)
	}
	j := t.job(m.Job)
	if j == nil {
		return false
	}
	switch {
	case j.Kind == Tell || j.Kind == Halt:
		if started := t.peekJob(JobID(j.Send)); j.Kind == Halt && m.Kind == JobFailed && started != nil && started.Kind == StartItem {
			t.unborn(started)
		}
		return t.told(j, m.Kind)
	case j.Kind == Resume && m.Kind == Continue:
		t.jobs.put(j.ID, nil)
		t.frame(0).Job = 0
		return true
	case j.Kind == StartItem && m.Kind == JobFailed:
		return t.stillborn(j)
	case j.Kind == ReadItems:
		return t.wasRead(j, m)
	case j.Kind == WriteResults:
		return t.wrote(j, m)
	}
	return false
}

// beginRun takes what the Map's state has told the run. One that has begun
// already is redriven by it, where it comes from another job.
func (t *turn) beginRun(m Message) bool {
	if t.head.Status != 0 {
		return t.redriveRun(m)
	}
	t.head.Status, t.head.Redrives = Running, m.Run.Redrives
	if t.head.Redrives > 0 {
		t.head.Redriven = t.head.Now
	}
	t.head.Input = t.payload(m.Output, value.Value{})
	plan := t.tree(t.head.Input)
	t.head.Run = &Run{ToleratedCount: -1, ToleratedPercentage: -1, Over: true}
	if n, ok := plan.Get("MaxConcurrency").AsInt(); ok {
		t.head.Run.MaxConcurrency = clamped(n)
	}
	count, percentage := plan.Get("ToleratedFailureCount"), plan.Get("ToleratedFailurePercentage")
	switch {
	case !count.IsAbsent():
		t.head.Run.ToleratedCount = int64(count.AsFloat())
	case percentage.IsAbsent():
		t.head.Run.ToleratedCount = 0
	}
	if !percentage.IsAbsent() {
		t.head.Run.ToleratedPercentage = percentage.AsFloat()
	}
	root := &Frame{State: t.x.Start.Map.State, Phase: Joining, Entered: m.Run.Entered, EnteredEvent: m.Run.Event,
		Join: &join{}, effort: effort{Retries: m.Run.Retries}}
	if !m.Run.Input.IsZero() {
		root.Input = t.payload(m.Run.Input, value.Value{})
	}
	for _, v := range m.Run.Variables {
		root.Variables = append(root.Variables, binding{v.Name, t.payload(v.Value, value.Value{})})
	}
	if !m.Run.Items.IsZero() {
		root.Join.Items = t.payload(m.Run.Items, value.Value{})
		root.Join.Count = t.tree(root.Join.Items).Len()
	}
	t.head.Run.Read = root.Join.Count
	t.head.Run.Over = !plan.Has("ItemReader")
	t.frames.put(root.ID, root)
	return true
}

// clamped is a number of children as a run keeps it.
func clamped(n int64) int { return int(min(max(n, 0), 1<<31-1)) }

// account is the run's account, to be changed.
func (t *turn) account() *Run {
	if t.head.Run == t.x.Head.Run {
		run := *t.head.Run
		t.head.Run = &run
	}
	return t.head.Run
}

// plan is what the run was told by its Map's state.
func (t *turn) plan() value.Value {
	t.remember(t.head.Input)
	return t.tree(t.head.Input)
}

// advance begins children until enough are under way, and ends the run after
// the last of them. After so many in one turn it hands over.
func (t *turn) advance() {
	for begun := 0; t.running(); begun++ {
		u, join := t.account(), t.peek(0).Join
		again := u.Again < u.Until
		switch most := t.env.Limits.EntriesTurn; {
		case t.peek(0).Job != 0 || !u.Failing && u.Executions.Running >= t.childrenAtOnce():
			return
		case u.Bytes >= flushBytes && t.exports():
			t.write(false)
			return
		case u.Failing:
			t.fallBack()
			return
		case u.Taken == join.Count && !u.Over && !again:
			t.readOn()
			return
		case u.Taken == join.Count && !again && u.Executions.Running == 0:
			t.conclude()
			return
		case u.Taken == join.Count && !again:
			return
		case most > 0 && begun >= most:
			t.frame(0).Job = t.open(Job{Kind: Resume, State: t.x.Start.Map.State, Due: t.head.Now})
			return
		case again:
			t.beginAgain()
			continue
		}
		if fl := t.beginChild(); fl != nil {
			t.failRun(fl)
		}
	}
}

// readOn asks for the next page of items.
func (t *turn) readOn() {
	t.frame(0).Job = t.open(Job{Kind: ReadItems, State: t.x.Start.Map.State, Deadline: never, Due: t.head.Now})
}

// wasRead takes a page of items: what is left of the one before comes first.
func (t *turn) wasRead(j *Job, m Message) bool {
	switch m.Kind {
	case JobSucceeded:
	case JobFailed:
		return t.failRun(given(m.Failure))
	default:
		return false
	}
	t.jobs.put(j.ID, nil)
	t.frame(0).Job = 0
	t.takePage(m.Output.Decode())
	if u := t.head.Run; u.tooMany() && !u.Failing {
		t.failRun(newFault(errThreshold, "The specified tolerated failure threshold was exceeded"))
	}
	return true
}

// takePage puts a page behind what is left of the one before.
func (t *turn) takePage(page value.Value) {
	u, f := t.account(), t.frame(0)
	items := page.Get("Items")
	u.Read += items.Len()
	if left := f.Join.Count - u.Taken; left > 0 {
		items = joined(t.tree(f.Join.Items), u.Taken, items)
	}
	f.Join.From = t.sources(f.Join, u.Taken, page.Get("Sources"))
	u.Cursor = page.Get("Cursor").AsString()
	u.Over = page.Get("Over").AsBool()
	u.Taken = 0
	f.Join.Count, f.Join.Items = items.Len(), 0
	if f.Join.Count > 0 {
		f.Join.Items = t.payload(items.Text(), items)
	}
}

// joined is what is left of a page, and the next one, both of them arrays or
// both objects.
func joined(page value.Value, from int, next value.Value) value.Value {
	if page.Kind() == value.Array {
		return value.NewArray(append(slices.Clone(page.Items()[from:]), next.Items()...))
	}
	b := value.NewBuilder(page.Len() - from + next.Len())
	for i := from; i < page.Len(); i++ {
		b.Set(page.NameAt(i), page.At(i))
	}
	for name, v := range next.Members() {
		b.Set(name, v)
	}
	return b.Object()
}

// Reading is the ItemReader that a ReadItems job reads by, and the cursor; false
// where the job is over.
func (x *Execution) Reading(job JobID) (source value.Value, cursor string, ok bool) {
	j := x.Jobs[job]
	if j == nil || j.Kind != ReadItems {
		return source, "", false
	}
	return x.Payloads[x.Head.Input].Decode().Get("ItemReader"), x.Head.Run.Cursor, true
}

// childrenAtOnce is how many children may be under way.
func (t *turn) childrenAtOnce() int {
	n, most := t.head.Run.MaxConcurrency, t.env.Limits.Children
	if n == 0 || most > 0 && n > most {
		n = most
	}
	if n == 0 {
		n = 1<<31 - 1
	}
	return n
}

// beginChild makes the job of the next child. Where it is for a batch that is not
// full and there are more items, they are read first.
func (t *turn) beginChild() *fault {
	f := t.frame(0)
	s := t.distributedMap(f.State)
	u := t.account()
	t.remember(f.Join.Items)
	count, input, full, fl := t.nextInput(f, s)
	if fl == nil && !full && !u.Over {
		t.readOn()
		return nil
	}
	if most := t.env.Limits.Payload; fl == nil && most > 0 && !input.Fits(most) {
		fl = tooLarge(s.Name)
	}
	if fl != nil {
		return fl
	}
	asked := value.NewObject(
		member("Index", value.NewInt(int64(u.Begun))), member("Count", value.NewInt(int64(count))), member("Input", input))
	u.Taken += count
	u.Begun += count
	u.Children++
	u.Items.Running += count
	u.Executions.Running++
	t.open(Job{Kind: StartItem, State: s.Name, Entry: uint32(u.Children), Attempt: 1, Send: uint32(count),
		Request: t.payload(asked.Text(), value.Value{}), Deadline: never, Due: t.head.Now})
	return nil
}

// nextInput is the input of the next child, and how many items it is for. It is
// not full where more items would belong to it than are at hand.
func (t *turn) nextInput(f *Frame, s *asl.State) (count int, input value.Value, full bool, fl *fault) {
	if batcher := t.plan().Get("ItemBatcher"); !batcher.IsAbsent() {
		return t.batch(f, s, batcher)
	}
	input, fl = t.single(f, s)
	return 1, input, true, fl
}

// single is the input of the next item's own child.
func (t *turn) single(f *Frame, s *asl.State) (value.Value, *fault) {
	it := t.itemAhead(f.Join, 0)
	in, fl := t.selectItem(f, s, &it, 0)
	if fl != nil {
		return value.Value{}, fl
	}
	return t.look(&in), nil
}

// batch is the input of a child for the next items: as many as the batcher
// allows, one at least. It is not full where the items at hand have run out.
func (t *turn) batch(f *Frame, s *asl.State, batcher value.Value) (count int, input value.Value, full bool, fl *fault) {
	u, b := t.head.Run, newBatch(batcher, t.env.Limits.Payload)
	for !b.full && u.Taken+len(b.items) < f.Join.Count {
		it := t.itemAhead(f.Join, len(b.items))
		in, fl := t.selectItem(f, s, &it, 0)
		if fl != nil {
			return 0, input, false, fl
		}
		b.take(t.look(&in))
	}
	return len(b.items), b.input(), b.full, nil
}

// answered takes note of children that have ended.
func (t *turn) answered(endings []Ending) (changed bool) {
	for i := range endings {
		n := &endings[i]
		j := t.peekJob(n.Start.Parent.Job)
		if j == nil || j.Kind != StartItem || !t.running() {
			continue
		}
		changed = true
		t.keep(j, n)
		t.settle(j, n.Start.Map.Item.Count, n.Head.Status, !n.byMapRun)
	}
	return changed
}

// stillborn takes note of a child that can't be started.
func (t *turn) stillborn(j *Job) bool {
	if t.head.Run.Failing {
		t.unborn(j)
		return true
	}
	count := t.itemsOf(j)
	t.lose(j, count, Failed)
	t.settle(j, count, Failed, false)
	return true
}

// itemsOf is how many items the child of a job is for.
func (t *turn) itemsOf(j *Job) int {
	if j.Send > 0 { // else it is of an older version
		return int(j.Send)
	}
	n, _ := t.text(j.Request).Decode().Get("Count").AsInt()
	return int(n)
}

// settle counts a child that has ended, and fails the run where that is one
// failure too many. Permanent says that no redrive can do the child again.
func (t *turn) settle(j *Job, items int, as Status, permanent bool) {
	t.jobs.put(j.ID, nil)
	u := t.account()
	u.Items.Running -= items
	u.Executions.Running--
	*u.Items.of(as) += items
	*u.Executions.of(as)++
	if as != Succeeded && permanent {
		u.Items.Permanent += items
		u.Executions.Permanent++
	}
	if u.tooMany() && !u.Failing {
		t.failRun(newFault(errThreshold, "The specified tolerated failure threshold was exceeded"))
	}
}

// tooMany reports whether more items have failed than the run tolerates. A
// share is known only when all items are.
func (u *Run) tooMany() bool {
	lost := u.Items.lost()
	if u.ToleratedCount >= 0 && int64(lost) > u.ToleratedCount {
		return true
	}
	return u.ToleratedPercentage >= 0 && u.Over && u.Read > 0 && float64(lost)*100 > u.ToleratedPercentage*float64(u.Read)
}

// updated changes the run's limits.
func (t *turn) updated(to *Update) bool {
	u := t.account()
	if to.MaxConcurrency != nil {
		u.MaxConcurrency = *to.MaxConcurrency
	}
	if to.ToleratedCount != nil {
		u.ToleratedCount = *to.ToleratedCount
	}
	if to.ToleratedPercentage != nil {
		u.ToleratedPercentage = *to.ToleratedPercentage
	}
	if u.tooMany() && !u.Failing {
		t.failRun(newFault(errThreshold, "The specified tolerated failure threshold was exceeded"))
	}
	return true
}

// conclude ends the run well: what its children gave, in the order of the items,
// is its output, or is written first.
func (t *turn) conclude() {
	u := t.account()
	switch most := t.env.Limits.Payload; {
	case t.exports():
		t.write(true)
		return
	case most > 0 && u.Bytes+1 > most:
		t.endRun(Failed, tooLarge(t.x.Start.Map.State))
		return
	}
	text := make([]byte, 0, u.Bytes+2)
	text = append(text, '[')
	for _, child := range t.gathered() {
		result := among(t.text(child.Result).String(), true, t.writer(), false)
		if len(text) > 1 && result != "" {
			text = append(text, ',')
		}
		text = append(text, result...)
	}
	u.Items.Written, u.Executions.Written = u.Items.Succeeded, u.Executions.Succeeded
	t.head.Output = t.payload(value.Checked(string(append(text, ']'))), value.Value{})
	t.endRun(Succeeded, &fault{})
}

// failRun begins to fail the run: the children that are under way are stopped,
// or where they are Express and can't be, end by themselves. What each comes to
// counts.
func (t *turn) failRun(fl *fault) bool {
	t.account().Failing = true
	t.head.Error, t.head.Cause = fl.Error, fl.Cause
	t.giveUpPending()
	root := t.frame(0)
	for _, id := range t.openJobs() {
		switch j := t.peekJob(id); j.Kind {
		case StartItem:
			t.recall(j)
		case ReadItems, Resume:
			t.jobs.put(id, nil)
		}
	}
	if t.peekJob(root.Job) == nil {
		root.Job = 0
	}
	return true
}

// fallBack ends a run that has failed, once none of its children is under way.
// Where results are written, what there is of them is written first.
func (t *turn) fallBack() {
	switch {
	case t.account().Executions.Running > 0:
	case t.exports():
		t.write(true)
	default:
		t.endRun(Failed, &fault{Failure: Failure{t.head.Error, t.head.Cause}})
	}
}

// recall stops the child of a job for a run that fails. The child tells of its end.
func (t *turn) recall(j *Job) {
	switch {
	case t.x.Jobs[j.ID] == nil: // made in this very turn
		t.unborn(j)
	case !t.distributedMap(j.State).Map.Express:
		t.halt(j.ID)
	}
}

// unborn takes note of a child that has not begun when its run failed.
func (t *turn) unborn(j *Job) {
	count := t.itemsOf(j)
	t.lose(j, count, Aborted)
	t.settle(j, count, Aborted, false)
}

// openJobs are the numbers of the jobs that are open, in order.
func (t *turn) openJobs() []JobID {
	all := slices.AppendSeq(slices.Clone(t.jobs.keys), maps.Keys(t.x.Jobs))
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(id JobID) bool { return t.peekJob(id) == nil })
}

// abortRunning counts the children that are under way as aborted, and those
// that were to be done again as what they were.
func (t *turn) abortRunning() {
	for _, id := range t.openJobs() {
		if j := t.peekJob(id); j.Kind == StartItem {
			t.lose(j, t.itemsOf(j), Aborted)
		}
	}
	t.giveUpPending()
	u := t.account()
	u.Items.Aborted += u.Items.Running
	u.Executions.Aborted += u.Executions.Running
	u.Items.Running, u.Executions.Running = 0, 0
}

// endRun ends the run. Its parent hears of it, who may have wanted it so; children
// that are under way are stopped.
func (t *turn) endRun(as Status, fl *fault) bool {
	t.abortRunning()
	t.over = true
	t.head.Status, t.head.Stop = as, t.head.Now
	t.head.Error, t.head.Cause = fl.Error, fl.Cause
	t.open(Job{Kind: Tell, Request: t.head.Output, Due: t.head.Now})
	return true
}

// RunMessage completes the parent's job of a map run that has ended.
func (n *Ending) RunMessage() Message {
	if n.Head.Status == Succeeded {
		return Message{Kind: JobSucceeded, Job: n.Start.Parent.Job, Output: n.Output}
	}
	return Message{Kind: JobFailed, Job: n.Start.Parent.Job, Failure: &Failure{n.Head.Error, n.Head.Cause}}
}

// Child is the start of the child that a StartItem job asks for, and its input.
// Only that of an Express child has its id already: who starts it again finds
// it. nil: the job is over.
func (x *Execution) Child(p *asl.Program, job JobID) (*Start, value.Text) {
	j := x.Jobs[job]
	if j == nil || j.Kind != StartItem {
		return nil, value.Text{}
	}
	asked := x.Payloads[j.Request].Decode()
	index, _ := asked.Get("Index").AsInt()
	count, _ := asked.Get("Count").AsInt()
	item := &itemStart{Index: int(index), Count: int(count)}
	start := x.ChildOf(p, j)
	start.At = j.Made
	start.Map = &MapStart{State: x.Start.Map.State, Item: item}
	return start, asked.Get("Input").Text()
}

// ChildOf names the child that a map run's job has started, is to start or to
// stop: all but what it is about.
func (x *Execution) ChildOf(p *asl.Program, j *Job) *Start {
	start := x.Start
	start.ID, start.Parent, start.Map = ID{}, &Parent{x.Start.ID, j.ID}, nil
	if j.Kind == Halt {
		start.Parent.Job = JobID(j.Send)
	}
	start.Name = x.Start.ID.Step(j.Entry)
	start.Depth++
	start.Express = p.States[x.Start.Map.State].Map.Express
	if start.Express {
		start.ID = x.Start.ID
		sum := sha256.Sum256(binary.BigEndian.AppendUint32(append([]byte(nil), x.Start.ID[:]...), j.Entry))
		copy(start.ID[8:], sum[:8])
	}
	return &start
}
