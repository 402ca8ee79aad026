package value_test

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/fuzz"
	"github.com/backstep/backstep/internal/value"
)

// taken are texts that are JSON, and what they are when written again.
var taken = []struct{ text, again string }{
	{`null`, `null`},
	{` true `, `true`},
	{"\t\r\n false", `false`},
	{`""`, `""`},
	{`"a\/\u0041\u00e9\n"`, `"a/Aé\n"`},
	{`"\u001f\u0000\b\f\r\t\"\\"`, `"\u001F\u0000\b\f\r\t\"\\"`},
	{"\"\u007f\u2028<>&'é✓🚀\"", "\"\u007f\u2028<>&'é✓🚀\""},
	{`"\uD83D\uDE80"`, `"🚀"`},
	{`"\ud83d"`, `"\uD83D"`},
	{`"\uDE80\uD83D"`, `"\uDE80\uD83D"`},
	{`"\uD83Dx\uDE80"`, `"\uD83Dx\uDE80"`},
	{`"\uD83D\n"`, `"\uD83D\n"`},
	{`"\uD83D\u0041"`, `"\uD83DA"`},
	{"\"\ud7ff\ue000\"", "\"\ud7ff\ue000\""},
	{`0`, `0`},
	{`-0`, `-0`},
	{`1.0`, `1.0`},
	{`1.10`, `1.10`},
	{`1E+2`, `1E+2`},
	{`1e400`, `1e400`},
	{`12345678901234567890123`, `12345678901234567890123`},
	{`[]`, `[]`},
	{`[ ]`, `[]`},
	{`[1 , 2,[ ], {}]`, `[1,2,[],{}]`},
	{`{ }`, `{}`},
	{`{"z":1,"a":1.0,"m":{"y":[],"b":null}}`, `{"z":1,"a":1.0,"m":{"y":[],"b":null}}`},
	{"{\n \"a\" : [ true , \"b\" ] ,\"\\u0061b\":2 }", `{"a":[true,"b"],"ab":2}`},
	{`{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
	{`{"a":1,"\u0061":3}`, `{"a":3}`},
	{`{"":0}`, `{"":0}`},
}

func TestCheckTakesJSON(t *testing.T) {
	for _, c := range taken {
		text, err := value.Check(c.text)
		if err != nil || text.String() != c.text || text.Len() != len(c.text) || text.IsZero() {
			t.Errorf("%s: %v, %v", c.text, text, err)
			continue
		}
		again := text.Decode().Text()
		if again.String() != c.again {
			t.Errorf("%s is written %s, not %s", c.text, again, c.again)
		}
		if twice := again.Decode().Text(); twice != again {
			t.Errorf("%s is written %s the second time", again, twice)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for _, c := range []struct {
		text   string
		offset int
		reason string
	}{
		{"", 0, "the text ends where a value should stand"},
		{"  ", 2, "the text ends where a value should stand"},
		{"\ufeff1", 0, "no value begins here"},
		{"nul", 0, "no value begins here"},
		{"True", 0, "no value begins here"},
		{"NaN", 0, "no value begins here"},
		{"// 1", 0, "no value begins here"},
		{"1 2", 2, "text after the value"},
		{"01", 1, "text after the value"},
		{"1\v", 1, "text after the value"},
		{"-", 1, "a number without digits"},
		{"-a", 1, "a number without digits"},
		{"1.", 2, "a number without digits after its point"},
		{".5", 0, "no value begins here"},
		{"1e", 2, "a number without digits in its exponent"},
		{"1e+", 3, "a number without digits in its exponent"},
		{"[", 1, "the text ends where a value should stand"},
		{"[1", 2, "',' or ']' should stand here"},
		{"[1,]", 3, "no value begins here"},
		{"[1 2]", 3, "',' or ']' should stand here"},
		{"[01]", 2, "',' or ']' should stand here"},
		{"]", 0, "no value begins here"},
		{"{", 1, "a member name should stand here"},
		{"{a:1}", 1, "a member name should stand here"},
		{`{"a"}`, 4, "':' should stand here"},
		{`{"a":}`, 5, "no value begins here"},
		{`{"a":1`, 6, "',' or '}' should stand here"},
		{`{"a":1,}`, 7, "a member name should stand here"},
		{`{"a" 1}`, 5, "':' should stand here"},
		{`{"a`, 3, "the text ends within a string"},
		{`"`, 1, "the text ends within a string"},
		{`"\`, 1, "the text ends within a string"},
		{`"\x"`, 1, "an escape that is none"},
		{`"\u12"`, 1, "an escape that is none"},
		{`"\u12g4"`, 1, "an escape that is none"},
		{`"\u123`, 1, "an escape that is none"},
		{"\"a\nb\"", 2, "a control character in a string"},
		{"\"\xff\"", 1, "bytes that are not UTF-8"},
		{"\"a\xed\xa0\x80\"", 2, "bytes that are not UTF-8"},
		{"\"\xc0\x80\"", 1, "bytes that are not UTF-8"},
		{"\"\xe2\x9c\"", 1, "bytes that are not UTF-8"},
		{"[" + strings.Repeat("9", value.MaxDigits+1) + "]", value.MaxDigits + 2, "a number of too many digits"},
	} {
		text, err := value.Check(c.text)
		var bad *value.SyntaxError
		if !errors.As(err, &bad) || bad.Offset != c.offset || bad.Reason != c.reason || !text.IsZero() {
			t.Errorf("%.40q: %v", c.text, err)
		}
	}
	_, err := value.Check("[1,]")
	if err.Error() != "not JSON at byte 3: no value begins here" {
		t.Error(err)
	}
}

func TestBoundsOfTexts(t *testing.T) {
	nested := func(n int) string { return strings.Repeat(`[{"a":`, n/2) + "1" + strings.Repeat("}]", n/2) }
	if text, err := value.Check(nested(value.MaxDepth)); err != nil || text.Decode().Text() != text {
		t.Error("a text of the greatest depth:", err)
	}
	for _, deep := range []string{
		"[" + nested(value.MaxDepth) + "]",
		`{"a":` + nested(value.MaxDepth) + "}",
	} {
		if _, err := value.Check(deep); err == nil {
			t.Error("a text of too great a depth was taken")
		}
	}
	digits := strings.Repeat("9", value.MaxDigits)
	if text, err := value.Check(digits); err != nil || text.Decode().Spelling() != digits {
		t.Error("a number of the most digits:", err)
	}
}

func TestBombsAreRefusedFast(t *testing.T) {
	for _, bomb := range []string{
		strings.Repeat("[", 1_000_000),
		strings.Repeat(`{"a":`, 1_000_000),
		strings.Repeat("[1,", 1_000_000),
		strings.Repeat("9", 1_000_000),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		if _, err := value.Check(bomb); err == nil {
			t.Errorf("%.10s… was taken", bomb)
		}
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc + after.StackInuse - min(before.StackInuse, after.StackInuse); grown > 4<<20 {
			t.Errorf("%.10s… took %d bytes", bomb, grown)
		}
		if took > time.Second { // it takes about a millisecond; this is for crowded machines
			t.Errorf("%.10s… took %v", bomb, took)
		}
	}
}

func TestZeroText(t *testing.T) {
	var none value.Text
	if !none.IsZero() || none.Len() != 0 || none.String() != "" || !none.Decode().IsAbsent() {
		t.Error("the zero Text is something")
	}
	if !(value.Value{}).Text().IsZero() {
		t.Error("an absent value has a text")
	}
	if got := value.Checked(`{"a":1}`).Decode().Get("a").Spelling(); got != "1" {
		t.Error(got)
	}
}

// FuzzText holds ours beside encoding/json: the same texts are taken, they mean
// the same, and what is written is read again.
func FuzzText(f *testing.F) {
	for _, c := range taken {
		f.Add(c.text)
	}
	f.Add(order)
	f.Add(`{"a":[1,2,{"b":"\ud800"}],"a":1e5}`)
	f.Add(`[01]`)
	f.Fuzz(func(t *testing.T, s string) {
		fuzz.Bounded(t, func() { tryText(t, s) })
	})
}

func tryText(t *testing.T, s string) {
	text, err := value.Check(s)
	if err != nil {
		var bad *value.SyntaxError
		if !errors.As(err, &bad) || bad.Offset < 0 || bad.Offset > len(s) {
			t.Fatalf("%q: %v", s, err)
		}
		if json.Valid([]byte(s)) && utf8.ValidString(s) && !strings.HasPrefix(bad.Reason, "nested") && !strings.HasSuffix(bad.Reason, "digits") {
			t.Fatalf("%q is JSON, but: %v", s, err)
		}
		return
	}
	if !json.Valid([]byte(s)) || !utf8.ValidString(s) {
		t.Fatalf("%q is no JSON", s)
	}
	v := text.Decode()
	theirs, err := decodeUseNumber(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	compare(t, s, v, theirs)
	again := v.Text()
	if text.IsNormal() && text != again {
		t.Fatalf("%q is said to be normal, and is written %s", s, again)
	}
	last := map[string]value.Value{}
	for name, member := range text.Members() {
		last[name] = member.Decode()
	}
	for name, member := range v.Members() {
		if text.Kind() != v.Kind() || !value.Equal(last[name], member) {
			t.Fatalf("%q: the member %q is %v", s, name, last[name])
		}
	}
	if len(last) != v.Len() && v.Kind() == value.Object {
		t.Fatalf("%q has %d members", s, len(last))
	}
	if !v.Fits(again.Len()) || v.Fits(again.Len()-1) {
		t.Fatalf("%q: %s is not counted right", s, again)
	}
	if checked, err := value.Check(again.String()); err != nil || !value.Equal(checked.Decode(), v) {
		t.Fatalf("%q is written %s: %v", s, again, err)
	}
}

// compare holds a value beside what encoding/json reads.
func compare(t *testing.T, s string, ours value.Value, theirs any) {
	t.Helper()
	ok := true
	switch their := theirs.(type) {
	case nil:
		ok = ours.Kind() == value.Null
	case bool:
		ok = ours.Kind() == value.Bool && ours.AsBool() == their
	case json.Number:
		ok = ours.Kind() == value.Number && ours.Spelling() == their.String()
	case string:
		ok = ours.Kind() == value.String && (ours.AsString() == their || strings.ContainsRune(their, utf8.RuneError))
	case []any:
		ok = ours.Kind() == value.Array && ours.Len() == len(their)
		for i := 0; ok && i < len(their); i++ {
			compare(t, s, ours.At(i), their[i])
		}
	case map[string]any:
		ok = ours.Kind() == value.Object
		for name, member := range their {
			if ok && !strings.ContainsRune(name, utf8.RuneError) {
				compare(t, s, ours.Get(name), member)
			}
		}
	}
	if !ok {
		t.Fatalf("%q: %s is not %v", s, ours.Text(), theirs)
	}
}

func TestIndented(t *testing.T) {
	if got, want := value.Checked(`{"b":[1,{}],"a":"\u00e9"}`).Indented(), "{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"a\": \"\\u00e9\"\n}\n"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
}
