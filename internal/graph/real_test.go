package graph_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/graph"
)

// hostless is a small machine with an edge of each kind.
const hostless = `{"StartAt": "A", "States": {
  "A": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:a", "Next": "B",
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Oops"}]},
  "B": {"Type": "Choice", "Choices": [{"Variable": "$.again", "BooleanEquals": true, "Next": "A"}], "Default": "C"},
  "C": {"Type": "Pass", "End": true},
  "Oops": {"Type": "Fail"}}}`

var rules = asl.Rules{Distributed: true, Serves: asl.OnAWS, Foreign: true}

// outline is what is understood of a definition.
func outline(t testing.TB, text string) *asl.Program {
	t.Helper()
	d, found := asl.Parse([]byte(text))
	if d == nil {
		t.Fatal(found)
	}
	return d.Outline(rules)
}

func drawn(t testing.TB, text string, d graph.Direction) *graph.Graph {
	t.Helper()
	g := graph.Of(outline(t, text), "")
	g.Layout(d)
	return g
}

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

// TestReal lays out every real definition that is at hand, those that are not valid
// too.
func TestReal(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(shared(t, "corpus/real"), "*.json"))
	if len(files) != 204 {
		t.Errorf("there are %d real definitions, not 204", len(files))
	}
	layOut(t, append(files, shared(t, "seed-sample/definition.json")))
}

// TestExamples lays out the examples.
func TestExamples(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join("..", "..", "examples", "*", "*.asl.json"))
	if len(files) < 5 {
		t.Errorf("there are only %d examples", len(files))
	}
	layOut(t, files)
}

// layOut holds each definition to the checker, in both directions.
func layOut(t *testing.T, files []string) {
	t.Helper()
	boxes, edges := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []graph.Direction{graph.Down, graph.Right} {
			g := drawn(t, string(text), d)
			for _, f := range faults(g) {
				t.Errorf("%s %s: %s", filepath.Base(file), d, f)
			}
			b, e := sizeOf(g.Flow)
			boxes, edges = boxes+b, edges+e
			readSVG(t, g.SVG())
		}
	}
	t.Logf("%d definitions, each down and to the right: %d boxes, %d edges", len(files), boxes, edges)
}

func sizeOf(f *graph.Flow) (boxes, edges int) {
	boxes, edges = len(f.Boxes), len(f.Edges)
	for _, b := range f.Boxes {
		for _, inner := range b.Flows {
			x, y := sizeOf(inner)
			boxes, edges = boxes+x, edges+y
		}
	}
	return boxes, edges
}
