package sim

import (
	"context"
	"slices"
	"time"

	"github.com/backstep/backstep/internal/clockwork"
)

// errand is something that the engine does on the side, or, where nodes may stand
// still, anything that happens. It is run as a coroutine, so that a call within
// it can take its time while the world goes on; it never runs beside anything
// else.
type errand struct {
	w  *world
	p  *process // nil: of the world
	do func()
	on *clockwork.Runner // while it is under way
}

// later takes what the engine would do on the side. It begins later, in an
// order that the seed decides, or never if the process dies before.
func (p *process) later(do func()) {
	if p.dead {
		return
	}
	w := p.w
	var delay int64
	if w.strikes(slowErrand) {
		delay = w.faults.span(1, 20_000)
	}
	p.errands++
	er := &errand{w: w, p: p, do: do}
	w.scatter(delay, p, er.begin)
}

// inTurn runs what happens, so that a node may stand still in the middle of it.
func (w *world) inTurn(do func()) {
	er := &errand{w: w, do: do}
	er.on = w.idle.Take(do)
	er.resume()
}

func (er *errand) begin() {
	er.on = er.w.idle.Take(er.do)
	er.p.suspended = append(er.p.suspended, er)
	er.resume()
}

// atAStand is what an errand pauses for in which its process stands still.
const atAStand = clockwork.Ended - 1

// resume lets the errand go on until it pauses or ends.
func (er *errand) resume() {
	w := er.w
	outer := w.turning
	w.turning = er.on
	ms := er.on.Resume()
	w.turning = outer
	switch {
	case ms == atAStand:
		p := w.stood
		w.stood, p.frozen = nil, er
		w.push(p.still, 0, nil, p.wake)
		return
	case ms != clockwork.Ended:
		if er.p == nil {
			if !slices.Contains(w.away, er) {
				w.away = append(w.away, er)
			}
		}
		w.scatter(ms, er.p, er.resume)
		return
	}
	w.idle.Give(er.on)
	if er.p == nil {
		if i := slices.Index(w.away, er); i >= 0 {
			w.away = slices.Delete(w.away, i, i+1)
		}
		return
	}
	er.p.errands--
	for i, other := range er.p.suspended {
		if other == er {
			er.p.suspended = append(er.p.suspended[:i], er.p.suspended[i+1:]...)
			return
		}
	}
}

// pause lets the world go on for that many ms; false where the process died
// meanwhile.
func (p *process) pause(ms int64) bool {
	return p.w.turning.Pause(ms) && !p.dead
}

// passes lets the world go on for the engine, which waits for what another node
// does. While the process stands still it does not look.
func (p *process) passes(_ context.Context, d time.Duration) error {
	w := p.w
	if p.dead || w.turning == nil || !p.pause(d.Milliseconds()) {
		return errDead
	}
	for p.stands() {
		if !p.pause(max(1, p.still-w.now)) {
			return errDead
		}
	}
	return nil
}

// stand lets the process stand still for that many ms, in the middle of what it
// does: nothing of it moves until then.
func (p *process) stand(ms int64) {
	w := p.w
	if p.dead || w.turning == nil || w.ended {
		return
	}
	w.trace.note(w.now, "stands", p.name, ms)
	p.still, w.stood = w.now+ms, p
	w.turning.Pause(atAStand)
}

// stands reports whether the process stands still.
func (p *process) stands() bool { return p.frozen != nil || p.w.now < p.still }

// wake lets a process go on that stood still: first with what it was in the
// middle of, then with what has come meanwhile.
func (p *process) wake() {
	w := p.w
	if p.dead || w.now < p.still {
		return
	}
	w.trace.note(w.now, "wakes", p.name, 0)
	p.still = 0
	if er := p.frozen; er != nil {
		p.frozen = nil
		er.resume()
	}
	if p.stands() {
		return
	}
	for _, do := range p.deferred {
		w.seq++
		w.push(w.now, w.seq, p, do)
	}
	p.deferred = nil
}
