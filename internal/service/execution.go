package service

import (
	"context"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// starting is what an ARN names, as a start needs it.
func (s *Service) starting(ctx context.Context, text string) (engine.Machine, error) {
	arn, err := s.ours(text, api.StateMachineDoesNotExist, api.KindStateMachine, api.KindVersion, api.KindAlias)
	if err != nil {
		return engine.Machine{}, err
	}
	if arn.Label != "" {
		return engine.Machine{}, labelled(labelledMachine)
	}
	m, err := s.Catalog.starting(ctx, arn, s.Engine.Draw)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return m, api.StateMachineDoesNotExist(text)
	case errors.Is(err, errDeleting):
		return m, api.StateMachineDeleting(text)
	}
	return m, err
}

// request is the start of an execution, checked.
func (s *Service) request(m engine.Machine, testCase string, name, given, trace *string) (engine.StartRequest, error) {
	r := engine.StartRequest{Machine: m, TestCase: testCase}
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
	m, testCase, err := s.startingCase(ctx, in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	r, err := s.request(m, testCase, in.Name, in.Input, in.TraceHeader)
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
	m, testCase, err := s.startingCase(ctx, in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	if !m.Express {
		return nil, api.StateMachineTypeNotSupported()
	}
	r, err := s.request(m, testCase, in.Name, in.Input, in.TraceHeader)
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
	machineName := arn.Machine
	if arn.Label != "" { // of a map run's child
		machineName += "/" + arn.Label
	}
	id, err := s.Engine.Find(ctx, s.Account, s.Region, machineName, arn.Name)
	if errors.Is(err, engine.ErrNotFound) {
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
		return nil, refuseOf(in.ExecutionArn, err)
	}
	out, err := s.describe(ctx, id, &engine.Standing{Start: start, Head: head}, in.IncludedData)
	return out, s.meanwhile(ctx, id, in.ExecutionArn, err)
}

// describe composes a description, its input and output read from the store
// where memory does not have them.
func (s *Service) describe(ctx context.Context, id store.ID, stands *engine.Standing, data api.IncludedData) (*api.DescribeExecutionOutput, error) {
	start, head := &stands.Start, &stands.Head
	redrives := int32(head.Redrives)
	out := &api.DescribeExecutionOutput{
		ExecutionArn: start.ExecutionARN(), StateMachineArn: start.MachineARN(), Name: &start.Name, MapRunArn: mapRunARN(start),
		Status: statusOf(head.Status), StartDate: api.Timestamp(start.At), TraceHeader: optional(start.Trace),
		StateMachineVersionArn: optional(start.Version), StateMachineAliasArn: optional(start.Alias), RedriveCount: &redrives,
	}
	reason, err := s.notRedrivable(ctx, start, head)
	if err != nil {
		return nil, err
	}
	out.RedriveStatus, out.RedriveStatusReason = redriveStatus(reason, s.Engine.ByMapRun(start, head))
	if head.Redriven != 0 {
		redriven := api.Timestamp(head.Redriven)
		out.RedriveDate = &redriven
	}
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
	texts, err := s.ends(ctx, id, stands)
	if err != nil {
		return nil, err
	}
	out.Input, out.InputDetails = &texts[0], included
	if head.Output != 0 {
		out.Output, out.OutputDetails = &texts[1], included
	}
	return out, nil
}

// ends are an execution's input and, where it has one, its output.
func (s *Service) ends(ctx context.Context, id store.ID, stands *engine.Standing) ([]string, error) {
	head := &stands.Head
	if !stands.Input.IsZero() && (head.Output == 0 || !stands.Output.IsZero()) {
		return []string{stands.Input.String(), stands.Output.String()}, nil
	}
	refs := []uint32{uint32(head.Input)}
	if head.Output != 0 {
		refs = append(refs, uint32(head.Output))
	}
	return s.Engine.Texts(ctx, id, refs)
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
	stands, err := s.Engine.Wait(ctx, id, after, wait)
	if err != nil {
		return nil, refuseOf(in.ExecutionArn, err)
	}
	described, err := s.describe(ctx, id, &stands, "")
	if err != nil {
		return nil, err
	}
	out := &api.WaitExecutionOutput{DescribeExecutionOutput: *described, LastEventId: stands.Head.LastEvent, SagaStatus: api.SagaStatus(stands.Head.SagaStatus())}
	if found := stands.Head.Search; len(found) > 0 {
		out.SearchAttributes = make(map[string]string, len(found))
		for _, a := range found {
			out.SearchAttributes[a.Name] = a.Value
		}
	}
	return out, nil
}

// StopExecution stops an execution.
func (s *Service) StopExecution(ctx context.Context, in *api.StopExecutionInput) (*api.StopExecutionOutput, error) {
	id, err := s.find(ctx, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	at, err := s.Engine.Stop(ctx, id, machine.Failure{Error: in.Error, Cause: in.Cause})
	if err != nil {
		return nil, refuseOf(in.ExecutionArn, err)
	}
	return &api.StopExecutionOutput{StopDate: api.Timestamp(at)}, nil
}

// ListExecutions lists executions, the newest first.
func (s *Service) ListExecutions(ctx context.Context, in *api.ListExecutionsInput) (*api.ListExecutionsOutput, error) {
	query, p, err := s.listing(ctx, in)
	if err != nil {
		return nil, err
	}
	rows, next, err := s.rows(ctx, query, p, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListExecutionsOutput{Executions: []api.ExecutionListItem{}, NextToken: next}
	for _, row := range rows {
		item, err := engine.DecodeItem(row.Body)
		if err != nil {
			return nil, err
		}
		if f := in.RedriveFilter; f != "" && (f == api.ExecutionRedriveFilterRedriven) != (item.Redrives > 0) {
			continue
		}
		listed := s.listItem(listedMachine(query), item)
		if in.MapRunArn != nil {
			count := int32(item.Items)
			listed.MapRunArn, listed.ItemCount = in.MapRunArn, &count
		}
		out.Executions = append(out.Executions, listed)
	}
	return out, nil
}

// listedMachine is the machine whose executions a query lists.
func listedMachine(q store.IndexQuery) string {
	name, _, _ := strings.Cut(q.Value, ":")
	return name
}

// listing is the query of a ListExecutions, and its page.
func (s *Service) listing(ctx context.Context, in *api.ListExecutionsInput) (store.IndexQuery, page, error) {
	var q store.IndexQuery
	if (in.StateMachineArn == nil) == (in.MapRunArn == nil) {
		return q, page{}, api.Validation("Exactly one of stateMachineArn and mapRunArn must be specified")
	}
	if in.MapRunArn != nil {
		return s.childListing(ctx, in)
	}
	if in.RedriveFilter != "" || in.StatusFilter == api.ExecutionStatusPendingRedrive {
		return q, page{}, api.Validation("This filter is for the executions of a map run alone")
	}
	name, err := s.listed(ctx, *in.StateMachineArn)
	if err != nil {
		return q, page{}, err
	}
	p := s.page("ListExecutions", in.MaxResults, name, string(in.StatusFilter))
	q = store.IndexQuery{Tenant: s.tenant, Index: engine.IndexMachine, Value: name}
	if in.StatusFilter != "" {
		q.Index, q.Value = engine.IndexStatus, engine.StatusValue(name, statusFrom(in.StatusFilter))
	}
	return q, p, nil
}

// childListing is the query of a ListExecutions of a map run. A redriveFilter
// leaves out what does not pass, so that a page may be short. None is listed as
// PENDING_REDRIVE: a child is what it was until its map run redrives it.
func (s *Service) childListing(ctx context.Context, in *api.ListExecutionsInput) (store.IndexQuery, page, error) {
	id, _, _, err := s.mapRun(ctx, *in.MapRunArn)
	if err != nil {
		return store.IndexQuery{}, page{}, err
	}
	p := s.page("ListExecutions", in.MaxResults, *in.MapRunArn, string(in.StatusFilter), string(in.RedriveFilter))
	q := store.IndexQuery{Tenant: s.tenant, Index: engine.IndexChildren, Value: id.String()}
	switch {
	case in.StatusFilter == api.ExecutionStatusPendingRedrive:
		q.Value = engine.StatusValue(q.Value, 0)
	case in.StatusFilter != "":
		q.Value = engine.StatusValue(q.Value, statusFrom(in.StatusFilter))
	}
	return q, p, nil
}

// listed is the name under which the executions of a state machine, a version
// or an alias are listed.
func (s *Service) listed(ctx context.Context, text string) (string, error) {
	arn, err := s.ours(text, api.StateMachineDoesNotExist, api.KindStateMachine, api.KindVersion, api.KindAlias)
	if err != nil {
		return "", err
	}
	if arn.Label != "" {
		return "", labelled(labelledMachine)
	}
	m, err := s.Catalog.machine(ctx, s.tenant, arn.Machine)
	name := arn.Machine
	if err == nil {
		switch arn.Kind {
		case api.KindVersion:
			name = engine.QualifiedName(arn.Machine, strconv.Itoa(arn.Version))
			_, err = s.Catalog.version(ctx, s.tenant, arn.Machine, arn.Version)
		case api.KindAlias:
			name = engine.QualifiedName(arn.Machine, arn.Name)
			_, err = s.Catalog.alias(ctx, s.tenant, arn.Machine, arn.Name)
		}
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", api.StateMachineDoesNotExist(text)
	case err != nil:
		return "", err
	case m.Type == api.StateMachineTypeExpress:
		return "", api.StateMachineTypeNotSupported()
	}
	return name, nil
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

// listItem is an execution of a list. Only what belongs to a map run tells its
// machine itself.
func (s *Service) listItem(machineName string, i engine.Item) api.ExecutionListItem {
	if i.Machine != "" {
		machineName = i.Machine
	}
	redrives := int32(i.Redrives)
	item := api.ExecutionListItem{
		ExecutionArn: s.executionARN(machineName, i.Name), StateMachineArn: s.machineARN(machineName), Name: i.Name, Status: statusOf(i.Status),
		StartDate: api.Timestamp(i.Start), StateMachineVersionArn: optional(i.Version), StateMachineAliasArn: optional(i.Alias), RedriveCount: &redrives,
	}
	if i.Stop != 0 {
		stop := api.Timestamp(i.Stop)
		item.StopDate = &stop
	}
	if i.Redriven != 0 {
		redriven := api.Timestamp(i.Redriven)
		item.RedriveDate = &redriven
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
		return nil, refuseOf(in.ExecutionArn, err)
	}
	own, label, _ := strings.Cut(start.Machine, "/")
	out := &api.DescribeStateMachineForExecutionOutput{
		StateMachineArn: start.MachineARN(), Name: own, RoleArn: start.RoleARN, UpdateDate: api.Timestamp(start.At),
		MapRunArn: mapRunARN(&start), Label: optional(label),
		LoggingConfiguration: logging(nil), TracingConfiguration: tracing(nil), EncryptionConfiguration: encryption(nil),
	}
	r, err := s.revisionOf(ctx, &start)
	if err != nil {
		return nil, err
	}
	if r != nil {
		out.UpdateDate, out.RevisionId = r.Updated, optional(r.Revision)
		out.LoggingConfiguration, out.TracingConfiguration, out.EncryptionConfiguration = logging(r.Logging), tracing(r.Tracing), encryption(r.Encryption)
	}
	if in.IncludedData != api.IncludedDataMetadataOnly {
		if out.Definition, err = s.Catalog.definition(ctx, store.Hash(start.Definition)); err != nil {
			return nil, err
		}
		out.VariableReferences = variables(out.Definition)
	}
	return out, nil
}

// revisionOf is the revision that an execution runs: of its version, or of its
// state machine as long as that has the same definition. Nil where it is no
// longer known.
func (s *Service) revisionOf(ctx context.Context, start *machine.Start) (*revision, error) {
	r, err := s.Catalog.revision(ctx, originOf(start))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil || r.Definition != store.Hash(start.Definition) {
		return nil, err
	}
	return r, nil
}
