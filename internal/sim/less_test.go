package sim

import (
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/store"
)

// What is left out of a world stands on one line, and is read from it.
func TestLessOnALine(t *testing.T) {
	for _, text := range []string{"", "kinds=3,5", "kinds=1;strikes=7,9;until=40;starts=0,2;nodes=2"} {
		l, err := ParseLess(text)
		if err != nil || l.String() != text {
			t.Errorf("%q is %q, %v", text, l, err)
		}
	}
	for _, text := range []string{"kinds", "kinds=x", "colours=1"} {
		if _, err := ParseLess(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

// A world in which something breaks is shrunk to one in which little else happens,
// and the line that is told runs that one.
func TestShrink(t *testing.T) {
	broken := func(w *world) {
		if w.out.Faults[nodeKilled] > 0 && w.out.Situations[takenOver] > 0 {
			w.failf("I0", store.ID{}, "made for this test")
		}
	}
	for seed := uint64(1); ; seed++ {
		if seed > 100 {
			t.Fatal("nothing broke")
		}
		options := shaped("nodes", seed)
		options.also = broken
		o := Run(options)
		if o.Violation == nil || o.Executions < 5 || o.Strikes < 20 {
			continue
		}
		least := Shrink(o, 250)
		struck := 0
		for _, n := range least.Faults {
			struck += n
		}
		if least.Violation == nil || least.Executions > 2 || struck > 3 {
			t.Errorf("seed %d: %d executions and %d faults are left, of %d and %d", seed, least.Executions, struck, o.Executions, o.Strikes)
		}
		again := Run(least.Options)
		if again.Hash != least.Hash {
			t.Error("the least world is another one the second time")
		}
		if report := Report(least, false); !strings.Contains(report, "-sim.less='"+least.Less.String()+"'") {
			t.Errorf("how to see it again is not told: %s", report)
		}
		return
	}
}
