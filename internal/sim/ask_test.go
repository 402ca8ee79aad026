package sim

import (
	"maps"
	"slices"
	"testing"

	"github.com/backstep/backstep/internal/engine"
)

// TestAsked: at any moment of any world, each execution that goes on is told to wait
// for something that is there, and nothing that it waits for is left out.
func TestAsked(t *testing.T) {
	kinds := map[engine.WaitKind]int{}
	asked := 0
	for _, sagas := range []bool{false, true} {
		for seed := uint64(1); seed <= 100; seed++ {
			out := Run(Options{Seed: seed, Sure: true, Sagas: sagas, Asks: true})
			if out.Violation != nil {
				t.Fatalf("seed %d, sagas %v: %v\n%s", seed, sagas, out.Violation, out.Violation.Dump)
			}
			for kind, n := range out.Waits {
				kinds[kind] += n
				asked += n
			}
		}
	}
	t.Logf("told of %d: %v", asked, kinds)
	for kind := engine.WaitTurn; kind <= engine.WaitAgain; kind++ {
		if kind != engine.WaitQuarantine && kind != engine.WaitInbox && kinds[kind] == 0 { // the one needs a broken engine, the other several nodes
			t.Errorf("nothing waited for a thing of kind %d: %v", kind, slices.Sorted(maps.Keys(kinds)))
		}
	}
}
