package sim

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/backstep/backstep/rig/mutant"
)

var (
	hunt      = flag.Bool("sim.mutants", false, "TestMutants builds each planted bug and runs it until it is caught")
	onlyBug   = flag.String("sim.mutant", "", "TestMutants hunts those alone whose file's name has this in it")
	mostToBug = flag.Int("sim.within", 20_000, "in how many seeds a planted bug must be caught")
)

const root = "../.."

// TestMutants: each planted bug of testdata/mutants stands in today's sources
// and, if asked for, is caught.
func TestMutants(t *testing.T) {
	all, err := mutant.Load("testdata/mutants")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 8 {
		t.Fatalf("%d planted bugs prove little", len(all))
	}
	for _, m := range all {
		if !strings.Contains(m.File, *onlyBug) {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(m.File), ".txt"), func(t *testing.T) {
			overlay, err := m.Overlay(root, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if *hunt {
				catch(t, &m, overlay)
			}
		})
	}
}

var caughtAt = regexp.MustCompile(`seed (\d+): (.*)`)

// catch builds the simulator with the planted bug and runs it until it fails.
func catch(t *testing.T, m *mutant.Mutant, overlay string) {
	binary := filepath.Join(t.TempDir(), "sim.test")
	build := exec.Command("go", "test", "-c", "-overlay", overlay, "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s does not build: %v\n%s", m.Name, err, out)
	}
	shape := "one"
	switch name := filepath.Base(m.File); {
	case strings.HasPrefix(name, "nodes-saga-"):
		shape = "nodes-saga"
	case strings.HasPrefix(name, "nodes-"):
		shape = "nodes"
	case strings.HasPrefix(name, "saga-"):
		shape = "one-saga"
	}
	run := exec.Command(binary, "-test.run=^TestSim$", "-test.timeout=30m", "-sim.first", "-sim.shrink=0", "-sim.shape="+shape,
		fmt.Sprintf("-sim.seeds=%d", *mostToBug), fmt.Sprintf("-sim.executions=%d", 1<<40))
	run.Env = os.Environ()
	out, err := run.CombinedOutput()
	found := caughtAt.FindStringSubmatch(string(out))
	if err == nil || found == nil {
		t.Errorf("not caught in %d seeds (%v): %s, which breaks %s\n%s", *mostToBug, err, m.Name, m.Breaks, out)
		return
	}
	t.Logf("caught at seed %s: %s\n\tby: %s", found[1], m.Name, found[2])
}
