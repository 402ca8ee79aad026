package items

import (
	"bufio"
	"errors"
	"io"
)

// storageError is what the object's storage failed with: it may go well another
// time, as nothing of the data's own faults does.
type storageError struct{ err error }

func (e *storageError) Error() string { return e.err.Error() }

// errTooLong says that one item is longer than any child's input.
var errTooLong = errors.New("an item is longer than 262144 bytes")

// allowance lets so many bytes through, and is renewed with every item. It reads
// ahead of the item by what its reader buffers.
type allowance struct {
	r    io.Reader
	left int
}

// bufferSize is how far readers read ahead.
const bufferSize = 64 << 10

func (a *allowance) Read(b []byte) (int, error) {
	if a.left <= 0 {
		return 0, errTooLong
	}
	n, err := a.r.Read(b[:min(len(b), a.left)])
	a.left -= n
	if err != nil && err != io.EOF {
		err = &storageError{err}
	}
	return n, err
}

// renew allows for one more item.
func (a *allowance) renew() { a.left = maxItem + 2*bufferSize }

// open opens the object where the reading goes on.
func (p *reading) open() (*allowance, func(), error) {
	body, err := p.Objects.Open(p.context, p.object, p.At)
	if err != nil {
		return nil, nil, &storageError{err}
	}
	a := &allowance{r: body}
	a.renew()
	return a, func() { body.Close() }, nil
}

// buffered is a reader that counts what was taken of it.
type buffered struct {
	*bufio.Reader
	allowed *allowance
	at      int64 // byte of the object that comes next
}

// stream opens the object for reading by bytes.
func (p *reading) stream() (*buffered, func(), error) {
	a, done, err := p.open()
	if err != nil {
		return nil, nil, err
	}
	return &buffered{bufio.NewReaderSize(a, bufferSize), a, p.At}, done, nil
}

func (b *buffered) ReadByte() (byte, error) {
	c, err := b.Reader.ReadByte()
	if err == nil {
		b.at++
	}
	return c, err
}

func (b *buffered) UnreadByte() error {
	b.at--
	return b.Reader.UnreadByte()
}
