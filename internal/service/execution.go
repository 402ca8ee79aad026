package service

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// request is the start of an execution, checked.
func (s *Service) request(m *machineDoc, name, given, trace *string) (engine.StartRequest, error) {
	r := engine.StartRequest{Machine: m.started(s.Account, s.Region)}
	if name != nil {
		if !api.ValidName(*name) {
			return r, api.InvalidName(*name)
		}
		r.Name = *name
	}
	if trace != nil {
		r.Trace = *trace
	}
	var err error
	r.Input, err = input(given, s.MaxInput)
	return r, err
}

// StartExecution starts an execution.
func (s *Service) StartExecution(ctx context.Context, in *api.StartExecutionInput) (*api.StartExecutionOutput, error) {
	m, err := s.living(ctx, in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	r, err := s.request(m, in.Name, in.Input, in.TraceHeader)
	if err != nil {
		return nil, err
	}
	start := s.Engine.Start
	if r.Express {
		start = s.Engine.StartExpress
	}
	started, err := start(ctx, r)
	var taken *engine.NameTakenError
	if errors.As(err, &taken) {
		return nil, api.ExecutionAlreadyExists(s.executionARN(m.Name, r.Name))
	}
	if err != nil {
		return nil, refuse(err)
	}
	arn := s.executionARN(m.Name, started.Name)
	if r.Express {
		arn = s.expressARN(m.Name, started.Name, started.ID)
	}
	return &api.StartExecutionOutput{ExecutionArn: arn, StartDate: api.Timestamp(started.At)}, nil
}

func (s *Service) executionARN(machineName, name string) string {
	return s.arn(api.ARN{Kind: api.KindExecution, Machine: machineName, Name: name})
}

func (s *Service) expressARN(machineName, name string, id store.ID) string {
	return s.arn(api.ARN{Kind: api.KindExpress, Machine: machineName, Name: name, ID: machine.ID(id).String()})
}

// StartSyncExecution runs an express execution to its end.
func (s *Service) StartSyncExecution(ctx context.Context, in *api.StartSyncExecutionInput) (*api.StartSyncExecutionOutput, error) {
	m, err := s.living(ctx, in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	if m.Type != api.StateMachineTypeExpress {
		return nil, api.StateMachineTypeNotSupported()
	}
	r, err := s.request(m, in.Name, in.Input, in.TraceHeader)
	if err != nil {
		return nil, err
	}
	end, err := s.Engine.RunExpress(ctx, r)
	if err != nil {
		return nil, refuse(err)
	}
	machineARN, input := s.machineARN(m.Name), r.Input.String()
	out := &api.StartSyncExecutionOutput{
		ExecutionArn: s.expressARN(m.Name, end.Name, end.ID), StateMachineArn: &machineARN, Name: &end.Name,
		StartDate: api.Timestamp(end.At), StopDate: api.Timestamp(end.Stop), Status: api.SyncExecutionStatus(statusOf(end.Status)),
		Error: end.Error, Cause: end.Cause, Input: &input, InputDetails: included, TraceHeader: in.TraceHeader,
		BillingDetails: billing(end.Stop - end.At),
	}
	if end.Status == machine.Succeeded {
		output := end.Output.String()
		out.Output, out.OutputDetails = &output, included
	}
	if in.IncludedData == api.IncludedDataMetadataOnly {
		out.Input, out.Output, out.Error, out.Cause = nil, nil, nil, nil
	}
	return out, nil
}

var included = &api.CloudWatchEventsExecutionDataDetails{Included: true}

// billing is what AWS would bill: every begun 100 ms, of 64 MB.
func billing(ms int64) *api.BillingDetails {
	return &api.BillingDetails{BilledMemoryUsedInMB: 64, BilledDurationInMilliseconds: max(100, (ms+99)/100*100)}
}

func statusOf(st machine.Status) api.ExecutionStatus {
	switch st {
	case machine.Succeeded:
		return api.ExecutionStatusSucceeded
	case machine.Failed:
		return api.ExecutionStatusFailed
	case machine.TimedOut:
		return api.ExecutionStatusTimedOut
	case machine.Aborted:
		return api.ExecutionStatusAborted
	}
	return api.ExecutionStatusRunning
}

// find is the id of the execution that an ARN names.
func (s *Service) find(ctx context.Context, text string) (store.ID, error) {
	arn, err := s.ours(text, api.ExecutionDoesNotExist, api.KindExecution)
	if err != nil {
		return store.ID{}, err
	}
	id, err := s.Engine.Find(ctx, s.Account, s.Region, arn.Machine, arn.Name)
	if errors.Is(err, engine.ErrNotFound) || arn.Label != "" {
		return id, api.ExecutionDoesNotExist(text)
	}
	return id, refuse(err)
}

// DescribeExecution answers where an execution stands.
func (s *Service) DescribeExecution(ctx context.Context, in *api.DescribeExecutionInput) (*api.DescribeExecutionOutput, error) {
	id, err := s.find(ctx, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	start, head, err := s.Engine.Execution(ctx, id)
	if err != nil {
		return nil, refuse(err)
	}
	return s.describe(ctx, id, &start, &head, in.IncludedData)
}

// describe composes a description, its input and output read from the store.
func (s *Service) describe(ctx context.Context, id store.ID, start *machine.Start, head *machine.Head, data api.IncludedData) (*api.DescribeExecutionOutput, error) {
	redrives := int32(head.Redrives)
	out := &api.DescribeExecutionOutput{
		ExecutionArn: s.executionARN(start.Machine, start.Name), StateMachineArn: s.machineARN(start.Machine), Name: &start.Name,
		Status: statusOf(head.Status), StartDate: api.Timestamp(start.At), TraceHeader: optional(start.Trace),
		StateMachineVersionArn: optional(start.Version), StateMachineAliasArn: optional(start.Alias), RedriveCount: &redrives,
	}
	out.RedriveStatus, out.RedriveStatusReason = redrivable(head.Status)
	if head.Stop != 0 {
		stop := api.Timestamp(head.Stop)
		out.StopDate = &stop
	}
	if data == api.IncludedDataMetadataOnly {
		return out, nil
	}
	if head.Status == machine.Failed || head.Status == machine.Aborted {
		out.Error, out.Cause = head.Error, head.Cause
	}
	refs := []uint32{uint32(head.Input)}
	if head.Output != 0 {
		refs = append(refs, uint32(head.Output))
	}
	texts, err := s.Store.Payloads(ctx, id, refs)
	if err != nil {
		return nil, err
	}
	text := string(texts[0])
	out.Input, out.InputDetails = &text, included
	if head.Output != 0 {
		text := string(texts[1])
		out.Output, out.OutputDetails = &text, included
	}
	return out, nil
}

// redrivable says whether an execution could be redriven, in AWS's words.
func redrivable(st machine.Status) (api.ExecutionRedriveStatus, *string) {
	reason := "Execution is RUNNING and cannot be redriven"
	switch st {
	case machine.Succeeded:
		reason = "Execution is SUCCEEDED and cannot be redriven"
	case machine.Failed, machine.Aborted, machine.TimedOut:
		return api.ExecutionRedriveStatusRedrivable, nil
	}
	return api.ExecutionRedriveStatusNotRedrivable, &reason
}

// waitTime is how long WaitExecution waits where the caller does not say.
const waitTime = 60 * time.Second

// WaitExecution answers as soon as there is something new.
func (s *Service) WaitExecution(ctx context.Context, in *api.WaitExecutionInput) (*api.WaitExecutionOutput, error) {
	id, err := s.find(ctx, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	wait, after := waitTime, int64(1)<<62 // beyond any event: the end alone
	if in.TimeoutSeconds != nil {
		wait = time.Duration(*in.TimeoutSeconds) * time.Second
	}
	if in.AfterEventId != nil {
		after = *in.AfterEventId
	}
	start, head, err := s.Engine.Wait(ctx, id, after, wait)
	if err != nil {
		return nil, refuse(err)
	}
	described, err := s.describe(ctx, id, &start, &head, "")
	if err != nil {
		return nil, err
	}
	return &api.WaitExecutionOutput{DescribeExecutionOutput: *described, LastEventId: head.LastEvent}, nil
}

// StopExecution stops an execution.
func (s *Service) StopExecution(ctx context.Context, in *api.StopExecutionInput) (*api.StopExecutionOutput, error) {
	id, err := s.find(ctx, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	at, err := s.Engine.Stop(ctx, id, machine.Failure{Error: in.Error, Cause: in.Cause})
	if errors.Is(err, engine.ErrNotFound) {
		return nil, api.ExecutionDoesNotExist(in.ExecutionArn)
	}
	if err != nil {
		return nil, refuse(err)
	}
	return &api.StopExecutionOutput{StopDate: api.Timestamp(at)}, nil
}

// ListExecutions lists executions, the newest first.
func (s *Service) ListExecutions(ctx context.Context, in *api.ListExecutionsInput) (*api.ListExecutionsOutput, error) {
	query, p, err := s.listing(ctx, in)
	if err != nil {
		return nil, err
	}
	rows, err := s.Store.Index(ctx, query)
	if err != nil {
		return nil, err
	}
	out := &api.ListExecutionsOutput{Executions: []api.ExecutionListItem{}}
	for i, row := range rows {
		if i == p.size {
			out.NextToken = p.next(position(rows[i-1].IndexKey))
			break
		}
		item, err := engine.DecodeItem(row.Body)
		if err != nil {
			return nil, err
		}
		out.Executions = append(out.Executions, s.listItem(*in.StateMachineArn, item))
	}
	return out, nil
}

// listing is the query of a ListExecutions, and its page.
func (s *Service) listing(ctx context.Context, in *api.ListExecutionsInput) (store.IndexQuery, page, error) {
	var q store.IndexQuery
	if (in.StateMachineArn == nil) == (in.MapRunArn == nil) {
		return q, page{}, api.Validation("Exactly one of stateMachineArn and mapRunArn must be specified")
	}
	if in.MapRunArn != nil {
		return q, page{}, api.ResourceNotFound(*in.MapRunArn)
	}
	if in.RedriveFilter != "" || in.StatusFilter == api.ExecutionStatusPendingRedrive {
		return q, page{}, api.Validation("This filter is for the executions of a map run alone")
	}
	m, err := s.machine(ctx, *in.StateMachineArn)
	if err != nil {
		return q, page{}, err
	}
	if m.Type == api.StateMachineTypeExpress {
		return q, page{}, api.StateMachineTypeNotSupported()
	}
	p := s.page("ListExecutions", in.MaxResults, m.Name, string(in.StatusFilter))
	q = store.IndexQuery{Tenant: s.tenant, Index: engine.IndexMachine, Value: m.Name, Limit: p.size + 1}
	if in.StatusFilter != "" {
		q.Index, q.Value = engine.IndexStatus, engine.StatusValue(m.Name, statusFrom(in.StatusFilter))
	}
	after, err := p.after(in.NextToken)
	if err != nil {
		return q, p, err
	}
	if after != "" {
		q.After, err = placed(after, q)
	}
	return q, p, err
}

func statusFrom(st api.ExecutionStatus) machine.Status {
	for _, have := range []machine.Status{machine.Running, machine.Succeeded, machine.Failed, machine.TimedOut, machine.Aborted} {
		if statusOf(have) == st {
			return have
		}
	}
	return 0
}

// position is a row's place in a token, placed reads it.
func position(k store.IndexKey) string {
	return string(append(binary.BigEndian.AppendUint64(nil, uint64(k.Start)), k.ID[:]...))
}

func placed(position string, q store.IndexQuery) (*store.IndexKey, error) {
	if len(position) != 8+len(store.ID{}) {
		return nil, api.InvalidToken("Invalid token")
	}
	return &store.IndexKey{
		Tenant: q.Tenant, Index: q.Index, Value: q.Value,
		Start: int64(binary.BigEndian.Uint64([]byte(position))), ID: store.ID([]byte(position[8:])),
	}, nil
}

func (s *Service) listItem(machineARN string, i engine.Item) api.ExecutionListItem {
	arn, _ := api.ParseARN(machineARN)
	redrives := int32(0)
	item := api.ExecutionListItem{
		ExecutionArn: s.executionARN(arn.Machine, i.Name), StateMachineArn: s.machineARN(arn.Machine), Name: i.Name, Status: statusOf(i.Status),
		StartDate: api.Timestamp(i.Start), StateMachineVersionArn: optional(i.Version), StateMachineAliasArn: optional(i.Alias), RedriveCount: &redrives,
	}
	if i.Stop != 0 {
		stop := api.Timestamp(i.Stop)
		item.StopDate = &stop
	}
	return item
}

// DescribeStateMachineForExecution answers the machine that an execution runs.
func (s *Service) DescribeStateMachineForExecution(ctx context.Context, in *api.DescribeStateMachineForExecutionInput) (*api.DescribeStateMachineForExecutionOutput, error) {
	id, err := s.find(ctx, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	start, _, err := s.Engine.Execution(ctx, id)
	if err != nil {
		return nil, refuse(err)
	}
	out := &api.DescribeStateMachineForExecutionOutput{
		StateMachineArn: s.machineARN(start.Machine), Name: start.Machine, RoleArn: start.RoleARN, UpdateDate: api.Timestamp(start.At),
		LoggingConfiguration: logging(nil), TracingConfiguration: tracing(nil), EncryptionConfiguration: encryption(nil),
	}
	m, err := s.Catalog.machine(ctx, s.tenant, start.Machine)
	if err == nil && m.Definition == store.Hash(start.Definition) {
		out.UpdateDate, out.RevisionId = m.Updated, optional(m.Revision)
		out.LoggingConfiguration, out.TracingConfiguration, out.EncryptionConfiguration = logging(m.Logging), tracing(m.Tracing), encryption(m.Encryption)
	}
	if in.IncludedData != api.IncludedDataMetadataOnly {
		if out.Definition, err = s.Catalog.definition(ctx, store.Hash(start.Definition)); err != nil {
			return nil, err
		}
		out.VariableReferences = variables(out.Definition)
	}
	return out, nil
}
