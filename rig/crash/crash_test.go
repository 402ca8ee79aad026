package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/rig/mutant"
)

const root = "../.."

func needGo(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to build the server with: ", err)
	}
}

// runShort is a run of a few cycles against a binary.
func runShort(t *testing.T, c config) (ok bool, report string) {
	t.Helper()
	var out strings.Builder
	c.dir, c.clients, c.seed, c.ready, c.progress = t.TempDir(), 16, 1, 20*time.Second, io.Discard
	ok, err := run(t.Context(), c, &out)
	if err != nil {
		t.Fatal(err)
	}
	return ok, out.String()
}

func TestCrash(t *testing.T) {
	needGo(t)
	binary, err := buildServer(t.Context(), root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, saga := range []bool{false, true} {
		cycles := 10
		if saga {
			cycles = 5
		}
		ok, report := runShort(t, config{backstep: binary, saga: saga, cycles: cycles, settle: 2 * time.Minute})
		t.Log("\n" + report)
		if !ok {
			t.Fail()
		}
	}
}

// TestPlantedBugs: a server that promises too early does not get by, nor one that
// undoes sagas wrongly.
func TestPlantedBugs(t *testing.T) {
	needGo(t)
	findPlanted(t, "testdata/mutants", config{})
	findPlanted(t, "testdata/mutants/saga", config{saga: true})
}

// TestBackupDrill: a backup taken under load is restored, and reconciled; and a
// server that takes the task tokens of before a restore does not get by.
func TestBackupDrill(t *testing.T) {
	needGo(t)
	drill := func(t *testing.T, binary string) (bool, string) {
		t.Helper()
		var out strings.Builder
		c := config{backstep: binary, dir: t.TempDir(), clients: 16, seed: 1, settle: 2 * time.Minute, progress: io.Discard}
		ok, err := drills(t.Context(), c, 1, &out)
		if err != nil {
			t.Fatal(err)
		}
		return ok, out.String()
	}
	binary, err := buildServer(t.Context(), root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if ok, report := drill(t, binary); !ok {
		t.Error("\n" + report)
	} else {
		t.Log("\n" + report)
	}
	if binary, err = buildMutant(t.Context(), root, t.TempDir(), "testdata/mutants/drill/old-tokens-taken.txt"); err != nil {
		t.Fatal(err)
	}
	if ok, report := drill(t, binary); ok || !strings.Contains(report, "a task token of before the restore is taken") {
		t.Errorf("the bug is not found:\n%s", report)
	}
}

// TestDisk: each fault of the disk, under the real binary; and a server that
// acknowledges before its sync, or goes on after a failed one, does not get by.
func TestDisk(t *testing.T) {
	needGo(t)
	dropfs := buildDropfs(t)
	binary, err := buildServer(t.Context(), root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ok, report := runShort(t, config{backstep: binary, dropfs: dropfs, faults: []fault{dropped, unsync, full, stalled, unsync, dropped}, cycles: 6, settle: 2 * time.Minute})
	t.Log("\n" + report)
	if !ok {
		t.Fail()
	}
	findPlanted(t, "testdata/mutants/disk", config{dropfs: dropfs, faults: []fault{dropped, unsync}})
}

// buildDropfs builds the file system that forgets, where one can be mounted.
func buildDropfs(t *testing.T) string {
	t.Helper()
	fuse, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil || os.Geteuid() != 0 {
		t.Skip("no file system of our own can be mounted, so nothing is known here of a disk that forgets or fails: ", err)
	}
	fuse.Close()
	binary := filepath.Join(t.TempDir(), "dropfs")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Dir = root + "/rig/dropfs"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

func findPlanted(t *testing.T, dir string, c config) {
	mutants, err := mutant.Load(dir)
	if err != nil || len(mutants) == 0 {
		t.Fatal("no planted bugs: ", err)
	}
	for _, m := range mutants {
		t.Run(strings.TrimSuffix(filepath.Base(m.File), ".txt"), func(t *testing.T) {
			binary, err := buildMutant(t.Context(), root, t.TempDir(), m.File)
			if err != nil {
				t.Fatal(err)
			}
			invariant, _, _ := strings.Cut(m.Breaks, ",")
			run := c
			run.backstep, run.cycles, run.settle = binary, 4, 8*time.Second
			ok, report := runShort(t, run)
			if ok || !strings.Contains(report, "\n"+invariant+" ") && !strings.Contains(report, "\nFAULT "+invariant+" ") {
				t.Errorf("the bug is not found by %s:\n%s", invariant, report)
			}
		})
	}
}

// TestAServerThatEndsByItself is an error of the run, unless its fault ends servers.
func TestAServerThatEndsByItself(t *testing.T) {
	s := &server{program: "true", dir: t.TempDir(), command: exec.CommandContext}
	if err := s.spawn(); err != nil {
		t.Skip("no program to take for a server: ", err)
	}
	<-s.exited
	l := &lone{rig: &rig{journal: &journal{}, participants: &participants{}}, server: s}
	for what, may := range map[fault]bool{killed: false, paused: false, dropped: false, stalled: false, full: true, unsync: true} {
		if _, err := l.finish(what); may && err != nil || !may && !errors.Is(err, errEnded) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := l.awaitWrites(t.Context(), 1); !errors.Is(err, errEnded) {
		t.Errorf("while its work is waited for: %v", err)
	}
}

// simple is the history of an order that is refused its stock at the second
// try and undone.
func simple() []api.HistoryEvent {
	entered := func(id, prev int64, kind api.HistoryEventType, name string) api.HistoryEvent {
		return api.HistoryEvent{Id: id, PreviousEventId: prev, Type: kind, StateEnteredEventDetails: &api.StateEnteredEventDetails{Name: name}}
	}
	exited := func(id, prev int64, name string) api.HistoryEvent {
		return api.HistoryEvent{Id: id, PreviousEventId: prev, Type: "TaskStateExited", StateExitedEventDetails: &api.StateExitedEventDetails{Name: name}}
	}
	plain := func(id, prev int64, kind api.HistoryEventType) api.HistoryEvent {
		return api.HistoryEvent{Id: id, PreviousEventId: prev, Type: kind}
	}
	return []api.HistoryEvent{
		plain(1, 0, "ExecutionStarted"),
		entered(2, 0, "TaskStateEntered", "Reserve"),
		plain(3, 2, "TaskScheduled"), plain(4, 3, "TaskStarted"), plain(5, 4, "TaskFailed"),
		plain(6, 5, "TaskScheduled"), plain(7, 6, "TaskStarted"), plain(8, 7, "TaskFailed"),
		exited(9, 8, "Reserve"),
		entered(10, 9, "TaskStateEntered", "Release"),
		plain(11, 10, "TaskScheduled"), plain(12, 11, "TaskStarted"), plain(13, 12, "TaskSucceeded"),
		exited(14, 13, "Release"),
		entered(15, 14, "FailStateEntered", "Failed"),
		plain(16, 15, "ExecutionFailed"),
	}
}

// TestFollow: a history that is not whole, or not legal, is told from one that
// is.
func TestFollow(t *testing.T) {
	f := flowOf(ways[0][0].definition())
	if p := follow(f, simple()); len(p.faults) > 0 || p.status != "FAILED" || p.step("Reserve").scheduled != 2 || p.step("Release").succeeded != 1 {
		t.Fatalf("a good history: %q, %+v", p.faults, p)
	}
	for what, spoil := range map[string]func([]api.HistoryEvent) []api.HistoryEvent{
		"a gap":                   func(h []api.HistoryEvent) []api.HistoryEvent { return append(h[:7], h[8:]...) },
		"an id twice":             func(h []api.HistoryEvent) []api.HistoryEvent { h[7].Id = 7; return h },
		"a cause that comes late": func(h []api.HistoryEvent) []api.HistoryEvent { h[7].PreviousEventId = 8; return h },
		"a success of what failed": func(h []api.HistoryEvent) []api.HistoryEvent {
			h[8].PreviousEventId = 5
			return h
		},
		"a call that was not started": func(h []api.HistoryEvent) []api.HistoryEvent { h[7].PreviousEventId = 6; return h },
		"another state's exit":        func(h []api.HistoryEvent) []api.HistoryEvent { h[8].StateExitedEventDetails.Name = "Ship"; return h },
		"a step left out":             func(h []api.HistoryEvent) []api.HistoryEvent { h[9].StateEnteredEventDetails.Name = "Refund"; return h },
		"a clock that goes back":      func(h []api.HistoryEvent) []api.HistoryEvent { h[4].Timestamp = 9; return h },
		"an event after the end": func(h []api.HistoryEvent) []api.HistoryEvent {
			return append(h, api.HistoryEvent{Id: 17, Type: "ExecutionAborted"})
		},
		"a second start": func(h []api.HistoryEvent) []api.HistoryEvent {
			return append(h[:15], api.HistoryEvent{Id: 16, Type: "ExecutionStarted"})
		},
		"a second thread": func(h []api.HistoryEvent) []api.HistoryEvent { h[9].PreviousEventId = 0; return h },
	} {
		if p := follow(f, spoil(simple())); len(p.faults) == 0 {
			t.Errorf("%s is not seen", what)
		}
	}
}

// TestBrokenHistoriesAreReported: whatever a server says of an order, the rig tells of
// it, and does not end itself.
func TestBrokenHistoriesAreReported(t *testing.T) {
	entered := &api.StateEnteredEventDetails{Name: "Debit"}
	for what, events := range map[string][]api.HistoryEvent{
		"empty":                      {},
		"a branch without its whole": {{Id: 1, Type: "ExecutionStarted"}, {Id: 2, Type: "TaskStateEntered", StateEnteredEventDetails: entered}, {Id: 3, PreviousEventId: 2, Type: "ExecutionFailed"}},
	} {
		for _, read := range []bool{true, false} {
			var text strings.Builder
			a := &audit{}
			o := &order{events: events, found: &api.DescribeExecutionOutput{}, starts: []call{{}}}
			if read {
				o.path = follow(flowOf(ways[0][2].definition()), events)
			}
			a.checkStarts(o)
			if printFindings(&text, a); len(a.found) == 0 || len(events) > 0 && !strings.Contains(text.String(), "ExecutionFailed") {
				t.Errorf("%s: %v\n%s", what, a.found, text.String())
			}
		}
	}
	newAudit(&rig{}, []call{{Verb: stop, Execution: "one that nobody started"}}, nil)
}

// TestWrongUse: what would show nothing, or be done to nothing, is refused.
func TestWrongUse(t *testing.T) {
	good := func() (config, trial) { return config{cycles: 1, clients: 1}, trial{runs: 1} }
	for want, spoil := range map[string]func(*config, *trial){
		"":          func(*config, *trial) {},
		"there are": func(c *config, _ *trial) { c.shape = "earthquake" },
		"give one":  func(c *config, t *trial) { c.shape, t.drill = "kill", true },
		"-saga":     func(c *config, t *trial) { c.saga, t.drill = true, true },
		"-before":   func(c *config, _ *trial) { c.shape = "upgrade" },
		"together":  func(c *config, _ *trial) { c.shape, c.before = "kill", "bin/older" },
		"-dropfs":   func(c *config, t *trial) { c.faults, t.drill = []fault{killed}, true },
		"-cycles":   func(c *config, _ *trial) { c.cycles = 0 },
		"-runs":     func(_ *config, t *trial) { t.runs = 0 },
	} {
		c, tried := good()
		spoil(&c, &tried)
		if err := tried.check(&c); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	used := t.TempDir()
	if err := os.WriteFile(filepath.Join(used, "journal.jsonl"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newRig(config{dir: used}); err == nil || !strings.Contains(err.Error(), "another folder") {
		t.Errorf("a folder with the books of another run is taken: %v", err)
	}
}

// TestVersions: a run that does not show two versions side by side is told from one that
// does.
func TestVersions(t *testing.T) {
	shown := func() *versions {
		return &versions{claims: countsOf("before|3\nnow|2\n"), mail: countsOf("before > now|4\nnow > before|1\nnow > now|9\n")}
	}
	for want, spoil := range map[string]func(*versions){
		"":                                func(*versions) {},
		`"now" never owned`:               func(v *versions) { delete(v.claims, versionNow) },
		`no mail of the version "before"`: func(v *versions) { delete(v.mail, "before > now") },
		`no mail of the version "now"`:    func(v *versions) { delete(v.mail, "now > before") },
		"7 messages":                      func(v *versions) { v.unheard = 7 },
	} {
		v := shown()
		spoil(v)
		if said := strings.Join(v.lacking(), "; "); (said == "") != (want == "") || !strings.Contains(said, want) {
			t.Errorf("%q: %q", want, said)
		}
	}
}

// TestDefinitions: all sagas have the states by which they are followed.
func TestDefinitions(t *testing.T) {
	for _, way := range ways {
		for _, s := range way {
			f := flowOf(s.definition())
			for _, o := range operations {
				if f.next[o.name] == nil {
					t.Errorf("%s has no state %s", s.name, o.name)
				}
			}
		}
	}
}

// TestHolds: a hold is resolved, or gone with a plan or its saga. One that came
// after the plan does not go by it.
func TestHolds(t *testing.T) {
	const held, resolved, planned = api.HistoryEventTypeSagaHeld, api.HistoryEventTypeSagaResolved, api.HistoryEventTypeSagaAborting
	event := func(kind api.HistoryEventType, hold string) api.HistoryEvent {
		e := api.HistoryEvent{Type: kind, SagaEventDetails: &api.SagaEventDetails{}}
		if hold != "" {
			e.SagaEventDetails.HoldId = &hold
		}
		return e
	}
	for _, c := range []struct {
		what            string
		events          []api.HistoryEvent
		dropped, wanted int
	}{
		{"resolved", []api.HistoryEvent{event(held, "1"), event(resolved, "1")}, 0, 0},
		{"forgotten", []api.HistoryEvent{event(held, "1")}, 1, 1},
		{"dropped by a stop", []api.HistoryEvent{event(held, "1"), event(planned, "")}, 1, 0},
		{"held anew for its undo", []api.HistoryEvent{event(held, "1"), event(planned, ""), event(held, "2"), event(resolved, "2")}, 1, 0},
		{"forgotten after the plan", []api.HistoryEvent{event(held, "1"), event(planned, ""), event(held, "2")}, 2, 1},
		{"a pivot, resolved after the plan", []api.HistoryEvent{event(held, "1"), event(planned, ""), event(resolved, "1")}, 0, 0},
		{"resolved twice", []api.HistoryEvent{event(held, "1"), event(resolved, "1"), event(resolved, "1")}, 0, 1},
	} {
		a := &sagaAudit{audit: &audit{}, seen: map[string]bool{holdName("x", "1"): true, holdName("x", "2"): true}}
		a.checkHolds(&ended{order: &order{execution: "x", events: c.events}})
		if len(a.found) != c.wanted || a.sums.dropped != c.dropped {
			t.Errorf("%s: %d findings, %d dropped: %v", c.what, len(a.found), a.sums.dropped, a.found)
		}
	}
}
