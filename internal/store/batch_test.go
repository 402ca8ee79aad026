package store

import (
	"reflect"
	"strings"
	"testing"
)

// TestBodies: no body that a batch puts is forgotten. What it expects, drops or moves
// has none that is kept.
func TestBodies(t *testing.T) {
	var b Batch
	want := map[string]bool{}
	fields := reflect.ValueOf(&b).Elem()
	for i := range fields.NumField() {
		name, rows := fields.Type().Field(i).Name, fields.Field(i)
		if rows.Kind() != reflect.Slice || strings.HasPrefix(name, "Expect") || strings.HasPrefix(name, "Drop") || strings.HasPrefix(name, "Moved") {
			continue
		}
		rows.Set(reflect.MakeSlice(rows.Type(), 1, 1))
		for _, body := range []string{"Body", "Start"} {
			if f := rows.Index(0).FieldByName(body); f.IsValid() && f.Type() == reflect.TypeFor[[]byte]() {
				f.SetBytes([]byte(name + " " + body))
				want[name+" "+body] = true
			}
		}
	}
	b.Bodies(func(body []byte) {
		if !want[string(body)] {
			t.Errorf("%q is visited, or twice", body)
		}
		delete(want, string(body))
	})
	if len(want) > 0 {
		t.Errorf("not visited: %v", want)
	}
}
