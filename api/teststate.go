package api

// InspectionLevel says how much TestState tells.
type InspectionLevel string

// The inspection levels: the outcome; the data at each stage, too; and what an HTTP task sends and gets.
const (
	InspectionLevelInfo  InspectionLevel = "INFO"
	InspectionLevelDebug InspectionLevel = "DEBUG"
	InspectionLevelTrace InspectionLevel = "TRACE"
)

// Values lists the levels in the order of the API.
func (InspectionLevel) Values() []string { return []string{"INFO", "DEBUG", "TRACE"} }

// MockResponseValidationMode says how a mocked result is held against what the API that the task calls would answer.
type MockResponseValidationMode string

// The modes: required members and types, the types of what is there, nothing.
const (
	MockResponseValidationModeStrict  MockResponseValidationMode = "STRICT"
	MockResponseValidationModePresent MockResponseValidationMode = "PRESENT"
	MockResponseValidationModeNone    MockResponseValidationMode = "NONE"
)

// Values lists the modes in the order of the API.
func (MockResponseValidationMode) Values() []string { return []string{"STRICT", "PRESENT", "NONE"} }

// TestExecutionStatus says what came of a state that was tried out.
type TestExecutionStatus string

// The statuses of tests.
const (
	TestExecutionStatusSucceeded   TestExecutionStatus = "SUCCEEDED"
	TestExecutionStatusFailed      TestExecutionStatus = "FAILED"
	TestExecutionStatusRetriable   TestExecutionStatus = "RETRIABLE"
	TestExecutionStatusCaughtError TestExecutionStatus = "CAUGHT_ERROR"
)

// Values lists the statuses in the order of the API.
func (TestExecutionStatus) Values() []string {
	return []string{"SUCCEEDED", "FAILED", "RETRIABLE", "CAUGHT_ERROR"}
}

// TestStateInput is what TestState takes. Definition is a state, or a state machine with the name of one of its states. Input, Variables and
// Context are JSON texts; the last two are objects.
type TestStateInput struct {
	Definition         string                  `json:"definition" check:"required,1..1048576,secret"`
	RoleArn            *string                 `json:"roleArn,omitzero" check:"1..256"`
	Input              *string                 `json:"input,omitzero" check:"0..262144,secret"`
	InspectionLevel    InspectionLevel         `json:"inspectionLevel,omitzero"`
	RevealSecrets      bool                    `json:"revealSecrets,omitzero"`
	Variables          *string                 `json:"variables,omitzero" check:"0..262144,secret"`
	StateName          *string                 `json:"stateName,omitzero" check:"1..80"`
	Mock               *MockInput              `json:"mock,omitzero"`
	Context            *string                 `json:"context,omitzero" check:"0..262144,secret"`
	StateConfiguration *TestStateConfiguration `json:"stateConfiguration,omitzero"`
}

// MockInput stands for the work of a state: a result, which is a JSON text, or an error. The result is held against what AWS answers: STRICT,
// which is the default, wants all that is always there; PRESENT looks at what is there; NONE at nothing.
type MockInput struct {
	Result              *string                    `json:"result,omitzero" check:"0..262144,secret"`
	ErrorOutput         *MockErrorOutput           `json:"errorOutput,omitzero"`
	FieldValidationMode MockResponseValidationMode `json:"fieldValidationMode,omitzero"`
}

// MockErrorOutput is a mocked error.
type MockErrorOutput struct {
	Error *string `json:"error,omitzero" check:"0..256,secret"`
	Cause *string `json:"cause,omitzero" check:"0..32768,secret"`
}

// TestStateConfiguration is how things stand when the state is tried out: how often its retrier has retried, the state within a Parallel or Map
// that caused the error, how many of a Map's iterations failed, and what its ItemReader has read, as it stands
// in its source.
type TestStateConfiguration struct {
	RetrierRetryCount        *int32  `json:"retrierRetryCount,omitzero" check:"0.."`
	ErrorCausedByState       *string `json:"errorCausedByState,omitzero" check:"1..80"`
	MapIterationFailureCount *int32  `json:"mapIterationFailureCount,omitzero" check:"0.."`
	MapItemReaderData        *string `json:"mapItemReaderData,omitzero" check:"0..262144,secret"`
}

// TestStateOutput is what came of the test. Output is there with SUCCEEDED and CAUGHT_ERROR, Error and Cause with all others than SUCCEEDED.
type TestStateOutput struct {
	Output         *string             `json:"output,omitzero"`
	Error          *string             `json:"error,omitzero"`
	Cause          *string             `json:"cause,omitzero"`
	InspectionData *InspectionData     `json:"inspectionData,omitzero"`
	NextState      *string             `json:"nextState,omitzero"`
	Status         TestExecutionStatus `json:"status,omitzero"`
}

// InspectionData is the data at each stage of the state that it has passed, as JSON texts.
type InspectionData struct {
	Input                      *string                 `json:"input,omitzero"`
	AfterArguments             *string                 `json:"afterArguments,omitzero"`
	AfterInputPath             *string                 `json:"afterInputPath,omitzero"`
	AfterParameters            *string                 `json:"afterParameters,omitzero"`
	Result                     *string                 `json:"result,omitzero"`
	AfterResultSelector        *string                 `json:"afterResultSelector,omitzero"`
	AfterResultPath            *string                 `json:"afterResultPath,omitzero"`
	Request                    *InspectionDataRequest  `json:"request,omitzero"`
	Response                   *InspectionDataResponse `json:"response,omitzero"`
	Variables                  *string                 `json:"variables,omitzero"`
	ErrorDetails               *InspectionErrorDetails `json:"errorDetails,omitzero"`
	AfterItemsPath             *string                 `json:"afterItemsPath,omitzero"`
	AfterItemSelector          *string                 `json:"afterItemSelector,omitzero"`
	AfterItemBatcher           *string                 `json:"afterItemBatcher,omitzero"`
	AfterItemsPointer          *string                 `json:"afterItemsPointer,omitzero"`
	ToleratedFailureCount      *int32                  `json:"toleratedFailureCount,omitzero"`
	ToleratedFailurePercentage *float32                `json:"toleratedFailurePercentage,omitzero"`
	MaxConcurrency             *int32                  `json:"maxConcurrency,omitzero"`
}

// InspectionDataRequest is what an HTTP task sent.
type InspectionDataRequest struct {
	Protocol *string `json:"protocol,omitzero"`
	Method   *string `json:"method,omitzero"`
	Url      *string `json:"url,omitzero"`
	Headers  *string `json:"headers,omitzero"`
	Body     *string `json:"body,omitzero"`
}

// InspectionDataResponse is what an HTTP task got.
type InspectionDataResponse struct {
	Protocol      *string `json:"protocol,omitzero"`
	StatusCode    *string `json:"statusCode,omitzero"`
	StatusMessage *string `json:"statusMessage,omitzero"`
	Headers       *string `json:"headers,omitzero"`
	Body          *string `json:"body,omitzero"`
}

// InspectionErrorDetails says which catcher or retrier took the error, and how long the retrier waits.
type InspectionErrorDetails struct {
	CatchIndex                  *int32 `json:"catchIndex,omitzero"`
	RetryIndex                  *int32 `json:"retryIndex,omitzero"`
	RetryBackoffIntervalSeconds *int32 `json:"retryBackoffIntervalSeconds,omitzero"`
}
