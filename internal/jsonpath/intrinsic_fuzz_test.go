package jsonpath_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/fuzz"
	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

// intrinsics are all functions, with how many arguments each takes here.
var intrinsics = []struct {
	name  string
	takes int
	holds func(t *testing.T, args []value.Value, got value.Value) // of what it gave; nil: nothing beyond what all give
}{
	{"States.Array", 3, arrayHolds},
	{"States.ArrayContains", 2, nil},
	{"States.ArrayGetItem", 2, nil},
	{"States.ArrayLength", 1, nil},
	{"States.ArrayPartition", 2, partitionHolds},
	{"States.ArrayRange", 3, rangeHolds},
	{"States.ArrayUnique", 1, uniqueHolds},
	{"States.Base64Decode", 1, nil},
	{"States.Base64Encode", 1, undoneBy("States.Base64Decode")},
	{"States.Format", 3, nil},
	{"States.Hash", 2, hashHolds},
	{"States.JsonMerge", 3, nil},
	{"States.JsonToString", 1, undoneBy("States.StringToJson")},
	{"States.MathAdd", 2, nil},
	{"States.MathRandom", 3, randomHolds},
	{"States.StringSplit", 2, nil},
	{"States.StringToJson", 1, nil},
	{"States.UUID", 0, uuidHolds},
}

// FuzzIntrinsic calls every function with any three values, and once with any
// text as a literal: it gives JSON that keeps what the function promises, or it
// fails by the one error that there is for it.
func FuzzIntrinsic(f *testing.F) {
	for i := range intrinsics {
		f.Add(i, `[1,2.5,"x",null,true,[],{"a":1}]`, `2`, `1`, "it's {} \\")
		f.Add(i, `1`, `9`, `2`, `a,b`)
		f.Add(i, `"YWJj"`, `"SHA-256"`, `false`, `YWJj`)
		f.Add(i, `{"a":{"b":1}}`, `{"a":{"c":2}}`, `false`, `{"a":1}`)
	}
	f.Fuzz(func(t *testing.T, which int, a, b, c, literal string) {
		var args []value.Value
		for _, text := range []string{a, b, c} {
			v, err := value.Check(text)
			if err != nil || len(text) > 1<<16 {
				t.Skip()
			}
			args = append(args, v.Decode())
		}
		fuzz.Bounded(t, func() { tryIntrinsic(t, int(uint(which)%uint(len(intrinsics))), args, literal) })
	})
}

func tryIntrinsic(t *testing.T, which int, args []value.Value, literal string) {
	function := intrinsics[which]
	got, ok := callIntrinsic(t, function.name, args[:function.takes]...)
	if ok && function.holds != nil {
		function.holds(t, args, got)
	}
	quoted := "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(literal) + "'"
	if e, err := jsonpath.CompileExpression(function.name + "(" + quoted + ")"); err == nil {
		_, _ = e.Eval(fuzzed, &counter{})
	}
	if function.name == "States.Array" { // gives its literal back
		e, err := jsonpath.CompileExpression("States.Array(" + quoted + ")")
		if err != nil || strings.Contains(literal, "{") || strings.Contains(literal, "}") {
			return
		}
		if v, err := e.Eval(fuzzed, &counter{}); err != nil || len(v.Items()) != 1 || v.Items()[0].AsString() != literal {
			t.Errorf("%q as a literal becomes %s, %v", literal, v.Text(), err)
		}
	}
}

// callIntrinsic calls a function twice, which must come to the same.
func callIntrinsic(t *testing.T, name string, args ...value.Value) (value.Value, bool) {
	t.Helper()
	paths := make([]string, len(args))
	for i := range args {
		paths[i] = "$[" + strconv.Itoa(i) + "]"
	}
	e, err := jsonpath.CompileExpression(name + "(" + strings.Join(paths, ",") + ")")
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	in := &scope{input: value.NewArray(args)}
	got, err := e.Eval(in, &counter{})
	again, errAgain := e.Eval(in, &counter{})
	if (err == nil) != (errAgain == nil) || got.Text() != again.Text() {
		t.Errorf("%s%s gives %s, %v, then %s, %v", name, in.input.Text(), got.Text(), err, again.Text(), errAgain)
	}
	if err != nil {
		return got, false
	}
	if _, err := value.Check(got.Text().String()); err != nil {
		t.Errorf("%s%s gives %s: %v", name, in.input.Text(), got.Text(), err)
	}
	return got, true
}

func arrayHolds(t *testing.T, args []value.Value, got value.Value) {
	if !value.Equal(got, value.NewArray(args)) {
		t.Errorf("%s", got.Text())
	}
}

func partitionHolds(t *testing.T, args []value.Value, got value.Value) {
	var whole []value.Value
	for _, part := range got.Items() {
		whole = append(whole, part.Items()...)
	}
	if !value.Equal(value.NewArray(whole), args[0]) {
		t.Errorf("the parts %s make another whole", got.Text())
	}
}

func rangeHolds(t *testing.T, _ []value.Value, got value.Value) {
	if n := len(got.Items()); n > 1000 {
		t.Errorf("a range of %d", n)
	}
}

func uniqueHolds(t *testing.T, args []value.Value, got value.Value) {
	kept := got.Items()
	for i, v := range kept {
		if slices.ContainsFunc(kept[:i], func(w value.Value) bool { return v.Text() == w.Text() }) { // 1 and 1.0 are two
			t.Errorf("%s is there twice", v.Text())
		}
	}
	for _, v := range args[0].Items() {
		if !slices.ContainsFunc(kept, func(w value.Value) bool { return value.Equal(v, w) }) {
			t.Errorf("%s is lost", v.Text())
		}
	}
}

func undoneBy(inverse string) func(*testing.T, []value.Value, value.Value) {
	return func(t *testing.T, args []value.Value, got value.Value) {
		if back, ok := callIntrinsic(t, inverse, got); !ok || !value.Equal(back, args[0]) {
			t.Errorf("%s comes back as %s", args[0].Text(), back.Text())
		}
	}
}

var (
	hexadecimal = regexp.MustCompile(`^(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$`)
	version4    = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
)

func hashHolds(t *testing.T, _ []value.Value, got value.Value) {
	if !hexadecimal.MatchString(got.AsString()) {
		t.Errorf("%s is no hash", got.Text())
	}
}

func randomHolds(t *testing.T, args []value.Value, got value.Value) {
	if n := got.AsFloat(); n < args[0].AsFloat()-1 || n > args[1].AsFloat() {
		t.Errorf("%s is not from %s to %s", got.Text(), args[0].Text(), args[1].Text())
	}
}

func uuidHolds(t *testing.T, _ []value.Value, got value.Value) {
	if !version4.MatchString(got.AsString()) {
		t.Errorf("%s is no UUID", got.Text())
	}
}
