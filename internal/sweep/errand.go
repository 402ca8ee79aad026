package sweep

import "github.com/backstep/backstep/internal/clockwork"

// errand is something that the engine does on the side. It is run as a
// coroutine, so that a call within it can take its time while the world goes
// on; nothing ever runs beside it.
type errand struct {
	p  *process
	do func()
	on *clockwork.Runner
}

// asleep is what an errand pauses for that waits until its call is given up.
const asleep = -2

// spawn takes what the engine would do on the side: it begins when what is under
// way now has ended, in the order in which it came.
func (p *process) spawn(do func()) {
	if !p.dead {
		e := &errand{p: p, do: do}
		p.w.at(p.w.now, p, e.begin)
	}
}

func (e *errand) begin() {
	e.on = e.p.w.idle.Take(e.do)
	e.p.open = append(e.p.open, e)
	e.resume()
}

// resume lets the errand go on until it waits or ends.
func (e *errand) resume() {
	w := e.p.w
	w.turning = e
	ms := e.on.Resume()
	w.turning = nil
	switch ms {
	case clockwork.Ended:
		w.idle.Give(e.on)
		e.p.forget(e)
	case asleep:
	default:
		w.at(w.now+ms, e.p, e.resume)
	}
}

// pause lets the world go on for that many ms; false where the process died
// meanwhile.
func (p *process) pause(ms int64) bool {
	return p.w.turning.on.Pause(ms) && !p.dead
}

// forget takes an errand that has ended off the list.
func (p *process) forget(e *errand) {
	for i, other := range p.open {
		if other == e {
			p.open = append(p.open[:i], p.open[i+1:]...)
			return
		}
	}
}
