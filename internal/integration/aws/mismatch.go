package aws

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// Mismatch tells in the service's words how a result differs from what AWS
// answers to an action, "" where it does not, or where no description of AWS's
// knows the action. Whole says that nothing may be missing that AWS always
// answers; members that AWS does not know are let by. What a callback task ends
// with is its worker's; a job that is waited for ends with the last answer to the
// call that asks for it.
func (h *Handlers) Mismatch(service, action string, p integration.Pattern, result value.Value, whole bool) (string, error) {
	a, style, described := resulting(service, action, p)
	if !described {
		return "", nil
	}
	_, o, err := h.client.catalog.operation(a.model, a.operation)
	if err != nil || o == nil {
		return "", err
	}
	if result.Kind() != value.Object {
		return "Mocked result must be a JSON object.", nil
	}
	c := &comparison{style: style, whole: whole, texts: p == integration.Sync2}
	if style == optimisedStyle {
		c.body = o.Output.shape.payload()
	}
	if problem := c.compare(result, &o.Output, ""); problem != "" {
		return "Mock result schema validation error: " + problem, nil
	}
	return "", nil
}

// elsewhere are the optimised integrations of other rooms.
var elsewhere = map[string]action{
	"lambda:invoke":         {model: "lambda", operation: "invoke"},
	"sns:publish":           {model: "sns", operation: "publish"},
	"states:startExecution": {model: "sfn", operation: "startExecution"},
}

// resulting is the operation whose answer is the result of a task.
func resulting(of, name string, p integration.Pattern) (action, style, bool) {
	if sdk, is := strings.CutPrefix(of, sdkPrefix); is {
		return action{model: sdk, operation: name}, sdkStyle, p == integration.RequestResponse
	}
	a, known := elsewhere[of+":"+name]
	if i := slices.IndexFunc(optimisedServices, func(s service) bool { return s.name == of }); !known && i >= 0 {
		a, known = optimisedServices[i].actions[name]
	}
	switch p {
	case integration.WaitForTaskToken:
		known = false
	case integration.Sync, integration.Sync2:
		if a.operation = jobs[of+":"+name].describe; of == "states" {
			a.operation = "describeExecution"
		}
		known = known && a.operation != ""
	}
	return a, optimisedStyle, known
}

// comparison holds a value against a description.
type comparison struct {
	style style
	whole bool
	texts bool    // texts that hold JSON may be that JSON itself
	body  *member // which is JSON itself
}

// kinds are what the kinds of shapes are in JSON.
var kinds = map[kind]value.Kind{
	structureKind: value.Object, mapKind: value.Object, listKind: value.Array, numberKind: value.Number, booleanKind: value.Bool,
	stringKind: value.String, blobKind: value.String, timestampKind: value.String,
}

// compare tells what is wrong with a value, "" where nothing is. The name is
// that of the field it stands in.
func (c *comparison) compare(v value.Value, m *member, name string) string {
	s := m.shape
	switch k := kinds[s.Kind]; {
	case s.Kind == structureKind && len(s.Members) == 0:
		return "" // or a document, which is anything
	case v.Kind() != k && (k == value.Array || k == value.Object):
		return "Field '" + name + "' must be an " + k.String()
	case v.Kind() != k:
		return "Field '" + name + "' must be a " + k.String()
	}
	switch s.Kind {
	case structureKind:
		return c.structure(v, s)
	case listKind:
		for _, each := range v.Items() {
			if problem := c.compare(each, s.Item, name); problem != "" {
				return problem
			}
		}
		return s.length(v.Len(), name)
	case mapKind:
		for _, each := range v.Members() {
			if problem := c.compare(each, s.Value, name); problem != "" {
				return problem
			}
		}
		return s.length(v.Len(), name)
	case stringKind, blobKind:
		if s.Words != nil && !slices.Contains(s.Words, v.AsString()) {
			return "Field '" + name + "' is not an expected value"
		}
		return s.length(utf8.RuneCountInString(v.AsString()), name)
	case numberKind:
		switch n := v.AsFloat(); {
		case s.Least != nil && n < *s.Least:
			return "Field '" + name + "' is less than the minimum value"
		case s.Most != nil && n > *s.Most:
			return "Field '" + name + "' exceeds the maximum value"
		}
	}
	return ""
}

// length tells that a length is out of bounds.
func (s *shape) length(n int, name string) string {
	switch {
	case s.Least != nil && float64(n) < *s.Least:
		return "Field '" + name + "' is smaller than the minimum length"
	case s.Most != nil && float64(n) > *s.Most:
		return "Field '" + name + "' exceeds the maximum length"
	}
	return ""
}

func (c *comparison) structure(v value.Value, s *shape) string {
	if c.whole {
		for _, required := range s.Required {
			if name := c.style.name(s.find(required)); v.Get(name).IsAbsent() {
				return "Required field '" + name + "' is missing"
			}
		}
	}
	for name, each := range v.Members() {
		i := slices.IndexFunc(s.Members, func(m member) bool { return c.style.name(&m) == name })
		if i < 0 || &s.Members[i] == c.body || c.texts && (name == "Input" || name == "Output") {
			continue
		}
		if problem := c.compare(each, &s.Members[i], name); problem != "" {
			return problem
		}
	}
	return ""
}
