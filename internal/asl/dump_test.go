package asl_test

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

// dump is a program as text: a line per state, and beneath it a line per field
// that is set.
func dump(p *asl.Program) string {
	d := dumper{}
	if p.Comment != "" {
		d.line(0, "comment %q", p.Comment)
	}
	if p.TimeoutSeconds != 0 {
		d.line(0, "timeout %d", p.TimeoutSeconds)
	}
	for _, a := range p.SearchAttributes {
		d.line(0, "found by %s", a.Name)
		d.fields(1, reflect.ValueOf(a), "Name", "Language")
	}
	if p.Saga != nil {
		d.line(0, "Saga")
		d.fields(1, reflect.ValueOf(*p.Saga), "Flow", "Outer")
	}
	d.flow(0, p.Flow)
	return d.String()
}

type dumper struct{ strings.Builder }

func (d *dumper) line(depth int, format string, args ...any) {
	d.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(d, format, args...)
	d.WriteByte('\n')
}

func (d *dumper) flow(depth int, f *asl.Flow) {
	d.line(depth, "start %s", f.Start.Name)
	for _, s := range f.States {
		language := ""
		if s.Language == asl.JSONata {
			language = " JSONata"
		}
		next := ""
		if s.Next != nil {
			next = " -> " + s.Next.Name
		}
		d.line(depth, "%s: %s%s%s", s.Name, s.Type, language, next)
		d.fields(depth+1, reflect.ValueOf(*s), "Name", "Type", "Language", "Flow", "Scope", "Next", "Place")
	}
}

// fields prints the fields of a struct that are set.
func (d *dumper) fields(depth int, v reflect.Value, except ...string) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		if f.CanInterface() && !f.IsZero() && !strings.Contains(" "+strings.Join(except, " ")+" ", " "+name+" ") {
			d.field(depth, name, f)
		}
	}
}

func (d *dumper) field(depth int, name string, v reflect.Value) {
	if text, ok := brief(v.Interface()); ok {
		d.line(depth, "%s %s", name, text)
		return
	}
	if flow, ok := v.Interface().(*asl.Flow); ok {
		d.line(depth, "%s", name)
		d.flow(depth+1, flow)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		d.field(depth, name, v.Elem())
	case reflect.Struct:
		d.line(depth, "%s", name)
		d.fields(depth+1, v, "Outer")
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String {
			d.line(depth, "%s %v", name, v.Interface())
			return
		}
		for i := range v.Len() {
			d.field(depth, fmt.Sprintf("%s[%d]", name, i), v.Index(i))
		}
	default:
		d.line(depth, "%s %v", name, v.Interface())
	}
}

// brief is what fits on a line.
func brief(v any) (string, bool) {
	switch v := v.(type) {
	case *asl.State:
		return v.Name, true
	case *asl.Template:
		return template(v), true
	case *asl.QueryExpr:
		return query(v), true
	case value.Value:
		return v.Text().String(), true
	case *jsonpath.Path:
		return v.String(), true
	case *asl.Selection:
		if v.Path == nil {
			return "nothing", true
		}
		return v.Path.String(), true
	case *asl.Destination:
		if v.Reference == nil {
			return "nowhere", true
		}
		return v.Reference.String(), true
	case asl.Quantity:
		switch {
		case v.Literal != nil:
			return fmt.Sprint(*v.Literal), true
		case v.Path != nil:
			return v.Field + "=" + v.Path.String(), true
		}
		return v.Field + "=" + query(v.Query), true
	case asl.Line:
		switch {
		case v.Literal != nil:
			return fmt.Sprintf("%q", *v.Literal), true
		case v.Path != nil:
			return v.Field + "=" + v.Path.String(), true
		}
		return v.Field + "=" + query(v.Query), true
	}
	return "", false
}

func query(q *asl.QueryExpr) string { return "{%" + q.Text + "%}@" + q.Location }

func template(t *asl.Template) string {
	var parts []string
	switch {
	case t.Path != nil:
		return t.Path.Field + "=" + t.Path.Expression.String()
	case t.Query != nil:
		return query(t.Query)
	case t.IsArray():
		for _, item := range t.Array {
			parts = append(parts, template(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case t.Constant.IsAbsent():
		for _, m := range t.Object {
			parts = append(parts, m.Name+": "+template(m.Value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return t.Constant.Text().String()
}
