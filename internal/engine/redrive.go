package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// Redrive lets an execution that ended without success go on from where it
// stood, and returns once that is durable, with its time in UTC milliseconds. A
// token of the last redrives is answered with the redrive that it asked for. An
// execution that can't be redriven is a *NotRedrivableError.
func (e *Engine) Redrive(ctx context.Context, id store.ID, token string) (int64, error) {
	redriven, err := e.RedriveWith(ctx, id, token, nil, false)
	return redriven.At, err
}

// Redriven is what came of a redrive.
type Redriven struct {
	At     int64          // UTC ms; 0: it was only looked at
	Status machine.Status // then
	States []Resumed
}

// Resumed is a state in which an execution goes on.
type Resumed struct {
	State string
	Again bool // under the step id that it had; else it is entered anew
}

// RedriveWith is Redrive with changes, nil for none. A look tells what would run,
// and changes nothing. Changes that can't be made are a *NotRedrivableError too.
func (e *Engine) RedriveWith(ctx context.Context, id store.ID, token string, c *machine.Changes, look bool) (Redriven, error) {
	redriven, err := e.redriveFor(ctx, id, token, c, look, nil)
	if !e.again(err) || e.drained.Load() {
		return redriven, err
	}
	if look {
		return e.lookElsewhere(ctx, id, token, c)
	}
	o := order{What: orderRedrive, Token: token}
	o.changing(c)
	told, err := e.askFirst(ctx, id, o)
	if err != nil {
		return Redriven{}, err
	}
	return Redriven{At: told.At, Status: machine.Status(told.Status), States: told.States}, told.err()
}

// lookElsewhere tells what a redrive would do to an execution of another node, by
// its rows.
func (e *Engine) lookElsewhere(ctx context.Context, id store.ID, token string, c *machine.Changes) (Redriven, error) {
	redrive, err := e.redriving(ctx, token, c, true)
	if err != nil {
		return Redriven{}, err
	}
	r := &resident{id: id}
	if err := e.load(r); err != nil {
		return Redriven{}, err
	}
	if r.held != "" {
		return Redriven{}, fmt.Errorf("%w: %s", ErrQuarantined, r.held)
	}
	redrive.fits(r)
	return redrive.outcome(r.x.Head)
}

func (e *Engine) redriving(ctx context.Context, token string, c *machine.Changes, look bool) (*redriving, error) {
	d := &redriving{e: e, ctx: ctx, message: machine.Message{Kind: machine.Redrive, Token: token, Changes: c}, look: look}
	if c != nil && c.Definition != [32]byte{} {
		var err error
		if d.program, err = e.cfg.Programs(ctx, c.Definition); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// outcome is what came of a redrive, or would, of an execution that stands so.
func (d *redriving) outcome(h machine.Head) (Redriven, error) {
	switch {
	case d.err != nil:
		return Redriven{}, d.err
	case d.reason != "":
		return Redriven{}, &NotRedrivableError{d.reason}
	case d.was:
		return Redriven{At: d.at, Status: h.Status}, nil
	case d.look:
		return Redriven{Status: d.status, States: d.states}, nil
	}
	return Redriven{At: h.Redriven, Status: h.Status, States: d.states}, nil
}

// redriveFor is RedriveWith of an execution of ours, for an order if there is one.
func (e *Engine) redriveFor(ctx context.Context, id store.ID, token string, c *machine.Changes, look bool, by *ordered) (Redriven, error) {
	if err := e.admit(ownerKey{}); err != nil {
		return Redriven{}, err
	}
	redrive, err := e.redriving(ctx, token, c, look)
	if err != nil {
		return Redriven{}, err
	}
	redrive.order = by
	s := e.shardOf(id)
	if s == nil {
		return Redriven{}, ErrNotFound
	}
	r := s.hold(id)
	defer s.release(r)
	t, err := e.take(s, r, redrive.message, &rider{before: redrive.fits, asked: true, order: by})
	if err != nil {
		r.x = nil // its program may be the new one
		return Redriven{}, err
	}
	return redrive.outcome(t.head)
}

// redriving is a redrive that is being decided about.
type redriving struct {
	e       *Engine
	ctx     context.Context
	message machine.Message
	program *asl.Program // nil: the execution's own
	look    bool
	order   *ordered // whose reply tells of it; nil: none

	was    bool // that redrive was before, at that time
	at     int64
	reason string
	err    error
	status machine.Status
	states []Resumed
}

// fits reports whether the redrive is to be done, and gives the execution its
// program.
func (d *redriving) fits(r *resident) bool {
	h, now := &r.x.Head, max(d.e.now(), r.x.Head.Now)
	if d.at, d.was = h.RedriveOf(d.message.Token, now); d.was {
		return false
	}
	if d.reason = h.NotRedrivable(&r.x.Start, d.e.cfg.Quotas, now); d.reason != "" || d.message.Changes == nil {
		return d.reason == ""
	}
	own := r.program
	program := own
	if d.program != nil {
		program = d.program
	}
	if own.HasSagas() {
		rows, err := d.e.sagaLog(d.ctx, r.id)
		if err != nil {
			d.err = err
			return false
		}
		r.x.LendLog(rows)
	}
	if d.reason = r.x.Unchangeable(own, program, d.message.Changes, d.e.cfg.Quotas); d.reason != "" {
		return false
	}
	r.program = program
	delta, err := d.e.decide(r, d.message)
	if d.err = err; err == nil {
		d.status, d.states = delta.Head.Status, resumed(&delta)
	}
	if d.order != nil {
		d.order.reply.States = d.states
	}
	if d.look || err != nil {
		r.program = own
		return false
	}
	return true
}

// resumed are the states in which an execution goes on by a delta: those that go
// on where they stood, then those that are entered.
func resumed(d *machine.Delta) []Resumed {
	entered := map[string]bool{}
	var anew, again []Resumed
	for i := range d.Events {
		if e := &d.Events[i]; strings.HasSuffix(e.Type.String(), "StateEntered") {
			entered[e.State] = true
			anew = append(anew, Resumed{State: e.State})
		}
	}
	for _, j := range d.Jobs {
		if j.State != "" && !entered[j.State] {
			again = append(again, Resumed{State: j.State, Again: true})
		}
	}
	return append(again, anew...)
}

// NotRedrivable says in the service's words why an execution can't be redriven
// now, "" where it can.
func (e *Engine) NotRedrivable(s *machine.Start, h *machine.Head) string {
	return h.NotRedrivable(s, e.cfg.Quotas, max(e.now(), h.Now))
}

// ByMapRun reports whether an execution can be redriven now by the map run that
// started it, and by nobody else.
func (e *Engine) ByMapRun(s *machine.Start, h *machine.Head) bool {
	return h.ByMapRun(s, e.cfg.Quotas, max(e.now(), h.Now))
}
