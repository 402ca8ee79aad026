package sim

import (
	"context"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// book is what is durable by now: every commit that was made is entered, and
// what it touched is audited. The engine never sees it.
type book struct {
	w         *world
	lives     map[store.ID]*life
	order     []*life // as they began
	names     map[store.NameKey]store.ID
	locks     map[store.ID]*lock
	queued    map[store.QueuedKey]bool
	kids      map[store.JobKey]store.ID  // who was started by a job
	everFound map[machine.Attribute]bool // search attributes that somebody had
	leases    map[store.Shard]store.Lease
	open      int // lives that go on

	texts map[uint64]bool // hashes of the payloads of the batch entered last
}

// stored are the payloads of a batch, to be read as a store's.
type stored []store.Payload

// Payloads is as store.Store has it.
func (s stored) Payloads(_ context.Context, id store.ID, numbers []uint32) ([][]byte, error) {
	bodies := make([][]byte, len(numbers))
	for i, n := range numbers {
		at := slices.IndexFunc(s, func(p store.Payload) bool { return p.ID == id && p.Number == n })
		if at < 0 {
			return nil, store.ErrNotFound
		}
		bodies[i] = s[at].Body
	}
	return bodies, nil
}

// life is one execution as far as it is durable.
type life struct {
	id     store.ID
	start  machine.Start
	head   machine.Head
	frames map[machine.FrameID]*machine.Frame
	jobs   map[machine.JobID]*machine.Job
	moves  int   // commits so far
	moved  int64 // when the last was made
	aborts int   // the last of them by which its saga was aborting

	events  []happened
	digest  trace // of the bodies of its events
	entries []entry
	tries   map[uint32]uint32       // the last attempt of each entry that was made
	beats   map[machine.JobID]int64 // last heartbeat that was taken
	calls   int                     // of an express execution
	record  bool                    // an express execution's record is there
	well    bool                    // it has ended well, or had undone all
	anew    int64                   // its last ExecutionRedriven, 0: none
	stateOf *stateMachine

	// Of one with sagas.
	log      map[uint32]*machine.Undo
	lines    map[uint32]lineage       // of each entry that was called
	runs     map[machine.JobID]uint32 // entries that have started map runs, by their jobs
	undoing  map[uint32]bool          // entries whose undo was called
	sent     map[string]bool          // calls
	attended map[uint32]bool          // holds that somebody looks at

	away map[machine.JobID]*apart // what others did to its jobs
}

// saga reports whether the execution's definition has saga scopes.
func (l *life) saga() bool { return l.stateOf != nil && l.stateOf.program.HasSagas() }

// entry is one entry of a state, as history and participants know it.
type entry struct {
	event     int64
	scheduled int
	calls     int
	resent    int
	submitted int // to a service that works on it
	succeeded bool
	sends     []uint32
}

func newBook(w *world) book {
	return book{
		w: w, lives: map[store.ID]*life{}, locks: map[store.ID]*lock{}, names: map[store.NameKey]store.ID{},
		queued: map[store.QueuedKey]bool{}, kids: map[store.JobKey]store.ID{}, texts: map[uint64]bool{},
		everFound: map[machine.Attribute]bool{}, leases: map[store.Shard]store.Lease{},
	}
}

// enter takes note of a commit that was made.
func (b *book) enter(c *store.Batch) {
	w := b.w
	clear(b.texts)
	for _, p := range c.Payloads {
		texts, err := engine.Texts(context.Background(), stored(c.Payloads), p.ID, []uint32{p.Number})
		if err != nil {
			w.failf("I2", p.ID, "a payload can't be read from its own commit: %v", err)
			continue
		}
		b.texts[hashOf([]byte(texts[0]))] = true
	}
	for _, n := range c.Names {
		b.names[n.NameKey] = n.ID
	}
	b.elsewhere(c)
	for i := range c.Executions {
		if !b.lock(c, &c.Executions[i]) {
			b.execution(c, &c.Executions[i])
		}
	}
	for _, id := range c.DropExecutions {
		if !b.unlocked(id) {
			b.dropped(id)
		}
	}
	for _, k := range c.DropQueue {
		delete(b.queued, k)
	}
	for _, q := range c.Queue {
		b.queued[q.QueuedKey] = true
		w.expectWorker(q.Activity)
	}
	for _, l := range c.Leases {
		w.trace.note(w.now, "lease", l.Node, int64(l.Epoch))
		b.lease(l)
	}
	for _, m := range c.Messages {
		w.trace.note(w.now, "message", "", int64(m.Shard))
		w.hint()
	}
}

// execution enters the commit of one execution's turn.
func (b *book) execution(c *store.Batch, row *store.Execution) {
	w := b.w
	read, err := machine.Decode[machine.Head](row.Body)
	if err != nil {
		w.fail("I2", row.ID, "a head that can't be read: "+err.Error())
		return
	}
	head := *read
	l := b.lives[row.ID]
	if l == nil {
		if l = b.born(row); l == nil {
			return
		}
	}
	was := l.head
	if l.moves++; l.moves == 1 && c.Fence == nil && w.cluster {
		w.saw(begunElsewhere)
	}
	if l.moved = w.now; head.Aborting != 0 {
		l.aborts = l.moves
	}
	w.trace.note(w.now, "commit", short(l.id), int64(head.Status)<<32|head.LastEvent)
	if l.start.Express {
		l.record = true
		return
	}
	t := turned{was: was, batch: c}
	if head.ParentJob != was.ParentJob {
		b.kids[store.JobKey{ID: store.ID(l.start.Parent.ID), Number: uint32(head.ParentJob)}] = l.id
	}
	if l.moves == 1 && head.Status == 0 {
		w.fail("I2", l.id, "a row without a beginning")
	}
	l.head = head
	b.payloads(l, &t)
	b.parts(l, &t)
	b.history(l, &t)
	if l.saga() {
		b.sagaRows(l, &t)
		b.auditHeld(l)
	}
	b.audit(l, &t)
	b.found(l, &was)
	switch {
	case !head.Status.Ended():
	case was.Status <= machine.Running:
		b.open--
		w.over(l)
	case was.Redrives != head.Redrives: // redriven and ended at once
		w.over(l)
	}
}

// goesOn is an execution that has not ended.
func (b *book) goesOn() store.ID {
	for _, l := range b.order {
		if !l.start.Express && (!l.head.Status.Ended() || len(l.jobs) > 0) {
			return l.id
		}
	}
	return store.ID{}
}

// turned is what one commit changed of a life.
type turned struct {
	was     machine.Head
	batch   *store.Batch
	closed  []*machine.Job
	opened  []*machine.Job
	dropped []machine.FrameID
}

// born enters an execution that begins.
func (b *book) born(row *store.Execution) *life {
	w := b.w
	start, err := machine.Decode[machine.Start](row.Start)
	if err != nil || store.ID(start.ID) != row.ID {
		w.failf("I2", row.ID, "an execution without its start: %v", err)
		return nil
	}
	l := &life{
		id: row.ID, start: *start, stateOf: w.machineOf(start),
		frames: map[machine.FrameID]*machine.Frame{}, jobs: map[machine.JobID]*machine.Job{},
		tries: map[uint32]uint32{}, runs: map[machine.JobID]uint32{},
	}
	b.lives[l.id] = l
	b.order = append(b.order, l)
	w.trace.note(w.now, "born", start.Machine+"/"+start.Name+" "+short(l.id), int64(start.Depth))
	if _, early := w.guests[start.ExecutionARN()]; early && start.Express {
		w.fail("I3", l.id, "an express execution calls before its record is durable")
	}
	if !start.Express {
		b.open++
		w.out.Executions++
	}
	if p := start.Parent; p != nil {
		k := store.JobKey{ID: store.ID(p.ID), Number: uint32(p.Job)}
		if other, twice := b.kids[k]; twice {
			w.failf("I6", l.id, "job %d of %s started two executions: %s and %s", p.Job, short(store.ID(p.ID)), short(other), short(l.id))
		}
		b.kids[k] = l.id
	}
	return l
}

// machineOf is the machine that an execution runs, whole or a part of it.
func (w *world) machineOf(start *machine.Start) *stateMachine {
	arn, _, _ := strings.Cut(start.MachineARN(), "/")
	return w.byARN[arn]
}

// dropped enters the end of an express execution's record.
func (b *book) dropped(id store.ID) {
	l := b.lives[id]
	if l == nil {
		return
	}
	b.w.trace.note(b.w.now, "dropped", short(id), 0)
	if !l.start.Express {
		b.w.fail("I1", id, "an execution is taken away")
		return
	}
	l.record = false
	b.w.expressOver(l)
}

// payloads checks that payloads are numbered on, and each is kept once.
func (b *book) payloads(l *life, t *turned) {
	last := t.was.LastPayload
	for i := range t.batch.Payloads {
		if last++; t.batch.Payloads[i].Number != uint32(last) {
			b.w.failf("I2", l.id, "payload %d is kept where %d comes next", t.batch.Payloads[i].Number, last)
		}
	}
	if last != l.head.LastPayload {
		b.w.failf("I2", l.id, "the last payload is %d, the head says %d", last, l.head.LastPayload)
	}
}

// parts enters frames and jobs.
func (b *book) parts(l *life, t *turned) {
	w, c := b.w, t.batch
	for i := range c.Frames {
		f, err := machine.Decode[machine.Frame](c.Frames[i].Body)
		if err != nil || c.Frames[i].ID != l.id || uint32(f.ID) != c.Frames[i].Number {
			w.failf("I2", l.id, "frame %d can't be read: %v", c.Frames[i].Number, err)
			return
		}
		l.frames[f.ID] = f
		if f.Join != nil && f.Join.Count >= 5 && f.Join.Items == 0 {
			w.saw(wideParallel)
		}
		if l.depth(f) >= 4 {
			w.saw(deepFrame)
		}
	}
	for _, k := range c.DropFrames {
		id := machine.FrameID(k.Number)
		if l.frames[id] == nil {
			w.failf("I2", l.id, "frame %d is taken away, and was not there", id)
		}
		delete(l.frames, id)
		t.dropped = append(t.dropped, id)
	}
	for i := range c.Jobs {
		b.job(l, t, &c.Jobs[i])
	}
	for i := range c.DropJobs {
		id := machine.JobID(c.DropJobs[i].Number)
		j := l.jobs[id]
		if j == nil {
			w.failf("I4", l.id, "job %d is closed twice", id)
			return
		}
		delete(l.jobs, id)
		delete(l.away, id)
		t.closed = append(t.closed, j)
		w.trace.note(w.now, "closed", j.State, int64(id))
	}
	b.heardAway(l, t)
}

func (b *book) job(l *life, t *turned, row *store.Job) {
	w := b.w
	j, err := machine.Decode[machine.Job](row.Body)
	switch {
	case err != nil || row.ID != l.id || uint32(j.ID) != row.Number:
		w.failf("I2", l.id, "job %d can't be read: %v", row.Number, err)
		return
	case j.Due != row.Due:
		w.failf("I10", l.id, "job %d is due at %d, its row says %d", j.ID, relative(j.Due), relative(row.Due))
	}
	was := l.jobs[j.ID]
	switch {
	case was == nil && j.ID <= t.was.LastJob:
		w.failf("I4", l.id, "job %d is opened twice", j.ID)
	case was == nil:
		t.opened = append(t.opened, j)
		if j.Kind == machine.Timer && j.Due > w.now+w.plan.window.Milliseconds() {
			w.saw(farTimer)
		}
		if j.Kind == machine.Resume {
			w.saw(handedOver)
		}
		if j.Kind <= machine.Child && !l.saga() {
			if j.Attempt <= l.tries[j.Entry] {
				w.failf("I4", l.id, "%q makes attempt %d once more", j.State, j.Attempt)
			}
			l.tries[j.Entry] = j.Attempt
		}
	case was.Attempt != j.Attempt || was.Entry != j.Entry || was.Kind != j.Kind || was.Frame != j.Frame:
		w.failf("I4", l.id, "job %d became another one", j.ID)
	case j.Send > was.Send:
		w.saw(callResent)
		l.entry(j.Entry).resent++
	}
	l.jobs[j.ID] = j
	w.trace.note(w.now, "job", j.State, int64(j.Kind)<<48|int64(j.Send)<<32|int64(j.ID))
	w.trace.number(uint64(j.Due))
}

// entry is the account of a state's entry.
func (l *life) entry(n uint32) *entry {
	if n == 0 || int(n) > len(l.entries) {
		return &entry{} // of nothing: whoever asks finds it empty
	}
	return &l.entries[n-1]
}

// timers are the jobs that wait for their time.
func (l *life) timers() []*machine.Job {
	var all []*machine.Job
	for _, j := range l.jobs {
		if j.Kind == machine.Timer {
			all = append(all, j)
		}
	}
	return all
}

// depth is how many frames a frame lies beneath.
func (l *life) depth(f *machine.Frame) int {
	n := 0
	for f != nil && f.ID != 0 {
		f = l.frames[f.Parent]
		n++
	}
	return n
}
