package items

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"

	"github.com/backstep/backstep/internal/value"
)

// delimiters are what CSVDelimiter names.
var delimiters = map[string]rune{"": ',', "COMMA": ',', "PIPE": '|', "SEMICOLON": ';', "SPACE": ' ', "TAB": '\t'}

// maxHeader is how many bytes the names of columns may have together.
const maxHeader = 10 << 10

// csv reads records, each an object of the columns' names. A record that is too
// short has empty texts, one that is too long is cut.
func (p *reading) csv() error {
	comma, known := delimiters[p.config.Get("CSVDelimiter").AsString()]
	if !known {
		return failed("CSVDelimiter %q is not supported", p.config.Get("CSVDelimiter").AsString())
	}
	if p.At == 0 && p.config.Get("CSVHeaderLocation").AsString() == "GIVEN" {
		for _, name := range p.config.Get("CSVHeaders").Items() {
			p.Columns = append(p.Columns, name.AsString())
		}
		if err := p.checkColumns(); err != nil {
			return err
		}
	}
	a, done, err := p.open()
	if err != nil {
		return p.final(err)
	}
	defer done()
	in := bufio.NewReaderSize(a, bufferSize)
	skipped := p.mark(in)
	r := csv.NewReader(in)
	r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = comma, -1, true, true
	from := p.At + skipped
	for !p.full() {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			p.over = true
			return nil
		}
		if err != nil {
			return p.final(err)
		}
		a.renew()
		p.At = from + r.InputOffset()
		if p.Columns == nil {
			p.Columns = append([]string{}, record...)
			if err := p.checkColumns(); err != nil {
				return err
			}
			continue
		}
		p.record(record)
	}
	return nil
}

// mark skips the byte order mark at the object's beginning.
func (p *reading) mark(in *bufio.Reader) int64 {
	if first, err := in.Peek(3); p.At > 0 || err != nil || string(first) != "\ufeff" {
		return 0
	}
	n, _ := in.Discard(3)
	return int64(n)
}

func (p *reading) checkColumns() error {
	seen, bytes := map[string]bool{}, 0
	for _, name := range p.Columns {
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

func (p *reading) record(fields []string) {
	b := value.NewBuilder(len(p.Columns))
	bytes := 0
	for i, name := range p.Columns {
		text := ""
		if i < len(fields) {
			text = valid(fields[i])
		}
		bytes += len(name) + len(text)
		b.Set(valid(name), value.NewString(text))
	}
	p.take(b.Object(), bytes)
}
