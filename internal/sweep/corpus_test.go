package sweep

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/prove"
)

// shared is a file of the shared specifications, where they are at hand.
func shared(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(os.Getenv("BACKSTEP_SHARED"), name)
	if os.Getenv("BACKSTEP_SHARED") == "" {
		path = filepath.Join("..", "..", "..", "shared", name)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED: %s is missing; set BACKSTEP_SHARED", path)
	}
	return path
}

// confirmed reports whether a world of a finding's script ended as the finding
// says.
func confirmed(f *prove.Finding, r *Report) bool {
	return slices.ContainsFunc(r.Findings, func(s Finding) bool {
		return slices.Contains(rules[s.Kind], f.Rule) && (f.Step == "" || f.Step == s.Step)
	})
}

// accounted reports whether the proof has a finding that tells of what a sweep has
// found: of that step, and where it is about a failure, of the state that failed.
func accounted(p *asl.Program, s *Finding, proof *prove.Report) bool {
	paired := slices.ContainsFunc(proof.Pairs, func(p prove.Pair) bool { return p.Step == s.Step })
	return slices.ContainsFunc(proof.Findings, func(f prove.Finding) bool {
		switch {
		case !slices.Contains(rules[s.Kind], f.Rule) || f.Step != "" && f.Step != s.Step:
			return false
		case f.Rule == "SAGA009":
			return strings.Contains(strings.Join(s.Faults, " "), "the execution's TimeoutSeconds") || strings.Contains(strings.Join(s.Faults, " "), "the execution is stopped")
		case f.Rule == "SAGA004" || f.Rule == "SAGA005" || f.Rule == "SAGA008" || f.Rule == "SAGA020":
			return f.State == s.Step || f.Step != "" || f.Rule == "SAGA008"
		}
		if !paired && f.State == s.Step {
			return true // what nothing undoes is told once, whatever fails after it
		}
		for at := p.States[s.At]; at != nil; at = at.Flow.Owner {
			if at.Name == f.State {
				return true
			}
		}
		return s.At == "" && len(s.Faults) == 0 // nothing had to fail
	})
}

// TestCorpus holds proof and sweep against each other, of the published sagas.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob(shared(t, "corpus/real") + "/*.json")
	if err != nil {
		t.Fatal(err)
	}
	sample := shared(t, "seed-sample/definition.json")
	files = append([]string{sample, sample}, files...)
	sagas := 0
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, _ := asl.Parse(text)
		if d == nil {
			continue
		}
		p, err := asl.Compile(d, asl.Rules{Distributed: true, Foreign: true, Serves: asl.OnAWS})
		if err != nil {
			continue
		}
		in := Input{Definition: text}
		if i == 0 { // the second time with the pairs that its names suggest
			if in.Sidecar, err = prove.ParseSidecar(`{"Compensates": {"ProcessRefund": "ProcessPayment", "ReleaseInventory": "ReserveInventory", "UpdateOrderStatus": "ProcessOrder"}}`); err != nil {
				t.Fatal(err)
			}
		}
		proof, err := prove.Prove(prove.Input{Program: p, Sidecar: in.Sidecar})
		if err != nil {
			t.Fatal(err)
		}
		if proof.Kind == prove.NoSaga {
			continue
		}
		sagas++
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) { compare(t, p, in, proof) })
	}
	if sagas < 10 {
		t.Errorf("%d sagas were swept", sagas)
	}
}

func compare(t *testing.T, p *asl.Program, in Input, proof *prove.Report) {
	agreed := 0
	for i := range proof.Findings {
		f := &proof.Findings[i]
		if len(f.Path) == 0 {
			t.Logf("no script: %s %s %s", f.Rule, f.State, f.Message)
			continue
		}
		scripted := in
		scripted.Script = &f.Script
		r, err := Sweep(context.Background(), scripted)
		if err != nil {
			t.Errorf("%s %s %s: %v", f.Rule, f.State, f.Step, err)
			continue
		}
		if confirmed(f, r) {
			agreed++
			continue
		}
		t.Errorf("not confirmed: %s at %s of %s: %s\n  path %v\n  script %+v\n  reached %d of %d, worlds %d", f.Rule, f.State, f.Step, f.Message, f.Path, f.Script, r.Reached, r.Points, r.Worlds)
		for _, s := range r.Findings {
			t.Logf("   found: %s %s %v %s", s.Kind, s.Message, s.Faults, s.Status)
		}
	}
	r, err := Sweep(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Findings {
		if s := &r.Findings[i]; !accounted(p, s, proof) {
			t.Errorf("missed by the proof: %s: %s\n   %s\n   %s\n   seed %s, %s", s.Kind, s.Message, strings.Join(s.Faults, "; "), strings.Join(s.Calls, " → "), s.Seed, s.Status)
		}
	}
	if r.Reached != r.Points || len(r.Unmet) > 0 {
		t.Errorf("%d of %d fault points were reached, and %v were never called", r.Reached, r.Points, r.Unmet)
	}
	t.Log(fmt.Sprintf("%d of %d findings confirmed; %d findings in %d worlds, %d paths", agreed, len(proof.Findings), len(r.Findings), r.Worlds, r.Paths))
}
