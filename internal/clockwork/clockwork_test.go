package clockwork

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// What is pushed in any order comes by its time, and by its tie.
func TestQueue(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	var q Queue[int]
	var want, got [][2]int64
	for range 2000 {
		at, tie := chance.Int64N(50), chance.Uint64N(1_000_000)
		want = append(want, [2]int64{at, int64(tie)})
		q.Push(Happening[int]{At: at, Tie: tie, What: int(at)})
		if chance.IntN(3) == 0 {
			h := q.Pop()
			q.Push(h)
		}
	}
	for len(q) > 0 {
		h := q.Pop()
		if int64(h.What) != h.At {
			t.Fatalf("%d came with %d", h.What, h.At)
		}
		got = append(got, [2]int64{h.At, int64(h.Tie)})
	}
	slices.SortFunc(want, func(a, b [2]int64) int { return slices.Compare(a[:], b[:]) })
	if !slices.Equal(got, want) {
		t.Error("they do not come in the order of their times")
	}
}

// Errands go on by turns, and a runner has one after the other.
func TestRunner(t *testing.T) {
	var idle Runners
	var told []string
	errand := func(name string) *Runner {
		var r *Runner
		r = idle.Take(func() {
			told = append(told, name+" begins")
			if r.Pause(5) {
				told = append(told, name+" ends")
			}
		})
		return r
	}
	a, b := errand("a"), errand("b")
	if a.Resume() != 5 || b.Resume() != 5 || a.Resume() != Ended {
		t.Error("a pause is not what it was for")
	}
	idle.Give(a)
	if c := errand("c"); c != a || c.Resume() != 5 {
		t.Error("an idle runner is not taken")
	}
	b.Stop()
	idle.Dismiss()
	if want := []string{"a begins", "b begins", "a ends", "c begins"}; !slices.Equal(told, want) {
		t.Errorf("it went %q", told)
	}
}
