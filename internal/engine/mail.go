package engine

import (
	"encoding/binary"
	"errors"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// mail is what a node leaves in a shard's inbox for its owner.
type mail struct {
	kind    mailKind
	id      store.ID        // the execution that it is for; news: the child that has ended
	row     store.Job       // answered: the job as it stood
	message machine.Message // answered, word, lock
	start   machine.Start   // lock: what it is, should nobody claim it yet
	text    []byte          // order
	lies    store.MessageKey
	epoch   uint64 // of the lease under which it was read: what is decided about it holds no longer
	old     bool   // begun: perhaps before the shard was taken
}

// mailKind is what mail is about.
type mailKind uint8

// The kinds of mail. Their numbers are on disk.
const (
	mailNews         mailKind = iota + 1 // a nested execution has ended: its rows say how
	mailBegun                            // an execution has begun: its jobs are to be done
	mailBegunExpress                     // … that is kept in memory: it is to be run
	mailAnswered                         // a job was completed, and its row is gone
	mailWord                             // a message that can wait
	mailLock                             // … to a lock
	mailOrder                            // somebody wants something, and waits for the reply
)

// Every message begins with the number of its encoding. News has the first one
// to itself, as it had when there was nothing but news.
const (
	newsEncoding = 1
	mailEncoding = 2
)

// errMail says that a message is in no encoding of this version.
var errMail = errors.New("the message is in no encoding of this version")

// body is mail as it lies in an inbox.
func (m *mail) body() []byte {
	if m.kind == mailNews {
		return append([]byte{newsEncoding}, m.id[:]...)
	}
	b := append(make([]byte, 0, 64+len(m.row.Body)+m.message.Output.Len()), mailEncoding, byte(m.kind))
	b = append(b, m.id[:]...)
	switch m.kind {
	case mailAnswered:
		b = binary.AppendUvarint(b, uint64(m.row.Number))
		b = binary.AppendVarint(b, m.row.Due)
		b = appendBytes(b, m.row.Body)
		b = appendMessage(b, &m.message)
	case mailWord:
		b = appendMessage(b, &m.message)
	case mailLock:
		b = appendBytes(b, machine.Append(nil, &m.start))
		b = appendMessage(b, &m.message)
	case mailOrder:
		b = append(b, m.text...)
	}
	return b
}

// appendMessage writes what a message of those kinds holds that travel.
func appendMessage(b []byte, m *machine.Message) []byte {
	b = append(b, byte(m.Kind), byte(m.Effect))
	b = binary.AppendUvarint(b, uint64(m.Job))
	b = appendBytes(b, []byte(m.Worker))
	b = appendMaybe(b, !m.Output.IsZero(), m.Output.String())
	b = append(b, flagged(m.Failure != nil))
	if f := m.Failure; f != nil {
		b = appendMaybe(b, f.Error != nil, orNone(f.Error))
		b = appendMaybe(b, f.Cause != nil, orNone(f.Cause))
	}
	b = append(b, flagged(m.Claim != nil))
	if c := m.Claim; c != nil {
		b = append(b, c.Execution[:]...)
		for _, n := range [...]uint32{uint32(c.Job), c.Saga, c.Entry} {
			b = binary.AppendUvarint(b, uint64(n))
		}
		b = append(b, flagged(c.Granted))
	}
	return b
}

func flagged(is bool) byte {
	if is {
		return 1
	}
	return 0
}

func orNone(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func appendBytes(b, text []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendMaybe(b []byte, there bool, text string) []byte {
	if b = append(b, flagged(there)); there {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return b
}

// readMail reads a message of an inbox. errMail: it can't be read.
func readMail(m *store.Message) (mail, error) {
	r := mailReader{b: m.Body}
	out := mail{lies: store.MessageKey{Shard: m.Shard, Seq: m.Seq, Key: m.Key}}
	switch r.byte() {
	case newsEncoding:
		out.kind = mailNews
	case mailEncoding:
		out.kind = mailKind(r.byte())
	default:
		return out, errMail
	}
	copy(out.id[:], r.bytes(len(out.id)))
	switch out.kind {
	case mailNews, mailBegun, mailBegunExpress:
	case mailAnswered:
		out.row = store.Job{JobKey: store.JobKey{ID: out.id, Number: r.uint32()}, Due: r.varint(), Body: r.bytes(r.length())}
		out.message = r.message()
	case mailWord:
		out.message = r.message()
	case mailLock:
		start, err := machine.Decode[machine.Start](r.bytes(r.length()))
		if err != nil {
			return out, errMail
		}
		out.start, out.message = *start, r.message()
	case mailOrder:
		out.text = r.bytes(len(r.b))
	default:
		return out, errMail
	}
	if r.bad || len(r.b) > 0 {
		return out, errMail
	}
	return out, nil
}

// mailReader reads mail from its front. After the first fault it gives zeros.
type mailReader struct {
	b   []byte
	bad bool
}

func (r *mailReader) bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *mailReader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *mailReader) uvarint() uint64 {
	n, width := binary.Uvarint(r.b)
	r.bytes(width)
	if width <= 0 {
		r.b, r.bad = nil, true
	}
	return n
}

func (r *mailReader) varint() int64 {
	n, width := binary.Varint(r.b)
	if r.bytes(width); width <= 0 {
		r.b, r.bad = nil, true
	}
	return n
}

func (r *mailReader) uint32() uint32 {
	n := r.uvarint()
	if n > 1<<32-1 {
		r.b, r.bad = nil, true
	}
	return uint32(n)
}

func (r *mailReader) length() int {
	if n := r.uvarint(); n <= uint64(len(r.b)) {
		return int(n)
	}
	r.b, r.bad = nil, true
	return 0
}

func (r *mailReader) maybe() (string, bool) {
	if r.byte() == 0 {
		return "", false
	}
	return string(r.bytes(r.length())), true
}

func (r *mailReader) message() machine.Message {
	m := machine.Message{Kind: machine.MessageKind(r.byte()), Effect: machine.Effect(r.byte()), Job: machine.JobID(r.uint32())}
	m.Worker = string(r.bytes(r.length()))
	if output, there := r.maybe(); there {
		m.Output = value.Checked(output)
	}
	if r.byte() != 0 {
		m.Failure = &machine.Failure{}
		for _, to := range [...]**string{&m.Failure.Error, &m.Failure.Cause} {
			if text, there := r.maybe(); there {
				*to = &text
			}
		}
	}
	if r.byte() != 0 {
		m.Claim = &machine.Claim{}
		copy(m.Claim.Execution[:], r.bytes(len(m.Claim.Execution)))
		m.Claim.Job, m.Claim.Saga, m.Claim.Entry = machine.JobID(r.uint32()), r.uint32(), r.uint32()
		m.Claim.Granted = r.byte() != 0
	}
	return m
}
