package machine

import (
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// birth is what a nested execution is started with.
type birth struct {
	MachineARN string // of the machine, of a version or of an alias; "" where none was given
	Name       string // given, or that of the attempt: a request sent again finds what runs already
	Named      bool   // the name was given
	Input      value.Text
	Trace      string
}

// birth reads the request of a Child job. The error says why its Input, given
// as a text, is no JSON.
func (r *Request) Birth() (birth, error) {
	asked := r.Input.Decode()
	b := birth{
		MachineARN: asked.Get("StateMachineArn").AsString(),
		Name:       asked.Get("Name").AsString(),
		Trace:      asked.Get("TraceHeader").AsString(),
		Input:      value.Checked("{}"),
	}
	if b.Named = b.Name != ""; !b.Named {
		b.Name = r.Child(r.Attempt)
	}
	switch in := asked.Get("Input"); in.Kind() {
	case value.Absent, value.Null:
	case value.String:
		text, err := value.Check(in.AsString())
		if err != nil {
			return b, err
		}
		b.Input = text
	default:
		b.Input = in.Text()
	}
	return b, nil
}

// Child is the name of the execution that an attempt of the request's step starts,
// where the definition gives none: those of earlier attempts have ended, and keep
// theirs. A request that a person has edited is another attempt as well.
func (r *Request) Child(attempt uint32) string {
	stepID, _, _ := strings.Cut(r.StepID, "~")
	if attempt > 1 {
		return stepID + "-" + strconv.FormatUint(uint64(attempt), 10)
	}
	return stepID
}

// Ending is a nested execution that has ended, as its parent is told.
type Ending struct {
	Start         Start
	Head          Head
	Input, Output value.Text
	NotRedrivable string // why it can't be redriven; ""
	byMapRun      bool   // its map run can redrive it
}

// Ending is what the execution's parent is told. Its payloads must be at hand.
func (x *Execution) Ending(l Limits) Ending {
	n := Ending{
		Start: x.Start, Head: x.Head, Input: x.Payloads[x.Head.Input], Output: x.Payloads[x.Head.Output],
		NotRedrivable: x.Head.NotRedrivable(&x.Start, l, x.Head.Now), byMapRun: x.Head.ByMapRun(&x.Start, l, x.Head.Now),
	}
	if p := n.Start.Parent; p != nil {
		n.Start.Parent = &Parent{p.ID, x.ParentJob()}
	}
	return n
}

// ParentJob is the parent's job that the execution's end completes; 0 where
// there is no parent.
func (x *Execution) ParentJob() JobID { return x.Head.parentJob(&x.Start) }

func (h *Head) parentJob(s *Start) JobID {
	if h.ParentJob == 0 && s.Parent != nil {
		return s.Parent.Job
	}
	return h.ParentJob
}

// Message completes the parent's job, whose task waits in the pattern .sync or
// .sync:2.
func (n *Ending) Message(p asl.Pattern) Message {
	told := n.describe(p).Text()
	m := Message{Kind: JobSucceeded, Job: n.Start.Parent.Job, Output: told}
	if n.Head.Status != Succeeded {
		name, cause := "States.TaskFailed", told.String()
		m = Message{Kind: JobFailed, Job: m.Job, Failure: &Failure{Error: &name, Cause: &cause}, Effect: EffectUnknown}
		if n.Head.Undone {
			m.Effect = EffectNone
		}
	}
	return m
}

// describe is the execution as DescribeExecution has it, in the spelling of a
// task's result. With .sync its input and output are texts.
func (n *Ending) describe(p asl.Pattern) value.Value {
	data := func(text value.Text) value.Value {
		if p == asl.Sync2 {
			return text.Decode()
		}
		return value.NewString(text.String())
	}
	included := value.NewObject(member("Included", value.NewBool(true)))
	b := value.NewBuilder(16)
	b.Set("Cause", maybe(n.Head.Cause))
	b.Set("Error", maybe(n.Head.Error))
	b.Set("ExecutionArn", value.NewString(n.Start.ExecutionARN()))
	b.Set("Input", data(n.Input))
	b.Set("InputDetails", included)
	b.Set("Name", value.NewString(n.Start.Name))
	if !n.Output.IsZero() {
		b.Set("Output", data(n.Output))
	}
	if !n.Output.IsZero() || n.Start.Map != nil {
		b.Set("OutputDetails", included)
	}
	b.Set("RedriveCount", value.NewInt(int64(n.Head.Redrives)))
	if n.Head.Redriven != 0 {
		b.Set("RedriveDate", value.NewInt(n.Head.Redriven))
	}
	switch {
	case n.Start.Express: // it is started again, never redriven
	case n.byMapRun:
		b.Set("RedriveStatus", value.NewString("REDRIVABLE_BY_MAP_RUN"))
	case n.NotRedrivable != "":
		b.Set("RedriveStatus", value.NewString("NOT_REDRIVABLE"))
		b.Set("RedriveStatusReason", value.NewString(n.NotRedrivable))
	default:
		b.Set("RedriveStatus", value.NewString("REDRIVABLE"))
	}
	b.Set("StartDate", value.NewInt(n.Start.At))
	if n.Start.Alias != "" {
		b.Set("StateMachineAliasArn", value.NewString(n.Start.Alias))
	}
	b.Set("StateMachineArn", value.NewString(n.Start.MachineARN()))
	if n.Start.Version != "" {
		b.Set("StateMachineVersionArn", value.NewString(n.Start.Version))
	}
	b.Set("Status", value.NewString(n.Head.Status.String()))
	b.Set("StopDate", value.NewInt(n.Head.Stop))
	return b.Object()
}

func maybe(s *string) value.Value {
	if s == nil {
		return value.Value{}
	}
	return value.NewString(*s)
}
