package graph

import (
	"cmp"
	"slices"
)

// place gives each cell its place across, after Brandes and Köpf ("Fast and Simple
// Horizontal Coordinate Assignment", 2001): cells that a line joins are put in
// blocks that stand straight, as far as no line crosses them that should be straight
// itself; the blocks are pushed together. That is done four times, from each
// corner, and a cell's place is between the two in the middle.
func (s *sheet) place() {
	crossed := s.crossedLinks()
	var all [4][]int
	for i := range all {
		all[i] = s.push(i&1 != 0, i&2 != 0, crossed)
	}
	s.agree(&all)
	four := make([]int, 4)
	for c := range s.cells {
		for i := range all {
			four[i] = all[i][c]
		}
		slices.Sort(four)
		s.cells[c].across = (four[1] + four[2]) >> 1
	}
}

// crossedLinks are those that cross one that should rather be straight.
func (s *sheet) crossedLinks() []bool {
	crossed := make([]bool, len(s.links))
	for i := range s.layers {
		var between []int
		for _, c := range s.layers[i] {
			between = append(between, s.cells[c].down...)
		}
		for pull := beside; pull <= throughLayers; pull++ {
			s.cross(between, pull, crossed)
		}
	}
	return crossed
}

// cross marks which of the links between two layers, which come in the order of
// their tops, cross one with a pull.
func (s *sheet) cross(links []int, pull int, crossed []bool) {
	top := func(i int) int { return s.cells[s.links[links[i]].top].at }
	below := func(i int) int { return s.cells[s.links[links[i]].below].at }
	furthest, pending := -1, -1 // below, of those with the pull whose tops are to the left, or the same
	for i, n := range links {
		if i > 0 && top(i) != top(i-1) {
			furthest = max(furthest, pending)
		}
		if s.links[n].pull >= pull {
			pending = max(pending, below(i))
		} else if below(i) < furthest {
			crossed[n] = true
		}
	}
	furthest, pending = len(s.cells), len(s.cells)
	for i := len(links) - 1; i >= 0; i-- {
		if i < len(links)-1 && top(i) != top(i+1) {
			furthest = min(furthest, pending)
		}
		if s.links[links[i]].pull >= pull {
			pending = min(pending, below(i))
		} else if below(i) > furthest {
			crossed[links[i]] = true
		}
	}
}

// blocks are cells that stand straight above one another.
type blocks struct {
	root  []int // the first cell of each cell's block
	next  []int // the next one of the block, the last one's is the root
	shift []int // how far a cell stands to the right of its root
}

// push is a place for each cell from one corner: up, by the lines below them;
// mirrored, from the right.
func (s *sheet) push(up, mirrored bool, crossed []bool) []int {
	layers := make([][]int, len(s.layers))
	at := make([]int, len(s.cells))
	for i, layer := range s.layers {
		layer = slices.Clone(layer)
		if mirrored {
			slices.Reverse(layer)
		}
		for n, c := range layer {
			at[c] = n
		}
		layers[i] = layer
	}
	if up {
		slices.Reverse(layers)
	}
	b := s.align(layers, at, up, mirrored, crossed)
	x := s.compact(layers, b, mirrored)
	if mirrored {
		for c := range x {
			x[c] = -x[c]
		}
	}
	return x
}

// align makes the blocks.
func (s *sheet) align(layers [][]int, at []int, up, mirrored bool, crossed []bool) *blocks {
	n := len(s.cells)
	b := &blocks{make([]int, n), make([]int, n), make([]int, n)}
	for c := range n {
		b.root[c], b.next[c] = c, c
	}
	var above []int
	for _, layer := range layers {
		reached := -1
		for _, c := range layer {
			above = s.straightest(c, up, above[:0])
			other := func(l int) int {
				if up {
					return s.links[l].below
				}
				return s.links[l].top
			}
			slices.SortFunc(above, func(x, y int) int { return cmp.Compare(at[other(x)], at[other(y)]) })
			for _, m := range medians(len(above)) {
				l := above[m]
				a := other(l)
				if b.next[c] != c || crossed[l] || at[a] <= reached {
					continue
				}
				reached = at[a]
				shift := s.links[l].topPort - s.links[l].belowPort
				if up != mirrored {
					shift = -shift
				}
				b.shift[c] = b.shift[a] + shift
				b.root[c] = b.root[a]
				b.next[a], b.next[c] = c, b.root[c]
			}
		}
	}
	return b
}

// straightest are the links of a cell that should be straight the most.
func (s *sheet) straightest(c int, up bool, to []int) []int {
	links := s.cells[c].up
	if up {
		links = s.cells[c].down
	}
	most := 0
	for _, l := range links {
		most = max(most, s.links[l].pull)
	}
	for _, l := range links {
		if s.links[l].pull == most {
			to = append(to, l)
		}
	}
	return to
}

// medians are the middle of n, which are two of an even number.
func medians(n int) []int {
	switch {
	case n == 0:
		return nil
	case n%2 == 1:
		return []int{n / 2}
	}
	return []int{n/2 - 1, n / 2}
}

// apart is how far two neighbours' middles must be apart.
func (s *sheet) apart(left, right int, mirrored bool) int {
	a, b := &s.cells[left], &s.cells[right]
	if mirrored {
		a, b = b, a
	}
	return a.after + max(a.margin, lineMargin) + max(b.margin, lineMargin) + b.before
}

// compact pushes the blocks to the left as far as they go, then each to the right
// as far as that costs nothing.
func (s *sheet) compact(layers [][]int, b *blocks, mirrored bool) []int {
	type limit struct{ block, by int }
	right := make([][]limit, len(s.cells)) // of a block's root: what stands to its right, and how far at least
	left := make([]int, len(s.cells))
	for _, layer := range layers {
		for i := 1; i < len(layer); i++ {
			a, c := layer[i-1], layer[i]
			by := b.shift[a] + s.apart(a, c, mirrored) - b.shift[c]
			right[b.root[a]] = append(right[b.root[a]], limit{b.root[c], by})
			left[b.root[c]]++
		}
	}
	x := make([]int, len(s.cells))
	var ready []int
	for c := range s.cells {
		if b.root[c] == c && left[c] == 0 {
			ready = append(ready, c)
		}
	}
	const nowhere = -1 << 40
	for c := range x {
		x[c] = nowhere
	}
	for i := 0; i < len(ready); i++ {
		if x[ready[i]] == nowhere {
			x[ready[i]] = 0
		}
		for _, l := range right[ready[i]] {
			x[l.block] = max(x[l.block], x[ready[i]]+l.by)
			if left[l.block]--; left[l.block] == 0 {
				ready = append(ready, l.block)
			}
		}
	}
	for i := len(ready) - 1; i >= 0; i-- {
		room := -nowhere
		for _, l := range right[ready[i]] {
			room = min(room, x[l.block]-l.by)
		}
		if room < -nowhere {
			x[ready[i]] = max(x[ready[i]], room)
		}
	}
	for c := range x {
		if b.root[c] != c {
			x[c] = x[b.root[c]] + b.shift[c]
		}
	}
	return x
}

// agree moves the four drawings over the narrowest one: those that were pushed to
// the left by their left borders, the others by their right ones.
func (s *sheet) agree(all *[4][]int) {
	var from, to [4]int
	narrowest := 0
	for i, x := range all {
		from[i], to[i] = 1<<40, -1<<40
		for c := range s.cells {
			from[i] = min(from[i], x[c]-s.cells[c].before)
			to[i] = max(to[i], x[c]+s.cells[c].after)
		}
		if to[i]-from[i] < to[narrowest]-from[narrowest] {
			narrowest = i
		}
	}
	for i, x := range all {
		move := from[narrowest] - from[i]
		if i&2 != 0 {
			move = to[narrowest] - to[i]
		}
		for c := range x {
			x[c] += move
		}
	}
}
