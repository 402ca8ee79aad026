package service

import (
	"context"
	"errors"
	"slices"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// quarantinedID is what stands for the number of a hold of which there is none.
const quarantinedID = string(api.SagaOperationQuarantined)

func quarantined() *api.Error {
	return api.Validation("The execution is quarantined: it can not be decided, and only the verbs retry and abandon of its hold, quarantined, fit")
}

// quarantine is an execution that can't be decided any more, as a hold.
func (x *sagas) quarantine() api.Hold {
	out := api.Hold{
		ExecutionArn: x.Start.ExecutionARN(), StateMachineArn: x.Start.MachineARN(), HoldId: quarantinedID,
		Operation: api.SagaOperationQuarantined, Since: api.Timestamp(x.Head.Now), Cause: optional(x.Quarantined),
		Owed: []api.SagaStep{}, Verbs: []api.HoldVerb{api.HoldVerbRetry, api.HoldVerbAbandon},
	}
	for _, u := range slices.Backward(x.Log) {
		if u.IsSaga() && !u.Status.Ended() {
			x.owed(&out, u)
		}
	}
	return out
}

// unsound is sagasOf an execution that may be quarantined. Its saga log may be what
// can't be read: then it comes without.
func (s *Service) unsound(ctx context.Context, id store.ID) (*sagas, error) {
	x, err := s.sagasOf(ctx, id)
	if err == nil || errors.Is(err, engine.ErrNotFound) {
		return x, err
	}
	read, bad := s.Engine.Holding(ctx, id)
	if bad != nil || read.Quarantined == "" {
		return nil, err
	}
	return readSagas(id, read), nil
}

// release lets an execution that is quarantined go on, or ends it. Its saga log, which
// may be what can't be read, is not looked at.
func (s *Service) release(ctx context.Context, id store.ID, in *api.ResolveHoldInput, r machine.Resolution) error {
	held, err := s.Engine.Holding(ctx, id)
	if err != nil {
		return sagaRefusal(in.ExecutionArn, err)
	}
	if held.Quarantined == "" {
		return api.HoldDoesNotExist(in.ExecutionArn + ", " + quarantinedID)
	}
	switch r.Verb {
	case machine.Retry:
		if err = s.Engine.Reconsider(id, r); errors.Is(err, engine.ErrQuarantined) {
			return api.Validation("This server can not read the execution, or refuses its definition: %s. retry needs one that does not; abandon ends it as it stands", held.Quarantined)
		}
	case machine.Abandon:
		err = s.Engine.Abandon(ctx, id, r)
	default:
		return quarantined()
	}
	if err == nil {
		s.Log.Warn("a quarantined execution was released", "execution", in.ExecutionArn, "because", held.Quarantined, "verb", in.Verb, "operator", r.Operator, "reason", r.Reason)
	}
	return sagaRefusal(in.ExecutionArn, err)
}
