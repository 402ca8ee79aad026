package items

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/backstep/backstep/internal/integration"
)

// storageError is what the object's storage failed with: it may go well another
// time, as nothing of the data's own faults does.
type storageError struct{ err error }

func (e *storageError) Error() string { return e.err.Error() }

// errTooLong says that one item is longer than is ever read.
var errTooLong = errors.New("an item is longer than 8388608 bytes")

const (
	bufferSize = 256 << 10 // how far a stream reads ahead
	maxWindow  = 32 << 20  // bytes that zstd may look back
)

// front reads an object from its front, or from a byte in it.
type front struct {
	reading *reading // whose context holds
	content integration.Content
	at      int64
}

func (f *front) Read(b []byte) (int, error) {
	n := min(int64(len(b)), f.content.Size()-f.at)
	if n <= 0 {
		return 0, io.EOF
	}
	read, err := f.content.ReadAt(f.reading.context, b[:n], f.at)
	f.at += int64(read)
	switch {
	case int64(read) == n:
		return read, nil
	case err == nil || errors.Is(err, io.EOF):
		err = errors.New("the object is shorter than it was")
	}
	return read, &storageError{err}
}

// stream is an object's bytes, decompressed, and counts what was taken of them.
type stream struct {
	*bufio.Reader
	at      int64 // byte that comes next
	memory  int
	closers []func() error
}

// stream reads an object's bytes from one on. Data that is compressed, as the
// key's end says, is gone through up to there.
func (p *reading) stream(content integration.Content, key string, from int64) (*stream, error) {
	f := &front{p, content, 0}
	s := &stream{at: from, closers: []func() error{content.Close}}
	size := int(min(bufferSize, content.Size()+1))
	var unpacked io.Reader
	var err error
	switch {
	case strings.HasSuffix(key, ".gz"), strings.HasSuffix(key, ".gzip"):
		var g *gzip.Reader
		if g, err = gzip.NewReader(bufio.NewReaderSize(f, size)); err == nil {
			unpacked = g
		}
		s.memory = 2*size + 64<<10
	case strings.HasSuffix(key, ".zst"), strings.HasSuffix(key, ".zstd"):
		var z *zstd.Decoder
		z, err = zstd.NewReader(bufio.NewReaderSize(f, size), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err == nil {
			unpacked = z
			s.closers = append(s.closers, func() error { z.Close(); return nil })
		}
		s.memory = 2*size + maxWindow/2
	default:
		f.at = from
		s.memory = size
		s.Reader = bufio.NewReaderSize(f, size)
		return s, nil
	}
	if err != nil {
		return nil, damaged(err)
	}
	s.Reader = bufio.NewReaderSize(&unpacking{unpacked}, bufferSize)
	if _, err := io.CopyN(io.Discard, s.Reader, from); err != nil {
		s.closers = s.closers[1:] // the content is the caller's still
		s.Close()
		return nil, damaged(err)
	}
	return s, nil
}

// unpacking tells what is wrong with compressed data from what is wrong with
// its storage.
type unpacking struct{ r io.Reader }

func (u *unpacking) Read(b []byte) (int, error) {
	n, err := u.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = damaged(err)
	}
	return n, err
}

func damaged(err error) error {
	var storage *storageError
	if errors.As(err, &storage) {
		return storage
	}
	return failed("the object can't be decompressed: %v", err)
}

// Close implements [io.Closer].
func (s *stream) Close() (err error) {
	for _, c := range s.closers {
		err = errors.Join(err, c())
	}
	return err
}

func (s *stream) weight() int { return s.memory }

// ReadByte implements [io.ByteReader].
func (s *stream) ReadByte() (byte, error) {
	c, err := s.Reader.ReadByte()
	if err == nil {
		s.at++
	}
	return c, err
}

// UnreadByte implements [io.ByteScanner].
func (s *stream) UnreadByte() error {
	s.at--
	return s.Reader.UnreadByte()
}
