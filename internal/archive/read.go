package archive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"

	"github.com/backstep/backstep/internal/store"
)

// File is what stands in a file beside its rows.
type File struct {
	Head
	End
}

// Identity is that of the file's store.
func (f *File) Identity() (store.Identity, error) {
	id, err := store.ParseID(f.Store)
	if err != nil || f.Shards == 0 || len(f.TokenKey) != 32 {
		return store.Identity{}, fmt.Errorf("the backup's head names no store: %w", store.ErrDamaged)
	}
	return store.Identity{Format: f.Format, Store: id, Shards: f.Shards, TokenKey: f.TokenKey, RestoreEpoch: f.RestoreEpoch}, nil
}

// Read reads a file to its end, holds every part to its checksum and the whole to what
// its end says, and visits its pages, unless visit is nil. An error that is no visitor's
// is store.ErrForeign, ErrNewer or ErrDamaged, or one of reading.
func Read(ctx context.Context, from io.Reader, visit func(*store.Batch) error) (*File, error) {
	r := &fileReader{from: bufio.NewReaderSize(from, 1<<20), all: sha256.New()}
	if err := r.begin(); err != nil {
		return nil, err
	}
	f, sums := new(File), NewSums()
	for first := true; ; first = false {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		before := hex.EncodeToString(r.all.Sum(nil))
		part, err := r.part()
		if err != nil {
			return nil, err
		}
		switch letter := part[0]; {
		case first != (letter == partHead):
			return nil, r.damaged("parts are out of order")
		case letter == partHead:
			err = r.head(f, part[1:])
		case letter == partRows:
			err = r.rows(part[1:], sums, visit)
		case letter == partEnd:
			return f, r.end(f, part[1:], sums, before)
		default:
			return nil, r.damaged("an unknown part")
		}
		if err != nil {
			return nil, err
		}
	}
}

// fileReader reads parts.
type fileReader struct {
	from *bufio.Reader
	all  hash.Hash
	at   int64
}

func (r *fileReader) damaged(what string) error {
	return fmt.Errorf("the backup is %w at byte %d: %s", store.ErrDamaged, r.at, what)
}

// begin reads the first line.
func (r *fileReader) begin() error {
	line, err := r.from.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var number int
	if _, err := fmt.Sscanf(line, firstLine, &number); err != nil || number < 1 {
		return fmt.Errorf("it is no backup: %w", store.ErrForeign)
	}
	if number > format {
		return fmt.Errorf("the backup was %w: its format is %d, this version knows %d; use the version that wrote it", store.ErrNewer, number, format)
	}
	r.all.Write([]byte(line))
	r.at = int64(len(line))
	return nil
}

func (r *fileReader) read(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(r.from, b); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, r.damaged("it ends before its end")
		}
		return nil, err
	}
	r.all.Write(b)
	return b, nil
}

func (r *fileReader) part() ([]byte, error) {
	head, err := r.read(8)
	if err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head)
	if length == 0 || length > maxPart {
		return nil, r.damaged("a part of no length")
	}
	part, err := r.read(int(length))
	if err != nil {
		return nil, err
	}
	if crc32.Checksum(part, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
		return nil, r.damaged("a part does not have its checksum")
	}
	r.at += int64(8 + length)
	return part, nil
}

func (r *fileReader) head(f *File, part []byte) error {
	if err := json.Unmarshal(part, &f.Head); err != nil {
		return r.damaged("its head can't be read")
	}
	return nil
}

func (r *fileReader) rows(part []byte, sums *Sums, visit func(*store.Batch) error) error {
	b := new(store.Batch)
	for row := (&reader{rest: part}); len(row.rest) > 0; {
		n := noun(row.take(1)[0])
		if n >= nouns {
			return r.damaged(fmt.Sprintf("a row of the unknown noun %d", n))
		}
		if row.add(n, b); row.bad {
			return r.damaged(fmt.Sprintf("a row of its %s can't be read", nounNames[n]))
		}
	}
	sums.Add(b)
	if visit == nil {
		return nil
	}
	return visit(b)
}

// end holds what was read to what the end says.
func (r *fileReader) end(f *File, part []byte, sums *Sums, before string) error {
	if err := json.Unmarshal(part, &f.End); err != nil {
		return r.damaged("its end can't be read")
	}
	if f.SHA256 != before || !slices.Equal(f.Sums, sums.List()) {
		return r.damaged("it does not have the sums that its end says")
	}
	if _, err := r.from.ReadByte(); !errors.Is(err, io.EOF) {
		return r.damaged("something stands behind its end")
	}
	return nil
}

// Restore fills a store with what a file holds, which was read to its end before, and
// reads it back. Leases are as if they had run out. Progress is as in [Copy]. The store
// is not complete yet: see [store.Filling].
func Restore(ctx context.Context, from io.Reader, to store.Filling, progress func(rows int, back bool)) error {
	sums := NewSums()
	_, err := Read(ctx, from, func(b *store.Batch) error {
		for i := range b.Leases {
			b.Leases[i].Epoch += store.RestoredEpochs
			b.Leases[i].Expires = 0
		}
		tell(progress, sums.Add(b), false)
		return to.Commit(ctx, b)
	})
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return holds(ctx, to, sums, progress)
}
