package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// Nobody waits for ever: what goes on has a job, a hold, or frames beneath it that
// have. The turns see to that; these looks find out if they ever did not, or if a row
// or what is in memory was lost. They are slow on purpose, and take few rows at a time.

// Orphans count what was found, by what it is.
type Orphans struct {
	Executions atomic.Int64 // that went on and waited for nothing: they are quarantined
	Jobs       atomic.Int64 // of no execution: they are taken away
	Tasks      atomic.Int64 // in an activity's queue, of no job: they are taken away
	Forgotten  atomic.Int64 // jobs that were due, and of which nobody in memory knew: they are read again
}

// Orphans are what was found since the engine was opened.
func (e *Engine) Orphans() *Orphans { return &e.orphans }

// Inspect looks whether an execution, or a map run, that goes on waits for anything,
// and quarantines it if it does not. It gives the map runs that it waits for. What is
// another node's is left to that.
func (e *Engine) Inspect(ctx context.Context, id store.ID) (runs []store.ID, err error) {
	what, runs, err := e.stranded(ctx, id)
	if err != nil || what == "" {
		return runs, err
	}
	s := e.shardOf(id)
	r := s.hold(id)
	defer s.release(r)
	if err := e.awaken(s, r); err != nil { // it is held already, gone, or another node's
		return nil, nil
	}
	if what, _, err = e.stranded(ctx, id); err != nil || what == "" {
		return nil, err
	}
	e.orphans.Executions.Add(1)
	if err := e.quarantine(s, r, &brokenError{what: what}); err != nil && !errors.Is(err, ErrQuarantined) {
		return nil, err
	}
	return nil, nil
}

// stranded is why an execution would go on for ever, "" where it would not.
func (e *Engine) stranded(ctx context.Context, id store.ID) (what string, runs []store.ID, err error) {
	s := e.shardOf(id)
	if s == nil || s.epoch.Load() == 0 {
		return "", nil, nil
	}
	x, err := e.Holding(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return "", nil, nil
	}
	if err != nil || x.Head.Status != machine.Running || heldFor(x) != "" || x.Start.Lock {
		return "", nil, err
	}
	what = stands(x.Execution)
	if what != "" && !e.cfg.Exclusive { // what it waits for may lie in the inbox
		waiting, err := e.cfg.Store.Messages(ctx, s.number, 1)
		if err != nil || len(waiting) > 0 {
			return "", nil, err
		}
	}
	for _, j := range inOrder(x.Execution.Jobs) {
		if j.Kind != machine.StartRun {
			continue
		}
		if err := e.readPayloads(ctx, id, x.Execution); err != nil {
			return "", nil, err
		}
		if run, is := machine.MapRunID(x.Execution.Payloads[j.Request].Decode().Get("MapRun").AsString()); is {
			runs = append(runs, store.ID(run))
		}
	}
	return what, runs, nil
}

// stands says why what runs would wait for ever, "" where it would not.
func stands(x *machine.Execution) string {
	if x.Start.IsRun() {
		for _, j := range x.Jobs {
			if !aside(j) {
				return ""
			}
		}
		return "it is a map run, and waits for nothing"
	}
	if x.Frames[0] == nil {
		return "it goes on without its root"
	}
	for _, f := range inOrder(x.Frames) {
		if what := waitless(x, f); what != "" {
			return fmt.Sprintf("frame %d, in state %q, %s", f.ID, f.State, what)
		}
	}
	return ""
}

// waitless says why a frame would wait for ever, "" where it would not.
func waitless(x *machine.Execution, f *machine.Frame) string {
	switch {
	case f.Hold != nil, f.Job != 0 && x.Jobs[f.Job] != nil && x.Jobs[f.Job].Frame == f.ID:
		return ""
	case f.Job != 0:
		return "has a job that is not there"
	case f.Body != nil:
		return "has a call to make that nobody makes"
	case f.Phase == machine.Ended && f.Recovery == nil, stoodDown(x, f):
		return ""
	case f.Join == nil:
		return "waits for nothing"
	}
	for i := range f.Join.Begun {
		child := x.Frames[f.Join.First+machine.FrameID(i)]
		if child != nil && (child.Phase != machine.Ended || child.Recovery != nil || child.Body != nil) {
			return ""
		}
	}
	return "waits for others that have ended"
}

// stoodDown reports whether a frame has no part, or none any more, in what goes on:
// there is a recovery around it.
func stoodDown(x *machine.Execution, f *machine.Frame) bool {
	for f.ID != 0 && f.Kind != machine.Aside {
		if f = x.Frames[f.Parent]; f == nil || f.Recovery != nil {
			return f != nil
		}
	}
	return false
}
