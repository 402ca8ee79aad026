package graph

import (
	"cmp"
	"slices"
)

// How long an order is looked for.
const (
	mostRounds  = 24
	leastRounds = 2
	orderWork   = 1_200_000 // links and cells looked at, about
	inVain      = 5         // rounds
)

// order puts the cells of each layer in an order with few crossings: each is moved
// to where its neighbours are on average, layer after layer, down and up again, and
// neighbours change places where that helps. The best order is kept.
func (s *sheet) order() {
	s.walkOrder()
	best, fewest := s.remember(), s.crossings()
	rounds := min(mostRounds, max(leastRounds, orderWork/(len(s.links)+len(s.cells)+1)))
	vain := 0
	for round := 0; round < rounds && fewest > 0 && vain < inVain; round++ {
		s.sweep(round%2 == 0)
		s.swap()
		if n := s.crossings(); n < fewest {
			best, fewest, vain = s.remember(), n, 0
		} else {
			vain++
		}
	}
	s.restore(best)
}

// walkOrder is the order in which a walk from the top comes by, each box's lines in
// the order of its edges: the main way to the left, errors to the right.
func (s *sheet) walkOrder() {
	seen := make([]bool, len(s.cells))
	walked := make([][]int, len(s.layers))
	var visit func(c int)
	visit = func(c int) {
		if seen[c] {
			return
		}
		seen[c] = true
		walked[s.cells[c].layer] = append(walked[s.cells[c].layer], c)
		for _, turned := range [...]bool{true, false} {
			for _, n := range s.cells[c].down {
				if s.links[n].turned == turned {
					visit(s.links[n].below)
				}
			}
		}
	}
	for _, layer := range s.layers {
		for _, c := range layer {
			visit(c)
		}
	}
	s.restore(walked)
}

func (s *sheet) remember() [][]int {
	all := make([][]int, len(s.layers))
	for i, layer := range s.layers {
		all[i] = slices.Clone(layer)
	}
	return all
}

func (s *sheet) restore(layers [][]int) {
	s.layers = layers
	for _, layer := range layers {
		s.number(layer)
	}
}

func (s *sheet) number(layer []int) {
	for at, c := range layer {
		s.cells[c].at = at
	}
}

// topKey and belowKey are where a link meets its cells, in an order across: lines
// that are turned meet a box at its side, before all others.
func (s *sheet) topKey(l *link) int   { return s.key(l, &s.cells[l.top]) }
func (s *sheet) belowKey(l *link) int { return s.key(l, &s.cells[l.below]) }

func (s *sheet) key(l *link, c *cell) int {
	if l.turned && c.box != nil {
		return 4*c.at - 1
	}
	return 4 * c.at
}

// sweep orders each layer by the one before it.
func (s *sheet) sweep(down bool) {
	value := make([]float64, len(s.cells))
	for i := range s.layers {
		layer := s.layers[i]
		if !down {
			layer = s.layers[len(s.layers)-1-i]
		}
		last := 0.0
		for _, c := range layer {
			sum, n := 0, s.cells[c].up
			if !down {
				n = s.cells[c].down
			}
			for _, l := range n {
				if down {
					sum += s.topKey(&s.links[l])
				} else {
					sum += s.belowKey(&s.links[l])
				}
			}
			if len(n) > 0 {
				last = float64(sum) / float64(len(n))
			}
			value[c] = last
		}
		slices.SortStableFunc(layer, func(a, b int) int { return cmp.Compare(value[a], value[b]) })
		s.number(layer)
	}
}

// swap lets neighbours change places where lines cross less then.
func (s *sheet) swap() {
	var a, b []int
	keys := func(c int, up bool, to []int) []int {
		to = to[:0]
		if up {
			for _, l := range s.cells[c].up {
				to = append(to, s.topKey(&s.links[l]))
			}
		} else {
			for _, l := range s.cells[c].down {
				to = append(to, s.belowKey(&s.links[l]))
			}
		}
		slices.Sort(to)
		return to
	}
	for _, layer := range s.layers {
		for i := 0; i+1 < len(layer); i++ {
			gain := 0
			for _, up := range [...]bool{true, false} {
				a, b = keys(layer[i], up, a), keys(layer[i+1], up, b)
				gain += inversions(a, b) - inversions(b, a)
			}
			if gain > 0 {
				layer[i], layer[i+1] = layer[i+1], layer[i]
				s.cells[layer[i]].at, s.cells[layer[i+1]].at = i, i+1
			}
		}
	}
}

// inversions counts the pairs of one of a and a smaller one of b. Both are sorted.
func inversions(a, b []int) int {
	n, i := 0, 0
	for _, x := range a {
		for i < len(b) && b[i] < x {
			i++
		}
		n += i
	}
	return n
}

// crossings counts where lines cross.
func (s *sheet) crossings() int {
	n := 0
	var keys, spare []int
	for _, layer := range s.layers {
		keys = keys[:0]
		for _, c := range layer {
			from := len(keys)
			turned := 0
			for _, l := range s.cells[c].down { // those at its side come first
				if s.links[l].turned && s.cells[c].box != nil {
					keys = append(keys, s.belowKey(&s.links[l]))
					turned++
				}
			}
			for _, l := range s.cells[c].down {
				if !s.links[l].turned || s.cells[c].box == nil {
					keys = append(keys, s.belowKey(&s.links[l]))
				}
			}
			slices.Sort(keys[from : from+turned])
			slices.Sort(keys[from+turned:])
		}
		if len(spare) < len(keys) {
			spare = make([]int, len(keys))
		}
		n += inverted(keys, spare)
	}
	return n
}

// inverted counts the pairs of keys that stand the wrong way round, and sorts them.
func inverted(keys, spare []int) int {
	if len(keys) < 2 {
		return 0
	}
	half := len(keys) / 2
	a, b := keys[:half], keys[half:]
	n := inverted(a, spare) + inverted(b, spare)
	merged := spare[:0]
	for len(a) > 0 && len(b) > 0 {
		if a[0] <= b[0] {
			merged, a = append(merged, a[0]), a[1:]
		} else {
			merged, b = append(merged, b[0]), b[1:]
			n += len(a)
		}
	}
	merged = append(append(merged, a...), b...)
	copy(keys, merged)
	return n
}
