package graph_test

import (
	"fmt"
	"testing"

	"github.com/backstep/backstep/internal/graph"
)

// faults are what must not be in a drawing: boxes that overlap or leave what they
// stand in, lines through boxes or from nowhere, labels over something, names that
// are cut.
func faults(g *graph.Graph) []string {
	c := &checker{}
	whole := graph.Rect{Width: g.Width, Height: g.Height}
	c.inside("the flow", g.Flow.Rect, whole)
	c.flow(g.Flow)
	return c.found
}

type checker struct{ found []string }

func (c *checker) fault(format string, args ...any) {
	if len(c.found) < 20 {
		c.found = append(c.found, fmt.Sprintf(format, args...))
	}
}

func (c *checker) inside(what string, r, in graph.Rect) {
	if r.X < in.X || r.Y < in.Y || r.X+r.Width > in.X+in.Width || r.Y+r.Height > in.Y+in.Height {
		c.fault("%s %v is not inside of %v", what, r, in)
	}
}

// overlap reports whether two rectangles have an area in common.
func overlap(a, b graph.Rect) bool {
	return a.X < b.X+b.Width && b.X < a.X+a.Width && a.Y < b.Y+b.Height && b.Y < a.Y+a.Height
}

func (c *checker) flow(f *graph.Flow) {
	byID := map[string]*graph.Box{}
	for i, b := range f.Boxes {
		if byID[b.ID] != nil {
			c.fault("two boxes are %s", b.ID)
		}
		byID[b.ID] = b
		c.box(b, f)
		for _, other := range f.Boxes[:i] {
			if overlap(b.Rect, other.Rect) {
				c.fault("%s %v lies over %s %v", b.ID, b.Rect, other.ID, other.Rect)
			}
		}
	}
	c.apart(f.Edges)
	for i, e := range f.Edges {
		c.edge(e, f, byID)
		if e.Label == "" {
			continue
		}
		c.inside("the label "+e.Label, e.At, f.Rect)
		for _, b := range f.Boxes {
			if overlap(e.At, b.Rect) {
				c.fault("the label %q %v lies over %s %v", e.Label, e.At, b.ID, b.Rect)
			}
		}
		for _, other := range f.Edges[:i] {
			if other.Label != "" && overlap(e.At, other.At) {
				c.fault("the label %q %v lies over the label %q %v", e.Label, e.At, other.Label, other.At)
			}
		}
		for _, other := range f.Edges {
			for n := 1; n < len(other.Points); n++ {
				if crosses(other.Points[n-1], other.Points[n], e.At) {
					c.fault("a line from %s to %s goes through the label %q", other.From, other.To, e.Label)
				}
			}
		}
	}
}

// apart finds lines that lie on one another although they lead elsewhere, or for
// another reason.
func (c *checker) apart(all []*graph.Edge) {
	for i, e := range all {
		for _, other := range all[:i] {
			if e.To == other.To && (e.Kind == graph.CatchEdge) == (other.Kind == graph.CatchEdge) {
				continue
			}
			for n := 1; n < len(e.Points); n++ {
				for m := 1; m < len(other.Points); m++ {
					if along(e.Points[n-1], e.Points[n], other.Points[m-1], other.Points[m]) {
						c.fault("the %s edges from %s to %s and from %s to %s lie on one another at %v", e.Kind, e.From, e.To, other.From, other.To, e.Points[n])
					}
				}
			}
		}
	}
}

// along reports whether two lines have more than a point in common.
func along(a, b, p, q graph.Point) bool {
	if a.X == b.X && p.X == q.X && a.X == p.X {
		return min(a.Y, b.Y) < max(p.Y, q.Y) && min(p.Y, q.Y) < max(a.Y, b.Y)
	}
	return a.Y == b.Y && p.Y == q.Y && a.Y == p.Y && min(a.X, b.X) < max(p.X, q.X) && min(p.X, q.X) < max(a.X, b.X)
}

// box holds a box to its flow, its text to the box, and its flows to it.
func (c *checker) box(b *graph.Box, f *graph.Flow) {
	c.inside(b.ID, b.Rect, f.Rect)
	if b.Kind == graph.StateBox || b.Kind == graph.UndoBox {
		written := ""
		for _, line := range b.Lines {
			written += line
			if w := graph.TextWidth(line); w > b.Width-40 {
				c.fault("%s is %d wide, its line %q is %d", b.ID, b.Width, line, w)
			}
		}
		if letters(written) != letters(b.Name) {
			c.fault("of the name %q is drawn %q", b.Name, written)
		}
		if 17*len(b.Lines)+15 > b.Height {
			c.fault("%s is %d high, for %d lines", b.ID, b.Height, len(b.Lines))
		}
	}
	for i, inner := range b.Flows {
		c.inside("a flow of "+b.ID, inner.Rect, b.Rect)
		if inner.Y < b.Y+17*len(b.Lines)+15 {
			c.fault("a flow of %s lies over its name", b.ID)
		}
		for _, other := range b.Flows[:i] {
			if overlap(inner.Rect, other.Rect) {
				c.fault("branches of %s lie over one another", b.ID)
			}
		}
		c.flow(inner)
	}
}

func letters(s string) string {
	var b []rune
	for _, r := range s {
		if r > ' ' {
			b = append(b, r)
		}
	}
	return string(b)
}

// edge holds a line to its two boxes, and away from all others.
func (c *checker) edge(e *graph.Edge, f *graph.Flow, byID map[string]*graph.Box) {
	name := fmt.Sprintf("the %s edge from %s to %s", e.Kind, e.From, e.To)
	if len(e.Points) < 2 {
		c.fault("%s has %d points", name, len(e.Points))
		return
	}
	if !onBorder(e.Points[0], byID[e.From].Rect) || !onBorder(e.Points[len(e.Points)-1], byID[e.To].Rect) {
		c.fault("%s does not go from border to border: %v", name, e.Points)
	}
	for i := 1; i < len(e.Points); i++ {
		p, q := e.Points[i-1], e.Points[i]
		if (p.X != q.X) == (p.Y != q.Y) {
			c.fault("%s has a slant: %v to %v", name, p, q)
		}
		c.inside(name, graph.Rect{X: min(p.X, q.X), Y: min(p.Y, q.Y), Width: max(p.X, q.X) - min(p.X, q.X), Height: max(p.Y, q.Y) - min(p.Y, q.Y)}, f.Rect)
		for _, b := range f.Boxes {
			if crosses(p, q, b.Rect) {
				c.fault("%s goes through %s", name, b.ID)
			}
		}
	}
}

func onBorder(p graph.Point, r graph.Rect) bool {
	acrossX, acrossY := p.X >= r.X && p.X <= r.X+r.Width, p.Y >= r.Y && p.Y <= r.Y+r.Height
	return acrossX && (p.Y == r.Y || p.Y == r.Y+r.Height) || acrossY && (p.X == r.X || p.X == r.X+r.Width)
}

// crosses reports whether a line comes into a rectangle, its border left out.
func crosses(p, q graph.Point, r graph.Rect) bool {
	return min(p.X, q.X) < r.X+r.Width && max(p.X, q.X) > r.X && min(p.Y, q.Y) < r.Y+r.Height && max(p.Y, q.Y) > r.Y
}

// TestTheCheckerSees: each fault is found, in a drawing that has none before.
func TestTheCheckerSees(t *testing.T) {
	draw := func() *graph.Graph { return drawn(t, hostless, graph.Down) }
	if found := faults(draw()); len(found) > 0 {
		t.Fatal(found)
	}
	for name, spoil := range map[string]func(f *graph.Flow){
		"an overlap":    func(f *graph.Flow) { f.Boxes[1].Rect = f.Boxes[2].Rect },
		"a long name":   func(f *graph.Flow) { f.Boxes[1].Lines = []string{f.Boxes[1].Name[1:]} },
		"a wide name":   func(f *graph.Flow) { f.Boxes[1].Width = 60 },
		"outside":       func(f *graph.Flow) { f.Boxes[1].X = -1 },
		"a line":        func(f *graph.Flow) { f.Edges[0].Points[1].Y += 20 },
		"a short line":  func(f *graph.Flow) { f.Edges[0].Points[1].Y -= 5 },
		"a slanted one": func(f *graph.Flow) { f.Edges[0].Points[1].X += 5 },
		"a label":       func(f *graph.Flow) { f.Edges[2].At = f.Boxes[2].Rect },
	} {
		g := draw()
		spoil(g.Flow)
		if len(faults(g)) == 0 {
			t.Errorf("%s is not seen", name)
		}
	}
}
