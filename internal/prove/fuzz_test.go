package prove

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/fuzz"
)

// FuzzProve holds that any definition is proven, or not, without a panic, within
// its bound and always in the same way, with the sidecar that is proposed for it
// and with any other one.
func FuzzProve(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		sidecars := map[string]string{}
		for _, s := range archive.Files {
			sidecars[s.Name] = string(s.Data)
		}
		for _, s := range archive.Files {
			if name, ok := strings.CutSuffix(s.Name, ".yaml"); ok {
				f.Add(functions.ReplaceAllString(string(s.Data), "arn:aws:lambda:us-east-1:123456789012:function:$1"), sidecars[name+".saga"])
			}
		}
	}
	if text, err := os.ReadFile("../../examples/order/order.asl.json"); err == nil {
		f.Add(string(text), "")
	}
	f.Fuzz(func(t *testing.T, definition, sidecar string) {
		d, _ := asl.Parse([]byte(definition))
		if d == nil {
			return
		}
		p, err := asl.Compile(d, asl.Rules{Distributed: true, Serves: asl.OnAWS, Foreign: true})
		if err != nil {
			return
		}
		fuzz.Bounded(t, func() { tryProve(t, p, sidecar) })
	})
}

func tryProve(t *testing.T, p *asl.Program, sidecar string) {
	in := Input{Program: p, Edges: 100_000}
	if s, err := ParseSidecar(sidecar); err == nil {
		in.Sidecar = s
		again, err := ParseSidecar(s.Text())
		if err != nil || again.Text() != s.Text() {
			t.Errorf("%v: %q was written as %q", err, sidecar, s.Text())
		}
	}
	r, err := Prove(in)
	if err != nil {
		if in.Sidecar == nil {
			t.Errorf("what is proposed does not fit: %v", err)
		}
		return
	}
	again, _ := Prove(in)
	if !reflect.DeepEqual(r, again) {
		t.Errorf("two proofs of one definition differ:\n%s\n%s", told(r), told(again))
	}
	for _, f := range r.Findings {
		if p.States[f.State] == nil || ruleOf(f.Rule) == nil || f.Message == "" || f.Fix == "" || strings.Contains(f.Message+f.Fix, "%!") {
			t.Errorf("%+v", f)
		}
		for _, m := range f.Path {
			if m.State != "" && p.States[m.State] == nil {
				t.Errorf("a path by %q", m.State)
			}
		}
	}
	if _, err := ParseSidecar(Propose(p).Text()); err != nil {
		t.Errorf("a proposal is refused: %v", err)
	}
}
