package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/cli/drawing"
)

// held is an order whose courier could not be booked, and whose card can't be
// refunded.
const held = `{
  "status": "RUNNING, saga ON_HOLD",
  "states": {
    "Save": {"mark": "done", "words": "done"},
    "Charge": {"mark": "done", "words": "done"},
    "Reserve": {"mark": "compensated", "words": "done, undone"},
    "Ship": {"mark": "failed", "words": "failed NoCourier"}
  },
  "undos": {
    "Reserve": {"mark": "done", "words": "done"},
    "Charge": {"mark": "held", "words": "waits for you: CardClosed"}
  },
  "taken": [{"from": "", "to": "Save"}, {"from": "Save", "to": "Charge"}, {"from": "Charge", "to": "Reserve"}, {"from": "Reserve", "to": "Ship"}]
}`

// TestPictures: the pictures of the documents are those that are drawn today. With
// UPDATE_PICTURES=1 they are drawn anew.
func TestPictures(t *testing.T) {
	definition, err := os.ReadFile("../../examples/order-saga/order.asl.json")
	if err != nil {
		t.Fatal(err)
	}
	var trail drawing.Trail
	if err := json.Unmarshal([]byte(held), &trail); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]drawing.Drawing{
		"order.svg": {Definition: definition, Title: "order", Format: "svg", Direction: "TD"},
		"held.svg":  {Definition: definition, Title: "Order:1001", Trail: &trail, Format: "svg", Direction: "TD"},
	} {
		got, err := draw(d)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("..", "..", "docs", "pictures", name)
		if os.Getenv("UPDATE_PICTURES") != "" {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not what is drawn (UPDATE_PICTURES=1 draws it)", path)
		}
	}
}

// TestDraw: every format says what became of a state, and what can't be read is
// refused.
func TestDraw(t *testing.T) {
	const definition = `{"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 5, "Next": "B"}, "B": {"Type": "Fail"}}}`
	trail := &drawing.Trail{Status: "FAILED", States: map[string]drawing.Stand{"A": {Mark: drawing.Done, Words: "done twice"}}, Taken: []drawing.Passage{{To: "A"}}}
	for format, parts := range map[string][]string{
		"svg":     {"<svg ", ">done twice</text>", ">not reached</text>", "taken-flow taken", "M:1 · FAILED"},
		"mermaid": {"flowchart LR\n", "✓ done twice", "○ not reached", "n0 ==> n1\n", "n1 --> n2\n"},
		"json":    {`"words": "done twice"`, `"taken": true`, `"points": [`, `"width": `},
	} {
		got, err := draw(drawing.Drawing{Definition: []byte(definition), Title: "M:1", Trail: trail, Format: format, Direction: "LR"})
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range parts {
			if !strings.Contains(got, part) {
				t.Errorf("%s has no %q:\n%s", format, part, got)
			}
		}
		if format == "json" && !json.Valid([]byte(got)) {
			t.Errorf("it is no JSON: %s", got)
		}
	}
	if got, err := draw(drawing.Drawing{Definition: []byte("{"), Format: "svg", Direction: "TD"}); err == nil {
		t.Errorf("half a definition is drawn as %s", got)
	}
	if _, err := draw(drawing.Drawing{Definition: []byte(`{"States": 1}`), Format: "svg", Direction: "TD"}); err != nil {
		t.Errorf("what is understood of an invalid definition is not drawn: %v", err)
	}
}
