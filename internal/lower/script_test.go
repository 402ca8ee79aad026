package lower_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/lower"
)

var update = flag.Bool("update", false, "rewrite the expectations of testdata")

// TestScripts runs testdata/*.txtar: a definition stands under its name, and what
// comes of it under name.want: why it is refused, or the definition in plain ASL,
// its warnings and its sidecar. Whom holds go to may stand under name.hold.
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
		if strings.HasSuffix(f.Name, ".hold") {
			continue
		}
		got := exported(t, string(f.Data), strings.TrimSpace(sections[f.Name+".hold"]))
		if want := sections[f.Name+".want"]; got != want && !*update {
			t.Errorf("%s:\n--- got\n%s--- want\n%s", f.Name, got, want)
		}
		rewritten.Files = append(rewritten.Files, txtar.File{Name: f.Name + ".want", Data: []byte(got)})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(rewritten), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// exported is what comes of a definition, as text. What is exported is valid on
// AWS, and the same each time.
func exported(t *testing.T, text, hold string) string {
	d, p := compiled(t, text)
	e, err := lower.Export(d, p, lower.Options{Hold: hold})
	var refused *lower.Refusal
	if errors.As(err, &refused) {
		var b strings.Builder
		for _, n := range refused.Reasons {
			fmt.Fprintf(&b, "refused %s %s\n", n.Place, n.Message)
		}
		if want := strings.Count(err.Error(), "\n") + 1; want != len(refused.Reasons) {
			t.Errorf("the error has %d lines for %d reasons", want, len(refused.Reasons))
		}
		return b.String()
	}
	again, _ := lower.Export(d, p, lower.Options{Hold: hold})
	if again.Definition != e.Definition {
		t.Error("the same definition is exported in two ways")
	}
	strict(t, e.Definition)
	var b strings.Builder
	b.WriteString(e.Definition)
	for _, n := range e.Warnings {
		fmt.Fprintf(&b, "warning %s %s %s\n", n.Rule, n.Place, n.Message)
	}
	for _, c := range e.Sidecar.Compensates {
		fmt.Fprintf(&b, "pair %s ← %s\n", strings.Join(c.Steps, ", "), c.State)
	}
	fmt.Fprintf(&b, "pivot %s\nno effect %s\n", e.Sidecar.Pivot, e.Sidecar.NoEffect)
	for _, k := range e.Sidecar.KnownFailed {
		fmt.Fprintf(&b, "known failed %s %s\n", k.State, k.Errors)
	}
	for _, x := range e.Sidecar.Settles {
		fmt.Fprintf(&b, "%s goes to %s: %s done: %v\n", x.Choice, x.Next, x.Step, x.Done)
	}
	for _, x := range e.Sidecar.Tells {
		fmt.Fprintf(&b, "%s goes to %s unless told by %s\n", x.Choice, x.Next, strings.Join(x.States, ", "))
	}
	for _, a := range e.Sidecar.Accepted {
		fmt.Fprintf(&b, "accepted %s %s %s: %s\n", a.Rule, a.State, a.Severity, a.Because)
	}
	return b.String()
}

func compiled(t *testing.T, text string) (*asl.Definition, *asl.Program) {
	t.Helper()
	d, found := asl.Parse([]byte(text))
	if d == nil {
		t.Fatal(found)
	}
	p, err := asl.Compile(d, asl.Rules{Distributed: true, Serves: asl.OnAWS})
	if err != nil {
		t.Fatal(err)
	}
	return d, p
}

// strict holds a definition against AWS's own rules.
func strict(t *testing.T, text string) {
	t.Helper()
	d, found := asl.ParseJSON([]byte(text))
	if d == nil {
		t.Fatal(found)
	}
	if wrong := asl.Render(asl.Check(d, asl.Rules{Distributed: true, Strict: true, Serves: asl.OnAWS})); wrong != "" {
		t.Errorf("AWS would refuse it: %s\n%s", wrong, text)
	}
}

// TestTooLong: AWS takes no definition that is longer.
func TestTooLong(t *testing.T) {
	const states = `"Saga": {}, "StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:a", "Compensate": {"Resource": "arn:aws:lambda:us-east-1:123456789012:function:b"}, "End": true}}`
	for more, wanted := range map[int]bool{5000: true, 1000: false} { // the first one is too long for its indentation alone
		d, p := compiled(t, `{"Comment": "`+strings.Repeat("x", asl.MaxBytes-more)+`", `+states+`}`)
		_, err := lower.Export(d, p, lower.Options{})
		if (err == nil) != wanted {
			t.Errorf("%d bytes below the limit: %v", more, err)
		}
	}
}
