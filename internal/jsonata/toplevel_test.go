package jsonata

import (
	"slices"
	"testing"
)

func TestTopLevel(t *testing.T) {
	for source, want := range map[string][]string{
		"phone":                         {"phone"},
		"phone[0].x":                    {"phone"},
		"aaa + bbb + aaa":               {"aaa", "bbb"},
		"$.phone":                       {"$"},
		"$$":                            {"$$"},
		"$states.input.items[$$.x > 1]": {"$$"},
		"$states.input.phone":           nil,
		"$states.input.items[phone > 3].{'a': b}":         nil,
		"$states.input.items^(>price)":                    nil,
		"$states.input{kind: $sum(price)}":                nil,
		"$map($states.input.a, function($x){ $x.phone })": nil,
		"$sum(phone)":                   {"phone"},
		"[a, {'b': c, d: 1}]":           {"a", "c", "d"},
		"($x := a; $x.b)":               {"a"},
		"a ? b : -c":                    {"a", "b", "c"},
		"$states.input ~> |$|{'x': y}|": nil,
		"a ~> $sum()":                   {"a"},
		"'text' & `quoted name`":        {"quoted name"},
	} {
		e, err := Compile(source, AWS)
		if err != nil {
			t.Errorf("%s: %v", source, err)
		} else if got := e.TopLevel(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
}

func TestFields(t *testing.T) {
	e, err := Compile("[$states.input.a, $states.errorOutput, $x.input, $map(b, function(){ $states.context }), $states, $states.input]", AWS)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := e.Fields("states"), []string{"input", "errorOutput", "context"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
