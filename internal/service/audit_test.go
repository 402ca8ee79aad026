package service

import (
	"context"
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
	disk := storetest.NewMemory(storetest.MemoryOptions{Shards: 2})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := disk.Open()
	catalog := NewCatalog(s, nil)
	e, err := engine.Open(ctx, engine.Config{Store: s, Machines: catalog.Machine, Exclusive: true, Limits: engine.Limits{Cached: 1, CachedBytes: 1}})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	defer func() { cancel(); <-ran }()
	for !e.Ready() {
		time.Sleep(time.Millisecond)
	}
	svc := New(Config{Store: s, Engine: e, Catalog: catalog, Account: "123456789012", Region: "us-east-1", Now: time.Now, NewUUID: func() string { return "u" }, Log: slog.New(slog.DiscardHandler)})
	start := func(name, definition, input string) {
		t.Helper()
		m, err := svc.CreateStateMachine(ctx, &api.CreateStateMachineInput{Name: name, Definition: definition, RoleArn: "arn:aws:iam::123456789012:role/r"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := svc.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: m.StateMachineArn, Name: &name, Input: &input}); err != nil {
			t.Fatal(err)
		}
	}
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

func indexed(t *testing.T, s *Service, index, of string) []store.Index {
	t.Helper()
	rows, err := s.Store.Index(t.Context(), store.IndexQuery{Tenant: s.tenant, Index: index, Value: of, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
