package service

import (
	"context"
	"errors"
	"strings"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// RedriveExecution lets an execution that ended without success go on.
func (s *Service) RedriveExecution(ctx context.Context, in *api.RedriveExecutionInput) (*api.RedriveExecutionOutput, error) {
	token := ""
	if in.ClientToken != nil {
		token = *in.ClientToken
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r < '!' || r > '~' }) {
		return nil, api.Validation("1 validation error detected: Value at 'clientToken' failed to satisfy constraint: Member must satisfy regular expression pattern: [!-~]+")
	}
	if arn, err := api.ParseARN(in.ExecutionArn); err == nil && arn.Label != "" && arn.Kind != api.KindMapRun {
		return nil, labelled(labelledExecution)
	}
	id, err := s.find(ctx, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	start, head, err := s.Engine.Execution(ctx, id)
	if err != nil {
		return nil, refuse(err)
	}
	if _, again := head.RedriveOf(token, s.Now().UnixMilli()); !again {
		reason, err := s.notRedrivable(ctx, &start, &head)
		if err != nil {
			return nil, err
		}
		if reason != "" {
			return nil, api.ExecutionNotRedrivable(reason)
		}
	}
	at, err := s.Engine.Redrive(ctx, id, token)
	var refused *engine.NotRedrivableError
	switch {
	case errors.As(err, &refused): // it moved on meanwhile
		return nil, api.ExecutionNotRedrivable(refused.Reason)
	case errors.Is(err, engine.ErrNotFound):
		return nil, api.ExecutionDoesNotExist(in.ExecutionArn)
	case err != nil:
		return nil, refuse(err)
	}
	return &api.RedriveExecutionOutput{RedriveDate: api.Timestamp(at)}, nil
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
