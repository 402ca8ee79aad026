package aws

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// element is an element of XML, without its namespaces.
type element struct {
	name     string
	text     []byte
	children []*element
	attrs    []xml.Attr
}

// maxElements bounds how deep an answer's elements stand within one another.
const maxElements = 256

// parseXML reads a document; nil where it is empty.
func parseXML(body []byte) (*element, error) {
	if len(body) == 0 {
		return nil, nil
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	top := new(element)
	open := []*element{top}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && len(open) == 1 && len(top.children) == 1 {
			return top.children[0], nil
		}
		if err != nil {
			return nil, fmt.Errorf("the answer is no XML: %w", err)
		}
		last := open[len(open)-1]
		switch token := token.(type) {
		case xml.StartElement:
			if len(open) > maxElements {
				return nil, errors.New("the answer's elements stand too deep")
			}
			e := &element{name: token.Name.Local, attrs: token.Attr}
			last.children = append(last.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			last.text = append(last.text, token...)
		}
	}
}

// child is the first child of that name, nil where there is none.
func (e *element) child(name string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// all is the children of that name.
func (e *element) all(name string) []*element {
	var found []*element
	for _, c := range e.children {
		if c.name == name {
			found = append(found, c)
		}
	}
	return found
}

// content is the text of the first child of that name, "" where there is none.
func (e *element) content(name string) string {
	if c := e.child(name); c != nil {
		return strings.TrimSpace(string(c.text))
	}
	return ""
}

func (d *decoder) xmlBody(body []byte, payload *member, out *value.Builder) error {
	root, err := parseXML(body)
	if root == nil {
		return err
	}
	if inner := root.child(d.operation.Wrapper); inner != nil {
		root = inner
	}
	if payload != nil {
		out.Set(d.style.name(payload), d.xml(root, payload))
		return nil
	}
	d.elements(root, d.operation.Output.shape, out)
	if out.Len() == 0 {
		d.bare(root, out)
	}
	return nil
}

// bare reads an answer whose root is itself a member, as GetBucketLocation has
// it.
func (d *decoder) bare(root *element, out *value.Builder) {
	s := d.operation.Output.shape
	for i := range s.Members {
		if m := &s.Members[i]; m.wire() == root.name && len(root.children) == 0 && len(root.text) > 0 {
			out.Set(d.style.name(m), d.scalar(string(root.text), m))
		}
	}
}

// elements reads a structure's members out of an element.
func (d *decoder) elements(e *element, s *shape, out *value.Builder) {
	for i := range s.Members {
		m := &s.Members[i]
		switch {
		case m.In != "":
		case m.Attribute:
			for _, a := range e.attrs {
				if m.wire() == a.Name.Local || strings.HasSuffix(m.wire(), ":"+a.Name.Local) {
					out.Set(d.style.name(m), value.NewString(a.Value))
				}
			}
		case d.repeated(m):
			if found := e.all(d.elementName(m)); len(found) > 0 {
				out.Set(d.style.name(m), d.several(found, m))
			}
		default:
			if c := e.child(d.elementName(m)); c != nil {
				out.Set(d.style.name(m), d.xml(c, m))
			}
		}
	}
}

// elementName is the name of a member's elements: of a list without an element
// around it, that of its items.
func (d *decoder) elementName(m *member) string {
	if m.shape.Kind == listKind && d.repeated(m) && m.shape.Item.Wire != "" {
		return m.shape.Item.Wire
	}
	return m.wire()
}

// repeated reports whether a member's items are elements of their own.
func (d *decoder) repeated(m *member) bool {
	return (m.shape.Kind == listKind || m.shape.Kind == mapKind) && m.flat()
}

// several reads the elements that a list or a map without an element around it
// consists of.
func (d *decoder) several(found []*element, m *member) value.Value {
	if m.shape.Kind == mapKind {
		return d.entries(found, m.shape)
	}
	items := make([]value.Value, len(found))
	for i, e := range found {
		items[i] = d.xml(e, m.shape.Item)
	}
	return value.NewArray(items)
}

// xml reads an element as what its member is.
func (d *decoder) xml(e *element, m *member) value.Value {
	switch s := m.shape; s.Kind {
	case structureKind:
		out := value.NewBuilder(len(e.children))
		d.elements(e, s, out)
		return out.Object()
	case listKind:
		items := make([]value.Value, len(e.children))
		for i, c := range e.children {
			items[i] = d.xml(c, s.Item)
		}
		return value.NewArray(items)
	case mapKind:
		return d.entries(e.children, s)
	}
	return d.scalar(string(e.text), m)
}

func (d *decoder) entries(found []*element, s *shape) value.Value {
	out := value.NewBuilder(len(found))
	for _, e := range found {
		if v := e.child(first(s.Value.Wire, "value")); v != nil {
			out.Set(e.content(first(s.Key.Wire, "key")), d.xml(v, s.Value))
		}
	}
	return out.Object()
}

// xmlFailure reads an error out of an answer in XML: S3's, EC2's and the query
// services' forms.
func xmlFailure(a *integration.Answer) (code, message, request, host string) {
	root, err := parseXML(a.Body)
	if err != nil || root == nil {
		return "", "", "", ""
	}
	e := root
	if inner := root.child("Error"); inner != nil {
		e = inner
	} else if inner := root.child("Errors").child("Error"); inner != nil {
		e = inner
	}
	request = first(root.content("RequestId"), root.content("RequestID"), e.content("RequestId"))
	return e.content("Code"), first(e.content("Message"), e.content("message")), request, e.content("HostId")
}
