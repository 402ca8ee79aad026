package sim

import (
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
	executions = flag.Int("sim.executions", 5000, "how many executions TestSim runs")
	firstSeed  = flag.Uint64("sim.seed", 1, "the first seed of TestSim")
	replay     = flag.Uint64("sim.replay", 0, "TestSim runs this seed alone and shows its trace")
	showAll    = flag.Bool("sim.all", false, "with sim.replay: the whole trace, not its tail alone")
	mostSeeds  = flag.Int("sim.seeds", 0, "TestSim runs at most that many seeds; 0: as many as it takes")
	first      = flag.Bool("sim.first", false, "TestSim ends at the first violation")
	big        = flag.Bool("sim.big", false, "TestSim demands every situation and a floor of speed")
)

// TestSim runs seeds until enough executions have ended, on all processors,
// each world in one thread. make sim is this test.
func TestSim(t *testing.T) {
	if *replay != 0 {
		o := Run(Options{Seed: *replay, Trace: *showAll})
		for _, line := range o.Lines {
			fmt.Println(line)
		}
		if o.Violation != nil {
			t.Fatal(Report(o, false))
		}
		t.Logf("seed %d holds: %d executions, %d events", o.Seed, o.Executions, o.Events)
		return
	}
	began := time.Now()
	sum := runSeeds(Options{Seed: *firstSeed}, *executions, *mostSeeds)
	took := time.Since(began)
	t.Log(sum.table(took))
	for _, o := range sum.broken {
		t.Error(Report(o, false))
	}
	if sum.Well*10 < sum.Executions*7 {
		t.Errorf("%d of %d executions ended well: below the floor of 70 %%, the run proves nothing", sum.Well, sum.Executions)
	}
	sum.demand(t, false)
}

// TestSagas is TestSim with generated sagas. make sim SIM=saga is this test.
func TestSagas(t *testing.T) {
	if *replay != 0 {
		o := Run(Options{Seed: *replay, Trace: *showAll, Sagas: true})
		for _, line := range o.Lines {
			fmt.Println(line)
		}
		if o.Violation != nil {
			t.Fatal(Report(o, false))
		}
		t.Logf("seed %d holds: %d executions, %d events", o.Seed, o.Executions, o.Events)
		return
	}
	began := time.Now()
	sum := runSeeds(Options{Seed: *firstSeed, Sagas: true}, *executions, *mostSeeds)
	t.Log(sum.table(time.Since(began)))
	for _, o := range sum.broken {
		t.Error(Report(o, false))
	}
	if sum.Well*10 < sum.Executions*6 {
		t.Errorf("%d of %d executions ended well: below the floor of 60 %%, the run proves nothing", sum.Well, sum.Executions)
	}
	sum.demand(t, true)
}

// demand holds, of a big run, that it saw every situation: those of sagas, or all
// others and every fault.
func (s *summary) demand(t *testing.T, sagas bool) {
	if !*big {
		return
	}
	for i, n := range s.Situations {
		if ofSagas := situation(i) >= sagaCompleted && situation(i) <= stopUndoes; n == 0 && ofSagas == sagas {
			t.Errorf("never seen: %s", SituationNames[i])
		}
	}
	for i, n := range s.Faults {
		if n == 0 && !sagas {
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
func runSeeds(o Options, executions, mostSeeds int) summary {
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
				one := o
				one.Seed += n
				out := Run(one)
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
				a, b := Run(Options{Seed: n}), Run(Options{Seed: n})
				if a.Hash != b.Hash || a.Events != b.Events {
					t.Errorf("seed %d: %s", n, differ(Options{Seed: n}, Options{Seed: n}))
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

// TestKeptSeeds runs the seeds that once found something.
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
			number, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if number == "" || number[0] == '#' {
				continue
			}
			seed, err := strconv.ParseUint(number, 10, 64)
			if err != nil {
				t.Fatalf("%s: %q is no seed", file, number)
			}
			if o := Run(Options{Seed: seed}); o.Violation != nil {
				t.Error(Report(o, false))
			}
		}
	}
}
