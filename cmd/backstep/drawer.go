package main

import (
	"encoding/json"
	"fmt"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/cli/drawing"
	"github.com/backstep/backstep/internal/graph"
)

// draw lets the command line draw. What is not valid is drawn as far as it is
// understood.
func draw(d drawing.Drawing) (string, error) {
	definition, diagnostics := asl.Parse(d.Definition)
	if definition == nil {
		return "", fmt.Errorf("it is no definition: %v", diagnostics[0])
	}
	g := graph.Of(definition.Outline(asl.Rules{Distributed: true, Serves: asl.OnAWS, Foreign: true, MaxBytes: len(d.Definition)}), d.Title)
	if d.Trail != nil {
		g.Paint(courseOf(d.Trail))
	}
	direction := graph.Direction(d.Direction)
	if d.Format == "mermaid" {
		return g.Mermaid(direction), nil
	}
	g.Layout(direction)
	if d.Format == "svg" {
		return g.SVG(), nil
	}
	text, err := json.MarshalIndent(g, "", "  ")
	return string(text) + "\n", err
}

// courseOf is what became of an execution as the graph has it.
func courseOf(t *drawing.Trail) graph.Course {
	stands := func(all map[string]drawing.Stand) map[string]graph.Stand {
		told := make(map[string]graph.Stand, len(all))
		for name, s := range all {
			told[name] = graph.Stand{Mark: graph.Mark(s.Mark), Words: s.Words}
		}
		return told
	}
	c := graph.Course{Status: t.Status, States: stands(t.States), Undos: stands(t.Undos)}
	for _, p := range t.Taken {
		c.Taken = append(c.Taken, graph.Passage(p))
	}
	return c
}
