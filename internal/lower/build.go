package lower

import (
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// object is a JSON object of names and values in turn: texts, numbers, truths,
// lists of texts, values. What is absent, or an empty list, is left out.
func object(pairs ...any) value.Value {
	b := value.NewBuilder(len(pairs) / 2)
	for i := 0; i+1 < len(pairs); i += 2 {
		b.Set(pairs[i].(string), asValue(pairs[i+1]))
	}
	return b.Object()
}

func asValue(v any) value.Value {
	switch v := v.(type) {
	case string:
		return value.NewString(v)
	case int:
		return value.NewInt(int64(v))
	case bool:
		return value.NewBool(v)
	case []string:
		items := make([]value.Value, len(v))
		for i, s := range v {
			items[i] = value.NewString(s)
		}
		return value.NewArray(items)
	case []value.Value:
		if len(v) == 0 {
			return value.Value{}
		}
		return value.NewArray(v)
	case value.Value:
		return v
	}
	return value.Value{}
}

// list is a JSON array.
func list(items ...value.Value) value.Value { return value.NewArray(items) }

// query is an expression as a definition holds it.
func query(expression string) string { return "{% " + expression + " %}" }

// quoted is a text as an expression holds it.
func quoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(s) + "'"
}

// listed is a list as an expression holds it.
func listed(items []string) string { return "[" + strings.Join(items, ", ") + "]" }

func copyTo(out *value.Builder, v value.Value, names ...string) {
	for _, name := range names {
		if v.Has(name) {
			out.Set(name, v.Get(name))
		}
	}
}

// merged is an object with the members of others added.
func merged(objects ...value.Value) value.Value {
	out := value.NewBuilder(4)
	for _, o := range objects {
		if o.Kind() == value.Object {
			for name, m := range o.Members() {
				out.Set(name, m)
			}
		}
	}
	if out.Len() == 0 {
		return value.Value{}
	}
	return out.Object()
}

// made begins a state that the export adds: in JSONata, whatever the language of
// the machine.
func (l *lowering) made(t asl.Type, comment string, pairs ...any) *value.Builder {
	out := value.NewBuilder(len(pairs)/2 + 3)
	out.Set("Type", value.NewString(string(t)))
	if comment != "" {
		out.Set("Comment", value.NewString(comment))
	}
	if !l.machineIsQuery {
		out.Set("QueryLanguage", value.NewString("JSONata"))
	}
	for name, m := range object(pairs...).Members() {
		out.Set(name, m)
	}
	return out
}
