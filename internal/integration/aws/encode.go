package aws

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// How parameters are written into a body: as JSON, as a form, as XML. Names are
// the wire's; members that the description does not have are refused.

// json is a parameter as JSON services take it.
func (b *builder) json(v value.Value, m *member) (value.Value, error) {
	switch s := m.shape; s.Kind {
	case structureKind:
		return b.jsonStructure(v, m)
	case listKind:
		if v.Kind() != value.Array {
			return v, invalid(m.sdk)
		}
		items := make([]value.Value, v.Len())
		for i, item := range v.Items() {
			var err error
			if items[i], err = b.json(item, s.Item); err != nil {
				return v, err
			}
		}
		return value.NewArray(items), nil
	case mapKind:
		if v.Kind() != value.Object {
			return v, invalid(m.sdk)
		}
		entries := value.NewBuilder(v.Len())
		for name, each := range v.Members() {
			made, err := b.json(each, s.Value)
			if err != nil {
				return v, err
			}
			entries.Set(name, made)
		}
		return entries.Object(), nil
	}
	return jsonScalar(v, m)
}

func (b *builder) jsonStructure(v value.Value, m *member) (value.Value, error) {
	if v.Kind() == value.Null {
		return v, nil
	}
	if v.Kind() != value.Object {
		return v, invalid(m.sdk)
	}
	v, err := b.known(m.shape, v)
	if err != nil {
		return v, err
	}
	made := value.NewBuilder(v.Len())
	for name, each := range v.Members() {
		field := m.shape.find(name)
		if field.In != "" {
			continue
		}
		each, err := b.json(each, field)
		if err != nil {
			return v, err
		}
		made.Set(field.wire(), each)
	}
	return made.Object(), nil
}

func jsonScalar(v value.Value, m *member) (value.Value, error) {
	if v.Kind() == value.Null {
		return v, nil
	}
	made := value.Value{}
	switch m.shape.Kind {
	case stringKind:
		made = value.NewString(stringText(v))
	case numberKind:
		made = number(v)
	case booleanKind:
		made = boolean(v)
	case blobKind:
		made = value.NewString(base64.StdEncoding.EncodeToString([]byte(stringText(v))))
	case timestampKind:
		at, ok := parseTime(v)
		if ok {
			made = jsonTime(formatTime(at, first(m.Format, unixFormat)), first(m.Format, unixFormat))
		}
	}
	if made.IsAbsent() {
		return v, invalid(m.sdk)
	}
	return made, nil
}

func jsonTime(text, format string) value.Value {
	if format == unixFormat {
		return value.NewNumber(text)
	}
	return value.NewString(text)
}

// form writes the parameters as a query service takes them.
func (b *builder) form(params value.Value) error {
	b.request.header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	f := &form{builder: b, ec2: b.model.Protocol == "ec2", pairs: url.Values{}}
	f.pairs.Set("Action", b.operation.Name)
	f.pairs.Set("Version", b.model.Version)
	err := f.write("", params, &b.operation.Input)
	b.request.body = f.pairs.Encode()
	return err
}

// form is the parameters of a query service: names that tell the way from the
// top ("Tags.member.1.Key").
type form struct {
	builder *builder
	ec2     bool
	pairs   url.Values
}

func (f *form) write(at string, v value.Value, m *member) error {
	switch s := m.shape; s.Kind {
	case structureKind:
		return f.structure(at, v, m)
	case listKind:
		return f.list(at, v, m)
	case mapKind:
		if v.Kind() != value.Object {
			return invalid(m.sdk)
		}
		if !m.flat() {
			at += ".entry"
		}
		n := 0
		for name, each := range v.Members() {
			n++
			entry := at + "." + strconv.Itoa(n) + "."
			f.pairs.Set(entry+first(s.Key.Wire, "key"), name)
			if err := f.write(entry+first(s.Value.Wire, "value"), each, s.Value); err != nil {
				return err
			}
		}
		return nil
	}
	text, err := scalarText(v, m, isoFormat)
	if err == nil {
		f.pairs.Set(at, text)
	}
	return err
}

func (f *form) structure(at string, v value.Value, m *member) error {
	v, err := f.builder.known(m.shape, v)
	if err != nil {
		return err
	}
	if at != "" {
		at += "."
	}
	for name, each := range v.Members() {
		field := m.shape.find(name)
		if err := f.write(at+f.name(field), each, field); err != nil {
			return err
		}
	}
	return nil
}

// name is a member's part of a form's name.
func (f *form) name(m *member) string {
	switch {
	case !f.ec2:
		if m.shape.Kind == listKind && m.flat() && m.shape.Item.Wire != "" {
			return m.shape.Item.Wire
		}
		return m.wire()
	case m.Query != "":
		return m.Query
	}
	return firstRaised(m.wire())
}

func (f *form) list(at string, v value.Value, m *member) error {
	if v.Kind() != value.Array {
		return invalid(m.sdk)
	}
	if v.Len() == 0 && !f.ec2 {
		f.pairs.Set(at, "")
	}
	if !f.ec2 && !m.flat() {
		at += "." + first(m.shape.Item.Wire, "member")
	}
	for i, item := range v.Items() {
		if err := f.write(at+"."+strconv.Itoa(i+1), item, m.shape.Item); err != nil {
			return err
		}
	}
	return nil
}

// xmlWriter writes a structure as XML.
type xmlWriter struct {
	builder *builder
	text    strings.Builder
}

// xmlEscapes are the characters that text and attributes can't hold.
var xmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\r", "&#xD;", "\n", "&#xA;")

// root writes the body's element.
func (x *xmlWriter) root(v value.Value, m *member) error {
	namespace := first(m.Namespace, x.builder.model.Namespace)
	return x.structure(m.wire(), namespace, v, m)
}

func (x *xmlWriter) write(name string, v value.Value, m *member) error {
	switch s := m.shape; s.Kind {
	case structureKind:
		return x.structure(name, m.Namespace, v, m)
	case listKind:
		return x.list(name, v, m)
	case mapKind:
		return x.entries(name, v, m)
	}
	text, err := scalarText(v, m, isoFormat)
	if err == nil {
		x.text.WriteString("<" + name + ">" + xmlEscapes.Replace(text) + "</" + name + ">")
	}
	return err
}

func (x *xmlWriter) structure(name, namespace string, v value.Value, m *member) error {
	v, err := x.builder.known(m.shape, v)
	if err != nil {
		return err
	}
	x.text.WriteString("<" + name)
	if namespace != "" {
		declared := "xmlns"
		if m.Prefix != "" {
			declared += ":" + m.Prefix
		}
		x.text.WriteString(" " + declared + `="` + xmlEscapes.Replace(namespace) + `"`)
	}
	for name, each := range v.Members() {
		if field := m.shape.find(name); field.Attribute {
			x.text.WriteString(" " + field.wire() + `="` + xmlEscapes.Replace(stringText(each)) + `"`)
		}
	}
	x.text.WriteString(">")
	for name, each := range v.Members() {
		field := m.shape.find(name)
		if field.Attribute || field.In != "" {
			continue
		}
		if err := x.write(field.wire(), each, field); err != nil {
			return err
		}
	}
	x.text.WriteString("</" + name + ">")
	return nil
}

func (x *xmlWriter) list(name string, v value.Value, m *member) error {
	if v.Kind() != value.Array {
		return invalid(m.sdk)
	}
	item := name
	if !m.flat() {
		item = first(m.shape.Item.Wire, "member")
		x.text.WriteString("<" + name + ">")
		defer x.text.WriteString("</" + name + ">")
	}
	for _, each := range v.Items() {
		if err := x.write(item, each, m.shape.Item); err != nil {
			return err
		}
	}
	return nil
}

func (x *xmlWriter) entries(name string, v value.Value, m *member) error {
	if v.Kind() != value.Object {
		return invalid(m.sdk)
	}
	entry := name
	if !m.flat() {
		entry = "entry"
		x.text.WriteString("<" + name + ">")
		defer x.text.WriteString("</" + name + ">")
	}
	for key, each := range v.Members() {
		x.text.WriteString("<" + entry + ">")
		k := first(m.shape.Key.Wire, "key")
		x.text.WriteString("<" + k + ">" + xmlEscapes.Replace(key) + "</" + k + ">")
		if err := x.write(first(m.shape.Value.Wire, "value"), each, m.shape.Value); err != nil {
			return err
		}
		x.text.WriteString("</" + entry + ">")
	}
	return nil
}
