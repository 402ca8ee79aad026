package prove

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
)

func TestLook(t *testing.T) {
	pattern := os.Getenv("LOOK")
	if pattern == "" {
		t.Skip()
	}
	files, _ := filepath.Glob(pattern)
	for _, f := range files {
		text, _ := os.ReadFile(f)
		d, ds := asl.Parse(text)
		if d == nil {
			fmt.Println(f, asl.Render(ds))
			continue
		}
		p, err := asl.Compile(d, asl.Rules{Distributed: true, Foreign: true, Serves: asl.OnAWS})
		if err != nil {
			fmt.Println(f, err)
			continue
		}
		in := Input{Program: p}
		if s := os.Getenv("SIDECAR"); s != "" {
			text, _ := os.ReadFile(s)
			side, err := ParseSidecar(string(text))
			if err != nil {
				t.Fatal(err)
			}
			in.Sidecar = side
		}
		r, err := Prove(in)
		if err != nil {
			t.Fatal(err)
		}
		if os.Getenv("ONLY") != "" && r.Kind == NoSaga && len(r.Findings) == 0 {
			continue
		}
		fmt.Println("==", filepath.Base(f))
		if in.Sidecar == nil {
			fmt.Print(Propose(p).Text())
		}
		show(r)
	}
}

func show(r *Report) {
	fmt.Printf("%s: %d states, %d steps, %d paths, proposed=%v, more=%d\n", r.Kind, r.States, r.Steps, r.Paths, r.Proposed, r.More)
	for _, f := range r.Findings {
		fmt.Printf("%s %s %s: %s\n", f.Severity, f.Rule, f.State, f.Message)
		var path []string
		for _, m := range f.Path {
			path = append(path, strings.TrimSpace(m.State+" "+m.Way))
		}
		fmt.Printf("    %s\n    fix: %s\n    %+v\n", strings.Join(path, " → "), f.Fix, f.Script)
	}
	for _, u := range r.Undecided {
		fmt.Println("  undecided", u)
	}
	for _, a := range r.Assumed {
		fmt.Println("  assumed", a)
	}
}
