package items

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/backstep/backstep/internal/integration"
)

// The bounds of a Parquet file, as the Developer Guide has them.
const (
	maxFooter   = 5 << 20
	maxRowGroup = 256 << 20
	rowsAtOnce  = 64
	rowsMemory  = 16 << 20 // about what a file that is open holds: a page and a buffer per column
)

// table reads the rows of a Parquet file, by row groups, and of those by pages.
type table struct {
	file    *parquet.File
	content *located
	shape   shape
	group   int          // the row group
	rows    parquet.Rows // of it; nil: it is still to be opened
	skip    int64        // rows of it that are done with
	buffer  []parquet.Row
	ahead   []parquet.Row // of the buffer: they were read, and are still to be given
	row     int64         // of the file, that comes next
}

// parquet reads on in an object.
func (p *reading) parquet(content integration.Content) (*table, error) {
	t := &table{content: &located{reading: p, content: content}, buffer: make([]parquet.Row, rowsAtOnce), row: p.At}
	if err := t.content.check(); err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(t.content, content.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, t.content.blame(err)
	}
	columns := max(int64(len(file.Metadata().Schema)), 1)
	t.file, err = parquet.OpenFile(t.content, content.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true),
		parquet.ReadBufferSize(int(max(rowsMemory/2/columns, 4<<10))))
	if err != nil {
		return nil, t.content.blame(err)
	}
	t.shape = shapeOf(t.file.Root())
	t.skip = t.row
	for i, group := range t.file.Metadata().RowGroups {
		if size := groupSize(&group); size > maxRowGroup {
			return nil, failed("row group %d of the Parquet file has %d bytes, more than %d", i, size, maxRowGroup)
		}
		if t.group == i && t.skip >= group.NumRows {
			t.skip -= group.NumRows
			t.group++
		}
	}
	return t, nil
}

// groupSize is how many bytes a row group has, by whichever count is larger.
func groupSize(group *format.RowGroup) (size int64) {
	for i := range group.Columns {
		size += group.Columns[i].MetaData.TotalUncompressedSize
	}
	return max(size, group.TotalByteSize)
}

// next is the next row.
func (t *table) next() (item, error) {
	if len(t.ahead) == 0 {
		if err := t.fill(); err != nil {
			return item{}, t.content.blame(err)
		}
	}
	row := t.ahead[0]
	t.ahead = t.ahead[1:]
	t.row++
	bytes := 0
	for _, v := range row {
		bytes += 8
		if k := v.Kind(); k == parquet.ByteArray || k == parquet.FixedLenByteArray {
			bytes += len(v.ByteArray())
		}
	}
	if bytes > maxItem {
		return item{}, errTooLong
	}
	columns := make([][]parquet.Value, 0, len(t.file.Root().Columns()))
	row.Range(func(_ int, values []parquet.Value) bool {
		columns = append(columns, values)
		return true
	})
	if len(columns) != t.shape.leaves {
		return item{}, failed("the Parquet file has a row of %d columns in place of %d", len(columns), t.shape.leaves)
	}
	return item{value: t.shape.content(columns), bytes: bytes}, nil
}

// fill reads rows ahead; io.EOF after the last.
func (t *table) fill() error {
	groups := t.file.RowGroups()
	for t.group < len(groups) {
		if t.rows == nil {
			t.rows = groups[t.group].Rows()
			if err := t.rows.SeekToRow(t.skip); err != nil {
				return err
			}
			t.skip = 0
		}
		n, err := t.rows.ReadRows(t.buffer)
		if t.ahead = t.buffer[:n]; n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err == nil {
			return io.ErrNoProgress
		}
		err = t.rows.Close()
		t.rows = nil
		t.group++
		if err != nil {
			return err
		}
	}
	return io.EOF
}

func (t *table) at(p *place) { p.At = t.row }

func (t *table) weight() int { return rowsMemory }

// Close implements [io.Closer].
func (t *table) Close() (err error) {
	if t.rows != nil {
		err = t.rows.Close()
	}
	return errors.Join(err, t.content.content.Close())
}

// located is an object as an [io.ReaderAt]. It remembers what the storage failed
// with.
type located struct {
	reading *reading // whose context holds
	content integration.Content
	broken  error
}

func (l *located) ReadAt(b []byte, at int64) (int, error) {
	n, err := l.content.ReadAt(l.reading.context, b, at)
	if err != nil && !errors.Is(err, io.EOF) {
		l.broken = err
	}
	return n, err
}

// blame tells what is wrong with the storage from what is wrong with the file.
func (l *located) blame(err error) error {
	switch {
	case errors.Is(err, io.EOF) && l.broken == nil:
		return err
	case l.broken != nil:
		return &storageError{l.broken}
	}
	return failed("the Parquet file can't be read: %v", err)
}

// check looks at the file's end before its footer is read.
func (l *located) check() error {
	var end [8]byte
	if l.content.Size() < int64(len(end)) {
		return failed("the object is no Parquet file")
	}
	if n, err := l.ReadAt(end[:], l.content.Size()-int64(len(end))); n < len(end) {
		return &storageError{err}
	}
	if string(end[4:]) != "PAR1" {
		return failed("the object is no Parquet file")
	}
	if size := binary.LittleEndian.Uint32(end[:4]); size > maxFooter {
		return failed("the footer of the Parquet file has %d bytes, more than %d", size, maxFooter)
	}
	return nil
}
