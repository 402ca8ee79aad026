package sim

import "github.com/backstep/backstep/internal/clockwork"

// errand is something that the engine does on the side. It is run as a
// coroutine, so that a call within it can take its time while the world goes
// on; it never runs beside anything else.
type errand struct {
	p  *process
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
	er := &errand{p: p, do: do}
	w.scatter(delay, p, er.begin)
}

func (er *errand) begin() {
	w := er.p.w
	er.on = w.idle.Take(er.do)
	er.p.suspended = append(er.p.suspended, er)
	er.resume()
}

// resume lets the errand go on until it pauses or ends.
func (er *errand) resume() {
	w := er.p.w
	w.turning = er.on
	ms := er.on.Resume()
	w.turning = nil
	if ms != clockwork.Ended {
		w.scatter(ms, er.p, er.resume)
		return
	}
	w.idle.Give(er.on)
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
