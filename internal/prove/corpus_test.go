package prove

import (
	"os"
	"path/filepath"
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
