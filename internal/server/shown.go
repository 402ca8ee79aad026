package server

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// shown are members of an object by their names; nil is all of what stands there.
type shown map[string]shown

// add adds a member, "order.id" one that stands within another.
func (s shown) add(member string) {
	name, within, deeper := strings.Cut(member, ".")
	sub, there := s[name]
	switch {
	case !deeper || there && sub == nil:
		s[name] = nil
	case !there:
		sub = shown{}
		s[name] = sub
		fallthrough
	default:
		sub.add(within)
	}
}

// of is what is shown of a JSON text, nil where that is no object.
func (s shown) of(text string) ([]byte, error) {
	decoder := jsontext.NewDecoder(strings.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if decoder.PeekKind() != '{' {
		return nil, nil
	}
	var b bytes.Buffer
	encoder := jsontext.NewEncoder(&b, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	err := s.copy(encoder, decoder)
	return bytes.TrimSpace(b.Bytes()), err
}

// copy writes what is shown of the object that comes next.
func (s shown) copy(to *jsontext.Encoder, from *jsontext.Decoder) error {
	if _, err := from.ReadToken(); err != nil {
		return err
	}
	if err := to.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for from.PeekKind() == '"' {
		if err := s.member(to, from); err != nil {
			return err
		}
	}
	if _, err := from.ReadToken(); err != nil { // the brace, or what is wrong
		return err
	}
	return to.WriteToken(jsontext.EndObject)
}

func (s shown) member(to *jsontext.Encoder, from *jsontext.Decoder) error {
	token, err := from.ReadToken()
	if err != nil {
		return err
	}
	name := token.String()
	sub, is := s[name]
	if !is || sub != nil && from.PeekKind() != '{' {
		return from.SkipValue()
	}
	if err := to.WriteToken(jsontext.String(name)); err != nil {
		return err
	}
	if sub != nil {
		return sub.copy(to, from)
	}
	all, err := from.ReadValue()
	if err != nil {
		return err
	}
	return to.WriteValue(all)
}
