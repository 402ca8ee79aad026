// Package clockwork is what a world needs that nobody waits for: a queue of what
// will happen, by a time of its own, and coroutines for what goes on side by side,
// of which one runs at a time. It has no clock, no chance and no lock: the same
// happenings in the same order are the same world.
package clockwork

// Queue is a heap of what will happen, the earliest first. Zero is empty. It is
// for one goroutine.
type Queue[T any] []Happening[T]

// Happening is something that will happen.
type Happening[T any] struct {
	At   int64  // ms
	Tie  uint64 // decides among those of one time: the lesser comes first
	What T
}

func (h *Happening[T]) before(o *Happening[T]) bool {
	return h.At < o.At || h.At == o.At && h.Tie < o.Tie
}

// Push adds a happening. Those that are alike in time and tie come in no order
// that could be told before.
func (q *Queue[T]) Push(h Happening[T]) {
	*q = append(*q, h)
	a := *q
	for i := len(a) - 1; i > 0; {
		up := (i - 1) / 2
		if !a[i].before(&a[up]) {
			break
		}
		a[i], a[up] = a[up], a[i]
		i = up
	}
}

// Pop takes the earliest happening out. The queue must not be empty; q[0] is what
// it would take.
func (q *Queue[T]) Pop() Happening[T] {
	a := *q
	first, last := a[0], len(a)-1
	a[0], a[last] = a[last], Happening[T]{}
	a = a[:last]
	*q = a
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(a); child++ {
			if a[child].before(&a[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		a[i], a[least] = a[least], a[i]
		i = least
	}
}
