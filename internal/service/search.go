package service

import (
	"context"
	"errors"
	"strconv"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/store"
)

// ListExecutionsWhere lists the executions that are found by their search
// attributes, the newest first.
func (s *Service) ListExecutionsWhere(ctx context.Context, in *api.ListExecutionsWhereInput) (*api.ListExecutionsWhereOutput, error) {
	lists, machineName, err := s.listsWhere(ctx, in)
	if err != nil {
		return nil, err
	}
	filters := []string{machineName, string(in.StatusFilter)}
	for i := range lists {
		filters = append(filters, lists[i].query.Index, strconv.Itoa(len(lists[i].query.Value)), lists[i].query.Value)
	}
	p := s.page("ListExecutionsWhere", in.MaxResults, filters...)
	j := join{store: s.Store, lists: lists, reads: joinReads}
	position, err := p.after(in.NextToken)
	if err == nil && position != "" {
		j.after, err = placed(position, lists[0].query)
	}
	if err != nil {
		return nil, err
	}
	return s.foundBy(ctx, &j, p, in.StatusFilter)
}

// listsWhere are the lists in all of which an execution must stand: those of the
// search attributes, then that of the machine, if one is named.
func (s *Service) listsWhere(ctx context.Context, in *api.ListExecutionsWhereInput) (lists []list, machineName string, err error) {
	if in.StatusFilter == api.ExecutionStatusPendingRedrive {
		return nil, "", api.Validation("This filter is for the executions of a map run alone")
	}
	terms, err := parseWhere(in.Where)
	if err != nil {
		return nil, "", err
	}
	for _, t := range terms {
		lists = append(lists, list{query: store.IndexQuery{Tenant: s.tenant, Index: engine.IndexAttribute(t.name), Value: t.value, Limit: joinPage}})
	}
	if in.StateMachineArn == nil {
		return lists, "", nil
	}
	if machineName, err = s.listed(ctx, *in.StateMachineArn); err != nil {
		return nil, "", err
	}
	q := store.IndexQuery{Tenant: s.tenant, Index: engine.IndexMachine, Value: machineName, Limit: joinPage}
	if in.StatusFilter != "" {
		q.Index, q.Value = engine.IndexStatus, engine.StatusValue(machineName, statusFrom(in.StatusFilter))
	}
	return append(lists, list{query: q}), machineName, nil
}

// foundBy is the page of what stands in all lists, and has the status where one is
// asked for. It is short where the lists would have to be read too far for more.
func (s *Service) foundBy(ctx context.Context, j *join, p page, status api.ExecutionStatus) (*api.ListExecutionsWhereOutput, error) {
	out := &api.ListExecutionsWhereOutput{Executions: []api.ExecutionListItem{}}
	var last *store.IndexKey // of what is on the page, or was looked at for it
	for {
		row, err := j.next(ctx)
		switch {
		case errors.Is(err, errReadEnough):
			out.NextToken = p.next(position(*j.after))
			return out, nil
		case err != nil:
			return nil, err
		case row == nil:
			return out, nil
		}
		item, err := engine.DecodeItem(row.Body)
		if err != nil {
			return nil, err
		}
		if status != "" && statusOf(item.Status) != status {
			continue
		}
		if len(out.Executions) == p.size {
			out.NextToken = p.next(position(*last))
			return out, nil
		}
		last = &row.IndexKey
		out.Executions = append(out.Executions, s.listItem(item.Machine, item))
	}
}
