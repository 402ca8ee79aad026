package service

import (
	"context"
	"math"
	"slices"
	"strconv"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// mostWaits is how many waits are told where nobody says otherwise.
const mostWaits = 100

// ExplainExecution answers what an execution waits for.
func (s *Service) ExplainExecution(ctx context.Context, in *api.ExplainExecutionInput) (*api.ExplainExecutionOutput, error) {
	id, err := s.explained(ctx, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	why, err := s.Engine.Why(ctx, id)
	if err != nil {
		return nil, refuseOf(in.ExecutionArn, err)
	}
	out := &api.ExplainExecutionOutput{
		ExecutionArn: in.ExecutionArn, Status: statusOf(why.Head.Status), Node: optional(why.Node),
		Line: lineOf(why), Waits: []api.ExecutionWait{}, WaitCount: int32(min(len(why.Waits), math.MaxInt32)),
	}
	most := int(in.MaxResults)
	if most == 0 {
		most = mostWaits
	}
	for i := range why.Waits[:min(len(why.Waits), most)] {
		out.Waits = append(out.Waits, waitOf(why, &why.Waits[i]))
	}
	return out, nil
}

// explained is the execution, or the map run, that an ARN names.
func (s *Service) explained(ctx context.Context, text string) (store.ID, error) {
	if arn, err := api.ParseARN(text); err == nil && arn.Kind == api.KindMapRun {
		id, _, _, err := s.mapRun(ctx, text)
		return id, err
	}
	return s.find(ctx, text)
}

var waitKinds = [...]api.WaitKind{
	engine.WaitTurn: api.WaitKindTurn, engine.WaitCall: api.WaitKindCall, engine.WaitPlace: api.WaitKindPlace, engine.WaitRetry: api.WaitKindRetry,
	engine.WaitTime: api.WaitKindTime, engine.WaitService: api.WaitKindService, engine.WaitToken: api.WaitKindToken,
	engine.WaitWorker: api.WaitKindWorker, engine.WaitTask: api.WaitKindTask, engine.WaitChild: api.WaitKindChild,
	engine.WaitMapRun: api.WaitKindMapRun, engine.WaitItems: api.WaitKindItems, engine.WaitUnwind: api.WaitKindUnwind,
	engine.WaitLock: api.WaitKindLock, engine.WaitPerson: api.WaitKindPerson, engine.WaitQuarantine: api.WaitKindQuarantine,
	engine.WaitNode: api.WaitKindNode, engine.WaitInbox: api.WaitKindInbox, engine.WaitAgain: api.WaitKindAgain, engine.WaitEnd: api.WaitKindNothing, engine.WaitNothing: api.WaitKindNothing,
}

// counted are the kinds whose attempts are counted.
var counted = []engine.WaitKind{
	engine.WaitCall, engine.WaitPlace, engine.WaitRetry, engine.WaitService, engine.WaitToken, engine.WaitWorker, engine.WaitTask, engine.WaitChild,
}

// waitOf is one thing that is waited for, as people are told it.
func waitOf(why *engine.Why, w *engine.Wait) api.ExecutionWait {
	out := api.ExecutionWait{
		Kind: waitKinds[w.Kind], Line: words(why, w), StateName: optional(w.State), Resource: optional(w.Resource), Since: api.Timestamp(w.Since),
		ExecutionArn: optional(w.Execution), Lock: optional(w.Key), Error: w.Error, Cause: w.Cause, Command: optional(commandFor(why, w)),
	}
	if w.State != "" && w.Kind != engine.WaitItems {
		out.Operation = api.SagaOperation(w.Operation.String())
	}
	if w.Next != store.Never {
		out.NextDate = timestamp(w.Next)
	}
	if w.Hold != 0 {
		out.HoldId = optional(strconv.FormatUint(uint64(w.Hold), 10))
	}
	if w.Kind == engine.WaitQuarantine {
		out.HoldId = optional(quarantinedID)
	}
	if slices.Contains(counted, w.Kind) {
		at, most := int32(w.Attempt), int32(min(w.Most, math.MaxInt32))
		out.Attempt = &at
		if most > 0 {
			out.MaxAttempts = &most
		}
	}
	return out
}

// commandFor is what a person does about it, "" where nobody has to.
func commandFor(why *engine.Why, w *engine.Wait) string {
	name := quoted(nameOf(&why.Start))
	switch w.Kind {
	case engine.WaitPerson:
		return "backstep hold resolve " + name + " " + strconv.FormatUint(uint64(w.Hold), 10) + " --" + w.Verbs[0].String() + " --reason TEXT"
	case engine.WaitQuarantine:
		return "backstep hold resolve " + name + " " + quarantinedID + " --" + machine.Retry.String() + " --reason TEXT"
	}
	return ""
}

// nameOf is an execution as the command line takes it.
func nameOf(s *machine.Start) string {
	if s.IsRun() {
		return s.MapRunARN()
	}
	return s.Machine + ":" + s.Name
}
