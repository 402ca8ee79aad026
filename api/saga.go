package api

// SagaStatus says where sagas stand: STARTED and ABORTING (being undone) go on, ON_HOLD waits for a person, the others have ended. ABORTED is said
// only when every step that was owed is undone, COMPLETED only when every step with a Confirm is confirmed; COMPENSATION_FAILED has a step whose
// undo failed or was skipped, ABANDONED ended as it stood.
type SagaStatus string

// The statuses of sagas.
const (
	SagaStatusStarted            SagaStatus = "STARTED"
	SagaStatusAborting           SagaStatus = "ABORTING"
	SagaStatusAborted            SagaStatus = "ABORTED"
	SagaStatusCompleted          SagaStatus = "COMPLETED"
	SagaStatusOnHold             SagaStatus = "ON_HOLD"
	SagaStatusCompensationFailed SagaStatus = "COMPENSATION_FAILED"
	SagaStatusAbandoned          SagaStatus = "ABANDONED"
)

// Values lists the statuses.
func (SagaStatus) Values() []string {
	return []string{"STARTED", "ABORTING", "ABORTED", "COMPLETED", "ON_HOLD", "COMPENSATION_FAILED", "ABANDONED"}
}

// Ended says that nothing more will happen in the saga by itself, nor by a person who resolves a hold.
func (s SagaStatus) Ended() bool {
	switch s {
	case SagaStatusAborted, SagaStatusCompleted, SagaStatusCompensationFailed, SagaStatusAbandoned:
		return true
	}
	return false
}

// SagaOperation says what a call is to its saga: the work of a state itself, its undo, its Confirm, its Query. A hold of an execution that can't
// be decided at all is quarantined.
type SagaOperation string

// The operations.
const (
	SagaOperationForward     SagaOperation = "forward"
	SagaOperationCompensate  SagaOperation = "compensate"
	SagaOperationConfirm     SagaOperation = "confirm"
	SagaOperationQuery       SagaOperation = "query"
	SagaOperationQuarantined SagaOperation = "quarantined"
)

// Values lists the operations.
func (SagaOperation) Values() []string {
	return []string{"forward", "compensate", "confirm", "query", "quarantined"}
}

// SagaStepStatus says what became of a step: of its work STARTED, SUCCEEDED, FAILED (it had no effect) or UNKNOWN (it may have had one); of its undo
// COMPENSATING, COMPENSATED, COMPENSATION_FAILED or SKIPPED; of its Confirm STARTED or CONFIRMED.
type SagaStepStatus string

// The statuses of steps.
const (
	SagaStepStatusStarted            SagaStepStatus = "STARTED"
	SagaStepStatusSucceeded          SagaStepStatus = "SUCCEEDED"
	SagaStepStatusFailed             SagaStepStatus = "FAILED"
	SagaStepStatusUnknown            SagaStepStatus = "UNKNOWN"
	SagaStepStatusCompensating       SagaStepStatus = "COMPENSATING"
	SagaStepStatusCompensated        SagaStepStatus = "COMPENSATED"
	SagaStepStatusCompensationFailed SagaStepStatus = "COMPENSATION_FAILED"
	SagaStepStatusSkipped            SagaStepStatus = "SKIPPED"
	SagaStepStatusConfirmed          SagaStepStatus = "CONFIRMED"
)

// Values lists the statuses.
func (SagaStepStatus) Values() []string {
	return []string{"STARTED", "SUCCEEDED", "FAILED", "UNKNOWN", "COMPENSATING", "COMPENSATED", "COMPENSATION_FAILED", "SKIPPED", "CONFIRMED"}
}

// DescribeSagaInput is what DescribeSaga takes. MaxResults is the most rows of the log that a page has, 100 where it is 0; inputs, results, requests
// and responses are left out with METADATA_ONLY.
type DescribeSagaInput struct {
	ExecutionArn string       `json:"executionArn" check:"required,1..256"`
	IncludedData IncludedData `json:"includedData,omitzero"`
	MaxResults   int32        `json:"maxResults,omitzero" check:"0..1000"`
	NextToken    *string      `json:"nextToken,omitzero" check:"1..1024"`
}

// DescribeSagaOutput is where an execution's sagas stand. Status is the execution's own; SagaStatus takes its sagas together (ON_HOLD where one of
// them is, else that of an open one, else the worst end) and is absent where it has none. Version is the id of the last event in the history: what
// WaitExecution takes as afterEventId. Holds has the first hundred of HoldCount, their texts cut as in ListHolds. Log is a page, by step in the order
// in which they were started; NextToken asks for the next one.
type DescribeSagaOutput struct {
	ExecutionArn    string          `json:"executionArn"`
	StateMachineArn string          `json:"stateMachineArn"`
	Status          ExecutionStatus `json:"status"`
	SagaStatus      SagaStatus      `json:"sagaStatus,omitzero"`
	Version         int64           `json:"version"`
	StartDate       Timestamp       `json:"startDate"`
	StopDate        *Timestamp      `json:"stopDate,omitzero"`
	Sagas           []Saga          `json:"sagas"`
	CurrentSteps    []SagaStep      `json:"currentSteps"`
	Holds           []Hold          `json:"holds"`
	HoldCount       int32           `json:"holdCount"`
	Log             []SagaLogEntry  `json:"log"`
	NextToken       *string         `json:"nextToken,omitzero"`
}

// Saga is one run of an outermost saga scope: of the Saga state of that name, or, without a name, of the whole state machine. Error and Cause are
// those by which it failed.
type Saga struct {
	SagaId    string     `json:"sagaId"`
	StateName *string    `json:"stateName,omitzero"`
	Status    SagaStatus `json:"status"`
	StartDate Timestamp  `json:"startDate"`
	StopDate  *Timestamp `json:"stopDate,omitzero"`
	Error     *string    `json:"error,omitzero"`
	Cause     *string    `json:"cause,omitzero"`
}

// SagaStep is a step: one entry of a Task within a saga.
type SagaStep struct {
	StepId    string `json:"stepId"`
	StateName string `json:"stateName"`
}

// SagaLogEntry is a row of the saga log: what became of a step's work, of its undo, of its Confirm, each over all its tries. An undo that has
// alternatives has a row for each that was tried. Input is what the work's state was given, or the request of the other calls. IdempotencyKey is
// the one under which it was sent last: another one once a person has edited the request. A row whose call is under way has no EndDate.
type SagaLogEntry struct {
	SagaId         string         `json:"sagaId,omitzero"`
	StepId         string         `json:"stepId"`
	StateName      string         `json:"stateName"`
	Operation      SagaOperation  `json:"operation"`
	Status         SagaStepStatus `json:"status"`
	StartDate      Timestamp      `json:"startDate"`
	EndDate        *Timestamp     `json:"endDate,omitzero"`
	Attempts       int32          `json:"attempts"`
	IdempotencyKey *string        `json:"idempotencyKey,omitzero"`
	Input          *string        `json:"input,omitzero"`
	Result         *string        `json:"result,omitzero"`
	Error          *string        `json:"error,omitzero"`
	Cause          *string        `json:"cause,omitzero"`
}

// ListSagasInput asks for a page of the executions that have sagas, of a state machine or of all of them. MaxResults is the most that a page has, 100
// where it is 0.
type ListSagasInput struct {
	StateMachineArn *string    `json:"stateMachineArn,omitzero" check:"1..256"`
	StatusFilter    SagaStatus `json:"statusFilter,omitzero"`
	MaxResults      int32      `json:"maxResults,omitzero" check:"0..1000"`
	NextToken       *string    `json:"nextToken,omitzero" check:"1..1024"`
}

// ListSagasOutput is a page. NextToken asks for the next one; the last page has none.
type ListSagasOutput struct {
	Sagas     []SagaListItem `json:"sagas"`
	NextToken *string        `json:"nextToken,omitzero"`
}

// SagaListItem is an execution with its sagas in a list. The dates are the execution's.
type SagaListItem struct {
	ExecutionArn    string          `json:"executionArn"`
	StateMachineArn string          `json:"stateMachineArn"`
	Name            string          `json:"name"`
	Status          ExecutionStatus `json:"status"`
	SagaStatus      SagaStatus      `json:"sagaStatus"`
	HoldCount       int32           `json:"holdCount"`
	StartDate       Timestamp       `json:"startDate"`
	StopDate        *Timestamp      `json:"stopDate,omitzero"`
}

// CompensateExecutionInput is what CompensateExecution takes.
type CompensateExecutionInput struct {
	ExecutionArn string `json:"executionArn" check:"required,1..256"`
}

// CompensateExecutionOutput says where the sagas stand now that their undoing has begun, and the id of the last event in the history.
type CompensateExecutionOutput struct {
	SagaStatus SagaStatus `json:"sagaStatus"`
	Version    int64      `json:"version"`
}

// StopEffect says what StopExecution would do: have the sagas undone, end the execution at once and leave what was done as it is (OnStop is Abort, or
// it has no saga), or refuse, because a saga can't go back. An execution that has ended stays as it is.
type StopEffect string

// The effects of a stop.
const (
	StopEffectCompensate StopEffect = "COMPENSATE"
	StopEffectAbort      StopEffect = "ABORT"
	StopEffectRefused    StopEffect = "REFUSED"
	StopEffectNone       StopEffect = "NONE"
)

// Values lists the effects.
func (StopEffect) Values() []string { return []string{"COMPENSATE", "ABORT", "REFUSED", "NONE"} }

// PreviewAbortInput is what PreviewAbort takes.
type PreviewAbortInput struct {
	ExecutionArn string `json:"executionArn" check:"required,1..256"`
}

// PreviewAbortOutput is what CompensateExecution would undo if it were called now, and StopExecution where OnStop says so. Undo is in the order in
// which it would happen. CannotUndo are steps that would be left as they are, or held, with the reason. MayRepeat are steps of which nobody knows
// whether they had their effect: their undo may find nothing, or what is sent may come twice. Refused says why CompensateExecution would be
// refused. Each list has 10,000 entries at most; Truncated says that one of them was cut.
type PreviewAbortOutput struct {
	SagaStatus SagaStatus    `json:"sagaStatus,omitzero"`
	Version    int64         `json:"version"`
	OnStop     StopEffect    `json:"onStop"`
	Refused    *string       `json:"refused,omitzero"`
	Undo       []PlannedUndo `json:"undo"`
	CannotUndo []DoubtedStep `json:"cannotUndo"`
	MayRepeat  []DoubtedStep `json:"mayRepeat"`
	Truncated  bool          `json:"truncated,omitzero"`
}

// PlannedUndo is the undo of a step. It begins once the undos of the steps in After have ended. Those that run side by side are in lanes of different
// names, such as Trip[0] and Trip[1] for the branches of the Parallel Trip, of which a Map takes as many at a time as its MaxConcurrency allows; what
// has no lane runs alone. Maybe is true of a step whose work is still under way: it is undone unless it turns out to have had no effect.
type PlannedUndo struct {
	StepId    string   `json:"stepId"`
	StateName string   `json:"stateName"`
	Resource  string   `json:"resource"`
	Lane      *string  `json:"lane,omitzero"`
	After     []string `json:"after,omitzero"`
	Maybe     bool     `json:"maybe,omitzero"`
}

// DoubtedStep is a step with what there is to be said against it.
type DoubtedStep struct {
	StepId    string `json:"stepId"`
	StateName string `json:"stateName"`
	Why       string `json:"why"`
}
