package value_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/value"
)

// object is an object of so many members.
func object(members int) string {
	var b strings.Builder
	for i := range members {
		b.WriteString(`,"` + strconv.Itoa(i) + `":[{}]`)
	}
	return "{" + b.String()[1:] + "}"
}

func TestNormalTextsStandAsTheyAre(t *testing.T) {
	normal := []string{
		`null`, `true`, `false`, `0`, `-0`, `1.10`, `1E+2`, `""`, `"é✓🚀"`, `"a"`, `[]`, `{}`, `[[],{}]`, `[1,"two",null]`,
		`{"z":1,"a":1.0,"m":{"y":[],"b":null}}`, object(16),
	}
	for _, text := range normal {
		if !value.Checked(text).IsNormal() {
			t.Errorf("%s is not said to be normal", text)
		}
	}
	for _, text := range []string{"", " 1", "1 ", `[1 ]`, `[1, 2]`, `[ ]`, `{ }`, `{"a" :1}`, `{"a": 1}`, `{"a":1 }`, `{"a":1, "b":2}`,
		`"\n"`, `"\u0041"`, `"é\u0041"`, `{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, object(17)} {
		if value.Checked(text).IsNormal() {
			t.Errorf("%s is said to be normal", text)
		}
	}
	for _, c := range taken {
		if text := value.Checked(c.text); text.IsNormal() && text.String() != c.again {
			t.Errorf("%s is said to be normal, and is written %s", text, c.again)
		}
	}
}
