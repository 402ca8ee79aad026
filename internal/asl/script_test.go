package asl_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/internal/asl"
)

var update = flag.Bool("update", false, "rewrite the expectations of testdata")

// TestScripts runs testdata/*.txtar. A definition stands under its name, the
// rules it is held against under name.rules (a word or "word value" a line),
// and what comes of it under name.want: its diagnostics, then the program.
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
		if strings.HasSuffix(f.Name, ".rules") || strings.HasSuffix(f.Name, ".want") {
			continue
		}
		got := outcome(t, f.Data, rules(t, sections[f.Name+".rules"]))
		if want := sections[f.Name+".want"]; got != want && !*update {
			t.Errorf("%s:\n--- got\n%s--- want\n%s", f.Name, got, want)
		}
		rewritten.Files = append(rewritten.Files, f)
		if r, ok := sections[f.Name+".rules"]; ok {
			rewritten.Files = append(rewritten.Files, txtar.File{Name: f.Name + ".rules", Data: []byte(r)})
		}
		rewritten.Files = append(rewritten.Files, txtar.File{Name: f.Name + ".want", Data: []byte(got)})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(rewritten), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// outcome is what comes of a definition, as text.
func outcome(t *testing.T, text []byte, r asl.Rules) string {
	var b strings.Builder
	d, found := asl.Parse(text)
	if d != nil {
		if d.Text != string(text) {
			t.Errorf("the text was changed: %q", d.Text)
		}
		found = append(found, asl.Check(d, r)...)
	}
	for _, problem := range found {
		fmt.Fprintf(&b, "%s %v (%d:%d)\n", problem.Severity, problem, problem.Line, problem.Column)
	}
	if d == nil {
		return b.String()
	}
	p, err := asl.Compile(d, r)
	if err == nil {
		return b.String() + dump(p)
	}
	var refusal *asl.Refusal
	if !errors.As(err, &refusal) || len(refusal.Diagnostics) != len(found) || err.Error() != asl.Render(found) {
		t.Errorf("Compile and Check do not agree: %v", err)
	}
	return b.String()
}

func rules(t *testing.T, text string) asl.Rules {
	r := asl.Rules{}
	served := map[string]bool{}
	for line := range strings.Lines(text) {
		word, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "express":
			r.Express = true
		case "foreign":
			r.Foreign = true
		case "distributed":
			r.Distributed = true
		case "strict":
			r.Strict = true
		case "max":
			r.MaxBytes, _ = strconv.Atoi(argument)
		case "aws":
			r.Serves = asl.OnAWS
		case "serves":
			served[argument] = true
			r.Serves = func(service, action string, p asl.Pattern) bool {
				return served[fmt.Sprintf("%s %s %d", service, action, p)]
			}
		default:
			t.Fatalf("no rule %q", word)
		}
	}
	return r
}
