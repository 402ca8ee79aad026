package httptask

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// addQuery adds QueryParameters to a URL's own query. An array stands for its
// items, one after the other.
func addQuery(u *url.URL, given value.Value) error {
	if given.IsAbsent() {
		return nil
	}
	if given.Kind() != value.Object {
		return invalid("QueryParameters")
	}
	var f form
	for name, v := range given.Members() {
		items := []value.Value{v}
		if v.Kind() == value.Array {
			items = v.Items()
		}
		for _, item := range items {
			if item.Kind() == value.Object || item.Kind() == value.Array {
				return invalid("QueryParameters")
			}
			f.add(name, scalar(item))
		}
	}
	u.RawQuery = strings.Trim(u.RawQuery+"&"+f.String(), "&")
	return nil
}

// encodeBody is a request's body and its Content-Type: JSON, or what Transform
// asks for. A string that is not transformed is sent as it is.
func encodeBody(body, transform value.Value) (text, kind string, err error) {
	if body.IsAbsent() {
		return "", "", nil
	}
	switch transform.Get("RequestBodyEncoding").AsString() {
	case "", "NONE":
		if body.Kind() == value.String {
			return body.AsString(), "application/json", nil
		}
		return body.Text().String(), "application/json", nil
	case "URL_ENCODED":
		if body.Kind() != value.Object {
			return "", "", invalid("RequestBody")
		}
		format := transform.Get("RequestEncodingOptions").Get("ArrayFormat").AsString()
		if format == "" {
			format = "INDICES"
		}
		f := form{format: format}
		for name, v := range body.Members() {
			if err := f.value(name, v); err != nil {
				return "", "", err
			}
		}
		return f.String(), "application/x-www-form-urlencoded;charset=UTF-8", nil
	}
	return "", "", invalid("Transform")
}

// form is fields in the order in which they were added.
type form struct {
	format string // of arrays
	text   strings.Builder
}

func (f *form) String() string { return f.text.String() }

func (f *form) add(name, v string) {
	if f.text.Len() > 0 {
		f.text.WriteByte('&')
	}
	f.text.WriteString(url.QueryEscape(name))
	f.text.WriteByte('=')
	f.text.WriteString(url.QueryEscape(v))
}

// value adds a value under a name: the members of an object as name[member].
func (f *form) value(name string, v value.Value) error {
	switch v.Kind() {
	case value.Object:
		for member, inner := range v.Members() {
			if err := f.value(name+"["+member+"]", inner); err != nil {
				return err
			}
		}
	case value.Array:
		return f.array(name, v)
	default:
		f.add(name, scalar(v))
	}
	return nil
}

func (f *form) array(name string, v value.Value) error {
	if f.format == "COMMAS" {
		items := make([]string, v.Len())
		for i, item := range v.Items() {
			items[i] = scalar(item)
		}
		f.add(name, strings.Join(items, ","))
		return nil
	}
	for i, item := range v.Items() {
		at := name
		switch f.format {
		case "INDICES":
			at += "[" + strconv.Itoa(i) + "]"
		case "BRACKETS":
			at += "[]"
		case "REPEAT", "NONE":
		default:
			return invalid("ArrayFormat")
		}
		if err := f.value(at, item); err != nil {
			return err
		}
	}
	return nil
}

// scalar is a value as a field's text.
func scalar(v value.Value) string {
	if v.Kind() == value.String {
		return v.AsString()
	}
	if v.Kind() == value.Null {
		return ""
	}
	return v.Text().String()
}
