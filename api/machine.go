package api

// StateMachineType says what is promised of executions: exactly once and with a history (STANDARD), or fast, short and at least once
// (EXPRESS).
type StateMachineType string

// The types of state machines.
const (
	StateMachineTypeStandard StateMachineType = "STANDARD"
	StateMachineTypeExpress  StateMachineType = "EXPRESS"
)

// Values lists the types in the order of the API.
func (StateMachineType) Values() []string { return []string{"STANDARD", "EXPRESS"} }

// StateMachineStatus says whether a state machine takes starts.
type StateMachineStatus string

// The statuses of state machines.
const (
	StateMachineStatusActive   StateMachineStatus = "ACTIVE"
	StateMachineStatusDeleting StateMachineStatus = "DELETING"
)

// Values lists the statuses in the order of the API.
func (StateMachineStatus) Values() []string { return []string{"ACTIVE", "DELETING"} }

// LogLevel says which events of an execution are logged.
type LogLevel string

// The levels of logging.
const (
	LogLevelAll   LogLevel = "ALL"
	LogLevelError LogLevel = "ERROR"
	LogLevelFatal LogLevel = "FATAL"
	LogLevelOff   LogLevel = "OFF"
)

// Values lists the levels in the order of the API.
func (LogLevel) Values() []string { return []string{"ALL", "ERROR", "FATAL", "OFF"} }

// EncryptionType says whose key encrypts what is stored.
type EncryptionType string

// The types of encryption.
const (
	EncryptionTypeAwsOwnedKey           EncryptionType = "AWS_OWNED_KEY"
	EncryptionTypeCustomerManagedKmsKey EncryptionType = "CUSTOMER_MANAGED_KMS_KEY"
)

// Values lists the types in the order of the API.
func (EncryptionType) Values() []string {
	return []string{"AWS_OWNED_KEY", "CUSTOMER_MANAGED_KMS_KEY"}
}

// IncludedData says whether an answer has everything, or only what needs no key of the customer.
type IncludedData string

// What may be included.
const (
	IncludedDataAllData      IncludedData = "ALL_DATA"
	IncludedDataMetadataOnly IncludedData = "METADATA_ONLY"
)

// Values lists what may be included in the order of the API.
func (IncludedData) Values() []string { return []string{"ALL_DATA", "METADATA_ONLY"} }

// LoggingConfiguration says which events of an execution are logged, and where to: to one destination at most.
type LoggingConfiguration struct {
	Level                LogLevel         `json:"level,omitzero"`
	IncludeExecutionData bool             `json:"includeExecutionData"`
	Destinations         []LogDestination `json:"destinations,omitzero"`
}

// LogDestination is where logs go.
type LogDestination struct {
	CloudWatchLogsLogGroup *CloudWatchLogsLogGroup `json:"cloudWatchLogsLogGroup,omitzero"`
}

// CloudWatchLogsLogGroup names a log group, ending in ":*".
type CloudWatchLogsLogGroup struct {
	LogGroupArn *string `json:"logGroupArn,omitzero" check:"1..256"`
}

// TracingConfiguration says whether executions are traced.
type TracingConfiguration struct {
	Enabled bool `json:"enabled"`
}

// EncryptionConfiguration says by which key what is stored is encrypted.
type EncryptionConfiguration struct {
	KmsKeyId                     *string        `json:"kmsKeyId,omitzero" check:"1..2048"`
	KmsDataKeyReusePeriodSeconds *int32         `json:"kmsDataKeyReusePeriodSeconds,omitzero" check:"60..900"`
	Type                         EncryptionType `json:"type" check:"required"`
}

// CreateStateMachineInput is what CreateStateMachine takes. Definition is the text of a machine in the States Language.
type CreateStateMachineInput struct {
	Name                    string                   `json:"name" check:"required,1..80"`
	Definition              string                   `json:"definition" check:"required,1..1048576,secret"`
	RoleArn                 string                   `json:"roleArn" check:"required,1..256"`
	Type                    StateMachineType         `json:"type,omitzero"` // STANDARD where it is absent
	LoggingConfiguration    *LoggingConfiguration    `json:"loggingConfiguration,omitzero"`
	Tags                    []Tag                    `json:"tags,omitzero"`
	TracingConfiguration    *TracingConfiguration    `json:"tracingConfiguration,omitzero"`
	Publish                 bool                     `json:"publish,omitzero"`
	VersionDescription      *string                  `json:"versionDescription,omitzero" check:"0..256,secret"`
	EncryptionConfiguration *EncryptionConfiguration `json:"encryptionConfiguration,omitzero"`
}

// CreateStateMachineOutput names the state machine, and the version if one was published.
type CreateStateMachineOutput struct {
	StateMachineArn        string    `json:"stateMachineArn"`
	CreationDate           Timestamp `json:"creationDate"`
	StateMachineVersionArn *string   `json:"stateMachineVersionArn,omitzero"`
}

// DescribeStateMachineInput is what DescribeStateMachine takes.
type DescribeStateMachineInput struct {
	StateMachineArn string       `json:"stateMachineArn" check:"required,1..256"`
	IncludedData    IncludedData `json:"includedData,omitzero"`
}

// DescribeStateMachineOutput is a state machine as it is now. RevisionId is absent, as on AWS, while it was never updated; Label is that of a
// distributed Map; VariableReferences lists the variables that each state reads.
type DescribeStateMachineOutput struct {
	StateMachineArn         string                   `json:"stateMachineArn"`
	Name                    string                   `json:"name"`
	Status                  StateMachineStatus       `json:"status,omitzero"`
	Definition              string                   `json:"definition"`
	RoleArn                 string                   `json:"roleArn"`
	Type                    StateMachineType         `json:"type"`
	CreationDate            Timestamp                `json:"creationDate"`
	LoggingConfiguration    *LoggingConfiguration    `json:"loggingConfiguration,omitzero"`
	TracingConfiguration    *TracingConfiguration    `json:"tracingConfiguration,omitzero"`
	Label                   *string                  `json:"label,omitzero"`
	RevisionId              *string                  `json:"revisionId,omitzero"`
	Description             *string                  `json:"description,omitzero"`
	EncryptionConfiguration *EncryptionConfiguration `json:"encryptionConfiguration,omitzero"`
	VariableReferences      map[string][]string      `json:"variableReferences,omitzero"`
}

// UpdateStateMachineInput is what UpdateStateMachine takes: what is absent stays as it is.
type UpdateStateMachineInput struct {
	StateMachineArn         string                   `json:"stateMachineArn" check:"required,1..256"`
	Definition              *string                  `json:"definition,omitzero" check:"1..1048576,secret"`
	RoleArn                 *string                  `json:"roleArn,omitzero" check:"1..256"`
	LoggingConfiguration    *LoggingConfiguration    `json:"loggingConfiguration,omitzero"`
	TracingConfiguration    *TracingConfiguration    `json:"tracingConfiguration,omitzero"`
	Publish                 bool                     `json:"publish,omitzero"`
	VersionDescription      *string                  `json:"versionDescription,omitzero" check:"0..256,secret"`
	EncryptionConfiguration *EncryptionConfiguration `json:"encryptionConfiguration,omitzero"`
}

// UpdateStateMachineOutput names the new revision, and the version if one was published.
type UpdateStateMachineOutput struct {
	UpdateDate             Timestamp `json:"updateDate"`
	RevisionId             *string   `json:"revisionId,omitzero"`
	StateMachineVersionArn *string   `json:"stateMachineVersionArn,omitzero"`
}

// DeleteStateMachineInput is what DeleteStateMachine takes.
type DeleteStateMachineInput struct {
	StateMachineArn string `json:"stateMachineArn" check:"required,1..256"`
}

// DeleteStateMachineOutput is empty.
type DeleteStateMachineOutput struct{}

// ListStateMachinesInput asks for a page of state machines. MaxResults is the most that a page has, 100 where it is 0.
type ListStateMachinesInput struct {
	MaxResults int32   `json:"maxResults,omitzero" check:"0..1000"`
	NextToken  *string `json:"nextToken,omitzero" check:"1..1024"`
}

// ListStateMachinesOutput is a page. NextToken asks for the next one; the last page has none.
type ListStateMachinesOutput struct {
	StateMachines []StateMachineListItem `json:"stateMachines"`
	NextToken     *string                `json:"nextToken,omitzero"`
}

// StateMachineListItem is a state machine in a list.
type StateMachineListItem struct {
	StateMachineArn string           `json:"stateMachineArn"`
	Name            string           `json:"name"`
	Type            StateMachineType `json:"type"`
	CreationDate    Timestamp        `json:"creationDate"`
}

// DescribeStateMachineForExecutionInput is what DescribeStateMachineForExecution takes.
type DescribeStateMachineForExecutionInput struct {
	ExecutionArn string       `json:"executionArn" check:"required,1..256"`
	IncludedData IncludedData `json:"includedData,omitzero"`
}

// DescribeStateMachineForExecutionOutput is the state machine as it was when the execution began. MapRunArn and Label are there for a child of
// a distributed Map.
type DescribeStateMachineForExecutionOutput struct {
	StateMachineArn         string                   `json:"stateMachineArn"`
	Name                    string                   `json:"name"`
	Definition              string                   `json:"definition"`
	RoleArn                 string                   `json:"roleArn"`
	UpdateDate              Timestamp                `json:"updateDate"`
	LoggingConfiguration    *LoggingConfiguration    `json:"loggingConfiguration,omitzero"`
	TracingConfiguration    *TracingConfiguration    `json:"tracingConfiguration,omitzero"`
	MapRunArn               *string                  `json:"mapRunArn,omitzero"`
	Label                   *string                  `json:"label,omitzero"`
	RevisionId              *string                  `json:"revisionId,omitzero"`
	EncryptionConfiguration *EncryptionConfiguration `json:"encryptionConfiguration,omitzero"`
	VariableReferences      map[string][]string      `json:"variableReferences,omitzero"`
}
