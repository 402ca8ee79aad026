package jsonpath_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

func call(t *testing.T, text string, s jsonpath.Scope) (value.Value, error) {
	t.Helper()
	e, err := jsonpath.CompileExpression(text)
	if err != nil {
		t.Fatalf("%.60s: %v", text, err)
	}
	return e.Eval(s, &counter{})
}

// The service takes 10,000 characters; Java counts them in units of UTF-16.
func TestLimitsOfTexts(t *testing.T) {
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{strings.Repeat("a", 10_000), true},
		{strings.Repeat("a", 10_001), false},
		{strings.Repeat("é", 10_000), true},
		{strings.Repeat("🚀", 5_000), true},
		{strings.Repeat("🚀", 5_001), false},
	} {
		s := &scope{input: value.NewString(c.text)}
		for _, text := range []string{"States.Hash($, 'SHA-256')", "States.Base64Encode($)", "States.Base64Decode($)"} {
			_, err := call(t, text, s)
			var bad *jsonpath.IntrinsicError
			if (err == nil) != c.ok || err != nil && !errors.As(err, &bad) {
				t.Errorf("%s of %d bytes: %v", text, len(c.text), err)
			}
		}
	}
}

func TestResultsAreBounded(t *testing.T) {
	s := &scope{input: value.NewString(strings.Repeat("x", 200_000))}
	many := strings.Repeat(", $", 1000)
	for _, text := range []string{
		"States.JsonToString(States.Array($" + many + "))",
		"States.Format('" + strings.Repeat("{}", 1001) + "', $" + many + ")",
		"States.Format('{}', States.Array($" + many + "))",
		"States.Hash(States.Array($" + many + "), 'MD5')",
		"States.ArrayUnique(States.Array($" + many + "))",
		"States.ArrayContains(States.Array($" + many + "), 1)",
		"States.ArrayContains($, States.Array($" + many + "))",
	} {
		var bad *jsonpath.IntrinsicError
		if _, err := call(t, text, s); !errors.As(err, &bad) || bad.Call != text {
			t.Errorf("%.40s: %.60v", text, err)
		}
	}
	if v, err := call(t, "States.ArrayLength(States.Array($"+many+"))", s); err != nil || v.Spelling() != "1001" {
		t.Error(v.Spelling(), err)
	}
	nested := &scope{input: value.NewString(strings.Repeat("[", 10_000))}
	if _, err := call(t, "States.StringToJson($)", nested); err == nil {
		t.Error("a text of 10,000 brackets was taken")
	}
}

// A surrogate that stands alone is no text to encode.
func TestLoneSurrogates(t *testing.T) {
	s := &scope{input: parse(`"a\uD83Db"`)}
	for text, want := range map[string]string{
		"States.Base64Encode($)": `"YT9i"`,
		"States.Format('{}', $)": `"a\uD83Db"`,
		"States.Array($)":        `["a\uD83Db"]`,
	} {
		if v, err := call(t, text, s); err != nil || v.Text().String() != want {
			t.Errorf("%s: %s, %v", text, v.Text(), err)
		}
	}
}

func TestUUIDsAreOfVersion4(t *testing.T) {
	e, err := jsonpath.CompileExpression("States.UUID()")
	if err != nil {
		t.Fatal(err)
	}
	shape := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for c := (&counter{}); len(seen) < 100; {
		v, err := e.Eval(&scope{}, c)
		if err != nil || !shape.MatchString(v.AsString()) || seen[v.AsString()] {
			t.Fatal(v.Text(), err)
		}
		seen[v.AsString()] = true
	}
}

// fixed is a Chance that gives one number.
type fixed uint64

func (f fixed) Uint64() uint64 { return uint64(f) }

func TestMathRandomReachesItsBounds(t *testing.T) {
	e, err := jsonpath.CompileExpression("States.MathRandom(-2147483648, 2147483647)")
	if err != nil {
		t.Fatal(err)
	}
	for c, want := range map[fixed]string{0: "-2147483648", 1 << 63: "-1", ^fixed(0): "2147483646"} {
		if v, err := e.Eval(&scope{}, c); err != nil || v.Spelling() != want {
			t.Errorf("%x: %s, %v", c, v.Spelling(), err)
		}
	}
}
