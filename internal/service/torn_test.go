package service

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// Whom retention takes away between its name and its rows does not exist.
func TestGoneOnceItWasFound(t *testing.T) {
	s := &Torn{Store: storetest.NewMemory(storetest.MemoryOptions{Shards: 1}).Open(), Gone: true}
	svc, _ := opened(t, s)
	begin(t, svc, "A", "x", `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}`, `{}`)
	begin(t, svc, "B", "y", `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}`, `{}`) // the one that is kept in memory
	s.ID.Store(&indexed(t, svc, engine.IndexMachine, "A")[0].ID)
	ctx, arn, now := t.Context(), svc.executionARN("A", "x"), int32(0)
	for what, call := range map[string]func() error{
		"DescribeExecution": func() error {
			_, err := svc.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: arn})
			return err
		},
		"GetExecutionHistory": func() error {
			_, err := svc.GetExecutionHistory(ctx, &api.GetExecutionHistoryInput{ExecutionArn: arn})
			return err
		},
		"RedriveExecution": func() error {
			_, err := svc.RedriveExecution(ctx, &api.RedriveExecutionInput{ExecutionArn: arn})
			return err
		},
		"WaitExecution": func() error {
			_, err := svc.WaitExecution(ctx, &api.WaitExecutionInput{ExecutionArn: arn, TimeoutSeconds: &now})
			return err
		},
		"DescribeStateMachineForExecution": func() error {
			_, err := svc.DescribeStateMachineForExecution(ctx, &api.DescribeStateMachineForExecutionInput{ExecutionArn: arn})
			return err
		},
	} {
		if err := call(); api.CodeOf(err) != api.CodeExecutionDoesNotExist {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Whom retention takes away while it is read does not exist: what is left of a history
// is not told as all of it, and what is missing is no fault of the server's.
func TestGoneWhileItIsRead(t *testing.T) {
	s := &leaving{Torn: Torn{Store: storetest.NewMemory(storetest.MemoryOptions{Shards: 1}).Open(), Gone: true}}
	svc, _ := opened(t, s)
	begin(t, svc, "A", "x", `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}`, `{}`)
	begin(t, svc, "B", "y", `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}`, `{}`) // the one that is kept in memory
	id := indexed(t, svc, engine.IndexMachine, "A")[0].ID
	arn := svc.executionARN("A", "x")
	history := func(in api.GetExecutionHistoryInput) error {
		in.ExecutionArn = arn
		out, err := svc.GetExecutionHistory(t.Context(), &in)
		if err == nil {
			t.Errorf("%d events are told", len(out.Events))
		}
		return err
	}
	for _, at := range []string{"Events", "Payloads"} {
		for what, call := range map[string]func() error{
			"GetExecutionHistory":           func() error { return history(api.GetExecutionHistoryInput{}) },
			"GetExecutionHistory backwards": func() error { return history(api.GetExecutionHistoryInput{ReverseOrder: true}) },
			"DescribeExecution": func() error {
				_, err := svc.DescribeExecution(t.Context(), &api.DescribeExecutionInput{ExecutionArn: arn})
				return err
			},
		} {
			if at == "Events" && what == "DescribeExecution" {
				continue // it reads none
			}
			s.ID.Store(nil)
			s.at, s.id = at, id
			if err := call(); api.CodeOf(err) != api.CodeExecutionDoesNotExist {
				t.Errorf("%s, gone before its %s are read: %v", what, at, err)
			}
		}
	}
}

// leaving is a store in which an execution is taken away as some of its rows are read.
type leaving struct {
	Torn
	at string
	id store.ID
}

func (s *leaving) Events(ctx context.Context, id store.ID, from int64, backwards bool, limit int) ([]store.Events, error) {
	if s.at == "Events" && id == s.id {
		s.ID.Store(&s.id)
		return nil, nil
	}
	return s.Store.Events(ctx, id, from, backwards, limit)
}

func (s *leaving) Payloads(ctx context.Context, id store.ID, numbers []uint32) ([][]byte, error) {
	if s.at == "Payloads" && id == s.id {
		s.ID.Store(&s.id)
		return nil, store.ErrNotFound
	}
	return s.Store.Payloads(ctx, id, numbers)
}

// Torn is a store in which an execution can't be read, or is gone.
type Torn struct {
	store.Store
	ID   atomic.Pointer[store.ID]
	Gone bool
}

func (s *Torn) torn(id store.ID) error {
	if torn := s.ID.Load(); torn != nil && *torn == id {
		if s.Gone {
			return store.ErrNotFound
		}
		return fmt.Errorf("execution %s is %w", id, store.ErrDamaged)
	}
	return nil
}

// Load reads an execution.
func (s *Torn) Load(ctx context.Context, id store.ID) (store.Loaded, error) {
	if err := s.torn(id); err != nil {
		return store.Loaded{}, err
	}
	return s.Store.Load(ctx, id)
}

// Execution reads an execution's row.
func (s *Torn) Execution(ctx context.Context, id store.ID) (store.Execution, error) {
	if err := s.torn(id); err != nil {
		return store.Execution{}, err
	}
	return s.Store.Execution(ctx, id)
}
