package jsonpath_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

func TestPathTellsWhatItIs(t *testing.T) {
	for _, c := range []struct {
		text     string
		definite bool
		root     jsonpath.Root
		name     string
	}{
		{"$", true, jsonpath.RootInput, ""},
		{"$.a[0]['b','c']", true, jsonpath.RootInput, ""},
		{"$.a[-1]", true, jsonpath.RootInput, ""},
		{"$.a[(@.length-1)].b", true, jsonpath.RootInput, ""},
		{"$.a[*]", false, jsonpath.RootInput, ""},
		{"$.*", false, jsonpath.RootInput, ""},
		{"$..a", false, jsonpath.RootInput, ""},
		{"$.a[0,1]", false, jsonpath.RootInput, ""},
		{"$.a[0:1]", false, jsonpath.RootInput, ""},
		{"$.a[?(@.b)]", false, jsonpath.RootInput, ""},
		{"$$", true, jsonpath.RootContext, ""},
		{"$$.Execution.Id", true, jsonpath.RootContext, ""},
		{"$x", true, jsonpath.RootVariable, "x"},
		{"$größe_2[*]", false, jsonpath.RootVariable, "größe_2"},
	} {
		p, err := jsonpath.Compile(c.text + " \n")
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		root, name := p.Root()
		if p.Definite() != c.definite || root != c.root || name != c.name || p.String() != c.text {
			t.Errorf("%s: definite %v, root %v %q, text %q", c.text, p.Definite(), root, name, p)
		}
	}
}

func TestExpressionTellsWhatItReads(t *testing.T) {
	const text = "States.Format('{} {} {}', $order.id, States.Array($.a, $$.Execution.Id, 1), $order['x'][?(@.y == $.z)]) "
	e, err := jsonpath.CompileExpression(text)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, p := range e.Paths() {
		paths = append(paths, p.String())
	}
	want := []string{"$order.id", "$.a", "$$.Execution.Id", "$order['x'][?(@.y == $.z)]"}
	if !slices.Equal(paths, want) || !slices.Equal(e.Variables(), []string{"order"}) {
		t.Errorf("paths %q, variables %q", paths, e.Variables())
	}
	if e.Call() != "States.Format" || e.Path() != nil || e.String() != text {
		t.Errorf("call %q, path %v, text %q", e.Call(), e.Path(), e)
	}
	e, err = jsonpath.CompileExpression("$b.c")
	if err != nil || e.Call() != "" || e.Path().String() != "$b.c" || !slices.Equal(e.Variables(), []string{"b"}) {
		t.Errorf("call %q, path %v, variables %q, error %v", e.Call(), e.Path(), e.Variables(), err)
	}
	r, err := jsonpath.CompileReference("$.a['b'] ")
	if err != nil || r.String() != "$.a['b']" {
		t.Errorf("reference %q, error %v", r, err)
	}
}

// guarded fails the test where something is asked for that isn't needed.
type guarded struct {
	t     *testing.T
	input value.Value
}

func (g guarded) Input() value.Value { return g.input }
func (g guarded) Context() value.Value {
	g.t.Error("the context object was asked for")
	return value.Value{}
}
func (g guarded) Variable(name string) value.Value {
	g.t.Errorf("the variable %s was asked for", name)
	return value.Value{}
}

func TestEvalAsksOnlyForWhatItNeeds(t *testing.T) {
	p, err := jsonpath.Compile("$.a")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := p.Eval(guarded{t, parse(`{"a":1}`)}); err != nil || v.Spelling() != "1" {
		t.Error(v.Text(), err)
	}
}

func TestErrorsInTheWordsOfTheService(t *testing.T) {
	s := &scope{input: parse(`{"a":1}`)}
	for _, c := range []struct{ text, whole, inField string }{
		{"$.NoSuch", "Invalid path '$.NoSuch' : No results for path: $['NoSuch']",
			`The JSONPath '$.NoSuch' specified for the field 'x.$' could not be found in the input '{"a":1}'`},
		{"$.no.such.path", "Invalid path '$.no.such.path' : Missing property in path $['no']",
			`The JSONPath '$.no.such.path' specified for the field 'x.$' could not be found in the input '{"a":1}'`},
		{"$.a[0]", "Invalid path '$.a[0]' : Filter: [0] can only be applied to arrays. Current context is: 1",
			"Invalid path '$.a[0]' : Filter: [0] can only be applied to arrays. Current context is: 1"},
		{"$.a[*].b[0]", "", ""},
	} {
		p, err := jsonpath.Compile(c.text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Eval(s)
		var missing *jsonpath.NotFound
		if c.whole == "" {
			if err != nil {
				t.Errorf("%s: %v", c.text, err)
			}
		} else if !errors.As(err, &missing) || missing.Error() != c.whole || missing.InField("x.$", `{"a":1}`) != c.inField {
			t.Errorf("%s: %v", c.text, err)
		}
	}
	_, err := jsonpath.Compile("$.a[")
	if err == nil || err.Error() != "not a path or call at byte 4: a name, a number, '*' or '?' should stand here" {
		t.Error(err)
	}
	if _, err = jsonpath.CompileExpression(" $.a"); err == nil {
		t.Error("white space before a path was taken")
	}
}

// big is a list of n lists of n numbers.
func big(n int) value.Value {
	row := "[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]"
	return parse("[" + strings.TrimSuffix(strings.Repeat(row+",", n), ",") + "]")
}

func TestHostilePathsEnd(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	s := &scope{input: value.NewObject(
		value.Member{Name: "rows", Value: big(300)},
		value.Member{Name: "long", Value: value.NewString(long)},
		value.Member{Name: "other", Value: value.NewString(long + "y")},
	)}
	for _, text := range []string{
		"$..*..*..*",
		"$..*..*",
		"$.rows[*][?($.rows[0] contains 2)]",
		"$.rows[*][?($.long == $.other)]",
		"$.rows[*][?($.long =~ /(x+)+z/)]",
		"$.rows[0][?($.long =~ /(x{100}){3}z|y{1000}|w{1000}/)]",
		"$.rows[*][?($.long contains 'y')]",
		"$.rows[*][?(@ == 2" + strings.Repeat(" || @ == 2", 1000) + ")]",
		"$.rows[*][?(@" + strings.Repeat(" && @", 1000) + ")]",
		"$.rows[" + strings.Repeat("0,", 1000) + "0][*]",
	} {
		p, err := jsonpath.Compile(text)
		if err != nil {
			t.Errorf("%.40s: %v", text, err)
			continue
		}
		var missing *jsonpath.NotFound
		if _, err := p.Eval(s); !errors.As(err, &missing) || missing.Reason != "The path looks at too many values" {
			t.Errorf("%.40s: %v", text, err)
		}
	}
}

// Reasons that nobody reads are never put into words: each would be as long as
// the way to its value.
func TestUnreadReasonsCostNothing(t *testing.T) {
	name := strings.Repeat("n", 5_000)
	deep := parse(strings.Repeat(`{"`+name+`":`, 10) + "[" + strings.Repeat("1,", 20_000) + "1]" + strings.Repeat("}", 10))
	s := &scope{input: value.NewObject(
		value.Member{Name: "deep", Value: deep},
		value.Member{Name: "rows", Value: big(100)},
	)}
	for _, text := range []string{
		"$.deep" + strings.Repeat("."+name, 10) + "[*].x.y",
		"$.rows[*][*].x",
		"$..rows[*][*][*].x",
	} {
		p, err := jsonpath.Compile(text)
		if err != nil {
			t.Fatalf("%.40s: %v", text, err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v, err := p.Eval(s)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
			t.Errorf("%.40s took %d bytes", text, grown)
		}
		if err == nil && v.Len() > 0 {
			t.Errorf("%.40s found %d", text, v.Len())
		}
	}
}

func TestHostileTextsAreRefused(t *testing.T) {
	for _, text := range []string{
		"$." + strings.Repeat("a", jsonpath.MaxText),
		"$" + strings.Repeat(".a", jsonpath.MaxSteps+1),
		"$[?(" + strings.Repeat("@[?(", 40) + "@.a" + strings.Repeat(")]", 40) + ")]",
		"$[?(" + strings.Repeat("(", 40) + "@.a" + strings.Repeat(")", 40) + ")]",
		"$[?(" + strings.Repeat("!", 40) + "@.a)]",
		strings.Repeat("States.Array(", 11) + strings.Repeat(")", 11),
		strings.Repeat("States.Array(", 5000),
		"$" + strings.Repeat("[", 5000),
		"$[?(@ =~ /" + strings.Repeat("x", 1001) + "/)]",
		"$.\xff",
		"$.\xed\xa0\x80",
	} {
		var bad *jsonpath.SyntaxError
		if _, err := jsonpath.CompileExpression(text); !errors.As(err, &bad) || bad.Text != text {
			t.Errorf("%.40s: %v", text, err)
		}
	}
	for _, text := range []string{
		"$." + strings.Repeat("a", jsonpath.MaxText-2),
		"$" + strings.Repeat(".a", jsonpath.MaxSteps),
		"$[?(" + strings.Repeat("(", 30) + "@.a" + strings.Repeat(")", 30) + ")]",
		strings.Repeat("States.Array(", 10) + strings.Repeat(")", 10),
	} {
		if _, err := jsonpath.CompileExpression(text); err != nil {
			t.Errorf("%.40s: %v", text, err)
		}
	}
}

func TestDeepValues(t *testing.T) {
	deep := parse(strings.Repeat(`{"a":[`, value.MaxDepth/2) + strings.Repeat("]}", value.MaxDepth/2))
	p, err := jsonpath.Compile("$..a")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := p.Eval(&scope{input: deep}); err != nil || v.Len() != value.MaxDepth/2 {
		t.Error(v.Len(), err)
	}
}
