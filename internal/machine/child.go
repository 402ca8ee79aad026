package machine

import (
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// Birth is what a nested execution is started with.
type Birth struct {
	MachineARN string // of the machine, of a version or of an alias; "" where none was given
	Name       string // given, or the step id: a request made again finds what runs already
	Input      value.Text
	Trace      string
}

// Birth reads the request of a Child job. The error says why its Input, given
// as a text, is no JSON.
func (r *Request) Birth() (Birth, error) {
	asked := r.Input.Decode()
	b := Birth{
		MachineARN: asked.Get("StateMachineArn").AsString(),
		Name:       asked.Get("Name").AsString(),
		Trace:      asked.Get("TraceHeader").AsString(),
		Input:      value.Checked("{}"),
	}
	if b.Name == "" {
		b.Name = r.StepID
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

// Report is what the execution, which has ended, tells its parent: the message
// for the parent's .sync or .sync:2 job. Its payloads must be at hand.
func (x *Execution) Report() Message {
	told := x.describe(x.Start.Parent.Pattern).Text()
	m := Message{Kind: JobSucceeded, Job: x.Start.Parent.Job, Output: told}
	if x.Head.Status != Succeeded {
		name, cause := "States.TaskFailed", bounded(told.String(), maxCause)
		m = Message{Kind: JobFailed, Job: m.Job, Failure: &Failure{Error: &name, Cause: &cause}, Effect: EffectUnknown}
	}
	return m
}

// describe is the execution as DescribeExecution has it, in the spelling of a
// task's result. With .sync its input and output are texts.
func (x *Execution) describe(p asl.Pattern) value.Value {
	data := func(ref Ref) value.Value {
		text, ok := x.Payloads[ref]
		switch {
		case !ok:
			return value.Value{}
		case p == asl.Sync2:
			return text.Decode()
		}
		return value.NewString(text.String())
	}
	included := value.NewObject(member("Included", value.NewBool(true)))
	b := value.NewBuilder(16)
	b.Set("Cause", maybe(x.Head.Cause))
	b.Set("Error", maybe(x.Head.Error))
	b.Set("ExecutionArn", value.NewString(x.Start.ExecutionARN()))
	b.Set("Input", data(x.Head.Input))
	b.Set("InputDetails", included)
	b.Set("Name", value.NewString(x.Start.Name))
	if x.Head.Output != 0 {
		b.Set("Output", data(x.Head.Output))
		b.Set("OutputDetails", included)
	}
	b.Set("RedriveCount", value.NewInt(int64(x.Head.Redrives)))
	if x.Head.Status == Succeeded {
		b.Set("RedriveStatus", value.NewString("NOT_REDRIVABLE"))
		b.Set("RedriveStatusReason", value.NewString("Execution is SUCCEEDED and cannot be redriven"))
	} else {
		b.Set("RedriveStatus", value.NewString("REDRIVABLE"))
	}
	b.Set("StartDate", value.NewInt(x.Start.At))
	b.Set("StateMachineArn", value.NewString(x.Start.MachineARN()))
	b.Set("Status", value.NewString(x.Head.Status.String()))
	b.Set("StopDate", value.NewInt(x.Head.Stop))
	return b.Object()
}

func maybe(s *string) value.Value {
	if s == nil {
		return value.Value{}
	}
	return value.NewString(*s)
}
