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
type lines struct{ *stream }

func (l *lines) at(p *place) { p.At = l.stream.at }

func (l *lines) next() (item, error) {
	for {
		line, err := l.line()
		if err != nil && !errors.Is(err, io.EOF) {
			return item{}, err
		}
		l.stream.at += int64(len(line))
		if text := bytes.TrimSpace(line); len(text) > 0 {
			v, wrong := value.Check(string(text))
			if wrong != nil {
				return item{}, failed("a line is no JSON: %v", wrong)
			}
			return item{value: v.Decode(), bytes: len(text)}, nil
		}
		if err != nil {
			return item{}, err
		}
	}
}

// line reads up to the end of a line, which is part of it.
func (l *lines) line() ([]byte, error) {
	var whole []byte
	for {
		part, err := l.ReadSlice('\n')
		if whole == nil && err == nil {
			return part, nil
		}
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
