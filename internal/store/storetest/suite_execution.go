package storetest

import (
	"fmt"
	"math"

	"github.com/backstep/backstep/internal/store"
)

func executions(h *house) {
	x := id(1, 1000, 1)
	_, err := h.s.Execution(h.ctx, x)
	h.absent("an execution that never was", err)
	h.commit(&store.Batch{Executions: []store.Execution{{ID: x, Start: []byte("start"), Body: []byte("body")}}})
	h.same("the execution", read(h.s.Execution(h.ctx, x))(h), store.Execution{ID: x, Start: []byte("start"), Body: []byte("body")})
	_, err = h.s.Execution(h.ctx, id(1, 1000, 2))
	h.absent("its neighbour", err)
}

func startNilKeeps(h *house) {
	x := id(1, 1000, 1)
	h.commit(&store.Batch{Executions: []store.Execution{{ID: x, Start: []byte("start"), Body: []byte("1")}}})
	h.commit(&store.Batch{Executions: []store.Execution{{ID: x, Body: []byte("2")}}})
	h.same("the row", read(h.s.Execution(h.ctx, x))(h), store.Execution{ID: x, Start: []byte("start"), Body: []byte("2")})
	h.commit(&store.Batch{Executions: []store.Execution{{ID: x, Start: []byte("anew"), Body: []byte("3")}}})
	h.same("the row", read(h.s.Execution(h.ctx, x))(h), store.Execution{ID: x, Start: []byte("anew"), Body: []byte("3")})
	y := id(1, 1000, 2)
	h.commit(&store.Batch{Executions: []store.Execution{{ID: y, Body: []byte("no start")}}})
	h.same("a row without a start", read(h.s.Execution(h.ctx, y))(h), store.Execution{ID: y, Body: []byte("no start")})
}

// load is the execution, its frames and its jobs, and nothing of its neighbours.
func load(h *house) {
	x, before, behind := id(1, 1000, 5), id(1, 1000, 4), id(1, 1000, 6)
	_, err := h.s.Load(h.ctx, x)
	h.absent("an execution that never was", err)
	numbers := []uint32{0, 1, 2, 255, 256, 70000, math.MaxUint32}
	for _, id := range []store.ID{before, x, behind} {
		b := &store.Batch{Executions: []store.Execution{{ID: id, Start: []byte("s"), Body: []byte(id.String())}}}
		for i := range numbers {
			n := numbers[len(numbers)-1-i]
			b.Frames = append(b.Frames, store.Frame{ID: id, Number: n, Body: fmt.Appendf(nil, "frame %d", n)})
			b.Jobs = append(b.Jobs, job(id, n, int64(n), fmt.Sprintf("job %d", n)))
			b.Undos = append(b.Undos, store.Undo{ID: id, Number: n, Body: []byte("undo")})
			b.Payloads = append(b.Payloads, store.Payload{ID: id, Number: n, Body: []byte("payload")})
			b.Events = append(b.Events, store.Events{ID: id, First: int64(n) + 1, Body: []byte("events")})
		}
		h.commit(b)
	}
	want := store.Loaded{Execution: store.Execution{ID: x, Start: []byte("s"), Body: []byte(x.String())}}
	for _, n := range numbers {
		want.Frames = append(want.Frames, store.Frame{ID: x, Number: n, Body: fmt.Appendf(nil, "frame %d", n)})
		want.Jobs = append(want.Jobs, job(x, n, int64(n), fmt.Sprintf("job %d", n)))
	}
	h.same("loaded", read(h.s.Load(h.ctx, x))(h), want)
	h.commit(&store.Batch{
		DropFrames: []store.FrameKey{{ID: x, Number: 0}, {ID: x, Number: 9}},
		Frames:     []store.Frame{{ID: x, Number: 1, Body: []byte("changed")}},
		DropJobs:   want.Jobs[1:2],
	})
	want.Frames[1].Body, want.Frames = []byte("changed"), want.Frames[1:]
	want.Jobs = append(want.Jobs[:1:1], want.Jobs[2:]...)
	h.same("loaded after a turn", read(h.s.Load(h.ctx, x))(h), want)
	h.commit(&store.Batch{Frames: []store.Frame{{ID: id(9, 9, 9), Number: 1}}})
	_, err = h.s.Load(h.ctx, id(9, 9, 9))
	h.absent("frames without an execution", err)
}

func undos(h *house) {
	x := id(1, 1000, 1)
	var b store.Batch
	var all []store.Undo
	for n := range uint32(300) {
		all = append(all, store.Undo{ID: x, Number: n * 3, Body: fmt.Appendf(nil, "undo %d", n)})
	}
	b.Undos = append(all[:0:0], all...)
	b.Undos = append(b.Undos, store.Undo{ID: id(1, 1000, 0), Number: 7}, store.Undo{ID: id(1, 1000, 2), Number: 7})
	h.commit(&b)
	h.same("the first", read(h.s.Undos(h.ctx, x, 0, 2))(h), all[:2])
	h.same("from a number", read(h.s.Undos(h.ctx, x, 600, 2))(h), all[200:202])
	h.same("from between numbers", read(h.s.Undos(h.ctx, x, 601, 1000))(h), all[201:])
	h.same("none behind", len(read(h.s.Undos(h.ctx, x, 898, 10))(h)), 0)
	h.same("no limit", len(read(h.s.Undos(h.ctx, x, 0, 0))(h)), 0)
	h.commit(&store.Batch{DropUndos: []store.UndoKey{{ID: x, Number: 3}, {ID: x, Number: 4}}})
	h.same("after a drop", read(h.s.Undos(h.ctx, x, 0, 2))(h), []store.Undo{all[0], all[2]})
}

// events are found by any event of their group, in both directions.
func events(h *house) {
	x := id(1, 1000, 1)
	var all []store.Events
	for _, first := range []int64{1, 4, 5, 300, 70000} {
		all = append(all, store.Events{ID: x, First: first, Body: fmt.Appendf(nil, "from %d", first)})
	}
	h.commit(&store.Batch{Events: append(all[:0:0], all...)})
	h.commit(&store.Batch{Events: []store.Events{{ID: id(1, 1000, 0), First: 2}, {ID: id(1, 1000, 2), First: 2}}})
	for _, c := range []struct {
		from      int64
		backwards bool
		limit     int
		want      []int
	}{
		{0, false, 9, []int{0, 1, 2, 3, 4}}, {1, false, 2, []int{0, 1}}, {3, false, 2, []int{0, 1}}, {4, false, 1, []int{1}},
		{299, false, 9, []int{2, 3, 4}}, {300, false, 9, []int{3, 4}}, {math.MaxInt64, false, 9, []int{4}}, {1, false, 0, nil},
		{math.MaxInt64, true, 2, []int{4, 3}}, {70000, true, 1, []int{4}}, {69999, true, 9, []int{3, 2, 1, 0}},
		{1, true, 9, []int{0}}, {0, true, 9, nil}, {9, true, -1, nil},
	} {
		got, err := h.s.Events(h.ctx, x, c.from, c.backwards, c.limit)
		h.must(err)
		var want []store.Events
		for _, i := range c.want {
			want = append(want, all[i])
		}
		h.same(fmt.Sprintf("events from %d, backwards %v, at most %d", c.from, c.backwards, c.limit), got, want)
	}
	h.same("no execution", len(read(h.s.Events(h.ctx, id(2, 1, 1), 0, false, 9))(h)), 0)
}

func payloads(h *house) {
	x := id(1, 1000, 1)
	h.commit(&store.Batch{Payloads: []store.Payload{
		{ID: x, Number: 0, Body: []byte("zero")}, {ID: x, Number: 1, Body: nil}, {ID: x, Number: math.MaxUint32, Body: []byte("last")},
		{ID: id(1, 1000, 2), Number: 5, Body: []byte("another's")},
	}})
	got := read(h.s.Payloads(h.ctx, x, []uint32{math.MaxUint32, 0, 1, 0}))(h)
	h.same("in the order asked", got, [][]byte{[]byte("last"), []byte("zero"), nil, []byte("zero")})
	_, err := h.s.Payloads(h.ctx, x, []uint32{0, 5})
	h.absent("another execution's payload", err)
	_, err = h.s.Payloads(h.ctx, id(7, 7, 7), []uint32{0})
	h.absent("no execution's payload", err)
	h.same("none asked", len(read(h.s.Payloads(h.ctx, x, nil))(h)), 0)
}

// dropExecutions takes all of an execution and nothing of its neighbours.
func dropExecutions(h *house) {
	edge := store.ID{0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	all := []store.ID{id(1, 1000, 4), id(1, 1000, 5), id(1, 1000, 6), edge, id(2, 0, 0)}
	filled := func(x store.ID) *store.Batch {
		return &store.Batch{
			Executions: []store.Execution{{ID: x, Start: []byte("s"), Body: []byte("b")}},
			Frames:     []store.Frame{{ID: x, Number: 1}}, Undos: []store.Undo{{ID: x, Number: math.MaxUint32}},
			Events: []store.Events{{ID: x, First: 1}}, Payloads: []store.Payload{{ID: x, Number: math.MaxUint32}},
			Jobs: []store.Job{job(x, 1, 10, "a"), job(x, 2, store.Never, "b")},
		}
	}
	for _, x := range all {
		h.commit(filled(x))
	}
	before := h.contents(all...)
	for _, gone := range []store.ID{id(1, 1000, 5), edge} {
		h.commit(&store.Batch{DropExecutions: []store.ID{gone}, DropJobs: []store.Job{job(gone, 1, 10, ""), job(gone, 2, store.Never, "")}})
		h.same("what a dropped execution leaves", h.contents(gone), h.contents(id(60, 60, 60)))
		h.commit(filled(gone))
		h.same("all, made anew", h.contents(all...), before)
	}
	h.commit(&store.Batch{DropExecutions: all})
	h.same("jobs of dropped executions", len(h.jobs(1, store.Never, nil, 99))+len(h.jobs(2, store.Never, nil, 99)), 0)
	h.commit(&store.Batch{DropExecutions: []store.ID{id(50, 50, 50)}})
}

// contents is all that the store has of some executions, as text.
func (h *house) contents(ids ...store.ID) string {
	h.Helper()
	var all string
	for _, x := range ids {
		l, err := h.s.Load(h.ctx, x)
		all += fmt.Sprint(l, err != nil)
		all += fmt.Sprint(read(h.s.Undos(h.ctx, x, 0, 1000))(h), read(h.s.Events(h.ctx, x, 0, false, 1000))(h))
		p, err := h.s.Payloads(h.ctx, x, []uint32{math.MaxUint32})
		all += fmt.Sprint(p, err != nil)
	}
	return all
}
