package postgres

import (
	"encoding/binary"

	"github.com/jackc/pgx/v5/pgtype"
)

// array writes PostgreSQL arrays of one dimension in the binary format, one
// after the other into memory that is used again: the parameters of a statement.
// pgx could do so by reflection, for several times the processor time.
type array struct {
	bytes  []byte
	starts []int // of each array in bytes
}

func (a *array) reset() { a.bytes, a.starts = a.bytes[:0], a.starts[:0] }

// begin begins an array of that many elements.
func (a *array) begin(oid uint32, length int) {
	a.starts = append(a.starts, len(a.bytes))
	dimensions := uint32(1)
	if length == 0 {
		dimensions = 0
	}
	a.bytes = binary.BigEndian.AppendUint32(a.bytes, dimensions)
	a.bytes = binary.BigEndian.AppendUint32(a.bytes, 1) // there may be nulls
	a.bytes = binary.BigEndian.AppendUint32(a.bytes, oid)
	if length > 0 {
		a.bytes = binary.BigEndian.AppendUint32(a.bytes, uint32(length))
		a.bytes = binary.BigEndian.AppendUint32(a.bytes, 1) // number of the first element
	}
}

// values are all arrays since reset, as pgconn takes them; they are good until
// the next change. room is used for them.
func (a *array) values(room [][]byte) [][]byte {
	room = room[:0]
	for i, start := range a.starts {
		end := len(a.bytes)
		if i+1 < len(a.starts) {
			end = a.starts[i+1]
		}
		room = append(room, a.bytes[start:end:end])
	}
	return room
}

// The columns of rows, each an array.

func bytesOf[T any](a *array, rows []T, field func(*T) []byte) {
	a.begin(pgtype.ByteaOID, len(rows))
	for i := range rows {
		a.element(field(&rows[i]))
	}
}

// nullable is bytesOf where nil is no value.
func nullable[T any](a *array, rows []T, field func(*T) []byte) {
	a.begin(pgtype.ByteaOID, len(rows))
	for i := range rows {
		if b := field(&rows[i]); b != nil {
			a.element(b)
		} else {
			a.bytes = binary.BigEndian.AppendUint32(a.bytes, 1<<32-1)
		}
	}
}

func textsOf[T any](a *array, rows []T, field func(*T) string) {
	a.begin(pgtype.TextOID, len(rows))
	for i := range rows {
		text := field(&rows[i])
		a.bytes = binary.BigEndian.AppendUint32(a.bytes, uint32(len(text)))
		a.bytes = append(a.bytes, text...)
	}
}

func bigints[T any](a *array, rows []T, field func(*T) int64) {
	a.begin(pgtype.Int8OID, len(rows))
	for i := range rows {
		a.bytes = binary.BigEndian.AppendUint32(a.bytes, 8)
		a.bytes = binary.BigEndian.AppendUint64(a.bytes, uint64(field(&rows[i])))
	}
}

func integers[T any](a *array, rows []T, field func(*T) int32) {
	a.begin(pgtype.Int4OID, len(rows))
	for i := range rows {
		a.bytes = binary.BigEndian.AppendUint32(a.bytes, 4)
		a.bytes = binary.BigEndian.AppendUint32(a.bytes, uint32(field(&rows[i])))
	}
}

func booleans[T any](a *array, rows []T, field func(*T) bool) {
	a.begin(pgtype.BoolOID, len(rows))
	for i := range rows {
		a.bytes = binary.BigEndian.AppendUint32(a.bytes, 1)
		if field(&rows[i]) {
			a.bytes = append(a.bytes, 1)
		} else {
			a.bytes = append(a.bytes, 0)
		}
	}
}

func (a *array) element(b []byte) {
	a.bytes = binary.BigEndian.AppendUint32(a.bytes, uint32(len(b)))
	a.bytes = append(a.bytes, b...)
}
