package graph

import "slices"

// The room for lines between two layers, along.
const (
	track     = 10 // between lines that run across
	tail      = 14 // before the first of them
	head      = 20 // behind the last: an arrow needs it
	gap       = 32 // where all lines are straight
	labelGap  = 11 // beside a label
	near      = 8  // lines along that are nearer are one to the eye
	mostPairs = 400
)

// net is what leads from one layer to the next over one line across: the links that
// share a port.
type net struct {
	links       []int
	jumps       []int // instead of links
	comes       bool  // out of a column, not into one
	tops, feet  []int // where they begin and end across
	from, to    int   // the ends of the line across
	track       int   // of the line across, from above; where it has a corner
	hasToCorner bool
}

// route gives each layer its place along, and the lines between two layers theirs.
func (s *sheet) route() {
	s.columns()
	along := 0
	for i, layer := range s.layers {
		thick := 0
		for _, c := range layer {
			s.cells[c].along = along
			thick = max(thick, s.cells[c].thick)
		}
		along += thick
		if i+1 < len(s.layers) {
			along += s.lay(i, along)
		}
	}
}

// lay lays the lines between a layer, which ends there, and the next one. It tells
// how much room they need.
func (s *sheet) lay(i, along int) int {
	labels := func(layer []int) bool {
		return slices.ContainsFunc(layer, func(c int) bool { return s.cells[c].label != nil })
	}
	before, after, room := tail, head, gap
	if labels(s.layers[i]) {
		before, room = labelGap, labelGap+head-tail
	}
	if labels(s.layers[i+1]) {
		after, room = labelGap, labelGap
	}
	nets := s.jumpsAcross(i, s.nets(s.layers[i]))
	tracks := assign(nets)
	first := along + before
	if s.stepAside(nets, first) {
		first, tracks = first+track, tracks+1
	}
	for _, n := range nets {
		for _, l := range n.links {
			s.links[l].bend = first + n.track*track
		}
		for _, j := range n.jumps {
			if n.comes {
				s.jumps[j].enter = first + n.track*track
			} else {
				s.jumps[j].leave = first + n.track*track
			}
		}
	}
	if tracks > 0 {
		room = before + (tracks-1)*track + after
	}
	return room
}

// nets are the links out of a layer by what they share.
func (s *sheet) nets(layer []int) []net {
	type port struct {
		cell, port int
		turned     bool
	}
	var nets []net
	known := map[port]int{}
	for _, c := range layer {
		for _, l := range s.cells[c].down {
			k := &s.links[l]
			key := port{k.below, k.belowPort, false}
			if k.turned {
				key = port{k.top, k.topPort, true}
			}
			n, ok := known[key]
			if !ok {
				n = len(nets)
				known[key] = n
				nets = append(nets, net{from: 1 << 40, to: -1 << 40})
			}
			top, foot := s.cells[k.top].across+k.topPort, s.cells[k.below].across+k.belowPort
			e := &nets[n]
			e.links, e.tops, e.feet = append(e.links, l), append(e.tops, top), append(e.feet, foot)
			e.from, e.to = min(e.from, top, foot), max(e.to, top, foot)
			e.hasToCorner = e.from < e.to
		}
	}
	return nets
}

// assign gives each line across a track, so that lines cross little and no two lie
// on one another. It tells how many tracks that takes.
func assign(nets []net) int {
	var all []*net
	for i := range nets {
		if nets[i].hasToCorner {
			all = append(all, &nets[i])
		}
	}
	if len(all) <= mostPairs {
		all = sorted(all)
	}
	tracks := 0
	for i, n := range all {
		for _, m := range all[:i] {
			if meet(n, m) {
				n.track = max(n.track, m.track+1)
			}
		}
		tracks = max(tracks, n.track+1)
	}
	return tracks
}

// meet reports whether two lines across would touch on one track.
func meet(a, b *net) bool { return a.from <= b.to+near && b.from <= a.to+near }

// sorted puts lines across in an order from above, taking next what costs the least
// above all that is left.
func sorted(all []*net) []*net {
	n := len(all)
	worse := make([][]int, n) // how much worse it is to have one above the other
	sum := make([]int, n)
	for i := range worse {
		worse[i] = make([]int, n)
	}
	for i := range n {
		for j := range i {
			if meet(all[i], all[j]) {
				d := cost(all[i], all[j]) - cost(all[j], all[i])
				worse[i][j], worse[j][i] = d, -d
				sum[i] += max(d, 0)
				sum[j] += max(-d, 0)
			}
		}
	}
	order := make([]*net, 0, n)
	for range n {
		next := -1
		for i := range n {
			if all[i] != nil && (next < 0 || sum[i] < sum[next]) {
				next = i
			}
		}
		order = append(order, all[next])
		all[next] = nil
		for i := range n {
			sum[i] -= max(worse[i][next], 0)
		}
	}
	return order
}

// cost is how much it costs to have one line across above another: a crossing each
// where a line along passes the other, and much where two lines along would lie on
// one another.
func cost(above, below *net) int {
	n := 0
	for _, x := range above.feet {
		if x >= below.from && x <= below.to {
			n++
		}
		for _, y := range below.tops {
			if x-y < near && y-x < near {
				n += 100
			}
		}
	}
	for _, x := range below.tops {
		if x >= above.from && x <= above.to {
			n++
		}
	}
	return n
}

// stepAside lets a line step aside that comes down where one ends whose line across
// is above its own: they would lie on one another between the two. It reports
// whether any does.
func (s *sheet) stepAside(nets []net, at int) bool {
	feet, used := map[int][]*net{}, map[int]bool{}
	for i := range nets {
		n := &nets[i]
		for _, x := range n.feet {
			used[x] = true
			if n.hasToCorner {
				feet[x] = append(feet[x], n)
			}
		}
		for _, x := range n.tops {
			used[x] = true
		}
	}
	any := false
	for i := range nets {
		n := &nets[i]
		for k, x := range n.tops {
			over := slices.ContainsFunc(feet[x], func(m *net) bool { return m != n && m.track < n.track })
			if !n.hasToCorner || !over || len(n.jumps) > 0 && n.comes {
				continue
			}
			any = true
			step := 4
			for used[x+step] || used[x-step] {
				step++
			}
			if n.to-x < x-n.from {
				step = -step
			}
			used[x+step] = true
			if len(n.jumps) > 0 {
				s.jumps[n.jumps[k]].sidestep, s.jumps[n.jumps[k]].stepsAt = step, at
			} else {
				s.links[n.links[k]].sidestep, s.links[n.links[k]].stepsAt = step, at
			}
		}
	}
	return any
}
