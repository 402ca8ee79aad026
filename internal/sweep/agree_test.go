package sweep

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/prove"
)

// agreement is what came of holding proof and sweep against each other.
type agreement struct {
	states    int
	proof     int // findings of the proof
	confirmed int // of them by the sweep
	worlds    int
	sweep     int // findings of the sweep
	missed    int // of them by the proof
	kinds     map[Kind]bool
}

// unconfirmable are the findings that no run can confirm. There is no other one.
var unconfirmable = []struct{ rule, says, because string }{
	{"SAGA011", "is a pivot, and runs after another one is done", "a run ends as well as without: what the second pivot decides was decided"},
	{"SAGA019", "may be left when the saga goes back", "what becomes of a nested execution its own definition decides; here a participant stands in for it"},
}

func isUnconfirmable(f *prove.Finding) bool {
	for _, u := range unconfirmable {
		if u.rule == f.Rule && strings.Contains(f.Message, u.says) {
			return true
		}
	}
	return false
}

// confirmed reports whether a world of a finding's script ended as the finding
// says.
func confirmed(f *prove.Finding, r *Report) bool {
	return slices.ContainsFunc(r.Findings, func(s Finding) bool {
		return slices.Contains(rules[s.Kind], f.Rule) && (f.Step == "" || f.Step == s.Step)
	})
}

// neverUsed reports whether a finding says why no world came to a compensation.
func neverUsed(f *prove.Finding, proof *prove.Report, unmet string) bool {
	undoes := slices.ContainsFunc(proof.Pairs, func(p prove.Pair) bool { return p.Step == f.State && slices.Contains(p.Undos, unmet) })
	return (f.Rule == "SAGA011" || f.Rule == "SAGA012") && (undoes || unmet == f.State || unmet == "compensate of "+f.State)
}

// accounted reports whether the proof has a finding that tells of what a sweep has
// found: of that step, and where it is about a failure, of the state that failed.
func accounted(p *asl.Program, s *Finding, proof *prove.Report) bool {
	paired := slices.ContainsFunc(proof.Pairs, func(p prove.Pair) bool { return p.Step == s.Step })
	stopped := strings.Contains(strings.Join(s.Faults, " "), "the execution's TimeoutSeconds") || strings.Contains(strings.Join(s.Faults, " "), "the execution is stopped")
	return slices.ContainsFunc(proof.Findings, func(f prove.Finding) bool {
		switch {
		case !slices.Contains(rules[s.Kind], f.Rule) || f.Step != "" && f.Step != s.Step:
			return false
		case f.Rule == "SAGA009":
			return stopped
		case f.Rule == "SAGA004" || f.Rule == "SAGA005" || f.Rule == "SAGA008" || f.Rule == "SAGA020":
			return f.State == s.Step || f.Step != "" || f.Rule == "SAGA008"
		case f.Rule == "SAGA012": // the request of its compensation could not be made
			return f.State == s.Step || f.Step == s.Step && !slices.Contains(s.Calls, f.State)
		}
		if at := p.States[f.State]; at != nil && at.Type == asl.Succeed && f.Step != "" {
			return true // it is told where all ends well
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

// compare holds proof and sweep of a definition against each other: each finding
// of the proof is confirmed by its script, and all single faults at all points
// find nothing of which the proof does not tell.
func compare(t *testing.T, p *asl.Program, in Input) agreement {
	t.Helper()
	proof, err := prove.Prove(prove.Input{Program: p, Sidecar: in.Sidecar, Nested: in.Nested})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Sweep(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	a := agreement{states: len(p.Order), proof: len(proof.Findings), worlds: r.Worlds, sweep: len(r.Findings), kinds: map[Kind]bool{}}
	for i := range proof.Findings {
		if isConfirmed(t, in, &proof.Findings[i], proof, r, &a) {
			a.confirmed++
		}
	}
	for i := range r.Findings {
		a.kinds[r.Findings[i].Kind] = true
		if s := &r.Findings[i]; !accounted(p, s, proof) {
			a.missed++
			t.Errorf("missed by the proof: %s: %s\n   %s\n   %s\n   seed %s, %s", s.Kind, s.Message, strings.Join(s.Faults, "; "), strings.Join(s.Calls, " → "), s.Seed, s.Status)
		}
	}
	for _, unmet := range r.Unmet {
		if !slices.ContainsFunc(proof.Findings, func(f prove.Finding) bool { return neverUsed(&f, proof, unmet) }) {
			t.Errorf("no world came to the call: %s", unmet)
		}
	}
	if r.Reached != r.Points {
		t.Errorf("%d of %d fault points were reached", r.Reached, r.Points)
	}
	return a
}

// isConfirmed reports whether a run confirms a finding of the proof: by the
// finding's own script, or as all runs together do not come to what it calls
// unused.
func isConfirmed(t *testing.T, in Input, f *prove.Finding, proof *prove.Report, all *Report, a *agreement) bool {
	t.Helper()
	switch {
	case isUnconfirmable(f):
		return false
	case f.Rule == "SAGA011":
		used := !slices.ContainsFunc(all.Unmet, func(unmet string) bool { return neverUsed(f, proof, unmet) })
		if used {
			t.Errorf("not confirmed: %s at %s: %s", f.Rule, f.State, f.Message)
		}
		return !used
	case len(f.Path) == 0:
		t.Errorf("without a script: %s at %s: %s", f.Rule, f.State, f.Message)
		return false
	}
	in.Script = &f.Script
	r, err := Sweep(context.Background(), in)
	if err != nil {
		t.Errorf("%s at %s of %s: %v", f.Rule, f.State, f.Step, err)
		return false
	}
	for i := range r.Findings {
		a.kinds[r.Findings[i].Kind] = true
	}
	if confirmed(f, r) {
		return true
	}
	t.Errorf("not confirmed: %s at %s of %s: %s\n  path %v\n  script %+v\n  reached %d of %d, worlds %d", f.Rule, f.State, f.Step, f.Message, f.Path, f.Script, r.Reached, r.Points, r.Worlds)
	for _, s := range r.Findings {
		t.Logf("   found: %s %s %v %s", s.Kind, s.Message, s.Faults, s.Status)
	}
	return false
}
