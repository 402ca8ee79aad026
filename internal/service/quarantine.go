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
	if x.unread != nil {
		out.Unreadable = unreadable(x.unread)
	}
	for _, u := range slices.Backward(x.Log) {
		if u.IsSaga() && !u.Status.Ended() {
			x.owed(&out, u)
		}
	}
	return out
}

// unsound is sagasOf an execution that may be quarantined, or damaged. Its saga log may
// be what can't be read: then it comes without.
func (s *Service) unsound(ctx context.Context, id store.ID) (*sagas, error) {
	x, err := s.sagasOf(ctx, id)
	if err == nil || errors.Is(err, engine.ErrNotFound) {
		return x, err
	}
	read, bad := s.Engine.Holding(ctx, id)
	switch {
	case bad != nil:
		return nil, bad
	case read.Quarantined == "" && !isUnreadable(err):
		return nil, err
	}
	x = readSagas(id, read)
	x.unread = err
	return x, nil
}

// isUnreadable reports whether an error is about what is stored of one execution, and
// not about the store.
func isUnreadable(err error) bool {
	var record interface{ Unreadable() bool }
	return errors.Is(err, store.ErrDamaged) || errors.As(err, &record) && record.Unreadable()
}

// unreadable says to people what can't be read.
func unreadable(err error) *string { return optional("it can not be read: " + err.Error()) }

// lost is an execution in the inbox that can't be read at all, as a hold: as far as it
// is told by its lists: that of a state machine, if one is named. Of one that is in none
// the cause has the id.
func (s *Service) lost(ctx context.Context, row *store.Index, machineName string, why error) api.Hold {
	out := api.Hold{
		HoldId: quarantinedID, Operation: api.SagaOperationQuarantined, Since: api.Timestamp(row.Start), Cause: unreadable(why), Unreadable: unreadable(why),
		Owed: []api.SagaStep{}, Verbs: []api.HoldVerb{},
	}
	if kept, err := s.Store.Execution(ctx, row.ID); err == nil {
		if start, err := machine.Decode[machine.Start](kept.Start); err == nil {
			out.ExecutionArn, out.StateMachineArn = start.ExecutionARN(), start.MachineARN()
			return out
		}
	}
	name := machineName
	if name == "" && row.Index == engine.IndexSagas {
		name = string(row.Body)
	}
	if name == "" {
		return out
	}
	out.StateMachineArn = s.machineARN(name)
	q := store.IndexQuery{Tenant: s.tenant, Index: engine.IndexMachine, Value: name, After: before(row), Limit: 1}
	rows, err := s.Store.Index(ctx, q)
	if err != nil || len(rows) == 0 || rows[0].ID != row.ID {
		return out
	}
	if item, err := engine.DecodeItem(rows[0].Body); err == nil {
		out.ExecutionArn = s.executionARN(name, item.Name)
	}
	return out
}

// before is the place right before a row, in every list that has the row.
func before(row *store.Index) *store.IndexKey {
	k := store.IndexKey{Start: row.Start, ID: row.ID}
	for i := len(k.ID) - 1; i >= 0; i-- {
		k.ID[i]--
		if k.ID[i] != 0xFF {
			return &k
		}
	}
	k.Start++ // the last of those that began later
	return &k
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
