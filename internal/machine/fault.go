package machine

import "strconv"

// The error names that the interpreter itself gives.
const (
	errRuntime   = "States.Runtime"
	errQuery     = "States.QueryEvaluationError"
	errDataLimit = "States.DataLimitExceeded"
	errTimeout   = "States.Timeout"
	errResult    = "States.ResultPathMatchFailure"

	errCompensation = "Saga.CompensationFailed"
	errAbandoned    = "Saga.Abandoned"
	errLockTimeout  = "Saga.LockTimeout"
)

// How long an error's name and its cause may be, in bytes; what is longer is
// cut.
const (
	maxError = 256
	maxCause = 32768
)

// fault is a failure on its way outward.
type fault struct {
	Failure
	event     int64  // that told it, and that what follows it names; 0: the last of its frame
	fatal     bool   // neither retried nor caught
	timeout   bool   // not matched by States.TaskFailed
	heartbeat bool   // matched by States.HeartbeatTimeout too
	query     bool   // to be told by an EvaluationFailed
	within    bool   // ends a Map or Parallel that has to say so
	location  string // of the expression that failed, or ""
	evaluated bool   // an expression failed
	declared  bool   // a Fail state says so
	undone    bool   // an undo has failed: taken by who names it, and never tried again
}

// newFault is a failure of that name.
func newFault(name, cause string) *fault {
	return &fault{Failure: Failure{Error: &name, Cause: &cause}}
}

// given is a failure that came from outside, or out of a definition.
func given(f *Failure) *fault {
	if f == nil {
		return &fault{}
	}
	return &fault{Failure: Failure{Error: cut(f.Error, maxError), Cause: cut(f.Cause, maxCause)}}
}

func cut(s *string, most int) *string {
	if s == nil || len(*s) <= most {
		return s
	}
	short := bounded(*s, most)
	return &short
}

// runtime is a failure that no Retry and no Catch takes.
func (sc *scope) runtime(cause string) *fault {
	fl := newFault(errRuntime, sc.entered(cause))
	fl.fatal = true
	return fl
}

// evaluation is the failure of a JSONata expression, or of what it gave.
func (sc *scope) evaluation(cause, location string) *fault {
	fl := newFault(errQuery, sc.entered(cause))
	fl.query, fl.location = true, location
	return fl
}

// entered is a cause that tells where it happened.
func (sc *scope) entered(cause string) string {
	text := "An error occurred while executing the state '" + sc.state.Name + "' (entered at the event id #" +
		strconv.FormatInt(sc.frame.EnteredEvent, 10) + "). " + cause
	return bounded(text, maxCause)
}

// bounded cuts a text at most bytes, before the character that would cross it.
func bounded(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most
	for end > 0 && text[end]&0xC0 == 0x80 {
		end--
	}
	return text[:end]
}

// tooLarge is the failure of what is named there: its result is over the
// limit.
func tooLarge(name string) *fault {
	return newFault(errDataLimit, "The state/task '"+name+
		"' returned a result with a size exceeding the maximum number of bytes service limit.")
}
