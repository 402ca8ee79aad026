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

// mapRun is the map run that an ARN names: the id in it is the internal one.
func (s *Service) mapRun(ctx context.Context, text string) (id store.ID, start machine.Start, head machine.Head, err error) {
	arn, err := s.ours(text, api.ResourceNotFound, api.KindMapRun)
	if err != nil {
		return id, start, head, err
	}
	run, ok := machine.MapRunID(arn.ID)
	if !ok {
		return id, start, head, api.ResourceNotFound(text)
	}
	id = store.ID(run)
	start, head, err = s.Engine.Execution(ctx, id)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return id, start, head, api.ResourceNotFound(text)
	case err != nil:
		return id, start, head, refuse(err)
	case !start.IsRun() || start.MapRunARN() != text:
		return id, start, head, api.ResourceNotFound(text)
	}
	return id, start, head, nil
}

// parentARN is the ARN of the execution that started a map run.
func (s *Service) parentARN(ctx context.Context, run *machine.Start) (string, error) {
	parent, _, err := s.Engine.Execution(ctx, store.ID(run.Parent.ID))
	if err != nil {
		return "", err
	}
	return parent.ExecutionARN(), nil
}

// mapRunARN is the ARN of the map run that a child belongs to; nil for any other
// execution.
func mapRunARN(child *machine.Start) *string {
	if child.Map == nil {
		return nil
	}
	text := child.ParentRunARN()
	return &text
}

// DescribeMapRun answers where a map run stands.
func (s *Service) DescribeMapRun(ctx context.Context, in *api.DescribeMapRunInput) (*api.DescribeMapRunOutput, error) {
	_, start, head, err := s.mapRun(ctx, in.MapRunArn)
	if err != nil {
		return nil, err
	}
	parent, err := s.parentARN(ctx, &start)
	if errors.Is(err, engine.ErrNotFound) { // it has gone with its execution
		return nil, api.ResourceNotFound(in.MapRunArn)
	}
	if err != nil {
		return nil, err
	}
	run, redrives := head.Run, int32(head.Redrives)
	out := &api.DescribeMapRunOutput{
		MapRunArn: in.MapRunArn, ExecutionArn: parent, Status: api.MapRunStatus(statusOf(head.Status)),
		StartDate: api.Timestamp(start.At), MaxConcurrency: int32(run.MaxConcurrency),
		ToleratedFailurePercentage: float32(max(run.ToleratedPercentage, 0)), ToleratedFailureCount: max(run.ToleratedCount, 0),
		ItemCounts: itemCounts(run), ExecutionCounts: executionCounts(run), RedriveCount: &redrives,
	}
	if head.Stop != 0 {
		stop := api.Timestamp(head.Stop)
		out.StopDate = &stop
	}
	if head.Redriven != 0 {
		redriven := api.Timestamp(head.Redriven)
		out.RedriveDate = &redriven
	}
	return out, nil
}

func itemCounts(run *machine.Run) *api.MapRunItemCounts {
	c := &run.Items
	pending, permanent := int64(c.Pending), int64(c.Permanent)
	return &api.MapRunItemCounts{
		Pending: int64(run.Read - run.Begun), Running: int64(c.Running), Succeeded: int64(c.Succeeded), Failed: int64(c.Failed),
		TimedOut: int64(c.TimedOut), Aborted: int64(c.Aborted), Total: int64(run.Read), ResultsWritten: int64(c.Written),
		FailuresNotRedrivable: &permanent, PendingRedrive: &pending,
	}
}

func executionCounts(run *machine.Run) *api.MapRunExecutionCounts {
	c := &run.Executions
	again, permanent := int64(c.Pending), int64(c.Permanent)
	pending := int64(run.Read - run.Begun) // of batches it is not known how many will come of them
	if run.Begun != run.Children {
		pending = 0
	}
	return &api.MapRunExecutionCounts{
		Pending: pending, Running: int64(c.Running), Succeeded: int64(c.Succeeded), Failed: int64(c.Failed),
		TimedOut: int64(c.TimedOut), Aborted: int64(c.Aborted), Total: int64(run.Children) + pending, ResultsWritten: int64(c.Written),
		FailuresNotRedrivable: &permanent, PendingRedrive: &again,
	}
}

// ListMapRuns lists an execution's map runs, the newest first.
func (s *Service) ListMapRuns(ctx context.Context, in *api.ListMapRunsInput) (*api.ListMapRunsOutput, error) {
	id, err := s.find(ctx, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	p := s.page("ListMapRuns", in.MaxResults, in.ExecutionArn)
	rows, next, err := s.rows(ctx, store.IndexQuery{Tenant: s.tenant, Index: engine.IndexMapRuns, Value: id.String()}, p, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListMapRunsOutput{MapRuns: []api.MapRunListItem{}, NextToken: next}
	for _, row := range rows {
		item, err := engine.DecodeItem(row.Body)
		if err != nil {
			return nil, err
		}
		start := machine.Start{ID: machine.ID(row.ID), Account: s.Account, Region: s.Region, Machine: item.Machine}
		own, _, _ := strings.Cut(item.Machine, "/")
		listed := api.MapRunListItem{
			ExecutionArn: in.ExecutionArn, MapRunArn: start.MapRunARN(), StateMachineArn: s.machineARN(own), StartDate: api.Timestamp(item.Start),
		}
		if item.Stop != 0 {
			stop := api.Timestamp(item.Stop)
			listed.StopDate = &stop
		}
		out.MapRuns = append(out.MapRuns, listed)
	}
	return out, nil
}

// rows are a page of an index, and the token of the next one.
func (s *Service) rows(ctx context.Context, q store.IndexQuery, p page, token *string) ([]store.Index, *string, error) {
	after, err := p.after(token)
	if err == nil && after != "" {
		q.After, err = placed(after, q)
	}
	if err != nil {
		return nil, nil, err
	}
	q.Limit = p.size + 1
	rows, err := s.Store.Index(ctx, q)
	if err != nil || len(rows) <= p.size {
		return rows, nil, err
	}
	return rows[:p.size], p.next(position(rows[p.size-1].IndexKey)), nil
}

// UpdateMapRun changes the limits of a map run that is under way.
func (s *Service) UpdateMapRun(ctx context.Context, in *api.UpdateMapRunInput) (*api.UpdateMapRunOutput, error) {
	id, _, _, err := s.mapRun(ctx, in.MapRunArn)
	if err != nil {
		return nil, err
	}
	if in.MaxConcurrency == nil && in.ToleratedFailureCount == nil && in.ToleratedFailurePercentage == nil {
		err := api.Validation("At least one of maxConcurrency, toleratedFailureCount and toleratedFailurePercentage must be specified")
		err.Reason = api.ReasonMissingParameter
		return nil, err
	}
	to := machine.Update{ToleratedCount: in.ToleratedFailureCount}
	if in.MaxConcurrency != nil {
		most := int(*in.MaxConcurrency)
		to.MaxConcurrency = &most
	}
	if in.ToleratedFailurePercentage != nil {
		share := float64(*in.ToleratedFailurePercentage)
		to.ToleratedPercentage = &share
	}
	running, err := s.Engine.UpdateRun(ctx, id, to)
	if err != nil {
		return nil, refuse(err)
	}
	if !running {
		err := api.Validation("Map Run is not running: '%s'", in.MapRunArn)
		err.Reason = api.ReasonMapRunCompleted
		return nil, err
	}
	return &api.UpdateMapRunOutput{}, nil
}
