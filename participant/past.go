package participant

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"
)

// past is what a step's calls were answered until now, a row for each key. The
// first row of a step has the step id as its key: it is the one that is locked, and
// has no outcome until the forward call of that key has one.
type past []row

type row struct {
	key       string
	operation Operation
	outcome   outcome
	answer    Answer

	state, subject sql.NullString // of the call; not told, or written before there were such columns
}

// outcome is what became of a call.
type outcome string

const (
	outcomeNone      outcome = ""
	outcomeSucceeded outcome = "succeeded" // its effect took place
	outcomeRefused   outcome = "refused"   // a forward call, and it has no effect
	outcomeVoid      outcome = "void"      // an undo, and there was nothing to undo
	outcomeFailed    outcome = "failed"    // a query, which was told that the step has failed
)

// told is a row's answer to a call that comes after it.
func (r *row) told() Answer {
	answer := r.answer
	answer.Repeated = true
	answer.Refused = r.outcome == outcomeRefused
	answer.Void = r.outcome == outcomeVoid
	return answer
}

// answerTo is the row that answers a call: of the call's own key, else of another
// key under which the operation was done. A step is done once, and undone once,
// whatever an operator or an alternative asks for under new keys.
func (p past) answerTo(c Call) *row {
	for i := range p {
		if p[i].key == c.Key && p[i].outcome != outcomeNone {
			return &p[i]
		}
	}
	return p.done(c.Operation)
}

// reused says that a call is about something else than what its key, or its step, was
// used for, or gives nil. What either of the two did not tell does not count; nor does
// a forward call that was refused under another key, since nothing rests on it.
func (p past) reused(c Call) error {
	state, subject := stateOf(c), subjectOf(c)
	for i := range p {
		r := &p[i]
		switch {
		case r.outcome == outcomeNone, r.key != c.Key && !r.done():
		case differ(r.state, state):
			return fmt.Errorf("%s of state %s: %s was of state %s: %w", c.Operation, state.String, r.key, r.state.String, ErrKeyReused)
		case differ(r.subject, subject):
			return fmt.Errorf("%s of state %s: %s was about another subject: %w", c.Operation, c.State, r.key, ErrKeyReused)
		}
	}
	return nil
}

func differ(a, b sql.NullString) bool { return a.Valid && b.Valid && a.String != b.String }

// maxState is how many characters are kept of a state's name, which has up to 80 of up
// to 4 bytes, each of three characters.
const maxState = 1000

// stateOf is a call's state as it is kept: as it travels, visible ASCII and inner
// spaces, all else percent-encoded.
func stateOf(c Call) sql.NullString {
	var b strings.Builder
	for i := 0; i < len(c.State) && b.Len() < maxState-2; i++ {
		if at := c.State[i]; at > ' ' && at < 0x7F && at != '%' || at == ' ' && i > 0 && i < len(c.State)-1 {
			b.WriteByte(at)
		} else {
			fmt.Fprintf(&b, "%%%02X", at)
		}
	}
	return sql.NullString{String: b.String(), Valid: c.State != ""}
}

// subjectOf is a call's subject as it is kept: the SHA-256 of it.
func subjectOf(c Call) sql.NullString {
	if c.Subject == "" {
		return sql.NullString{}
	}
	sum := sha256.Sum256([]byte(c.Subject))
	return sql.NullString{String: hex.EncodeToString(sum[:]), Valid: true}
}

// done reports whether an operation was done under this row.
func (r *row) done() bool { return r.outcome == outcomeSucceeded || r.outcome == outcomeVoid }

// done is the row under which an operation was done, or nil.
func (p past) done(o Operation) *row {
	for i := range p {
		if p[i].operation == o && p[i].done() {
			return &p[i]
		}
	}
	return nil
}

func (p past) did(o Operation) bool { return p.done(o) != nil }

// refuses says why a call must not have an effect any more, or nil.
func (p past) refuses(c Call) error {
	over := p.did(Compensate) || p.toldFailed()
	switch {
	case c.Operation == Forward && over, c.Operation == Confirm && over:
		return ErrHanging
	case c.Operation == Confirm && !p.did(Forward):
		return ErrNothingToConfirm
	}
	return nil
}

// toldFailed reports whether a query was told that the step has failed: it must
// never be done from then on.
func (p past) toldFailed() bool {
	for _, r := range p {
		if r.outcome == outcomeFailed {
			return true
		}
	}
	return false
}
