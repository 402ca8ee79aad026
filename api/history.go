package api

// HistoryEventType says what happened. AWS has 62 types; five more are of sagas, and an execution without one has none of these.
type HistoryEventType string

// The types of events.
const (
	// Events of the execution.
	HistoryEventTypeExecutionAborted   HistoryEventType = "ExecutionAborted"
	HistoryEventTypeExecutionFailed    HistoryEventType = "ExecutionFailed"
	HistoryEventTypeExecutionStarted   HistoryEventType = "ExecutionStarted"
	HistoryEventTypeExecutionSucceeded HistoryEventType = "ExecutionSucceeded"
	HistoryEventTypeExecutionTimedOut  HistoryEventType = "ExecutionTimedOut"
	HistoryEventTypeExecutionRedriven  HistoryEventType = "ExecutionRedriven"

	// Events of states.
	HistoryEventTypeChoiceStateEntered  HistoryEventType = "ChoiceStateEntered"
	HistoryEventTypeChoiceStateExited   HistoryEventType = "ChoiceStateExited"
	HistoryEventTypeFailStateEntered    HistoryEventType = "FailStateEntered"
	HistoryEventTypePassStateEntered    HistoryEventType = "PassStateEntered"
	HistoryEventTypePassStateExited     HistoryEventType = "PassStateExited"
	HistoryEventTypeSucceedStateEntered HistoryEventType = "SucceedStateEntered"
	HistoryEventTypeSucceedStateExited  HistoryEventType = "SucceedStateExited"
	HistoryEventTypeTaskStateAborted    HistoryEventType = "TaskStateAborted"
	HistoryEventTypeTaskStateEntered    HistoryEventType = "TaskStateEntered"
	HistoryEventTypeTaskStateExited     HistoryEventType = "TaskStateExited"
	HistoryEventTypeWaitStateAborted    HistoryEventType = "WaitStateAborted"
	HistoryEventTypeWaitStateEntered    HistoryEventType = "WaitStateEntered"
	HistoryEventTypeWaitStateExited     HistoryEventType = "WaitStateExited"

	// Events of tasks that call a service.
	HistoryEventTypeTaskFailed       HistoryEventType = "TaskFailed"
	HistoryEventTypeTaskScheduled    HistoryEventType = "TaskScheduled"
	HistoryEventTypeTaskStarted      HistoryEventType = "TaskStarted"
	HistoryEventTypeTaskStartFailed  HistoryEventType = "TaskStartFailed"
	HistoryEventTypeTaskSubmitFailed HistoryEventType = "TaskSubmitFailed"
	HistoryEventTypeTaskSubmitted    HistoryEventType = "TaskSubmitted"
	HistoryEventTypeTaskSucceeded    HistoryEventType = "TaskSucceeded"
	HistoryEventTypeTaskTimedOut     HistoryEventType = "TaskTimedOut"

	// Events of tasks whose resource is a function's ARN.
	HistoryEventTypeLambdaFunctionFailed         HistoryEventType = "LambdaFunctionFailed"
	HistoryEventTypeLambdaFunctionScheduled      HistoryEventType = "LambdaFunctionScheduled"
	HistoryEventTypeLambdaFunctionScheduleFailed HistoryEventType = "LambdaFunctionScheduleFailed"
	HistoryEventTypeLambdaFunctionStarted        HistoryEventType = "LambdaFunctionStarted"
	HistoryEventTypeLambdaFunctionStartFailed    HistoryEventType = "LambdaFunctionStartFailed"
	HistoryEventTypeLambdaFunctionSucceeded      HistoryEventType = "LambdaFunctionSucceeded"
	HistoryEventTypeLambdaFunctionTimedOut       HistoryEventType = "LambdaFunctionTimedOut"

	// Events of activities.
	HistoryEventTypeActivityFailed         HistoryEventType = "ActivityFailed"
	HistoryEventTypeActivityScheduled      HistoryEventType = "ActivityScheduled"
	HistoryEventTypeActivityScheduleFailed HistoryEventType = "ActivityScheduleFailed"
	HistoryEventTypeActivityStarted        HistoryEventType = "ActivityStarted"
	HistoryEventTypeActivitySucceeded      HistoryEventType = "ActivitySucceeded"
	HistoryEventTypeActivityTimedOut       HistoryEventType = "ActivityTimedOut"

	// Events of Parallel.
	HistoryEventTypeParallelStateAborted   HistoryEventType = "ParallelStateAborted"
	HistoryEventTypeParallelStateEntered   HistoryEventType = "ParallelStateEntered"
	HistoryEventTypeParallelStateExited    HistoryEventType = "ParallelStateExited"
	HistoryEventTypeParallelStateFailed    HistoryEventType = "ParallelStateFailed"
	HistoryEventTypeParallelStateStarted   HistoryEventType = "ParallelStateStarted"
	HistoryEventTypeParallelStateSucceeded HistoryEventType = "ParallelStateSucceeded"

	// Events of Map.
	HistoryEventTypeMapIterationAborted   HistoryEventType = "MapIterationAborted"
	HistoryEventTypeMapIterationFailed    HistoryEventType = "MapIterationFailed"
	HistoryEventTypeMapIterationStarted   HistoryEventType = "MapIterationStarted"
	HistoryEventTypeMapIterationSucceeded HistoryEventType = "MapIterationSucceeded"
	HistoryEventTypeMapStateAborted       HistoryEventType = "MapStateAborted"
	HistoryEventTypeMapStateEntered       HistoryEventType = "MapStateEntered"
	HistoryEventTypeMapStateExited        HistoryEventType = "MapStateExited"
	HistoryEventTypeMapStateFailed        HistoryEventType = "MapStateFailed"
	HistoryEventTypeMapStateStarted       HistoryEventType = "MapStateStarted"
	HistoryEventTypeMapStateSucceeded     HistoryEventType = "MapStateSucceeded"

	// Events of distributed Map.
	HistoryEventTypeMapRunAborted   HistoryEventType = "MapRunAborted"
	HistoryEventTypeMapRunFailed    HistoryEventType = "MapRunFailed"
	HistoryEventTypeMapRunStarted   HistoryEventType = "MapRunStarted"
	HistoryEventTypeMapRunSucceeded HistoryEventType = "MapRunSucceeded"
	HistoryEventTypeMapRunRedriven  HistoryEventType = "MapRunRedriven"

	// Events of expressions.
	HistoryEventTypeEvaluationFailed HistoryEventType = "EvaluationFailed"

	// Events of sagas, which AWS does not have.
	HistoryEventTypeSagaAborting   HistoryEventType = "SagaAborting"
	HistoryEventTypeSagaHeld       HistoryEventType = "SagaHeld"
	HistoryEventTypeSagaResolved   HistoryEventType = "SagaResolved"
	HistoryEventTypeSagaEnded      HistoryEventType = "SagaEnded"
	HistoryEventTypeLateTaskResult HistoryEventType = "LateTaskResult"
)

// Values lists the types in the order of the API, our own at the end.
func (HistoryEventType) Values() []string {
	return []string{
		"ActivityFailed", "ActivityScheduled", "ActivityScheduleFailed", "ActivityStarted",
		"ActivitySucceeded", "ActivityTimedOut", "ChoiceStateEntered", "ChoiceStateExited",
		"ExecutionAborted", "ExecutionFailed", "ExecutionStarted", "ExecutionSucceeded",
		"ExecutionTimedOut", "FailStateEntered", "LambdaFunctionFailed", "LambdaFunctionScheduled",
		"LambdaFunctionScheduleFailed", "LambdaFunctionStarted", "LambdaFunctionStartFailed", "LambdaFunctionSucceeded",
		"LambdaFunctionTimedOut", "MapIterationAborted", "MapIterationFailed", "MapIterationStarted",
		"MapIterationSucceeded", "MapStateAborted", "MapStateEntered", "MapStateExited",
		"MapStateFailed", "MapStateStarted", "MapStateSucceeded", "ParallelStateAborted",
		"ParallelStateEntered", "ParallelStateExited", "ParallelStateFailed", "ParallelStateStarted",
		"ParallelStateSucceeded", "PassStateEntered", "PassStateExited", "SucceedStateEntered",
		"SucceedStateExited", "TaskFailed", "TaskScheduled", "TaskStarted",
		"TaskStartFailed", "TaskStateAborted", "TaskStateEntered", "TaskStateExited",
		"TaskSubmitFailed", "TaskSubmitted", "TaskSucceeded", "TaskTimedOut",
		"WaitStateAborted", "WaitStateEntered", "WaitStateExited", "MapRunAborted",
		"MapRunFailed", "MapRunStarted", "MapRunSucceeded", "ExecutionRedriven",
		"MapRunRedriven", "EvaluationFailed",
		"SagaAborting", "SagaHeld", "SagaResolved", "SagaEnded", "LateTaskResult",
	}
}

// GetExecutionHistoryInput asks for a page of an execution's history. MaxResults is the most that a page has, 100 where it is 0. Inputs and
// outputs are left out when IncludeExecutionData is false.
type GetExecutionHistoryInput struct {
	ExecutionArn         string  `json:"executionArn" check:"required,1..256"`
	MaxResults           int32   `json:"maxResults,omitzero" check:"0..1000"`
	ReverseOrder         bool    `json:"reverseOrder,omitzero"`
	NextToken            *string `json:"nextToken,omitzero" check:"1..1024"`
	IncludeExecutionData *bool   `json:"includeExecutionData,omitzero"`
}

// GetExecutionHistoryOutput is a page. NextToken asks for the next one; the last page has none.
type GetExecutionHistoryOutput struct {
	Events    []HistoryEvent `json:"events"`
	NextToken *string        `json:"nextToken,omitzero"`
}

// HistoryEvent is one event of an execution. Id counts from 1 without gaps; PreviousEventId is that of the event which led to it on the same
// thread of the execution (a branch, an item), 0 for the first. Type says which of the details is there: one, or none.
type HistoryEvent struct {
	Timestamp       Timestamp        `json:"timestamp"`
	Type            HistoryEventType `json:"type"`
	Id              int64            `json:"id"`
	PreviousEventId int64            `json:"previousEventId"`

	ActivityFailedEventDetails               *FailureEventDetails                 `json:"activityFailedEventDetails,omitzero"`
	ActivityScheduleFailedEventDetails       *FailureEventDetails                 `json:"activityScheduleFailedEventDetails,omitzero"`
	ActivityScheduledEventDetails            *ActivityScheduledEventDetails       `json:"activityScheduledEventDetails,omitzero"`
	ActivityStartedEventDetails              *ActivityStartedEventDetails         `json:"activityStartedEventDetails,omitzero"`
	ActivitySucceededEventDetails            *OutputEventDetails                  `json:"activitySucceededEventDetails,omitzero"`
	ActivityTimedOutEventDetails             *FailureEventDetails                 `json:"activityTimedOutEventDetails,omitzero"`
	TaskFailedEventDetails                   *TaskFailureEventDetails             `json:"taskFailedEventDetails,omitzero"`
	TaskScheduledEventDetails                *TaskScheduledEventDetails           `json:"taskScheduledEventDetails,omitzero"`
	TaskStartFailedEventDetails              *TaskFailureEventDetails             `json:"taskStartFailedEventDetails,omitzero"`
	TaskStartedEventDetails                  *TaskStartedEventDetails             `json:"taskStartedEventDetails,omitzero"`
	TaskSubmitFailedEventDetails             *TaskFailureEventDetails             `json:"taskSubmitFailedEventDetails,omitzero"`
	TaskSubmittedEventDetails                *TaskOutputEventDetails              `json:"taskSubmittedEventDetails,omitzero"`
	TaskSucceededEventDetails                *TaskOutputEventDetails              `json:"taskSucceededEventDetails,omitzero"`
	TaskTimedOutEventDetails                 *TaskFailureEventDetails             `json:"taskTimedOutEventDetails,omitzero"`
	ExecutionFailedEventDetails              *FailureEventDetails                 `json:"executionFailedEventDetails,omitzero"`
	ExecutionStartedEventDetails             *ExecutionStartedEventDetails        `json:"executionStartedEventDetails,omitzero"`
	ExecutionSucceededEventDetails           *OutputEventDetails                  `json:"executionSucceededEventDetails,omitzero"`
	ExecutionAbortedEventDetails             *FailureEventDetails                 `json:"executionAbortedEventDetails,omitzero"`
	ExecutionTimedOutEventDetails            *FailureEventDetails                 `json:"executionTimedOutEventDetails,omitzero"`
	ExecutionRedrivenEventDetails            *ExecutionRedrivenEventDetails       `json:"executionRedrivenEventDetails,omitzero"`
	MapStateStartedEventDetails              *MapStateStartedEventDetails         `json:"mapStateStartedEventDetails,omitzero"`
	MapIterationStartedEventDetails          *MapIterationEventDetails            `json:"mapIterationStartedEventDetails,omitzero"`
	MapIterationSucceededEventDetails        *MapIterationEventDetails            `json:"mapIterationSucceededEventDetails,omitzero"`
	MapIterationFailedEventDetails           *MapIterationEventDetails            `json:"mapIterationFailedEventDetails,omitzero"`
	MapIterationAbortedEventDetails          *MapIterationEventDetails            `json:"mapIterationAbortedEventDetails,omitzero"`
	LambdaFunctionFailedEventDetails         *FailureEventDetails                 `json:"lambdaFunctionFailedEventDetails,omitzero"`
	LambdaFunctionScheduleFailedEventDetails *FailureEventDetails                 `json:"lambdaFunctionScheduleFailedEventDetails,omitzero"`
	LambdaFunctionScheduledEventDetails      *LambdaFunctionScheduledEventDetails `json:"lambdaFunctionScheduledEventDetails,omitzero"`
	LambdaFunctionStartFailedEventDetails    *FailureEventDetails                 `json:"lambdaFunctionStartFailedEventDetails,omitzero"`
	LambdaFunctionSucceededEventDetails      *OutputEventDetails                  `json:"lambdaFunctionSucceededEventDetails,omitzero"`
	LambdaFunctionTimedOutEventDetails       *FailureEventDetails                 `json:"lambdaFunctionTimedOutEventDetails,omitzero"`
	StateEnteredEventDetails                 *StateEnteredEventDetails            `json:"stateEnteredEventDetails,omitzero"`
	StateExitedEventDetails                  *StateExitedEventDetails             `json:"stateExitedEventDetails,omitzero"`
	MapRunStartedEventDetails                *MapRunStartedEventDetails           `json:"mapRunStartedEventDetails,omitzero"`
	MapRunFailedEventDetails                 *FailureEventDetails                 `json:"mapRunFailedEventDetails,omitzero"`
	MapRunRedrivenEventDetails               *MapRunRedrivenEventDetails          `json:"mapRunRedrivenEventDetails,omitzero"`
	EvaluationFailedEventDetails             *EvaluationFailedEventDetails        `json:"evaluationFailedEventDetails,omitzero"`
	SagaEventDetails                         *SagaEventDetails                    `json:"sagaEventDetails,omitzero"`
}

// FailureEventDetails is an error's name and its cause, each absent where the failure has none.
type FailureEventDetails struct {
	Error *string `json:"error,omitzero"`
	Cause *string `json:"cause,omitzero"`
}

// OutputEventDetails is what an activity, a function or an execution answered, a JSON text.
type OutputEventDetails struct {
	Output        *string                           `json:"output,omitzero"`
	OutputDetails *HistoryEventExecutionDataDetails `json:"outputDetails,omitzero"`
}

// HistoryEventExecutionDataDetails says whether an input or output was cut. It never is.
type HistoryEventExecutionDataDetails struct {
	Truncated bool `json:"truncated"`
}

// ExecutionStartedEventDetails is how an execution began. The ARN of a version or alias is there when it was started by that.
type ExecutionStartedEventDetails struct {
	Input                  *string                           `json:"input,omitzero"`
	InputDetails           *HistoryEventExecutionDataDetails `json:"inputDetails,omitzero"`
	RoleArn                *string                           `json:"roleArn,omitzero"`
	StateMachineAliasArn   *string                           `json:"stateMachineAliasArn,omitzero"`
	StateMachineVersionArn *string                           `json:"stateMachineVersionArn,omitzero"`
}

// ExecutionRedrivenEventDetails counts the redrives so far.
type ExecutionRedrivenEventDetails struct {
	RedriveCount *int32 `json:"redriveCount,omitzero"`
}

// StateEnteredEventDetails is a state and what it was given.
type StateEnteredEventDetails struct {
	Name         string                            `json:"name"`
	Input        *string                           `json:"input,omitzero"`
	InputDetails *HistoryEventExecutionDataDetails `json:"inputDetails,omitzero"`
}

// StateExitedEventDetails is a state and what it handed on. AssignedVariables has the JSON text of each variable that it assigned.
type StateExitedEventDetails struct {
	Name                     string                            `json:"name"`
	Output                   *string                           `json:"output,omitzero"`
	OutputDetails            *HistoryEventExecutionDataDetails `json:"outputDetails,omitzero"`
	AssignedVariables        map[string]string                 `json:"assignedVariables,omitzero"`
	AssignedVariablesDetails *AssignedVariablesDetails         `json:"assignedVariablesDetails,omitzero"`
}

// AssignedVariablesDetails says whether the assigned variables were cut. They never are.
type AssignedVariablesDetails struct {
	Truncated bool `json:"truncated"`
}

// TaskScheduledEventDetails is a call that is about to be made. ResourceType is the service, Resource the action with its suffix, Parameters
// the request, a JSON text.
type TaskScheduledEventDetails struct {
	ResourceType       string           `json:"resourceType"`
	Resource           string           `json:"resource"`
	Region             string           `json:"region"`
	Parameters         string           `json:"parameters"`
	TimeoutInSeconds   *int64           `json:"timeoutInSeconds,omitzero"`
	HeartbeatInSeconds *int64           `json:"heartbeatInSeconds,omitzero"`
	TaskCredentials    *TaskCredentials `json:"taskCredentials,omitzero"`
}

// TaskCredentials is the role that a task takes on.
type TaskCredentials struct {
	RoleArn *string `json:"roleArn,omitzero"`
}

// TaskStartedEventDetails is a call that is being made.
type TaskStartedEventDetails struct {
	ResourceType string `json:"resourceType"`
	Resource     string `json:"resource"`
}

// TaskOutputEventDetails is what a service answered, a JSON text: to the request (TaskSubmitted), or in the end (TaskSucceeded).
type TaskOutputEventDetails struct {
	ResourceType  string                            `json:"resourceType"`
	Resource      string                            `json:"resource"`
	Output        *string                           `json:"output,omitzero"`
	OutputDetails *HistoryEventExecutionDataDetails `json:"outputDetails,omitzero"`
}

// TaskFailureEventDetails is a call that failed.
type TaskFailureEventDetails struct {
	ResourceType string  `json:"resourceType"`
	Resource     string  `json:"resource"`
	Error        *string `json:"error,omitzero"`
	Cause        *string `json:"cause,omitzero"`
}

// LambdaFunctionScheduledEventDetails is a function that is about to be called.
type LambdaFunctionScheduledEventDetails struct {
	Resource         string                            `json:"resource"`
	Input            *string                           `json:"input,omitzero"`
	InputDetails     *HistoryEventExecutionDataDetails `json:"inputDetails,omitzero"`
	TimeoutInSeconds *int64                            `json:"timeoutInSeconds,omitzero"`
	TaskCredentials  *TaskCredentials                  `json:"taskCredentials,omitzero"`
}

// ActivityScheduledEventDetails is a task that waits in an activity's queue.
type ActivityScheduledEventDetails struct {
	Resource           string                            `json:"resource"`
	Input              *string                           `json:"input,omitzero"`
	InputDetails       *HistoryEventExecutionDataDetails `json:"inputDetails,omitzero"`
	TimeoutInSeconds   *int64                            `json:"timeoutInSeconds,omitzero"`
	HeartbeatInSeconds *int64                            `json:"heartbeatInSeconds,omitzero"`
}

// ActivityStartedEventDetails names the worker that took a task, if it said who it is.
type ActivityStartedEventDetails struct {
	WorkerName *string `json:"workerName,omitzero"`
}

// MapStateStartedEventDetails counts the items of a Map.
type MapStateStartedEventDetails struct {
	Length int32 `json:"length"`
}

// MapIterationEventDetails is an item of the Map of that name; Index counts from 0.
type MapIterationEventDetails struct {
	Name  *string `json:"name,omitzero"`
	Index int32   `json:"index"`
}

// MapRunStartedEventDetails names the map run of a distributed Map.
type MapRunStartedEventDetails struct {
	MapRunArn *string `json:"mapRunArn,omitzero"`
}

// MapRunRedrivenEventDetails names a map run and counts its redrives so far.
type MapRunRedrivenEventDetails struct {
	MapRunArn    *string `json:"mapRunArn,omitzero"`
	RedriveCount *int32  `json:"redriveCount,omitzero"`
}

// EvaluationFailedEventDetails is an expression that failed: in which state, and in which of its fields.
type EvaluationFailedEventDetails struct {
	Error    *string `json:"error,omitzero"`
	Cause    *string `json:"cause,omitzero"`
	Location *string `json:"location,omitzero"`
	State    string  `json:"state"`
}

// SagaEventDetails is what happened to a saga, or to what it waits for; AWS has nothing of that kind. SagaAborting tells the error for which the saga
// is undone; SagaHeld the hold, the state and the operation that can't go on, with the error; SagaResolved the hold, the verb, who decided and why, of a
// quarantined execution with what could not be decided as Cause;
// SagaEnded the status, and the error if there was one; LateTaskResult an answer that came too late to count: an output, or an error.
type SagaEventDetails struct {
	SagaId    *string       `json:"sagaId,omitzero"`
	Status    SagaStatus    `json:"status,omitzero"`
	HoldId    *string       `json:"holdId,omitzero"`
	StateName *string       `json:"stateName,omitzero"`
	Operation SagaOperation `json:"operation,omitzero"`
	Verb      HoldVerb      `json:"verb,omitzero"`
	Operator  *string       `json:"operator,omitzero"`
	Reason    *string       `json:"reason,omitzero"`
	Error     *string       `json:"error,omitzero"`
	Cause     *string       `json:"cause,omitzero"`
	Output    *string       `json:"output,omitzero"`
}
