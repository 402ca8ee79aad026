package aws

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// style is how an integration spells what a service answers.
type style uint8

const (
	sdkStyle       style = iota // as the second generation of AWS's SDK for Java: "DbInstances", times as text
	optimisedStyle              // as the first: "DBInstances", times as milliseconds since 1970
	listedStyle                 // the same, where that has a list for every one that could be there
)

func (s style) name(m *member) string {
	if s == sdkStyle {
		return m.sdk
	}
	return m.first
}

// decoder reads an operation's result out of an answer.
type decoder struct {
	model     *model
	operation *operation
	style     style
}

// decode is the result of an operation, as the integration's style spells it.
// Members that the description does not have are left out, and so are those
// that the answer does not have, unless the style says otherwise. The error tells why the answer can't be read.
func decode(m *model, o *operation, a *integration.Answer, s style) (*value.Builder, error) {
	d := &decoder{m, o, s}
	out := value.NewBuilder(len(o.Output.shape.Members) + 2)
	d.headers(a, out)
	payload := o.Output.shape.payload()
	switch {
	case payload != nil && (payload.shape.Kind == blobKind || payload.shape.Kind == stringKind):
		out.Set(s.name(payload), readable(string(a.Body)))
		return out, nil
	case !o.Output.shape.hasBody():
		return out, nil
	}
	if m.Protocol == "json" || m.Protocol == "rest-json" {
		return out, d.jsonBody(a.Body, payload, out)
	}
	return out, d.xmlBody(a.Body, payload, out)
}

func (d *decoder) jsonBody(body []byte, payload *member, out *value.Builder) error {
	if len(body) == 0 {
		return nil
	}
	text, err := value.Check(string(body))
	if err != nil {
		return err
	}
	tree := text.Decode()
	if payload != nil {
		out.Set(d.style.name(payload), d.json(tree, payload))
		return nil
	}
	d.fields(tree, d.operation.Output.shape, out)
	return nil
}

// json is what a JSON service answered, at one member's place.
func (d *decoder) json(v value.Value, m *member) value.Value {
	switch s := m.shape; {
	case v.Kind() == value.Null || v.IsAbsent():
		return value.Value{}
	case s.Kind == structureKind:
		out := value.NewBuilder(v.Len())
		d.fields(v, s, out)
		return out.Object()
	case s.Kind == listKind:
		items := make([]value.Value, 0, v.Len())
		for _, item := range v.Items() {
			read := d.json(item, s.Item)
			if read.IsAbsent() {
				read = value.NewNull()
			}
			items = append(items, read)
		}
		return value.NewArray(items)
	case s.Kind == mapKind:
		out := value.NewBuilder(v.Len())
		for name, each := range v.Members() {
			out.Set(name, d.json(each, s.Value))
		}
		return out.Object()
	case s.Kind == timestampKind:
		return d.time(v)
	case s.Kind == blobKind:
		if decoded, err := base64.StdEncoding.DecodeString(v.AsString()); err == nil {
			return readable(string(decoded))
		}
	}
	return v
}

// fields reads a structure's members that travel in the body.
func (d *decoder) fields(v value.Value, s *shape, out *value.Builder) {
	for i := range s.Members {
		if m := &s.Members[i]; m.In == "" {
			read := d.json(v.Get(m.wire()), m)
			if read.IsAbsent() && d.style == listedStyle && m.shape.Kind == listKind {
				read = value.NewArray(nil)
			}
			out.Set(d.style.name(m), read)
		}
	}
}

// time is a time as the style has it; what is none stays as it is.
func (d *decoder) time(v value.Value) value.Value {
	at, ok := parseTime(v)
	switch {
	case !ok:
		return v
	case d.style != sdkStyle:
		return value.NewInt(at.UnixMilli())
	}
	return value.NewString(isoTime(at))
}

// headers reads the members that travel beside the body.
func (d *decoder) headers(a *integration.Answer, out *value.Builder) {
	s := d.operation.Output.shape
	for i := range s.Members {
		m := &s.Members[i]
		switch m.In {
		case inStatus:
			out.Set(d.style.name(m), value.NewInt(int64(a.Status)))
		case inHeaders:
			out.Set(d.style.name(m), prefixed(a.Header, m.wire()))
		case inHeader:
			if v, there := a.Header[http.CanonicalHeaderKey(m.wire())]; there {
				out.Set(d.style.name(m), d.header(strings.Join(v, ","), m))
			}
		}
	}
}

// prefixed is the headers of a prefix, by what follows it, in small letters.
func prefixed(h http.Header, prefix string) value.Value {
	out := value.NewBuilder(0)
	for _, name := range integration.HeaderNames(h) {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			out.Set(strings.ToLower(name[len(prefix):]), value.NewString(h.Get(name)))
		}
	}
	return out.Object()
}

func (d *decoder) header(text string, m *member) value.Value {
	switch {
	case m.JSON:
		decoded, _ := base64.StdEncoding.DecodeString(text)
		return value.NewString(string(decoded))
	case m.shape.Kind == listKind:
		var items []value.Value
		for part := range strings.SplitSeq(text, ",") {
			items = append(items, d.scalar(strings.TrimSpace(part), m.shape.Item))
		}
		return value.NewArray(items)
	}
	return d.scalar(text, m)
}

// scalar is a scalar of a message that is not JSON. What is not of its kind
// stays text.
func (d *decoder) scalar(text string, m *member) value.Value {
	v := value.NewString(strings.ToValidUTF8(text, "\uFFFD"))
	switch m.shape.Kind {
	case numberKind:
		if n := number(v); !n.IsAbsent() {
			return n
		}
	case booleanKind:
		if b := boolean(v); !b.IsAbsent() {
			return b
		}
	case timestampKind:
		return d.time(v)
	case blobKind:
		if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
			return readable(string(decoded))
		}
	}
	return v
}
