package archive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/backstep/backstep/internal/store"
)

// A file begins with a line that says what it is. Then come parts: the length of
// what follows (4 bytes), its CRC-32C (4), a letter, and
//
//	h  a Head as JSON, the first
//	r  rows, each behind the number of its noun
//	e  an End as JSON, the last
const (
	firstLine = "backstep backup, format %d\n"
	format    = 1

	partHead = 'h'
	partRows = 'r'
	partEnd  = 'e'

	maxPart = 256 << 20 // bytes of one part
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Head says of which store a file is.
type Head struct {
	Store        string `json:"store"`
	Format       uint32 `json:"format"` // of the store
	Shards       uint16 `json:"shards"`
	RestoreEpoch uint32 `json:"restoreEpoch"`
	TokenKey     []byte `json:"tokenKey"`
	Version      string `json:"version"` // of the program that wrote it
	Taken        int64  `json:"taken"`   // UTC ms: all that was acknowledged by then is in it
}

// End says what is in a file.
type End struct {
	Sums   []Sum  `json:"sums"`
	Rows   int    `json:"rows"`
	SHA256 string `json:"sha256"` // of all before this part
}

// Write writes all that a store holds, as of one moment.
func Write(ctx context.Context, from store.Store, version string, to io.Writer) error {
	taken, err := from.Now(ctx)
	if err != nil {
		return err
	}
	id := from.Identity()
	w := newWriter(to)
	w.json(partHead, Head{
		Store: id.Store.String(), Format: id.Format, Shards: id.Shards, RestoreEpoch: id.RestoreEpoch, TokenKey: id.TokenKey, Version: version, Taken: taken,
	})
	sums := NewSums()
	err = from.Dump(ctx, func(b *store.Batch) error {
		sums.Add(b)
		part := []byte{partRows}
		eachRow(b, func(n noun, put func([]byte) []byte) { part = put(append(part, byte(n))) })
		w.part(part)
		return w.err
	}, nil)
	if err != nil {
		return err
	}
	w.json(partEnd, End{Sums: sums.List(), Rows: sums.Rows(), SHA256: hex.EncodeToString(w.all.Sum(nil))})
	if w.err == nil {
		w.err = w.to.Flush()
	}
	return w.err
}

// writer writes parts. After the first fault it writes nothing.
type writer struct {
	to  *bufio.Writer
	all hash.Hash
	err error
}

// newWriter begins a file.
func newWriter(to io.Writer) *writer {
	w := &writer{to: bufio.NewWriterSize(to, 1<<20), all: sha256.New()}
	w.write(fmt.Appendf(nil, firstLine, format))
	return w
}

func (w *writer) write(b []byte) {
	if w.err == nil {
		w.all.Write(b)
		_, w.err = w.to.Write(b)
	}
}

func (w *writer) part(b []byte) {
	if len(b) > maxPart && w.err == nil {
		w.err = fmt.Errorf("a part of %d bytes, at most %d are written", len(b), maxPart)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
	w.write(binary.BigEndian.AppendUint32(head, crc32.Checksum(b, castagnoli)))
	w.write(b)
}

func (w *writer) json(letter byte, v any) {
	text, err := json.Marshal(v)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.part(append([]byte{letter}, text...))
}
