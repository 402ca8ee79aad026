package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// Where Pebble can't read on in the newest log, it takes that for the end that a loss
// of power has torn, and what stands behind it for nothing. So each commit says in the
// log up to where commits were durable when it began; a log that can't be read at a
// place before that is damaged, and refused: what was acknowledged is gone. Pebble has
// a like mark of its own in the heads of chunks, the offset that was synced, but not in
// a store's first log; it looks for it in later blocks alone, and counts too few bytes
// where one sync fills several blocks.
//
// What follows the last commit that such a word covers is its end in any case: of what
// is torn there nothing tells whether it was synced.

// putDurable writes the word, as the first operation of a batch: all before that sequence
// number of Pebble's is synced.
func (w *write) putDurable(before uint64) {
	w.fail(w.batch.LogData(binary.LittleEndian.AppendUint64(nil, before), nil))
}

// logged is what the beginning of a batch says in the log.
type logged struct {
	first, end uint64 // its sequence numbers: of its first operation, and behind its last
	durable    uint64 // the word; 0 where it has none
}

// readLogged reads the beginning of a batch: its sequence number, how many operations it
// has, and the first of them.
func readLogged(batch []byte) (l logged) {
	const head, word = 8 + 4, 1 + 1 + 8
	if len(batch) < head {
		return l
	}
	l.first = binary.LittleEndian.Uint64(batch)
	l.end = l.first + uint64(binary.LittleEndian.Uint32(batch[8:]))
	if op := batch[head:]; len(op) >= word && op[0] == byte(pebble.InternalKeyKindLogData) && op[1] == 8 {
		l.durable = binary.LittleEndian.Uint64(op[2:])
	}
	return l
}

// A log is blocks of chunks, https://github.com/cockroachdb/pebble/blob/v2.1.7/record/record.go:
// sum (4), length (2), kind (1), number of the log (4), of some kinds the offset that was
// synced (8), and a batch or part of one. A chunk lies within one block, whose rest is
// left empty. A log that was closed ends with a head that has the next log's number.
const (
	logBlock   = 32 << 10
	chunkHead  = 4 + 2 + 1 + 4
	syncedHead = chunkHead + 8
)

// chunk is one that can be read.
type chunk struct {
	begins, ends bool // a batch
	synced       int64
	body         []byte
	length       int // with its head
}

// chunkAt is the chunk at the beginning of b, if there is one of that log.
func chunkAt(b []byte, log uint32) (c chunk, ok bool) {
	if len(b) < chunkHead || binary.LittleEndian.Uint32(b[7:]) != log {
		return c, false
	}
	head := chunkHead
	switch kind := b[6]; {
	case kind >= 5 && kind <= 8:
		c.begins, c.ends = kind <= 6, kind == 5 || kind == 8
	case kind >= 9 && kind <= 12 && len(b) >= syncedHead:
		c.begins, c.ends = kind <= 10, kind == 9 || kind == 12
		head, c.synced = syncedHead, int64(binary.LittleEndian.Uint64(b[chunkHead:]))
	default:
		return c, false
	}
	c.length = head + int(binary.LittleEndian.Uint16(b[4:]))
	if c.length > len(b) {
		return c, false
	}
	sum := crc32.Checksum(b[6:c.length], castagnoli)
	c.body = b[head:c.length]
	return c, binary.LittleEndian.Uint32(b) == (sum>>15|sum<<17)+0xa282ead8
}

// logReading is how far a log was read.
type logReading struct {
	log    uint32
	end    uint64 // the sequence number behind the last batch that is whole; 0: there is none
	begun  uint64 // and behind the one at hand
	broken int64  // where it can't be read; -1: nowhere so far
}

// block takes the next block, which begins at that offset. It reports whether the log
// ends in it, and whether something behind the broken place shows that this was synced.
func (r *logReading) block(b []byte, offset int64) (ended, lost bool) {
	for at := 0; len(b)-at >= chunkHead; {
		c, ok := chunkAt(b[at:], r.log)
		switch {
		case ok && r.broken < 0:
			r.take(c)
			at += c.length
		case ok && r.shows(c):
			return false, true
		case ok:
			at += c.length
		case r.broken < 0 && binary.LittleEndian.Uint32(b[at+7:]) == r.log+1:
			return true, false
		case r.broken < 0 && len(b)-at < syncedHead && len(bytes.Trim(b[at:], "\x00")) == 0:
			return false, false
		default:
			if r.broken < 0 {
				r.broken = offset + int64(at)
			}
			next := bytes.Index(b[at+8:], binary.LittleEndian.AppendUint32(nil, r.log))
			if next < 0 {
				return false, false
			}
			at += 1 + next
		}
	}
	return false, false
}

func (r *logReading) take(c chunk) {
	if c.begins {
		r.begun = readLogged(c.body).end
	}
	if c.ends {
		r.end = r.begun
	}
}

// shows reports whether a chunk behind the broken place says that this was synced.
func (r *logReading) shows(c chunk) bool {
	if c.synced > r.broken {
		return true
	}
	if !c.begins {
		return false
	}
	l := readLogged(c.body)
	if r.end == 0 { // it broke within the first batch, which had at least the number before this one's
		r.end = l.first - 1
	}
	return l.durable > r.end
}

// checkLog refuses a folder whose newest log is damaged before what was durable. Pebble
// itself is strict about the others.
func (f *folder) checkLog(logs []string) error {
	newest, number := "", uint64(0)
	for _, log := range logs {
		if n, err := strconv.ParseUint(strings.TrimSuffix(log, ".log"), 10, 64); err == nil && n >= number {
			newest, number = log, n
		}
	}
	if newest == "" {
		return nil
	}
	file, err := f.fs.Open(f.fs.PathJoin(f.data(), newest))
	if err != nil {
		return err
	}
	defer file.Close()
	r := logReading{log: uint32(number), broken: -1}
	block := make([]byte, logBlock)
	for offset := int64(0); ; offset += logBlock {
		n, err := io.ReadFull(file, block)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		switch ended, lost := r.block(block[:n], offset); {
		case lost:
			return f.damaged("its %s can't be read at %d, and what was acknowledged stands there", newest, r.broken)
		case ended:
			return nil
		}
	}
}
