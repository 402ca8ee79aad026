// Package integration is the contract of a task: what a kind of task is given,
// what it answers, and the registry that finds it. Each kind lives in a room of
// its own beneath this package and imports nothing else of the engine; activities,
// waits and nested executions are no integrations.
//
// Beside the contract stands what the rooms share: what a participant is told,
// how a request leaves the house, and the shapes of AWS's answers and errors.
// It refuses to know any one service, and what becomes of an answer.
//
// Read integration.go (the contract), poll.go (of jobs that outlive their call)
// and registry.go, then participant.go
// (headers), exchange.go (HTTP) with connection.go (where it is plain) and meter.go (what
// it takes), and answer.go (AWS's shapes).
package integration

import (
	"context"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// Handler does the tasks of one kind. Call is made at least once per attempt,
// with the same StepID whenever it is made again; the context ends at the
// task's deadline or when the node drains. It is called by many at once.
//
// What fails is told by an *[Error]. A call that its context ended answers with
// an error that wraps the context's ([context.DeadlineExceeded],
// [context.Canceled]): whether that was a timeout, a stop or a drain is the
// caller's to know, and the effect is unknown. Any other error is taken as the
// error name of the handler's kind with an unknown effect.
//
// The answer of a callback task is the service's answer to the request; the
// token completes it later.
type Handler interface {
	Call(ctx context.Context, t Task) (value.Text, error)
}

// Task is one call.
type Task struct {
	Resource  string     // as the definition states it: "arn:aws:states:::lambda:invoke", a function's ARN
	Service   string     // "lambda", "sns", "http", "aws-sdk:s3"
	Action    string     // "invoke", "publish"; "" for a function's ARN
	Pattern   Pattern    // how the answer completes the task
	Request   value.Text // the effective parameters; for a function's ARN its payload
	Token     string     // of a callback task, else ""
	StepID    string     // the idempotency key of the state entry, stable over retries
	Attempt   int        // sends of this step, from 1
	Earlier   int        // of the pattern .sync: jobs of this step that were submitted before, and are over
	Operation Operation
	Forward   string // for a body of a saga: the step id of the forward call, else ""
	Execution string // ARN
	State     string
	Trace     string // the execution's trace header, or ""
	RoleARN   string // of Credentials, or ""
	Account   string
	Region    string

	TestCase TestCase // that the execution runs; zero: none

	// Watch is shown what an HTTP task sends and gets; nil: nobody watches.
	Watch func(Exchange)
}

// TestCase is a test case of a state machine: some of its states are mocked.
type TestCase struct {
	Machine    string // the state machine's name
	Name       string
	Invocation int // of the task's state in the execution, from 0: over retries, loops and items
}

// Pattern is how a task's answer completes it.
type Pattern uint8

// The patterns of the States Language.
const (
	RequestResponse Pattern = iota
	Sync
	Sync2
	WaitForTaskToken
)

var patternSuffixes = [...]string{"", ".sync", ".sync:2", ".waitForTaskToken"}

// Suffix is how a resource spells the pattern.
func (p Pattern) Suffix() string { return patternSuffixes[p] }

// Operation is what a call is to its saga.
type Operation uint8

// The operations of a saga's calls.
const (
	Forward Operation = iota
	Compensate
	Confirm
	Query
)

var operationNames = [...]string{"forward", "compensate", "confirm", "query"}

// String is the operation as participants are told it.
func (o Operation) String() string { return operationNames[o] }

// Error is a task's failure as the States Language sees it.
type Error struct {
	Name   string // matched by Retry and Catch
	Cause  string
	Effect Effect
}

func (e *Error) Error() string { return e.Name + ": " + e.Cause }

// Quotas of the service that every handler keeps.
const (
	MaxResult = 262144 // bytes of a task's result
	MaxName   = 256    // characters of an error's name
	MaxCause  = 32768  // characters of an error's cause
)

// NewError is a failure with its name and cause cut to what the service keeps.
func NewError(name, cause string, effect Effect) *Error {
	return &Error{Name: cut(name, MaxName), Cause: cut(cause, MaxCause), Effect: effect}
}

// BadParameters is the failure of a task whose parameters can't be sent.
func BadParameters(t Task, problem string) *Error {
	cause := "The Parameters '" + t.Request.String() + "' could not be used to start the Task: [" + problem + "]"
	return NewError("States.Runtime", cause, EffectNone)
}

// TooLarge is the failure of a task whose result is over [MaxResult]: the call
// answered well, so that it certainly had its effect. The task is named by its
// service, or by its function's ARN.
func TooLarge(t Task) *Error {
	name := t.Service
	if t.Action == "" {
		name = t.Resource
	}
	cause := "The state/task '" + name + "' returned a result with a size exceeding the maximum number of bytes service limit."
	return NewError("States.DataLimitExceeded", cause, EffectDone)
}

// cut is s, or its first max characters, as valid UTF-8.
func cut(s string, max int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= max {
		return s
	}
	n := 0
	for i := range s {
		if n == max {
			return s[:i]
		}
		n++
	}
	return s
}

// Effect is what is known of a failed call's effect.
type Effect uint8

// A failed call certainly had no effect (it was never sent, or the participant
// refused it), certainly had it, or nobody knows.
const (
	EffectUnknown Effect = iota
	EffectNone
	// EffectNamed: the participant itself named the error. Whether that means
	// that nothing happened is for the definition's KnownFailed to say.
	EffectNamed
	// EffectDone: the call was answered well, and only its answer can't be taken.
	EffectDone
)
