package graph

// mostTogether is how many cells are moved at once, at most, and mayGrow by how much
// that may make the drawing wider, on either side.
const (
	mostTogether = 256
	mayGrow      = 80
)

// straighten takes small corners out of lines: what hangs together by straight
// lines at one end of a link is moved as one, where there is room. Those go first
// that should be straight the most.
func (s *sheet) straighten() {
	room := [2]int{1 << 40, -1 << 40}
	joined := make([]bool, len(s.cells)) // in the group at hand
	for _, c := range s.cells {
		room = [2]int{min(room[0], c.across-c.before), max(room[1], c.across+c.after)}
	}
	room[0], room[1] = room[0]-mayGrow, room[1]+mayGrow
	for pull := throughLayers; pull >= little; pull-- {
		for i := range s.links {
			l := &s.links[i]
			off := s.offset(l)
			if l.pull != pull || off == 0 {
				continue
			}
			if !s.shift(l.below, l.top, off, pull, room, joined) {
				s.shift(l.top, l.below, -off, pull, room, joined)
			}
		}
	}
}

// offset is how far the lower end of a link must go to stand beneath the upper one.
func (s *sheet) offset(l *link) int {
	return s.cells[l.top].across + l.topPort - s.cells[l.below].across - l.belowPort
}

// shift moves a cell with all that hangs on it by straight lines that should be so
// as much, unless that is too many, has no room between its neighbours and the borders,
// or holds the other end of the link.
func (s *sheet) shift(cell, other, by, pull int, room [2]int, joined []bool) (moved bool) {
	group := []int{cell}
	joined[cell] = true
	defer func() {
		for _, c := range group {
			joined[c] = false
		}
	}()
	for i := 0; i < len(group); i++ {
		c := &s.cells[group[i]]
		for _, links := range [...][]int{c.up, c.down} {
			for _, n := range links {
				l := &s.links[n]
				next := l.top + l.below - group[i]
				if joined[next] || l.pull < pull || s.offset(l) != 0 {
					continue
				}
				if next == other || len(group) == mostTogether {
					return false
				}
				joined[next] = true
				group = append(group, next)
			}
		}
	}
	for _, c := range group {
		if !s.mayMove(c, by, room, joined) {
			return false
		}
	}
	for _, c := range group {
		s.cells[c].across += by
	}
	return true
}

// mayMove reports whether a cell has room to move, beside those that move with it.
func (s *sheet) mayMove(n, by int, room [2]int, joined []bool) bool {
	c := &s.cells[n]
	if c.across+by-c.before < room[0] || c.across+by+c.after > room[1] {
		return false
	}
	layer := s.layers[c.layer]
	if by < 0 && c.at > 0 && !joined[layer[c.at-1]] {
		left := layer[c.at-1]
		return c.across+by-s.cells[left].across >= s.apart(left, n, false)
	}
	if by > 0 && c.at+1 < len(layer) && !joined[layer[c.at+1]] {
		right := layer[c.at+1]
		return s.cells[right].across-c.across-by >= s.apart(n, right, false)
	}
	return true
}
