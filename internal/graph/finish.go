package graph

import "slices"

// finish writes the places into the boxes and edges of the flow.
func (s *sheet) finish(f *Flow) {
	s.settle()
	end := Point{}
	for i := range s.cells {
		c := &s.cells[i]
		end.X, end.Y = max(end.X, c.across+c.after), max(end.Y, c.along+c.thick)
		switch {
		case c.label != nil:
			s.putLabel(c)
		case c.box != nil:
			s.put(c.box, c.across-s.half(c), c.along)
		}
	}
	for _, across := range s.column {
		end.X = max(end.X, across+lineMargin)
	}
	end = s.point(end.X, end.Y)
	f.Width, f.Height = end.X, end.Y
	for _, w := range s.ways {
		w.edge.Points = s.points(w)
	}
	cells := map[*Box]*cell{}
	for i := range s.cells {
		if c := &s.cells[i]; c.box != nil {
			cells[c.box] = c
		}
	}
	drawn, taken := map[*Box]int{}, map[*Box]int{}
	for _, e := range s.loops {
		taken[e.from] = s.loop(e, cells[e.from], drawn[e.from], taken[e.from])
		drawn[e.from]++
	}
	for _, e := range f.Edges {
		if e.Kind == UndoEdge {
			s.beside(e, cells[e.to])
		}
	}
}

// settle lets the cells begin at 0 across.
func (s *sheet) settle() {
	least := 1 << 40
	for _, c := range s.cells {
		least = min(least, c.across-c.before)
	}
	for i := range s.cells {
		s.cells[i].across -= least
	}
	for g := range s.column {
		s.column[g] -= least
	}
}

// point is a place of the sheet in the drawing.
func (s *sheet) point(across, along int) Point {
	if s.right {
		return Point{along, across}
	}
	return Point{across, along}
}

// half is from the middle of a cell's box to its side, across.
func (s *sheet) half(c *cell) int {
	across, _ := s.turn(c.box.Width, c.box.Height)
	return across / 2
}

// put puts a box, with all in it, where it begins.
func (s *sheet) put(b *Box, across, along int) {
	p := s.point(across, along)
	b.X, b.Y = p.X, p.Y
	for _, f := range b.Flows {
		f.move(p.X, p.Y)
	}
}

func (s *sheet) putLabel(c *cell) {
	at := s.point(c.across+7, c.along)
	if s.right {
		at = Point{c.along + 5, c.across - c.before}
	}
	c.label.At.X, c.label.At.Y = at.X, at.Y
}

// points are the corners of an edge's way.
func (s *sheet) points(w way) []Point {
	var all []Point
	add := func(across, along int) { all = append(all, s.point(across, along)) }
	first, last := &s.links[w.links[0]], &s.links[w.links[len(w.links)-1]]
	top, below := &s.cells[first.top], &s.cells[last.below]
	_, thick := s.turn(top.box.Width, top.box.Height)
	if w.turned {
		along := top.along + thick - s.notch(top, -first.topPort)
		add(top.across-s.half(top), along)
		add(top.across+first.topPort, along)
	} else {
		add(top.across+first.topPort, top.along+thick)
	}
	for i, n := range w.links {
		if w.jump >= 0 && i == w.before {
			s.leap(&s.jumps[w.jump], add)
		}
		l := &s.links[n]
		from, to := s.cells[l.top].across+l.topPort, s.cells[l.below].across+l.belowPort
		if l.sidestep != 0 {
			add(from, l.stepsAt)
			from += l.sidestep
			add(from, l.stepsAt)
		}
		if from != to {
			add(from, l.bend)
			add(to, l.bend)
		}
	}
	if w.turned {
		along := below.along + s.notch(below, -last.belowPort)
		add(below.across+last.belowPort, along)
		add(below.across-s.half(below), along)
		slices.Reverse(all)
	} else {
		add(below.across+last.belowPort, below.along)
	}
	return corners(all)
}

// leap is the way of a jump, from cell to cell.
func (s *sheet) leap(j *jump, add func(across, along int)) {
	from, to, column := s.cells[j.top].across, s.cells[j.below].across, s.column[j.group]
	if j.sidestep != 0 {
		add(from, j.stepsAt)
		from += j.sidestep
		add(from, j.stepsAt)
	}
	add(from, j.leave)
	add(column, j.leave)
	add(column, j.enter)
	add(to, j.enter)
}

// notch is how far from the end of a box's side a line meets it whose column is so
// far from its middle: the further out, the nearer to the middle of the side, so
// that the lines of one side do not cross.
func (s *sheet) notch(c *cell, from int) int {
	return firstNotch + notches*((from-s.half(c))/column-1)
}

// corners leaves out the points where a way goes straight on.
func corners(all []Point) []Point {
	kept := all[:1]
	for i := 1; i < len(all); i++ {
		if all[i] == kept[len(kept)-1] {
			continue
		}
		if n := len(kept); n > 1 && (kept[n-2].X == kept[n-1].X && kept[n-1].X == all[i].X || kept[n-2].Y == kept[n-1].Y && kept[n-1].Y == all[i].Y) {
			kept = kept[:n-1]
		}
		kept = append(kept, all[i])
	}
	return kept
}

// loop draws an edge from a state to itself, the n-th one, around those before it.
// The labels of all stand beside the outermost, of which so much is taken; it tells
// how much is then.
func (s *sheet) loop(e *Edge, c *cell, n, taken int) int {
	side := c.across - s.half(c)
	_, thick := s.turn(c.box.Width, c.box.Height)
	far := side - column*(c.columns+n+1)
	middle, wide := c.along+thick/2, firstLoop+loopsApart*n
	e.Points = []Point{s.point(side, middle+wide), s.point(far, middle+wide), s.point(far, middle-wide), s.point(side, middle-wide)}
	across, _ := s.turn(e.At.Width, e.At.Height)
	at := s.point(side-column*(c.columns+c.loops)-taken-5-across, c.along)
	e.At.X, e.At.Y = at.X, at.Y
	return taken + across + 8
}

// beside puts a compensation beside its step.
func (s *sheet) beside(e *Edge, step *cell) {
	undo := e.from
	side := step.across + s.half(step)
	s.put(undo, side+besideStep, step.along)
	_, a := s.turn(undo.Width, undo.Height)
	_, b := s.turn(e.to.Width, e.to.Height)
	middle := step.along + min(a, b)/2
	e.Points = []Point{s.point(side+besideStep, middle), s.point(side, middle)}
}
