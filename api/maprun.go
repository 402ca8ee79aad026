package api

// MapRunStatus says where a map run stands. All but RUNNING are final.
type MapRunStatus string

// The statuses of map runs.
const (
	MapRunStatusRunning   MapRunStatus = "RUNNING"
	MapRunStatusSucceeded MapRunStatus = "SUCCEEDED"
	MapRunStatusFailed    MapRunStatus = "FAILED"
	MapRunStatusAborted   MapRunStatus = "ABORTED"
)

// Values lists the statuses in the order of the API.
func (MapRunStatus) Values() []string { return []string{"RUNNING", "SUCCEEDED", "FAILED", "ABORTED"} }

// DescribeMapRunInput is what DescribeMapRun takes.
type DescribeMapRunInput struct {
	MapRunArn string `json:"mapRunArn" check:"required,1..2000"`
}

// DescribeMapRunOutput is a map run. A maxConcurrency of 0 sets no limit but the server's; a tolerance that the state does not set is 0.
type DescribeMapRunOutput struct {
	MapRunArn                  string                 `json:"mapRunArn"`
	ExecutionArn               string                 `json:"executionArn"`
	Status                     MapRunStatus           `json:"status"`
	StartDate                  Timestamp              `json:"startDate"`
	StopDate                   *Timestamp             `json:"stopDate,omitzero"`
	MaxConcurrency             int32                  `json:"maxConcurrency"`
	ToleratedFailurePercentage float32                `json:"toleratedFailurePercentage"`
	ToleratedFailureCount      int64                  `json:"toleratedFailureCount"`
	ItemCounts                 *MapRunItemCounts      `json:"itemCounts"`
	ExecutionCounts            *MapRunExecutionCounts `json:"executionCounts"`
	RedriveCount               *int32                 `json:"redriveCount,omitzero"`
	RedriveDate                *Timestamp             `json:"redriveDate,omitzero"`
}

// MapRunItemCounts are a map run's items by what became of the children that they are for. Pending are those of whom no child was started yet;
// PendingRedrive those of children that did not succeed and that a redrive has still to come to; FailuresNotRedrivable, of those that did not
// succeed, the ones that no redrive can do again.
type MapRunItemCounts struct {
	Pending               int64  `json:"pending"`
	Running               int64  `json:"running"`
	Succeeded             int64  `json:"succeeded"`
	Failed                int64  `json:"failed"`
	TimedOut              int64  `json:"timedOut"`
	Aborted               int64  `json:"aborted"`
	Total                 int64  `json:"total"`
	ResultsWritten        int64  `json:"resultsWritten"`
	FailuresNotRedrivable *int64 `json:"failuresNotRedrivable,omitzero"`
	PendingRedrive        *int64 `json:"pendingRedrive,omitzero"`
}

// MapRunExecutionCounts are a map run's children by what became of them.
type MapRunExecutionCounts struct {
	Pending               int64  `json:"pending"`
	Running               int64  `json:"running"`
	Succeeded             int64  `json:"succeeded"`
	Failed                int64  `json:"failed"`
	TimedOut              int64  `json:"timedOut"`
	Aborted               int64  `json:"aborted"`
	Total                 int64  `json:"total"`
	ResultsWritten        int64  `json:"resultsWritten"`
	FailuresNotRedrivable *int64 `json:"failuresNotRedrivable,omitzero"`
	PendingRedrive        *int64 `json:"pendingRedrive,omitzero"`
}

// ListMapRunsInput asks for a page of the map runs of an execution. MaxResults is the most that a page has, 100 where it is 0.
type ListMapRunsInput struct {
	ExecutionArn string  `json:"executionArn" check:"required,1..256"`
	MaxResults   int32   `json:"maxResults,omitzero" check:"0..1000"`
	NextToken    *string `json:"nextToken,omitzero" check:"1..1024"`
}

// ListMapRunsOutput is a page. NextToken asks for the next one; the last page has none.
type ListMapRunsOutput struct {
	MapRuns   []MapRunListItem `json:"mapRuns"`
	NextToken *string          `json:"nextToken,omitzero"`
}

// MapRunListItem is a map run in a list.
type MapRunListItem struct {
	ExecutionArn    string     `json:"executionArn"`
	MapRunArn       string     `json:"mapRunArn"`
	StateMachineArn string     `json:"stateMachineArn"`
	StartDate       Timestamp  `json:"startDate"`
	StopDate        *Timestamp `json:"stopDate,omitzero"`
}

// UpdateMapRunInput is what UpdateMapRun takes; what is absent stays as it is.
type UpdateMapRunInput struct {
	MapRunArn                  string   `json:"mapRunArn" check:"required,1..2000"`
	MaxConcurrency             *int32   `json:"maxConcurrency,omitzero" check:"0.."`
	ToleratedFailurePercentage *float32 `json:"toleratedFailurePercentage,omitzero" check:"0..100"`
	ToleratedFailureCount      *int64   `json:"toleratedFailureCount,omitzero" check:"0.."`
}

// UpdateMapRunOutput is empty.
type UpdateMapRunOutput struct{}
