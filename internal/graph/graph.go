// Package graph draws a program: its states as boxes, its transitions as edges,
// written as SVG or Mermaid. The drawing needs no browser and no fonts, and the
// same program is the same drawing, byte for byte.
//
// No transition of the language crosses the border of a Parallel, a Map or a Saga.
// So each flow is laid out by itself, the innermost first, and is then a box of
// known size in the flow around it. A flow is laid out in layers: cycles are broken,
// each box gets a rank, the boxes of a layer an order with few crossings, then
// coordinates that keep lines straight, and the lines run in the gaps between the
// layers.
//
// It refuses to know where programs and executions come from: what happened is
// told to it (see [Graph.Paint]).
//
// Read graph.go (what is drawn), program.go and label.go (a program as that),
// paint.go (an execution on it), measure.go (how wide a text is), then layout.go and
// its steps in their order: cycle.go, rank.go, layer.go with jump.go, order.go,
// port.go, place.go, straighten.go, route.go, finish.go; last what is written:
// svg.go with line.go, style.go and icon.go, and mermaid.go.
package graph

import "github.com/backstep/backstep/internal/asl"

// Graph is a program to be drawn. Its coordinates are in pixels from the top left
// corner, once [Graph.Layout] has made them.
type Graph struct {
	Title     string    `json:"title"`
	Comment   string    `json:"comment,omitempty"`
	Direction Direction `json:"direction"`
	Width     int       `json:"width"`
	Height    int       `json:"height"`
	Flow      *Flow     `json:"flow"`
	Words     string    `json:"status,omitempty"` // how the execution stands that it was painted by

	painted bool
}

// Direction is where a drawing goes.
type Direction string

// The directions: down, or to the right.
const (
	Down  Direction = "TD"
	Right Direction = "LR"
)

// Flow is the machine itself, a branch, what is done for each item, or the inside
// of a Saga.
type Flow struct {
	Label string  `json:"label,omitempty"`
	Boxes []*Box  `json:"boxes"`
	Edges []*Edge `json:"edges"`
	Rect

	start *Box
}

// Kind is what a box stands for.
type Kind string

// A box is a state, the compensation of one, or where the machine starts or ends.
const (
	StateBox Kind = "state"
	UndoBox  Kind = "undo"
	StartBox Kind = "start"
	EndBox   Kind = "end"
)

// Box is a state or what belongs to one. One with flows is drawn around them.
type Box struct {
	ID      string   `json:"id"` // unique in the graph: the same name is the same id
	Kind    Kind     `json:"kind"`
	Name    string   `json:"name,omitempty"`
	Type    asl.Type `json:"type,omitempty"`
	Detail  string   `json:"detail,omitempty"` // its type and what does it, in words
	Comment string   `json:"comment,omitempty"`
	Lines   []string `json:"lines,omitempty"` // the name as it is drawn, whole
	Flows   []*Flow  `json:"flows,omitempty"`
	Mark    Mark     `json:"mark,omitempty"`
	Words   string   `json:"words,omitempty"` // what its mark means, how often, how far
	Rect

	of    *Box // whose compensation it is
	apart bool // what is in it happens in executions of their own
}

// EdgeKind is why one state follows another.
type EdgeKind string

// The kinds of edges. An undo edge leads from a compensation to its step.
const (
	StartEdge   EdgeKind = "start"
	EndEdge     EdgeKind = "end"
	NextEdge    EdgeKind = "next"
	RuleEdge    EdgeKind = "rule"
	DefaultEdge EdgeKind = "default"
	CatchEdge   EdgeKind = "catch"
	UndoEdge    EdgeKind = "undo"
)

// Edge is a transition, or several of a kind between the same two states. Edges of
// a kind that lead to the same box may share the end of their way.
type Edge struct {
	Kind   EdgeKind `json:"kind"`
	From   string   `json:"from"` // ids of boxes
	To     string   `json:"to"`
	Label  string   `json:"label,omitempty"`
	Lines  []string `json:"lines,omitempty"` // the label as it is drawn; it may be cut short
	Taken  bool     `json:"taken,omitempty"`
	Points []Point  `json:"points"`  // corners of its way, from border to border
	At     Rect     `json:"labelAt"` // where the label stands

	from, to *Box
}

// Point is a place in the drawing.
type Point struct {
	X int `json:"x"`
	Y int `json:"y"`
}

// Rect is a rectangle of the drawing.
type Rect struct {
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
}
