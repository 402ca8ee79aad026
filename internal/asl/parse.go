package asl

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/value"
)

// Definition is a definition read but not yet understood: a tree whose nodes
// know their place.
type Definition struct {
	Text string // byte for byte as it was given
	root *node
}

// node is one value of a definition.
type node struct {
	kind   value.Kind
	scalar value.Value // of a null, boolean, number or string
	items  []*node     // of an array, or of an object's members in their order
	name   string      // as a member of an object
	parent *node
	index  int32 // as an item of an array
	line   int32
	column int32 // in characters
}

// Parse reads a definition in JSON or YAML. Text that begins with a brace is
// JSON. Where the diagnostics hold an error there is no Definition.
func Parse(text []byte) (*Definition, []Diagnostic) { return parse(text, readYAML) }

// ParseJSON is Parse for what AWS takes: JSON alone.
func ParseJSON(text []byte) (*Definition, []Diagnostic) { return parse(text, readJSON) }

// parse reads what is no JSON at first sight by other.
func parse(text []byte, other func(string) (*node, *Diagnostic)) (*Definition, []Diagnostic) {
	d := &Definition{Text: string(text)}
	var problem *Diagnostic
	trimmed := strings.TrimLeft(d.Text, " \t\r\n")
	switch {
	case trimmed == "":
		problem = refusal(MissingDescription, "The definition is empty", nil)
	case trimmed[0] == '{' || trimmed[0] == '[' || trimmed[0] == '"':
		d.root, problem = readJSON(d.Text)
	default:
		d.root, problem = other(d.Text)
	}
	if problem == nil && d.root.kind != value.Object {
		problem = refusal(SchemaValidationFailed, "Expected value of type [OBJECT]", d.root)
	}
	if problem != nil {
		return nil, []Diagnostic{*problem}
	}
	return d, nil
}

// refusal is an error at a node, or nowhere where n is nil.
func refusal(code Code, message string, n *node) *Diagnostic {
	d := &Diagnostic{Severity: Error, Code: code, Message: message}
	if n != nil {
		d.Place, d.Line, d.Column = n.place(), int(n.line), int(n.column)
	}
	return d
}

// maxPlace is how long a place can be, in bytes: names are as long as their
// author likes, and every diagnostic beneath repeats them.
const maxPlace = 400

// place is where the node stands, as AWS writes it.
func (n *node) place() string {
	if n.parent == nil {
		return "/"
	}
	return n.beneath(nil)
}

// beneath is the way down to n from a node around it, or from the root.
func (n *node) beneath(top *node) string {
	var steps []*node
	for at := n; at != top && at.parent != nil; at = at.parent {
		steps = append(steps, at)
	}
	var b strings.Builder
	for i := len(steps) - 1; i >= 0; i-- {
		at := steps[i]
		if b.Len()+len(at.name) > maxPlace {
			b.WriteString("/…")
			break
		}
		if at.parent.kind == value.Array {
			b.WriteString("[" + strconv.Itoa(int(at.index)) + "]")
		} else {
			b.WriteString("/" + at.name)
		}
	}
	return b.String()
}

// get is the member of that name, nil where there is none.
func (n *node) get(name string) *node {
	if n == nil || n.kind != value.Object {
		return nil
	}
	for _, m := range n.items {
		if m.name == name {
			return m
		}
	}
	return nil
}

// text is the content of a string.
func (n *node) text() string { return n.scalar.AsString() }

// value is the node and all beneath it.
func (n *node) value() value.Value {
	switch n.kind {
	case value.Array:
		items := make([]value.Value, len(n.items))
		for i, item := range n.items {
			items[i] = item.value()
		}
		return value.NewArray(items)
	case value.Object:
		b := value.NewBuilder(len(n.items))
		for _, m := range n.items {
			b.Set(m.name, m.value())
		}
		return b.Object()
	}
	return n.scalar
}

// readJSON reads JSON. What is refused is told with its line and column.
func readJSON(text string) (*node, *Diagnostic) {
	if _, err := value.Check(text); err != nil {
		return nil, syntax(text, err)
	}
	r := reader{text: text, line: 1}
	root := r.value(nil, "", 0)
	return root, r.problem
}

func syntax(text string, err error) *Diagnostic {
	var at *value.SyntaxError
	errors.As(err, &at)
	before := text[:min(at.Offset, len(text))]
	code := InvalidJSON
	if at.Reason == "nested too deeply" {
		code = TooDeeplyNested
	}
	d := refusal(code, at.Reason, nil)
	d.Line = 1 + strings.Count(before, "\n")
	d.Column = 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return d
}

// reader reads JSON that was checked, keeping the places that value forgets.
type reader struct {
	text    string
	at      int
	line    int32
	begin   int // where the line begins, in bytes …
	wide    int // … and bytes since then that begin no character
	stack   []*node
	slab    []node
	problem *Diagnostic
}

func (r *reader) space() {
	for r.at < len(r.text) && r.text[r.at] <= ' ' {
		if r.text[r.at] == '\n' {
			r.line, r.begin, r.wide = r.line+1, r.at+1, 0
		}
		r.at++
	}
}

func (r *reader) node(parent *node, name string, index int) *node {
	if len(r.slab) == cap(r.slab) {
		r.slab = make([]node, 0, min(256, 8+(len(r.text)-r.at)/16))
	}
	r.slab = append(r.slab, node{name: name, index: int32(index), parent: parent,
		line: r.line, column: int32(r.at - r.begin - r.wide + 1)})
	return &r.slab[len(r.slab)-1]
}

func (r *reader) value(parent *node, name string, index int) *node {
	r.space()
	n := r.node(parent, name, index)
	switch r.text[r.at] {
	case '{':
		n.kind = value.Object
		r.members(n)
		r.duplicates(n)
		return n
	case '[':
		n.kind = value.Array
		r.members(n)
		return n
	case '"':
		n.scalar = value.NewString(r.string())
	case 't':
		n.scalar = value.NewBool(true)
		r.at += len("true")
	case 'f':
		n.scalar = value.NewBool(false)
		r.at += len("false")
	case 'n':
		n.scalar = value.NewNull()
		r.at += len("null")
	default:
		start := r.at
		for r.at < len(r.text) && strings.IndexByte(" \t\r\n,]}", r.text[r.at]) < 0 {
			r.at++
		}
		n.scalar = value.NewNumber(r.text[start:r.at])
	}
	n.kind = n.scalar.Kind()
	return n
}

// members reads what stands in an array or object, whose bracket comes next.
func (r *reader) members(n *node) {
	base := len(r.stack)
	r.at++
	for r.space(); r.text[r.at] != ']' && r.text[r.at] != '}'; r.space() {
		if r.text[r.at] == ',' {
			r.at++
			r.space()
		}
		name := ""
		if n.kind == value.Object {
			name = r.string()
			r.space()
			r.at++ // the colon
		}
		member := r.value(n, name, len(r.stack)-base)
		r.stack = append(r.stack, member)
	}
	r.at++
	n.items = append([]*node(nil), r.stack[base:]...)
	r.stack = r.stack[:base]
}

// string reads a string, whose quote comes next.
func (r *reader) string() string {
	start, escaped := r.at, false
	for r.at++; r.text[r.at] != '"'; r.at++ {
		switch {
		case r.text[r.at] == '\\':
			escaped = true
			r.at++
		case !utf8.RuneStart(r.text[r.at]):
			r.wide++
		}
	}
	r.at++
	if escaped {
		return value.Checked(r.text[start:r.at]).Decode().AsString()
	}
	return r.text[start+1 : r.at-1]
}

// duplicates refuses a name that stands twice in an object.
func (r *reader) duplicates(n *node) {
	if m := duplicate(n.items); m != nil && r.problem == nil {
		r.problem = refusal(InvalidJSON, "Duplicate field '"+m.name+"'", m)
	}
}

// duplicate is the first member whose name an earlier one has, or nil.
func duplicate(members []*node) *node {
	if len(members) > 16 {
		seen := make(map[string]bool, len(members))
		for _, m := range members {
			if seen[m.name] {
				return m
			}
			seen[m.name] = true
		}
		return nil
	}
	for i, m := range members {
		for _, before := range members[:i] {
			if before.name == m.name {
				return m
			}
		}
	}
	return nil
}
