package engine

import (
	"context"
	"fmt"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// readExecution makes an execution of its rows. held says why it is quarantined, ""
// where it is not. A frame or a job that can't be read is left out, and is an error
// beside the execution, and why it is quarantined; without its head there is none. The
// record of an express start is no execution: ErrNotFound.
func readExecution(l *store.Loaded) (x *machine.Execution, held string, err error) {
	start, head, err := readRow(&l.Execution)
	if err != nil {
		return nil, "", err
	}
	frames := make([]*machine.Frame, 0, len(l.Frames))
	for i := range l.Frames {
		f, bad := machine.Decode[machine.Frame](l.Frames[i].Body)
		if bad != nil {
			err = fmt.Errorf("frame %d: %w", l.Frames[i].Number, bad)
			continue
		}
		frames = append(frames, f)
	}
	jobs := make([]*machine.Job, 0, len(l.Jobs))
	for i := range l.Jobs {
		row := &l.Jobs[i]
		switch row.Number {
		case heldMark:
			held = string(row.Body)
			continue
		case expressMark:
			return nil, "", ErrNotFound // it lives in memory alone, and has ended there
		}
		j, bad := machine.Decode[machine.Job](row.Body)
		if bad != nil {
			err = fmt.Errorf("job %d: %w", row.Number, bad)
			continue
		}
		jobs = append(jobs, j)
	}
	if err != nil && held == "" {
		held = "it can not be read: " + err.Error()
	}
	return machine.Restore(start, head, frames, jobs), held, err
}

func readRow(row *store.Execution) (machine.Start, machine.Head, error) {
	start, err := machine.Decode[machine.Start](row.Start)
	if err != nil {
		return *start, machine.Head{}, fmt.Errorf("start: %w", err)
	}
	head, err := machine.Decode[machine.Head](row.Body)
	if err != nil {
		return *start, *head, fmt.Errorf("head: %w", err)
	}
	start.Follow(head)
	return *start, *head, nil
}

// awakeFor is awake for what a job asks for: the job, nil where it is over, with
// its request at hand.
func (e *Engine) awakeFor(k store.JobKey) (*shard, *resident, *machine.Job, error) {
	s, r, err := e.awake(k.ID)
	if err != nil {
		return nil, nil, nil, err
	}
	j := r.x.Jobs[machine.JobID(k.Number)]
	if err := e.atHand(r, j); err != nil {
		s.release(r)
		return nil, nil, nil, err
	}
	return s, r, j, nil
}

// atHand reads what a job asks for again, where it was asked for before and let go
// meanwhile.
func (e *Engine) atHand(r *resident, j *machine.Job) error {
	if j == nil || !gone(r.x, j.Request) && !gone(r.x, j.Answer) {
		return nil
	}
	return e.readPayloads(e.ctx, r.id, r.x)
}

func gone(x *machine.Execution, ref machine.Ref) bool { return ref != 0 && x.Payloads[ref].IsZero() }

// readPayloads puts what the execution's next turn may look at into it.
func (e *Engine) readPayloads(ctx context.Context, id store.ID, x *machine.Execution) error {
	refs := x.Needs()
	if len(refs) == 0 {
		return nil
	}
	numbers := make([]uint32, len(refs))
	for i, ref := range refs {
		numbers[i] = uint32(ref)
	}
	texts, err := Texts(ctx, e.cfg.Store, id, numbers)
	if err != nil {
		return err
	}
	for i, text := range texts {
		x.Payloads[refs[i]] = value.Checked(text)
	}
	return nil
}
