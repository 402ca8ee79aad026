package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// edges writes lines, arrows and labels. What edges share of their ways is written
// once, the taken ones' first.
func (w *svg) edges(all []*Edge, painted bool) {
	type target struct {
		box    *Box
		errors bool
	}
	drawn := map[target]*knot{}
	order := slices.Clone(all)
	slices.SortStableFunc(order, func(a, b *Edge) int {
		return cmp.Or(cmp.Compare(weight(b), weight(a)), cmp.Compare(len(b.Points), len(a.Points)))
	})
	var lines []string
	for _, e := range order {
		to := target{e.to, e.Kind == CatchEdge}
		if drawn[to] == nil {
			drawn[to] = &knot{at: e.Points[len(e.Points)-1]}
		}
		points, whole := drawn[to].add(e.Points)
		lines = append(lines, e.line(points, whole, painted))
	}
	slices.Reverse(lines) // the taken ones lie above
	for _, line := range lines {
		w.WriteString(line)
	}
	for _, e := range all {
		class := "soft"
		if e.Kind == CatchEdge {
			class = "catch-text"
		}
		for i, line := range e.Lines {
			w.text(e.At.X, e.At.Y+smallLine*i+11, class, line)
		}
	}
}

func weight(e *Edge) int {
	if e.Taken {
		return 1
	}
	return 0
}

// line is the line of an edge as far as it is its own, with its arrow where it is
// whole.
func (e *Edge) line(points []Point, whole, painted bool) string {
	line, tip := "line", "tip"
	switch e.Kind {
	case CatchEdge:
		line, tip = line+" catch", tip+" catch-tip"
	case UndoEdge:
		line += " back"
	default:
		if e.Taken {
			line, tip = line+" taken-flow", tip+" taken-tip"
		}
	}
	switch {
	case e.Taken:
		line += " taken"
	case painted:
		line, tip = line+" untaken", tip+" untaken"
	}
	var b strings.Builder
	if whole {
		last, before := points[len(points)-1], points[len(points)-2]
		points = slices.Clone(points)
		points[len(points)-1] = toward(last, before, 6)
		fmt.Fprintf(&b, `<path class="%s" d="%s"/>`, line, curve(points))
		a, side := toward(last, before, 9), 4
		if e.Taken {
			a, side = toward(last, before, 11), 6
		}
		if last.X == before.X {
			fmt.Fprintf(&b, `<path class="%s" d="M%d %dL%d %dL%d %dz"/>`, tip, last.X, last.Y, a.X-side, a.Y, a.X+side, a.Y)
		} else {
			fmt.Fprintf(&b, `<path class="%s" d="M%d %dL%d %dL%d %dz"/>`, tip, last.X, last.Y, a.X, a.Y-side, a.X, a.Y+side)
		}
	} else if len(points) > 1 {
		fmt.Fprintf(&b, `<path class="%s" d="%s"/>`, line, curve(points))
	}
	b.WriteByte('\n')
	return b.String()
}

// toward is the point so far from one toward another.
func toward(p, q Point, far int) Point {
	step := func(from, to int) int { return from + max(-far, min(far, to-from)) }
	return Point{step(p.X, q.X), step(p.Y, q.Y)}
}

// curve is a way as a path whose corners are round.
func curve(points []Point) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%d %d", points[0].X, points[0].Y)
	for i := 1; i < len(points)-1; i++ {
		p := points[i]
		r := min(6, length(points[i-1], p)/2, length(p, points[i+1])/2)
		a, c := toward(p, points[i-1], r), toward(p, points[i+1], r)
		fmt.Fprintf(&b, "L%d %dQ%d %d %d %d", a.X, a.Y, p.X, p.Y, c.X, c.Y)
	}
	last := points[len(points)-1]
	fmt.Fprintf(&b, "L%d %d", last.X, last.Y)
	return b.String()
}

func length(p, q Point) int { return max(p.X-q.X, q.X-p.X) + max(p.Y-q.Y, q.Y-p.Y) }

// knot is a corner of ways that end at the same place, seen from there.
type knot struct {
	at   Point
	from []*knot
}

// add adds a way that ends at the knot. It gives what of it is not drawn yet, with
// a bit of what is, so that it bends into that; whole where nothing of it was.
func (k *knot) add(points []Point) (own []Point, whole bool) {
	i := len(points) - 1 // points[i] is at the knot, or behind it
	whole = true
	for i > 0 {
		next, on := k.toward(points[i-1])
		if next == nil {
			break
		}
		whole = false
		if on { // the corner lies on a line that is drawn
			split := &knot{at: points[i-1], from: []*knot{next}}
			k.from[slices.Index(k.from, next)] = split
			next = split
		}
		k = next
		if k.at == points[i-1] {
			i--
		}
	}
	if i == 0 {
		return nil, false
	}
	own = slices.Clone(points[:i])
	switch {
	case whole:
		own = append(own, points[i])
	case k.at == points[i] && i+1 < len(points):
		own = append(own, k.at, toward(k.at, points[i+1], 7))
	default:
		own = append(own, toward(k.at, points[i], 7))
	}
	for ; i > 0; i-- {
		next := &knot{at: points[i-1]}
		k.from = append(k.from, next)
		k = next
	}
	return own, whole
}

// toward is the knot from which a drawn line comes along the line from a point, and
// whether the point lies before that one.
func (k *knot) toward(p Point) (next *knot, on bool) {
	for _, n := range k.from {
		sameX := k.at.X == p.X && k.at.X == n.at.X && (p.Y < k.at.Y) == (n.at.Y < k.at.Y)
		sameY := k.at.Y == p.Y && k.at.Y == n.at.Y && (p.X < k.at.X) == (n.at.X < k.at.X)
		if sameX || sameY {
			return n, length(k.at, p) < length(k.at, n.at)
		}
	}
	return nil, false
}
