package sim

import "iter"

// errand is something that the engine does on the side. It is run as a
// coroutine, so that a call within it can take its time while the world goes
// on; it never runs beside anything else.
type errand struct {
	p  *process
	do func()
	on *runner // while it is under way
}

// runner is a coroutine that runs one errand after the other.
type runner struct {
	do    func()
	yield func(int64) bool
	next  func() (int64, bool)
	stop  func()
}

// idle is what a runner yields when its errand has ended.
const idle = -1

func newRunner() *runner {
	r := &runner{}
	r.next, r.stop = iter.Pull(func(yield func(int64) bool) {
		r.yield = yield
		for r.do(); yield(idle); r.do() {
		}
	})
	return r
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
	if last := len(w.runners) - 1; last >= 0 {
		er.on = w.runners[last]
		w.runners = w.runners[:last]
	} else {
		er.on = newRunner()
	}
	er.on.do = er.do
	er.p.suspended = append(er.p.suspended, er)
	er.resume()
}

// resume lets the errand go on until it pauses or ends.
func (er *errand) resume() {
	w := er.p.w
	w.turning = er.on
	ms, _ := er.on.next()
	w.turning = nil
	if ms != idle {
		w.scatter(ms, er.p, er.resume)
		return
	}
	w.runners = append(w.runners, er.on)
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
	return p.w.turning.yield(ms) && !p.dead
}

// dismiss ends the coroutines that wait for an errand.
func (w *world) dismiss() {
	for _, r := range w.runners {
		r.stop()
	}
	w.runners = nil
}
