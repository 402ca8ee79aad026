package service_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// counted is a store that counts the rows of saga logs that are read.
type counted struct {
	store.Store
	rows atomic.Int64
}

func (c *counted) Undos(ctx context.Context, id store.ID, from uint32, limit int) ([]store.Undo, error) {
	rows, err := c.Store.Undos(ctx, id, from, limit)
	c.rows.Add(int64(len(rows)))
	return rows, err
}

const looped = `{"Saga":{},"QueryLanguage":"JSONata","StartAt":"Begin","States":{
	"Begin":{"Type":"Pass","Assign":{"n":0},"Next":"Step"},
	"Step":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f","Payload":{}},"Assign":{"n":"{% $n + 1 %}"},
		"Compensate":{"Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f","Payload":{}}},"Next":"More"},
	"More":{"Type":"Choice","Choices":[{"Condition":"{% $n < 120 %}","Next":"Step"}],"Default":"Ask"},
	"Ask":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Arguments":{"FunctionName":"f","Payload":{}},"TimeoutSeconds":3600,
		"Compensate":{"Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Arguments":{"FunctionName":"f","Payload":{}},"TimeoutSeconds":3600},"End":true}}}`

// TestPagesOfALongSagaLog: a page costs what it tells, and all together are the
// log, while the saga goes forward and as it is undone.
func TestPagesOfALongSagaLog(t *testing.T) {
	c := &counted{Store: storetest.NewMemory(storetest.MemoryOptions{}).Open()}
	h := houseOn(t, c)
	svc := h.service
	x := start(t, svc, create(t, svc, name(t, "M"), looped), "x", `{}`)
	<-h.tokens
	pages := func(size int32) (all []api.SagaLogEntry) {
		t.Helper()
		in := api.DescribeSagaInput{ExecutionArn: x, MaxResults: size}
		for {
			before := c.rows.Load()
			page, err := svc.DescribeSaga(t.Context(), &in)
			if err != nil {
				t.Fatal(err)
			}
			if n := c.rows.Load() - before; n > int64(size)+8 {
				t.Errorf("a page of %d rows has read %d", len(page.Log), n)
			}
			if len(page.CurrentSteps) != 1 || page.CurrentSteps[0].StateName != "Ask" || len(page.Sagas) != 1 {
				t.Errorf("under way are %+v, sagas %+v", page.CurrentSteps, page.Sagas)
			}
			all = append(all, page.Log...)
			if in.NextToken = page.NextToken; in.NextToken == nil {
				return all
			}
		}
	}
	for _, undone := range []bool{false, true} {
		want := 121
		if undone {
			if _, err := svc.StopExecution(t.Context(), &api.StopExecutionInput{ExecutionArn: x}); err != nil {
				t.Fatal(err)
			}
			<-h.tokens // Ask is being undone, by who has that
			want++
		}
		for last := api.HistoryEventType(""); last != api.HistoryEventTypeTaskSubmitted; time.Sleep(time.Millisecond) { // then it rests
			out, err := svc.GetExecutionHistory(t.Context(), &api.GetExecutionHistoryInput{ExecutionArn: x, MaxResults: 1, ReverseOrder: true})
			if err != nil {
				t.Fatal(err)
			}
			last = out.Events[0].Type
		}
		whole := pages(1000)
		if len(whole) != want {
			t.Errorf("the log has %d rows: %s", len(whole), story(whole))
		}
		for _, size := range []int32{1, 7, 10, 121} {
			if got := pages(size); !slices.EqualFunc(got, whole, func(a, b api.SagaLogEntry) bool {
				return a.StepId == b.StepId && a.Operation == b.Operation && a.Status == b.Status
			}) {
				t.Errorf("in pages of %d: %s", size, story(got))
			}
		}
	}
}
