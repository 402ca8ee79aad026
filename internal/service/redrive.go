package service

import (
	"context"
	"errors"
	"strings"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// RedriveExecution lets an execution that ended without success go on.
func (s *Service) RedriveExecution(ctx context.Context, in *api.RedriveExecutionInput) (*api.RedriveExecutionOutput, error) {
	id, _, err := s.redrivable(ctx, in.ExecutionArn, given(in.ClientToken))
	if err != nil {
		return nil, err
	}
	at, err := s.Engine.Redrive(ctx, id, given(in.ClientToken))
	if err != nil {
		return nil, notRedriven(in.ExecutionArn, err)
	}
	return &api.RedriveExecutionOutput{RedriveDate: api.Timestamp(at)}, nil
}

// RedriveWithChanges lets an execution that ended without success go on otherwise.
func (s *Service) RedriveWithChanges(ctx context.Context, in *api.RedriveWithChangesInput) (*api.RedriveWithChangesOutput, error) {
	id, start, err := s.redrivable(ctx, in.ExecutionArn, given(in.ClientToken))
	if err != nil {
		return nil, err
	}
	c := &machine.Changes{StartAt: given(in.StartAt)}
	if c.Definition, err = s.changedDefinition(ctx, start, in.StateMachineArn); err != nil {
		return nil, err
	}
	if in.Input != nil {
		if c.Input, err = value.Check(*in.Input); err != nil {
			return nil, api.Validation("input is not JSON: %v", err)
		}
	}
	if c.Variables, err = changedVariables(in.Variables); err != nil {
		return nil, err
	}
	look := in.DryRun != nil && *in.DryRun
	redriven, err := s.Engine.RedriveWith(ctx, id, given(in.ClientToken), c, look)
	if err != nil {
		return nil, notRedriven(in.ExecutionArn, err)
	}
	out := &api.RedriveWithChangesOutput{Status: statusOf(redriven.Status), States: make([]api.RedriveState, len(redriven.States))}
	for i, r := range redriven.States {
		out.States[i] = api.RedriveState{Name: r.State, Again: r.Again}
	}
	if !look {
		out.RedriveDate = timestamp(redriven.At)
	}
	return out, nil
}

// changedDefinition is the definition by which an execution is to go on, zero where
// it is the one that it has.
func (s *Service) changedDefinition(ctx context.Context, start *machine.Start, text *string) (hash [32]byte, err error) {
	if text == nil {
		return hash, nil
	}
	m, err := s.starting(ctx, *text)
	if err != nil {
		return hash, err
	}
	if of := originOf(start).machine; m.Name != of {
		return hash, api.Validation("stateMachineArn: the execution is one of %s, and can't go on as one of %s", of, m.Name)
	}
	return m.Definition, nil
}

// changedVariables reads the variables that are to be set.
func changedVariables(text *string) (map[string]value.Text, error) {
	if text == nil {
		return nil, nil
	}
	checked, err := value.Check(*text)
	if err != nil {
		return nil, api.Validation("variables is not JSON: %v", err)
	}
	all := checked.Decode()
	if all.Kind() != value.Object {
		return nil, api.Validation("variables is not a JSON object")
	}
	variables := make(map[string]value.Text, all.Len())
	for name, v := range all.Members() {
		variables[name] = v.Text()
	}
	return variables, nil
}

// redrivable finds an execution that can be redriven, or was by that token.
func (s *Service) redrivable(ctx context.Context, arn, token string) (store.ID, *machine.Start, error) {
	if strings.ContainsFunc(token, func(r rune) bool { return r < '!' || r > '~' }) {
		return store.ID{}, nil, api.Validation("1 validation error detected: Value at 'clientToken' failed to satisfy constraint: Member must satisfy regular expression pattern: [!-~]+")
	}
	if parsed, err := api.ParseARN(arn); err == nil && parsed.Label != "" && parsed.Kind != api.KindMapRun {
		return store.ID{}, nil, labelled(labelledExecution)
	}
	id, err := s.find(ctx, arn)
	if err != nil {
		return id, nil, err
	}
	start, head, err := s.Engine.Execution(ctx, id)
	if err != nil {
		return id, nil, refuseOf(arn, err)
	}
	if _, again := head.RedriveOf(token, s.Now().UnixMilli()); !again {
		reason, err := s.notRedrivable(ctx, &start, &head)
		if err != nil {
			return id, nil, err
		}
		if reason != "" {
			return id, nil, api.ExecutionNotRedrivable(reason)
		}
	}
	return id, &start, nil
}

// notRedriven is why an execution was not redriven.
func notRedriven(arn string, err error) error {
	var refused *engine.NotRedrivableError
	if errors.As(err, &refused) { // or it moved on meanwhile
		return api.ExecutionNotRedrivable(refused.Reason)
	}
	return refuseOf(arn, err)
}

// redriveStatus is the status that a reason against a redrive gives, or none; or
// that a map run can redrive what it has started.
func redriveStatus(reason string, byMapRun bool) (api.ExecutionRedriveStatus, *string) {
	switch {
	case byMapRun:
		return api.ExecutionRedriveStatusRedrivableByMapRun, nil
	case reason == "":
		return api.ExecutionRedriveStatusRedrivable, nil
	}
	return api.ExecutionRedriveStatusNotRedrivable, &reason
}

// notRedrivable says in AWS's words why an execution can't be redriven, "" where
// it can.
func (s *Service) notRedrivable(ctx context.Context, start *machine.Start, head *machine.Head) (string, error) {
	if reason := s.Engine.NotRedrivable(start, head); reason != "" {
		return reason, nil
	}
	m, err := s.Catalog.machine(ctx, s.tenant, start.Machine)
	if errors.Is(err, store.ErrNotFound) || err == nil && m.Deleting {
		return "State machine is in DELETING status", nil
	}
	return "", err
}
