package jsonata

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/backstep/backstep/internal/fuzz"
	"github.com/backstep/backstep/internal/value"
)

func compile(t testing.TB, source string, level Level) *Expression {
	t.Helper()
	e, err := Compile(source, level)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return e
}

func TestVariables(t *testing.T) {
	for source, want := range map[string][]string{
		"1":                            {},
		"$":                            {},
		"$$.a":                         {},
		"$states.input.order & $order": {"order", "states"},
		"$sum($list)":                  {"list"},
		"($x := 1; $x + $y)":           {"y"},
		"$x + ($x := 1; $x)":           {"x"},
		"($x := $x + 1; $x)":           {"x"},
		"($f := function($n){ $n > 0 ? $f($n - 1) : $z }; $f(3))": {"z"},
		"($f := function(){ $g() }; $g := function(){ 1 }; $f())": {},
		"function($a, $b){ $a + $b + $c }":                        {"c"},
		"$a@$v.b#$i[$v = $i].{\"x\": $v, \"y\": $w}":              {"a", "w"},
		"$a[0]#$i.$i & $i":           {"a", "i"},
		"$a{$k: $sum($v)}":           {"a", "k", "v"},
		"$a^(<$b, >$c)":              {"a", "b", "c"},
		"$t ~> |$p|{\"a\": $u}, $d|": {"d", "p", "t", "u"},
		"$undefinedFunction($x)":     {"undefinedFunction", "x"},
		"($a; ($b := 1); $b)":        {"a", "b"},
	} {
		e := compile(t, source, AWS)
		if got := e.Variables(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
		if e.Source() != source {
			t.Errorf("%q became %q", source, e.Source())
		}
	}
}

// TestBudget takes each bound on its own, and meets it exactly.
func TestBudget(t *testing.T) {
	e := compile(t, `$map([1..10], function($i){ $string($i) & "-" })`, AWS)
	want, usage, err := e.Measure(Env{})
	if err != nil || usage.Steps == 0 || usage.Bytes == 0 || usage.Depth == 0 {
		t.Fatal(usage, err)
	}
	exact := Budget{usage.Steps, usage.Depth, usage.Bytes, want.Text().Len()}
	got, again, err := e.Measure(Env{Budget: exact})
	if err != nil || !value.Equal(got, want) || again != usage {
		t.Fatalf("%v, %+v, %v; want %v, %+v", got.Text(), again, err, want.Text(), usage)
	}
	for _, c := range []struct {
		less Budget
		code string
	}{
		{Budget{Steps: usage.Steps - 1}, codeSpent},
		{Budget{Depth: usage.Depth - 1}, codeSpent},
		{Budget{Bytes: usage.Bytes - 1}, codeMemory},
		{Budget{Output: want.Text().Len() - 1}, codeOutput},
	} {
		_, spent, err := e.Measure(Env{Budget: c.less})
		var reason *Error
		if !errors.As(err, &reason) || reason.Code != c.code {
			t.Errorf("%+v: %v, want %s", c.less, err, c.code)
		}
		if c.less.Steps > 0 && spent.Steps != c.less.Steps {
			t.Errorf("stopped at step %d of %d", spent.Steps, c.less.Steps)
		}
	}
}

// TestOutputLength holds the count of an output against the text it becomes.
func TestOutputLength(t *testing.T) {
	for _, source := range []string{
		`"a\"b\\\n\u0001é\ud800"`, `[1, 1.5, -2e30, true, false, null, "x", {}, [], {"a": [1, {"b": $sum}]}]`, `$states.input`,
		`{"a": 1, "b": "c", "f": $sum, "g": [$sum, 2]}`, `1e21`, `""`, `[1..20]`,
	} {
		e := compile(t, source, AWS)
		env := orderEnv(t)
		v, err := e.Eval(env)
		if err != nil {
			t.Fatal(source, err)
		}
		env.Budget.Output = v.Text().Len()
		if _, err := e.Eval(env); err != nil {
			t.Errorf("%s: %v with %d bytes", source, err, v.Text().Len())
		}
		env.Budget.Output--
		if _, err := e.Eval(env); err == nil {
			t.Errorf("%s: no error with %d bytes", source, env.Budget.Output)
		}
	}
}

func TestFunctionAsResult(t *testing.T) {
	for _, level := range []Level{AWS, Reference} {
		if _, err := compile(t, "$sum", level).Eval(Env{}); !errors.Is(err, ErrFunction) {
			t.Errorf("%v, want ErrFunction", err)
		}
	}
}

// TestWithoutChance: an evaluation that is given no chance draws zeros.
func TestWithoutChance(t *testing.T) {
	v, err := compile(t, `[$random(), $uuid()]`, AWS).Eval(Env{})
	if want := `[0,"00000000-0000-4000-8000-000000000000"]`; err != nil || v.Text().String() != want {
		t.Errorf("%v, %v; want %s", v.Text(), err, want)
	}
}

// TestInvariantsPanic: what is no error of an expression is not hidden as one.
func TestInvariantsPanic(t *testing.T) {
	for _, source := range []string{"$x", `$eval("$x")`} {
		func() {
			defer func() {
				if r := recover(); r != "broken" {
					t.Errorf("%s: recovered %v", source, r)
				}
			}()
			_, err := compile(t, source, Reference).Eval(Env{Vars: broken{}})
			t.Errorf("%s: %v, want a panic", source, err)
		}()
	}
}

type broken struct{}

func (broken) Variable(name string) value.Value {
	if name == "eval" {
		return value.Value{}
	}
	panic("broken")
}

// TestConcurrency shares one expression of every kind among many.
func TestConcurrency(t *testing.T) {
	sources := []string{
		`$sum($states.input.order.items[qty > 1].(unit_price * qty))`,
		`$match($states.input.order.orderId, /([0-9a-f]+)-(?=4)/).groups`,
		`($f := function($n){ $n = 0 ? "done" : $f($n - 1) }; $f(50))`,
		`$states.input.order.items@$i.{"sku": $i.sku, "id": %.orderId}`,
		`$states.input.order ~> |items|{"qty": qty + 1}, "tags"|`,
		`$states.input.order.items^(>unit_price).sku`,
	}
	var group sync.WaitGroup
	for _, source := range sources {
		e := compile(t, source, AWS)
		want, err := e.Eval(orderEnv(t))
		if err != nil {
			t.Fatal(source, err)
		}
		env := orderEnv(t)
		for range 4 {
			group.Add(1)
			go func() {
				defer group.Done()
				for range 50 {
					if got, err := e.Eval(env); err != nil || !value.Equal(got, want) {
						t.Errorf("%s: %v, %v", source, got.Text(), err)
					}
				}
			}()
		}
	}
	group.Wait()
}

// TestUnchanged: a transform leaves what it was given as it was.
func TestUnchanged(t *testing.T) {
	env := orderEnv(t)
	before := env.Vars.Variable("states").Text()
	e := compile(t, `$states.input.order ~> |items|{"qty": 0}, "sku"| ~> |**|{"seen": true}|`, AWS)
	if _, err := e.Eval(env); err != nil {
		t.Fatal(err)
	}
	if after := env.Vars.Variable("states").Text(); after != before {
		t.Errorf("became %s", after)
	}
}

// TestErrorMessages: each message is whole, with nothing left to fill in.
func TestErrorMessages(t *testing.T) {
	for code, message := range messages {
		if message == "" || strings.Contains(message, "  ") || strings.HasSuffix(message, ".") {
			t.Errorf("%s: %q", code, message)
		}
	}
	_, err := compile(t, "$randomSeeded(1)", AWS).Eval(Env{})
	if want := "T1006: Attempted to invoke a non-function"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	long := `{} = 1 ? 1 : {"a": 1, [1, "` + strings.Repeat("é", 100) + `", true]: 2}`
	_, err = compile(t, long, AWS).Eval(Env{})
	if err == nil || len(err.Error()) > 270 || !strings.Contains(err.Error(), "…") {
		t.Errorf("%v", err)
	}
}

func TestNotText(t *testing.T) {
	for _, source := range []string{"\"\xff\"", "\xed\xa0", "a\xed\xa0x"} {
		var e *Error
		if _, err := Compile(source, AWS); !errors.As(err, &e) || e.Code != codeNotText {
			t.Errorf("%q: %v", source, err)
		}
	}
	v, err := compile(t, "\"\xed\xa0\x80\"", AWS).Eval(Env{})
	if want := `"\uD800"`; err != nil || v.Text().String() != want {
		t.Errorf("%s, %v; want %s", v.Text(), err, want)
	}
}

func FuzzCompile(f *testing.F) {
	for _, source := range []string{`a.b[c=1]^(>d){e: $sum(f)}`, `$map([1..3], function($x)<n:n>{$x})`, `/a(?=b)|[^c]{2,}/i`, `a@$b#$c.%.d ~> |e|{},"f"|`} {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		fuzz.Bounded(t, func() {
			for _, level := range []Level{AWS, Reference} {
				tryCompile(t, source, level)
			}
		})
	})
}

func tryCompile(t *testing.T, source string, level Level) {
	e, err := Compile(source, level)
	if err != nil {
		return
	}
	v, usage, err := e.Measure(Env{Budget: Budget{Steps: 20_000, Bytes: 1 << 20}})
	if err == nil && !v.IsAbsent() {
		if _, err := value.Check(v.Text().String()); err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
	if usage.Steps > 20_000 || usage.Bytes > 1<<20 {
		t.Errorf("%s: spent %+v", source, usage)
	}
}

func TestAsks(t *testing.T) {
	for source, want := range map[string]string{
		`$states.input.a`:                            "input",
		`$states.input & $states."result"`:           "input result",
		`$map([1], function($x){$states.input})`:     "input",
		`$states`:                                    "input result",
		`$states[0].input`:                           "input result",
		`($s := $states; $s.input)`:                  "input result",
		`$states.*`:                                  "input result",
		`$states.input@$i.($states.result)`:          "input result",
		`$keys($states)`:                             "input result",
		`($states := {"result": 1}; $states.result)`: "",
		`$other.input`:                               "",
	} {
		e, err := Compile(source, AWS)
		if err != nil {
			t.Fatal(source, err)
		}
		var got []string
		for _, member := range []string{"input", "result"} {
			if e.Asks("states", member) {
				got = append(got, member)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s asks for %q, want %q", source, got, want)
		}
	}
}
