package sns

import (
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/integration"
)

// The SNS query protocol, as far as Publish needs it.

type publishResponse struct {
	MessageID string `xml:"PublishResult>MessageId"`
	Sequence  string `xml:"PublishResult>SequenceNumber"`
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

type errorResponse struct {
	Code      string `xml:"Error>Code"`
	Message   string `xml:"Error>Message"`
	RequestID string `xml:"RequestId"`
}

// publish publishes a message to the endpoint.
func (h *Handler) publish(ctx context.Context, m *message) (*receipt, error) {
	form := h.form(m).Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(h.endpoint, "/")+"/", strings.NewReader(form))
	if err != nil {
		return nil, integration.NewError("SNS.SdkClientException", "Unable to send the request: the endpoint's address is not valid", integration.EffectNone)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if h.signer != nil {
		if err := h.signer.Sign(request, []byte(form), "sns"); err != nil {
			return nil, integration.NewError("SNS.SdkClientException", "Unable to sign the request: "+err.Error(), integration.EffectNone)
		}
	}
	answer, err := h.client.Exchange(request, maxReply)
	if err != nil {
		return nil, err
	}
	if answer.Status != http.StatusOK {
		return nil, refusal(answer)
	}
	return accepted(answer)
}

func accepted(answer *integration.Answer) (*receipt, error) {
	var told publishResponse
	if err := xml.Unmarshal(answer.Body, &told); err != nil || told.MessageID == "" {
		return nil, integration.NewError("SNS.SdkClientException", "Unable to read the endpoint's answer", integration.EffectUnknown)
	}
	r := &receipt{messageID: told.MessageID, sequence: told.Sequence, meta: integration.Metadata{Status: answer.Status, Header: answer.Header}}
	if r.meta.RequestID() == "" {
		r.meta.Header.Set(integration.RequestIDHeader, told.RequestID)
	}
	return r, nil
}

func refusal(answer *integration.Answer) error {
	var told errorResponse
	if err := xml.Unmarshal(answer.Body, &told); err != nil || told.Code == "" {
		told = errorResponse{Code: webhookCode(answer.Status), Message: http.StatusText(answer.Status)}
	}
	if told.RequestID == "" {
		told.RequestID = answer.Header.Get(integration.RequestIDHeader)
	}
	return refuse(answer.Status, told.Code, told.Message, told.RequestID, answer.Effect())
}

// form is the message as the protocol words it. What receivers are told goes
// along as attributes, as far as SNS takes them: an attribute that the
// definition sets wins.
func (h *Handler) form(m *message) url.Values {
	form := url.Values{"Action": {"Publish"}, "Version": {"2010-03-31"}, "Message": {m.text}}
	set := func(name, v string) {
		if v != "" {
			form.Set(name, v)
		}
	}
	set("TopicArn", m.topic)
	set("TargetArn", m.device)
	set("PhoneNumber", m.phone)
	set("Subject", m.subject)
	set("MessageStructure", m.structure)
	set("MessageGroupId", m.group)
	set("MessageDeduplicationId", m.dedup)
	for i, a := range h.described(m) {
		entry := "MessageAttributes.entry." + strconv.Itoa(i+1) + "."
		form.Set(entry+"Name", a.name)
		form.Set(entry+"Value.DataType", a.kind)
		if a.binary {
			form.Set(entry+"Value.BinaryValue", a.value)
		} else {
			form.Set(entry+"Value.StringValue", a.value)
		}
	}
	return form
}

// described is the message's attributes with what receivers are told.
func (h *Handler) described(m *message) []attribute {
	if h.strict {
		return m.attributes
	}
	all := slices.Clone(m.attributes)
	for _, header := range m.task.Headers() {
		if !slices.ContainsFunc(all, func(a attribute) bool { return a.name == header.Name }) {
			all = append(all, attribute{name: header.Name, kind: "String", value: header.Value})
		}
	}
	return all
}
