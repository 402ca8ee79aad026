package graph

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// How many characters of a text are kept at most. No name of a valid state is cut.
const (
	maxName    = 4 * asl.MaxNameLength // bytes of a valid one at most; an outline may have longer ones
	maxTitle   = 120
	maxComment = 400
	maxDetail  = 120
	maxLabel   = 160
)

// clip is a text of one line of at most so many characters. It reads no more of it
// than that takes.
func clip(s string, most int) string {
	var b strings.Builder
	n, blank := 0, false
	for i, r := range s {
		if r == ' ' || r == '\t' || r == '\n' || r == '\r' {
			if i > 16*most { // a text of blanks
				return b.String() + "…"
			}
			blank = n > 0
			continue
		}
		if blank {
			b.WriteByte(' ')
			n, blank = n+1, false
		}
		if n >= most-1 && i+utf8.RuneLen(r) < len(s) {
			return b.String() + "…"
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// joined are as many texts as are shown.
func joined(all []string, by string) string {
	var b strings.Builder
	for i, s := range all {
		if i > 0 {
			b.WriteString(by)
		}
		if b.Len() > 4*maxLabel {
			break
		}
		b.WriteString(clip(s, maxLabel))
	}
	return b.String()
}

// detailOf is a state's type and what does it.
func detailOf(s *asl.State) string {
	words := []string{clip(string(s.Type), maxDetail/2)}
	switch {
	case s.Task != nil:
		words = append(words, resourceOf(s.Task.Resource))
	case s.Wait != nil:
		words = append(words, waitOf(s.Wait))
	case s.Fail != nil && s.Fail.Error.Literal != nil:
		words = append(words, clip(*s.Fail.Error.Literal, maxDetail/2))
	case s.Map != nil && s.Map.Distributed:
		words = append(words, "distributed")
	case s.Saga != nil && s.Saga.Recovery != asl.Backward:
		words = append(words, s.Saga.Recovery)
	}
	if s.Step != nil {
		if s.Step.Pivot {
			words = append(words, "pivot")
		}
		if s.Step.SavePoint {
			words = append(words, "save point")
		}
		if s.Step.Confirm != nil {
			words = append(words, "confirmed")
		}
	}
	return strings.Join(words, " · ")
}

// resourceOf is what does a task, as short as people say it.
func resourceOf(r asl.Resource) string {
	last := r.Text[strings.LastIndexByte(r.Text, ':')+1:]
	switch r.Kind {
	case asl.Activity:
		return "activity " + last
	case asl.LambdaARN:
		return functionOf(r.Text)
	}
	how := ""
	switch r.Pattern {
	case asl.Sync, asl.Sync2:
		how = ", waits"
	case asl.WaitForTaskToken:
		how = ", called back"
	}
	if r.Action == "" {
		return last + how
	}
	return r.Service + ":" + r.Action + how
}

// functionOf is the name in a function's ARN.
func functionOf(arn string) string {
	if _, name, ok := strings.Cut(arn, ":function:"); ok {
		return name
	}
	return arn
}

// calledBy is what a compensation calls: a function by its name.
func calledBy(r asl.Resource, parameters *asl.Template) string {
	if r.Kind == asl.Integration && r.Service == "lambda" && parameters != nil {
		if name := constant(parameters, "FunctionName"); name != "" {
			return clip(functionOf(name), maxDetail/2)
		}
	}
	return clip(resourceOf(r), maxDetail/2)
}

// constant is a member of a template that is a text without expressions, else "".
func constant(t *asl.Template, name string) string {
	if t.Constant.Kind() == value.Object {
		return t.Constant.Get(name).AsString()
	}
	for _, m := range t.Object {
		if m.Name == name && m.Value.Constant.Kind() == value.String {
			return m.Value.Constant.AsString()
		}
	}
	return ""
}

// waitOf is how long a Wait waits.
func waitOf(w *asl.WaitFields) string {
	switch {
	case w.Seconds.Literal != nil:
		return fmt.Sprintf("%g s", *w.Seconds.Literal)
	case w.Timestamp.Literal != nil:
		return "until " + clip(*w.Timestamp.Literal, maxDetail/2)
	}
	return "as computed"
}

// ruleOf is a rule of a Choice, cut short.
func ruleOf(r asl.Rule) string {
	if r.Query != nil {
		return clip(r.Query.Text, maxLabel)
	}
	var b strings.Builder
	conditionOf(&b, r.Condition, false)
	return clip(b.String(), maxLabel)
}

// conditionOf writes a condition until that is more than will be shown.
func conditionOf(b *strings.Builder, c *asl.Condition, within bool) {
	if c == nil || b.Len() > 4*maxLabel {
		return
	}
	several := func(all []*asl.Condition, by string) {
		if within && len(all) > 1 {
			b.WriteByte('(')
			defer b.WriteByte(')')
		}
		for i, one := range all {
			if i > 0 {
				b.WriteString(by)
			}
			conditionOf(b, one, true)
			if b.Len() > 4*maxLabel {
				return
			}
		}
	}
	switch {
	case c.And != nil:
		several(c.And, " and ")
	case c.Or != nil:
		several(c.Or, " or ")
	case c.Not != nil:
		b.WriteString("not ")
		conditionOf(b, c.Not, true)
	case c.Variable != nil:
		b.WriteString(clip(c.Variable.String(), maxLabel))
		testOf(b, c.Test)
	}
}

// testOf writes a comparison behind what is compared.
func testOf(b *strings.Builder, t asl.Test) {
	if what, is := strings.CutPrefix(t.Operator, "Is"); is {
		not := ""
		if !t.Literal.AsBool() {
			not = "not "
		}
		b.WriteString(" is " + not + strings.ToLower(what))
		return
	}
	operator := " matches "
	for _, o := range [...]struct{ name, sign string }{
		{"LessThanEquals", " ≤ "}, {"GreaterThanEquals", " ≥ "}, {"LessThan", " < "}, {"GreaterThan", " > "}, {"Equals", " = "},
	} {
		if strings.HasSuffix(t.Operator, o.name) {
			operator = o.sign
			break
		}
	}
	b.WriteString(operator)
	switch {
	case t.Path != nil:
		b.WriteString(clip(t.Path.String(), maxLabel))
	case t.Literal.Kind() == value.String:
		b.WriteString("\"" + clip(t.Literal.AsString(), maxLabel) + "\"")
	default:
		b.WriteString(clip(t.Literal.Text().String(), maxLabel))
	}
}
