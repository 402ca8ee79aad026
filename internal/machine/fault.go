package machine

import "strconv"

// The error names that the interpreter itself gives.
const (
	errRuntime   = "States.Runtime"
	errQuery     = "States.QueryEvaluationError"
	errDataLimit = "States.DataLimitExceeded"
	errTimeout   = "States.Timeout"
	errResult    = "States.ResultPathMatchFailure"
)

// maxCause is how long a cause may be, in bytes.
const maxCause = 32768

// fault is a failure on its way outward.
type fault struct {
	Failure
	event     int64  // that told it, and that what follows it names; 0: the last of its frame
	fatal     bool   // neither retried nor caught
	timeout   bool   // not matched by States.TaskFailed
	heartbeat bool   // matched by States.HeartbeatTimeout too
	query     bool   // to be told by an EvaluationFailed
	within    bool   // came from what a Map or Parallel had under way
	location  string // of the expression that failed, or ""
}

// newFault is a failure of that name.
func newFault(name, cause string) *fault {
	return &fault{Failure: Failure{Error: &name, Cause: &cause}}
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
	return bounded(text)
}

// bounded cuts a text at maxCause, before the character that would cross it.
func bounded(text string) string {
	if len(text) <= maxCause {
		return text
	}
	end := maxCause
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
