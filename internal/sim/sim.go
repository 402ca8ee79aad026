// Package sim runs the real engine in a world that a seed makes up: a false
// clock, a store in memory that crashes, participants that answer late, twice
// or never, and callers that race each other. There is one node on a disk of its
// own, or up to three over one database: they die, stand still and go on, are cut
// off and drained, and their clocks are wrong. Everything happens in one thread
// and in an order that the seed alone decides, so the same seed is the same
// world, event by event.
//
// While the world turns, every commit is held against what must always be true
// (RELIABILITY.md has the invariants I1 to I12), and when the faults are over
// everything must come to its end. It refuses to know how the engine does its
// work: it sees what is durable, what goes outside, and what callers hear.
//
// # Reading a failure
//
// TestSim tells of each seed that broke something: the rule, the least world that
// breaks it (shrink.go leaves nodes, faults and executions out as long as it still
// does), which faults are left, the end of the trace, the execution, and where a time
// was not kept what everything waits for. The last line runs that world again; with
// -sim.all it shows the whole trace. The same seed in another shape is another world.
// A seed that found a fault is kept in testdata/seeds.
//
// Read sim.go (a run), chance.go and fault.go (what the seed decides), less.go
// (what is left out of it), world.go (time), node.go, process.go and errand.go (the
// engine's processes and their side jobs), disk.go (their store), database.go and
// drain.go (what befalls several nodes); then the workload: generate.go with flow.go and state.go
// (definitions), saga.go (the order saga), sagaflow.go (generated sagas), client.go, redrive.go, express.go and
// worker.go (callers), service.go, sagaparty.go and shelf.go (participants, and who resolves holds). What must hold: book.go (what is durable),
// history.go (I2), audit.go (I9, I10), fence.go (I11), elsewhere.go (what is done beside the owner), oracle.go (I1, I3, I4, I6), sagabook.go
// (I7), ask.go (what an operator is told), end.go (liveness). Then trace.go, count.go and pure.go, which asks the decider alone.
package sim

import (
	"fmt"
	"strings"

	"github.com/backstep/backstep/internal/engine"
)

// Options say what a run is made of.
type Options struct {
	Seed  uint64
	Trace bool // keep the whole trace as text, not its hash alone
	Calm  bool // no faults
	Cold  bool // no execution is kept in memory between turns; else as the seed has it
	Sure  bool // reads never fail
	Sagas bool // all definitions have saga scopes
	Asks  bool // at random moments everything that goes on is asked what it waits for
	// Cluster has up to three nodes over one database, each with a clock of its
	// own; else there is one, on a disk of its own.
	Cluster bool
	AnyNode bool // several nodes have shards, and each does what is asked of it for another's; else it refuses that
	Less    Less // what is left out of the seed's world

	also func(*world) // holds something more, after all that happens; for tests
}

// Outcome is what came of a run.
type Outcome struct {
	Options
	Executions int // that began
	Well       int // that SUCCEEDED, or undid all that they had done
	Events     int // of histories
	Commits    int
	Calls      int
	Crashes    int
	Strikes    int    // the number of the last fault that struck
	Hash       uint64 // of the trace
	Faults     [faultKinds]int
	Situations [situationKinds]int
	Waits      map[engine.WaitKind]int // that were told of
	Violation  *Violation              // nil: everything held
	Lines      []string                // the trace, if it was asked for
}

// Violation is something that must hold and did not.
type Violation struct {
	Rule string // "I4", "L1"
	What string
	At   int64 // virtual time, ms since the world began
	Dump string
}

func (v *Violation) Error() string {
	return fmt.Sprintf("%s violated after %d ms: %s", v.Rule, v.At, v.What)
}

// Run makes the world of a seed and turns it until everything has ended or
// something did not hold.
func Run(o Options) Outcome {
	w := newWorld(o)
	w.prepare()
	if o.Seed%walkEvery == 0 {
		m := w.machines[w.paths.IntN(len(w.machines))]
		w.walk(m, w.input())
	}
	w.turn()
	w.close()
	w.out.Hash = w.trace.hash
	w.out.Lines = w.trace.lines
	return w.out
}

// walkEvery is in how many seeds one asks the decider alone.
const walkEvery = 8

// Report is a failed run as people read it: what broke, the trace's tail, the
// execution, and how to see it again. The run is made once more to get the
// trace.
func Report(o Outcome, calm bool) string {
	replayed := o.Options
	replayed.Trace, replayed.Calm = true, calm
	again := Run(replayed)
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %v\n", o.Seed, o.Violation)
	fmt.Fprintf(&b, "in %d executions, with these faults:", o.Executions)
	for f, n := range o.Faults {
		if n > 0 {
			fmt.Fprintf(&b, " %s (%d)", FaultNames[f], n)
		}
	}
	b.WriteByte('\n')
	lines := again.Lines
	if len(lines) > tailLines {
		fmt.Fprintf(&b, "… %d lines\n", len(lines)-tailLines)
		lines = lines[len(lines)-tailLines:]
	}
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	if again.Violation != nil {
		b.WriteString(again.Violation.Dump)
	}
	b.WriteString("again: " + o.command() + "\n")
	return b.String()
}

// command runs a world again.
func (o *Options) command() string {
	c := fmt.Sprintf("go test ./internal/sim -run '^TestSim$' -v -sim.shape=%s -sim.replay=%d", o.Shape(), o.Seed)
	if left := o.Less.String(); left != "" {
		c += " -sim.less='" + left + "'"
	}
	return c
}

// Shape is what the worlds of a seed are told apart by: how many nodes there may
// be, whether any of them does everything, and whether all definitions have saga
// scopes.
func (o *Options) Shape() string {
	shape := "one"
	switch {
	case o.AnyNode:
		shape = "any"
	case o.Cluster:
		shape = "nodes"
	}
	if o.Sagas {
		shape += "-saga"
	}
	return shape
}

// tailLines is how much of a trace a report shows.
const tailLines = 120
