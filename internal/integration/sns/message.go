package sns

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// message is what a task publishes.
type message struct {
	id         string
	task       integration.Task
	target     string // ARN of the topic or of the device, "" for a phone
	topic      string
	device     string
	phone      string
	text       string
	structure  string
	subject    string
	group      string
	dedup      string
	attributes []attribute
}

// attribute is a message attribute.
type attribute struct {
	name, kind string
	value      string
	binary     bool // value is base64
}

// Bounds of SNS.
const (
	maxMessage = 262144 // bytes
	maxSubject = 100    // characters
)

// members are the parameters of sns:publish and, where it must be a string,
// where it goes.
var members = map[string]func(*message) *string{
	"TopicArn":               func(m *message) *string { return &m.topic },
	"TargetArn":              func(m *message) *string { return &m.device },
	"PhoneNumber":            func(m *message) *string { return &m.phone },
	"MessageStructure":       func(m *message) *string { return &m.structure },
	"Subject":                func(m *message) *string { return &m.subject },
	"MessageGroupId":         func(m *message) *string { return &m.group },
	"MessageDeduplicationId": func(m *message) *string { return &m.dedup },
	"Message":                nil,
	"MessageAttributes":      nil,
}

// read takes a task as a message. The error is a failure without effect.
func read(t integration.Task) (*message, error) {
	parameters := t.Request.Decode()
	if parameters.Kind() != value.Object {
		return nil, integration.BadParameters(t, "The parameters are not an object")
	}
	m := &message{id: messageID(t), task: t}
	for name, v := range parameters.Members() {
		field, known := members[name]
		if !known {
			return nil, integration.BadParameters(t, "The field '"+name+"' is not supported by Step Functions")
		}
		if field == nil {
			continue
		}
		if v.Kind() != value.String {
			return nil, integration.BadParameters(t, invalid(name))
		}
		*field(m) = v.AsString()
	}
	if m.text = parameters.Get("Message").AsString(); m.text == "" && parameters.Get("Message").Kind() != value.String {
		m.text = parameters.Get("Message").Text().String()
	}
	if m.target = m.topic; m.target == "" {
		m.target = m.device
	}
	var ok bool
	if m.attributes, ok = attributes(parameters.Get("MessageAttributes")); !ok {
		return nil, integration.BadParameters(t, invalid("MessageAttributes"))
	}
	if problem := m.check(); problem != "" {
		return nil, refuse(http.StatusBadRequest, "InvalidParameter", "Invalid parameter: "+problem, integration.NewRequestID(), integration.EffectNone)
	}
	return m, nil
}

func invalid(field string) string {
	return "The value of the field '" + field + "' has an invalid format"
}

// messageID is the same for every send of a step: a message sent again is the
// same message.
func messageID(t integration.Task) string {
	sum := sha256.Sum256([]byte("sns " + t.StepID))
	return integration.UUID([16]byte(sum[:16]), 8)
}

// check tells what SNS would refuse, "" for nothing.
func (m *message) check() string {
	fifo := strings.HasSuffix(m.target, ".fifo")
	switch {
	case m.target == "" && m.phone == "":
		return "TopicArn or TargetArn Reason: no value for required parameter"
	case m.text == "":
		return "Empty message"
	case len(m.text) > maxMessage:
		return "Message too long"
	case utf8.RuneCountInString(m.subject) > maxSubject || strings.ContainsAny(m.subject, "\r\n"):
		return "Subject"
	case fifo && m.group == "":
		return "The MessageGroupId parameter is required for FIFO topics"
	}
	return ""
}

// attributes reads MessageAttributes, by name.
func attributes(given value.Value) ([]attribute, bool) {
	if given.IsAbsent() {
		return nil, true
	}
	if given.Kind() != value.Object {
		return nil, false
	}
	var all []attribute
	for name, v := range given.Members() {
		a := attribute{name: name, kind: v.Get("DataType").AsString()}
		content := v.Get("StringValue")
		if v.Has("BinaryValue") {
			a.binary, content = true, v.Get("BinaryValue")
		}
		if a.value = content.AsString(); content.Kind() != value.String {
			a.value = content.Text().String()
		}
		if a.kind == "" || content.IsAbsent() {
			return nil, false
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	return all, true
}

// received is the receipt that Backstep gives in SNS's place.
func (m *message) received() *receipt {
	r := &receipt{messageID: m.id, meta: integration.Metadata{Status: http.StatusOK, Header: http.Header{}}}
	r.meta.Header.Set("Content-Type", "text/xml")
	r.meta.Header.Set(integration.RequestIDHeader, integration.NewRequestID())
	return r
}
