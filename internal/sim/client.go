package sim

import (
	"context"
	"errors"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

const (
	account = "123456789012"
	region  = "us-east-1"
	tenant  = account + "/" + region
)

// intent is an execution that somebody wants to be, and what they were told.
type intent struct {
	machine *stateMachine
	name    string
	input   string
	acked   bool
	id      store.ID
	tries   int
	waits   bool // of an express one: its caller waits for the end
}

func (w *world) key(p *process, m *stateMachine, name string) store.NameKey {
	return store.NameKey{Shard: p.engine.ShardOf(account, region, m.name, name), Tenant: tenant, Machine: m.name, Name: name}
}

// start asks for an intent's execution, again and again until it is told that
// there is one.
func (w *world) start(in *intent) {
	p := w.up()
	if p == nil {
		w.after(w.work.span(10, 3000), func() { w.start(in) })
		return
	}
	if in.tries++; in.machine.express {
		w.startExpress(p, in)
		return
	}
	before := w.named(p, in)
	var s engine.Started
	c := w.visits()
	p, err := w.onAnyNode(func(p *process) (err error) {
		s, err = p.engine.Start(context.Background(), engine.StartRequest{Machine: in.machine.engine(), Name: in.name, Input: value.Checked(in.input)})
		return err
	})
	w.trace.note(w.now, "start", in.name, int64(in.tries))
	var taken *engine.NameTakenError
	switch {
	case p == nil || p.dead:
	case err == nil && w.strikes(answerToNone):
	case err == nil:
		w.started(p, in, s, before, c)
	case errors.As(err, &taken):
		w.wasTaken(in, taken, before, in.input, c)
	default:
		w.saw(startBusy)
	}
	if !in.acked {
		w.after(w.work.span(10, 3000), func() { w.start(in) })
	}
}

// named is the life that has an intent's name; nil: none has.
func (w *world) named(p *process, in *intent) *life {
	id, there := w.book.names[w.key(p, in.machine, in.name)]
	if !there {
		return nil
	}
	return w.book.lives[id]
}

// started checks a start that was acknowledged (I1, I6): it is durable, and the
// same as ever.
func (w *world) started(p *process, in *intent, s engine.Started, before *life, c visit) {
	l := w.named(p, in)
	switch {
	case l == nil || l.id != s.ID || l.moves == 0:
		w.failf("I1", s.ID, "the start of %s is acknowledged, and is not durable", in.name)
		return
	case l.start.At != s.At || l.start.Name != in.name:
		w.failf("I6", s.ID, "the start of %s is answered by %s at %d", in.name, s.Name, relative(s.At))
	case in.acked && in.id != s.ID:
		w.failf("I6", s.ID, "%s was %s, and now is %s", in.name, short(in.id), short(s.ID))
	case c.torn():
	case s.Was && before == nil && in.tries == 1:
		w.failf("I6", s.ID, "%s was there already, and was not", in.name)
	case before != nil && before.head.Status.Ended():
		w.failf("I6", s.ID, "the name %s of an execution that has ended is given again", in.name)
	}
	if before != nil {
		w.saw(startTwice)
	}
	in.acked, in.id = true, s.ID
	w.readElsewhere(p, l)
	if w.strikes(startAgain) {
		w.after(w.faults.span(0, 10_000), func() { w.startSecond(in) })
	}
	w.redriveAny(s.ID)
	if w.sagas && w.strikes(undoRace) {
		w.after(w.faults.span(0, 60_000), func() { w.undoAfterwards(s.ID) })
	}
	if w.strikes(stopRace) {
		w.after(w.faults.span(0, 20_000), func() { w.stop(w.victim(in)) })
	}
}

// wasTaken checks a start that was refused for its name (I6).
func (w *world) wasTaken(in *intent, taken *engine.NameTakenError, before *life, input string, c visit) {
	l := w.book.lives[taken.ID]
	switch {
	case l == nil || l.start.Name != in.name:
		w.failf("I6", taken.ID, "the name %s is said to be taken, and is not", in.name)
	case !c.torn() && before != nil && before.head.Status == machine.Running && input == in.input:
		w.failf("I6", taken.ID, "the same start of %s, which is running, is refused", in.name)
	case in.acked && in.id != taken.ID:
		w.failf("I6", taken.ID, "the name %s belongs to another execution by now", in.name)
	}
	w.saw(nameTaken)
	in.acked, in.id = true, taken.ID
}

// startSecond asks for an execution that there is: with the same input, or with
// another.
func (w *world) startSecond(in *intent) {
	p := w.up()
	if p == nil {
		return
	}
	input := in.input
	if w.faults.once(2) {
		input = `{"other":true}`
	}
	before := w.named(p, in)
	if before == nil {
		w.failf("I1", in.id, "the execution %s is gone", in.name)
		return
	}
	moves := before.moves
	var s engine.Started
	c := w.visits()
	p, err := w.onAnyNode(func(p *process) (err error) {
		s, err = p.engine.Start(context.Background(), engine.StartRequest{Machine: in.machine.engine(), Name: in.name, Input: value.Checked(input)})
		return err
	})
	var taken *engine.NameTakenError
	switch {
	case p == nil || p.dead:
	case err == nil && input != in.input:
		w.failf("I6", s.ID, "a start of %s with another input is taken", in.name)
	case err == nil:
		w.started(p, in, s, before, c)
	case errors.As(err, &taken):
		w.wasTaken(in, taken, before, input, c)
	}
	if before.moves != moves && !c.torn() {
		w.failf("I6", before.id, "a second start of %s changed it", in.name)
	}
}

// victim is whom somebody stops: what they started, or anything that runs.
func (w *world) victim(in *intent) store.ID {
	if l := w.book.order[w.faults.IntN(len(w.book.order))]; w.faults.once(3) && !l.start.Express {
		return l.id
	}
	return in.id
}

// stop stops an execution, and checks the answer (I1, I4).
func (w *world) stop(id store.ID) {
	p := w.up()
	l := w.book.lives[id]
	if p == nil || l == nil {
		return
	}
	was, moves := l.head, l.moves
	name, cause := "Stopped", "somebody wants so"
	var at int64
	c := w.visits()
	p, err := w.onAnyNode(func(p *process) (err error) {
		at, err = p.engine.Stop(context.Background(), id, machine.Failure{Error: &name, Cause: &cause})
		return err
	})
	w.trace.note(w.now, "stop", short(id), 0)
	var refused *engine.SagaError
	switch {
	case errors.As(err, &refused):
		if w.saw(stopRefused); l.moves != moves && !c.torn() {
			w.failf("I4", id, "a stop is refused (%v), and changed something", err)
		}
	case p == nil || p.dead || err != nil:
		return
	case l.head.Redrives != was.Redrives: // it was stopped for another node, and redriven before who asked for the stop heard of it
	case l.saga() && !l.head.Status.Ended():
		// A pivot under way is waited for: once it has succeeded, nothing is undone (SAGA.md §3).
		landed := !was.Pivoted && l.head.Pivoted && (was.Aborting != 0 || l.aborts > moves)
		if w.saw(stopUndoes); l.head.Aborting == 0 && !landed {
			w.failf("I1", id, "a stop is acknowledged, the execution goes on, and nothing is undone: %s", l.head.SagaStatus())
		}
	case l.saga() && c.torn() && at <= l.head.Stop: // all was undone before who asked for the stop heard of it
	case !l.head.Status.Ended() || at != l.head.Stop:
		w.failf("I1", id, "a stop is acknowledged at %d, and the execution is %v", relative(at), l.head.Status)
	case c.torn():
	case was.Status == machine.Running && l.head.Status != machine.Aborted:
		w.failf("I4", id, "a stop is acknowledged, and the execution is %v", l.head.Status)
	case was.Status == machine.Running:
		w.saw(stopWon)
	case l.moves != moves:
		w.fail("I4", id, "a stop after the end changed something")
	default:
		w.saw(stopTooLate)
	}
}
