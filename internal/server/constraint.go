package server

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/backstep/backstep/api"
)

// constraints are what the members of a struct must satisfy. They are read from its types and tags once (see package api for the tags).
type constraints []constraint

type constraint struct {
	name     string
	index    []int
	required bool
	each     bool  // min and max are those of each text in a list
	items    bool  // min and max are those of a list's length
	limited  bool  // min and max are to be held
	min, max int64 // max < 0: none
	ascii    bool
	alias    bool // the name of an alias
	secret   bool
	values   []string    // of an enumeration
	inner    constraints // of a struct, or of each in a list
}

// constraintsOf reads the constraints of a struct's members.
func constraintsOf(t reflect.Type) constraints {
	var all constraints
	for _, f := range reflect.VisibleFields(t) {
		if !f.IsExported() || f.Anonymous {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		c := constraint{name: name, index: f.Index, max: -1}
		c.readTag(f.Tag.Get("check"))
		c.readType(f.Type)
		if c.required || c.limited || c.ascii || c.alias || c.values != nil || c.inner != nil {
			all = append(all, c)
		}
	}
	return all
}

// apiPayload is how long the API lets an input or output be, in characters.
const apiPayload = 262_144

// lift lets inputs and outputs be longer, where the API's bound is less.
func (cs constraints) lift(most int64) constraints {
	for i := range cs {
		if c := &cs[i]; c.secret && c.max == apiPayload {
			c.max = max(c.max, most)
		}
	}
	return cs
}

func (c *constraint) readTag(tag string) {
	for word := range strings.SplitSeq(tag, ",") {
		switch word {
		case "":
		case "required":
			c.required = true
		case "ascii":
			c.ascii = true
		case "alias":
			c.alias = true
		case "secret":
			c.secret = true
		default:
			limits, each := strings.CutPrefix(word, "each=")
			limits, items := strings.CutPrefix(limits, "items=")
			low, high, _ := strings.Cut(limits, "..")
			c.limited, c.each, c.items, c.min = true, each, items, mustInt(low)
			if high != "" {
				c.max = mustInt(high)
			}
		}
	}
}

func mustInt(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic("constraint: " + err.Error())
	}
	return n
}

func (c *constraint) readType(t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct {
		c.inner = constraintsOf(t)
	}
	if enum, ok := reflect.Zero(t).Interface().(interface{ Values() []string }); ok {
		c.values = enum.Values()
	}
}

// check holds an input, decoded from body, against its constraints.
func (cs constraints) check(in any, body []byte) error {
	f := findings{body: body}
	cs.find(&f, reflect.ValueOf(in).Elem(), "", "")
	switch len(f.texts) {
	case 0:
		return nil
	case 1:
		return api.Validation("1 validation error detected: %s", f.texts[0])
	}
	return api.Validation("%d validation errors detected: %s", len(f.texts), strings.Join(f.texts, "; "))
}

// findings collects what is wrong.
type findings struct {
	body  []byte
	texts []string
}

// maxShown is how much of a value a message repeats, in bytes.
const maxShown = 4096

// add notes that the member's value does not satisfy a constraint.
func (f *findings) add(c *constraint, value, path, constraint string) {
	shown := " '" + value + "'"
	switch {
	case c.secret:
		shown = ""
	case len(value) > maxShown:
		shown = " '" + strings.ToValidUTF8(value[:maxShown], "") + "…'"
	}
	f.texts = append(f.texts, fmt.Sprintf("Value%s at '%s' failed to satisfy constraint: Member must %s", shown, path, constraint))
}

// find holds the members of a struct against their constraints. The struct is at the path, as messages call it, and at the pointer into the body.
func (cs constraints) find(f *findings, v reflect.Value, path string, at jsontext.Pointer) {
	for i := range cs {
		c := &cs[i]
		member, memberPath := v.FieldByIndex(c.index), path+c.name
		if member.IsZero() {
			if !c.required {
				continue
			}
			if member.Kind() == reflect.Slice || !present(f.body, at.AppendToken(c.name)) {
				f.texts = append(f.texts, fmt.Sprintf("Value null at '%s' failed to satisfy constraint: Member must not be null", memberPath))
				continue
			}
		}
		if member.Kind() == reflect.Pointer {
			member = member.Elem()
		}
		c.findIn(f, member, memberPath, at)
	}
}

// findIn holds a member that is there against its constraint.
func (c *constraint) findIn(f *findings, v reflect.Value, path string, at jsontext.Pointer) {
	switch v.Kind() {
	case reflect.String:
		c.findInText(f, v.String(), path)
	case reflect.Int32, reflect.Int64:
		c.findInNumber(f, float64(v.Int()), path)
	case reflect.Float32:
		c.findInNumber(f, v.Float(), path)
	case reflect.Struct:
		c.inner.find(f, v, path+".", at.AppendToken(c.name))
	case reflect.Slice:
		if c.items && !c.findInLength(f, v, path) {
			return
		}
		for i := range v.Len() {
			itemPath := path + "." + strconv.Itoa(i+1) + ".member"
			switch item := v.Index(i); {
			case c.each:
				c.findInText(f, item.String(), itemPath)
			case c.inner != nil:
				c.inner.find(f, item, itemPath+".", at.AppendToken(c.name).AppendToken(strconv.Itoa(i)))
			}
		}
	}
}

// findInLength holds a list's length against its limits, and tells whether it is within them.
func (c *constraint) findInLength(f *findings, v reflect.Value, path string) bool {
	switch length := int64(v.Len()); {
	case c.max >= 0 && length > c.max:
		f.add(c, listed(v), path, fmt.Sprintf("have length less than or equal to %d", c.max))
	case length < c.min:
		f.add(c, listed(v), path, fmt.Sprintf("have length greater than or equal to %d", c.min))
	default:
		return true
	}
	return false
}

// listed is a list of structs as AWS repeats it: [Name(member=value, …), …].
func listed(v reflect.Value) string {
	items := make([]string, v.Len())
	for i := range items {
		item := v.Index(i)
		members := make([]string, item.NumField())
		for k := range members {
			name, _, _ := strings.Cut(item.Type().Field(k).Tag.Get("json"), ",")
			members[k] = fmt.Sprintf("%s=%v", name, item.Field(k))
		}
		items[i] = item.Type().Name() + "(" + strings.Join(members, ", ") + ")"
	}
	return "[" + strings.Join(items, ", ") + "]"
}

func (c *constraint) findInText(f *findings, s, path string) {
	if c.limited {
		switch length := int64(len(s)); {
		case c.max >= 0 && length > c.max && int64(utf8.RuneCountInString(s)) > c.max:
			f.add(c, s, path, fmt.Sprintf("have length less than or equal to %d", c.max))
		case length < c.min:
			f.add(c, s, path, fmt.Sprintf("have length greater than or equal to %d", c.min))
		}
	}
	if c.ascii && strings.IndexFunc(s, func(r rune) bool { return r > 0x7f }) >= 0 {
		f.add(c, s, path, `satisfy regular expression pattern: \p{ASCII}*`)
	}
	if c.alias && len(s) <= 80 && !api.ValidAlias(s) {
		f.add(c, s, path, `satisfy regular expression pattern: ^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$`)
	}
	if c.values != nil && !slices.Contains(c.values, s) {
		f.add(c, s, path, "satisfy enum value set: ["+strings.Join(c.values, ", ")+"]")
	}
}

// findInNumber takes a whole number too: the limits are small, so that nothing
// of it is lost where it counts.
func (c *constraint) findInNumber(f *findings, n float64, path string) {
	text := strconv.FormatFloat(n, 'f', -1, 64)
	switch {
	case !c.limited:
	case c.max >= 0 && n > float64(c.max):
		f.add(c, text, path, fmt.Sprintf("have value less than or equal to %d", c.max))
	case n < float64(c.min):
		f.add(c, text, path, fmt.Sprintf("have value greater than or equal to %d", c.min))
	}
}

// present tells whether the body has a value there that is not null. It reads the body anew, so it is asked only of what decoded to nothing.
func present(body []byte, at jsontext.Pointer) bool {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		if _, err := d.ReadToken(); err != nil {
			return false
		}
		if d.StackPointer() == at {
			return d.PeekKind() != 'n'
		}
	}
}
