package client

import (
	"context"
	"iter"

	"github.com/backstep/backstep/api"
)

// StateMachines walks through all state machines, asking for a page when it needs one. An error ends the walk.
func StateMachines(ctx context.Context, s api.Service) iter.Seq2[api.StateMachineListItem, error] {
	return items(func(token *string) ([]api.StateMachineListItem, *string, error) {
		page, err := s.ListStateMachines(ctx, &api.ListStateMachinesInput{NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return page.StateMachines, page.NextToken, nil
	})
}

// Versions walks through the versions of a state machine, the newest first. An error ends the walk.
func Versions(ctx context.Context, s api.Service, stateMachineArn string) iter.Seq2[api.StateMachineVersionListItem, error] {
	return items(func(token *string) ([]api.StateMachineVersionListItem, *string, error) {
		page, err := s.ListStateMachineVersions(ctx, &api.ListStateMachineVersionsInput{StateMachineArn: stateMachineArn, NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return page.StateMachineVersions, page.NextToken, nil
	})
}

// Aliases walks through the aliases of a state machine or a version. An error ends the walk.
func Aliases(ctx context.Context, s api.Service, stateMachineArn string) iter.Seq2[api.StateMachineAliasListItem, error] {
	return items(func(token *string) ([]api.StateMachineAliasListItem, *string, error) {
		page, err := s.ListStateMachineAliases(ctx, &api.ListStateMachineAliasesInput{StateMachineArn: stateMachineArn, NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return page.StateMachineAliases, page.NextToken, nil
	})
}

// Executions walks through the executions that the input asks for, the newest first. An error ends the walk.
func Executions(ctx context.Context, s api.Service, in api.ListExecutionsInput) iter.Seq2[api.ExecutionListItem, error] {
	return items(func(token *string) ([]api.ExecutionListItem, *string, error) {
		request := in
		if token != nil {
			request.NextToken = token
		}
		page, err := s.ListExecutions(ctx, &request)
		if err != nil {
			return nil, nil, err
		}
		return page.Executions, page.NextToken, nil
	})
}

// ExecutionsWhere walks through the executions that are found by their search attributes as the input asks, the newest first. An error ends the
// walk.
func ExecutionsWhere(ctx context.Context, s api.Service, in api.ListExecutionsWhereInput) iter.Seq2[api.ExecutionListItem, error] {
	return items(func(token *string) ([]api.ExecutionListItem, *string, error) {
		request := in
		if token != nil {
			request.NextToken = token
		}
		page, err := s.ListExecutionsWhere(ctx, &request)
		if err != nil {
			return nil, nil, err
		}
		return page.Executions, page.NextToken, nil
	})
}

// History walks through the events that the input asks for. An error ends the walk.
func History(ctx context.Context, s api.Service, in api.GetExecutionHistoryInput) iter.Seq2[api.HistoryEvent, error] {
	return items(func(token *string) ([]api.HistoryEvent, *string, error) {
		request := in
		if token != nil {
			request.NextToken = token
		}
		page, err := s.GetExecutionHistory(ctx, &request)
		if err != nil {
			return nil, nil, err
		}
		return page.Events, page.NextToken, nil
	})
}

// Activities walks through all activities. An error ends the walk.
func Activities(ctx context.Context, s api.Service) iter.Seq2[api.ActivityListItem, error] {
	return items(func(token *string) ([]api.ActivityListItem, *string, error) {
		page, err := s.ListActivities(ctx, &api.ListActivitiesInput{NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return page.Activities, page.NextToken, nil
	})
}

// Sagas walks through the executions with sagas that the input asks for, the newest first. An error ends the walk.
func Sagas(ctx context.Context, s api.Service, in api.ListSagasInput) iter.Seq2[api.SagaListItem, error] {
	return items(func(token *string) ([]api.SagaListItem, *string, error) {
		request := in
		if token != nil {
			request.NextToken = token
		}
		page, err := s.ListSagas(ctx, &request)
		if err != nil {
			return nil, nil, err
		}
		return page.Sagas, page.NextToken, nil
	})
}

// Holds walks through the holds that the input asks for. An error ends the walk.
func Holds(ctx context.Context, s api.Service, in api.ListHoldsInput) iter.Seq2[api.Hold, error] {
	return items(func(token *string) ([]api.Hold, *string, error) {
		request := in
		if token != nil {
			request.NextToken = token
		}
		page, err := s.ListHolds(ctx, &request)
		if err != nil {
			return nil, nil, err
		}
		return page.Holds, page.NextToken, nil
	})
}

// items walks through pages.
func items[Item any](page func(token *string) ([]Item, *string, error)) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		var token *string
		for {
			list, next, err := page(token)
			if err != nil {
				var none Item
				yield(none, err)
				return
			}
			for _, item := range list {
				if !yield(item, nil) {
					return
				}
			}
			if next == nil {
				return
			}
			token = next
		}
	}
}

// Await waits until an execution has ended, however long that takes, and answers how.
func Await(ctx context.Context, s api.Service, executionArn string) (*api.DescribeExecutionOutput, error) {
	for {
		now, err := s.WaitExecution(ctx, &api.WaitExecutionInput{ExecutionArn: executionArn})
		if err != nil {
			return nil, err
		}
		if now.Status.Ended() {
			return &now.DescribeExecutionOutput, nil
		}
		if !sleep(ctx, firstWait) { // a server that is about to stop answers at once
			return nil, ctx.Err()
		}
	}
}
