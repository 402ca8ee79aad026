package items

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// document reads the elements of an array or the members of an object: of the
// whole JSON document, or of what a pointer points to in it. It is read from its
// front, and never held as a whole.
type document struct {
	in      *stream
	pointer string
	bracket string // that was opened; "": none yet
}

func (d *document) at(p *place) { p.At, p.Bracket = d.in.at, d.bracket }

func (d *document) weight() int { return d.in.weight() }

// Close implements [io.Closer].
func (d *document) Close() error { return d.in.Close() }

func (d *document) next() (it item, err error) {
	if d.bracket == "" {
		if err := d.begin(); err != nil {
			return it, err
		}
	}
	more, err := d.another(d.bracket)
	if err != nil {
		return it, err
	}
	if !more {
		return it, io.EOF
	}
	if d.bracket == "{" {
		name, err := d.name()
		if err != nil {
			return it, err
		}
		it.name = &name
	}
	text, err := d.value()
	if err == nil {
		it.value, it.bytes = text.Decode(), text.Len()
	}
	return it, err
}

// begin goes to what is gone through.
func (d *document) begin() error {
	if err := d.enter(d.pointer); err != nil {
		return err
	}
	c, err := d.char()
	if err == nil && c != '[' && c != '{' {
		err = failed("Attempting to map over non-iterable node.")
	}
	d.bracket = string(c)
	return err
}

// char is the next byte that is no space.
func (d *document) char() (byte, error) {
	for {
		c, err := d.in.ReadByte()
		if errors.Is(err, io.EOF) {
			return 0, endedEarly(err)
		}
		if err != nil || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, err
		}
	}
}

// another comes to the next element of what was opened by that bracket; false
// at its end. It also takes the comma before the element.
func (d *document) another(open string) (bool, error) {
	c, err := d.char()
	if err == nil && c == ',' {
		return true, nil
	}
	if err != nil || open == "[" && c == ']' || open == "{" && c == '}' {
		return false, err
	}
	return true, d.in.UnreadByte()
}

// name reads a member's name and the colon.
func (d *document) name() (string, error) {
	text, err := d.value()
	if err != nil {
		return "", err
	}
	c, err := d.char()
	if v := text.Decode(); err == nil && v.Kind() == value.String && c == ':' {
		return v.AsString(), nil
	}
	if err == nil {
		err = errors.New("the JSON document has a member without a name")
	}
	return "", err
}

// value reads a whole value.
func (d *document) value() (value.Text, error) {
	var text []byte
	err := d.scan(func(c byte) error {
		if text = append(text, c); len(text) > maxItem {
			return errTooLong
		}
		return nil
	})
	if err != nil {
		return value.Text{}, err
	}
	return value.Check(string(text))
}

// skip passes over a value, however long it is.
func (d *document) skip() error {
	return d.scan(func(byte) error { return nil })
}

// scan gives the bytes of a value to each.
func (d *document) scan(each func(byte) error) error {
	c, err := d.char()
	if err != nil {
		return err
	}
	depth, inText, escaped := 0, false, false
	for {
		switch {
		case inText && escaped:
			escaped = false
		case inText && c == '\\':
			escaped = true
		case c == '"':
			inText = !inText
		case inText:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		}
		if err := each(c); err != nil {
			return err
		}
		if depth <= 0 && !inText && (c == '"' || c == ']' || c == '}') {
			return nil
		}
		if c, err = d.in.ReadByte(); errors.Is(err, io.EOF) && depth == 0 && !inText {
			return nil
		} else if err != nil {
			return endedEarly(err)
		}
		if depth == 0 && !inText && strings.IndexByte(",]}: \t\r\n", c) >= 0 {
			return d.in.UnreadByte()
		}
	}
}

func endedEarly(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the JSON document ends too early")
	}
	return err
}

// enter goes to what a JSON Pointer points to.
func (d *document) enter(pointer string) error {
	if pointer == "" {
		return nil
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for _, step := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		if err := d.step(unescape.Replace(step)); err != nil {
			return err
		}
	}
	return nil
}

// step goes to the member of that name, or to the element of that number.
func (d *document) step(name string) error {
	c, err := d.char()
	if err != nil {
		return err
	}
	if c == '[' {
		return d.element(name)
	}
	if c != '{' {
		return failed("ItemsPointer points to nothing: there is no object with a member %q", name)
	}
	for {
		more, err := d.another("{")
		if err != nil {
			return err
		}
		if !more {
			return failed("ItemsPointer points to nothing: there is no member %q", name)
		}
		found, err := d.name()
		if err != nil || found == name {
			return err
		}
		if err := d.skip(); err != nil {
			return err
		}
	}
}

// element goes to the element of that number.
func (d *document) element(number string) error {
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return failed("ItemsPointer points to nothing: there is no element %q", number)
	}
	for i := uint64(0); ; i++ {
		more, err := d.another("[")
		if err != nil || more && i == n {
			return err
		}
		if !more {
			return failed("ItemsPointer points to nothing: there is no element %q", number)
		}
		if err := d.skip(); err != nil {
			return err
		}
	}
}
