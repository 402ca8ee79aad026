package cli

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/backstep/backstep/api"
)

// follow hands each event of an execution after the last one that is known to
// show, the first one first, until it has ended.
func (s *session) follow(svc api.Service, arn string, last int64, show func(api.HistoryEvent)) (*api.DescribeExecutionOutput, error) {
	for {
		wait, err := news(s.ctx, svc, arn, &last)
		if err != nil {
			return nil, err
		}
		if wait.LastEventId > last {
			fresh, err := eventsAfter(s.ctx, svc, arn, last)
			if err != nil {
				return nil, err
			}
			for _, e := range fresh {
				show(e)
				last = e.Id
			}
		}
		if wait.Status.Ended() && last >= wait.LastEventId {
			return &wait.DescribeExecutionOutput, nil
		}
	}
}

// news waits for an event of an execution after the one given, nil: for none, or for
// its end. A server that is about to stop answers at once as things stand, and is asked
// again more and more seldom.
func news(ctx context.Context, svc api.Service, arn string, after *int64) (*api.WaitExecutionOutput, error) {
	for again := leastPause; ; again = min(2*again, mostPause) {
		now, err := svc.WaitExecution(ctx, &api.WaitExecutionInput{ExecutionArn: arn, AfterEventId: after})
		if err != nil || now.Status.Ended() || after != nil && now.LastEventId > *after {
			return now, err
		}
		if !pause(ctx, again) {
			return nil, ctx.Err()
		}
	}
}

// The pauses after answers that bring nothing new.
const (
	leastPause = 50 * time.Millisecond
	mostPause  = time.Second
)

// events are an execution's events, the first or the last one first.
func events(ctx context.Context, svc api.Service, arn string, lastFirst bool) iter.Seq2[api.HistoryEvent, error] {
	in := &api.GetExecutionHistoryInput{ExecutionArn: arn, MaxResults: maxPage, ReverseOrder: lastFirst}
	return pages(func(token *string) ([]api.HistoryEvent, *string, error) {
		in.NextToken = token
		page, err := svc.GetExecutionHistory(ctx, in)
		if err != nil {
			return nil, nil, err
		}
		return page.Events, page.NextToken, nil
	})
}

// eventsAfter is all events after the one given, in their order. They are read
// from the end, so that it costs what is new.
func eventsAfter(ctx context.Context, svc api.Service, arn string, after int64) ([]api.HistoryEvent, error) {
	var fresh []api.HistoryEvent
	for e, err := range events(ctx, svc, arn, true) {
		if err != nil {
			return nil, err
		}
		if e.Id <= after {
			break
		}
		fresh = append(fresh, e)
	}
	slices.Reverse(fresh)
	return fresh, nil
}

// failureOf is the error that an event tells of, or "".
func failureOf(e api.HistoryEvent) string {
	for _, d := range []*api.FailureEventDetails{
		e.LambdaFunctionFailedEventDetails, e.LambdaFunctionTimedOutEventDetails, e.LambdaFunctionScheduleFailedEventDetails,
		e.ActivityFailedEventDetails, e.ActivityTimedOutEventDetails, e.ExecutionFailedEventDetails, e.ExecutionAbortedEventDetails,
		e.ExecutionTimedOutEventDetails,
	} {
		if d != nil {
			return text(d.Error)
		}
	}
	for _, d := range []*api.TaskFailureEventDetails{e.TaskFailedEventDetails, e.TaskTimedOutEventDetails, e.TaskSubmitFailedEventDetails, e.TaskStartFailedEventDetails} {
		if d != nil {
			return text(d.Error)
		}
	}
	if d := e.EvaluationFailedEventDetails; d != nil {
		return text(d.Error)
	}
	return ""
}

// ends reports whether an event is the bad end of the execution itself.
func ends(e api.HistoryEvent) bool {
	return e.ExecutionFailedEventDetails != nil || e.ExecutionTimedOutEventDetails != nil || e.ExecutionAbortedEventDetails != nil
}
