package machine

import (
	"fmt"

	"github.com/backstep/backstep/internal/asl"
)

// Task is the resource of a job of a Task, or of one of its bodies.
func (j *Job) Task(p *asl.Program) *asl.Resource {
	s := p.States[j.State]
	switch {
	case j.Resource != "":
		r, _ := asl.ParseResource(j.Resource)
		return &r
	case j.Operation != Forward:
		return &textOf(s.Step, j.Operation, j.Alternative).Resource
	}
	return &s.Task.Resource
}

// Request is what is to be done for a job of a Task: a Call, an Activity, a
// Child, or the Halt of a call that was submitted. Its payloads must be at hand.
func (x *Execution) Request(e Env, p *asl.Program, id JobID) (Request, error) {
	j := x.Jobs[id]
	if j == nil || j.Kind > Child && j.Answer == 0 {
		return Request{}, fmt.Errorf("no task is to be done for job %d", id)
	}
	s := p.States[j.State]
	input, there := x.Payloads[j.Request]
	if s == nil || s.Task == nil && j.Operation == Forward || !there {
		return Request{}, fmt.Errorf("job %d: its state %q or its request is missing", id, j.State)
	}
	r := Request{Resource: *j.Task(p), Operation: j.Operation, Input: input, StepID: x.Start.ID.Step(j.Entry), Attempt: j.Attempt}
	if j.Operation != Forward {
		r.Forward = r.StepID
	}
	r.StepID += keyOf(j.Operation, j.Alternative, j.Edition)
	if j.Operation == Ask {
		r.StepID = ""
	}
	if j.Kind == Activity || r.Resource.Pattern != asl.RequestResponse {
		r.Token = x.token(&e, id, j.Attempt)
	}
	return r, nil
}
