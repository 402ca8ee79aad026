package service

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// TestLateDeletion: who still works at a deletion that another has finished
// does nothing to a machine that has the name since.
func TestLateDeletion(t *testing.T) {
	st := storetest.NewMemory(storetest.MemoryOptions{}).Open()
	defer st.Close()
	moment := time.UnixMilli(1_700_000_000_000)
	s := New(Config{
		Store: st, Catalog: NewCatalog(st, new(integration.Registry)), Account: "123456789012", Region: "us-east-1",
		Now: func() time.Time { moment = moment.Add(time.Second); return moment },
	})
	ctx := t.Context()
	in := &api.CreateStateMachineInput{
		Name: "M", Definition: `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}`, RoleArn: "arn:aws:iam::123456789012:role/r",
	}
	made, err := s.CreateStateMachine(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Catalog.machine(ctx, s.tenant, "M")
	if err != nil {
		t.Fatal(err)
	}
	late := *m
	late.Deleting = true
	late.rev++
	if _, err := s.DeleteStateMachine(ctx, &api.DeleteStateMachineInput{StateMachineArn: made.StateMachineArn}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateStateMachine(ctx, in); err != nil {
		t.Fatal(err)
	}
	version, err := s.PublishStateMachineVersion(ctx, &api.PublishStateMachineVersionInput{StateMachineArn: made.StateMachineArn})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.finishDeletion(ctx, &late, 1); err != nil {
		t.Error(err)
	}
	for _, arn := range []string{made.StateMachineArn, version.StateMachineVersionArn} {
		if _, err := s.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: arn}); err != nil {
			t.Error(err)
		}
	}
}

// A document that can't be read holds no deletion up.
func TestDeletionsPassDamageOver(t *testing.T) {
	st := storetest.NewMemory(storetest.MemoryOptions{}).Open()
	defer st.Close()
	s := New(Config{Store: st, Catalog: NewCatalog(st, new(integration.Registry)), Account: "123456789012", Region: "us-east-1", Now: time.Now})
	ctx := t.Context()
	made, err := s.CreateStateMachine(ctx, &api.CreateStateMachineInput{
		Name: "M", Definition: `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}`, RoleArn: "arn:aws:iam::123456789012:role/r",
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Catalog.machine(ctx, s.tenant, "M")
	if err != nil {
		t.Fatal(err)
	}
	m.Deleting = true
	if err := s.put(ctx, m); err != nil {
		t.Fatal(err)
	}
	if err := st.Commit(ctx, &store.Batch{Docs: []store.Doc{{DocKey: s.machineKey("A"), Rev: 1, Body: []byte("?")}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.deletions(ctx); err == nil || !strings.Contains(err.Error(), `"A"`) {
		t.Errorf("of the damage is told %v", err)
	}
	if _, err := s.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: made.StateMachineArn}); api.CodeOf(err) != api.CodeStateMachineDoesNotExist {
		t.Errorf("the other is there still: %v", err)
	}
}

// What is in the way is told once, and again when it is another or has come back.
func TestObstacle(t *testing.T) {
	var o obstacle
	away, torn := errors.New("away"), errors.New("torn")
	for i, c := range []struct {
		err  error
		told bool
	}{{nil, false}, {away, true}, {errors.New("away"), false}, {torn, true}, {away, true}, {nil, false}, {nil, false}, {away, true}} {
		if got := o.isNew(c.err); got != c.told {
			t.Errorf("%d: %v is told: %v", i, c.err, got)
		}
	}
}
