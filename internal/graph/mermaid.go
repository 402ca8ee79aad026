package graph

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/backstep/backstep/internal/asl"
)

// Mermaid is the graph as a Mermaid flowchart, which lays itself out where it is
// shown: on GitHub, in a ticket. Ids are numbers, so that no name is a word of its
// language; names are text in quotes, whatever they hold.
//
// It is a flowchart and no state diagram, as those have neither dotted lines nor
// thick ones: an error, an undo and what was taken would look like anything else.
func (g *Graph) Mermaid(d Direction) string {
	m := &mermaid{ids: map[*Box]string{}, direction: d, marks: map[Mark]bool{}}
	m.f("flowchart %s\n", d)
	m.flow(g.Flow, 1)
	for i, mark := range marks {
		if m.marks[mark] {
			m.f("  classDef %s %s\n", mark.class(), markClasses[i])
		}
	}
	if m.undos {
		m.f("  classDef undo stroke-dasharray:2 3\n")
	}
	if m.catches != nil {
		m.f("  linkStyle %s stroke:#b26b00,color:#8a5200,stroke-dasharray:5 4\n", strings.Join(m.catches, ","))
	}
	return m.String()
}

// marks are all of them.
var marks = []Mark{Done, Running, Failed, Caught, Compensated, Held, Stopped, NotReached}

// markClasses are the borders of marks, in their order.
var markClasses = [...]string{
	"stroke:#009e73,stroke-width:2px",
	"stroke:#0072b2,stroke-width:4px",
	"stroke:#d55e00,stroke-width:4px",
	"stroke:#c98a00,stroke-width:2px,stroke-dasharray:8 3",
	"stroke:#3d9bd1,stroke-width:2px,stroke-dasharray:8 3 2 3",
	"stroke:#b4558b,stroke-width:5px",
	"stroke:#59636e,stroke-width:4px",
	"stroke-dasharray:3 3",
}

// signs stand before the words of a mark.
var signs = map[Mark]string{Done: "✓", Running: "▶", Failed: "✕", Caught: "⚠", Compensated: "↩", Held: "‖", Stopped: "■", NotReached: "○"}

// mermaid is a flowchart that is being written.
type mermaid struct {
	strings.Builder
	ids       map[*Box]string
	panels    int
	direction Direction
	marks     map[Mark]bool
	undos     bool
	edges     int
	catches   []string // the numbers of edges
}

func (m *mermaid) f(format string, args ...any) { fmt.Fprintf(m, format, args...) }

// flow writes the boxes of a flow, then its edges.
func (m *mermaid) flow(f *Flow, depth int) {
	pad := strings.Repeat("  ", depth)
	for _, b := range f.Boxes {
		m.box(b, depth)
	}
	for _, e := range f.Edges {
		arrow := "-->"
		switch {
		case e.Kind == UndoEdge:
			arrow = "-.->"
		case e.Taken:
			arrow = "==>"
		case e.Kind == CatchEdge:
			arrow = "-.->"
		}
		if e.Kind == CatchEdge {
			m.catches = append(m.catches, fmt.Sprint(m.edges))
		}
		m.edges++
		if e.Label != "" {
			arrow += "|\"" + quotable(e.Label) + "\"|"
		}
		from, to := m.ids[e.from], m.ids[e.to]
		if e.Kind == UndoEdge { // what it points at stands lower, and a step should not
			from, to, arrow = to, from, arrow+"|\"undone by\"|"
		}
		m.f("%s%s %s %s\n", pad, from, arrow, to)
	}
}

// box writes a box, one with flows as a subgraph.
func (m *mermaid) box(b *Box, depth int) {
	pad := strings.Repeat("  ", depth)
	id := fmt.Sprintf("n%d", len(m.ids))
	m.ids[b] = id
	text, next := quotable(b.Name), "<br/>"
	if len(b.Flows) > 0 {
		next = " · " // there is room for one line above what stands within
	}
	if b.Detail != "" {
		text += next + quotable(b.Detail)
	}
	if b.Words != "" {
		text += next + signs[b.Mark] + " " + quotable(b.Words)
	}
	if len(b.Flows) > 0 {
		m.subgraph(b, id, text, depth)
		return
	}
	if b.Mark != "" {
		m.marks[b.Mark] = true
	}
	shape := [2]string{"[", "]"}
	switch {
	case b.Kind == StartBox:
		shape, text = [2]string{"((", "))"}, "Start"
	case b.Kind == EndBox:
		shape, text = [2]string{"(((", ")))"}, "End"
	case b.Type == asl.Choice:
		shape = [2]string{"{{", "}}"}
	case b.Type == asl.Succeed || b.Type == asl.Fail:
		shape = [2]string{"([", "])"}
	case b.Kind == UndoBox:
		m.undos = true
	}
	class := ""
	switch {
	case b.Mark != "":
		class = ":::" + b.Mark.class()
	case b.Kind == UndoBox:
		class = ":::undo"
	}
	m.f("%s%s%s\"%s\"%s%s\n", pad, id, shape[0], text, shape[1], class)
}

// subgraph writes a box that is drawn around its flows; of several each is a subgraph
// within.
func (m *mermaid) subgraph(b *Box, id, text string, depth int) {
	pad := strings.Repeat("  ", depth)
	m.f("%ssubgraph %s[\"%s\"]\n", pad, id, text)
	m.f("%s  direction %s\n", pad, m.direction)
	for _, f := range b.Flows {
		if len(b.Flows) == 1 {
			m.flow(f, depth+1)
			continue
		}
		m.panels++
		m.f("%s  subgraph p%d[\"%s\"]\n%s    direction %s\n", pad, m.panels, quotable(f.Label), pad, m.direction)
		m.flow(f, depth+2)
		m.f("%s  end\n", pad)
	}
	m.f("%send\n", pad)
	if b.Mark != "" {
		m.f("%sstyle %s %s\n", pad, id, markClasses[slices.Index(marks, b.Mark)])
	}
}

// quotable is a text as Mermaid has it in quotes: what may mean something to it, or
// to the page that it is shown on, by its number.
func quotable(s string) string {
	var b strings.Builder
	list := true // it may still begin as a list does, which Mermaid would take it for
	for _, r := range s {
		digit := r >= '0' && r <= '9'
		switch {
		case hidden(r):
			b.WriteRune(unicode.ReplacementChar)
		case r > '~' || digit || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == ' ' || !list && strings.ContainsRune(".,:-_/=+", r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "#%d;", r)
		}
		list = list && (digit || r == ' ')
	}
	return b.String()
}
