package machine

import (
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// An answer that comes after its task was given up is refused, and changes
// nothing. Of a saga history tells it all the same, once for each task: who reads
// why a step was undone sees that it was done after all.

// expected is a task of a saga that was given up while somebody had its token.
type expected struct {
	Job   JobID
	State string
	Event int64 // the last that history told of the task
}

// maxExpected is how many of them an execution remembers: the last ones.
const maxExpected = 100

// expect remembers a frame's task that is being given up, where somebody may
// still answer it.
func (t *turn) expect(f *Frame) {
	j := t.peekJob(f.Job)
	if j == nil || t.head.OpenSagas == 0 || j.Kind > Child || j.Kind == Activity && !j.Taken {
		return
	}
	w, r := t.underWay(f, j)
	if r.Kind != asl.Activity && r.Pattern != asl.WaitForTaskToken {
		return
	}
	late := append(slices.Clone(t.head.Late), expected{j.ID, j.State, w.Prev})
	t.head.Late = late[max(0, len(late)-maxExpected):]
}

// Expects reports whether a late answer of a job's task is to be told.
func (x *Execution) Expects(job JobID) bool {
	return slices.ContainsFunc(x.Head.Late, func(e expected) bool { return e.Job == job })
}

// tooLate tells history of an answer that was refused.
func (t *turn) tooLate(m Message) bool {
	i := slices.IndexFunc(t.head.Late, func(e expected) bool { return e.Job == m.Job })
	if i < 0 || !t.goesOn() {
		return false
	}
	task := t.head.Late[i]
	t.head.Late = slices.Delete(slices.Clone(t.head.Late), i, i+1)
	e := Event{Type: LateTaskResult, Prev: task.Event, State: task.State}
	switch {
	case m.Failure != nil:
		fl := given(m.Failure)
		e.Error, e.Cause = fl.Error, fl.Cause
	case !t.tooLong(m.Output):
		e.Out = t.payload(m.Output, value.Value{})
	}
	t.event(e)
	return true
}
