package service

import (
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/api"
)

func TestWhere(t *testing.T) {
	for _, c := range []struct {
		where string
		want  []term
	}{
		{`order_id = "1001"`, []term{{"order_id", "1001"}}},
		{`order_id="1001"`, []term{{"order_id", "1001"}}},
		{"  a\t=\n1001 ", []term{{"a", "1001"}}},
		{`a = -1.50e3 and b = true AND c = false`, []term{{"a", "-1.50e3"}, {"b", "true"}, {"c", "false"}}},
		{`and = "and" and and = "a = \"b\" and c"`, []term{{"and", "and"}, {"and", `a = "b" and c`}}},
		{`a="é\u00e9\\"and b=""`, []term{{"a", `éé\`}, {"b", ""}}},
		{`a = "` + strings.Repeat("ö", 256) + `"`, []term{{"a", strings.Repeat("ö", 256)}}},
	} {
		if got, err := parseWhere(c.where); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, %v", c.where, got, err)
		}
	}
}

// What can't be read is refused, with the place where it stops making sense.
func TestBadWhere(t *testing.T) {
	term := `a = 1`
	for _, c := range []struct{ where, want string }{
		{``, "character 1: the name of a search attribute should stand here"},
		{`= "1"`, "character 1: the name of a search attribute should stand here"},
		{`"a" = 1`, "character 1: the name of a search attribute should stand here"},
		{`order-id = 1`, `character 1: "order-id" is no name of a search attribute`},
		{`ö = 1`, `character 1: "ö" is no name of a search attribute`},
		{`order_id`, "character 9: '=' should stand here"},
		{`order_id "1"`, "character 10: '=' should stand here"},
		{`a != 1`, "character 3: '=' should stand here"},
		{`a == 1`, "character 4: a value should stand here: a string in double quotes, a number, true or false"},
		{`a = `, "character 5: a value should stand here"},
		{`a = 'b'`, "character 5: a value should stand here"},
		{`a = b`, "character 5: a value should stand here"},
		{`a = null`, "character 5: a value should stand here"},
		{`a = [1]`, "character 5: a value should stand here"},
		{`a = 01`, "character 5: a value should stand here"},
		{`a = "b`, "character 5: a value should stand here"},
		{`a = "b\`, "character 5: a value should stand here"},
		{`a = "b\x"`, "character 5: a value should stand here"},
		{`a = "ö" or b = 2`, "character 9: 'and' should stand here, or nothing more"},
		{`a = 1 b = 2`, "character 7: 'and' should stand here, or nothing more"},
		{`a = 1 andb = 2`, "character 7: 'and' should stand here, or nothing more"},
		{`a = 1 and`, "character 10: the name of a search attribute should stand here"},
		{`a = 1, b = 2`, "character 6: 'and' should stand here, or nothing more"},
		{`a = "` + strings.Repeat("x", 257) + `"`, "character 5: a search attribute has at most 256 characters"},
		{strings.Repeat(term+" and ", 10) + term, "character 97: there can be at most 10 terms"},
	} {
		_, err := parseWhere(c.where)
		if err == nil || api.CodeOf(err) != api.CodeValidation || !strings.Contains(err.Error(), "where, "+c.want) {
			t.Errorf("%s: %v, want %s", c.where, err, c.want)
		}
	}
	if terms, err := parseWhere(strings.Repeat(term+" and ", 9) + term); len(terms) != 10 || err != nil {
		t.Errorf("ten terms: %+v, %v", terms, err)
	}
}
