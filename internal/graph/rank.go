package graph

// ranks gives each box the layer that it stands in: as high as its arcs, which
// have no cycle, let it. What nothing leads to stands right above what it leads to.
func ranks(boxes, first int, arcs []arc) []int {
	out, in := make([][]int, boxes), make([]int, boxes)
	for i, a := range arcs {
		out[a.top] = append(out[a.top], i)
		in[a.below]++
	}
	rank, left := make([]int, boxes), append([]int(nil), in...)
	var ready []int
	for b := range boxes {
		if in[b] == 0 {
			ready = append(ready, b)
		}
	}
	for i := 0; i < len(ready); i++ {
		for _, n := range out[ready[i]] {
			below := arcs[n].below
			rank[below] = max(rank[below], rank[ready[i]]+1)
			if left[below]--; left[below] == 0 {
				ready = append(ready, below)
			}
		}
	}
	for i := len(ready) - 1; i >= 0; i-- {
		b := ready[i]
		if in[b] > 0 || b == first || len(out[b]) == 0 {
			continue
		}
		rank[b] = rank[arcs[out[b][0]].below] - 1
		for _, n := range out[b] {
			rank[b] = min(rank[b], rank[arcs[n].below]-1)
		}
	}
	return rank
}

// muchDeeper is by how many layers a way must lead further than all others to be
// the main one.
const muchDeeper = 2

// mainWays marks the arcs that go straight on: the one way on of a state, and of a
// Choice the one that leads much deeper than all others.
func mainWays(boxes int, rank []int, arcs []arc) {
	depth := depths(boxes, rank, arcs)
	deepest, second := make([]int, boxes), make([]int, boxes) // of each Choice: an arc; how deep the others lead
	for b := range deepest {
		deepest[b], second[b] = -1, -muchDeeper
	}
	for i := range arcs {
		a := &arcs[i]
		switch a.edge.Kind {
		case StartEdge, EndEdge, NextEdge:
			a.main = !a.turned
		case RuleEdge, DefaultEdge:
			from, leads := a.top, 0
			if a.turned {
				from, leads = a.below, -1
			} else {
				leads = depth[a.below]
			}
			switch d := deepest[from]; {
			case leads < 0:
				second[from] = max(second[from], 0)
			case d < 0 || leads > depth[arcs[d].below]:
				if d >= 0 {
					second[from] = max(second[from], depth[arcs[d].below])
				}
				deepest[from] = i
			default:
				second[from] = max(second[from], leads)
			}
		}
	}
	for b, i := range deepest {
		if i >= 0 && depth[arcs[i].below] >= second[b]+muchDeeper {
			arcs[i].main = true
		}
	}
}

// depths tells how many layers lie beneath each box on the longest way down.
func depths(boxes int, rank []int, arcs []arc) []int {
	byRank := make([][]int, boxes+1)
	for i, a := range arcs {
		byRank[rank[a.top]] = append(byRank[rank[a.top]], i)
	}
	depth := make([]int, boxes)
	for r := boxes; r >= 0; r-- {
		for _, i := range byRank[r] {
			depth[arcs[i].top] = max(depth[arcs[i].top], depth[arcs[i].below]+1)
		}
	}
	return depth
}
