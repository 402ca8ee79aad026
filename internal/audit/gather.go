package audit

import (
	"context"
	"fmt"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// gathered are the rows of the execution at hand, as far as they have come.
type gathered struct {
	id     store.ID
	there  bool // it has a row of its own
	bad    bool // a row of it could not be read
	held   bool
	record bool // it is an express execution's record
	Standing
	log  map[uint32]*machine.Undo // nil: there is no execution at hand
	refs machine.Ref              // the highest that something refers to

	event   int64 // the last so far
	at      int64
	payload uint32 // the last so far
	recent  recent
}

// executions takes the rows of executions of a page, one execution after another.
func (a *auditor) executions(b *store.Batch) error {
	x, f, j, u, e, p := b.Executions, b.Frames, b.Jobs, b.Undos, b.Events, b.Payloads
	for len(x)+len(f)+len(j)+len(u)+len(e)+len(p) > 0 {
		id := firstID(x, f, j, u, e, p)
		if err := a.begin(id); err != nil {
			return err
		}
		for ; len(x) > 0 && x[0].ID == id; x = x[1:] {
			a.execution(&x[0])
		}
		for ; len(f) > 0 && f[0].ID == id; f = f[1:] {
			a.frame(&f[0])
		}
		for ; len(j) > 0 && j[0].ID == id; j = j[1:] {
			a.job(&j[0])
		}
		for ; len(u) > 0 && u[0].ID == id; u = u[1:] {
			a.undo(&u[0])
		}
		for ; len(e) > 0 && e[0].ID == id; e = e[1:] {
			a.events(&e[0])
		}
		for ; len(p) > 0 && p[0].ID == id; p = p[1:] {
			if err := a.payload(&p[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

func firstID(x []store.Execution, f []store.Frame, j []store.Job, u []store.Undo, e []store.Events, p []store.Payload) (first store.ID) {
	for i := range first {
		first[i] = 0xff
	}
	least := func(id store.ID) {
		if string(id[:]) < string(first[:]) {
			first = id
		}
	}
	if len(x) > 0 {
		least(x[0].ID)
	}
	if len(f) > 0 {
		least(f[0].ID)
	}
	if len(j) > 0 {
		least(j[0].ID)
	}
	if len(u) > 0 {
		least(u[0].ID)
	}
	if len(e) > 0 {
		least(e[0].ID)
	}
	if len(p) > 0 {
		least(p[0].ID)
	}
	return first
}

// begin goes on to an execution, and ends the one before.
func (a *auditor) begin(id store.ID) error {
	if a.gathered.log != nil && a.gathered.id == id {
		return nil
	}
	if err := a.endExecution(); err != nil {
		return err
	}
	a.gathered = gathered{id: id, log: map[uint32]*machine.Undo{}}
	a.gathered.Frames, a.gathered.Jobs = map[machine.FrameID]*machine.Frame{}, map[machine.JobID]*machine.Job{}
	return nil
}

// where is the execution at hand in words.
func (g *gathered) where() string {
	if g.Start == nil {
		return fmt.Sprintf("execution %v", g.id)
	}
	return fmt.Sprintf("execution %v (%s:%s)", g.id, g.Start.Machine, g.Start.Name)
}

// wrong tells what does not hold of a row of the execution at hand.
func (a *auditor) wrong(what, do string, args ...any) {
	a.gathered.bad = true
	a.find(a.gathered.where(), fmt.Sprintf(what, args...), do)
}

// standingOf reads an execution's own row.
func standingOf(row *store.Execution) (Standing, bool) {
	start, err := machine.Decode[machine.Start](row.Start)
	if err != nil {
		return Standing{}, false
	}
	head, err := machine.Decode[machine.Head](row.Body)
	if err != nil {
		return Standing{}, false
	}
	start.Follow(head)
	return Standing{Start: start, Head: head}, true
}

func (a *auditor) execution(row *store.Execution) {
	g := &a.gathered
	g.there = true
	start, err := machine.Decode[machine.Start](row.Start)
	if err != nil || store.ID(start.ID) != row.ID {
		a.wrong("its start can't be read: %v", doQuarantine, err)
		return
	}
	head, err := machine.Decode[machine.Head](row.Body)
	if err != nil {
		a.wrong("its head can't be read: %v", doQuarantine, err)
		return
	}
	start.Follow(head)
	g.Start, g.Head = start, head
}

func (a *auditor) frame(row *store.Frame) {
	g := &a.gathered
	f, err := machine.Decode[machine.Frame](row.Body)
	if err != nil || uint32(f.ID) != row.Number {
		a.wrong("its frame %d can't be read: %v", doQuarantine, row.Number, err)
		return
	}
	g.Frames[f.ID] = f
}

func (a *auditor) job(row *store.Job) {
	g := &a.gathered
	a.count(&a.counts.Jobs)
	switch row.Number {
	case engine.HeldMark:
		g.held = true
		return
	case engine.ExpressMark:
		g.record = true
		return
	}
	j, err := machine.Decode[machine.Job](row.Body)
	switch {
	case err != nil || uint32(j.ID) != row.Number:
		a.wrong("its job %d can't be read: %v", doQuarantine, row.Number, err)
		return
	case j.Due != row.Due:
		a.wrong("its job %d is due at %d, its timer says %d", doQuarantine, j.ID, j.Due, row.Due)
	}
	g.Jobs[j.ID] = j
}

func (g *gathered) refer(r machine.Ref) { g.refs = max(g.refs, r) }

func (a *auditor) undo(row *store.Undo) {
	g := &a.gathered
	u, err := machine.Decode[machine.Undo](row.Body)
	if err != nil || u.Number != row.Number {
		a.wrong("row %d of its saga log can't be read: %v", doQuarantine, row.Number, err)
		return
	}
	u.Refer(g.refer)
	g.log[u.Number] = u
}

func (a *auditor) events(row *store.Events) {
	g := &a.gathered
	all, err := machine.Decode[machine.Events](row.Body)
	if err != nil || len(*all) == 0 {
		a.wrong("its events from %d on can't be read: %v", doRestore, row.First, err)
		return
	}
	for i := range *all {
		e := &(*all)[i]
		a.count(&a.counts.Events)
		if want := g.event + 1; e.ID != want && !g.bad || i == 0 && e.ID != row.First {
			a.wrong("its history goes on with event %d behind event %d, in the row of %d (I2)", doRestore, e.ID, g.event, row.First)
		}
		if e.Prev >= e.ID {
			a.wrong("its event %d is said to follow event %d (I2)", doRestore, e.ID, e.Prev)
		}
		if e.At < g.at {
			a.wrong("its event %d is of the time %d, before that of the one it stands behind, %d (I2)", doRestore, e.ID, e.At, g.at)
		}
		e.Refer(g.refer)
		g.event, g.at = e.ID, e.At
	}
}

func (a *auditor) payload(row *store.Payload) error {
	g := &a.gathered
	a.count(&a.counts.Payloads)
	if row.Number != g.payload+1 && !g.bad {
		a.wrong("its payload %d comes behind %d", doQuarantine, row.Number, g.payload)
	}
	g.payload = row.Number
	g.recent.put(row)
	if a.places.differences != nil {
		return nil
	}
	texts, err := engine.Texts(a.ctx, payloads{&g.recent, a.Store}, row.ID, []uint32{row.Number})
	if err := untold(err); err != nil {
		return err
	}
	if err == nil {
		_, err = value.Check(texts[0])
	}
	if err != nil {
		a.wrong("its payload %d can't be read: %v", doQuarantine, row.Number, err)
	}
	return nil
}

// recent are the payloads that were read last: those that share text with others
// follow them.
type recent [8]store.Payload

func (r *recent) put(p *store.Payload) { r[p.Number%uint32(len(r))] = *p }

// payloads are those that were read last, and else those of the store.
type payloads struct {
	recent *recent
	store  store.Store
}

// Payloads is as store.Store has it.
func (p payloads) Payloads(ctx context.Context, id store.ID, numbers []uint32) ([][]byte, error) {
	bodies := make([][]byte, len(numbers))
	for i, n := range numbers {
		last := &p.recent[n%uint32(len(p.recent))]
		if last.ID != id || last.Number != n {
			return p.store.Payloads(ctx, id, numbers)
		}
		bodies[i] = last.Body
	}
	return bodies, nil
}
