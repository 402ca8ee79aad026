package engine

import (
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// What the engine refuses, by errors.Is. Nothing was changed where one of them
// is returned, but for ErrUnanswered. Any other error, store.ErrUnknown among them, means that nobody
// knows: the caller asks again.
var (
	ErrNotReady         = errors.New("this node does not take work now")
	ErrBusy             = errors.New("too much work at hand")
	ErrNotFound         = errors.New("no such execution")
	ErrInvalidToken     = errors.New("not a token of this store")
	ErrTaskDoesNotExist = errors.New("no such task")
	ErrTaskTimedOut     = errors.New("the task is over")
	ErrQuarantined      = errors.New("the execution is quarantined")
	ErrUnanswered       = errors.New("the node that has the execution did not answer in time")
	ErrTooManyPollers   = errors.New("too many workers poll this activity")
)

// NameTakenError says that another execution of the machine has the name, and
// what is known of it.
type NameTakenError struct {
	ID     store.ID
	At     int64 // its start, UTC ms
	Status machine.Status
}

func (e *NameTakenError) Error() string {
	return fmt.Sprintf("the name belongs to execution %s", e.ID)
}

// NotRedrivableError says in the service's words why an execution can't be
// redriven.
type NotRedrivableError struct{ Reason string }

func (e *NotRedrivableError) Error() string { return e.Reason }

// SagaError says why an execution with sagas can't be stopped, undone or
// decided about.
type SagaError struct{ Reason string }

func (e *SagaError) Error() string { return e.Reason }
