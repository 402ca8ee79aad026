package lambda

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// outcome is what a function answered.
type outcome struct {
	status  int
	header  http.Header // nil: Backstep answered in Lambda's place
	payload string
	failed  bool // the payload is the function's error
	cut     bool // the payload is longer than what of it stands here
	resent  bool // the request went out more than once
	logs    string
	unsent  *integration.Error // why the function never got the invocation
}

// result is the task's result, or its failure.
func (o *outcome) result(in *invocation) (value.Text, error) {
	if o.failed {
		return value.Text{}, o.functionError()
	}
	if o.cut || len(o.payload) > integration.MaxResult {
		return value.Text{}, integration.TooLarge(in.task)
	}
	payload := payloadText(o.payload)
	if in.task.Action == "" {
		return payload, nil
	}
	return o.described(in, payload), nil
}

// payloadText is a payload as JSON: as it is, or, where it is no JSON, as a
// string.
func payloadText(payload string) value.Text {
	if text, err := value.Check(payload); err == nil {
		return text
	}
	return value.NewString(strings.ToValidUTF8(payload, "\uFFFD")).Text()
}

// described is the result of lambda:invoke: the payload within what Lambda
// tells of the invocation. The payload's text goes in as it is.
func (o *outcome) described(in *invocation, payload value.Text) value.Text {
	version := o.header.Get("X-Amz-Executed-Version")
	if version == "" {
		version = in.function.qualifierOrLatest()
	}
	return put(func(text []byte) []byte {
		text = append(text, `{"ExecutedVersion":`...)
		text = value.AppendString(text, version)
		if o.logs != "" {
			text = append(text, `,"LogResult":`...)
			text = value.AppendString(text, o.logs)
		}
		text = append(text, `,"Payload":`...)
		text = append(append(text, payload.String()...), ',')
		if o.header == nil {
			text = standIn(text, o.status, in, len(o.payload))
		} else {
			text = integration.Metadata{Status: o.status, Header: o.header}.Append(text)
		}
		text = append(text, `,"StatusCode":`...)
		return append(strconv.AppendInt(text, int64(o.status), 10), '}')
	})
}

// loans are the memory that texts are put together in.
var loans = sync.Pool{New: func() any { return new([]byte) }}

// put is the text that write appends to what it is given, as JSON that needs no
// check.
func put(write func([]byte) []byte) value.Text {
	loan := loans.Get().(*[]byte)
	text := write((*loan)[:0])
	t := value.Checked(string(text))
	if cap(text) <= maxHead {
		*loan = text
	}
	loans.Put(loan)
	return t
}

// standIn adds what is told of an answer that Backstep gives in Lambda's place.
func standIn(text []byte, status int, in *invocation, length int) []byte {
	headers := [...]integration.Header{
		{Name: "Connection", Value: "keep-alive"},
		{Name: "Content-Length", Value: strconv.Itoa(length)},
		{Name: "Content-Type", Value: "application/json"},
		{Name: "Date", Value: time.Now().UTC().Format(http.TimeFormat)},
		{Name: "X-Amz-Executed-Version", Value: in.function.qualifierOrLatest()},
		{Name: integration.RequestIDHeader, Value: in.id},
		{Name: "X-Amzn-Trace-Id", Value: in.task.Trace},
	}
	told := headers[:]
	if in.task.Trace == "" {
		told = headers[:len(headers)-1]
	}
	return integration.AppendMetadata(text, status, told)
}

// functionError is the failure that a function's own error is: its type as the
// name, its payload as the cause.
func (o *outcome) functionError() *integration.Error {
	var name string
	if text, err := value.Check(o.payload); err == nil && !o.cut {
		name = text.Decode().Get("errorType").AsString()
	}
	if name == "" {
		return integration.NewError("Lambda.Unknown",
			"The cause could not be determined because Lambda did not return an error type. Returned payload: "+o.payload,
			integration.EffectUnknown)
	}
	effect := integration.EffectNamed
	if o.resent || slices.ContainsFunc(platformErrors, func(p string) bool { return strings.HasPrefix(name, p) }) {
		effect = integration.EffectUnknown
	}
	return integration.NewError(name, o.payload, effect)
}

// platformErrors begin the names of errors that no function chose.
var platformErrors = []string{"States.", "Lambda.", "Runtime.", "Sandbox.", "Function."}

// serviceError is a failure of the Invoke operation itself.
func serviceError(status int, code, message, id string, effect integration.Effect) *integration.Error {
	name := code
	if !slices.Contains(modelled, code) {
		name = "AWSLambdaException"
	}
	cause := integration.ServiceError{Service: "AWSLambda", Status: status, Code: code, Message: message, RequestID: id}.Cause()
	return integration.NewError("Lambda."+name, cause, effect)
}

// clientError is a failure of the way to the service.
func clientError(message string, effect integration.Effect) *integration.Error {
	return integration.NewError("Lambda.SdkClientException", message, effect)
}

// modelled are the errors of Invoke that have a name of their own; the others
// are an AWSLambdaException.
var modelled = []string{
	"EC2AccessDeniedException", "EC2ThrottledException", "EC2UnexpectedException", "EFSIOException",
	"EFSMountConnectivityException", "EFSMountFailureException", "EFSMountTimeoutException",
	"ENILimitReachedException", "InvalidParameterValueException", "InvalidRequestContentException",
	"InvalidRuntimeException", "InvalidSecurityGroupIDException", "InvalidSubnetIDException",
	"InvalidZipFileException", "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException",
	"KMSNotFoundException", "RecursiveInvocationException", "RequestTooLargeException",
	"ResourceConflictException", "ResourceNotFoundException", "ResourceNotReadyException", "ServiceException",
	"SnapStartException", "SnapStartNotReadyException", "SnapStartTimeoutException",
	"SubnetIPAddressLimitReachedException", "TooManyRequestsException", "UnsupportedMediaTypeException",
}

// codes are the errors that a status alone tells.
var codes = map[int]string{
	http.StatusBadRequest:            "InvalidRequestContentException",
	http.StatusNotFound:              "ResourceNotFoundException",
	http.StatusConflict:              "ResourceConflictException",
	http.StatusRequestEntityTooLarge: "RequestTooLargeException",
	http.StatusUnsupportedMediaType:  "UnsupportedMediaTypeException",
	http.StatusTooManyRequests:       "TooManyRequestsException",
	http.StatusInternalServerError:   "ServiceException",
	http.StatusBadGateway:            "ServiceException",
	http.StatusServiceUnavailable:    "ServiceException",
	http.StatusGatewayTimeout:        "ServiceException",
}
