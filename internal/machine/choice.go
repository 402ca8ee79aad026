package machine

import (
	"strings"
	"time"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// choice leaves the state by the first rule that holds, or by its default. The
// state's own Output and Assign are those of the default.
func (t *turn) choice(sc *scope) *fault {
	s := sc.state
	if fl := sc.narrow(); fl != nil {
		return fl
	}
	for i := range s.Choice.Rules {
		r := &s.Choice.Rules[i]
		holds, fl := sc.applies(r)
		if fl != nil {
			return fl
		}
		if holds {
			return t.passOn(sc, r.Output, r.Assign, r.Next)
		}
	}
	if s.Choice.Default == nil {
		return sc.noChoice()
	}
	return t.passOn(sc, s.Output, s.Assign, s.Choice.Default)
}

// applies reports whether a rule is the one to follow.
func (sc *scope) applies(r *asl.Rule) (bool, *fault) {
	if r.Query == nil {
		return sc.holds(r.Condition)
	}
	v, fl := sc.queryOf(r.Query, value.Bool)
	return v.AsBool(), fl
}

// noChoice is the failure of a Choice without a way on. The language calls it
// States.NoChoiceMatched; the service gives this instead.
func (sc *scope) noChoice() *fault {
	return sc.runtime("Failed to transition out of the state. The state does not point to a next state.")
}

// holds reports whether a rule's condition is met.
func (sc *scope) holds(c *asl.Condition) (bool, *fault) {
	switch {
	case c.Not != nil:
		ok, fl := sc.holds(c.Not)
		return !ok, fl
	case c.And != nil:
		return sc.first(c.And, false)
	case c.Or != nil:
		return sc.first(c.Or, true)
	}
	v, err := c.Variable.Eval(sc)
	if c.Test.Operator == "IsPresent" {
		return (err == nil) == c.Test.Literal.AsBool(), nil
	}
	if err != nil {
		return false, sc.noVariable(c.Variable.String())
	}
	against := c.Test.Literal
	if c.Test.Path != nil {
		if against, err = c.Test.Path.Eval(sc); err != nil {
			return false, sc.noVariable(c.Test.Path.String())
		}
	}
	return compare(c.Test.Operator, v, against), nil
}

// first is wanted as soon as one of the conditions is, else its contrary.
func (sc *scope) first(all []*asl.Condition, wanted bool) (bool, *fault) {
	for _, c := range all {
		if ok, fl := sc.holds(c); fl != nil || ok == wanted {
			return ok, fl
		}
	}
	return !wanted, nil
}

func (sc *scope) noVariable(path string) *fault {
	return sc.runtime("Invalid path '" + path + "': The choice state's condition path references an invalid value.")
}

// compare applies an operator. Values of other kinds than it is for never
// match.
func compare(operator string, v, against value.Value) bool {
	if of, ok := strings.CutPrefix(operator, "Is"); ok {
		return is(of, v) == against.AsBool()
	}
	var order int
	switch operator[0] {
	case 'S':
		if v.Kind() != value.String || against.Kind() != value.String {
			return false
		}
		if operator == "StringMatches" {
			return matchesWildcard(against.AsString(), v.AsString())
		}
		order = strings.Compare(v.AsString(), against.AsString())
		operator = operator[len("String"):]
	case 'N':
		if v.Kind() != value.Number || against.Kind() != value.Number {
			return false
		}
		order = orderOf(v.AsFloat(), against.AsFloat())
		operator = operator[len("Numeric"):]
	case 'T':
		a, ok := instant(v)
		b, too := instant(against)
		if !ok || !too {
			return false
		}
		order = a.Compare(b)
		operator = operator[len("Timestamp"):]
	default: // BooleanEquals
		return v.Kind() == value.Bool && against.Kind() == value.Bool && v.AsBool() == against.AsBool()
	}
	switch operator {
	case "Equals":
		return order == 0
	case "LessThan":
		return order < 0
	case "LessThanEquals":
		return order <= 0
	case "GreaterThan":
		return order > 0
	}
	return order >= 0
}

func orderOf(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// is reports whether v is of the kind that an Is… operator names.
func is(of string, v value.Value) bool {
	switch of {
	case "Null":
		return v.Kind() == value.Null
	case "Numeric":
		return v.Kind() == value.Number
	case "String":
		return v.Kind() == value.String
	case "Boolean":
		return v.Kind() == value.Bool
	}
	_, ok := instant(v)
	return ok
}

// instant is the time that a timestamp names.
func instant(v value.Value) (time.Time, bool) {
	text := v.AsString()
	if !asl.IsTimestamp(text) {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil
}

// matchesWildcard reports whether text is like pattern, in which "*" stands
// for any characters, "\*" for a star and "\\" for a backslash.
func matchesWildcard(pattern, text string) bool {
	p, i := 0, 0
	star, from := -1, 0 // the last star, and where its match began
	for i < len(text) {
		if p < len(pattern) && pattern[p] == '*' {
			star, from = p, i
			p++
			continue
		}
		if literal, width := literalAt(pattern, p); width > 0 && literal == text[i] {
			p, i = p+width, i+1
			continue
		}
		if star < 0 {
			return false
		}
		from++
		p, i = star+1, from
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// literalAt is the byte that the pattern demands at p, and how long it is
// written there; 0 at the pattern's end.
func literalAt(pattern string, p int) (b byte, width int) {
	switch {
	case p >= len(pattern):
		return 0, 0
	case pattern[p] == '\\' && p+1 < len(pattern):
		return pattern[p+1], 2
	}
	return pattern[p], 1
}
