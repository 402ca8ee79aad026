package sweep

import (
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/prove"
)

// rules are those of the proof that a finding of a kind breaks.
var rules = map[Kind][]string{
	left:          {"SAGA001", "SAGA002", "SAGA003", "SAGA004", "SAGA005", "SAGA007", "SAGA009", "SAGA010", "SAGA012", "SAGA013", "SAGA014", "SAGA018", "SAGA019"},
	givenUp:       {"SAGA003", "SAGA006"},
	undoneTwice:   {"SAGA005"},
	undoneNever:   {"SAGA005"},
	outOfOrder:    {"SAGA004", "SAGA005"},
	undoneAndWell: {"SAGA008"},
	doneAndFailed: {"SAGA007"},
	afterPivot:    {"SAGA009", "SAGA010", "SAGA018"},
	notTakenBack:  {"SAGA020"},
	doneTwice:     {"SAGA015"},
	neverEnds:     {"SAGA012", "SAGA016", "SAGA017"},
	heldForGood:   {"SAGA010", "SAGA012"},
}

// accept moves the findings out of the way that the sidecar takes on: those of a
// rule, where it names a state those about that state alone.
func (w *sweeper) accept(all []prove.Acceptance) {
	kept := w.report.Findings[:0]
	for _, f := range w.report.Findings {
		i := slices.IndexFunc(all, func(a prove.Acceptance) bool { return w.takesOn(a, &f) })
		if i < 0 {
			kept = append(kept, f)
			continue
		}
		f.Because = all[i].Because
		w.report.Accepted = append(w.report.Accepted, f)
	}
	w.report.Findings = kept
}

func (w *sweeper) takesOn(a prove.Acceptance, f *Finding) bool {
	stopped := slices.ContainsFunc(f.plan.faults, func(x fault) bool { return x.kind == stop || x.kind == expiry })
	switch {
	case !slices.Contains(rules[f.Kind], a.Rule), a.Severity == prove.Warning && a.Rule == "SAGA001" && f.plan.spoilt == "":
		return false
	case a.Rule == "SAGA009":
		return stopped && (a.State == "" || a.State == w.saga.roles[f.Step].StopAt)
	case a.Rule == "SAGA003" || a.Rule == "SAGA006":
		return w.saga.isUndo(f.At) && (a.State == "" || a.State == f.At)
	case stopped,
		a.Rule == "SAGA007" && !w.saga.isAside(f.At),
		a.Rule == "SAGA012" && !w.saga.data,
		a.Rule == "SAGA018" && !strings.HasPrefix(f.Status, machine.TimedOut.String()),
		a.Rule == "SAGA019" && w.saga.written.States[f.Step].Task.Resource.Kind != asl.NestedExecution:
		return false
	case a.Rule == "SAGA012" && slices.Contains(w.saga.roles[a.State].Undoes, f.Step):
		return true
	}
	return a.State == "" || a.State == f.Step || w.isWithin(f.At, a.State)
}

// isWithin reports whether a state is another one, or stands within it.
func (w *sweeper) isWithin(state, other string) bool {
	var owner *asl.State
	for at := w.saga.runs.States[state]; at != nil; at = owner {
		if at.Name == other {
			return true
		}
		owner = at.Flow.Owner
	}
	return false
}
