package sim

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// scene is a world in which nothing goes wrong but what a test does to it: so an
// interleaving that once broke something is told step by step.
type scene struct {
	t *testing.T
	*world
	calls []made
}

// made is a call that somebody made.
type made struct {
	by    string
	state string
	op    integration.Operation
	send  int
	at    int64
}

// newScene has so many nodes, of which none is up, and one state machine.
func newScene(t *testing.T, nodes int, m *stateMachine) *scene {
	w := newWorld(Options{Seed: 1, Cluster: true, Calm: true, Trace: true})
	w.plan = plan{
		shards: 1, entries: 500, events: machine.AWSLimits().Events, perKind: 100, page: 256, cached: 1000,
		window: time.Minute, lease: 10 * time.Second, beatEvery: 5 * time.Second, retry: 50 * time.Millisecond,
	}
	key := sha256.Sum256([]byte("scene"))
	w.disk = storetest.NewMemory(storetest.MemoryOptions{Shards: 1, TokenKey: key[:], Clock: func() int64 { return w.now }})
	w.reader = w.disk.Open()
	w.nodes = nil
	for i := range nodes {
		w.nodes = append(w.nodes, &node{w: w, number: i})
	}
	w.machines, w.byARN[m.arn] = []*stateMachine{m}, m
	b := &store.Batch{Definitions: []store.Definition{{Hash: m.hash, Body: []byte(m.text)}}}
	if err := w.reader.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, world: w}
	w.script.call = func(p *process, call *integration.Task) {
		s.calls = append(s.calls, made{p.name, call.State, call.Operation, call.Attempt, w.now - began})
	}
	t.Cleanup(w.close)
	return s
}

// up brings a node up, and lets it take what is free.
func (s *scene) up(i int) *process {
	s.after(0, s.nodes[i].open)
	s.until("the node is up", func() bool {
		return s.nodes[i].process != nil && s.nodes[i].process.engine != nil && s.queue[0].At > s.now
	})
	return s.nodes[i].process
}

// begin starts an execution of the machine.
func (s *scene) begin(name, input string) {
	in := &intent{machine: s.machines[0], name: name, input: input}
	s.intents = append(s.intents, in)
	s.after(0, func() { s.start(in) })
}

// kill ends a node's process for good.
func (s *scene) kill(i int) {
	s.nodes[i].gone = true
	s.after(0, s.nodes[i].process.die)
	s.until("the node is down", func() bool { return s.nodes[i].process == nil })
}

// until lets things happen until something is so, for an hour at most.
func (s *scene) until(what string, is func() bool) {
	s.t.Helper()
	for end := s.now + time.Hour.Milliseconds(); !is(); {
		if len(s.queue) == 0 || s.now > end {
			s.t.Fatalf("not in an hour: %s\n%s", what, s.tail())
		}
		if s.happen(); s.out.Violation != nil {
			s.t.Fatalf("%v\n%s%s", s.out.Violation, s.tail(), s.out.Violation.Dump)
		}
	}
}

// pass lets so many ms go by.
func (s *scene) pass(ms int64) {
	s.t.Helper()
	end, over := s.now+ms, false
	s.after(ms, func() { over = true })
	s.until("time goes by", func() bool { return over && s.now >= end })
}

// end heals the world and lets all come to its end.
func (s *scene) end() {
	s.t.Helper()
	for _, n := range s.nodes {
		n.link = link{}
	}
	s.healed, s.heal = true, s.now
	s.after(5000, s.vigil)
	s.until("all comes to its end", func() bool { return s.ended })
}

func (s *scene) tail() string {
	text := ""
	lines := s.trace.lines
	for _, l := range lines[max(0, len(lines)-60):] {
		text += l + "\n"
	}
	return text
}

// life is the execution of that name, nil while there is none.
func (s *scene) life(name string) *life {
	for _, l := range s.book.order {
		if l.start.Name == name {
			return l
		}
	}
	return nil
}

// waitsIn reports whether an execution has a job of that kind in a state.
func (s *scene) waitsIn(name, state string, kind machine.JobKind) bool {
	l := s.life(name)
	if l == nil {
		return false
	}
	for _, j := range l.jobs {
		if j.State == state && j.Kind == kind {
			return true
		}
	}
	return false
}

func (s *scene) wantStatus(name string, want machine.Status) {
	s.t.Helper()
	switch l := s.life(name); {
	case l == nil:
		s.t.Errorf("%s never began", name)
	case l.head.Status != want:
		s.t.Errorf("%s is not %v\n%s", name, want, s.dump(l.id))
	}
}

// opens reports whether a batch puts a job of that kind.
func opens(b *store.Batch, kind machine.JobKind) bool {
	if b == nil {
		return false
	}
	for i := range b.Jobs {
		if j, err := machine.Decode[machine.Job](b.Jobs[i].Body); err == nil && j.Kind == kind {
			return true
		}
	}
	return false
}
