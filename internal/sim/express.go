package sim

import (
	"context"
	"strings"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// startExpress starts an express execution. One that nobody waits for runs once
// or more; one whose caller waits runs once or not at all.
func (w *world) startExpress(p *process, in *intent) {
	r := engine.StartRequest{Machine: in.machine.engine(), Name: in.name, Input: value.Checked(in.input)}
	w.trace.note(w.now, "express", in.name, int64(in.tries))
	if in.waits {
		in.acked = true // and whatever comes of it, it is not asked for again
		w.runExpress(p, r)
		return
	}
	c := w.visits()
	s, err := p.engine.StartExpress(context.Background(), r)
	if p.dead || err != nil {
		w.after(w.work.span(10, 3000), func() { w.start(in) })
		return
	}
	if l := w.book.lives[s.ID]; l == nil || !l.record && !c.torn() {
		w.failf("I1", s.ID, "the start of the express execution %s is acknowledged, and is not durable", in.name)
	}
	in.acked, in.id = true, s.ID
}

// impatient is the context of a caller who waits for an express execution only
// if it has ended already when they begin to.
type impatient struct {
	context.Context
	running func() bool
}

func (c impatient) Done() <-chan struct{} {
	if c.running() {
		return closed
	}
	return nil
}

func (impatient) Err() error { return context.Canceled }

func (w *world) runExpress(p *process, r engine.StartRequest) {
	before := p.engine.Metrics().Express.Load()
	running := func() bool { return p.engine.Metrics().Express.Load() > before }
	o, err := p.engine.RunExpress(impatient{context.Background(), running}, r)
	switch {
	case err != nil:
		w.saw(expressLeft)
	case !o.Status.Ended() || o.Stop > w.now || o.At > o.Stop:
		w.failf("I1", o.ID, "an express execution that runs is answered: %v, from %d to %d", o.Status, relative(o.At), relative(o.Stop))
	default:
		w.saw(expressAnswered)
	}
}

// calledByGuest checks a call of an express execution that has no record: it
// ends with its process, and never runs again, unless it is the child of a map
// run, which begins it anew.
func (p *process) calledByGuest(t *integration.Task) {
	w := p.w
	was, known := w.guests[t.Execution]
	if strings.Contains(t.Execution, "/") {
		if w.saw(expressItem); known && was != p.life {
			w.saw(itemAgain)
		}
		was = p.life
	}
	if known && was != p.life {
		w.fail("I3", store.ID{}, "an express execution whose caller waits runs again after a crash: "+t.Execution)
	}
	w.guests[t.Execution] = p.life
}

// expressOver takes note that an express execution has ended.
func (w *world) expressOver(l *life) {
	w.saw(expressRan)
	if l.stateOf != nil && l.calls > l.stateOf.calls {
		w.saw(expressAgain)
	}
	begins := l.stateOf != nil && l.stateOf.called[l.stateOf.program.Flow.Start.Name] // by a call
	inTime := !w.plan.shrunk && w.plan.often[clockLeap] == 0 && w.plan.often[slowErrand] == 0
	if begins && inTime && l.calls == 0 {
		w.fail("I1", l.id, "the record of an express execution is taken away before it did anything")
	}
}
