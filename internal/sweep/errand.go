package sweep

import "iter"

// errand is something that the engine does on the side. It is run as a
// coroutine, so that a call within it can take its time while the world goes
// on; nothing ever runs beside it.
type errand struct {
	p  *process
	do func()
	on *runner
}

// runner is a coroutine that runs one errand after the other, in one world after
// the other.
type runner struct {
	do    func()
	yield func(int64) bool
	next  func() (int64, bool)
	stop  func()
}

// What a runner yields beside a time: its errand has ended, or it waits until
// its call is given up.
const (
	ended  = -1
	asleep = -2
)

func newRunner() *runner {
	r := &runner{}
	r.next, r.stop = iter.Pull(func(yield func(int64) bool) {
		r.yield = yield
		for r.do(); yield(ended); r.do() {
		}
	})
	return r
}

// runners are the coroutines that have no errand.
type runners []*runner

func (r *runners) take() *runner {
	all := *r
	if len(all) == 0 {
		return newRunner()
	}
	last := all[len(all)-1]
	*r = all[:len(all)-1]
	return last
}

func (r *runners) give(back *runner) { *r = append(*r, back) }

// dismiss ends them all.
func (r *runners) dismiss() {
	for _, one := range *r {
		one.stop()
	}
	*r = nil
}

// spawn takes what the engine would do on the side: it begins when what is under
// way now has ended, in the order in which it came.
func (p *process) spawn(do func()) {
	if !p.dead {
		e := &errand{p: p, do: do}
		p.w.at(p.w.now, p, e.begin)
	}
}

func (e *errand) begin() {
	e.on = e.p.w.idle.take()
	e.on.do = e.do
	e.p.open = append(e.p.open, e)
	e.resume()
}

// resume lets the errand go on until it waits or ends.
func (e *errand) resume() {
	w := e.p.w
	w.turning = e
	ms, _ := e.on.next()
	w.turning = nil
	switch ms {
	case ended:
		w.idle.give(e.on)
		e.p.forget(e)
	case asleep:
	default:
		w.at(w.now+ms, e.p, e.resume)
	}
}

// pause lets the world go on for that many ms; false where the process died
// meanwhile.
func (p *process) pause(ms int64) bool {
	return p.w.turning.on.yield(ms) && !p.dead
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
