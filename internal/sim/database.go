package sim

import (
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// database is what befalls the store that several nodes share. What was
// committed is never lost: it fails over to a standby that has all of it.
type database struct {
	downUntil  int64 // nobody is connected
	stallUntil int64 // nobody is answered
	term       int   // how often it has failed over
}

// spot is where a process may stand still.
type spot int

const (
	anyCall       spot = iota // of the database
	beforeCommit              // before it arrives
	afterCommit               // when it is made, and nobody heard
	atParticipant             // before a participant hears of a call
)

// faint is where a process is to stand still next, and for how long.
type faint struct {
	ms int64
	at spot
}

// weather is what a node's call of the database meets on its way: it may be held
// up, and the node stands still with it; then it arrives or not.
func (p *process) weather(method string, b *store.Batch) storetest.Fault {
	w, n := p.w, p.node
	term := w.database.term
	if f := p.faint; f.ms > 0 && (f.at == anyCall || f.at == beforeCommit && method == "Commit") {
		p.faint, p.fainted = faint{}, true
		p.stand(f.ms)
	}
	if wait := w.database.stallUntil - w.now; wait > 0 {
		w.saw(heldUp)
		p.stand(wait)
	}
	broken := storetest.Fault{Err: storetest.ErrPlain}
	if method == "Commit" {
		broken.Err = store.ErrUnknown
	}
	switch {
	case p.dead:
		return broken
	case w.healed:
		return storetest.Fault{}
	case term != w.database.term: // the connection was cut while it was under way
		broken.Done = w.storm.once(2)
		w.sawBroken(method, b)
		return broken
	case w.now < w.database.downUntil:
		return storetest.Fault{Err: storetest.ErrPlain} // nothing was sent
	case n.link.requests:
		return broken
	case n.link.answers:
		broken.Done = true
		w.sawBroken(method, b)
		return broken
	}
	return storetest.Fault{}
}

// sawBroken notes of what a commit was the outcome of which is not known.
func (w *world) sawBroken(method string, b *store.Batch) {
	if method == "Commit" {
		w.sawUnknown(b)
		w.saw(answerLost)
	}
}

// storms lets one disaster after the other befall the nodes, until all is healed.
func (w *world) storms() {
	w.after(w.storm.span(300, 25_000), func() {
		if !w.healed {
			w.disaster()
			w.storms()
		}
	})
}

// disasters are the kinds that befall nodes at some time, rather than at
// something that they do.
var disasters = [...]fault{nodeKilled, nodePaused, requestsCut, answersCut, failover, databaseStall, nodeDrained}

// disaster makes one, of a kind that the seed has.
func (w *world) disaster() {
	sum := 0
	for _, f := range disasters {
		sum += w.plan.often[f]
	}
	if sum == 0 {
		return
	}
	roll := w.storm.IntN(sum)
	n := w.nodes[w.storm.IntN(len(w.nodes))]
	for _, f := range disasters {
		if roll -= w.plan.often[f]; roll < 0 {
			if w.struck(f) {
				w.befall(f, n)
			}
			return
		}
	}
}

// befall lets a disaster of that kind happen, to that node if it is one of a node.
func (w *world) befall(f fault, n *node) {
	lease := w.plan.lease.Milliseconds()
	p := n.process
	if p != nil && (p.dead || p.engine == nil) {
		p = nil
	}
	switch f {
	case failover:
		w.database.term++
		w.database.downUntil = w.now + w.storm.span(50, 8000)
	case databaseStall:
		w.database.stallUntil = w.now + w.storm.span(500, 2*lease)
	case requestsCut, answersCut:
		w.cut(n, f, w.storm.span(500, 3*lease))
	case nodeKilled:
		if p != nil {
			w.sawKilled(p)
			p.die()
		}
	case nodePaused:
		if p != nil && !p.stands() {
			w.pauseNode(p, w.storm.span(200, 5*lease))
		}
	case nodeDrained:
		if p != nil && !p.stands() && !p.leaving {
			p.drain()
		}
	}
}

// pauseNode lets a node stand still: at once, or the next time that it asks the
// database for something.
func (w *world) pauseNode(p *process, ms int64) {
	if w.storm.once(4) {
		w.trace.note(w.now, "pauses", p.name, ms)
		p.still, p.fainted = w.now+ms, true
		w.push(p.still, 0, nil, p.wake)
		return
	}
	p.faint = faint{ms, pick(w.storm, anyCall, beforeCommit, beforeCommit, afterCommit, atParticipant)}
}

// cut breaks a node's way to the database, in one direction or both.
func (w *world) cut(n *node, f fault, ms int64) {
	both := w.storm.once(3)
	n.link.requests = n.link.requests || f == requestsCut || both
	n.link.answers = n.link.answers || f == answersCut || both
	w.trace.note(w.now, "cut", n.name(), ms)
	w.after(ms, func() { n.link = link{} })
}

// mend ends all that befell nodes and database, but for one node, which may be gone
// for good: the others must do without. A node that drains, which may take it long, is
// killed and comes up anew.
func (w *world) mend() {
	w.database.downUntil, w.database.stallUntil = 0, 0
	lost := -1
	if len(w.nodes) > 1 && w.storm.once(3) {
		lost = w.storm.IntN(len(w.nodes))
		w.saw(goneForGood)
	}
	for i, n := range w.nodes {
		n.link = link{}
		p := n.process
		switch {
		case i == lost:
			n.gone = true
			if p != nil {
				p.die()
			}
		case p == nil:
			w.after(0, n.open)
		case p.leaving:
			p.die()
		default:
			p.faint, p.alarm = faint{}, store.Never
			if p.stands() {
				p.still = w.now
				w.push(w.now, 0, nil, p.wake)
			}
		}
	}
}

// sawKilled notes what a node was in the middle of that dies.
func (w *world) sawKilled(p *process) {
	if p.frozen != nil {
		w.saw(killedStanding)
	}
}
