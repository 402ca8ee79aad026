package items

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// lines reads JSON Lines: a value on each line that is not empty.
func (p *reading) lines() error {
	in, done, err := p.stream()
	if err != nil {
		return p.final(err)
	}
	defer done()
	for !p.full() {
		in.allowed.renew()
		line, err := line(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return p.final(err)
		}
		p.At += int64(len(line))
		if text := bytes.TrimSpace(line); len(text) > 0 {
			v, wrong := value.Check(string(text))
			if wrong != nil {
				return failed("a line is no JSON: %v", wrong)
			}
			p.take(v.Decode(), len(text))
		}
		if err != nil {
			p.over = true
			return nil
		}
	}
	return nil
}

// line reads up to the end of a line, which is part of it.
func line(in *buffered) ([]byte, error) {
	var whole []byte
	for {
		part, err := in.ReadSlice('\n')
		whole = append(whole, part...)
		switch {
		case len(whole) > maxItem+1:
			return whole, errTooLong
		case !errors.Is(err, bufio.ErrBufferFull):
			return whole, err
		}
	}
}

// valid is a text without what is no UTF-8.
func valid(text string) string { return strings.ToValidUTF8(text, "\ufffd") }
