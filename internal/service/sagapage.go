package service

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/backstep/backstep/api"
)

// The bounds of one answer of DescribeSaga: the bytes of texts in its log, and
// how many holds it has; and those of a hold.
const (
	logBytes  = 8 << 20
	logHolds  = 100
	mostOwed  = 100
	mostLocks = 20
	shownText = 4096 // bytes of a request or response in lists
)

// DescribeSaga answers where an execution's sagas stand.
func (s *Service) DescribeSaga(ctx context.Context, in *api.DescribeSagaInput) (*api.DescribeSagaOutput, error) {
	p := s.page("DescribeSaga", in.MaxResults, in.ExecutionArn, string(in.IncludedData))
	place, err := p.after(in.NextToken)
	if err != nil {
		return nil, err
	}
	after, err := rowPlaced(place)
	if err != nil {
		return nil, err
	}
	done, err := s.placeForLog(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	x, next, err := s.paged(ctx, in.ExecutionArn, after.number, p.size)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeSagaOutput{
		ExecutionArn: x.Start.ExecutionARN(), StateMachineArn: x.Start.MachineARN(), Status: statusOf(x.Head.Status),
		SagaStatus: api.SagaStatus(x.Head.SagaStatus()), Version: x.Head.LastEvent, StartDate: api.Timestamp(x.Start.At),
		StopDate: timestamp(x.Head.Stop), Sagas: x.list(), CurrentSteps: []api.SagaStep{}, Holds: []api.Hold{}, Log: []api.SagaLogEntry{},
	}
	data := in.IncludedData != api.IncludedDataMetadataOnly
	rows := x.rows()
	for i := range rows {
		if r := &rows[i]; r.EndDate == nil {
			out.CurrentSteps = append(out.CurrentSteps, api.SagaStep{StepId: r.StepId, StateName: r.StateName})
		}
	}
	held := x.held()
	out.HoldCount = int32(len(held))
	for _, f := range held[:min(len(held), logHolds)] {
		h, err := s.hold(ctx, x, f, shown{data: data, most: shownText})
		if err != nil {
			return nil, err
		}
		out.Holds = append(out.Holds, h)
	}
	rows = slices.DeleteFunc(rows, func(r logRow) bool { return !after.before(&r) || next > 0 && r.number >= next })
	page, err := s.logPage(ctx, x, rows[:min(len(rows), p.size)], data)
	if err != nil {
		return nil, err
	}
	out.Log = append(out.Log, page...)
	if n := len(page); n < len(rows) || next > 0 {
		out.NextToken = p.next(rowPlace(&rows[n-1]))
	}
	return out, nil
}

// paged reads an execution's sagas for a page of their log from a step on. Next is
// the step from which on the log was left out, 0 where it was not. Where something
// waits for a person all of it is read: what is owed is counted.
func (s *Service) paged(ctx context.Context, arn string, from uint32, rows int) (x *sagas, next uint32, err error) {
	id, err := s.find(ctx, arn)
	if err != nil {
		return nil, 0, err
	}
	read, next, err := s.Engine.SagaPart(ctx, id, from, rows+1)
	if err != nil {
		return nil, 0, sagaRefusal(arn, err)
	}
	if x = readSagas(id, read); len(x.held()) == 0 {
		return x, next, nil
	}
	x, err = s.sagasOf(ctx, id)
	return x, 0, sagaRefusal(arn, err)
}

// logPage is as many of the rows as fit into one answer, at least one of them.
func (s *Service) logPage(ctx context.Context, x *sagas, rows []logRow, data bool) ([]api.SagaLogEntry, error) {
	size := 0
	page := make([]api.SagaLogEntry, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		if data {
			texts, err := s.texts(ctx, x.id, r.input, r.result)
			if err != nil {
				return nil, err
			}
			r.Input, r.Result = texts[0], texts[1]
			if size += lengthOf(texts[0]) + lengthOf(texts[1]); size > logBytes && i > 0 {
				break
			}
		}
		page = append(page, r.SagaLogEntry)
	}
	return page, nil
}

// rowPlace is a row's place in a token, rowPlaced reads it.
func rowPlace(r *logRow) string {
	return string(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, r.number), uint32(r.call)))
}

func rowPlaced(place string) (logRow, error) {
	switch len(place) {
	case 0:
		return logRow{call: -1}, nil
	case 8:
		return logRow{number: binary.BigEndian.Uint32([]byte(place)), call: int(binary.BigEndian.Uint32([]byte(place[4:])))}, nil
	}
	return logRow{}, api.InvalidToken("Invalid token")
}

// before reports whether a place is before that of a row.
func (r *logRow) before(other *logRow) bool {
	return r.number < other.number || r.number == other.number && r.call < other.call
}
