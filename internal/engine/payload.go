package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// A payload is stored as its text, or, where it shares most of that with another
// of the same commit, as what it shares with which, and the rest: what a state
// makes of a task's result, and what the next task is given of that, stands on
// disk once. The other is always one that is stored as its text.
//
//	payloadShared from at length lead text…
//
// are the format, then as uvarints the other's number, where in it the shared
// bytes begin, how many these are, and how many bytes of the text that follows
// stand before them; the remaining ones stand behind. No JSON text begins with
// the format's byte.
const payloadShared = 1

// leastShared is how many bytes are worth to be shared, and lookedBack in how
// many payloads before they are looked for.
const (
	leastShared = 128
	lookedBack  = 3
)

// shared is how a payload was stored: its own text where from is 0.
type shared struct {
	from       uint32
	at, length int
}

// sharing stores the payloads of one commit.
type sharing struct {
	first uint32 // number of the first
	texts []value.Text
	how   []shared // of those stored so far
}

// append adds the record of the next payload.
func (s *sharing) append(b []byte) []byte {
	i := len(s.how)
	text := s.texts[i].String()
	for back := i - 1; back >= max(0, i-lookedBack) && len(text) >= leastShared; back-- {
		other := s.texts[back].String()
		how := s.how[back]
		switch {
		case len(other) < leastShared:
			continue
		case how.from == 0:
			how = shared{s.first + uint32(back), 0, len(other)}
		case how.length < len(other):
			continue // it is made of more than one
		}
		lead := 0
		if len(text) <= len(other) {
			at := strings.Index(other, text)
			if at < 0 {
				continue
			}
			how.at, how.length = how.at+at, len(text)
		} else if lead = strings.Index(text, other); lead < 0 {
			continue
		}
		s.how = append(s.how, how)
		if how.length < len(text) {
			s.how[i].length = 0 // it can't be told by one place
		}
		b = append(b, payloadShared)
		for _, n := range [...]int{int(how.from), how.at, how.length, lead} {
			b = binary.AppendUvarint(b, uint64(n))
		}
		return append(append(b, text[:lead]...), text[lead+how.length:]...)
	}
	s.how = append(s.how, shared{})
	return append(b, text...)
}

// Texts are the payloads of an execution that have those numbers, in the order
// asked: those of memory where all of them are there. The errors are those of
// [Texts].
func (e *Engine) Texts(ctx context.Context, id store.ID, numbers []uint32) ([]string, error) {
	if texts := e.shardOf(id).texts(id, numbers); texts != nil {
		return texts, nil
	}
	return Texts(ctx, e.cfg.Store, id, numbers)
}

// texts are payloads of an execution that is in memory, nil where one of them is
// not.
func (s *shard) texts(id store.ID, numbers []uint32) []string {
	r := s.find(id)
	if r == nil {
		return nil
	}
	defer s.release(r)
	if !r.stands(s) {
		return nil
	}
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		text, there := r.x.Payloads[machine.Ref(n)]
		if !there {
			return nil
		}
		texts[i] = text.String()
	}
	return texts
}

// payloads is what Texts reads from: a store.
type payloads interface {
	Payloads(ctx context.Context, id store.ID, numbers []uint32) ([][]byte, error)
}

// Texts are the payloads of an execution that have those numbers, in the order
// asked. One that is missing is store.ErrNotFound, one whose record can't be read
// store.ErrDamaged.
func Texts(ctx context.Context, from payloads, id store.ID, numbers []uint32) ([]string, error) {
	bodies, err := from.Payloads(ctx, id, numbers)
	if err != nil {
		return nil, fmt.Errorf("payloads of execution %s: %w", id, err)
	}
	texts := make([]string, len(bodies))
	whole := make(map[uint32]string, len(bodies))
	var records []sharedRecord
	var missing []uint32
	for i, body := range bodies {
		if len(body) == 0 || body[0] != payloadShared {
			texts[i] = string(body)
			whole[numbers[i]] = texts[i]
			continue
		}
		r, ok := readShared(body)
		if !ok {
			return nil, damagedPayload(id, numbers[i])
		}
		r.index = i
		records = append(records, r)
	}
	for _, r := range records {
		if _, have := whole[r.from]; !have {
			whole[r.from] = ""
			missing = append(missing, r.from)
		}
	}
	if len(missing) > 0 {
		others, err := from.Payloads(ctx, id, missing)
		if err != nil {
			return nil, fmt.Errorf("payloads of execution %s: %w", id, err)
		}
		for i, body := range others {
			whole[missing[i]] = string(body)
		}
	}
	for _, r := range records {
		other := whole[r.from]
		if r.at > len(other) || r.length > len(other)-r.at || other[0] == payloadShared {
			return nil, damagedPayload(id, numbers[r.index])
		}
		texts[r.index] = string(r.before) + other[r.at:r.at+r.length] + string(r.behind)
	}
	return texts, nil
}

func damagedPayload(id store.ID, number uint32) error {
	return fmt.Errorf("payload %d of execution %s: %w", number, id, store.ErrDamaged)
}

// sharedRecord is the record of a payload that shares most of its text.
type sharedRecord struct {
	index          int // among those asked for
	from           uint32
	at, length     int
	before, behind []byte
}

func readShared(b []byte) (r sharedRecord, ok bool) {
	b = b[1:]
	var numbers [4]uint64
	for i := range numbers {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > store.MaxBody && i > 0 || n > 1<<32-1 {
			return r, false
		}
		numbers[i], b = n, b[size:]
	}
	lead := int(numbers[3])
	if lead > len(b) || numbers[2] == 0 {
		return r, false
	}
	return sharedRecord{0, uint32(numbers[0]), int(numbers[1]), int(numbers[2]), b[:lead], b[lead:]}, true
}
