package client_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// inPages answers lists of 7 in pages of 3.
func inPages(_ context.Context, _ string, in any) (any, error) {
	page := func(token *string) (from, to int, next *string) {
		if token != nil {
			from, _ = strconv.Atoi(*token)
		}
		to = min(from+3, 7)
		if to < 7 {
			text := strconv.Itoa(to)
			next = &text
		}
		return from, to, next
	}
	switch in := in.(type) {
	case *api.ListStateMachinesInput:
		from, to, next := page(in.NextToken)
		out := &api.ListStateMachinesOutput{NextToken: next}
		for i := from; i < to; i++ {
			out.StateMachines = append(out.StateMachines, api.StateMachineListItem{Name: strconv.Itoa(i)})
		}
		return out, nil
	case *api.ListStateMachineVersionsInput:
		from, to, next := page(in.NextToken)
		out := &api.ListStateMachineVersionsOutput{NextToken: next}
		for i := from; i < to; i++ {
			out.StateMachineVersions = append(out.StateMachineVersions, api.StateMachineVersionListItem{StateMachineVersionArn: in.StateMachineArn + strconv.Itoa(i)})
		}
		return out, nil
	case *api.ListStateMachineAliasesInput:
		from, to, next := page(in.NextToken)
		out := &api.ListStateMachineAliasesOutput{NextToken: next}
		for i := from; i < to; i++ {
			out.StateMachineAliases = append(out.StateMachineAliases, api.StateMachineAliasListItem{StateMachineAliasArn: in.StateMachineArn + strconv.Itoa(i)})
		}
		return out, nil
	case *api.ListActivitiesInput:
		from, to, next := page(in.NextToken)
		out := &api.ListActivitiesOutput{NextToken: next}
		for i := from; i < to; i++ {
			out.Activities = append(out.Activities, api.ActivityListItem{Name: strconv.Itoa(i)})
		}
		return out, nil
	case *api.ListSagasInput:
		from, to, next := page(in.NextToken)
		out := &api.ListSagasOutput{NextToken: next}
		for i := from; i < to; i++ {
			out.Sagas = append(out.Sagas, api.SagaListItem{Name: string(in.StatusFilter) + strconv.Itoa(i)})
		}
		return out, nil
	case *api.ListHoldsInput:
		from, to, next := page(in.NextToken)
		out := &api.ListHoldsOutput{NextToken: next}
		for i := from; i < to; i++ {
			out.Holds = append(out.Holds, api.Hold{HoldId: *in.ErrorFilter + strconv.Itoa(i)})
		}
		return out, nil
	case *api.ListExecutionsInput:
		from, to, next := page(in.NextToken)
		out := &api.ListExecutionsOutput{NextToken: next}
		for i := from; i < to; i++ {
			out.Executions = append(out.Executions, api.ExecutionListItem{Name: string(in.StatusFilter) + strconv.Itoa(i)})
		}
		return out, nil
	case *api.ListExecutionsWhereInput:
		from, to, next := page(in.NextToken)
		out := &api.ListExecutionsWhereOutput{NextToken: next}
		for i := from; i < to; i++ {
			out.Executions = append(out.Executions, api.ExecutionListItem{Name: in.Where + strconv.Itoa(i)})
		}
		return out, nil
	case *api.GetExecutionHistoryInput:
		from, to, next := page(in.NextToken)
		if in.ExecutionArn == "breaks" && from > 0 {
			return nil, errors.New("broken")
		}
		out := &api.GetExecutionHistoryOutput{NextToken: next}
		for i := from; i < to; i++ {
			out.Events = append(out.Events, api.HistoryEvent{Id: int64(i + 1)})
		}
		return out, nil
	}
	return nil, errors.New("unexpected")
}

func TestPages(t *testing.T) {
	ctx, s := context.Background(), script(inPages)
	var got string
	for item, err := range client.StateMachines(ctx, s) {
		got += fmt.Sprint(item.Name, err)
	}
	for item, err := range client.Activities(ctx, s) {
		got += fmt.Sprint(item.Name, err)
	}
	for item, err := range client.Versions(ctx, s, "") {
		got += fmt.Sprint(item.StateMachineVersionArn, err)
	}
	for item, err := range client.Aliases(ctx, s, "") {
		got += fmt.Sprint(item.StateMachineAliasArn, err)
	}
	for item, err := range client.ExecutionsWhere(ctx, s, api.ListExecutionsWhereInput{}) {
		got += fmt.Sprint(item.Name, err)
	}
	if want := "0<nil>1<nil>2<nil>3<nil>4<nil>5<nil>6<nil>"; got != strings.Repeat(want, 5) {
		t.Errorf("walked through %s", got)
	}
	got = ""
	for item := range client.Executions(ctx, s, api.ListExecutionsInput{StatusFilter: api.ExecutionStatusFailed}) {
		if got += item.Name + " "; item.Name == "FAILED4" {
			break
		}
	}
	if got != "FAILED0 FAILED1 FAILED2 FAILED3 FAILED4 " {
		t.Errorf("walked through %s", got)
	}
	got = ""
	for item, err := range client.Sagas(ctx, s, api.ListSagasInput{StatusFilter: api.SagaStatusOnHold}) {
		got += fmt.Sprint(item.Name, err)
	}
	noMoney := "NoMoney"
	for item, err := range client.Holds(ctx, s, api.ListHoldsInput{ErrorFilter: &noMoney}) {
		got += fmt.Sprint(item.HoldId, err)
	}
	if !strings.HasPrefix(got, "ON_HOLD0<nil>ON_HOLD1<nil>") || !strings.HasSuffix(got, "ON_HOLD6<nil>NoMoney0<nil>NoMoney1<nil>NoMoney2<nil>NoMoney3<nil>NoMoney4<nil>NoMoney5<nil>NoMoney6<nil>") {
		t.Errorf("walked through %s", got)
	}
	events, failures := 0, 0
	for event, err := range client.History(ctx, s, api.GetExecutionHistoryInput{ExecutionArn: "breaks"}) {
		if err != nil {
			failures++
			continue
		}
		if events++; event.Id != int64(events) {
			t.Errorf("event %d is %d", events, event.Id)
		}
	}
	if events != 3 || failures != 1 {
		t.Errorf("%d events and %d failures, want 3 and 1", events, failures)
	}
}

func TestPagesEndWithAnError(t *testing.T) {
	ctx := context.Background()
	s := script(func(context.Context, string, any) (any, error) { return nil, errors.New("broken") })
	failures := 0
	for _, err := range client.StateMachines(ctx, s) {
		if err != nil {
			failures++
		}
	}
	for _, err := range client.Activities(ctx, s) {
		if err != nil {
			failures++
		}
	}
	for _, err := range client.Executions(ctx, s, api.ListExecutionsInput{}) {
		if err != nil {
			failures++
		}
	}
	for _, err := range client.ExecutionsWhere(ctx, s, api.ListExecutionsWhereInput{}) {
		if err != nil {
			failures++
		}
	}
	if failures != 4 {
		t.Errorf("%d failures, want one for each list", failures)
	}
}

func TestAwait(t *testing.T) {
	answers := []api.ExecutionStatus{api.ExecutionStatusRunning, api.ExecutionStatusRunning, api.ExecutionStatusFailed}
	s := script(func(_ context.Context, _ string, in any) (any, error) {
		if in.(*api.WaitExecutionInput).AfterEventId != nil {
			return nil, errors.New("only the end is waited for")
		}
		out := &api.WaitExecutionOutput{}
		out.Status, answers = answers[0], answers[1:]
		return out, nil
	})
	out, err := client.Await(context.Background(), s, "a")
	if err != nil || out.Status != api.ExecutionStatusFailed || len(answers) != 0 {
		t.Errorf("Await: %+v, %v", out, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	answers = []api.ExecutionStatus{api.ExecutionStatusRunning}
	if _, err := client.Await(ctx, s, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Await of a caller that is gone: %v", err)
	}
	asked := 0
	hasty := script(func(context.Context, string, any) (any, error) {
		if asked++; asked == 1000 {
			cancel()
		}
		out := &api.WaitExecutionOutput{}
		out.Status = api.ExecutionStatusRunning
		return out, nil
	})
	ctx, cancel = context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := client.Await(ctx, hasty, "a"); !errors.Is(err, context.DeadlineExceeded) || asked > 10 {
		t.Errorf("a server that answers at once is asked %d times: %v", asked, err)
	}
	broken := script(func(context.Context, string, any) (any, error) { return nil, api.ExecutionDoesNotExist("a") })
	if _, err := client.Await(context.Background(), broken, "a"); api.CodeOf(err) != api.CodeExecutionDoesNotExist {
		t.Errorf("Await: %v", err)
	}
}
