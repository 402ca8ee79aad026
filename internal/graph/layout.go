package graph

// The distances of a drawing, in pixels.
const (
	edgeOfPicture = 20  // around all
	inset         = 14  // around what stands in a box
	between       = 16  // branches
	widestText    = 280 // a name that is wider is broken
	labelText     = 190
	labelLines    = 3
	narrowest     = 116 // a state
	evenUpTo      = 220
	dot           = 18 // where a machine starts or ends
	besideStep    = 34 // a compensation
	nameLine      = 17 // the height of a line of a name
	smallLine     = 15
	iconRoom      = 26
	captionRoom   = 34
)

// Layout gives everything its place: the innermost flows first, as each is a box of
// known size for the flow around it.
func (g *Graph) Layout(d Direction) {
	g.Direction = d
	g.Flow.layout(d)
	top := edgeOfPicture
	if g.painted {
		top += captionRoom
	}
	g.Flow.move(edgeOfPicture, top)
	g.Width = g.Flow.Width + 2*edgeOfPicture
	g.Height = g.Flow.Height + top + edgeOfPicture
	if g.painted {
		g.Width = max(g.Width, width(g.caption(), nameSize)+2*edgeOfPicture)
	}
}

// layout lays a flow out with its corner at 0, 0.
func (f *Flow) layout(d Direction) {
	if len(f.Boxes) == 0 {
		f.Width, f.Height = narrowest, nameLine
		return
	}
	for _, b := range f.Boxes {
		b.size(d)
	}
	f.even()
	for _, e := range f.Edges {
		if e.Label != "" {
			e.Lines = cut(wrap(e.Label, smallSize, labelText), labelLines)
			e.At.Width, e.At.Height = widest(e.Lines, smallSize), smallLine*len(e.Lines)
		}
	}
	s := newSheet(f, d == Right)
	s.order()
	s.ports()
	s.place()
	s.straighten()
	s.route()
	s.finish(f)
}

// size is how large a box is: its text, and within it its flows, side by side
// across the direction of the drawing.
func (b *Box) size(d Direction) {
	switch b.Kind {
	case StartBox, EndBox:
		b.Width, b.Height = dot, dot
		return
	}
	b.Lines = wrap(b.Name, nameSize, widestText)
	details := b.details()
	b.Width = max(narrowest, widest(b.Lines, nameSize)+iconRoom+2*inset, widest(details, smallSize)+iconRoom+2*inset)
	b.Height = inset + nameLine*len(b.Lines) + smallLine*len(details) + inset - 4
	if len(b.Flows) > 0 {
		b.around(d)
	}
	b.Width, b.Height = (b.Width+3)&^3, (b.Height+3)&^3
}

// even makes boxes of a kind equally wide, where none of them is very wide.
func (f *Flow) even() {
	for _, kind := range [...]Kind{StateBox, UndoBox} {
		w := 0
		for _, b := range f.Boxes {
			if b.Kind == kind && len(b.Flows) == 0 && b.Width <= evenUpTo {
				w = max(w, b.Width)
			}
		}
		for _, b := range f.Boxes {
			if b.Kind == kind && len(b.Flows) == 0 {
				b.Width = max(b.Width, w)
			}
		}
	}
}

// details are the lines beneath a box's name.
func (b *Box) details() []string {
	lines := cut(wrap(b.Detail, smallSize, widestText), 2)
	if b.Words != "" {
		lines = append(lines, cut(wrap(b.Words, smallSize, widestText), 2)...)
	}
	return lines
}

// around makes room for the flows of a box, and puts them there.
func (b *Box) around(d Direction) {
	inner, thick := 0, 0
	for _, f := range b.Flows {
		f.layout(d)
		f.pad()
		if d == Right {
			inner, thick = inner+f.Height+between, max(thick, f.Width)
		} else {
			inner, thick = inner+f.Width+between, max(thick, f.Height)
		}
	}
	inner -= between
	for _, f := range b.Flows { // branches are panels of one length
		if d == Right {
			f.Width = thick
		} else {
			f.Height = thick
		}
	}
	top := b.Height
	if d == Right {
		b.Width = max(b.Width, thick+2*inset)
		b.Height = top + inner + inset
		for _, f := range b.Flows {
			f.move(inset, top)
			top += f.Height + between
		}
		return
	}
	b.Width = max(b.Width, inner+2*inset)
	b.Height = top + thick + inset
	at := (b.Width - inner) / 2
	for _, f := range b.Flows {
		f.move(at, top)
		at += f.Width + between
	}
}

// pad puts a margin around what stands in a flow, and its label.
func (f *Flow) pad() {
	top := inset - 2
	if f.Label != "" {
		top += smallLine
	}
	f.moveWithin(inset-2, top)
	f.Width = max(f.Width, width(f.Label, smallSize)) + 2*(inset-2)
	f.Height += top + inset - 2
}

// move moves a flow with all that is in it.
func (f *Flow) move(x, y int) {
	f.X, f.Y = f.X+x, f.Y+y
	f.moveWithin(x, y)
}

// moveWithin moves all that is in a flow.
func (f *Flow) moveWithin(x, y int) {
	for _, b := range f.Boxes {
		b.X, b.Y = b.X+x, b.Y+y
		for _, inner := range b.Flows {
			inner.move(x, y)
		}
	}
	for _, e := range f.Edges {
		for i := range e.Points {
			e.Points[i].X += x
			e.Points[i].Y += y
		}
		e.At.X, e.At.Y = e.At.X+x, e.At.Y+y
	}
}
