package sim

import "iter"

// errand is something that the engine does on the side. It is run as a
// coroutine, so that a call within it can take its time while the world goes
// on; it never runs beside anything else.
type errand struct {
	p     *process
	do    func()
	yield func(int64) bool
	next  func() (int64, bool)
	stop  func()
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
	er.next, er.stop = iter.Pull(func(yield func(int64) bool) {
		er.yield = yield
		er.do()
	})
	er.p.suspended = append(er.p.suspended, er)
	er.resume()
}

// resume lets the errand go on until it pauses or ends.
func (er *errand) resume() {
	w := er.p.w
	w.turning = er
	ms, pauses := er.next()
	w.turning = nil
	if pauses {
		w.scatter(ms, er.p, er.resume)
		return
	}
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
	er := p.w.turning
	alive := er.yield(ms)
	return alive && !p.dead
}
