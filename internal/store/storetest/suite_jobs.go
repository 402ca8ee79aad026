package storetest

import (
	"fmt"
	"math"
	"slices"

	"github.com/backstep/backstep/internal/store"
)

func (h *house) jobs(shard store.Shard, due int64, after *store.Job, limit int) []store.Job {
	h.Helper()
	jobs, err := h.s.Jobs(h.ctx, shard, due, after, limit)
	h.must(err)
	return jobs
}

func jobs(h *house) {
	x := id(1, 1000, 1)
	first, second, never := job(x, 1, 100, "one"), job(x, 2, 200, "two"), job(x, 3, store.Never, "sleeps")
	h.commit(&store.Batch{Jobs: []store.Job{second, never, first}})
	h.same("before any is due", len(h.jobs(1, 99, nil, 9)), 0)
	h.same("due to the millisecond", h.jobs(1, 100, nil, 9), []store.Job{first})
	h.same("all that ever wake", h.jobs(1, store.Never-1, nil, 9), []store.Job{first, second})
	h.same("all", h.jobs(1, store.Never, nil, 9), []store.Job{first, second, never})
	h.same("another shard", len(h.jobs(0, store.Never, nil, 9))+len(h.jobs(2, store.Never, nil, 9)), 0)
	h.same("no limit", len(h.jobs(1, store.Never, nil, 0)), 0)
	h.commit(&store.Batch{DropJobs: []store.Job{first, never, job(x, 9, 9, "")}})
	h.same("after drops", h.jobs(1, store.Never, nil, 9), []store.Job{second})
	second.Body = []byte("changed")
	h.commit(&store.Batch{Jobs: []store.Job{second}})
	h.same("with another body", h.jobs(1, store.Never, nil, 9), []store.Job{second})
}

// jobsInOrder: by due, execution and number, whatever the page.
func jobsInOrder(h *house) {
	var all []store.Job
	for _, due := range []int64{math.MinInt64, -5, 0, 1, 255, 256, 1 << 40, store.Never} {
		for _, x := range []store.ID{id(1, 1, 1), id(1, 1, 2), id(1, 2, 0)} {
			for _, number := range []uint32{0, 255, 256} {
				all = append(all, job(x, number+uint32(len(all))<<10, due, fmt.Sprint(len(all))))
			}
		}
	}
	shuffled := slices.Clone(all)
	slices.Reverse(shuffled)
	h.commit(&store.Batch{Jobs: shuffled, Executions: []store.Execution{{ID: id(1, 1, 1)}}})
	h.commit(&store.Batch{Jobs: []store.Job{job(id(2, 1, 1), 1, 5, "another shard's"), job(id(0, 1, 1), 1, 5, "another shard's")}})
	for _, page := range []int{1, 2, 7, 1000} {
		var got []store.Job
		var after *store.Job
		for {
			jobs := h.jobs(1, store.Never, after, page)
			if len(jobs) == 0 {
				break
			}
			got = append(got, jobs...)
			after = &jobs[len(jobs)-1]
		}
		h.same(fmt.Sprintf("pages of %d", page), got, all)
	}
	gone := job(id(1, 1, 2), 3, 0, "")
	h.same("after a job that is not there", h.jobs(1, 0, &gone, 1)[0], all[slices.IndexFunc(all, func(j store.Job) bool {
		return j.Due == 0 && j.ID == gone.ID
	})])
}

// jobsMoved: a job that moves is due once, at its new time.
func jobsMoved(h *house) {
	x := id(1, 1000, 1)
	for i, due := range []int64{100, 50, store.Never, 7, 7} {
		b := &store.Batch{Jobs: []store.Job{job(x, 1, due, fmt.Sprint(i))}}
		if stood := h.jobs(1, store.Never, nil, 9); len(stood) > 0 {
			b.MovedJobs = []store.Job{{JobKey: stood[0].JobKey, Due: stood[0].Due}}
		}
		h.commit(b)
		h.same("the job", h.jobs(1, store.Never, nil, 9), []store.Job{job(x, 1, due, fmt.Sprint(i))})
		h.same("not before", len(h.jobs(1, due-1, nil, 9)), 0)
	}
	h.commit(&store.Batch{DropJobs: []store.Job{job(x, 1, 7, "")}})
	h.same("after all", len(h.jobs(1, store.Never, nil, 9)), 0)
}

// jobsExpected: the row of a job is the right to complete it.
func jobsExpected(h *house) {
	x := id(1, 1000, 1)
	j := job(x, 1, 100, "")
	complete := func(by string) *store.Batch {
		return &store.Batch{ExpectJobs: []store.JobKey{j.JobKey}, DropJobs: []store.Job{j},
			Messages: []store.Message{{Shard: 1, Key: []byte(by), Body: []byte("done")}}}
	}
	h.refused(complete("nobody"), store.ErrConflict)
	h.commit(&store.Batch{Jobs: []store.Job{j}})
	h.commit(complete("first"))
	h.refused(complete("second"), store.ErrConflict)
	got := read(h.s.Messages(h.ctx, 1, 9))(h)
	if len(got) != 1 || string(got[0].Key) != "first" {
		h.Fatalf("messages %v", got)
	}
}

// jobsStood: who completes a job by how it was read finds out where it was
// changed since.
func jobsStood(h *house) {
	x := id(1, 1000, 1)
	was := job(x, 1, 100, "was")
	h.commit(&store.Batch{Jobs: []store.Job{was}})
	moved, changed := was, was
	moved.Due, changed.Body = 200, []byte("is")
	for _, other := range []store.Job{moved, changed, job(x, 2, 100, "was")} {
		h.refused(&store.Batch{ExpectStood: []store.Job{other}, DropJobs: []store.Job{was}}, store.ErrConflict)
	}
	h.same("after refusals", h.jobs(1, store.Never, nil, 9), []store.Job{was})
	h.commit(&store.Batch{ExpectStood: []store.Job{was}, MovedJobs: []store.Job{was}, Jobs: []store.Job{moved}})
	h.refused(&store.Batch{ExpectStood: []store.Job{was}, DropJobs: []store.Job{was}}, store.ErrConflict)
	h.commit(&store.Batch{ExpectStood: []store.Job{moved}, DropJobs: []store.Job{moved}})
	h.same("after all", len(h.jobs(1, store.Never, nil, 9)), 0)
}

func (h *house) messages(shard store.Shard, limit int) []store.Message {
	h.Helper()
	messages, err := h.s.Messages(h.ctx, shard, limit)
	h.must(err)
	return messages
}

func message(shard store.Shard, key, body string) store.Message {
	return store.Message{Shard: shard, Key: []byte(key), Body: []byte(body)}
}

// messages come in the order of their arrival.
func messages(h *house) {
	var want []string
	for i := range 300 {
		h.commit(&store.Batch{Messages: []store.Message{message(1, fmt.Sprintf("%03d", 299-i), "b")}})
		want = append(want, fmt.Sprintf("%03d", 299-i))
	}
	h.commit(&store.Batch{Messages: []store.Message{message(0, "x", ""), message(2, "y", ""), message(2, "z", "")}})
	got := h.messages(1, 1000)
	for i := range got {
		if string(got[i].Key) != want[i] || string(got[i].Body) != "b" || got[i].Shard != 1 {
			h.Fatalf("message %d is %v, want %s", i, got[i], want[i])
		}
		if i > 0 && got[i].Seq <= got[i-1].Seq {
			h.Fatalf("message %d follows %d", got[i].Seq, got[i-1].Seq)
		}
	}
	h.same("messages", len(got), len(want))
	h.same("at most two", h.messages(1, 2), got[:2])
	h.same("no limit", len(h.messages(1, 0)), 0)
	two := h.messages(2, 9)
	h.same("in the order of the batch", string(two[0].Key)+string(two[1].Key), "yz")
	h.commit(&store.Batch{DropMessages: []store.MessageKey{{Shard: 1, Seq: got[0].Seq, Key: got[0].Key}, {Shard: 1, Seq: got[2].Seq, Key: got[2].Key}}})
	h.same("after drops", h.messages(1, 2), []store.Message{got[1], got[3]})
}

// messagesOfOneKey: of one key in one shard there is one message.
func messagesOfOneKey(h *house) {
	h.commit(&store.Batch{Messages: []store.Message{message(1, "k", "first"), message(2, "k", "of another shard")}})
	h.commit(&store.Batch{Messages: []store.Message{message(1, "k", "again"), message(1, "k2", "beside")}})
	got := h.messages(1, 9)
	if len(got) != 2 || string(got[0].Body) != "first" || string(got[1].Body) != "beside" {
		h.Fatalf("messages %v", got)
	}
	first := store.MessageKey{Shard: 1, Seq: got[0].Seq, Key: got[0].Key}
	h.commit(&store.Batch{DropMessages: []store.MessageKey{first}})
	h.commit(&store.Batch{Messages: []store.Message{message(1, "k", "anew")}})
	h.commit(&store.Batch{DropMessages: []store.MessageKey{first}}) // late: it is long gone
	h.commit(&store.Batch{Messages: []store.Message{message(1, "k", "once more")}})
	got = h.messages(1, 9)
	if len(got) != 2 || string(got[1].Body) != "anew" {
		h.Fatalf("messages %v", got)
	}
	h.same("the other shard's", len(h.messages(2, 9)), 1)
}

// messagesRise: a number is given once, whatever was taken away since.
func messagesRise(h *house) {
	var last uint64
	for i, again := range []func(){func() {}, func() {}, h.reopen, h.crash, h.reopen} {
		again()
		h.commit(&store.Batch{Messages: []store.Message{message(1, fmt.Sprint(i), "")}})
		got := h.messages(1, 9)
		if len(got) != 1 || got[0].Seq <= last {
			h.Fatalf("messages %v after number %d", got, last)
		}
		last = got[0].Seq
		h.commit(&store.Batch{DropMessages: []store.MessageKey{{Shard: 1, Seq: last, Key: got[0].Key}}})
	}
}
