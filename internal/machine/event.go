package machine

// Event is what history tells: one flat shape for all of AWS's 62 types. Texts
// that may be long are payloads.
type Event struct {
	ID, Prev, At int64
	Type         EventType
	State        string // of an Entered, Exited or EvaluationFailed; the Map of an iteration
	In, Out      Ref    // input, parameters; output
	Error, Cause *string
	Resource     string // of a Task's events; a function's or activity's ARN
	ResourceType string
	Timeout      int64 // seconds, 0: not given
	Heartbeat    int64 // seconds, 0: not given
	Worker       string
	Location     string // of an EvaluationFailed
	RoleARN      string
	Index        int // of an item
	Length       int // of a Map
	Assigned     []binding
	Saga         *sagaTold // of the saga extension's own events
}

// SagaTold is what the events of the saga extension tell beside the others.
type sagaTold struct {
	Saga   uint32 // the row of the saga
	Hold   uint32 // the number of the hold, 0: of none
	Word   string // a status, an operation or a verb
	Reason string // why a person decided so
}

// EventType is one of AWS's history event types. Its numbers stand in stored
// records: new ones are added at the end.
type EventType uint8

// The 62 types of the API, in the order of their names, and those of the saga
// extension.
const (
	ActivityFailed EventType = iota + 1
	ActivityScheduleFailed
	ActivityScheduled
	ActivityStarted
	ActivitySucceeded
	ActivityTimedOut
	ChoiceStateEntered
	ChoiceStateExited
	EvaluationFailed
	ExecutionAborted
	ExecutionFailed
	ExecutionRedriven
	ExecutionStarted
	ExecutionSucceeded
	ExecutionTimedOut
	FailStateEntered
	LambdaFunctionFailed
	LambdaFunctionScheduleFailed
	LambdaFunctionScheduled
	LambdaFunctionStartFailed
	LambdaFunctionStarted
	LambdaFunctionSucceeded
	LambdaFunctionTimedOut
	MapIterationAborted
	MapIterationFailed
	MapIterationStarted
	MapIterationSucceeded
	MapRunAborted
	MapRunFailed
	MapRunRedriven
	MapRunStarted
	MapRunSucceeded
	MapStateAborted
	MapStateEntered
	MapStateExited
	MapStateFailed
	MapStateStarted
	MapStateSucceeded
	ParallelStateAborted
	ParallelStateEntered
	ParallelStateExited
	ParallelStateFailed
	ParallelStateStarted
	ParallelStateSucceeded
	PassStateEntered
	PassStateExited
	SucceedStateEntered
	SucceedStateExited
	TaskFailed
	TaskScheduled
	TaskStartFailed
	TaskStarted
	TaskStateAborted
	TaskStateEntered
	TaskStateExited
	TaskSubmitFailed
	TaskSubmitted
	TaskSucceeded
	TaskTimedOut
	WaitStateAborted
	WaitStateEntered
	WaitStateExited

	SagaPlanned // named SagaAborting
	SagaHeld
	SagaResolved
	SagaEnded
	LateTaskResult
)

var eventNames = [...]string{
	ActivityFailed:               "ActivityFailed",
	ActivityScheduleFailed:       "ActivityScheduleFailed",
	ActivityScheduled:            "ActivityScheduled",
	ActivityStarted:              "ActivityStarted",
	ActivitySucceeded:            "ActivitySucceeded",
	ActivityTimedOut:             "ActivityTimedOut",
	ChoiceStateEntered:           "ChoiceStateEntered",
	ChoiceStateExited:            "ChoiceStateExited",
	EvaluationFailed:             "EvaluationFailed",
	ExecutionAborted:             "ExecutionAborted",
	ExecutionFailed:              "ExecutionFailed",
	ExecutionRedriven:            "ExecutionRedriven",
	ExecutionStarted:             "ExecutionStarted",
	ExecutionSucceeded:           "ExecutionSucceeded",
	ExecutionTimedOut:            "ExecutionTimedOut",
	FailStateEntered:             "FailStateEntered",
	LambdaFunctionFailed:         "LambdaFunctionFailed",
	LambdaFunctionScheduleFailed: "LambdaFunctionScheduleFailed",
	LambdaFunctionScheduled:      "LambdaFunctionScheduled",
	LambdaFunctionStartFailed:    "LambdaFunctionStartFailed",
	LambdaFunctionStarted:        "LambdaFunctionStarted",
	LambdaFunctionSucceeded:      "LambdaFunctionSucceeded",
	LambdaFunctionTimedOut:       "LambdaFunctionTimedOut",
	MapIterationAborted:          "MapIterationAborted",
	MapIterationFailed:           "MapIterationFailed",
	MapIterationStarted:          "MapIterationStarted",
	MapIterationSucceeded:        "MapIterationSucceeded",
	MapRunAborted:                "MapRunAborted",
	MapRunFailed:                 "MapRunFailed",
	MapRunRedriven:               "MapRunRedriven",
	MapRunStarted:                "MapRunStarted",
	MapRunSucceeded:              "MapRunSucceeded",
	MapStateAborted:              "MapStateAborted",
	MapStateEntered:              "MapStateEntered",
	MapStateExited:               "MapStateExited",
	MapStateFailed:               "MapStateFailed",
	MapStateStarted:              "MapStateStarted",
	MapStateSucceeded:            "MapStateSucceeded",
	ParallelStateAborted:         "ParallelStateAborted",
	ParallelStateEntered:         "ParallelStateEntered",
	ParallelStateExited:          "ParallelStateExited",
	ParallelStateFailed:          "ParallelStateFailed",
	ParallelStateStarted:         "ParallelStateStarted",
	ParallelStateSucceeded:       "ParallelStateSucceeded",
	PassStateEntered:             "PassStateEntered",
	PassStateExited:              "PassStateExited",
	SucceedStateEntered:          "SucceedStateEntered",
	SucceedStateExited:           "SucceedStateExited",
	TaskFailed:                   "TaskFailed",
	TaskScheduled:                "TaskScheduled",
	TaskStartFailed:              "TaskStartFailed",
	TaskStarted:                  "TaskStarted",
	TaskStateAborted:             "TaskStateAborted",
	TaskStateEntered:             "TaskStateEntered",
	TaskStateExited:              "TaskStateExited",
	TaskSubmitFailed:             "TaskSubmitFailed",
	TaskSubmitted:                "TaskSubmitted",
	TaskSucceeded:                "TaskSucceeded",
	TaskTimedOut:                 "TaskTimedOut",
	WaitStateAborted:             "WaitStateAborted",
	WaitStateEntered:             "WaitStateEntered",
	WaitStateExited:              "WaitStateExited",
	SagaPlanned:                  "SagaAborting",
	SagaHeld:                     "SagaHeld",
	SagaResolved:                 "SagaResolved",
	SagaEnded:                    "SagaEnded",
	LateTaskResult:               "LateTaskResult",
}

// String is the type as the API spells it, "" for a number that is none.
func (t EventType) String() string {
	if int(t) >= len(eventNames) {
		return ""
	}
	return eventNames[t]
}
