package graph_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/internal/graph"
)

var update = flag.Bool("update", false, "rewrite the expectations of testdata")

// TestScripts runs testdata/*.txtar: a definition, a course where an execution is
// painted on it, and what is drawn of them. The style sheet, which is always the
// same, is left out.
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
	definition, course := "", ""
	for i, f := range archive.Files {
		got := ""
		switch f.Name {
		case "definition.json":
			definition = string(f.Data)
			continue
		case "course.json":
			course = string(f.Data)
			continue
		case "down.svg":
			got = styleless(t, whole(t, definition, course, graph.Down).SVG())
		case "right.svg":
			got = styleless(t, whole(t, definition, course, graph.Right).SVG())
		case "mermaid":
			got = whole(t, definition, course, graph.Down).Mermaid(graph.Down)
		default:
			t.Fatalf("%s means nothing", f.Name)
		}
		if got != string(f.Data) && !*update {
			t.Errorf("%s\n--- got\n%s--- want\n%s", f.Name, got, f.Data)
		}
		archive.Files[i].Data = []byte(got)
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// whole is a drawing without a fault.
func whole(t *testing.T, definition, course string, d graph.Direction) *graph.Graph {
	t.Helper()
	g := graph.Of(outline(t, definition), "Example")
	if course != "" {
		var c graph.Course
		if err := json.Unmarshal([]byte(course), &c); err != nil {
			t.Fatal(err)
		}
		g.Paint(c)
	}
	g.Layout(d)
	for _, f := range faults(g) {
		t.Error(f)
	}
	return g
}

func styleless(t *testing.T, svg string) string {
	t.Helper()
	before, rest, found := strings.Cut(svg, "<style>")
	_, after, closed := strings.Cut(rest, "</style>\n")
	if !found || !closed {
		t.Fatal("there is no style sheet")
	}
	return before + after
}
