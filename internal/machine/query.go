package machine

import (
	"errors"
	"strconv"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/jsonata"
	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

// scope is what the expressions of one state can reach at one moment. It is
// the jsonpath.Scope of a JSONPath state, and the variables of a JSONata one.
type scope struct {
	turn   *turn
	frame  *Frame
	state  *asl.State
	before int64 // what the event of a failed evaluation points to

	dollar  datum       // $ of JSONPath
	result  datum       // $states.result
	failure value.Value // $states.errorOutput
	item    *item       // the item that an ItemSelector makes, before its frame stands
	token   bool        // whether the state's job has a token
	step    *Undo       // of a body: the row of its step
	why     Failure     // of a body: why what was done is undone
	over    bool        // whether history has said already how the state's work ended

	context value.Value         // made when first asked for
	asking  *jsonata.Expression // that is being evaluated
}

func (t *turn) scope(f *Frame, s *asl.State, before int64) *scope {
	return &scope{turn: t, frame: f, state: s, before: before, dollar: datum{ref: f.Input}}
}

// datum is a text of the execution, a text or a tree that may become one, or
// several of these. So a text that nobody changes keeps its number and its
// spelling.
type datum struct {
	ref  Ref
	text value.Text
	tree value.Value
}

// look is the datum's tree.
func (t *turn) look(d *datum) value.Value {
	switch {
	case !d.tree.IsAbsent():
	case d.ref != 0:
		d.tree = t.tree(d.ref)
	default:
		d.tree = d.text.Decode()
	}
	return d.tree
}

// number is the datum's number, a new one where it has none yet. Where its
// text is longer than limit (0: any length goes), ok is false.
func (t *turn) number(d *datum, limit int) (ref Ref, ok bool) {
	if d.ref != 0 {
		return d.ref, limit == 0 || t.text(d.ref).Len() <= limit
	}
	if d.text.IsZero() {
		if limit > 0 && !d.tree.Fits(limit) {
			return 0, false
		}
		d.text = d.tree.Text()
	}
	if limit > 0 && d.text.Len() > limit {
		return 0, false
	}
	d.ref = t.payload(d.text, d.tree)
	return d.ref, true
}

// Input is what $ stands for in JSONPath.
func (sc *scope) Input() value.Value { return sc.turn.look(&sc.dollar) }

// Variable is a variable that the frame can see: its own, or one of the frames
// around it. In JSONata "states" is the state's own data.
func (sc *scope) Variable(name string) value.Value {
	if name == "states" && sc.state.Language == asl.JSONata {
		return sc.statesObject()
	}
	if ref := sc.turn.variable(sc.frame, name); ref != 0 {
		return sc.turn.tree(ref)
	}
	return value.Value{}
}

// statesObject is $states, or what the expression under way looks at of it:
// no text is read for nothing.
func (sc *scope) statesObject() value.Value {
	asks := func(member string) bool { return sc.asking.Asks("states", member) }
	b := value.NewBuilder(4)
	if asks("input") {
		b.Set("input", sc.turn.tree(sc.frame.Input))
	}
	if asks("result") {
		b.Set("result", sc.turn.look(&sc.result))
	}
	if asks("errorOutput") {
		b.Set("errorOutput", sc.failure)
	}
	if asks("context") {
		b.Set("context", sc.Context())
	}
	return b.Object()
}

// with is the scope with another $.
func (sc *scope) with(d datum) *scope {
	sc.dollar = d
	return sc
}

// template is what a template makes of the scope. One that is a whole text of
// the execution gives that text, untouched, and a member of one is cut out of it.
func (sc *scope) template(t *asl.Template) (datum, *fault) {
	if d := sc.whole(t); d.ref != 0 || !d.tree.IsAbsent() {
		return d, nil
	}
	if text := sc.within(t); !text.IsZero() {
		return datum{text: text}, nil
	}
	v, fl := sc.build(t)
	return datum{tree: v}, fl
}

// whole is the datum that a template names as a whole: $, a variable, a state's
// input or result.
func (sc *scope) whole(t *asl.Template) datum {
	var text string
	switch {
	case t.Path != nil:
		text = t.Path.Text
	case t.Query != nil:
		text = t.Query.Text
	}
	switch text {
	case "":
		return datum{}
	case "$":
		return sc.dollar // no JSONata expression is "$": it has no input
	case "$states.input":
		return datum{ref: sc.frame.Input}
	case "$states.result":
		return sc.result
	}
	return datum{ref: sc.turn.variable(sc.frame, text[1:])} // no variable has the name of what is more than its name
}

// within is the text of the member of a state's input or result that a query
// names and does nothing else with. There is none where an evaluation would
// give anything but that text: of what stands in an array, of an array, of a
// number, of what would be spelled anew.
func (sc *scope) within(t *asl.Template) value.Text {
	if t.Query == nil || len(t.Query.Members) < 2 {
		return value.Text{}
	}
	d := sc.result
	if t.Query.Members[0] == "input" {
		d = datum{ref: sc.frame.Input}
	} else if t.Query.Members[0] != "result" {
		return value.Text{}
	}
	if d.ref == 0 {
		return value.Text{}
	}
	text := sc.turn.text(d.ref)
	for _, name := range t.Query.Members[1:] {
		var found value.Text
		for n, member := range text.Members() {
			if n == name {
				found = member
			}
		}
		text = found
	}
	if kind := text.Kind(); kind != value.Object && kind != value.String || !text.IsNormal() {
		return value.Text{}
	}
	return text
}

// composed is template for who needs the text alone: an object of constants, of
// whole texts and of members of such goes together without a look into these. Where
// an expression is to be evaluated, a text spelled anew, or all is too long, it is
// template.
func (sc *scope) composed(t *asl.Template) (datum, *fault) {
	if t.Object == nil {
		return sc.template(t)
	}
	parts, size, ok := sc.parts(t, nil)
	if most := sc.turn.env.Limits.Payload; !ok || most > 0 && size > most {
		return sc.template(t)
	}
	text, _ := compose(make([]byte, 0, size), t, parts)
	return datum{text: value.Checked(string(text))}, nil
}

// parts adds the texts that a template names, in their order, and tells about how
// many bytes it makes with them.
func (sc *scope) parts(t *asl.Template, before []value.Text) (parts []value.Text, bytes int, ok bool) {
	const little = 32 // of a constant or a name
	switch {
	case t.Path != nil || t.Query != nil:
		var part value.Text
		if d := sc.whole(t); d.ref != 0 {
			part = sc.turn.text(d.ref)
			ok = part.IsNormal()
		} else {
			part = sc.within(t)
			ok = !part.IsZero()
		}
		return append(before, part), part.Len(), ok
	case t.IsArray():
		return nil, 0, false
	}
	parts, bytes = before, little
	for i := range t.Object {
		n := 0
		if parts, n, ok = sc.parts(t.Object[i].Value, parts); !ok {
			return nil, 0, false
		}
		bytes += little + n
	}
	return parts, bytes, true
}

// compose adds the text of a template that has these parts, and gives those that
// are left.
func compose(dst []byte, t *asl.Template, parts []value.Text) (_ []byte, left []value.Text) {
	switch {
	case t.Path != nil || t.Query != nil:
		return append(dst, parts[0].String()...), parts[1:]
	case t.Object == nil:
		return t.Constant.Append(dst), parts
	}
	dst = append(dst, '{')
	for i := range t.Object {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(value.AppendString(dst, t.Object[i].Name), ':')
		dst, parts = compose(dst, t.Object[i].Value, parts)
	}
	return append(dst, '}'), parts
}

func (sc *scope) build(t *asl.Template) (value.Value, *fault) {
	switch {
	case t.Path != nil:
		return sc.path(t.Path.Expression, t.Path.Field)
	case t.Query != nil:
		return sc.query(t.Query)
	case t.IsArray():
		return sc.buildArray(t)
	case t.Object != nil:
		return sc.buildObject(t)
	}
	return t.Constant, nil
}

func (sc *scope) buildArray(t *asl.Template) (value.Value, *fault) {
	items := make([]value.Value, len(t.Array))
	for i, part := range t.Array {
		v, fl := sc.build(part)
		if fl != nil {
			return v, fl
		}
		items[i] = v
	}
	return value.NewArray(items), nil
}

func (sc *scope) buildObject(t *asl.Template) (value.Value, *fault) {
	b := value.NewBuilder(len(t.Object))
	for i := range t.Object {
		v, fl := sc.build(t.Object[i].Value)
		if fl != nil {
			return v, fl
		}
		b.Set(t.Object[i].Name, v)
	}
	return b.Object(), nil
}

// path is what a path or a call of an intrinsic function gives, in the field
// of that name.
func (sc *scope) path(e *jsonpath.Expression, field string) (value.Value, *fault) {
	v, err := e.Eval(sc, &sc.turn.chance)
	if err == nil {
		return v, nil
	}
	var missing *jsonpath.NotFound
	if errors.As(err, &missing) {
		return v, sc.runtime(missing.InField(field, sc.searched(e).Text().String()))
	}
	return v, sc.runtime(err.Error())
}

// searched is what an expression was looked for in.
func (sc *scope) searched(e *jsonpath.Expression) value.Value {
	if p := e.Path(); p != nil {
		switch root, name := p.Root(); root {
		case jsonpath.RootContext:
			return sc.Context()
		case jsonpath.RootVariable:
			if v := sc.Variable(name); !v.IsAbsent() {
				return v
			}
		}
	}
	return sc.Input()
}

// selection is what an InputPath, OutputPath or ItemsPath selects of $.
func (sc *scope) selection(s *asl.Selection) (datum, *fault) {
	switch {
	case s == nil:
		return sc.dollar, nil
	case s.Path == nil:
		return datum{tree: value.NewObject()}, nil
	}
	v, err := s.Path.Eval(sc)
	if err != nil {
		return datum{}, sc.runtime(err.Error())
	}
	return datum{tree: v}, nil
}

// query is what a JSONata expression gives. One that gives nothing, or no
// JSON, is a failure.
func (sc *scope) query(q *asl.QueryExpr) (value.Value, *fault) {
	sc.asking = q.Expression
	v, err := q.Expression.Eval(jsonata.Env{Vars: sc, Now: sc.turn.head.Now, Chance: &sc.turn.chance, Budget: jsonata.Budget{Output: sc.turn.env.Limits.Payload}})
	var failed *jsonata.Error
	switch {
	case errors.Is(err, jsonata.ErrFunction):
		return v, sc.queryFault(q, "returned an unsupported result type.")
	case errors.As(err, &failed):
		return v, sc.queryFault(q, "threw an error during evaluation. "+failed.Error())
	case err != nil:
		return v, sc.queryFault(q, "threw an error during evaluation. "+err.Error())
	case v.IsAbsent():
		return v, sc.queryFault(q, "returned nothing (undefined).")
	}
	return v, nil
}

// queryOf is what an expression gives where the field takes one kind alone.
func (sc *scope) queryOf(q *asl.QueryExpr, kind value.Kind) (value.Value, *fault) {
	v, fl := sc.query(q)
	if fl == nil && v.Kind() != kind {
		fl = sc.unexpected(q, kind, v)
	}
	return v, fl
}

func (sc *scope) unexpected(q *asl.QueryExpr, want value.Kind, v value.Value) *fault {
	return sc.queryFault(q, "returned an unexpected result type. Expected '"+want.String()+
		"', but was '"+v.Kind().String()+"' for value: "+v.Text().String())
}

func (sc *scope) queryFault(q *asl.QueryExpr, what string) *fault {
	return sc.evaluation("The JSONata expression '"+q.Text+"' specified for the field '"+q.Location+"' "+what, q.Location)
}

// line is a text that may be computed; nil: the field is absent.
func (sc *scope) line(l *asl.Line) (*string, *fault) {
	var v value.Value
	var fl *fault
	switch {
	case l.Query != nil:
		v, fl = sc.queryOf(l.Query, value.String)
	case l.Path != nil:
		if v, fl = sc.path(l.Path, l.Field); fl == nil && v.Kind() != value.String {
			fl = sc.runtime("The " + l.Field + " field refers to value \"" + v.Text().String() +
				"\" which is not a string: " + l.Path.String())
		}
	default:
		return l.Literal, nil
	}
	if fl != nil {
		return nil, fl
	}
	text := v.AsString()
	return &text, nil
}

// integer is a whole number that may be computed, at least least; ok is false
// where the field is absent.
func (sc *scope) integer(q *asl.Quantity, least int64) (n int64, ok bool, fl *fault) {
	var v value.Value
	switch {
	case q.Literal != nil:
		return int64(*q.Literal), true, nil
	case q.Query != nil:
		if v, fl = sc.queryOf(q.Query, value.Number); fl != nil {
			return 0, false, fl
		}
		if n, ok = v.AsInt(); !ok || n < least {
			fl = sc.evaluation("The "+q.Field+" field is not an integer of at least "+
				strconv.FormatInt(least, 10)+": "+v.Text().String(), q.Query.Location)
		}
		return n, ok, fl
	case q.Path != nil:
		found, err := q.Path.Eval(sc)
		if err != nil {
			return 0, false, sc.runtime(err.Error())
		}
		if n, ok = spelledInt(found); !ok || n < least {
			return 0, false, sc.runtime("The " + q.Field + " field refers to value \"" + plain(found) +
				"\" which is not a valid integer: " + q.Path.String())
		}
		return n, true, nil
	}
	return 0, false, nil
}

// spelledInt is the whole number that v is, or spells as a string.
func spelledInt(v value.Value) (int64, bool) {
	if v.Kind() == value.String {
		n, err := strconv.ParseInt(v.AsString(), 10, 64)
		return n, err == nil
	}
	return v.AsInt()
}

// plain is a value as causes quote it: strings without their quotes.
func plain(v value.Value) string {
	if v.Kind() == value.String {
		return v.AsString()
	}
	return v.Text().String()
}
