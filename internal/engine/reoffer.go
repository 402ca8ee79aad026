package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// Reoffer lets all that the outside works on be offered anew, in a store that was
// restored and in which no engine runs: the tokens of before are refused there, so
// what was handed out under one is handed out again, under the same step id. A task
// that a worker had taken waits for a worker, a call whose callback is awaited is
// made again, with a token of now in the place of the one of before. It gives the
// number of tasks and calls, and may be done twice.
func Reoffer(ctx context.Context, s store.Store, page int) (int, error) {
	r, all := &reoffer{ctx, s, s.Identity(), Programs(s, 256)}, 0
	for shard := range r.identity.Shards {
		taken, err := r.letters(store.Shard(shard))
		if all += taken; err != nil {
			return all, err
		}
		var last *store.Job
		for {
			jobs, err := s.Jobs(ctx, store.Shard(shard), store.Never, last, page)
			if err != nil {
				return all, fmt.Errorf("jobs of shard %d: %w", shard, err)
			}
			for i := range jobs {
				done, err := r.job(&jobs[i])
				if err != nil {
					return all, fmt.Errorf("offer job %d of %v again: %w", jobs[i].Number, jobs[i].ID, err)
				}
				if done {
					all++
				}
			}
			if len(jobs) < page {
				break
			}
			last = &jobs[len(jobs)-1]
		}
	}
	return all, nil
}

type reoffer struct {
	ctx      context.Context
	store    store.Store
	identity store.Identity
	programs func(context.Context, store.Hash) (*asl.Program, error)
}

// mostLetters is how many letters of an inbox are looked at: more than nodes leave for
// one another before an owner reads them.
const mostLetters = 100_000

// letters takes what lies in a shard's inbox away of tasks that workers have taken at
// another node, which the owner has not heard of yet, and puts these back into their
// queues. It gives their number.
func (r *reoffer) letters(shard store.Shard) (taken int, err error) {
	all, err := r.store.Messages(r.ctx, shard, mostLetters)
	if err != nil {
		return 0, fmt.Errorf("messages of shard %d: %w", shard, err)
	}
	for i := range all {
		m := &all[i]
		id, told, err := MailOf(m)
		if err != nil || told.Kind != machine.Taken {
			continue // what can't be read is left for who hears it
		}
		loaded, err := r.store.Load(r.ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue // what is for nobody is dropped as it is heard
		}
		if err != nil {
			return taken, fmt.Errorf("message %d of shard %d: %w", m.Seq, shard, err)
		}
		b := &store.Batch{DropMessages: []store.MessageKey{{Shard: shard, Seq: m.Seq, Key: m.Key}}}
		for k := range loaded.Jobs {
			if row := &loaded.Jobs[k]; machine.JobID(row.Number) == told.Job {
				r.requeue(b, row, &loaded.Execution)
			}
		}
		if err := r.store.Commit(r.ctx, b); err != nil {
			return taken, fmt.Errorf("message %d of shard %d: %w", m.Seq, shard, err)
		}
		taken += len(b.Queue)
	}
	return taken, nil
}

// requeue has a batch put a task back into its activity's queue.
func (r *reoffer) requeue(b *store.Batch, row *store.Job, x *store.Execution) {
	j, err := machine.Decode[machine.Job](row.Body)
	if err != nil || j.Kind != machine.Activity || j.Taken {
		return
	}
	start, _, err := readRow(x)
	if err != nil {
		return
	}
	if program, err := r.programs(r.ctx, start.Definition); err == nil && program.States[j.State] != nil {
		b.Queue = append(b.Queue, store.Queued{QueuedKey: QueuedPlace(row.ID, program, j)})
	}
}

// job offers a job again, if it was with the outside under a token, and reports
// whether it was. One that can't be read is left for who turns its execution.
func (r *reoffer) job(row *store.Job) (bool, error) {
	j, err := machine.Decode[machine.Job](row.Body)
	if err != nil || row.Number >= expressMark || !(j.Kind == machine.Activity && j.Taken || j.Kind == machine.Call && !j.Polled()) {
		return false, nil
	}
	x, err := r.store.Execution(r.ctx, row.ID)
	if err != nil {
		return false, err
	}
	start, head, err := readRow(&x)
	if err != nil {
		return false, nil
	}
	program, err := r.programs(r.ctx, start.Definition)
	if err != nil || program.States[j.State] == nil {
		return false, nil
	}
	b, again := new(store.Batch), *j
	switch {
	case j.Kind == machine.Activity:
		again.Taken, again.Due = false, again.Deadline
		b.Queue = append(b.Queue, store.Queued{QueuedKey: QueuedPlace(row.ID, program, &again)})
	case j.Task(program).Pattern != asl.WaitForTaskToken:
		return false, nil
	default:
		again.Submitted, again.Due = false, again.Made
		if err := r.renew(b, row.ID, &head, &again); err != nil {
			return false, err
		}
	}
	if again.Due != row.Due {
		b.MovedJobs = append(b.MovedJobs, store.Job{JobKey: row.JobKey, Due: row.Due})
	}
	b.Jobs = append(b.Jobs, store.Job{JobKey: row.JobKey, Due: again.Due, Body: machine.Append(nil, &again)})
	return true, r.store.Commit(r.ctx, b)
}

// renew gives a call another request where its own holds a token of before: one with
// the token of now. It may be of any epoch before: a restore may have been noted, and
// broken off here.
func (r *reoffer) renew(b *store.Batch, id store.ID, head *machine.Head, j *machine.Job) error {
	texts, err := Texts(r.ctx, r.store, id, []uint32{uint32(j.Request)})
	if err != nil {
		return err
	}
	token := machine.Token{ID: machine.ID(id), Job: j.ID, Attempt: j.Attempt, RestoreEpoch: r.identity.RestoreEpoch}
	text, now := texts[0], token.Seal(r.identity.TokenKey)
	for token.RestoreEpoch = range r.identity.RestoreEpoch {
		text = strings.ReplaceAll(text, token.Seal(r.identity.TokenKey), now)
	}
	if text == texts[0] {
		return nil
	}
	head.LastPayload++
	j.Request = head.LastPayload
	b.Payloads = append(b.Payloads, store.Payload{ID: id, Number: uint32(j.Request), Body: []byte(text)})
	b.Executions = append(b.Executions, store.Execution{ID: id, Body: machine.Append(nil, head)})
	return nil
}
