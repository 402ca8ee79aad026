package prove

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/asl"
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

// TestCorpus proves every definition of the corpus that compiles, each within a
// second.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared(t, "corpus"), "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	proved, sagas := 0, 0
	for _, file := range files {
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
		begin := time.Now()
		r, err := Prove(Input{Program: p})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("%s: %v", filepath.Base(file), took)
		}
		if len(r.Undecided) > 0 {
			t.Errorf("%s: %v", filepath.Base(file), r.Undecided)
		}
		proved++
		if r.Kind != NoSaga {
			sagas++
		}
		for _, f := range r.Findings {
			if f.Message == "" || f.Fix == "" || strings.Contains(f.Message+f.Fix, "%!") || ruleOf(f.Rule) == nil {
				t.Errorf("%s: %+v", filepath.Base(file), f)
			}
		}
	}
	t.Logf("%d definitions, %d of them sagas", proved, sagas)
	if proved < 400 || sagas < 10 {
		t.Errorf("%d definitions were proven, %d of them sagas: too few", proved, sagas)
	}
}

// TestLongLivedTransactions looks for what is known to be wrong with AWS's own
// sample of a saga: who is charged and not refunded, a chain that is cut short,
// and a finished order that its notification fails.
func TestLongLivedTransactions(t *testing.T) {
	text, err := os.ReadFile(shared(t, "seed-sample/definition.json"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Prove(Input{Program: compile(t, string(text)), Sidecar: sidecarOf(t, `{"Compensates": {"ProcessRefund": "ProcessPayment", "ReleaseInventory": "ReserveInventory", "UpdateOrderStatus": "ProcessOrder"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ rule, state, step, says string }{
		{"SAGA001", "ReserveInventory", "ProcessPayment", "States.Timeout, Lambda.Unknown, Lambda.TooManyRequestsException"},
		{"SAGA002", "ReserveInventory", "ReserveInventory", "States.Timeout"},
		{"SAGA002", "ProcessPayment", "ProcessPayment", "States.Timeout"},
		{"SAGA003", "ReleaseInventory", "ProcessPayment", "ProcessRefund is skipped"},
		{"SAGA003", "ProcessRefund", "ProcessOrder", "UpdateOrderStatus is skipped"},
		{"SAGA006", "ProcessRefund", "", "States.Timeout"},
		{"SAGA007", "sns:NotifySuccess", "", "ends the execution as FAILED"},
		{"SAGA009", "ProcessOrder", "", "TimeoutSeconds of the machine (600)"},
	} {
		if !slices.ContainsFunc(r.Findings, func(f Finding) bool {
			return f.Rule == want.rule && f.State == want.state && f.Step == want.step && strings.Contains(f.Message, want.says)
		}) {
			t.Errorf("not found: %+v", want)
		}
	}
	if len(r.Findings) != 14 {
		t.Errorf("%d findings, not 14", len(r.Findings))
	}
}
