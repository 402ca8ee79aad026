package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// The pace of the audit: so much is looked at, and then it rests.
const (
	auditExecutions = 50
	auditJobs       = 100
	auditTasks      = 50
	auditRest       = time.Second
	mostAuditRuns   = 10_000 // map runs whose children are still to be looked at
)

// audit is how far all that goes on has been gone through: list by list, those of
// machines first, each with those of the map runs that were met.
type audit struct {
	kind     int    // of retiredKinds
	machine  string // whose list it is at
	list     *store.IndexQuery
	runs     []store.ID
	jobs     engine.Rounds
	activity string
}

// Audit looks for what waits for nothing, slowly, for ever, until ctx ends: the
// engine says what it does about it, and counts it.
func (s *Service) Audit(ctx context.Context) {
	var a audit
	var met obstacle
	for {
		err := s.auditStep(ctx, &a)
		if met.isNew(err) && ctx.Err() == nil {
			s.Log.Warn("what goes on can't be looked at", "cause", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(auditRest):
		}
	}
}

// auditStep looks at the next few of each. What can't be looked at keeps nobody from
// looking at the rest.
func (s *Service) auditStep(ctx context.Context, a *audit) error {
	return errors.Join(
		contained(func() error { return s.Engine.InspectJobs(ctx, &a.jobs, auditJobs) }),
		contained(func() error { return s.auditQueue(ctx, a) }),
		s.auditExecutions(ctx, a),
	)
}

// auditExecutions looks at the next few executions that run. Its error is the first of
// those that it met.
func (s *Service) auditExecutions(ctx context.Context, a *audit) (failed error) {
	if a.list == nil {
		if err := s.nextAudited(ctx, a); err != nil || a.list == nil {
			return err
		}
	}
	rows, err := s.Store.Index(ctx, *a.list)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := contained(func() error { return s.auditExecution(ctx, a, row.ID) }); err != nil && failed == nil {
			failed = fmt.Errorf("execution %s: %w", row.ID, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if len(rows) < a.list.Limit {
		a.list = nil
	} else {
		a.list.After = &rows[len(rows)-1].IndexKey
	}
	return failed
}

// auditExecution looks at an execution, and at its map runs.
func (s *Service) auditExecution(ctx context.Context, a *audit, id store.ID) error {
	runs, err := s.Engine.Inspect(ctx, id)
	if err != nil {
		return err
	}
	if len(a.runs) < mostAuditRuns {
		a.runs = append(a.runs, runs...)
	}
	for _, run := range runs {
		if _, err := s.Engine.Inspect(ctx, run); err != nil {
			return err
		}
	}
	return nil
}

// nextAudited goes on to the next list of executions that run.
func (s *Service) nextAudited(ctx context.Context, a *audit) error {
	if n := len(a.runs); n > 0 {
		a.list = s.running(engine.IndexChildren, machine.ID(a.runs[n-1]).String())
		a.runs = a.runs[:n-1]
		return nil
	}
	for ; a.kind < len(retiredKinds); a.kind++ {
		docs, err := s.Store.Docs(ctx, s.tenant, retiredKinds[a.kind], a.machine, 1)
		if err != nil {
			return err
		}
		if len(docs) == 1 {
			a.machine = docs[0].Name
			a.list = s.running(engine.IndexStatus, a.machine)
			return nil
		}
		a.machine = ""
	}
	a.kind = 0
	return nil
}

// running are those of a list that run.
func (s *Service) running(index, of string) *store.IndexQuery {
	return &store.IndexQuery{Tenant: s.tenant, Index: index, Value: engine.StatusValue(of, machine.Running), Limit: auditExecutions}
}

// auditQueue looks at the queue of the next activity.
func (s *Service) auditQueue(ctx context.Context, a *audit) error {
	docs, err := s.Store.Docs(ctx, s.tenant, kindActivity, a.activity, 1)
	if err != nil {
		return err
	}
	a.activity = ""
	if len(docs) == 0 {
		return nil
	}
	a.activity = docs[0].Name
	return s.Engine.InspectQueue(ctx, s.tenant, a.activity, auditTasks)
}
