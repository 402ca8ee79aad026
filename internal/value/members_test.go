package value_test

import (
	"testing"

	"github.com/backstep/backstep/internal/value"
)

func TestKindOfAText(t *testing.T) {
	for text, want := range map[string]value.Kind{
		"": value.Absent, " null": value.Null, "true": value.Bool, "\n false": value.Bool, "-1": value.Number, "0": value.Number,
		` "a"`: value.String, "\t[1]": value.Array, " {}": value.Object,
	} {
		if got := value.Checked(text).Kind(); got != want {
			t.Errorf("%q is %v, not %v", text, got, want)
		}
	}
}

func TestMembersOfAText(t *testing.T) {
	type member struct{ name, text string }
	for _, c := range []struct {
		text string
		want []member
	}{
		{`{}`, nil}, {` { } `, nil}, {`[{"a":1}]`, nil}, {`"{}"`, nil}, {``, nil},
		{`{"a":1}`, []member{{"a", "1"}}},
		{" {\n \"a\" : [ 1, {\"]\": \"}\\\"\"} ] , \"\\u0062\":{\"c\" :null} ,\"d\":\"e\\\"\", \"a\":-1.5e3 } ",
			[]member{{"a", `[ 1, {"]": "}\""} ]`}, {"b", `{"c" :null}`}, {"d", `"e\""`}, {"a", "-1.5e3"}}},
		{`{"t":true,"f":false,"n":null,"s":"","o":{},"l":[]}`,
			[]member{{"t", "true"}, {"f", "false"}, {"n", "null"}, {"s", `""`}, {"o", "{}"}, {"l", "[]"}}},
	} {
		var got []member
		for name, text := range value.Checked(c.text).Members() {
			got = append(got, member{name, text.String()})
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %q", c.text, got)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: member %d is %q, not %q", c.text, i, got[i], c.want[i])
			}
		}
	}
	for range value.Checked(`{"a":1,"b":2}`).Members() {
		break
	}
	object := value.Checked(`{"a":1,"b":{"c":2},"b":3}`)
	if got := object.Member("b").Member("c").String(); got != "2" {
		t.Errorf("the member is %q", got)
	}
	if got := object.Member("a").Member("c"); got.Kind() != value.Absent {
		t.Errorf("a member of a number is %q", got.String())
	}
}
