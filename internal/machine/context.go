package machine

import (
	"time"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// Context is the context object: $$, and $states.context.
func (sc *scope) Context() value.Value {
	if tr := sc.turn.env.Trial; tr != nil {
		return sc.tried(tr.Context)
	}
	if sc.context.IsAbsent() {
		fixed := sc.turn.fixedContext()
		b := value.NewBuilder(6)
		b.Set("Execution", fixed.Get("Execution"))
		b.Set("StateMachine", fixed.Get("StateMachine"))
		b.Set("State", sc.stateContext())
		b.Set("Task", sc.taskContext())
		b.Set("Map", sc.mapContext())
		b.Set("Saga", sc.sagaContext())
		sc.context = b.Object()
	}
	return sc.context
}

// tried is the context object of a state that is tried out, with the item that
// an ItemSelector is about to make.
func (sc *scope) tried(given value.Value) value.Value {
	if sc.item == nil || given.Kind() != value.Object {
		return given
	}
	return given.With("Map", sc.mapContext())
}

// fixedContext is what no turn but a redrive changes.
func (t *turn) fixedContext() value.Value {
	if t.context.IsAbsent() && t.x.Start.IsRun() {
		t.context = t.tree(t.head.Input).Get("Context")
	}
	if t.context.IsAbsent() {
		s := &t.x.Start
		b := value.NewBuilder(7)
		b.Set("Id", value.NewString(s.ExecutionARN()))
		b.Set("Input", t.tree(t.head.Input))
		b.Set("StartTime", timestamp(s.At))
		b.Set("Name", value.NewString(s.Name))
		b.Set("RoleArn", value.NewString(s.RoleARN))
		b.Set("RedriveCount", value.NewInt(int64(t.head.Redrives)))
		if t.head.Redriven != 0 {
			b.Set("RedriveTime", timestamp(t.head.Redriven))
		}
		t.context = value.NewObject(
			member("Execution", b.Object()),
			member("StateMachine", value.NewObject(
				member("Id", value.NewString(s.MachineARN())),
				member("Name", value.NewString(own(s.Machine))),
			)),
		)
	}
	return t.context
}

func (sc *scope) stateContext() value.Value {
	b := value.NewBuilder(3)
	b.Set("Name", value.NewString(sc.state.Name))
	b.Set("EnteredTime", timestamp(sc.frame.Entered))
	switch sc.state.Type {
	case asl.Task, asl.Parallel, asl.Map:
		b.Set("RetryCount", value.NewInt(int64(sc.frame.attempt()-1)))
	}
	return b.Object()
}

// attempt is which attempt it is, from 1 and since the last redrive.
func (w *effort) attempt() uint32 {
	n := uint32(1)
	for _, used := range w.Retries {
		n += used
	}
	return n
}

// try is the number of the attempt that the frame's step is at, over redrives.
func (f *Frame) try() uint32 { return f.Tried + f.attempt() + f.Endless }

// taskContext is the token of the job that the state makes, or has made; and,
// where not all is to be as on AWS, what other calls carry as headers: the step
// and its how manieth send it is.
func (sc *scope) taskContext() value.Value {
	if !sc.token {
		return value.Value{}
	}
	t, f := sc.turn, sc.frame
	id, send := f.Job, f.Sends
	if id == 0 {
		id, send = t.head.LastJob+1, f.Sends+1
	}
	b := value.NewBuilder(3)
	b.Set("Token", value.NewString(t.x.token(t.env, id, f.try())))
	if !t.env.StrictAWS {
		b.Set("StepId", value.NewString(t.x.Start.ID.Step(f.Entry)))
		b.Set("Attempt", value.NewInt(int64(send)))
	}
	return b.Object()
}

func (x *Execution) token(e *Env, id JobID, attempt uint32) string {
	return Token{ID: x.Start.ID, Job: id, Attempt: attempt, RestoreEpoch: e.RestoreEpoch}.Seal(e.TokenKey)
}

// sagaContext is what a body is told of its step.
func (sc *scope) sagaContext() value.Value {
	u := sc.step
	if u == nil {
		return value.Value{}
	}
	b := value.NewBuilder(4)
	b.Set("StepId", value.NewString(sc.turn.x.Start.ID.Step(u.Number)))
	b.Set("Outcome", value.NewString(u.Outcome.String()))
	b.Set("Error", maybe(sc.why.Error))
	b.Set("Cause", maybe(sc.why.Cause))
	return b.Object()
}

// item is one of what a Map goes through.
type item struct {
	index  int
	key    string // of an object's member
	keyed  bool
	value  value.Value
	source string // where it is from
}

// mapContext is the item that the frame goes through, or the Map is about to. The
// children of a map run have none, as on AWS.
func (sc *scope) mapContext() value.Value {
	it := sc.item
	for f := sc.frame; it == nil && !f.isTop(); f = sc.turn.peek(f.Parent) {
		if f.Kind == Item {
			found := sc.turn.item(sc.turn.peek(f.Parent).Join.Items, f.Index)
			it = &found
		}
	}
	if it == nil {
		return value.Value{}
	}
	b := value.NewBuilder(4)
	b.Set("Index", value.NewInt(int64(it.index)))
	if it.keyed {
		b.Set("Key", value.NewString(it.key))
	}
	b.Set("Value", it.value)
	b.Set("Source", value.NewString(it.source))
	return value.NewObject(member("Item", b.Object()))
}

// item is the item at an index of what a Map goes through.
func (t *turn) item(items Ref, index int) item {
	all := t.tree(items)
	it := item{index: index, value: all.At(index), source: stateData}
	if all.Kind() == value.Object {
		it.key, it.keyed = all.NameAt(index), true
	}
	return it
}

// timestamp is a time as the context object shows it.
func timestamp(ms int64) value.Value {
	return value.NewString(time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z"))
}

func member(name string, v value.Value) value.Member { return value.Member{Name: name, Value: v} }
