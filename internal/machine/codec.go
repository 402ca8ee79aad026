package machine

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Every record begins with the number of its encoding, and is read by that
// number for as long as stores hold it. A new encoding gets a new number.
const (
	startFormat  = 4
	headFormat   = 5
	frameFormat  = 4
	jobFormat    = 3
	eventsFormat = 2
	undoFormat   = 2

	withoutMap     = 1 // the format of a start that has nothing to do with a map run
	untestedMap    = 2 // … and of one that has, unless it runs a test case
	plainHead      = 2 // the format of a head that is no map run's, was begun once, and has counted no invocations
	plainJob       = 1 // the format of a job that is not polled, follows none that was, and is no test case's
	sagalessHead   = 3 // … and of one that has begun no saga
	unfoundHead    = 4 // … and of one that is found by no search attributes
	unlockedStart  = 3 // … and of one that runs a test case, and is no lock
	sagalessJob    = 2 // … and of one that is no call of a body, nor anything that only a saga has
	sagalessFrame  = 3 // … and of one in no saga
	sagalessEvents = 1 // the format of events none of which only a saga has
	uneditedUndo   = 1 // the format of a row of the saga log whose step was sent under its first key
	plainFrame     = 2 // the format of a frame whose step no service has taken as a job, whose items are from nowhere in particular, and that has lost none
)

// Row is what a store keeps of an execution as one record.
type Row interface {
	Start | Head | Frame | Job | Undo | Events
}

// Append adds a row as a record to b.
func Append[R Row](b []byte, row *R) []byte {
	switch row := any(row).(type) {
	case *Start:
		return appendStart(b, row)
	case *Head:
		return appendHead(b, row)
	case *Frame:
		return appendFrame(b, row)
	case *Job:
		return appendJob(b, row)
	case *Undo:
		return appendUndo(b, row)
	case *Events:
		return appendEvents(b, *row)
	}
	return b
}

// Decode reads what Append wrote. Its error says that the record is damaged, or of
// a newer version, and has a method Unreadable() bool: to read it again is of no use.
func Decode[R Row](b []byte) (row *R, err error) {
	var read any
	switch any(row).(type) {
	case *Start:
		var s Start
		s, err = decodeStart(b)
		read = &s
	case *Head:
		var h Head
		h, err = decodeHead(b)
		read = &h
	case *Frame:
		read, err = decodeFrame(b)
	case *Job:
		read, err = decodeJob(b)
	case *Undo:
		read, err = decodeUndo(b)
	case *Events:
		var e Events
		e, err = decodeEvents(b)
		read = &e
	}
	return read.(*R), err
}

// formatError says that a record was written by a newer version.
type formatError struct {
	Record string // "start", "head", "frame", "job", "undo" or "events"
	Number uint64 // of its encoding
}

func (e *formatError) Error() string {
	return fmt.Sprintf("the %s record has encoding %d, which this version does not know", e.Record, e.Number)
}

func (e *formatError) Unreadable() bool { return true }

// errRecord says that bytes are no record of that kind.
const errRecord recordError = "the record is damaged"

type recordError string

func (e recordError) Error() string    { return string(e) }
func (e recordError) Unreadable() bool { return true }

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendMaybe writes a text that may be missing.
func appendMaybe(b []byte, s *string) []byte {
	if s == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(*s))+1)
	return append(b, *s...)
}

func appendFlag(b []byte, is bool) []byte {
	if is {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendBindings(b []byte, all []binding) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, v := range all {
		b = appendText(b, v.Name)
		b = binary.AppendUvarint(b, uint64(v.Value))
	}
	return b
}

// reader reads a record from its front. After the first fault it gives zeros.
type reader struct {
	b   []byte
	err error
}

// begin reads the number of the encoding, and gives it.
func (r *reader) begin(record string, newest uint64) uint64 {
	number := r.uint64()
	if r.err == nil && number == 0 {
		r.fail()
	}
	if r.err == nil && number > newest {
		r.err = &formatError{record, number}
	}
	return number
}

// end refuses what is left over.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail()
	}
	return r.err
}

func (r *reader) fail() {
	r.b = nil
	if r.err == nil {
		r.err = errRecord
	}
}

func (r *reader) uint64() uint64 {
	n, width := binary.Uvarint(r.b)
	if width <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[width:]
	return n
}

func (r *reader) int64() int64 {
	n, width := binary.Varint(r.b)
	if width <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[width:]
	return n
}

func (r *reader) uint32() uint32 {
	n := r.uint64()
	if n > math.MaxUint32 {
		r.fail()
		return 0
	}
	return uint32(n)
}

// number reads a count or index, which fits 31 bits.
func (r *reader) number() int {
	n := r.uint64()
	if n > math.MaxInt32 {
		r.fail()
		return 0
	}
	return int(n)
}

// length reads how many parts follow, each of which takes a byte or more.
func (r *reader) length() int {
	n := r.uint64()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.b) {
		r.fail()
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) text() string { return string(r.bytes(r.length())) }

func (r *reader) maybe() *string {
	n := r.uint64()
	if n == 0 || n-1 > uint64(len(r.b)) {
		if n != 0 {
			r.fail()
		}
		return nil
	}
	s := string(r.bytes(int(n - 1)))
	return &s
}

// upTo reads one of a list of things, by its number.
func (r *reader) upTo(last uint8) uint8 {
	n := r.uint64()
	if n > uint64(last) {
		r.fail()
		return 0
	}
	return uint8(n)
}

func (r *reader) flag() bool { return r.upTo(1) == 1 }

func (r *reader) bindings() []binding {
	n := r.length()
	if n == 0 {
		return nil
	}
	all := make([]binding, 0, min(n, 64))
	for range n {
		all = append(all, binding{r.text(), Ref(r.uint32())})
		if r.err != nil {
			return nil
		}
	}
	return all
}
