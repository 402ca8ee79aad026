package graph

import (
	"cmp"
	"slices"
)

// mostThreaded is through how many layers lines are led, in all. What is more runs
// beside the layers: it would cost more than it shows.
const mostThreaded = 5000

// jump is where an edge runs beside the layers: from a cell below its upper box to
// one above its lower box.
type jump struct {
	group        trunk
	top, below   int // cells
	leave, enter int // where it runs across, along, to its column and from it

	sidestep, stepsAt int // as a link
}

// tooLong are the groups of edges that are to jump: the longest ones, as few as
// it takes.
func (s *sheet) tooLong(arcs []arc) map[trunk]bool {
	type span struct{ from, to int }
	spans := map[trunk]span{}
	for _, a := range arcs {
		from, to := s.cells[a.top].layer, s.cells[a.below].layer
		if known, ok := spans[a.group()]; ok {
			from, to = min(from, known.from), max(to, known.to)
		}
		spans[a.group()] = span{from, to}
	}
	groups, total := make([]trunk, 0, len(spans)), 0
	for g, n := range spans {
		groups = append(groups, g)
		total += n.to - n.from
	}
	slices.SortFunc(groups, func(a, b trunk) int {
		return cmp.Or(cmp.Compare(spans[b].to-spans[b].from, spans[a].to-spans[a].from), cmp.Compare(a.box, b.box), a.compare(b))
	})
	jumps := map[trunk]bool{}
	for _, g := range groups {
		if total <= mostThreaded {
			break
		}
		jumps[g] = true
		total -= spans[g].to - spans[g].from
	}
	return jumps
}

// group is what an arc shares its way with, in any layer.
func (a arc) group() trunk {
	g := trunk{box: a.below, errors: a.edge.Kind == CatchEdge, turned: a.turned}
	if a.turned {
		g.box = a.top
	}
	return g
}

func (t trunk) compare(u trunk) int {
	number := func(t trunk) int {
		n := 0
		if t.errors {
			n++
		}
		if t.turned {
			n += 2
		}
		return n
	}
	return cmp.Compare(number(t), number(u))
}

// columns gives each group that jumps a column to the right of all layers, the
// short ones the nearest. One column is for several where they are not side by side.
func (s *sheet) columns() {
	type span struct {
		group    trunk
		from, to int
	}
	var spans []*span
	known := map[trunk]*span{}
	right := 0
	for _, c := range s.cells {
		right = max(right, c.across+c.after)
	}
	for _, j := range s.jumps {
		g := known[j.group]
		if g == nil {
			g = &span{j.group, len(s.layers), 0}
			known[j.group] = g
			spans = append(spans, g)
		}
		g.from, g.to = min(g.from, s.cells[j.top].layer), max(g.to, s.cells[j.below].layer)
	}
	slices.SortStableFunc(spans, func(a, b *span) int { return cmp.Compare(a.to-a.from, b.to-b.from) })
	var columns [][]*span
	s.column = make(map[trunk]int, len(spans))
	for _, g := range spans {
		n := slices.IndexFunc(columns, func(taken []*span) bool {
			return !slices.ContainsFunc(taken, func(other *span) bool { return g.from <= other.to && other.from <= g.to })
		})
		if n < 0 {
			n = len(columns)
			columns = append(columns, nil)
		}
		columns[n] = append(columns[n], g)
		s.column[g.group] = right + boxMargin + column*n
	}
}

// jumpsAcross adds the lines across of those that leave below a layer or come back
// there.
func (s *sheet) jumpsAcross(layer int, nets []net) []net {
	type end struct {
		group trunk
		comes bool
	}
	known := map[end]int{}
	add := func(n int, key end, top, foot int) {
		at, ok := known[key]
		if !ok {
			at = len(nets)
			known[key] = at
			nets = append(nets, net{from: 1 << 40, to: -1 << 40, hasToCorner: true})
		}
		e := &nets[at]
		e.jumps = append(e.jumps, n)
		e.comes = key.comes
		e.tops, e.feet = append(e.tops, top), append(e.feet, foot)
		e.from, e.to = min(e.from, top, foot), max(e.to, top, foot)
	}
	for _, n := range s.leaving[layer] {
		j := &s.jumps[n]
		add(n, end{group: j.group}, s.cells[j.top].across, s.column[j.group])
	}
	for _, n := range s.coming[layer] {
		j := &s.jumps[n]
		add(n, end{group: j.group, comes: true}, s.column[j.group], s.cells[j.below].across)
	}
	return nets
}
