package sim

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// node is a place where processes run, one after the other.
type node struct {
	w       *world
	number  int
	process *process // nil: it is down
	lives   int      // processes so far
	depth   int      // crashes within the recovery from a crash
	gone    bool     // it does not come up any more
	skew    int64    // what its clock is ahead of the database's, ms
	link    link
}

// link is what of a node's way to the database is broken.
type link struct{ requests, answers bool }

// newNodes makes the nodes of a world: one on a disk of its own, or up to three
// over one database, whose clocks are as wrong as they like.
func (w *world) newNodes(o Options) {
	count := 1
	if o.Cluster {
		count = pick(w.storm, 1, 2, 2, 2, 3, 3)
	}
	if o.Less.Nodes > 0 {
		count = min(count, o.Less.Nodes)
	}
	for i := range count {
		n := &node{w: w, number: i}
		if w.cluster {
			n.skew = w.storm.span(0, 1_200_000) - 600_000
		}
		w.nodes = append(w.nodes, n)
	}
}

// answers reports whether somebody who asks the node now is answered.
func (n *node) answers() bool {
	p := n.process
	return p != nil && !p.dead && p.engine != nil && !p.stands()
}

// up is a process that answers, nil where there is none: of several nodes any.
func (w *world) up() *process {
	if !w.cluster {
		if n := w.nodes[0]; n.answers() {
			return n.process
		}
		return nil
	}
	return w.from(w.storm.IntN(len(w.nodes)))
}

// from is the process of the first node from that one on that answers.
func (w *world) from(first int) *process {
	for i := range w.nodes {
		if n := w.nodes[(first+i)%len(w.nodes)]; n.answers() {
			return n.process
		}
	}
	return nil
}

// onAnyNode asks a node, and the others one after the other as long as it hears that
// they do not take the work. It gives the process that had the last word, nil
// where none did.
func (w *world) onAnyNode(what func(*process) error) (*process, error) {
	p := w.up()
	if p == nil {
		return nil, nil
	}
	if w.strikes(delayed) {
		w.after(w.storm.span(10, 200_000), func() {
			if late := w.up(); late != nil {
				_ = what(late) // whatever comes of it, nobody waits for it any more
			}
		})
		return nil, nil
	}
	err := what(p)
	for range len(w.nodes) - 1 {
		next := w.from(p.node.number + 1)
		if p.dead || next == nil || next == p || !errors.Is(err, engine.ErrNotReady) {
			break
		}
		if w.saw(sentOn); p.fainted {
			w.saw(zombieSilent)
		}
		p = next
		err = what(p)
	}
	return p, err
}

// open starts a process on a node.
func (n *node) open() {
	w := n.w
	if n.process != nil || n.gone {
		return
	}
	w.lives++
	n.lives++
	w.trace.note(w.now, "open", n.name(), int64(w.lives))
	p := &process{w: w, node: n, life: w.lives, session: w.disk.Open(), alarm: store.Never, renewal: w.now}
	if w.cluster {
		p.name = fmt.Sprint(n.name(), ".", w.lives)
	}
	n.process = p
	if n.lives > 1 {
		w.checkDisk()
	}
	p.engine = p.boot()
	if p.engine == nil {
		return
	}
	p.renew()
	p.fire()
	if n.lives > 1 && !p.dead && n.depth < 3 && w.strikes(crashRecovery) {
		n.depth++
		w.saw(crashInRecovery)
		w.scatter(w.faults.span(0, 30), p, p.die)
		return
	}
	n.depth = 0
}

// name is the node's, "" where it is the only one.
func (n *node) name() string {
	if !n.w.cluster {
		return ""
	}
	return string(rune('a' + n.number))
}

// bury gives back what a dead process still holds. Who is in the middle of
// something that others wait for goes first.
func (n *node) bury() {
	p := n.process
	n.process = nil
	if p == nil || p.engine == nil {
		return
	}
	p.dead = true
	p.engine.Close()
	if er := p.frozen; er != nil {
		p.frozen = nil
		er.on.Stop()
	}
	for _, er := range p.suspended {
		er.on.Stop()
	}
	p.suspended, p.deferred = nil, nil
}

// settle does what follows from what has just happened: a process that died is
// buried and comes up again, the engine's loop looks at its alarms.
func (n *node) settle() {
	w, p := n.w, n.process
	if p == nil {
		return
	}
	if !w.cluster && !p.dead && w.strikes(crashAtRest) {
		p.die()
	}
	if p.dead {
		n.bury()
		w.after(w.faults.span(1, 8000), n.open)
		return
	}
	if !p.stands() {
		p.schedule()
	}
}

// visit is a call of somebody's that is under way.
type visit struct {
	w     *world
	at    int
	heard int
}

// visits is a call that begins now.
func (w *world) visits() visit { return visit{w, w.happened, w.heard} }

// torn reports whether other things happened while the call was under way, or what
// had been left for an owner was heard: then nothing can be said of it by how all
// stood before.
func (c visit) torn() bool { return c.w.happened != c.at || c.w.heard != c.heard }

// readElsewhere reads on any node what another has acknowledged (I12).
func (w *world) readElsewhere(p *process, l *life) {
	if !w.cluster || !w.storm.once(3) {
		return
	}
	other := w.up()
	if other == nil || other == p {
		return
	}
	moves := l.moves
	c := w.visits()
	_, head, err := other.engine.Execution(context.Background(), l.id)
	switch {
	case other.dead || errors.Is(err, storetest.ErrPlain):
	case err != nil:
		w.failf("I12", l.id, "%s was acknowledged by %s, and %s does not show it: %v", l.start.Name, p.name, other.name, err)
	case !c.torn() && (head.LastEvent != l.head.LastEvent || l.moves != moves):
		w.failf("I12", l.id, "%s shows %d events of %s, and there are %d", other.name, head.LastEvent, l.start.Name, l.head.LastEvent)
	default:
		w.saw(readElsewhere)
	}
}
