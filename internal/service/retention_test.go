package service_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/service"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// watched is a store that counts how often all lists were gone through.
type watched struct {
	store.Store
	rounds atomic.Int64
}

func (w *watched) Docs(ctx context.Context, tenant, kind, after string, limit int) ([]store.Doc, error) {
	docs, err := w.Store.Docs(ctx, tenant, kind, after, limit)
	if kind == "remains" && len(docs) == 0 {
		w.rounds.Add(1)
	}
	return docs, err
}

// old is the service of a house that keeps ended executions for a day, with a
// clock that is ahead. Its Run runs until the test ends.
type old struct {
	*service.Service
	watched
	ahead atomic.Int64 // hours
}

func grow(t *testing.T, h *house, hours int64) *old {
	t.Helper()
	o := &old{watched: watched{Store: h.store}}
	o.ahead.Store(hours)
	c := h.service.Config
	c.Store, c.Retention, c.Log = &o.watched, 24*time.Hour, slog.New(slog.DiscardHandler)
	c.Now = func() time.Time { return time.Now().Add(time.Duration(o.ahead.Load()) * time.Hour) }
	o.Service = service.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); o.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return o
}

// until waits for something.
func until(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for range 20_000 {
		if yes() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("waited too long for %s", what)
}

// Executions that ended longer ago than they are kept are taken away, those of
// deleted machines too; before that they are not, and what runs stays, however
// old it is.
func TestRetention(t *testing.T) {
	h := newHouse(t)
	deleted := create(t, h.service, "D", passing)
	last := start(t, h.service, deleted, "last", "{}")
	await(t, h.service, last)
	if _, err := h.service.DeleteStateMachine(t.Context(), &api.DeleteStateMachineInput{StateMachineArn: deleted}); err != nil {
		t.Fatal(err)
	}
	m := create(t, h.service, "M", failing)
	ended := start(t, h.service, m, "ended", `{"a":1}`)
	await(t, h.service, ended)
	runs := start(t, h.service, create(t, h.service, "S", sleeping), "runs", "{}")

	o := grow(t, h, 23)
	there := func(execution string) bool {
		t.Helper()
		_, err := o.DescribeExecution(t.Context(), &api.DescribeExecutionInput{ExecutionArn: execution})
		if err != nil && api.CodeOf(err) != api.CodeExecutionDoesNotExist {
			t.Fatal(err)
		}
		return err == nil
	}
	until(t, "a round", func() bool { return o.rounds.Load() > 0 })
	if !there(ended) || !there(last) {
		t.Error("executions are gone before their time")
	}
	o.ahead.Store(25)
	rounds := o.rounds.Load()
	until(t, "another round", func() bool { return o.rounds.Load() > rounds })
	if there(ended) || there(last) || !there(runs) {
		t.Errorf("there are still %v %v; there is %v", there(ended), there(last), there(runs))
	}
	list, err := o.ListExecutions(t.Context(), &api.ListExecutionsInput{StateMachineArn: &m})
	if err != nil || len(list.Executions) != 0 {
		t.Errorf("there are %+v, %v", list, err)
	}
	docs, err := h.store.Docs(t.Context(), engine.Tenant(account, region), "remains", "", 9)
	if err != nil || len(docs) != 0 {
		t.Errorf("for the deleted machine there stands %+v, %v", docs, err)
	}
}

// An execution that can't be read stays, and holds up no other that is old.
func TestRetentionPassesDamageOver(t *testing.T) {
	torn := &service.Torn{Store: storetest.NewMemory(storetest.MemoryOptions{}).Open()}
	h := houseOn(t, torn)
	bad := start(t, h.service, create(t, h.service, "A", passing), "torn", "{}")
	await(t, h.service, bad)
	good := start(t, h.service, create(t, h.service, "B", passing), "whole", "{}")
	await(t, h.service, good)
	rows, err := torn.Index(t.Context(), store.IndexQuery{Tenant: engine.Tenant(account, region), Index: engine.IndexMachine, Value: "A", Limit: 1})
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	torn.ID.Store(&rows[0].ID)
	o := grow(t, h, 25)
	until(t, "the other to be gone", func() bool {
		_, err := o.DescribeExecution(t.Context(), &api.DescribeExecutionInput{ExecutionArn: good})
		return api.CodeOf(err) == api.CodeExecutionDoesNotExist
	})
}

// A node that owns no shard yet passes no execution over: it waits until it
// does.
func TestRetentionWaitsForLeases(t *testing.T) {
	c := service.Config{
		Store: storetest.NewMemory(storetest.MemoryOptions{}).Open(), Account: account, Region: region, Now: time.Now,
		NewUUID: func() string { return "00000000-0000-4000-8000-000000000001" }, Log: slog.New(slog.DiscardHandler),
	}
	c.Catalog = service.NewCatalog(c.Store, new(integration.Registry))
	node := func() *engine.Engine {
		e, err := engine.Open(t.Context(), engine.Config{Store: c.Store, Exclusive: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		return e
	}
	c.Engine = node()
	if err := c.Engine.Renew(time.Now().UnixMilli()); err != nil {
		t.Fatal(err)
	}
	first := service.New(c)
	x := start(t, first, create(t, first, "M", passing), "x", "{}")
	late := node()
	asked := make(chan struct{})
	c.Engine, c.Retention = late, 24*time.Hour
	day := time.Now().Add(25 * time.Hour) // it stands: a rest would never be over
	var once sync.Once
	c.Now = func() time.Time { once.Do(func() { close(asked) }); return day }
	s := service.New(c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-asked
	if err := late.Renew(time.Now().UnixMilli()); err != nil {
		t.Fatal(err)
	}
	until(t, "the execution to be gone", func() bool {
		_, err := s.DescribeExecution(t.Context(), &api.DescribeExecutionInput{ExecutionArn: x})
		return api.CodeOf(err) == api.CodeExecutionDoesNotExist
	})
}

// Map runs and their children go with the execution that started them, those
// within children among them, page by page; until then they stay.
func TestMapRunsGoWithTheirExecution(t *testing.T) {
	h := newHouse(t)
	inner := each("STANDARD", "")
	inner = inner[strings.Index(inner, `{"Each"`):]
	outer := fmt.Sprintf(`{"StartAt":"Outer","States":{"Outer":{"Type":"Map","End":true,"ItemProcessor":{
		"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"Each","States":%s}}}`, inner)
	m := create(t, h.service, "M", outer[:len(outer)-1]+"}")
	x := start(t, h.service, m, "x", `[[1,2],[3]]`)
	if end := await(t, h.service, x); end.Status != api.ExecutionStatusSucceeded {
		t.Fatalf("it ended as %+v", end)
	}
	waiting := `{"StartAt":"Each","States":{"Each":{"Type":"Map","End":true,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
		"StartAt":"Do","States":{"Do":{"Type":"Wait","Seconds":99999999,"End":true}}}}}}`
	live := start(t, h.service, create(t, h.service, "S", waiting), "live", `[1]`)
	runOf := func(svc api.Service, arn string) string {
		t.Helper()
		runs, err := svc.ListMapRuns(t.Context(), &api.ListMapRunsInput{ExecutionArn: arn})
		if err != nil || len(runs.MapRuns) > 1 {
			t.Fatal(runs, err)
		}
		if len(runs.MapRuns) == 0 {
			return ""
		}
		return runs.MapRuns[0].MapRunArn
	}
	children := func(svc api.Service, run string) []api.ExecutionListItem {
		t.Helper()
		page, err := svc.ListExecutions(t.Context(), &api.ListExecutionsInput{MapRunArn: &run})
		if err != nil {
			t.Fatal(err)
		}
		return page.Executions
	}
	run := runOf(h.service, x)
	child := children(h.service, run)[0]
	within := runOf(h.service, child.ExecutionArn)
	o := grow(t, h, 23)
	until(t, "a round", func() bool { return o.rounds.Load() > 0 })
	if len(children(o, run)) != 2 || len(children(o, within)) == 0 {
		t.Error("children are gone before their time")
	}
	o.ahead.Store(25)
	gone := func(run string) bool {
		_, err := o.DescribeMapRun(t.Context(), &api.DescribeMapRunInput{MapRunArn: run})
		return api.CodeOf(err) == api.CodeResourceNotFound
	}
	until(t, "the execution to be gone", func() bool { return gone(run) })
	until(t, "the rest to be gone", func() bool {
		o.ahead.Add(1) // a rest is over
		rows := 0
		for _, q := range []store.IndexQuery{{Index: engine.IndexForsaken}, {Index: engine.IndexChildren, Value: idOf(run)}, {Index: engine.IndexChildren, Value: idOf(within)},
			{Index: engine.IndexMapRuns, Value: idOf(run)}} {
			q.Tenant, q.Limit = engine.Tenant(account, region), 9
			some, err := h.store.Index(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			rows += len(some)
		}
		return rows == 0
	})
	for _, arn := range []string{child.ExecutionArn, x} {
		if _, err := o.DescribeExecution(t.Context(), &api.DescribeExecutionInput{ExecutionArn: arn}); api.CodeOf(err) != api.CodeExecutionDoesNotExist {
			t.Errorf("%s is there: %v", arn, err)
		}
	}
	if _, err := o.DescribeExecution(t.Context(), &api.DescribeExecutionInput{ExecutionArn: live}); err != nil || gone(runOf(o, live)) {
		t.Errorf("what runs is gone: %v", err)
	}
}

// idOf is the id that lists have of the map run of an ARN.
func idOf(arn string) string {
	id, _ := machine.MapRunID(arn[strings.LastIndexByte(arn, ':')+1:])
	return id.String()
}
