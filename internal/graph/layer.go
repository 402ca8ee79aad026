package graph

// sheet is a flow in layers. Across is to the right and along is down, unless the
// drawing goes to the right: then they change places.
type sheet struct {
	right  bool
	cells  []cell
	links  []link
	layers [][]int // cells in their order across
	ways   []way
	loops  []*Edge // of a state to itself

	jumps           []jump
	leaving, coming [][]int // jumps, by the layer beneath which they do
	column          map[trunk]int
}

// cell is what stands in a layer: a box with what is drawn beside it, a label, or
// a line that only passes.
type cell struct {
	box     *Box
	label   *Edge
	layer   int
	at      int // its place in the layer's order
	up      []int
	down    []int // links
	columns int   // of lines that run at its side
	loops   int   // columns further out, of loops

	across, along int // where its middle line is, and its layer's beginning
	before, after int // what it takes to either side of that
	thick         int // what it takes along
	margin        int // that nothing else comes into, across
}

// link is a piece of an edge, from one layer to the next. Edges that lead to the
// same box share the links that they have in common.
type link struct {
	top, below         int // cells
	topPort, belowPort int // where it meets them, from their middle
	errors             bool
	turned             bool
	pull               int // how much it should be straight
	bend               int // where it runs across, along
	sidestep           int // how far it steps aside before that, and where
	stepsAt            int
}

// How much a link should be straight.
const (
	little = iota // between boxes, or where lines join
	beside        // a label
	mainWay
	throughLayers
)

// way is an edge by its links, from the top.
type way struct {
	arc
	links  []int
	before int // so many of them are before its jump
	jump   int // -1: none
}

// The room that things keep across.
const (
	boxMargin  = 17
	lineMargin = 8
	column     = 13 // between lines at the side of a box
)

// Where lines meet the side of a box, along: those of loops about its middle, those
// that go on up from its top and down from its bottom.
const (
	firstNotch = 8
	notches    = 6
	firstLoop  = 4
	loopsApart = 5
)

// newSheet puts a flow into layers.
func newSheet(f *Flow, right bool) *sheet {
	s := &sheet{right: right}
	number := make(map[*Box]int, len(f.Boxes))
	first := 0
	for _, b := range f.Boxes {
		if b.Kind == UndoBox {
			continue
		}
		number[b] = len(s.cells)
		if b == f.start {
			first = len(s.cells)
		}
		s.cells = append(s.cells, cell{box: b, margin: boxMargin})
	}
	var arcs []arc
	for _, e := range f.Edges {
		switch {
		case e.Kind == UndoEdge:
		case e.from == e.to:
			s.loops = append(s.loops, e)
		default:
			arcs = append(arcs, arc{edge: e, top: number[e.from], below: number[e.to]})
		}
	}
	boxes := len(s.cells)
	acyclic(boxes, first, arcs)
	rank := ranks(boxes, first, arcs)
	mainWays(boxes, rank, arcs)
	s.layer(boxes, rank, arcs)
	s.widen(f, number)
	return s
}

// layer makes the layers: one for the boxes of each rank, and beneath it one for
// the labels of edges, where there are any.
func (s *sheet) layer(boxes int, rank []int, arcs []arc) {
	deepest := 0
	for _, r := range rank {
		deepest = max(deepest, r)
	}
	labelled := make([]bool, deepest+1)
	for _, a := range arcs {
		if a.edge.Label != "" {
			labelled[a.labelRank(rank)] = true
		}
	}
	layerOf, layers := make([]int, deepest+1), 0
	for r := range layerOf {
		layerOf[r] = layers
		layers++
		if labelled[r] {
			layers++
		}
	}
	for i := range boxes {
		s.cells[i].layer = layerOf[rank[i]]
	}
	t := threads{sheet: s, jumping: s.tooLong(arcs), trunks: map[trunk]int{}, known: map[[3]int]int{}, jumped: map[[2]int]int{}}
	s.leaving, s.coming = make([][]int, layers), make([][]int, layers)
	for _, a := range arcs {
		label := -1
		if a.edge.Label != "" {
			label = layerOf[a.labelRank(rank)] + 1
		}
		s.ways = append(s.ways, t.thread(a, label))
	}
	s.layers = make([][]int, layers)
	for i, c := range s.cells {
		s.layers[c.layer] = append(s.layers[c.layer], i)
	}
}

// labelRank is the rank beneath which an arc's label stands: near where the edge
// begins.
func (a arc) labelRank(rank []int) int {
	if a.turned {
		return rank[a.below] - 1
	}
	return rank[a.top]
}

// threads leads arcs through layers.
type threads struct {
	*sheet
	jumping map[trunk]bool
	trunks  map[trunk]int
	known   map[[3]int]int // links
	jumped  map[[2]int]int
}

// trunk is where edges of a kind to one box pass through a layer.
type trunk struct {
	box, layer     int
	errors, turned bool
}

// thread makes the links of an arc, with its label in a layer, -1 for none.
func (t *threads) thread(a arc, label int) way {
	w := way{arc: a, jump: -1}
	last := a.top
	to := func(cell int) {
		w.links = append(w.links, t.link(last, cell, a))
		last = cell
	}
	first, end := t.cells[a.top].layer+1, t.cells[a.below].layer-1
	jumps := first < end && t.jumping[a.group()]
	for layer := first; layer <= end; layer++ {
		if jumps && layer == end {
			cell := t.pass(a, layer, label)
			w.before, w.jump = len(w.links), t.leap(last, cell, a.group())
			last = cell
			continue
		}
		to(t.pass(a, layer, label))
		if jumps {
			layer = end - 1
		}
	}
	to(a.below)
	return w
}

// pass is the cell in which an arc passes through a layer: its label, or what it
// shares with others.
func (t *threads) pass(a arc, layer, label int) int {
	n := len(t.cells)
	if layer == label {
		t.cells = append(t.cells, t.labelCell(a.edge, layer))
		return n
	}
	key := a.group()
	key.layer = layer
	if known, ok := t.trunks[key]; ok {
		return known
	}
	t.cells = append(t.cells, cell{layer: layer, margin: lineMargin})
	t.trunks[key] = n
	return n
}

// leap is the jump between two cells, made where there is none.
func (t *threads) leap(top, below int, group trunk) int {
	key := [2]int{top, below}
	if n, known := t.jumped[key]; known {
		return n
	}
	n := len(t.jumps)
	t.jumps = append(t.jumps, jump{group: group, top: top, below: below})
	t.jumped[key] = n
	t.leaving[t.cells[top].layer] = append(t.leaving[t.cells[top].layer], n)
	t.coming[t.cells[below].layer-1] = append(t.coming[t.cells[below].layer-1], n)
	return n
}

// labelCell is a label beside its line: to the right of it, or above it where the
// drawing goes to the right.
func (s *sheet) labelCell(e *Edge, layer int) cell {
	if s.right {
		return cell{label: e, layer: layer, margin: lineMargin, thick: e.At.Width + 10, before: e.At.Height + 2}
	}
	return cell{label: e, layer: layer, margin: lineMargin, thick: e.At.Height, after: e.At.Width + 7}
}

// link is the link between two cells, made where there is none.
func (t *threads) link(top, below int, a arc) int {
	errors := a.edge.Kind == CatchEdge
	key := [3]int{top, below, 0}
	if errors {
		key[2] = 1
	}
	if n, known := t.known[key]; known {
		return n
	}
	n := len(t.links)
	l := link{top: top, below: below, errors: errors, turned: a.turned}
	passes := func(c int) bool { return t.cells[c].box == nil && t.cells[c].label == nil }
	switch {
	case passes(top) && passes(below):
		l.pull = throughLayers
	case a.main:
		l.pull = mainWay
	case t.cells[top].label != nil || t.cells[below].label != nil:
		l.pull = beside
	}
	t.links = append(t.links, l)
	t.known[key] = n
	t.cells[top].down = append(t.cells[top].down, n)
	t.cells[below].up = append(t.cells[below].up, n)
	return n
}

// widen gives each box's cell its size: the box, the lines and loops before it,
// the compensation behind it.
func (s *sheet) widen(f *Flow, number map[*Box]int) {
	for _, e := range s.loops {
		s.cells[number[e.from]].loops++
	}
	for i := range s.cells {
		c := &s.cells[i]
		if c.box == nil {
			continue
		}
		across, along := s.turn(c.box.Width, c.box.Height)
		in, into := s.turnedLinks(c.down)
		out, _ := s.turnedLinks(c.up)
		if c.box.Kind != StateBox {
			c.margin = lineMargin
		}
		c.columns = max(into, out)
		ports := max(len(c.down)-in, len(c.up)-out)
		c.widenBox(s.right, max(across, 12*(ports+1)), max(along, s.sideOf(c)))
		across, along = s.turn(c.box.Width, c.box.Height)
		c.before, c.after, c.thick = across/2+column*c.columns, across/2, along
	}
	for _, e := range s.loops {
		c := &s.cells[number[e.from]]
		across, along := s.turn(e.At.Width, e.At.Height)
		c.before += column + across + 8
		c.thick = max(c.thick, along)
	}
	for _, b := range f.Boxes {
		if b.Kind == UndoBox {
			c := &s.cells[number[b.of]]
			across, along := s.turn(b.Width, b.Height)
			c.after += besideStep + across
			c.thick = max(c.thick, along)
		}
	}
}

// turnedLinks counts those that are turned, and their kinds.
func (s *sheet) turnedLinks(links []int) (n, kinds int) {
	var errors, others int
	for _, l := range links {
		switch {
		case !s.links[l].turned:
		case s.links[l].errors:
			errors++
		default:
			others++
		}
	}
	return errors + others, min(errors, 1) + min(others, 1)
}

// sideOf is how long the side of a box must be for the lines that meet it.
func (s *sheet) sideOf(c *cell) int {
	half := 0
	if c.columns > 0 {
		half = firstNotch + notches*c.columns
	}
	if c.loops > 0 {
		half += firstLoop + loopsApart*c.loops
	}
	return 2 * half
}

// widenBox makes a box as large as its lines need.
func (c *cell) widenBox(right bool, across, along int) {
	across, along = (across+1)&^1, (along+1)&^1
	b := c.box
	if right {
		b.Width, b.Height = along, across
		return
	}
	for _, f := range b.Flows {
		f.move((across-b.Width)/2, 0)
	}
	b.Width, b.Height = across, along
}

// turn is a width and a height as across and along.
func (s *sheet) turn(width, height int) (across, along int) {
	if s.right {
		return height, width
	}
	return width, height
}
