package graph

import (
	"fmt"
	"strings"

	"github.com/backstep/backstep/internal/asl"
)

// Of is a program as boxes and edges. The title is the name of the machine, "" for
// none. An outline (see [asl.Definition.Outline]) will do: what is missing is not drawn.
func Of(p *asl.Program, title string) *Graph {
	g := &Graph{Title: clip(title, maxTitle), Comment: clip(p.Comment, maxComment), Direction: Down}
	r := reader{ids: map[string]int{}}
	flow, boxes := r.flow(p.Flow, "")
	g.Flow = flow
	start := &Box{ID: "start", Kind: StartBox, Name: "Start"}
	if flow.start != nil {
		flow.Edges = append([]*Edge{edgeOf(StartEdge, start, flow.start, "")}, flow.Edges...)
	}
	flow.start = start
	flow.Boxes = append([]*Box{start}, flow.Boxes...)
	if p.Flow == nil {
		return g
	}
	for _, s := range p.Flow.States {
		if !ends(s) {
			continue
		}
		end := &Box{ID: "end-of-" + boxes[s].ID, Kind: EndBox, Name: "End"}
		flow.Boxes = append(flow.Boxes, end)
		flow.Edges = append(flow.Edges, edgeOf(EndEdge, boxes[s], end, ""))
	}
	return g
}

// reader reads a program.
type reader struct {
	ids map[string]int // how often each was given
}

// ends reports whether a machine ends well behind a state. A Succeed shows that by
// itself.
func ends(s *asl.State) bool {
	return s.Next == nil && s.Type != asl.Succeed && s.Type != asl.Fail && s.Type != asl.Choice
}

// flow is a flow with all that stands in it, and the boxes of its states.
func (r *reader) flow(flow *asl.Flow, label string) (*Flow, map[*asl.State]*Box) {
	f := &Flow{Label: label, Boxes: []*Box{}, Edges: []*Edge{}}
	if flow == nil {
		return f, nil
	}
	boxes := make(map[*asl.State]*Box, len(flow.States))
	for _, s := range flow.States {
		b := r.box(s)
		boxes[s] = b
		f.Boxes = append(f.Boxes, b)
	}
	for _, s := range flow.States {
		f.Edges = append(f.Edges, edgesOf(s, boxes)...)
		if s.Step == nil || len(s.Step.Compensate) == 0 {
			continue
		}
		undo := undoOf(s, boxes[s])
		f.Boxes = append(f.Boxes, undo)
		f.Edges = append(f.Edges, edgeOf(UndoEdge, undo, boxes[s], ""))
	}
	f.start = boxes[flow.Start]
	return f, boxes
}

// box is a state with the flows within it.
func (r *reader) box(s *asl.State) *Box {
	within := func(b *Box, flow *asl.Flow, label string) {
		f, _ := r.flow(flow, label)
		b.Flows = append(b.Flows, f)
	}
	b := &Box{ID: r.id(s), Kind: StateBox, Name: clip(s.Name, maxName), Type: s.Type, Comment: clip(s.Comment, maxComment)}
	b.Detail = clip(detailOf(s), maxDetail)
	switch {
	case s.Parallel != nil:
		for i, branch := range s.Parallel.Branches {
			within(b, branch, fmt.Sprintf("Branch %d", i+1))
		}
	case s.Map != nil && s.Map.Processor != nil:
		b.apart = s.Map.Distributed
		within(b, s.Map.Processor, "")
	case s.Saga != nil && s.Saga.Flow != nil:
		within(b, s.Saga.Flow, "")
	}
	return b
}

// undoOf is the compensation of a step.
func undoOf(s *asl.State, step *Box) *Box {
	var names []string
	for _, body := range s.Step.Compensate {
		names = append(names, calledBy(body.Resource, body.Parameters))
	}
	return &Box{ID: "undo-of-" + step.ID, Kind: UndoBox, Name: clip(strings.Join(names, ", or "), maxDetail), Detail: "undoes " + s.Name, of: step}
}

// edgesOf are the ways out of a state.
func edgesOf(s *asl.State, boxes map[*asl.State]*Box) []*Edge {
	var all []*Edge
	add := func(kind EdgeKind, to *asl.State, label string) {
		if to == nil {
			return
		}
		for _, e := range all {
			if e.to == boxes[to] && e.Kind == kind {
				e.Label = clip(e.Label+", "+label, maxLabel)
				return
			}
		}
		all = append(all, edgeOf(kind, boxes[s], boxes[to], label))
	}
	add(NextEdge, s.Next, "")
	if s.Choice != nil {
		for _, rule := range s.Choice.Rules {
			add(RuleEdge, rule.Next, ruleOf(rule))
		}
		add(DefaultEdge, s.Choice.Default, "Default")
	}
	for _, c := range s.Catch {
		add(CatchEdge, c.Next, clip(joined(c.ErrorEquals, ", "), maxLabel))
	}
	return all
}

func edgeOf(kind EdgeKind, from, to *Box, label string) *Edge {
	return &Edge{Kind: kind, From: from.ID, To: to.ID, Label: label, from: from, to: to}
}

// id is the id of a state: its name, spelled with what an XML name may have.
func (r *reader) id(s *asl.State) string {
	var b strings.Builder
	b.WriteString("state-")
	for i := range min(len(s.Name), maxName) {
		c := s.Name[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	id := b.String()
	if r.ids[id]++; r.ids[id] > 1 { // in an outline alone
		id = fmt.Sprintf("%s.%d", id, r.ids[id])
	}
	return id
}
