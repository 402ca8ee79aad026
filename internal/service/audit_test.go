package service

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// The audit comes to every execution that runs, to map runs and their children, and
// to every activity's queue; what waits for nothing becomes a hold.
func TestAudit(t *testing.T) {
	ctx := t.Context()
	s := storetest.NewMemory(storetest.MemoryOptions{Shards: 2}).Open()
	svc, e := opened(t, s)
	start := func(name, definition, input string) { begin(t, svc, name, name, definition, input) }
	start("A", `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":9000,"End":true}}}`, `{}`)
	start("B", `{"StartAt":"E","States":{"E":{"Type":"Map","Label":"L","End":true,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
		"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":9000,"End":true}}}}}}`, `[1,2]`)
	if _, err := svc.CreateActivity(ctx, &api.CreateActivityInput{Name: "work"}); err != nil {
		t.Fatal(err)
	}
	var children []store.Index
	for deadline := time.Now().Add(20 * time.Second); len(children) < 2 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, row := range indexed(t, svc, engine.IndexMachine, "B") {
			for _, run := range indexed(t, svc, engine.IndexMapRuns, machine.ID(row.ID).String()) {
				children = indexed(t, svc, engine.IndexChildren, machine.ID(run.ID).String())
			}
		}
	}
	victims := append(indexed(t, svc, engine.IndexMachine, "A"), children[1])
	for _, v := range victims {
		loaded, err := s.Load(ctx, v.ID)
		if err != nil || len(loaded.Jobs) != 1 {
			t.Fatal(loaded, err)
		}
		if err := s.Commit(ctx, &store.Batch{DropJobs: loaded.Jobs}); err != nil {
			t.Fatal(err)
		}
	}
	lost := store.QueuedKey{Tenant: svc.tenant, Activity: "work", At: 1, Job: store.JobKey{ID: store.NewID(0, 1, [8]byte{1}), Number: 1}}
	if err := s.Commit(ctx, &store.Batch{Queue: []store.Queued{{QueuedKey: lost}}}); err != nil {
		t.Fatal(err)
	}
	var a audit
	for range 20 {
		if err := svc.auditStep(ctx, &a); err != nil {
			t.Fatal(err)
		}
	}
	if found := e.Orphans(); found.Executions.Load() != 2 || found.Tasks.Load() != 1 || found.Jobs.Load() != 0 || found.Forgotten.Load() != 0 {
		t.Errorf("found %d executions, %d tasks, %d jobs, %d forgotten", found.Executions.Load(), found.Tasks.Load(), found.Jobs.Load(), found.Forgotten.Load())
	}
	holds, err := svc.ListHolds(ctx, &api.ListHoldsInput{})
	if err != nil || len(holds.Holds) != 2 || holds.Holds[0].HoldId != quarantinedID {
		t.Errorf("held are %+v, %v", holds, err)
	}
}

// What can't be read is told, and keeps nobody from looking at the others.
func TestAuditPassesDamageOver(t *testing.T) {
	s := &Torn{Store: storetest.NewMemory(storetest.MemoryOptions{Shards: 1}).Open()}
	svc, e := opened(t, s)
	const waits = `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":9000,"End":true}}}`
	begin(t, svc, "A", "torn", waits, `{}`)
	begin(t, svc, "B", "victim", waits, `{}`)
	victim := indexed(t, svc, engine.IndexMachine, "B")[0]
	loaded, err := s.Load(t.Context(), victim.ID)
	if err == nil {
		stray := store.Job{JobKey: store.JobKey{ID: store.NewID(0, 1, [8]byte{1}), Number: 1}, Due: loaded.Jobs[0].Due + 1, Body: loaded.Jobs[0].Body}
		err = s.Commit(t.Context(), &store.Batch{DropJobs: loaded.Jobs, Jobs: []store.Job{stray}})
	}
	if err != nil {
		t.Fatal(err)
	}
	s.ID.Store(&indexed(t, svc, engine.IndexMachine, "A")[0].ID)
	var a audit
	told := false
	for range 10 {
		if err := svc.auditStep(t.Context(), &a); errors.Is(err, store.ErrDamaged) {
			told = true
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if found := e.Orphans(); found.Executions.Load() != 1 || found.Jobs.Load() != 1 || !told {
		t.Errorf("%d executions and %d jobs were found, the damage was told: %v", found.Executions.Load(), found.Jobs.Load(), told)
	}
}

// opened is a service, whose engine runs until the test ends and keeps nothing in
// memory.
func opened(t *testing.T, s store.Store) (*Service, *engine.Engine) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	catalog := NewCatalog(s, nil)
	e, err := engine.Open(ctx, engine.Config{Store: s, Machines: catalog.Machine, Exclusive: true, Log: slog.New(slog.DiscardHandler), Limits: engine.Limits{Cached: 1, CachedBytes: 1}})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ran })
	for !e.Ready() {
		time.Sleep(time.Millisecond)
	}
	return New(Config{
		Store: s, Engine: e, Catalog: catalog, Account: "123456789012", Region: "us-east-1", Now: time.Now, NewUUID: func() string { return "u" }, Log: slog.New(slog.DiscardHandler),
	}), e
}

// begin makes a state machine, and starts an execution of it.
func begin(t *testing.T, svc *Service, machine, name, definition, input string) {
	t.Helper()
	m, err := svc.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{Name: machine, Definition: definition, RoleArn: "arn:aws:iam::123456789012:role/r"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := svc.StartExecution(t.Context(), &api.StartExecutionInput{StateMachineArn: m.StateMachineArn, Name: &name, Input: &input}); err != nil {
		t.Fatal(err)
	}
}

func indexed(t *testing.T, s *Service, index, of string) []store.Index {
	t.Helper()
	rows, err := s.Store.Index(t.Context(), store.IndexQuery{Tenant: s.tenant, Index: index, Value: of, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
