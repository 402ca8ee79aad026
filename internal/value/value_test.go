package value_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/value"
)

func parse(text string) value.Value {
	t, err := value.Check(text)
	if err != nil {
		panic(err.Error() + ": " + text)
	}
	return t.Decode()
}

func TestKinds(t *testing.T) {
	for _, c := range []struct {
		v    value.Value
		kind value.Kind
		name string
		text string
	}{
		{value.Value{}, value.Absent, "absent", ""},
		{value.NewNull(), value.Null, "null", "null"},
		{value.NewBool(true), value.Bool, "boolean", "true"},
		{value.NewInt(-3), value.Number, "number", "-3"},
		{value.NewNumber("1.50"), value.Number, "number", "1.50"},
		{value.NewString("a"), value.String, "string", `"a"`},
		{value.NewArray([]value.Value{value.NewInt(1)}), value.Array, "array", "[1]"},
		{value.NewArray(nil), value.Array, "array", "[]"},
		{value.NewObject(value.Member{Name: "a", Value: value.NewNull()}), value.Object, "object", `{"a":null}`},
		{value.NewObject(), value.Object, "object", "{}"},
	} {
		if c.v.Kind() != c.kind || c.kind.String() != c.name || c.v.Text().String() != c.text || c.v.IsAbsent() != (c.text == "") {
			t.Errorf("%s %s is %s %s", c.name, c.text, c.v.Kind(), c.v.Text())
		}
	}
}

func TestOtherKindsGiveNothing(t *testing.T) {
	for _, v := range []value.Value{{}, value.NewNull(), value.NewBool(true), value.NewInt(1), value.NewString("a")} {
		if v.Len() != 0 || v.Items() != nil || v.Names() != nil || v.Has("a") || !v.Get("a").IsAbsent() ||
			v.Find("a") != nil || v.Item(0) != nil {
			t.Errorf("%s holds something", v.Text())
		}
		for range v.Members() {
			t.Errorf("%s has members", v.Text())
		}
		if v.With("a", value.NewInt(1)).Text().String() != `{"a":1}` {
			t.Errorf("%s with a member is %s", v.Text(), v.With("a", value.NewInt(1)).Text())
		}
	}
	list := parse("[1]")
	if _, ok := list.AsInt(); ok || list.AsBool() || list.AsString() != "" || list.AsFloat() != 0 || list.Spelling() != "" || list.Spelled() {
		t.Error("a list is a scalar")
	}
}

func TestItems(t *testing.T) {
	v := parse(`[10,20,30]`)
	for i, want := range map[int]string{0: "10", 2: "30", -1: "30", -3: "10", 3: "", -4: ""} {
		got := ""
		if item := v.Item(i); item != nil {
			got = item.Spelling()
		}
		if got != want {
			t.Errorf("item %d is %q, not %q", i, got, want)
		}
	}
	if v.Len() != 3 || v.At(1).Spelling() != "20" || len(v.Items()) != 3 || v.Has("0") || v.Find("0") != nil {
		t.Error(v.Text())
	}
}

// wide is an object of n members, m0 to m(n-1).
func wide(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
}

// Objects carry an index from 17 members on; it must not show.
func TestMembersOfAnyNumber(t *testing.T) {
	for _, n := range []int{0, 1, 16, 17, 18, 100} {
		v := parse(wide(n))
		if v.Len() != n || v.Text().String() != wide(n) || v.Has("m"+strconv.Itoa(n)) || v.Find("x") != nil {
			t.Errorf("%d members: %s", n, v.Text())
		}
		i := 0
		for name, member := range v.Members() {
			if name != "m"+strconv.Itoa(i) || name != v.NameAt(i) || name != v.Names()[i] || !v.Has(name) ||
				member.Spelling() != v.Get(name).Spelling() || v.Find(name).Spelling() != strconv.Itoa(i) {
				t.Errorf("%d members: %s at %d", n, name, i)
			}
			i++
		}
		more := v.With("m"+strconv.Itoa(n), value.NewInt(int64(n)))
		if more.Text().String() != wide(n+1) || v.Len() != n {
			t.Errorf("%d members and one more: %s", n, more.Text())
		}
		other := v.With("m0", value.NewString("other"))
		if n > 0 && (other.Len() != n || other.At(0).AsString() != "other" || v.At(0).Spelling() != "0") {
			t.Errorf("%d members, one replaced: %s", n, other.Text())
		}
	}
}

func TestNamesThatStandTwice(t *testing.T) {
	for _, n := range []int{2, 20} {
		text := strings.TrimSuffix(wide(n), "}") + `,"m1":"last","m0":"too"}`
		v := parse(text)
		if v.Len() != n || v.NameAt(0) != "m0" || v.At(0).AsString() != "too" || v.Get("m1").AsString() != "last" {
			t.Errorf("%d members, two of them twice: %s", n, v.Text())
		}
	}
}

func TestMembersStopsWhenAsked(t *testing.T) {
	seen := 0
	for range parse(wide(5)).Members() {
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Error(seen)
	}
}

func TestBuilder(t *testing.T) {
	b := value.NewBuilder(0)
	for i := range 20 {
		b.Set("m"+strconv.Itoa(i%18), value.NewInt(int64(i)))
	}
	b.Set("absent", value.Value{})
	if b.Len() != 18 || b.Get("m1").Spelling() != "19" || !b.Get("absent").IsAbsent() {
		t.Error(b.Len(), b.Get("m1").Spelling())
	}
	v := b.Object()
	if v.Len() != 18 || v.NameAt(0) != "m0" || v.At(0).Spelling() != "18" || v.Has("absent") {
		t.Error(v.Text())
	}
}

// threeTenths is what ECMAScript makes of 0.1 + 0.2.
var tenth = 0.1
var threeTenths = tenth + 0.2

func TestFloats(t *testing.T) {
	for _, c := range []struct {
		f    float64
		text string
	}{
		{0, "0"}, {math.Copysign(0, -1), "0"}, {1, "1"}, {-1.5, "-1.5"}, {0.1, "0.1"}, {threeTenths, "0.30000000000000004"},
		{100, "100"}, {1e15, "1000000000000000"}, {9007199254740992, "9007199254740992"}, {-9007199254740994, "-9007199254740994"},
		{123456789012345680000, "123456789012345680000"}, {1e21, "1e+21"}, {-1.5e21, "-1.5e+21"}, {1e-6, "0.000001"}, {1e-7, "1e-7"},
		{1.5e-7, "1.5e-7"}, {1e100, "1e+100"}, {5e-324, "5e-324"}, {math.MaxFloat64, "1.7976931348623157e+308"},
		{math.NaN(), "null"}, {math.Inf(1), "null"}, {math.Inf(-1), "null"},
	} {
		v := value.NewFloat(c.f)
		if got := v.Text().String(); got != c.text || v.Spelling() != c.text || v.Spelled() || !v.Fits(len(got)) || v.Fits(len(got)-1) {
			t.Errorf("%g is written %s, not %s", c.f, got, c.text)
		}
	}
}

func TestNumbersByKind(t *testing.T) {
	for _, c := range []struct {
		text  string
		float float64
		int   int64
		whole bool
	}{
		{"0", 0, 0, true},
		{"-0", math.Copysign(0, -1), 0, true},
		{"-0.0", math.Copysign(0, -1), 0, true},
		{"7", 7, 7, true},
		{"-12", -12, -12, true},
		{"3.0", 3, 3, true},
		{"3e2", 300, 300, true},
		{"1200e-2", 12, 12, true},
		{"0.5e1", 5, 5, true},
		{"0.05e1", 0.5, 0, false},
		{"1.5", 1.5, 0, false},
		{"999999999999999", 999999999999999, 999999999999999, true},
		{"9007199254740993", 9007199254740992, 9007199254740993, true},
		{"9007199254740993.0", 9007199254740992, 9007199254740993, true},
		{"4503599627370495.99999999999", 4503599627370496, 0, false},
		{"9223372036854775807", 9223372036854775807, math.MaxInt64, true},
		{"-9223372036854775808", -9223372036854775808, math.MinInt64, true},
		{"9223372036854775808", 9223372036854775808, 0, false},
		{"1e18", 1e18, 1e18, true},
		{"1e19", 1e19, 0, false},
		{"1e400", math.Inf(1), 0, false},
		{"-1e400", math.Inf(-1), 0, false},
		{"1e-400", 0, 0, false},
		{"0e99999999999999999999", 0, 0, true},
		{"1e99999999999999999999", math.Inf(1), 0, false},
		{"1e-99999999999999999999", 0, 0, false},
	} {
		v := parse(c.text)
		i, ok := v.AsInt()
		if f := v.AsFloat(); f != c.float || math.Signbit(f) != math.Signbit(c.float) || i != c.int || ok != c.whole {
			t.Errorf("%s is %g and %d, %v", c.text, f, i, ok)
		}
		if !v.Spelled() || v.Spelling() != c.text {
			t.Errorf("%s is spelled %s", c.text, v.Spelling())
		}
	}
	for f, want := range map[float64]bool{5: true, 5.5: false, 1e18: true, 1e19: false, -1e19: false, math.Inf(1): false, math.NaN(): false} {
		if i, ok := value.NewFloat(f).AsInt(); ok != want || ok && float64(i) != f {
			t.Errorf("%g is %d, %v", f, i, ok)
		}
	}
	for _, i := range []int64{0, -1, 1 << 53, 1<<53 + 1, -1 << 53, -1<<53 - 1, math.MaxInt64, math.MinInt64} {
		if got, ok := value.NewInt(i).AsInt(); !ok || got != i || value.NewInt(i).Text().String() != strconv.FormatInt(i, 10) {
			t.Errorf("%d is %d, %v", i, got, ok)
		}
	}
}

func TestEqual(t *testing.T) {
	// Values of one line are equal, of different lines are not.
	lines := [][]value.Value{
		{{}},
		{parse("null")},
		{parse("true"), value.NewBool(true)},
		{parse("false")},
		{parse("0"), parse("-0"), parse("0.00"), parse("0e5"), value.NewInt(0)},
		{parse("1"), parse("1.0"), parse("10e-1"), parse("0.1E1"), value.NewInt(1), value.NewFloat(1)},
		{parse("-1"), value.NewFloat(-1)},
		{parse("100"), parse("1e2"), parse("1.00e+2")},
		{parse("0.1"), value.NewFloat(0.1), parse("1e-1")},
		{value.NewFloat(threeTenths), parse("0.30000000000000004")},
		{parse("12345678901234567890123"), parse("12345678901234567890123.0")},
		{parse("12345678901234567890124")},
		{parse("1e400"), parse("10e399")},
		{parse("1e401")},
		{parse(`"1"`)},
		{parse(`"a"`), parse(`"\u0061"`)},
		{parse("[]"), value.NewArray(nil)},
		{parse("[1,2]"), parse("[1.0,2]")},
		{parse("[2,1]")},
		{parse("[1]")},
		{parse("{}"), value.NewObject()},
		{parse(`{"a":1,"b":[2]}`), parse(`{"b":[2.0],"a":1}`)},
		{parse(`{"a":1,"b":[3]}`)},
		{parse(`{"a":1,"c":[2]}`)},
		{parse(`{"a":1}`)},
		{parse(wide(20)), parse(strings.Replace(wide(20), `"m0":0,`, "", 1)).With("m0", value.NewInt(0))},
	}
	for i, line := range lines {
		for j, other := range lines {
			for _, a := range line {
				for _, b := range other {
					if value.Equal(a, b) != (i == j) {
						t.Errorf("%s and %s: %v", a.Text(), b.Text(), i != j)
					}
				}
			}
		}
	}
}

func TestAppendAddsToWhatThereIs(t *testing.T) {
	if got := string(parse(`{"a":[1,"é"]}`).Append([]byte("x="))); got != `x={"a":[1,"é"]}` {
		t.Error(got)
	}
	if got := string(value.Value{}.Append([]byte("x"))); got != "x" {
		t.Error(got)
	}
	if got := string(value.AppendString([]byte("x"), "\x1f\x7f\"")); got != `x"\u001F`+"\x7f"+`\""` {
		t.Error(got)
	}
}

// A value may hold one list many times: it is counted no further than asked.
func TestFits(t *testing.T) {
	v := parse(`["0123456789"]`)
	for range 100 {
		v = value.NewArray([]value.Value{v, v}) // 2^100 strings
	}
	if v.Fits(1 << 20) {
		t.Error("2^100 strings fit into a megabyte")
	}
	for _, text := range []string{`"\u0000\n\"\\é🚀"`, `"\uD83D"`, `{"a\n":[true,false,null,1.50]}`, `[[],{},[{}]]`, `"` + strings.Repeat("a", 100) + `"`} {
		v := parse(text)
		n := v.Text().Len()
		if !v.Fits(n) || v.Fits(n-1) || v.Fits(0) || !v.Fits(1<<30) {
			t.Errorf("%s is not counted right", text)
		}
	}
}

func TestItemsAreShared(t *testing.T) {
	items := []value.Value{value.NewInt(1)}
	if got := value.NewArray(items).Items(); &got[0] != &items[0] {
		t.Error("NewArray copies")
	}
	if names := parse(`{"a":1,"b":2}`).Names(); !slices.Equal(names, []string{"a", "b"}) {
		t.Error(names)
	}
}

func TestWithout(t *testing.T) {
	v := parse(`{"a": 1, "b": 2, "c": 3}`)
	if got := v.Without("b", "d").Object().Text().String(); got != `{"a":1,"c":3}` {
		t.Error(got)
	}
	if v.Len() != 3 {
		t.Error("the object itself has changed")
	}
}
