package items

import (
	"bytes"
	"errors"
	"io"

	"github.com/backstep/backstep/internal/value"
)

// delimiters are what CSVDelimiter names.
var delimiters = map[string]byte{"": ',', "COMMA": ',', "PIPE": '|', "SEMICOLON": ';', "SPACE": ' ', "TAB": '\t'}

// maxHeader is how many bytes the names of columns may have together.
const maxHeader = 10 << 10

// records reads delimited texts: records, each an object of the columns' names.
// A record that is too short has empty texts, one that is too long is cut. The
// rules are those of the Developer Guide, "How Step Functions parses input CSV
// files".
type records struct {
	in      *stream
	comma   byte
	columns []string
}

// records reads on in an object. Its columns' names are at hand, given, or in
// its first record.
func (p *reading) records(in *stream) (*records, error) {
	r := &records{in: in, columns: p.Columns}
	var known bool
	if r.comma, known = delimiters[p.config.Get("CSVDelimiter").AsString()]; !known {
		return nil, failed("CSVDelimiter %q is not supported", p.config.Get("CSVDelimiter").AsString())
	}
	if in.at == 0 {
		r.mark()
	}
	if p.At == 0 && p.config.Get("CSVHeaderLocation").AsString() == "GIVEN" {
		r.columns = nil
		for _, name := range p.config.Get("CSVHeaders").Items() {
			r.columns = append(r.columns, name.AsString())
		}
	}
	if r.columns == nil {
		header, err := r.record()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		r.columns = header
	}
	return r, r.checkColumns()
}

// mark skips the byte order mark at the object's beginning.
func (r *records) mark() {
	if first, err := r.in.Peek(3); err == nil && string(first) == "\ufeff" {
		n, _ := r.in.Discard(3)
		r.in.at += int64(n)
	}
}

func (r *records) checkColumns() error {
	seen, bytes := map[string]bool{}, 0
	for _, name := range r.columns {
		if seen[name] {
			return failed("CSV headers cannot contain duplicates.")
		}
		seen[name] = true
		bytes += len(name)
	}
	if bytes > maxHeader {
		return failed("CSV headers cannot have more than %d bytes.", maxHeader)
	}
	return nil
}

func (r *records) at(p *place) { p.At, p.Columns = r.in.at, r.columns }

func (r *records) weight() int { return r.in.weight() }

// Close implements [io.Closer].
func (r *records) Close() error { return r.in.Close() }

func (r *records) next() (item, error) {
	fields, err := r.record()
	if err != nil {
		return item{}, err
	}
	b := value.NewBuilder(len(r.columns))
	bytes := 0
	for i, name := range r.columns {
		text := ""
		if i < len(fields) {
			text = valid(fields[i])
		}
		bytes += len(name) + len(text)
		b.Set(valid(name), value.NewString(text))
	}
	return item{value: b.Object(), bytes: bytes}, nil
}

// record reads the next record that is no empty line; io.EOF after the last.
func (r *records) record() ([]string, error) {
	f := field{}
	var fields []string
	read := 0
	for {
		c, err := r.in.ReadByte()
		if read++; read > maxItem {
			return nil, errTooLong
		}
		ends := errors.Is(err, io.EOF) || err == nil && !f.quoted && (c == '\n' || c == '\r' && r.peek() == '\n')
		switch {
		case ends && len(fields) == 0 && !f.begun && err == nil:
			continue // an empty line, or the half of one
		case ends && len(fields) == 0 && !f.begun:
			return nil, io.EOF
		case ends:
			if c == '\r' {
				_, _ = r.in.ReadByte() // it was seen
			}
			return append(fields, f.end()), nil
		case err != nil:
			return nil, err
		case c == r.comma && !f.quoted:
			fields = append(fields, f.end())
			continue
		case c == '\\':
			next := r.peek()
			if next == '\\' || next == '"' || next == int(r.comma) {
				c, _ = r.in.ReadByte()
				f.take(c)
			}
			f.begun = true
		case c == '"':
			if f.quote(r.peek(), r.comma) {
				_, _ = r.in.ReadByte() // it was seen
			}
		default:
			f.take(c)
		}
	}
}

// peek is the next byte; -1 where there is none.
func (r *records) peek() int {
	b, err := r.in.Peek(1)
	if err != nil {
		return -1 // reading it will say why
	}
	return int(b[0])
}

// field is a field under way.
type field struct {
	text   []byte
	quoted bool // within quotes
	begun  bool
}

func (f *field) take(c byte) {
	f.text = append(f.text, c)
	f.begun = true
}

// quote takes a quotation mark, and reports whether it took the next one with
// it: two of them stand for one. One that neither opens nor closes a field
// stands for itself.
func (f *field) quote(next int, comma byte) (took bool) {
	closes := f.quoted && (next == int(comma) || next == '\n' || next == '\r' || next < 0)
	switch {
	case next == '"' && (f.quoted || len(f.text) > 0):
		f.take('"')
		return true
	case closes:
		f.quoted = false
	case !f.quoted && len(bytes.TrimLeft(f.text, " \t")) == 0:
		f.text, f.quoted = f.text[:0], true
	default:
		f.take('"')
	}
	f.begun = true
	return false
}

// end is the field, and makes way for the next.
func (f *field) end() string {
	text := string(f.text)
	*f = field{text: f.text[:0]}
	return text
}
