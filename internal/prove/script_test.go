package prove

import (
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
)

var update = flag.Bool("update", false, "rewrite the expectations of testdata")

// TestScripts runs testdata/*.txtar. A definition stands under its name, its
// sidecar under name.saga, a nested state machine under name.nested/ARN's end,
// and what comes of it under name.want. "fn:x" stands for the ARN of a function
// x.
//
// In a file that is named after a rule, that rule is found in every definition
// whose name begins with "broken", and in no other one.
func TestScripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txtar")
	if len(files) < len(rules) {
		t.Errorf("%d scripts for %d rules", len(files), len(rules))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runScript(t, file) })
	}
	for _, r := range rules {
		if !slices.Contains(files, filepath.Join("testdata", strings.ToLower(r.ID)+".txtar")) {
			t.Errorf("no script of %s", r.ID)
		}
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
	rule := strings.ToUpper(strings.TrimSuffix(filepath.Base(file), ".txtar"))
	kinds := map[bool]int{}
	rewritten := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		if strings.HasSuffix(f.Name, ".want") {
			continue
		}
		rewritten.Files = append(rewritten.Files, f)
		if !strings.HasSuffix(f.Name, ".yaml") {
			continue
		}
		name := strings.TrimSuffix(f.Name, ".yaml")
		r := proveScript(t, name, sections)
		got := told(r)
		if want := sections[name+".want"]; got != want && !*update {
			t.Errorf("%s:\n--- got\n%s--- want\n%s", name, got, want)
		}
		if ruleOf(rule) != nil {
			broken := strings.HasPrefix(name, "broken")
			kinds[broken]++
			if found := slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Rule == rule }); found != broken {
				t.Errorf("%s: %s was found: %v", name, rule, found)
			}
		}
		rewritten.Files = append(rewritten.Files, txtar.File{Name: name + ".want", Data: []byte(got)})
	}
	if ruleOf(rule) != nil && (kinds[true] == 0 || kinds[false] == 0) {
		t.Errorf("%d definitions break %s, %d do not: one of each is needed", kinds[true], rule, kinds[false])
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(rewritten), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var functions = regexp.MustCompile(`\bfn:(\w+)`)

func scriptProgram(t *testing.T, text string) *asl.Program {
	t.Helper()
	return compile(t, functions.ReplaceAllString(text, "arn:aws:lambda:us-east-1:123456789012:function:$1"))
}

func proveScript(t *testing.T, name string, sections map[string]string) *Report {
	t.Helper()
	in := Input{Program: scriptProgram(t, sections[name+".yaml"])}
	if text, ok := sections[name+".saga"]; ok {
		in.Sidecar = sidecarOf(t, text)
	}
	in.Nested = func(arn string) *asl.Program {
		if text, ok := sections[name+".nested/"+arn[strings.LastIndexByte(arn, ':')+1:]]; ok {
			return scriptProgram(t, text)
		}
		return nil
	}
	r, err := Prove(in)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

// told is a report as text.
func told(r *Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d states, %d steps, %d failure paths", r.Kind, r.States, r.Steps, r.Paths)
	if r.Proven() {
		b.WriteString(": proven")
	}
	b.WriteString("\n")
	for _, f := range r.Findings {
		tell(&b, f)
	}
	for _, f := range r.Accepted {
		fmt.Fprintf(&b, "accepted %s %s: %s\n", f.Rule, f.State, f.Because)
	}
	for _, u := range r.Undecided {
		fmt.Fprintf(&b, "undecided %s: %s\n", u.State, u.Why)
	}
	for _, a := range r.Assumed {
		fmt.Fprintf(&b, "assumed %s\n", a)
	}
	if r.Proposed {
		fmt.Fprintf(&b, "proposed %v\n", r.Pairs)
	}
	return b.String()
}

func tell(b *strings.Builder, f Finding) {
	fmt.Fprintf(b, "%s %s %s %s: %s\n", f.Severity, f.Rule, f.State, f.Place, f.Message)
	var moves, faults []string
	for _, m := range f.Path {
		moves = append(moves, strings.TrimSpace(m.State+" "+m.Way))
	}
	if len(moves) > 0 {
		fmt.Fprintf(b, "  %s\n", strings.Join(moves, " → "))
	}
	for _, x := range f.Script.Faults {
		fault := fmt.Sprintf("%s %s %s", x.State, x.Fault, x.Effect)
		if x.Entry != 1 {
			fault += fmt.Sprintf(" entry %d", x.Entry)
		}
		if x.Attempt != 0 {
			fault += fmt.Sprintf(" attempt %d", x.Attempt)
		}
		if x.Operation != "" {
			fault += " of its " + x.Operation
		}
		if x.Item != 0 {
			fault += fmt.Sprintf(" item %d", x.Item)
		}
		faults = append(faults, fault)
	}
	for _, a := range f.Script.Assume {
		faults = append(faults, a.State+" goes to "+a.Choice)
	}
	if len(faults) > 0 {
		fmt.Fprintf(b, "  script: %s\n", strings.Join(faults, ", "))
	}
	fmt.Fprintf(b, "  fix: %s\n", f.Fix)
}
