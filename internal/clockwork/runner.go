package clockwork

import "iter"

// Runner is a coroutine that runs one errand after the other. What runs in it may
// pause while all else goes on; nothing ever runs beside it.
type Runner struct {
	do    func()
	yield func(int64) bool
	next  func() (int64, bool)
	stop  func()
}

// Ended is what Resume answers when the errand is over.
const Ended = -1

func newRunner() *Runner {
	r := &Runner{}
	r.next, r.stop = iter.Pull(func(yield func(int64) bool) {
		r.yield = yield
		for r.do(); yield(Ended); r.do() {
		}
	})
	return r
}

// Resume lets the errand go on until it pauses or ends, and gives what it has
// paused for, or Ended.
func (r *Runner) Resume() int64 {
	what, _ := r.next()
	return what
}

// Pause is called by the errand itself: it waits until it is resumed. What it
// waits for is at least 0, or a number below Ended that means something to who
// resumes it. It is false where nobody will: the errand has to end.
func (r *Runner) Pause(what int64) bool { return r.yield(what) }

// Stop ends the runner, and the errand that it has.
func (r *Runner) Stop() { r.stop() }

// Runners are those that have no errand: a coroutine is worth keeping.
type Runners []*Runner

// Take gives a runner an errand, which begins with its first Resume.
func (r *Runners) Take(do func()) *Runner {
	all := *r
	if len(all) == 0 {
		all = append(all, newRunner())
	}
	last := all[len(all)-1]
	*r, last.do = all[:len(all)-1], do
	return last
}

// Give takes a runner back whose errand has ended.
func (r *Runners) Give(back *Runner) { *r = append(*r, back) }

// Dismiss stops them all.
func (r *Runners) Dismiss() {
	for _, one := range *r {
		one.stop()
	}
	*r = nil
}
