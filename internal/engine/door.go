package engine

import (
	"context"
	"time"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// StartRequest asks for a new execution. What is in it was checked: the name,
// the input's size, the definition is in the store.
type StartRequest struct {
	Machine
	Name  string // "": a UUID is drawn
	Input value.Text
	Trace string // trace header, or ""

	Depth  int             // of a nested one
	Parent *machine.Parent // of a nested one
}

// Started is a start that is durable.
type Started struct {
	ID   store.ID
	Name string
	At   int64 // UTC ms
	Was  bool  // it was there already: the same start came twice
}

// Start starts a standard execution and returns once it is durable. The same
// name with the same input, while that one is running, is answered with the one
// that is there; else a taken name is a *NameTakenError.
func (e *Engine) Start(ctx context.Context, r StartRequest) (Started, error) {
	return Started{}, ErrNotReady
}

// Stop ends an execution by its caller's will. One that has ended already stays
// as it is. It returns when it ended, in UTC milliseconds.
func (e *Engine) Stop(ctx context.Context, id store.ID, why machine.Failure) (int64, error) {
	return 0, ErrNotReady
}

// Complete brings the answer of a callback task or of an activity's worker: an
// output, or a failure.
func (e *Engine) Complete(ctx context.Context, token string, output value.Text, failure *machine.Failure) error {
	return ErrNotReady
}

// Heartbeat tells that the work on a task goes on.
func (e *Engine) Heartbeat(ctx context.Context, token string) error {
	return ErrNotReady
}

// PolledTask is an activity's task for a worker.
type PolledTask struct {
	Token string // "": no task came in time
	Input value.Text
}

// Poll hands the activity's oldest waiting task to a worker, waiting for one at
// most that long. Activity is its name.
func (e *Engine) Poll(ctx context.Context, account, region, activity, worker string, wait time.Duration) (PolledTask, error) {
	return PolledTask{}, ErrNotReady
}

// Wait returns an execution's head as soon as its history goes beyond event
// `after` or it has ended, and as it stands at the timeout.
func (e *Engine) Wait(ctx context.Context, id store.ID, after int64, timeout time.Duration) (machine.Head, error) {
	return machine.Head{}, ErrNotReady
}

// Outcome is an express execution's end.
type Outcome struct {
	ID     store.ID
	Name   string
	At     int64 // UTC ms
	Stop   int64
	Status machine.Status
	Output value.Text // of one that SUCCEEDED
	Error  *string
	Cause  *string
}

// RunExpress runs an express execution to its end, in memory alone.
func (e *Engine) RunExpress(ctx context.Context, r StartRequest) (Outcome, error) {
	return Outcome{}, ErrNotReady
}

// StartExpress starts an express execution and returns once its start is
// durable. It runs at least once: after a crash anew.
func (e *Engine) StartExpress(ctx context.Context, r StartRequest) (Started, error) {
	return Started{}, ErrNotReady
}

// Find is the execution of a machine that has that name, or ErrNotFound.
func (e *Engine) Find(ctx context.Context, account, region, machineName, name string) (store.ID, error) {
	return store.ID{}, ErrNotReady
}

// Execution reads an execution's own row, or ErrNotFound.
func (e *Engine) Execution(ctx context.Context, id store.ID) (machine.Start, machine.Head, error) {
	return machine.Start{}, machine.Head{}, ErrNotReady
}
