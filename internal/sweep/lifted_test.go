package sweep

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/lift"
	"github.com/backstep/backstep/internal/prove"
)

// TestLifted sweeps what the import makes of the sagas in its own scripts: where every
// pair was converted no world leaves one of their steps done, undoes it twice or out
// of order.
func TestLifted(t *testing.T) {
	files, err := filepath.Glob("../lift/testdata/*.txtar")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	swept, worlds := 0, 0
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sections := map[string]string{}
		for _, f := range archive.Files {
			sections[f.Name] = functions.ReplaceAllString(string(f.Data), "arn:aws:lambda:us-east-1:123456789012:function:$1")
		}
		for _, f := range archive.Files {
			name, is := strings.CutSuffix(f.Name, ".saga")
			if !is {
				continue
			}
			side, err := prove.ParseSidecar(sections[f.Name])
			if err != nil {
				t.Fatal(err)
			}
			definition, o := imported(t, sections[name+".yaml"], side)
			if definition == "" {
				continue
			}
			swept++
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar")+"/"+name, func(t *testing.T) {
				r, err := Sweep(t.Context(), Input{Definition: []byte(definition), Sidecar: side.Remaining(program(t, []byte(definition)))})
				if err != nil {
					t.Fatal(err)
				}
				worlds += r.Worlds
				for _, found := range r.Findings {
					if slices.ContainsFunc(o.Compensates, func(p lift.Pair) bool { return slices.Contains(p.Steps, found.Step) }) {
						t.Errorf("%s %s: %s\n%s\n%s", found.Kind, found.Step, found.Message, strings.Join(found.Faults, ", "), strings.Join(found.Calls, " → "))
					}
				}
			})
		}
	}
	t.Logf("%d sagas in %d worlds", swept, worlds)
	if swept < 20 {
		t.Error("too few were swept")
	}
}

// imported is a definition in the extension, "" where not every pair of it was
// converted.
func imported(t *testing.T, text string, side *prove.Sidecar) (string, lift.Options) {
	d, found := asl.Parse([]byte(text))
	if d == nil {
		t.Fatal(found)
	}
	o := lift.Options{Pivot: side.Pivot}
	for _, c := range side.Compensates {
		o.Compensates = append(o.Compensates, lift.Pair(c))
	}
	for _, r := range side.Refusals {
		o.Refusals = append(o.Refusals, lift.Refusal(r))
	}
	for state, errors := range side.KnownFailed {
		o.KnownFailed = append(o.KnownFailed, lift.Names{State: state, Errors: errors})
	}
	i, err := lift.Import(d, program(t, []byte(text)), o)
	if err != nil || len(i.Left) > 0 {
		return "", o
	}
	return i.Definition, o
}
