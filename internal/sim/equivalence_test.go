package sim

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/lower"
)

var equivalent = flag.Uint64("sim.equivalent", 300, "sagas that are run as they are and exported, and compared")

// TestEquivalence runs generated sagas as they are and, exported, as AWS would: the
// same faults have to leave the same ledger, and end the execution in the same way.
func TestEquivalence(t *testing.T) {
	refused, differ, asked := map[string]int{}, 0, 0
	ends, faults, undone := map[string]int{}, 0, 0
	compared := uint64(0)
	for seed := uint64(0); compared < *equivalent; seed++ {
		text := exportable(chanceOf(seed))
		definition, program := compileText(t, text, false)
		e, err := lower.Export(definition, program, lower.Options{Hold: "arn:aws:lambda:us-east-1:123456789012:function:hold"})
		if err != nil {
			first, _, _ := strings.Cut(err.Error(), "\n")
			_, why, _ := strings.Cut(first, ": ")
			refused[why]++
			continue
		}
		compared++
		native, exported := newTwin(t, seed, text, false, program), newTwin(t, seed, e.Definition, true, program)
		native.joins = strings.Contains(text, `"Type":"Parallel"`) || strings.Contains(text, `"Type":"Map"`)
		exported.joins = native.joins
		a, b := native.run(), exported.run()
		ends[native.status]++
		asked += len(native.asked)
		faults, undone = faults+native.struck, undone+len(native.undone)
		if a != b {
			if differ++; differ <= 3 {
				t.Errorf("seed %d: as it is\n%s\n%s\nand exported\n%s\n%s\nof\n%s\nas\n%s", seed, a, strings.Join(native.heard, "\n"), b, strings.Join(exported.heard, "\n"), text, e.Definition)
			}
		}
	}
	t.Logf("%d sagas compared under %d faults with %d undos and %d holds: %d differ; they end %v; refused: %v", compared, faults, undone, asked, differ, ends, refused)
	if len(ends) < 2 || undone == 0 || asked == 0 {
		t.Error("too little was compared")
	}
}

func chanceOf(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 65)) }

func compileText(t *testing.T, text string, strict bool) (*asl.Definition, *asl.Program) {
	t.Helper()
	d, found := asl.Parse([]byte(text))
	if d == nil {
		t.Fatal(found)
	}
	p, err := asl.Compile(d, asl.Rules{Strict: strict, Distributed: true, Serves: asl.OnAWS})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d, p
}
