package lift_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/lift"
	"github.com/backstep/backstep/internal/prove"
)

var update = flag.Bool("update", false, "rewrite the expectations of testdata")

// TestScripts runs testdata/*.txtar: a definition stands under its name, its sidecar
// under name.saga, and what comes of it under name.want: the definition in the
// extension, what changed, what is left, and how many findings the proof had before
// and has after. "fn:x" stands for the ARN of a function x.
func TestScripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txtar")
	if len(files) == 0 {
		t.Fatal("no scripts")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, f := range archive.Files {
		sections[f.Name] = string(f.Data)
	}
	rewritten := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		if strings.HasSuffix(f.Name, ".want") {
			continue
		}
		rewritten.Files = append(rewritten.Files, f)
		name, is := strings.CutSuffix(f.Name, ".yaml")
		if !is {
			continue
		}
		got := imported(t, name, string(f.Data), sections[name+".saga"])
		if want := sections[name+".want"]; got != want && !*update {
			t.Errorf("%s:\n--- got\n%s--- want\n%s", name, got, want)
		}
		rewritten.Files = append(rewritten.Files, txtar.File{Name: name + ".want", Data: []byte(got)})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(rewritten), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	short = regexp.MustCompile(`\bfn:(\w+)`)
	long  = regexp.MustCompile(`arn:aws:lambda:us-east-1:123456789012:function:(\w+)`)
)

func compiled(t *testing.T, text string) (*asl.Definition, *asl.Program) {
	t.Helper()
	d, found := asl.Parse([]byte(short.ReplaceAllString(text, "arn:aws:lambda:us-east-1:123456789012:function:$1")))
	if d == nil {
		t.Fatal(found)
	}
	p, err := asl.Compile(d, asl.Rules{Distributed: true, Serves: asl.OnAWS, Foreign: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d, p
}

// optionsOf is a sidecar as an import has it.
func optionsOf(s *prove.Sidecar) lift.Options {
	o := lift.Options{Pivot: s.Pivot}
	for _, c := range s.Compensates {
		o.Compensates = append(o.Compensates, lift.Pair{State: c.State, Steps: c.Steps})
	}
	for _, r := range s.Refusals {
		o.Refusals = append(o.Refusals, lift.Refusal(r))
	}
	for state, errors := range s.KnownFailed {
		o.KnownFailed = append(o.KnownFailed, lift.Names{State: state, Errors: errors})
	}
	return o
}

// imported is what comes of a definition, as text. What is imported is valid, the
// same each time, and leaves nothing to be found where all was converted.
func imported(t *testing.T, name, text, sidecar string) string {
	d, p := compiled(t, text)
	side := prove.Propose(p)
	if sidecar != "" {
		var err error
		if side, err = prove.ParseSidecar(sidecar); err != nil {
			t.Fatal(err)
		}
	}
	i, err := lift.Import(d, p, optionsOf(side))
	if errors.Is(err, lift.ErrExtension) || errors.Is(err, lift.ErrNoPairs) {
		return "error " + err.Error() + "\n"
	}
	again, _ := lift.Import(d, p, optionsOf(side))
	if again.Definition != i.Definition || !slices.Equal(again.Changes, i.Changes) {
		t.Errorf("%s is imported in two ways", name)
	}
	var b strings.Builder
	b.WriteString(long.ReplaceAllString(i.Definition, "fn:$1"))
	for _, c := range i.Changes {
		fmt.Fprintf(&b, "changed %s: %s\n", c.State, c.Message)
	}
	for _, n := range i.Left {
		fmt.Fprintf(&b, "left %s: %s\n", n.State, n.Message)
	}
	before, err := prove.Prove(prove.Input{Program: p, Sidecar: side})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "before %s\n", rules(before))
	if i.Definition == "" {
		return b.String()
	}
	_, q := compiled(t, i.Definition)
	after, err := prove.Prove(prove.Input{Program: q, Sidecar: remaining(side, q)})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "after %s\n", rules(after))
	for _, f := range after.Findings {
		if len(i.Left) == 0 && f.Severity == prove.Error && f.Rule <= "SAGA005" && !unpaired(side, f.State) {
			t.Errorf("%s: all was converted, and %s is found at %s: %s", name, f.Rule, f.State, f.Message)
		}
	}
	return b.String()
}

// unpaired reports whether a state has nothing to undo it.
func unpaired(s *prove.Sidecar, state string) bool {
	return !slices.ContainsFunc(s.Compensates, func(c prove.Compensation) bool { return slices.Contains(c.Steps, state) })
}

// remaining is what a sidecar still has to say of an imported definition.
func remaining(s *prove.Sidecar, p *asl.Program) *prove.Sidecar {
	if rest := s.Remaining(p); rest != nil {
		return rest
	}
	return &prove.Sidecar{}
}

// rules are the findings of a proof, counted by rule.
func rules(r *prove.Report) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, fmt.Sprintf("%s@%s", f.Rule, f.State))
	}
	if len(all) == 0 {
		return string(r.Kind) + ": no findings"
	}
	return string(r.Kind) + ": " + strings.Join(all, ", ")
}
