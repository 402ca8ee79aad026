package machine

import "github.com/backstep/backstep/internal/value"

// Message is anything that happens to an execution. Each arrives once or more;
// one about a job that is no longer open changes nothing.
type Message struct {
	Kind    MessageKind
	Job     JobID      // that it is about; Begin of a map run, Redrive of a run's child: the parent's job that waits for the end
	Output  value.Text // Begin: the input; Succeeded, Submitted, Refused: the answer; Granted: the lock's key
	Failure *Failure   // JobFailed, Stop, Refused
	Effect  Effect     // JobFailed: what is known of the call's effect
	Worker  string     // Taken: the worker's name, or ""
	Token   string     // Redrive: the caller's token, or ""
	Claim   *Claim     // Claimed, Unclaimed, Granted
	Final   bool       // CompensateSagas: it is never redriven

	Run        *runInput   // Begin of a map run
	Resolution *Resolution // Resolve
	Changes    *Changes    // Redrive: what is different, nil: nothing
	Endings    []Ending    // Answered
	Update     *Update     // Updated
}

// MessageKind is what a message tells.
type MessageKind uint8

// The kinds of messages.
const (
	Begin           MessageKind = iota + 1 // a new execution starts
	JobSucceeded                           // the job's answer is there
	JobFailed                              // the job failed
	Submitted                              // the service took the request of a .sync or callback task
	Taken                                  // a worker took the activity's task
	Fired                                  // the job's Due has come: a wait is over, a time is out
	Beat                                   // a heartbeat came
	Resent                                 // the call was under way when its node died, and is being made again
	Continue                               // go on after the bound on entries per turn
	Stop                                   // somebody stops the execution
	Redrive                                // somebody lets an execution that ended without success go on, or a map run its child
	Answered                               // children of the map run have ended
	Updated                                // somebody changes the map run's limits
	Resolve                                // a person decides about a hold
	Claimed                                // a step claims this lock
	Unclaimed                              // … no more
	Granted                                // the lock has it that a step holds it
	CompensateSagas                        // somebody wants the execution's sagas undone
	Refused                                // the task's answer came too late
)

// Failure is an error of the language: a name that Retry and Catch match, and a
// cause for people. A nil member was not given.
type Failure struct{ Error, Cause *string }

// Effect is what is known of a failed call's effect on the outside.
type Effect uint8

// A failed call may have had its effect, certainly had none, was named by the
// participant itself, or was answered well, by what can't be taken. Their order is
// that of package integration.
const (
	EffectUnknown Effect = iota
	EffectNone
	EffectNamed
	EffectDone
)
