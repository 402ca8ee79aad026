package lambda

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// invocation is one call of a function, as the definition asks for it.
type invocation struct {
	id       string // the request's id, where Backstep gives it
	task     integration.Task
	function function
	payload  string
	kind     string      // InvocationType: "", "RequestResponse", "Event", "DryRun"
	logTail  bool        // LogType: Tail
	client   value.Value // ClientContext, Absent: none
}

// function is a function's name, read.
type function struct {
	given     string // as the definition states it
	name      string
	qualifier string // version or alias, or ""
	arn       string // without qualifier
}

func (f function) qualifierOrLatest() string {
	if f.qualifier == "" {
		return "$LATEST"
	}
	return f.qualifier
}

// invoked is the ARN that the function is told it was invoked by.
func (f function) invoked() string {
	if f.qualifier == "" {
		return f.arn
	}
	return f.arn + ":" + f.qualifier
}

// read takes a task as an invocation. The error is a failure without effect.
func (h *Handler) read(t integration.Task) (*invocation, error) {
	in := &invocation{id: integration.NewRequestID(), task: t}
	if t.Action == "" {
		in.function = h.named(t.Resource)
		in.payload = t.Request.String()
		return in, nil
	}
	parameters, given := parametersOf(t.Request)
	if problem := check(parameters); problem != "" {
		return nil, integration.BadParameters(t, problem)
	}
	in.function = h.named(parameters.Get("FunctionName").AsString())
	if q := parameters.Get("Qualifier").AsString(); q != "" {
		in.function.qualifier = q
	}
	var ok bool
	if in.payload, ok = payload(given); !ok {
		return nil, serviceError(http.StatusBadRequest, "InvalidRequestContentException",
			"Could not parse request body into json: the Payload is a text that is no JSON", in.id, integration.EffectNone)
	}
	in.kind = parameters.Get("InvocationType").AsString()
	in.logTail = parameters.Get("LogType").AsString() == "Tail"
	if in.client, ok = clientContext(parameters.Get("ClientContext").AsString()); !ok {
		return nil, integration.BadParameters(t, invalid("ClientContext"))
	}
	return in, nil
}

// parametersOf reads the parameters of lambda:invoke, and the payload apart: its
// text goes on as it is.
func parametersOf(request value.Text) (parameters value.Value, payload value.Text) {
	if request.Kind() != value.Object {
		return request.Decode(), payload
	}
	b := value.NewBuilder(4)
	for name, text := range request.Members() {
		if name == "Payload" {
			payload = text
		} else {
			b.Set(name, text.Decode())
		}
	}
	return b.Object(), payload
}

// payload is what the function is given: {} where nothing is stated, or null. A
// string is taken as JSON itself, as the service does.
func payload(given value.Text) (text string, ok bool) {
	switch given.Kind() {
	case value.Absent, value.Null:
		return "{}", true
	case value.String:
		s := given.Decode().AsString()
		_, err := value.Check(s)
		return s, err == nil
	}
	return given.String(), true
}

var parameterNames = []string{"ClientContext", "FunctionName", "InvocationType", "LogType", "Qualifier"}

// check tells what is wrong with the parameters of lambda:invoke, "" for
// nothing.
func check(p value.Value) string {
	if p.Kind() != value.Object {
		return "The parameters are not an object"
	}
	for name, v := range p.Members() {
		if !slices.Contains(parameterNames, name) {
			return "The field '" + name + "' is not supported by Step Functions"
		}
		if v.Kind() != value.String {
			return invalid(name)
		}
	}
	if p.Get("FunctionName").AsString() == "" {
		return "The field 'FunctionName' is required but was missing"
	}
	switch p.Get("InvocationType").AsString() {
	case "", "RequestResponse", "Event", "DryRun":
	default:
		return invalid("InvocationType")
	}
	switch p.Get("LogType").AsString() {
	case "", "None", "Tail":
	default:
		return invalid("LogType")
	}
	return ""
}

func invalid(field string) string {
	return "The value of the field '" + field + "' has an invalid format"
}

// named reads a function's name: NAME, NAME:QUALIFIER, a partial ARN
// (ACCOUNT:function:NAME) or a whole one, each with or without qualifier.
func (h *Handler) named(given string) function {
	f := function{given: given, name: given}
	prefix := "arn:aws:lambda:" + h.region + ":" + h.account
	if before, after, ok := strings.Cut(given, ":function:"); ok {
		f.name = after
		if strings.HasPrefix(before, "arn:") {
			prefix = before
		} else if before != "" {
			prefix = "arn:aws:lambda:" + h.region + ":" + before
		}
	}
	f.name, f.qualifier, _ = strings.Cut(f.name, ":")
	f.arn = prefix + ":function:" + f.name
	return f
}

// functionName is the name alone.
func functionName(given string) string {
	if _, after, ok := strings.Cut(given, ":function:"); ok {
		given = after
	}
	name, _, _ := strings.Cut(given, ":")
	return name
}

// clientContext reads a definition's ClientContext: an object as JSON in
// base64.
func clientContext(given string) (value.Value, bool) {
	if given == "" {
		return value.Value{}, true
	}
	raw, err := base64.StdEncoding.DecodeString(given)
	if err != nil {
		return value.Value{}, false
	}
	text, err := value.Check(string(raw))
	if err != nil {
		return value.Value{}, false
	}
	v := text.Decode()
	return v, v.Kind() == value.Object
}

// maxClientContext is Lambda's bound on a client context in base64.
const maxClientContext = 3583

// clientContext is what the function gets as its client context, as JSON in
// ASCII, "" for none: what the definition gives and, in "custom", what
// participants are told. What the definition sets wins.
func (in *invocation) clientContext(strict bool) string {
	if strict {
		return ascii(in.client.Text().String())
	}
	merged := `{"custom":` + in.told() + `}`
	if !in.client.IsAbsent() {
		all := value.Checked(in.told()).Decode()
		for name, v := range in.client.Get("custom").Members() {
			all = all.With(name, v)
		}
		merged = ascii(in.client.With("custom", all).Text().String())
	}
	if base64.StdEncoding.EncodedLen(len(merged)) > maxClientContext {
		return ascii(in.client.Text().String())
	}
	return merged
}

// told is what participants are told, as the text of an object. It is ASCII.
func (in *invocation) told() string {
	return put(func(text []byte) []byte {
		text = append(text, '{')
		for i, h := range in.task.Headers() {
			if i > 0 {
				text = append(text, ',')
			}
			text = append(value.AppendString(text, h.Name), ':')
			text = value.AppendString(text, h.Value)
		}
		return append(text, '}')
	}).String()
}

// ascii is JSON text with everything beyond ASCII escaped, fit for a header.
func ascii(text string) string {
	var out strings.Builder
	for i, r := range text {
		if r < 0x80 {
			out.WriteByte(text[i])
			continue
		}
		if hi, lo := utf16.EncodeRune(r); hi != '\uFFFD' {
			out.WriteString(`\u` + strconv.FormatInt(int64(hi), 16) + `\u` + strconv.FormatInt(int64(lo), 16))
			continue
		}
		hex := strconv.FormatInt(int64(r), 16)
		out.WriteString(`\u` + "0000"[len(hex):] + hex)
	}
	return out.String()
}
