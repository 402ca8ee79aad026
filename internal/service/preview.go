package service

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
)

// mostPreviewed bounds each list of a preview.
const mostPreviewed = 10_000

// preview is what an undo would do, found by the order in which the machine goes
// through frames and the saga log; see its recovery.go and afterwards.go.
type preview struct {
	*sagas
	now  int64
	open map[uint32]bool // rows of the sagas that would be undone
	out  *api.PreviewAbortOutput
}

// PreviewAbort tells what would be undone, and changes nothing.
func (s *Service) PreviewAbort(ctx context.Context, in *api.PreviewAbortInput) (*api.PreviewAbortOutput, error) {
	done, err := s.placeForLog(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	x, err := s.named(ctx, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	if x.Quarantined != "" || x.Program == nil {
		return nil, quarantined()
	}
	p := preview{sagas: x, now: max(s.Now().UnixMilli(), x.Head.Now), open: map[uint32]bool{}, out: &api.PreviewAbortOutput{
		SagaStatus: api.SagaStatus(x.Head.SagaStatus()), Version: x.Head.LastEvent, OnStop: x.onStop(),
		Undo: []api.PlannedUndo{}, CannotUndo: []api.DoubtedStep{}, MayRepeat: []api.DoubtedStep{},
	}}
	if why := x.Execution.Uncompensable(); why != "" {
		p.out.Refused = &why
		p.leftAsIs(func(u *machine.Undo) bool { return true }, why)
		return p.out, nil
	}
	if x.Head.Status == machine.Running {
		for _, f := range x.openSagas() {
			p.open[f.Scope.Saga] = true
		}
		p.frame(x.Execution.Frames[0], "", nil)
	} else {
		p.ended()
	}
	p.leftAsIs(func(u *machine.Undo) bool {
		return p.open[u.Saga] && x.step(u.State) != nil && x.step(u.State).Compensate == nil
	}, "It has no Compensate")
	return p.out, nil
}

// openSagas are the frames that run the outermost scopes of the sagas that are
// open.
func (x *sagas) openSagas() (open []*machine.Frame) {
	for _, f := range x.live() {
		if f.Scope != nil && f.Scope.Outermost && !f.Scope.Ended {
			open = append(open, f)
		}
	}
	return open
}

// onStop is what StopExecution would do.
func (x *sagas) onStop() api.StopEffect {
	open := x.openSagas()
	abort := true
	for _, f := range open {
		abort = abort && x.Program.States[f.State].Scope.Abort
	}
	root := x.Execution.Frames[0]
	switch {
	case x.Head.Status != machine.Running:
		return api.StopEffectNone
	case x.Execution.Unstoppable(x.Program) != "":
		return api.StopEffectRefused
	case abort:
		return api.StopEffectAbort
	case root.Scope != nil && root.Scope.Aborting:
		return api.StopEffectNone
	}
	return api.StopEffectCompensate
}

// leftAsIs adds the steps that were done, and stay so.
func (p *preview) leftAsIs(are func(*machine.Undo) bool, why string) {
	for _, u := range p.Log {
		if u.IsStep() && u.Settled == 0 && u.Outcome != machine.StepFailed && are(u) {
			p.cannot(u.Number, u.State, why)
		}
	}
}

// frame adds what a frame and all beneath it would undo, and gives the steps after
// whose undo what its frame did earlier may follow.
func (p *preview) frame(f *machine.Frame, in string, after []string) (last []string) {
	last = after
	if j := f.Join; j != nil {
		var beneath []string
		for i := range j.Begun {
			child := p.Execution.Frames[j.First+machine.FrameID(i)]
			if child == nil || child.Scope != nil && child.Scope.Outermost && child.Scope.Committed {
				continue // it goes on to its end
			}
			where := in
			if child.Kind != machine.Scoped {
				where = lane(in, p.around(f, child), child.Index)
			}
			beneath = p.beside(beneath, func() []string { return p.frame(child, where, after) })
		}
		last = orBefore(beneath, after)
	}
	last = p.inFlight(f, in, last)
	floor := uint32(0)
	if f.Scope != nil {
		floor = f.Scope.Floor
	}
	return p.chain(f.Undo, floor, in, last)
}

// around is the Parallel or Map that a frame beneath another belongs to: the one
// that this is at, or, of what it undoes, one that it has left.
func (p *preview) around(f, child *machine.Frame) string {
	if s := p.Program.States[child.State]; s.Flow.Owner != nil && s.Flow.Owner.Name == f.State {
		return f.State
	}
	return child.State
}

// lane puts the name of a lane within another together.
func lane(around, state string, index int) string {
	return strings.TrimPrefix(around+"/"+state+"["+strconv.Itoa(index)+"]", "/")
}

// beside adds what one of several sequences ends with, if there is anything in
// it.
func (p *preview) beside(all []string, sequence func() []string) []string {
	before := len(p.out.Undo)
	if last := sequence(); len(p.out.Undo) > before {
		all = append(all, last...)
	}
	return all
}

// orBefore is what has to end first: what there is, or else what was before that.
func orBefore(what, before []string) []string {
	if len(what) == 0 {
		return before
	}
	return what
}

// chain adds the undos of a sequence, the last step first.
func (p *preview) chain(number, floor uint32, in string, after []string) []string {
	for number != floor && number != 0 {
		u := p.log[number]
		if u == nil {
			break
		}
		if u.IsStep() {
			after = p.undo(u, in, after)
		} else {
			var side []string
			for i, head := range u.Heads {
				side = p.beside(side, func() []string { return p.chain(head, 0, lane(in, u.State, i), after) })
			}
			after = orBefore(side, after)
		}
		number = u.Prev
	}
	return after
}

// undo adds the undo of a step that has ended.
func (p *preview) undo(u *machine.Undo, in string, after []string) []string {
	step := p.step(u.State)
	switch {
	case step == nil || !u.Owed(p.Program):
		return after
	case u.Outcome == machine.StepUnknown && (u.Asked || step.Query == nil) && step.HoldUnknown:
		p.cannot(u.Number, u.State, "Nobody knows whether it had its effect: it will be held, and what came before it waits")
		return after
	case step.CompensateWithin > 0 && p.now > u.Ended+step.CompensateWithin*1000:
		p.cannot(u.Number, u.State, "The time in which it can be undone is over: it will be held, and what came before it waits")
		return after
	case u.Outcome == machine.StepUnknown && !u.Asked && step.Query != nil:
		p.mayRepeat(u.Number, u.State, "Nobody knows whether it had its effect: its Query is asked first")
	case u.Outcome == machine.StepUnknown:
		p.mayRepeat(u.Number, u.State, "Nobody knows whether it had its effect: its undo may find nothing")
	}
	return p.plan(u.Number, u.State, in, after, false)
}

// inFlight adds the undo of the step that a frame is at, as its attempts so far
// make it.
func (p *preview) inFlight(f *machine.Frame, in string, after []string) []string {
	step := p.step(f.State)
	if step == nil || !underWay(f) {
		return after
	}
	j := p.Execution.Jobs[f.Job]
	calling := j != nil && f.Phase == machine.Working && f.Body == nil && j.Kind != machine.TakeLock
	maybe := false
	switch {
	case f.Phase == machine.Joining && f.Unknown:
		p.mayRepeat(f.Entry, f.State, "Its map run is under way: it is stopped, and what its children have done is undone")
	case calling && step.Pivot:
		p.mayRepeat(f.Entry, f.State, "It is the pivot, and under way: it is waited for, and nothing is undone if it succeeds")
		return after
	case calling && p.lands(f):
		p.mayRepeat(f.Entry, f.State, "Its call is under way: it is waited for, a minute at most")
		maybe = true
	case calling && (j.Kind != machine.Activity || j.Taken):
		p.mayRepeat(f.Entry, f.State, "Somebody works on it, and is not heard any more: nobody will know whether it had its effect")
	case !f.Unknown:
		return after
	default:
		p.mayRepeat(f.Entry, f.State, "Nobody knows whether an attempt of it had its effect")
	}
	switch {
	case step.Compensate == nil:
		p.cannot(f.Entry, f.State, "It has no Compensate, and may have had its effect")
		return after
	case !maybe && step.HoldUnknown && step.Query == nil:
		p.cannot(f.Entry, f.State, "Nobody will know whether it had its effect: it will be held, and what came before it waits")
		return after
	}
	return p.plan(f.Entry, f.State, in, after, maybe)
}

// lands reports whether what a frame calls is let land.
func (p *preview) lands(f *machine.Frame) bool {
	task := p.Program.States[f.State].Task // a distributed Map has none
	return task != nil && task.Resource.Pattern == asl.RequestResponse && task.Resource.Kind != asl.Activity
}

// ended adds what would be undone of an execution that has ended: saga after saga,
// the last one first.
func (p *preview) ended() {
	var after []string
	last := uint32(math.MaxUint32)
	for _, f := range p.openSagas() { // that undo is under way
		last = f.Scope.Saga
		p.open[last] = true
		after = p.frame(f, "", after)
	}
	for _, u := range slices.Backward(p.Log) {
		if !u.IsSaga() || u.Committed || u.Number >= last {
			continue
		}
		switch u.Status {
		case machine.SagaCompleted:
			p.open[u.Number] = true
			if len(u.Heads) > 0 {
				after = p.chain(u.Heads[0], 0, "", after)
			}
		case machine.SagaCompensationFailed, machine.SagaAbandoned:
			p.open[u.Number] = true
			after = p.owedAnew(u, after)
		}
	}
}

// owedAnew adds all that a saga that has ended badly still owes, in one sequence.
func (p *preview) owedAnew(saga *machine.Undo, after []string) []string {
	for _, u := range slices.Backward(p.Log) {
		switch {
		case !u.IsStep() || u.Saga != saga.Number:
		case u.Settled == machine.CompensationFailed:
			after = p.plan(u.Number, u.State, "", after, false)
		case u.Owed(p.Program):
			after = p.undo(u, "", after)
		}
	}
	return after
}

// plan adds an undo, and gives what may follow it.
func (p *preview) plan(number uint32, state, in string, after []string, maybe bool) []string {
	id := p.stepID(number)
	if len(p.out.Undo) == mostPreviewed {
		p.out.Truncated = true
		return after
	}
	p.out.Undo = append(p.out.Undo, api.PlannedUndo{
		StepId: id, StateName: state, Resource: p.step(state).Compensate[0].Resource.Text, Lane: optional(in), After: after, Maybe: maybe,
	})
	return []string{id}
}

func (p *preview) cannot(number uint32, state, why string) {
	p.out.CannotUndo = p.doubt(p.out.CannotUndo, number, state, why)
}

func (p *preview) mayRepeat(number uint32, state, why string) {
	p.out.MayRepeat = p.doubt(p.out.MayRepeat, number, state, why)
}

func (p *preview) doubt(list []api.DoubtedStep, number uint32, state, why string) []api.DoubtedStep {
	if len(list) == mostPreviewed {
		p.out.Truncated = true
		return list
	}
	return append(list, api.DoubtedStep{StepId: p.stepID(number), StateName: state, Why: why})
}
