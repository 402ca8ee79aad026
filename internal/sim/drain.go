package sim

import "context"

// drain has a node end as a signal asks it to, and start anew: a rolling restart
// is this, node by node. One that does not come to rest in time is killed.
func (p *process) drain() {
	p.leaving = true
	p.errands++
	er := &errand{w: p.w, p: p, do: p.leave}
	er.begin()
}

func (p *process) leave() {
	w := p.w
	w.trace.note(w.now, "drains", p.name, 0)
	if p.errands > 1 {
		w.saw(drainedBusy)
	}
	g := grace{context.Background(), p, w.now + w.storm.span(500, 30_000)}
	defer func() {
		if gone := recover(); gone != nil && gone != errGone {
			panic(gone)
		}
	}()
	if err := p.engine.Drain(g); p.dead {
		return
	} else if err == nil {
		w.saw(drained)
	}
	p.dead = true
	_ = p.session.Close()
}

// errGone ends a drain whose process is no more.
var errGone = new(struct{})

// grace is the time that a drain has. Who waits for its end waits until the
// process is at rest.
type grace struct {
	context.Context
	p     *process
	until int64
}

// Done lets the world go on until the process has no errand any more but this one:
// then it is never done. A process that does not come to rest is killed.
func (g grace) Done() <-chan struct{} {
	p := g.p
	for !p.dead && p.errands > 1 {
		if p.w.now >= g.until {
			p.w.saw(drainedTooLong)
			p.die()
		}
		p.pause(50)
	}
	if p.dead {
		panic(errGone)
	}
	return nil
}
