package sim

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	executions = flag.Int("sim.executions", 10_000, "how many executions TestSim runs")
	firstSeed  = flag.Uint64("sim.seed", 1, "the first seed of TestSim")
	shape      = flag.String("sim.shape", "", "what TestSim's worlds are: one, nodes, any, one-saga, nodes-saga, any-saga; \"\": by turns")
	replay     = flag.Uint64("sim.replay", 0, "TestSim runs this seed of the shape alone and shows its trace")
	less       = flag.String("sim.less", "", "with sim.replay: what is left out of its world")
	showAll    = flag.Bool("sim.all", false, "with sim.replay: the whole trace, not its tail alone")
	mostSeeds  = flag.Int("sim.seeds", 0, "TestSim runs at most that many seeds; 0: as many as it takes")
	shrink     = flag.Int("sim.shrink", 300, "how many worlds TestSim runs to find the least one that breaks what a seed breaks")
	first      = flag.Bool("sim.first", false, "TestSim ends at the first violation")
	big        = flag.Bool("sim.big", false, "TestSim demands every situation and every fault")
)

// byTurns are the shapes of the worlds of a run, one after the other.
var byTurns = []string{"one", "nodes", "one-saga", "nodes", "any", "nodes-saga"}

// nth is the n-th world of a run.
func nth(n uint64) Options {
	if *shape != "" {
		return shaped(*shape, *firstSeed+n)
	}
	return shaped(byTurns[n%uint64(len(byTurns))], *firstSeed+n/uint64(len(byTurns)))
}

func shaped(shape string, seed uint64) Options {
	any := strings.HasPrefix(shape, "any")
	return Options{Seed: seed, Cluster: any || strings.HasPrefix(shape, "nodes"), AnyNode: any, Sagas: strings.HasSuffix(shape, "saga")}
}

// TestSim runs seeds until enough executions have ended, on all processors,
// each world in one thread. make sim is this test.
func TestSim(t *testing.T) {
	if *replay != 0 {
		again(t)
		return
	}
	began := time.Now()
	sum := runSeeds(nth, *executions, *mostSeeds)
	t.Log(sum.table(time.Since(began)))
	for _, o := range sum.broken {
		t.Error(Report(Shrink(o, *shrink), false))
	}
	if sum.Well*10 < sum.Executions*7 {
		t.Errorf("%d of %d executions ended well: below the floor of 70 %%, the run proves nothing", sum.Well, sum.Executions)
	}
	sum.demand(t)
}

// again shows one world.
func again(t *testing.T) {
	o := shaped(*shape, *replay)
	var err error
	if o.Less, err = ParseLess(*less); err != nil {
		t.Fatal(err)
	}
	o.Trace = *showAll
	out := Run(o)
	for _, line := range out.Lines {
		fmt.Println(line)
	}
	if out.Violation != nil {
		t.Fatal(Report(out, false))
	}
	t.Logf("seed %d holds: %d executions, %d events", o.Seed, out.Executions, out.Events)
}

// demand holds, of a big run of all shapes, that it saw every situation and every
// fault.
func (s *summary) demand(t *testing.T) {
	if !*big || *shape != "" {
		return
	}
	for i, n := range s.Situations[:answeredAway] { // those that follow are of worlds in which any node does everything
		if n == 0 {
			t.Errorf("never seen: %s", SituationNames[i])
		}
	}
	for i, n := range s.Faults {
		if n == 0 {
			t.Errorf("never struck: %s", FaultNames[i])
		}
	}
}

// summary is what many runs came to.
type summary struct {
	Outcome
	seeds  int
	broken []Outcome // at most mostBroken
}

const mostBroken = 3

// runSeeds runs seed after seed until that many executions were run, or
// something broke.
func runSeeds(nth func(uint64) Options, executions, mostSeeds int) summary {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // worlds are small, and soon over
	most := mostBroken
	if *first {
		most = 1
	}
	var sum summary
	var mu sync.Mutex
	var next atomic.Uint64
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for {
				mu.Lock()
				done := sum.Executions >= executions || len(sum.broken) >= most
				mu.Unlock()
				n := next.Add(1) - 1
				if done || mostSeeds > 0 && n >= uint64(mostSeeds) {
					return
				}
				out := Run(nth(n))
				mu.Lock()
				sum.add(out)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	slices.SortFunc(sum.broken, func(a, b Outcome) int { return int(int64(a.Seed) - int64(b.Seed)) })
	return sum
}

func (s *summary) add(o Outcome) {
	s.seeds++
	s.Executions += o.Executions
	s.Well += o.Well
	s.Events += o.Events
	s.Commits += o.Commits
	s.Calls += o.Calls
	s.Crashes += o.Crashes
	for i, n := range o.Faults {
		s.Faults[i] += n
	}
	for i, n := range o.Situations {
		s.Situations[i] += n
	}
	if o.Violation != nil {
		s.broken = append(s.broken, o)
	}
}

// table is the summary for people.
func (s *summary) table(took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d seeds from %d: %d executions, %d events, %d commits, %d calls, %d crashes in %.1f s\n",
		s.seeds, *firstSeed, s.Executions, s.Events, s.Commits, s.Calls, s.Crashes, took.Seconds())
	fmt.Fprintf(&b, "%.0f executions/s; %.1f %% ended well; %d violations\n",
		float64(s.Executions)/took.Seconds(), 100*float64(s.Well)/float64(max(1, s.Executions)), len(s.broken))
	b.WriteString("faults:\n")
	for i, n := range s.Faults {
		fmt.Fprintf(&b, "  %9d  %s\n", n, FaultNames[i])
	}
	b.WriteString("situations:\n")
	for i, n := range s.Situations {
		fmt.Fprintf(&b, "  %9d  %s\n", n, SituationNames[i])
	}
	return b.String()
}

// TestSameSeedSameTrace runs seeds twice.
func TestSameSeedSameTrace(t *testing.T) {
	seeds := 1000
	if testing.Short() {
		seeds = 50
	}
	var next atomic.Uint64
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for n := next.Add(1); n <= uint64(seeds); n = next.Add(1) {
				o := shaped(byTurns[n%uint64(len(byTurns))], n)
				a, b := Run(o), Run(o)
				if a.Hash != b.Hash || a.Events != b.Events {
					t.Errorf("%s seed %d: %s", o.Shape(), n, differ(o, o))
					return
				}
			}
		})
	}
	group.Wait()
}

// TestColdAsWarm: an execution that is read from its rows at every turn takes
// the very same course as one that stays in memory (I5).
func TestColdAsWarm(t *testing.T) {
	seeds := 300
	if testing.Short() {
		seeds = 30
	}
	for n := range uint64(seeds) {
		warm, cold := Options{Seed: 1 + n, Sure: true}, Options{Seed: 1 + n, Sure: true, Cold: true}
		if Run(warm).Hash != Run(cold).Hash {
			t.Fatalf("seed %d: %s", n+1, differ(warm, cold))
		}
	}
}

// differ tells where two runs part.
func differ(one, other Options) string {
	one.Trace, other.Trace = true, true
	a, b := Run(one).Lines, Run(other).Lines
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is %q, and then %q", i, a[i], b[i])
		}
	}
	return fmt.Sprintf("traces of %d and %d lines", len(a), len(b))
}

// TestKeptSeeds runs the seeds that once found something. A line is a seed, or a
// shape, a seed and what is left out ("-" for nothing), and then says what it was.
func TestKeptSeeds(t *testing.T) {
	files, err := filepath.Glob("testdata/seeds/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no kept seeds: ", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) == 0 || fields[0][0] == '#' {
				continue
			}
			o, err := kept(fields)
			if err != nil {
				t.Fatalf("%s: %q: %v", file, line, err)
			}
			if o := Run(o); o.Violation != nil {
				t.Error(Report(o, false))
			}
		}
	}
}

func kept(fields []string) (Options, error) {
	if number, err := strconv.ParseUint(fields[0], 10, 64); err == nil {
		return Options{Seed: number}, nil
	}
	if len(fields) < 3 {
		return Options{}, errors.New("a shape, a seed, and what is left out")
	}
	number, err := strconv.ParseUint(fields[1], 10, 64)
	o := shaped(fields[0], number)
	if err == nil && fields[2] != "-" {
		o.Less, err = ParseLess(fields[2])
	}
	return o, err
}
