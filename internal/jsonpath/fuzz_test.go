package jsonpath_test

import (
	"testing"

	"github.com/backstep/backstep/internal/fuzz"
	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

var fuzzed = &scope{
	input:     parse(`{"a":{"b":[{"c":1},{"c":"x"}]},"l":[1,2.0,"3",null,true],"s":"text","o":{}}`),
	context:   parse(`{"Execution":{"Name":"run"}}`),
	variables: map[string]value.Value{"v": parse(`[1,{"x":2}]`)},
}

// FuzzExpression compiles any text; what compiles gives the same each time,
// and JSON.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		"$", "$$.Execution.Name", "$v[1].x", "$..c", "$.a.b[*].c", "$.l[0,-1]", "$.l[1:]", "$['a','s']",
		"$.a.b[?(@.c == 1 || !(@.c =~ /x.*/i) && @.c in ['x', 2])]", "$.l[(@.length-1)]",
		"States.Format('{} \\'{}\\'', $.s, States.MathAdd(1, -2.5))",
		"States.ArrayUnique($.l)", "States.StringToJson('{\"a\":1}')", "States.Base64Decode('YQ==')",
		"States.MathRandom(1, 9, 42)", "States.StringSplit($.s, 'x')", "States.JsonMerge($.a, $.o, false)",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fuzz.Bounded(t, func() { tryExpression(t, text) })
	})
}

func tryExpression(t *testing.T, text string) {
	if r, err := jsonpath.CompileReference(text); err == nil {
		if v, err := r.Set(fuzzed.input, value.NewInt(1)); err == nil {
			again, err := jsonpath.Compile(r.String())
			if err != nil {
				t.Fatalf("%q is a reference path but no path: %v", text, err)
			}
			if got, err := again.Eval(&scope{input: v}); err != nil || got.Spelling() != "1" {
				t.Fatalf("%q was set but reads %s, %v", text, got.Text(), err)
			}
		}
	}
	e, err := jsonpath.CompileExpression(text)
	if err != nil {
		return
	}
	v, err1 := e.Eval(fuzzed, &counter{})
	w, err2 := e.Eval(fuzzed, &counter{})
	switch {
	case err1 != nil && err2 != nil:
		if err1.Error() != err2.Error() {
			t.Fatalf("%q: %v, then %v", text, err1, err2)
		}
	case err1 != nil || err2 != nil || v.Text() != w.Text():
		t.Fatalf("%q: %s %v, then %s %v", text, v.Text(), err1, w.Text(), err2)
	}
}
