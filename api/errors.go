package api

import (
	"errors"
	"fmt"
)

// Error is what a caller may see of a failure. Code is the exception's name in the API; Status is that of HTTP.
type Error struct {
	Code         string
	Message      string
	Reason       string // why, where Code is ValidationException and AWS has a word for it
	ResourceName string // which, where Code is ResourceNotFound or TooManyTags
	Status       int    // filled by the server's answer on the client's side; see [Error.HTTPStatus]
	RequestID    string // of the request that failed, on the client's side
}

// Error is the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// ErrorCode is Code, by the method that errors of AWS's own SDKs have, too.
func (e *Error) ErrorCode() string { return e.Code }

// HTTPStatus is Status, or what the API has for the code.
func (e *Error) HTTPStatus() int {
	if e.Status != 0 {
		return e.Status
	}
	return StatusOf(e.Code)
}

// Errorf makes an error of a code.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// CodeOf is the code of an [*Error] in err's chain, or "".
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// The exceptions of the API.
const (
	CodeActivityAlreadyExists          = "ActivityAlreadyExists"
	CodeActivityDoesNotExist           = "ActivityDoesNotExist"
	CodeActivityLimitExceeded          = "ActivityLimitExceeded"
	CodeActivityWorkerLimitExceeded    = "ActivityWorkerLimitExceeded"
	CodeConflict                       = "ConflictException"
	CodeExecutionAlreadyExists         = "ExecutionAlreadyExists"
	CodeExecutionDoesNotExist          = "ExecutionDoesNotExist"
	CodeExecutionLimitExceeded         = "ExecutionLimitExceeded"
	CodeExecutionNotRedrivable         = "ExecutionNotRedrivable"
	CodeInvalidArn                     = "InvalidArn"
	CodeInvalidDefinition              = "InvalidDefinition"
	CodeInvalidEncryptionConfiguration = "InvalidEncryptionConfiguration"
	CodeInvalidExecutionInput          = "InvalidExecutionInput"
	CodeInvalidLoggingConfiguration    = "InvalidLoggingConfiguration"
	CodeInvalidName                    = "InvalidName"
	CodeInvalidOutput                  = "InvalidOutput"
	CodeInvalidToken                   = "InvalidToken"
	CodeInvalidTracingConfiguration    = "InvalidTracingConfiguration"
	CodeKmsAccessDenied                = "KmsAccessDeniedException"
	CodeKmsInvalidState                = "KmsInvalidStateException"
	CodeKmsThrottling                  = "KmsThrottlingException"
	CodeMissingRequiredParameter       = "MissingRequiredParameter"
	CodeResourceNotFound               = "ResourceNotFound"
	CodeServiceQuotaExceeded           = "ServiceQuotaExceededException"
	CodeStateMachineAlreadyExists      = "StateMachineAlreadyExists"
	CodeStateMachineDeleting           = "StateMachineDeleting"
	CodeStateMachineDoesNotExist       = "StateMachineDoesNotExist"
	CodeStateMachineLimitExceeded      = "StateMachineLimitExceeded"
	CodeStateMachineTypeNotSupported   = "StateMachineTypeNotSupported"
	CodeTaskDoesNotExist               = "TaskDoesNotExist"
	CodeTaskTimedOut                   = "TaskTimedOut"
	CodeTooManyTags                    = "TooManyTags"
	CodeValidation                     = "ValidationException"
)

// CodeHoldDoesNotExist is an exception of our own operations.
const CodeHoldDoesNotExist = "HoldDoesNotExist"

// The errors of the front door, which any operation may answer.
const (
	CodeAccessDenied          = "AccessDeniedException"
	CodeInternalFailure       = "InternalFailure"
	CodeInvalidSignature      = "InvalidSignatureException"
	CodeMissingAuthentication = "MissingAuthenticationTokenException"
	CodeRequestTooLarge       = "RequestEntityTooLargeException"
	CodeSerialization         = "SerializationException"
	CodeServiceUnavailable    = "ServiceUnavailable"
	CodeThrottling            = "ThrottlingException"
	CodeUnknownOperation      = "UnknownOperationException"
)

// The reasons of a ValidationException.
const (
	ReasonLabeledArn             = "API_DOES_NOT_SUPPORT_LABELED_ARNS"
	ReasonMissingParameter       = "MISSING_REQUIRED_PARAMETER"
	ReasonMapRunCompleted        = "CANNOT_UPDATE_COMPLETED_MAP_RUN"
	ReasonInvalidRoutingSettings = "INVALID_ROUTING_CONFIGURATION"
)

// StatusOf is the HTTP status with which a code travels: 400 for nearly all.
func StatusOf(code string) int {
	switch code {
	case CodeServiceQuotaExceeded:
		return 402
	case CodeAccessDenied, CodeInvalidSignature, CodeMissingAuthentication:
		return 403
	case CodeConflict:
		return 409
	case CodeRequestTooLarge:
		return 413
	case CodeInternalFailure:
		return 500
	case CodeServiceUnavailable:
		return 503
	}
	return 400
}

// The errors below have AWS's own wording.

// InvalidArn says what is wrong with an ARN, as in "Invalid ARN prefix: x".
func InvalidArn(detail string) *Error { return Errorf(CodeInvalidArn, "Invalid Arn: '%s'", detail) }

// InvalidName refuses a name.
func InvalidName(name string) *Error { return Errorf(CodeInvalidName, "Invalid Name: '%s'", name) }

// InvalidDefinition says what is wrong with a definition, as in "SCHEMA_VALIDATION_FAILED: … at /States/X".
func InvalidDefinition(detail string) *Error {
	return Errorf(CodeInvalidDefinition, "Invalid State Machine Definition: '%s'", detail)
}

// InvalidExecutionInput says what is wrong with an input.
func InvalidExecutionInput(detail string) *Error {
	return Errorf(CodeInvalidExecutionInput, "Invalid State Machine Execution Input: '%s'", detail)
}

// InvalidOutput says what is wrong with an output.
func InvalidOutput(detail string) *Error {
	return Errorf(CodeInvalidOutput, "Invalid Output: '%s'", detail)
}

// InvalidToken says what is wrong with a token, of a task or of a page.
func InvalidToken(detail string) *Error {
	return Errorf(CodeInvalidToken, "Invalid Token: '%s'", detail)
}

// StateMachineDoesNotExist says that there is none of that ARN.
func StateMachineDoesNotExist(arn string) *Error {
	return Errorf(CodeStateMachineDoesNotExist, "State Machine Does Not Exist: '%s'", arn)
}

// StateMachineAlreadyExists says that the ARN is taken by another one.
func StateMachineAlreadyExists(arn string) *Error {
	return Errorf(CodeStateMachineAlreadyExists, "State Machine Already Exists: '%s'", arn)
}

// StateMachineDeleting says that the state machine is being deleted.
func StateMachineDeleting(arn string) *Error {
	return Errorf(CodeStateMachineDeleting, "State Machine Deleting: '%s'", arn)
}

// StateMachineTypeNotSupported says that the operation is not for that type.
func StateMachineTypeNotSupported() *Error {
	return Errorf(CodeStateMachineTypeNotSupported, "This operation is not supported by this type of state machine")
}

// ExecutionDoesNotExist says that there is none of that ARN.
func ExecutionDoesNotExist(arn string) *Error {
	return Errorf(CodeExecutionDoesNotExist, "Execution Does Not Exist: '%s'", arn)
}

// ExecutionAlreadyExists says that the ARN is taken by another one.
func ExecutionAlreadyExists(arn string) *Error {
	return Errorf(CodeExecutionAlreadyExists, "Execution Already Exists: '%s'", arn)
}

// ExecutionNotRedrivable says why an execution can't be redriven.
func ExecutionNotRedrivable(reason string) *Error {
	return Errorf(CodeExecutionNotRedrivable, "%s", reason)
}

// HoldDoesNotExist says that there is no such hold, or none any more, and what became of it.
func HoldDoesNotExist(what string) *Error {
	return Errorf(CodeHoldDoesNotExist, "Hold Does Not Exist: '%s'", what)
}

// ActivityDoesNotExist says that there is none of that ARN.
func ActivityDoesNotExist(arn string) *Error {
	return Errorf(CodeActivityDoesNotExist, "Activity Does Not Exist: '%s'", arn)
}

// TaskTimedOut says that the task of a token is over.
func TaskTimedOut() *Error {
	return Errorf(CodeTaskTimedOut, "Task Timed Out: 'Provided task does not exist anymore'")
}

// ResourceNotFound says that there is nothing of that ARN.
func ResourceNotFound(arn string) *Error {
	return &Error{Code: CodeResourceNotFound, Message: fmt.Sprintf("Resource not found: '%s'", arn), ResourceName: arn}
}

// ReferenceNotFound says that something which a request names does not exist: an alias, or a version in a routing.
func ReferenceNotFound(arn string) *Error {
	return &Error{Code: CodeResourceNotFound, Message: "Request references a resource that does not exist.", ResourceName: arn}
}

// InvalidRouting refuses the routing of an alias.
func InvalidRouting(format string, args ...any) *Error {
	e := Errorf(CodeValidation, format, args...)
	e.Reason = ReasonInvalidRoutingSettings
	return e
}

// Validation refuses what is well-formed and makes no sense.
func Validation(format string, args ...any) *Error { return Errorf(CodeValidation, format, args...) }
