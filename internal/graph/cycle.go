package graph

// arc is an edge of a flow between two of its boxes, by their numbers, as it is
// drawn: from its upper box to its lower one. One that is turned leads up.
type arc struct {
	edge       *Edge
	top, below int
	turned     bool
	main       bool // it goes on from its box in the middle
}

// acyclic turns those arcs that lead back to where a walk from the first box came
// through. The walk takes each box's arcs in their order, the way of success
// before that of errors, so that what is turned is what a reader would call a loop.
func acyclic(boxes, first int, arcs []arc) {
	out := make([][]int, boxes)
	for i, a := range arcs {
		out[a.top] = append(out[a.top], i)
	}
	const (
		unseen = iota
		open
		done
	)
	state := make([]int, boxes)
	type visit struct{ box, next int }
	walk := func(from int) {
		path := []visit{{box: from}}
		state[from] = open
		for len(path) > 0 {
			at := &path[len(path)-1]
			if at.next == len(out[at.box]) {
				state[at.box] = done
				path = path[:len(path)-1]
				continue
			}
			a := &arcs[out[at.box][at.next]]
			at.next++
			switch state[a.below] {
			case open:
				a.top, a.below, a.turned = a.below, a.top, true
			case unseen:
				state[a.below] = open
				path = append(path, visit{box: a.below})
			}
		}
	}
	walk(first)
	for b := range boxes {
		if state[b] == unseen {
			walk(b)
		}
	}
}
