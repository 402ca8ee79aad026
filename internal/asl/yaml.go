package asl

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/backstep/backstep/internal/value"
)

// readYAML reads a definition in YAML as the JSON that it stands for: anchors
// and merge keys expanded, numbers as JSON spells them, timestamps as text.
// A tag of its own, a key that is no scalar and a number that JSON does not
// have are refused.
func readYAML(text string) (*node, *Diagnostic) {
	var document yaml.Node
	if err := yaml.Load([]byte(text), &document); err != nil {
		return nil, yamlProblem(err)
	}
	r := yamlReader{left: MaxBytes}
	root := r.read(document.Content[0], nil, "", 0, 0)
	return root, r.problem
}

func yamlProblem(err error) *Diagnostic {
	d := refusal(InvalidJSON, err.Error(), nil)
	var at *yaml.LoadError
	if errors.As(err, &at) {
		d.Message = strings.TrimPrefix(at.Message, "yaml: ")
		d.Line, d.Column = at.Mark.Line, at.Mark.Column
	}
	return d
}

// yamlReader makes nodes of YAML. Left is how long the JSON may still become:
// anchors within anchors multiply.
type yamlReader struct {
	left    int
	problem *Diagnostic
}

func (r *yamlReader) refuse(n *node, message string) {
	if r.problem == nil {
		r.problem = refusal(InvalidJSON, message, n)
	}
}

func (r *yamlReader) read(y *yaml.Node, parent *node, name string, index, depth int) *node {
	n := &node{parent: parent, name: name, index: int32(index), line: int32(y.Line), column: int32(y.Column), kind: value.Null}
	for y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	r.left -= len(name) + len(y.Value) + len(`"":,`)
	switch {
	case r.problem != nil:
	case r.left < 0:
		r.refuse(n, "the definition is longer than "+strconv.Itoa(MaxBytes)+" bytes once its anchors are expanded")
	case depth > value.MaxDepth:
		r.refuse(n, "nested too deeply")
	case y.Kind == yaml.SequenceNode:
		n.kind = value.Array
		for i, item := range y.Content {
			n.items = append(n.items, r.read(item, n, "", i, depth+1))
		}
	case y.Kind == yaml.MappingNode:
		n.kind = value.Object
		r.members(n, y, depth)
	default:
		n.scalar = r.scalar(n, y)
		n.kind = n.scalar.Kind()
	}
	return n
}

// members reads a mapping, what it merges last.
func (r *yamlReader) members(n *node, y *yaml.Node, depth int) {
	var merged []*yaml.Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, held := y.Content[i], y.Content[i+1]
		switch {
		case key.ShortTag() == "!!merge":
			merged = append(merged, held)
		case key.Kind != yaml.ScalarNode:
			r.refuse(n, "a key must be a scalar")
		default:
			n.items = append(n.items, r.read(held, n, key.Value, len(n.items), depth+1))
		}
	}
	if m := duplicate(n.items); m != nil {
		r.refuse(m, "Duplicate field '"+m.name+"'")
	}
	for _, source := range merged {
		r.merge(n, source, depth+1)
	}
}

// merge adds the members of a mapping, or of several, that n does not have.
func (r *yamlReader) merge(n *node, source *yaml.Node, depth int) {
	read := r.read(source, n, "<<", 0, depth)
	sources := []*node{read}
	if read.kind == value.Array {
		sources = read.items
	}
	has := make(map[string]bool, len(n.items))
	for _, m := range n.items {
		has[m.name] = true
	}
	for _, s := range sources {
		if s.kind != value.Object {
			r.refuse(n, "only mappings can be merged")
		}
		for _, m := range s.items {
			if s.kind == value.Object && !has[m.name] {
				has[m.name] = true
				m.parent = n
				n.items = append(n.items, m)
			}
		}
	}
}

// scalar is the JSON that a scalar stands for.
func (r *yamlReader) scalar(n *node, y *yaml.Node) value.Value {
	switch y.ShortTag() {
	case "!!null":
		return value.NewNull()
	case "!!bool":
		return value.NewBool(strings.EqualFold(y.Value, "true"))
	case "!!int", "!!float":
		return r.number(n, y.Value)
	case "!!str", "!!timestamp":
		return value.NewString(y.Value)
	}
	r.refuse(n, "the tag "+y.Tag+" has no meaning here")
	return value.NewNull()
}

func (r *yamlReader) number(n *node, text string) value.Value {
	if _, err := value.Check(text); err == nil {
		return value.NewNumber(text)
	}
	if i, err := strconv.ParseInt(text, 0, 64); err == nil {
		return value.NewInt(i)
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		r.refuse(n, "JSON has no number "+text)
		return value.NewNull()
	}
	return value.NewFloat(f)
}
