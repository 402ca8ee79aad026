package api

// ExecutionStatus says where an execution stands. All but RUNNING and PENDING_REDRIVE are final, until a redrive.
type ExecutionStatus string

// The statuses of executions.
const (
	ExecutionStatusRunning        ExecutionStatus = "RUNNING"
	ExecutionStatusSucceeded      ExecutionStatus = "SUCCEEDED"
	ExecutionStatusFailed         ExecutionStatus = "FAILED"
	ExecutionStatusTimedOut       ExecutionStatus = "TIMED_OUT"
	ExecutionStatusAborted        ExecutionStatus = "ABORTED"
	ExecutionStatusPendingRedrive ExecutionStatus = "PENDING_REDRIVE"
)

// Values lists the statuses in the order of the API.
func (ExecutionStatus) Values() []string {
	return []string{"RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"}
}

// Ended says that nothing more will happen in the execution by itself.
func (s ExecutionStatus) Ended() bool {
	return s != ExecutionStatusRunning && s != ExecutionStatusPendingRedrive
}

// SyncExecutionStatus says how a synchronous execution ended.
type SyncExecutionStatus string

// The ends of synchronous executions.
const (
	SyncExecutionStatusSucceeded SyncExecutionStatus = "SUCCEEDED"
	SyncExecutionStatusFailed    SyncExecutionStatus = "FAILED"
	SyncExecutionStatusTimedOut  SyncExecutionStatus = "TIMED_OUT"
)

// Values lists the statuses in the order of the API.
func (SyncExecutionStatus) Values() []string { return []string{"SUCCEEDED", "FAILED", "TIMED_OUT"} }

// ExecutionRedriveStatus says whether an execution could be redriven.
type ExecutionRedriveStatus string

// The redrive statuses of executions.
const (
	ExecutionRedriveStatusRedrivable         ExecutionRedriveStatus = "REDRIVABLE"
	ExecutionRedriveStatusNotRedrivable      ExecutionRedriveStatus = "NOT_REDRIVABLE"
	ExecutionRedriveStatusRedrivableByMapRun ExecutionRedriveStatus = "REDRIVABLE_BY_MAP_RUN"
)

// Values lists the statuses in the order of the API.
func (ExecutionRedriveStatus) Values() []string {
	return []string{"REDRIVABLE", "NOT_REDRIVABLE", "REDRIVABLE_BY_MAP_RUN"}
}

// ExecutionRedriveFilter picks executions by whether they were redriven.
type ExecutionRedriveFilter string

// The redrive filters.
const (
	ExecutionRedriveFilterRedriven    ExecutionRedriveFilter = "REDRIVEN"
	ExecutionRedriveFilterNotRedriven ExecutionRedriveFilter = "NOT_REDRIVEN"
)

// Values lists the filters in the order of the API.
func (ExecutionRedriveFilter) Values() []string { return []string{"REDRIVEN", "NOT_REDRIVEN"} }

// CloudWatchEventsExecutionDataDetails says whether an input or output is part of the answer.
type CloudWatchEventsExecutionDataDetails struct {
	Included bool `json:"included"`
}

// BillingDetails says what AWS would charge for a synchronous execution.
type BillingDetails struct {
	BilledMemoryUsedInMB         int64 `json:"billedMemoryUsedInMB"`
	BilledDurationInMilliseconds int64 `json:"billedDurationInMilliseconds"`
}

// StartExecutionInput is what StartExecution takes. Input is a JSON text of at most 262,144 bytes.
type StartExecutionInput struct {
	StateMachineArn string  `json:"stateMachineArn" check:"required,1..256"`
	Name            *string `json:"name,omitzero" check:"1..80"`
	Input           *string `json:"input,omitzero" check:"0..262144,secret"`
	TraceHeader     *string `json:"traceHeader,omitzero" check:"0..256,ascii"`
}

// StartExecutionOutput names the execution.
type StartExecutionOutput struct {
	ExecutionArn string    `json:"executionArn"`
	StartDate    Timestamp `json:"startDate"`
}

// StartSyncExecutionInput is what StartSyncExecution takes. Input is a JSON text of at most 262,144 bytes.
type StartSyncExecutionInput struct {
	StateMachineArn string       `json:"stateMachineArn" check:"required,1..256"`
	Name            *string      `json:"name,omitzero" check:"1..80"`
	Input           *string      `json:"input,omitzero" check:"0..262144,secret"`
	TraceHeader     *string      `json:"traceHeader,omitzero" check:"0..256,ascii"`
	IncludedData    IncludedData `json:"includedData,omitzero"`
}

// StartSyncExecutionOutput is an execution that has ended.
type StartSyncExecutionOutput struct {
	ExecutionArn    string                                `json:"executionArn"`
	StateMachineArn *string                               `json:"stateMachineArn,omitzero"`
	Name            *string                               `json:"name,omitzero"`
	StartDate       Timestamp                             `json:"startDate"`
	StopDate        Timestamp                             `json:"stopDate"`
	Status          SyncExecutionStatus                   `json:"status"`
	Error           *string                               `json:"error,omitzero"`
	Cause           *string                               `json:"cause,omitzero"`
	Input           *string                               `json:"input,omitzero"`
	InputDetails    *CloudWatchEventsExecutionDataDetails `json:"inputDetails,omitzero"`
	Output          *string                               `json:"output,omitzero"`
	OutputDetails   *CloudWatchEventsExecutionDataDetails `json:"outputDetails,omitzero"`
	TraceHeader     *string                               `json:"traceHeader,omitzero"`
	BillingDetails  *BillingDetails                       `json:"billingDetails,omitzero"`
}

// DescribeExecutionInput is what DescribeExecution takes.
type DescribeExecutionInput struct {
	ExecutionArn string       `json:"executionArn" check:"required,1..256"`
	IncludedData IncludedData `json:"includedData,omitzero"`
}

// DescribeExecutionOutput is an execution: Output is there when it SUCCEEDED, Error and Cause may be there when it ended otherwise. The ARN of
// a version or alias is there when it was started by that.
type DescribeExecutionOutput struct {
	ExecutionArn           string                                `json:"executionArn"`
	StateMachineArn        string                                `json:"stateMachineArn"`
	Name                   *string                               `json:"name,omitzero"`
	Status                 ExecutionStatus                       `json:"status"`
	StartDate              Timestamp                             `json:"startDate"`
	StopDate               *Timestamp                            `json:"stopDate,omitzero"`
	Input                  *string                               `json:"input,omitzero"`
	InputDetails           *CloudWatchEventsExecutionDataDetails `json:"inputDetails,omitzero"`
	Output                 *string                               `json:"output,omitzero"`
	OutputDetails          *CloudWatchEventsExecutionDataDetails `json:"outputDetails,omitzero"`
	TraceHeader            *string                               `json:"traceHeader,omitzero"`
	MapRunArn              *string                               `json:"mapRunArn,omitzero"`
	Error                  *string                               `json:"error,omitzero"`
	Cause                  *string                               `json:"cause,omitzero"`
	StateMachineVersionArn *string                               `json:"stateMachineVersionArn,omitzero"`
	StateMachineAliasArn   *string                               `json:"stateMachineAliasArn,omitzero"`
	RedriveCount           *int32                                `json:"redriveCount,omitzero"`
	RedriveDate            *Timestamp                            `json:"redriveDate,omitzero"`
	RedriveStatus          ExecutionRedriveStatus                `json:"redriveStatus,omitzero"`
	RedriveStatusReason    *string                               `json:"redriveStatusReason,omitzero"`
}

// ListExecutionsInput asks for a page of executions, of a state machine (a version or an alias, too) or of a map run. MaxResults is the most
// that a page has, 100 where it is 0.
type ListExecutionsInput struct {
	StateMachineArn *string                `json:"stateMachineArn,omitzero" check:"1..256"`
	StatusFilter    ExecutionStatus        `json:"statusFilter,omitzero"`
	MaxResults      int32                  `json:"maxResults,omitzero" check:"0..1000"`
	NextToken       *string                `json:"nextToken,omitzero" check:"1..3096"`
	MapRunArn       *string                `json:"mapRunArn,omitzero" check:"1..2000"`
	RedriveFilter   ExecutionRedriveFilter `json:"redriveFilter,omitzero"`
}

// ListExecutionsOutput is a page. NextToken asks for the next one; the last page has none.
type ListExecutionsOutput struct {
	Executions []ExecutionListItem `json:"executions"`
	NextToken  *string             `json:"nextToken,omitzero"`
}

// ExecutionListItem is an execution in a list. MapRunArn and ItemCount are there for a child of a distributed Map.
type ExecutionListItem struct {
	ExecutionArn           string          `json:"executionArn"`
	StateMachineArn        string          `json:"stateMachineArn"`
	Name                   string          `json:"name"`
	Status                 ExecutionStatus `json:"status"`
	StartDate              Timestamp       `json:"startDate"`
	StopDate               *Timestamp      `json:"stopDate,omitzero"`
	MapRunArn              *string         `json:"mapRunArn,omitzero"`
	ItemCount              *int32          `json:"itemCount,omitzero"`
	StateMachineVersionArn *string         `json:"stateMachineVersionArn,omitzero"`
	StateMachineAliasArn   *string         `json:"stateMachineAliasArn,omitzero"`
	RedriveCount           *int32          `json:"redriveCount,omitzero"`
	RedriveDate            *Timestamp      `json:"redriveDate,omitzero"`
}

// StopExecutionInput is what StopExecution takes.
type StopExecutionInput struct {
	ExecutionArn string  `json:"executionArn" check:"required,1..256"`
	Error        *string `json:"error,omitzero" check:"0..256,secret"`
	Cause        *string `json:"cause,omitzero" check:"0..32768,secret"`
}

// StopExecutionOutput says when the execution ended.
type StopExecutionOutput struct {
	StopDate Timestamp `json:"stopDate"`
}

// RedriveExecutionInput is what RedriveExecution takes. ClientToken is made of the visible characters of ASCII.
type RedriveExecutionInput struct {
	ExecutionArn string  `json:"executionArn" check:"required,1..256"`
	ClientToken  *string `json:"clientToken,omitzero" check:"1..64,ascii"`
}

// RedriveExecutionOutput says when the execution was redriven.
type RedriveExecutionOutput struct {
	RedriveDate Timestamp `json:"redriveDate"`
}

// RedriveWithChangesInput is what RedriveWithChanges takes. StateMachineArn is by what it goes on: its state machine as it is now, a version or an
// alias; absent: by what it ran. StartAt is the state of the top level from which it goes on; absent: where it stood. Input is the input of the state
// in which it goes on, Variables an object of variables that are set before; both are JSON. With DryRun nothing is changed.
type RedriveWithChangesInput struct {
	ExecutionArn    string  `json:"executionArn" check:"required,1..256"`
	ClientToken     *string `json:"clientToken,omitzero" check:"1..64,ascii"`
	StateMachineArn *string `json:"stateMachineArn,omitzero" check:"1..256"`
	StartAt         *string `json:"startAt,omitzero" check:"1..80"`
	Input           *string `json:"input,omitzero" check:"0..262144,secret"`
	Variables       *string `json:"variables,omitzero" check:"0..262144,secret"`
	DryRun          *bool   `json:"dryRun,omitzero"`
}

// RedriveWithChangesOutput says when the execution was redriven, with a dry run nothing; in which states it goes on; and how it stands then: it may
// have ended at once.
type RedriveWithChangesOutput struct {
	RedriveDate *Timestamp      `json:"redriveDate,omitzero"`
	Status      ExecutionStatus `json:"status"`
	States      []RedriveState  `json:"states"`
}

// RedriveState is a state in which an execution goes on. Again says that it goes on under the step id that it had; else it is entered anew.
type RedriveState struct {
	Name  string `json:"name"`
	Again bool   `json:"again"`
}

// WaitExecutionInput is what WaitExecution takes. Without AfterEventId it waits for the end of the execution; with it, for an event whose id is
// greater. TimeoutSeconds is how long it may wait, 60 where it is absent.
type WaitExecutionInput struct {
	ExecutionArn   string `json:"executionArn" check:"required,1..256"`
	AfterEventId   *int64 `json:"afterEventId,omitzero" check:"0.."`
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitzero" check:"0..60"`
}

// WaitExecutionOutput is what DescribeExecution answers, with the id of the last event in the history, where the execution's sagas stand if it has
// any, and what the execution is found by as it stands: the values of its search attributes, as text, by their names.
type WaitExecutionOutput struct {
	DescribeExecutionOutput
	LastEventId      int64             `json:"lastEventId"`
	SagaStatus       SagaStatus        `json:"sagaStatus,omitzero"`
	SearchAttributes map[string]string `json:"searchAttributes,omitzero"`
}

// ListExecutionsWhereInput asks for a page of the executions that Where tells, of all state machines, or of one (a version or an alias, too).
// MaxResults is the most that a page has, 100 where it is 0.
type ListExecutionsWhereInput struct {
	Where           string          `json:"where" check:"required,1..8192"`
	StateMachineArn *string         `json:"stateMachineArn,omitzero" check:"1..256"`
	StatusFilter    ExecutionStatus `json:"statusFilter,omitzero"`
	MaxResults      int32           `json:"maxResults,omitzero" check:"0..1000"`
	NextToken       *string         `json:"nextToken,omitzero" check:"1..3096"`
}

// ListExecutionsWhereOutput is a page. NextToken asks for the next one; the last page has none.
type ListExecutionsWhereOutput struct {
	Executions []ExecutionListItem `json:"executions"`
	NextToken  *string             `json:"nextToken,omitzero"`
}
