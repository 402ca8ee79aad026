package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// What comes for an execution whose shard is another node's is decided about by
// its rows, and left for the owner as mail. There is no talk between nodes: the
// commit that leaves the mail is the answer. A job is completed by whoever takes
// its row away; the owner finds that out at the latest when it wants to do so, too.

// standingJob reads a job as it stands, with its row and its execution's. nil: it
// is not there. ErrQuarantined and ErrNotFound are the execution's.
func (e *Engine) standingJob(ctx context.Context, k store.JobKey) (j *machine.Job, row store.Job, of *store.Loaded, err error) {
	loaded, err := e.cfg.Store.Load(ctx, k.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, row, nil, ErrNotFound
	}
	if err != nil {
		return nil, row, nil, fmt.Errorf("load execution %s: %w", k.ID, err)
	}
	for i := range loaded.Jobs {
		switch loaded.Jobs[i].Number {
		case heldMark:
			return nil, row, &loaded, fmt.Errorf("%w: %s", ErrQuarantined, loaded.Jobs[i].Body)
		case k.Number:
			row = loaded.Jobs[i]
			if j, err = machine.Decode[machine.Job](row.Body); err != nil {
				return nil, row, &loaded, fmt.Errorf("job %d of execution %s: %w", k.Number, k.ID, err)
			}
		}
	}
	return j, row, &loaded, nil
}

// fits reports whether a token is of the attempt that a job is for. Whether an
// activity's task was taken need not be asked: tokens are given to who takes them.
func fits(j *machine.Job, t machine.Token) bool {
	return j != nil && j.Attempt == t.Attempt && j.Kind <= machine.Child
}

// completeElsewhere is Complete for the execution of another node: the job's row
// goes, and its answer lies in the owner's inbox.
func (e *Engine) completeElsewhere(ctx context.Context, t machine.Token, m machine.Message) error {
	k := store.JobKey{ID: store.ID(t.ID), Number: uint32(t.Job)}
	var unknown error
	var body []byte
	for range maxTries {
		j, row, of, err := e.standingJob(ctx, k)
		switch {
		case errors.Is(err, ErrNotFound) && unknown == nil:
			return ErrTaskDoesNotExist
		case err != nil:
			return err
		case !fits(j, t) && unknown != nil:
			return e.answered(ctx, k, body, unknown)
		case !fits(j, t):
			return e.refuseElsewhere(ctx, t, m, of)
		}
		answer := mail{kind: mailAnswered, id: k.ID, row: row, message: m}
		body = answer.body()
		err = e.cfg.Store.Commit(ctx, &store.Batch{
			ExpectStood: []store.Job{row},
			DropJobs:    []store.Job{row},
			Messages:    []store.Message{{Shard: k.ID.Shard(), Key: jobName(k, 'a'), Body: body}},
		})
		switch {
		case errors.Is(err, store.ErrUnknown): // it may come about until the row is seen to be gone
			e.metrics.Unknown.Add(1)
			unknown = fmt.Errorf("answer of job %d of execution %s: %w", k.Number, k.ID, err)
		case errors.Is(err, store.ErrConflict):
		case err != nil:
			return e.storeFailed(fmt.Errorf("answer of job %d of execution %s: %w", k.Number, k.ID, err))
		default:
			e.metrics.Commits.Add(1)
			return nil
		}
	}
	if unknown != nil {
		return unknown
	}
	return ErrBusy
}

// answered finds out whether the answer of a job that is gone by now is ours, of
// which nothing was known. Once the owner has heard it nobody can tell any more.
func (e *Engine) answered(ctx context.Context, k store.JobKey, body []byte, unknown error) error {
	messages, err := e.cfg.Store.Messages(ctx, k.ID.Shard(), e.cfg.Limits.Page)
	if err != nil {
		return errors.Join(unknown, err)
	}
	for i := range messages {
		if bytes.Equal(messages[i].Key, jobName(k, 'a')) && bytes.Equal(messages[i].Body, body) {
			return nil
		}
	}
	return unknown
}

// refuseElsewhere tells a saga's history of an answer that came too late, if it is
// one that is to be told of.
func (e *Engine) refuseElsewhere(ctx context.Context, t machine.Token, m machine.Message, of *store.Loaded) error {
	_, head, err := readRow(&of.Execution)
	if err != nil {
		return fmt.Errorf("execution %s: %w", of.Execution.ID, err)
	}
	if x := (&machine.Execution{Head: head}); !x.Expects(t.Job) {
		return ErrTaskTimedOut
	}
	m.Kind, m.Effect = machine.Refused, machine.EffectUnknown
	k := store.JobKey{ID: store.ID(t.ID), Number: uint32(t.Job)}
	if err := e.leave(e.shardOf(k.ID), jobName(k, 'r'), &mail{kind: mailWord, id: k.ID, message: m}); err != nil {
		return err
	}
	return ErrTaskTimedOut
}

// takeElsewhere is takeQueued for a task of another node's execution. One that is
// gone meanwhile is no error.
func (e *Engine) takeElsewhere(k store.QueuedKey, worker string) (PolledTask, error) {
	r := &resident{id: k.Job.ID}
	job := machine.JobID(k.Job.Number)
	err := e.load(r)
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrQuarantined), err == nil && r.held != "":
		return PolledTask{}, nil
	case err != nil:
		return PolledTask{}, err
	}
	j := r.x.Jobs[job]
	if j == nil || j.Taken {
		return PolledTask{}, nil
	}
	q, err := r.x.Request(e.env(), r.program, job)
	if err != nil {
		return PolledTask{}, fmt.Errorf("job %d of execution %s: %w", job, r.id, err)
	}
	word := mail{kind: mailWord, id: r.id, message: machine.Message{Kind: machine.Taken, Job: job, Worker: worker}}
	err = e.cfg.Store.Commit(e.ctx, &store.Batch{
		ExpectQueued: []store.QueuedKey{k},
		ExpectJobs:   []store.JobKey{k.Job},
		DropQueue:    []store.QueuedKey{k},
		Messages:     []store.Message{{Shard: r.id.Shard(), Key: jobName(k.Job, 't'), Body: word.body()}},
	})
	switch {
	case errors.Is(err, store.ErrConflict):
		return PolledTask{}, nil
	case err != nil: // unknown: a task that was taken for nobody ends by its time
		return PolledTask{}, e.storeFailed(fmt.Errorf("take job %d of execution %s: %w", job, r.id, err))
	}
	e.metrics.Commits.Add(1)
	return PolledTask{Token: q.Token, Input: q.Input}, nil
}

// beats remembers which heartbeats were passed on a moment ago.
type beats struct {
	mu   sync.Mutex
	last map[store.JobKey]int64 // their windows
}

// mostBeats bounds what is remembered: whose heartbeat is forgotten has the next
// one passed on early.
const mostBeats = 10_000

// passed reports whether a heartbeat of that window was passed on before.
func (b *beats) passed(k store.JobKey, window int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	last, known := b.last[k]
	return known && last == window
}

func (b *beats) pass(k store.JobKey, window int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil || len(b.last) >= mostBeats {
		b.last = make(map[store.JobKey]int64)
	}
	b.last[k] = window
}

// beatWindow is how long a heartbeat that was passed on to another node stands for
// all that follow, in ms. The owner grants as much in addition, so that none is
// missed.
func (e *Engine) beatWindow(j *machine.Job) int64 {
	if j == nil {
		return 0
	}
	return max(1, min(e.cfg.Limits.BeatEvery.Milliseconds(), j.Heartbeat/8))
}

// beatElsewhere is Heartbeat for a task of another node's execution.
func (e *Engine) beatElsewhere(ctx context.Context, t machine.Token) error {
	k := store.JobKey{ID: store.ID(t.ID), Number: uint32(t.Job)}
	j, _, _, err := e.standingJob(ctx, k)
	switch {
	case errors.Is(err, ErrNotFound):
		return ErrTaskDoesNotExist
	case err != nil:
		return err
	case !fits(j, t):
		return ErrTaskTimedOut
	case j.Heartbeat == 0:
		return nil
	}
	window := e.now() / e.beatWindow(j)
	if e.beats.passed(k, window) {
		return nil
	}
	word := mail{kind: mailWord, id: k.ID, message: machine.Message{Kind: machine.Beat, Job: t.Job}}
	if err := e.leave(e.shardOf(k.ID), jobName(k, append([]byte{'b'}, fmt.Sprint(window)...)...), &word); err != nil {
		return err
	}
	e.beats.pass(k, window)
	return nil
}

// hearOf hears the mail for an execution of ours that was not read yet. What comes
// of it is for others to see, if it could be read.
func (e *Engine) hearOf(id store.ID) error {
	s, r, err := e.awake(id)
	if err == nil {
		defer s.release(r)
		if err = e.catchUp(s, r); err != nil {
			r.x = nil
		}
	}
	if errors.Is(err, ErrNotReady) || errors.Is(err, errAgain) {
		return nil
	}
	return err
}
