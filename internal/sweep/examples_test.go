package sweep

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/prove"
)

// TestExamples: every saga of the examples that is written in the extension is
// proven, and no two faults harm it.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/*.asl.json")
	if err != nil {
		t.Fatal(err)
	}
	sagas := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := program(t, text)
		if !p.HasSagas() {
			continue
		}
		sagas++
		t.Run(strings.TrimSuffix(strings.TrimPrefix(file, "../../examples/"), ".asl.json"), func(t *testing.T) {
			in := Input{Definition: text, Pairs: true}
			if side, err := os.ReadFile(strings.Replace(file, ".asl.json", ".saga.json", 1)); err == nil {
				if in.Sidecar, err = prove.ParseSidecar(string(side)); err != nil {
					t.Fatal(err)
				}
			}
			proof, err := prove.Prove(prove.Input{Program: p, Sidecar: in.Sidecar})
			if err != nil || !proof.Proven() {
				t.Errorf("it is not proven: %+v, %v", proof, err)
			}
			r, err := Sweep(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.Findings {
				t.Errorf("%s: %s; %s\n  %s", f.Seed, f.Message, strings.Join(f.Faults, "; "), strings.Join(f.Calls, " → "))
			}
			if !r.Clean() || len(r.Unmet) > 0 {
				t.Errorf("%d of %d points were reached, %v were never called", r.Reached, r.Points, r.Unmet)
			}
			t.Logf("%d worlds", r.Worlds)
		})
	}
	if sagas < 4 {
		t.Errorf("%d sagas were swept", sagas)
	}
}
