package graph

// Mark is what became of a state, "" where nothing is known of it.
type Mark string

// The marks.
const (
	Done        Mark = "done"
	Running     Mark = "running"
	Failed      Mark = "failed"
	Caught      Mark = "caught"
	Compensated Mark = "compensated"
	Held        Mark = "held"
	Stopped     Mark = "stopped"
	NotReached  Mark = "not reached"
)

// Course is what happened to an execution.
type Course struct {
	Status string           // its own, in words
	States map[string]Stand // by name; those that are not there were not reached
	Undos  map[string]Stand // compensations, by the names of their steps
	Taken  []Passage
}

// Stand is what became of a state, and that in words: how often, how far.
type Stand struct {
	Mark  Mark
	Words string
}

// Passage is that one state followed another. From "" it is the machine's start, to
// "" its end.
type Passage struct {
	From, To string
	Caught   bool // by an error
}

// Paint marks the boxes and edges by what happened. It comes before the layout,
// as words take room.
func (g *Graph) Paint(c Course) {
	g.painted, g.Words = true, clip(c.Status, maxDetail)
	taken := make(map[Passage]bool, len(c.Taken))
	for _, p := range c.Taken {
		taken[p] = true
	}
	g.Flow.paint(&c, taken, false)
}

// paint paints a flow. Of what happens apart nothing is known but what is told: it
// is in the histories of other executions.
func (f *Flow) paint(c *Course, taken map[Passage]bool, apart bool) {
	for _, b := range f.Boxes {
		stand, known := Stand{}, false
		switch b.Kind {
		case StateBox:
			stand, known = c.States[b.Name]
		case UndoBox:
			stand, known = c.Undos[b.of.Name]
		default:
			continue
		}
		switch {
		case known || apart:
		case b.Kind == UndoBox:
			stand = Stand{Mark: NotReached, Words: "not called"}
		default:
			stand = Stand{Mark: NotReached, Words: "not reached"}
		}
		b.Mark, b.Words = stand.Mark, clip(stand.Words, maxDetail)
		for _, inner := range b.Flows {
			inner.paint(c, taken, apart || b.apart)
		}
	}
	for _, e := range f.Edges {
		p := Passage{Caught: e.Kind == CatchEdge}
		if e.from.Kind == StateBox {
			p.From = e.from.Name
		}
		if e.to.Kind == StateBox {
			p.To = e.to.Name
		}
		e.Taken = taken[p]
		if e.Kind == UndoEdge {
			e.Taken = e.from.Mark != NotReached && e.from.Mark != ""
		}
	}
}

func (g *Graph) caption() string { return g.Title + " · " + g.Words }
