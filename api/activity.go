package api

// CreateActivityInput is what CreateActivity takes.
type CreateActivityInput struct {
	Name                    string                   `json:"name" check:"required,1..80"`
	Tags                    []Tag                    `json:"tags,omitzero"`
	EncryptionConfiguration *EncryptionConfiguration `json:"encryptionConfiguration,omitzero"`
}

// CreateActivityOutput names the activity.
type CreateActivityOutput struct {
	ActivityArn  string    `json:"activityArn"`
	CreationDate Timestamp `json:"creationDate"`
}

// DescribeActivityInput is what DescribeActivity takes.
type DescribeActivityInput struct {
	ActivityArn string `json:"activityArn" check:"required,1..256"`
}

// DescribeActivityOutput is an activity.
type DescribeActivityOutput struct {
	ActivityArn             string                   `json:"activityArn"`
	Name                    string                   `json:"name"`
	CreationDate            Timestamp                `json:"creationDate"`
	EncryptionConfiguration *EncryptionConfiguration `json:"encryptionConfiguration,omitzero"`
}

// DeleteActivityInput is what DeleteActivity takes.
type DeleteActivityInput struct {
	ActivityArn string `json:"activityArn" check:"required,1..256"`
}

// DeleteActivityOutput is empty.
type DeleteActivityOutput struct{}

// ListActivitiesInput asks for a page of activities. MaxResults is the most that a page has, 100 where it is 0.
type ListActivitiesInput struct {
	MaxResults int32   `json:"maxResults,omitzero" check:"0..1000"`
	NextToken  *string `json:"nextToken,omitzero" check:"1..1024"`
}

// ListActivitiesOutput is a page. NextToken asks for the next one; the last page has none.
type ListActivitiesOutput struct {
	Activities []ActivityListItem `json:"activities"`
	NextToken  *string            `json:"nextToken,omitzero"`
}

// ActivityListItem is an activity in a list.
type ActivityListItem struct {
	ActivityArn  string    `json:"activityArn"`
	Name         string    `json:"name"`
	CreationDate Timestamp `json:"creationDate"`
}

// GetActivityTaskInput asks for work. The worker's name appears in the history as the one who took the task.
type GetActivityTaskInput struct {
	ActivityArn string  `json:"activityArn" check:"required,1..256"`
	WorkerName  *string `json:"workerName,omitzero" check:"1..80"`
}

// GetActivityTaskOutput is a task: its token, by which it is completed, and its input, a JSON text. Both are absent when there was no work.
type GetActivityTaskOutput struct {
	TaskToken *string `json:"taskToken,omitzero"`
	Input     *string `json:"input,omitzero"`
}

// SendTaskSuccessInput is what SendTaskSuccess takes. Output is a JSON text of at most 262,144 bytes.
type SendTaskSuccessInput struct {
	TaskToken string `json:"taskToken" check:"required,1..2048"`
	Output    string `json:"output" check:"required,0..262144,secret"`
}

// SendTaskSuccessOutput is empty.
type SendTaskSuccessOutput struct{}

// SendTaskFailureInput is what SendTaskFailure takes: the error's name, which Retry and Catch match, and what a person should know.
type SendTaskFailureInput struct {
	TaskToken string  `json:"taskToken" check:"required,1..2048"`
	Error     *string `json:"error,omitzero" check:"0..256,secret"`
	Cause     *string `json:"cause,omitzero" check:"0..32768,secret"`
}

// SendTaskFailureOutput is empty.
type SendTaskFailureOutput struct{}

// SendTaskHeartbeatInput is what SendTaskHeartbeat takes.
type SendTaskHeartbeatInput struct {
	TaskToken string `json:"taskToken" check:"required,1..2048"`
}

// SendTaskHeartbeatOutput is empty.
type SendTaskHeartbeatOutput struct{}
