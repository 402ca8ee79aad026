package aws

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// words are how an integration words a service's errors.
type words struct {
	sdk     bool
	prefix  string // of an error's name: "DynamoDb", "DynamoDB"
	service string // in a cause: "DynamoDb", "AmazonDynamoDBv2"
	base    string // the name of errors that have none of their own
}

// sdkWords is how the SDK's integrations word a service's errors.
func sdkWords(m *model) words {
	return words{sdk: true, prefix: m.Name, service: m.Name, base: m.Name + "Exception"}
}

// clientError is a failure of the way to the service.
func (w words) clientError(message string, effect integration.Effect) *integration.Error {
	return integration.NewError(w.prefix+".SdkClientException", message, effect)
}

// name is the name of a service's error.
func (w words) name(m *model, code string) string {
	for _, f := range m.Errors {
		if f.code() != code && f.Name != code {
			continue
		}
		if w.sdk {
			return w.prefix + "." + exceptionName(f.Name)
		}
		return w.prefix + "." + firstRaised(strings.TrimSuffix(strings.TrimSuffix(f.Name, "Fault"), "Exception")) + "Exception"
	}
	return w.prefix + "." + w.base
}

// toldNothing is the failure of a question beside the task's own call, of whose
// effect it tells no more than was known before.
func toldNothing(err error, known integration.Effect) error {
	var failed *integration.Error
	if !errors.As(err, &failed) {
		return err
	}
	return integration.NewError(failed.Name, failed.Cause, known)
}

// refused is an error as a service told it.
type refused struct {
	code     string // as the name is found by
	legacy   string // as causes tell it, where that is another
	message  string
	request  string
	extended string // S3's second id
}

// refusal is the failure of a call that was answered with an error.
func (c *call) refusal(a *integration.Answer) error {
	r := c.read(a)
	c.status, c.code = a.Status, r.code
	if r.message == "" {
		r.message = a.Reason
	}
	return integration.NewError(c.words.name(c.model, r.code), c.words.cause(r, a.Status), a.Effect())
}

// cause is an error in the words of the SDK's generation.
func (w words) cause(r refused, status int) string {
	if !w.sdk {
		return integration.ServiceError{
			Service: w.service, Status: status, Code: first(r.legacy, r.code, http.StatusText(status)), Message: r.message, RequestID: r.request,
		}.Cause()
	}
	cause := fmt.Sprintf("%s (Service: %s, Status Code: %d, Request ID: %s", r.message, w.service, status, r.request)
	if r.extended != "" {
		cause += ", Extended Request ID: " + r.extended
	}
	return cause + ")"
}

// read reads an error out of an answer, by the service's protocol.
func (c *call) read(a *integration.Answer) (r refused) {
	var id string
	if c.model.Protocol == "json" || c.model.Protocol == "rest-json" {
		r = jsonFailure(a)
	} else {
		r.code, r.message, id, r.extended = xmlFailure(a)
	}
	r.request = first(a.Header.Get(integration.RequestIDHeader), a.Header.Get("X-Amz-Request-Id"), id)
	r.extended = first(a.Header.Get("X-Amz-Id-2"), r.extended)
	if legacy, _, _ := strings.Cut(a.Header.Get("X-Amzn-Query-Error"), ";"); c.model.Compatible {
		r.legacy = legacy
	}
	if r.code == "" && c.model.ID == "S3" && a.Status == http.StatusNotFound {
		r.code = missing(c.operation)
	}
	return r
}

// missing is what S3's answer to a HEAD tells, which has no body to tell it.
func missing(o *operation) string {
	if o.Name == "HeadBucket" {
		return "NoSuchBucket"
	}
	return "NoSuchKey"
}

// jsonFailure reads a JSON service's error.
func jsonFailure(a *integration.Answer) refused {
	var told value.Value
	if text, err := value.Check(string(a.Body)); err == nil {
		told = text.Decode()
	}
	code := first(a.Header.Get("X-Amzn-Errortype"), told.Get("__type").AsString(), told.Get("code").AsString(), told.Get("Code").AsString())
	code, _, _ = strings.Cut(code, ":")
	return refused{
		code:    code[strings.LastIndexByte(code, '#')+1:],
		message: first(told.Get("message").AsString(), told.Get("Message").AsString(), told.Get("errorMessage").AsString()),
	}
}

// failsWithin reports whether an answer says that all is well and then tells an
// error, as S3 does where a long copy failed after it had begun to answer.
func (c *call) failsWithin(a *integration.Answer) bool {
	if c.model.Protocol != "rest-xml" || c.operation.Output.shape.payload() != nil && c.operation.Output.shape.payload().shape.Kind != structureKind {
		return false
	}
	root, err := parseXML(a.Body)
	return err == nil && root != nil && root.name == "Error"
}
