package prove

import (
	"slices"
	"strings"
	"unicode"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// call is what a Task, or a body of the saga extension, asks of the outside.
type call struct {
	resource *asl.Resource
	request  *asl.Template
	function string // of Lambda, its plain name; "" where it is computed
	target   string // two calls of one target do the same thing; "" where that is not known
}

func newCall(r *asl.Resource, request *asl.Template) call {
	c := call{resource: r, request: request}
	switch {
	case r.Kind == asl.LambdaARN:
		c.function = functionName(r.Text)
	case r.Service == "lambda":
		c.function = functionName(constant(request, "FunctionName"))
	}
	c.target = c.identity()
	return c
}

// functionName is the plain name of a function, of its ARN or of a name with a
// version.
func functionName(text string) string {
	if _, name, ok := strings.Cut(text, ":function:"); ok {
		text = name
	}
	name, _, _ := strings.Cut(text, ":")
	return name
}

// constant is the text that a member of a request holds, "" where it is
// computed or absent.
func constant(t *asl.Template, names ...string) string {
	for _, name := range names {
		if m := member(t, name); m != nil {
			return m.Constant.AsString()
		}
	}
	return ""
}

// member is a member of an object template, nil where there is none.
func member(t *asl.Template, name string) *asl.Template {
	if t == nil {
		return nil
	}
	for _, m := range t.Object {
		if m.Name == name {
			return m.Value
		}
	}
	if v := t.Constant.Get(name); !v.IsAbsent() {
		return &asl.Template{Constant: v}
	}
	return nil
}

// identity tells whom the call is for, and what it asks for where one
// participant does several things.
func (c *call) identity() string {
	switch r := c.resource; {
	case c.function != "":
		return "function " + c.function + c.words()
	case r.Service == "lambda":
		return ""
	case r.Kind == asl.Activity:
		return r.Text
	case r.Service == "http":
		if endpoint := constant(c.request, "ApiEndpoint"); endpoint != "" {
			return "http " + constant(c.request, "Method") + " " + endpoint
		}
		return ""
	case r.Kind == asl.NestedExecution || r.Kind == asl.CompensateChildren || c.request == nil:
		return ""
	}
	return c.resource.Text + " " + render(c.request)
}

// words are the texts that a function's payload holds whatever the data: by them a
// function that does several things is told which.
func (c *call) words() string {
	payload := c.request
	if c.resource.Kind != asl.LambdaARN {
		payload = member(c.request, "Payload")
	}
	if payload == nil {
		return ""
	}
	var all []string
	for _, m := range payload.Object {
		if m.Value.Constant.Kind() == value.String {
			all = append(all, m.Name+" "+m.Value.Constant.AsString())
		}
	}
	if payload.Constant.Kind() == value.Object {
		for name, v := range payload.Constant.Members() {
			if v.Kind() == value.String {
				all = append(all, name+" "+v.AsString())
			}
		}
	}
	slices.Sort(all)
	return " " + strings.Join(all, ", ")
}

// render is a template as text, so that equal ones have equal texts.
func render(t *asl.Template) string {
	switch {
	case t == nil:
		return ""
	case t.Path != nil:
		return t.Path.Text
	case t.Query != nil:
		return "{%" + t.Query.Text + "%}"
	case !t.Constant.IsAbsent():
		return t.Constant.Text().String()
	}
	var b strings.Builder
	for _, m := range t.Object {
		b.WriteString(m.Name + ":" + render(m.Value) + ";")
	}
	for _, item := range t.Array {
		b.WriteString(render(item) + ",")
	}
	return "(" + b.String() + ")"
}

// child is the state machine that a nested execution runs, "" where it is
// computed.
func (c *call) child() string {
	if c.resource.Kind != asl.NestedExecution {
		return ""
	}
	return constant(c.request, "StateMachineArn")
}

// awaits reports whether the call is done by somebody who has to tell of its
// end: a worker, or the holder of a token.
func (c *call) awaits() bool {
	return c.resource.Kind == asl.Activity || c.resource.Pattern == asl.WaitForTaskToken
}

// action is what is asked of a service, in lower case and without the service:
// "getitem" of dynamodb:getItem.
func (c *call) action() string {
	return strings.ToLower(c.resource.Action)
}

// readingVerbs begin the names of actions that change nothing.
var readingVerbs = []string{"get", "list", "describe", "query", "scan", "head", "batchget", "search", "lookup", "select", "detect", "analyze",
	"classify", "translate", "invokemodel", "converse", "predict", "recognize", "filter", "simulate", "test", "validate", "check", "estimate"}

// reads reports whether the resource itself tells that the call changes nothing.
func (c *call) reads() bool {
	switch r := c.resource; {
	case r.Kind != asl.Integration || r.Service == "lambda":
		return false
	case r.Service == "http":
		method := strings.ToUpper(constant(c.request, "Method"))
		return method == "GET" || method == "HEAD" || method == "OPTIONS"
	case r.Service == "apigateway":
		return strings.ToUpper(constant(c.request, "Method")) == "GET"
	case r.Service == "athena":
		return false // a query may be an INSERT
	}
	for _, verb := range readingVerbs {
		if strings.HasPrefix(c.action(), verb) {
			return true
		}
	}
	return false
}

// notifies reports whether the resource itself tells that somebody gets a
// message that nobody can take back.
func (c *call) notifies() bool {
	switch c.resource.Service {
	case "sns", "aws-sdk:sns":
		return c.action() == "publish" || c.action() == "publishbatch"
	case "aws-sdk:ses", "aws-sdk:sesv2", "aws-sdk:pinpoint", "aws-sdk:pinpointsmsvoicev2":
		return strings.HasPrefix(c.action(), "send")
	}
	return false
}

// words are a name's words in lower case: of "sns:NotifySuccess" sns, notify and
// success.
func words(name string) []string {
	var all []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			all = append(all, strings.ToLower(string(word)))
			word = word[:0]
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			continue
		case i > 0 && unicode.IsDigit(r) != unicode.IsDigit(runes[i-1]):
			flush()
		case unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]) && unicode.IsUpper(runes[i-1])):
			flush()
		}
		word = append(word, r)
	}
	flush()
	return all
}

// keyWords are in the names of members that see to it that a request is done
// once.
var keyWords = []string{"idempot", "dedup", "token", "requestid", "request_id", "executionid", "execution_id", "transactionid", "transaction_id"}

// keyed reports whether the request may carry a key by which its participant
// knows it again: whatever is passed on as a whole may, too.
func (c *call) keyed() bool {
	if c.request == nil {
		return true // the state's input
	}
	payload := c.request
	if c.resource.Service == "lambda" && c.resource.Kind != asl.LambdaARN {
		if payload = member(c.request, "Payload"); payload == nil {
			return false
		}
	}
	return carriesKey(payload)
}

func carriesKey(t *asl.Template) bool {
	switch {
	case t.Path != nil, t.Query != nil:
		return true // an expression alone: the whole of something
	case !t.Constant.IsAbsent():
		return t.Constant.Kind() == value.Object && hasKeyName(t.Constant.Names())
	}
	for _, m := range t.Object {
		if isKeyName(m.Name) || namesExecution(m.Value) || m.Value.Object != nil && carriesKey(m.Value) {
			return true
		}
	}
	return false
}

func hasKeyName(names []string) bool {
	for _, name := range names {
		if isKeyName(name) {
			return true
		}
	}
	return false
}

// isKeyName reports whether a member of that name may tell one request from
// another: an idempotency key, or the id of what the request is about.
func isKeyName(name string) bool {
	lower := strings.ToLower(name)
	for _, word := range keyWords {
		if strings.Contains(lower, word) {
			return true
		}
	}
	parts := words(name)
	return len(parts) > 0 && (parts[len(parts)-1] == "id" || parts[len(parts)-1] == "key" || parts[len(parts)-1] == "uuid")
}

// namesExecution reports whether an expression takes something of the execution
// or state that stays the same over retries.
func namesExecution(t *asl.Template) bool {
	text := render(t)
	return strings.Contains(text, "Execution.") || strings.Contains(text, "Task.Token") || strings.Contains(text, "Saga.StepId")
}
