package participant

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Outbox keeps what a service wants of Backstep: it is recorded in the transaction
// that wants it, in the table backstep_outbox, and sent by a [Relay] once that has
// been committed. Nothing is sent of a transaction that was rolled back, and nothing
// is lost of one that was committed. It may be used by many goroutines and processes
// at once.
type Outbox struct {
	db      *sql.DB
	dialect Dialect
	sql     outboxSQL
}

// NewOutbox makes an outbox over the service's own database, in which the tables are
// that [CreateTables] makes.
func NewOutbox(db *sql.DB, d Dialect) *Outbox {
	return &Outbox{db: db, dialect: d.known(), sql: newOutboxSQL(d)}
}

// Message is what a service wants of Backstep: a [StartExecution], a [TaskSuccess] or
// a [TaskFailure]. All may be sent more than once, and have one effect.
type Message interface {
	operation() string
	check() error
}

// StartExecution starts an execution. The name makes it one, however often it is sent.
type StartExecution struct {
	StateMachineArn string `json:"stateMachineArn"` // of the machine, a version or an alias
	Name            string `json:"name"`            // required, 1 to 80 characters
	Input           string `json:"input"`           // JSON of at most 262144 bytes; {} where empty
}

// TaskSuccess completes the task of a token.
type TaskSuccess struct {
	TaskToken string `json:"taskToken"`
	Output    string `json:"output"` // JSON of at most 262144 bytes
}

// TaskFailure lets the task of a token fail.
type TaskFailure struct {
	TaskToken string `json:"taskToken"`
	Error     string `json:"error,omitempty"` // at most 256 characters
	Cause     string `json:"cause,omitempty"` // at most 32768 characters
}

// Bounds of messages, which are those of the API.
const (
	maxPayload = 262144 // bytes
	maxName    = 80     // characters
	maxToken   = 2048   // characters
	maxError   = 256    // characters
	maxCause   = 32768  // characters
	maxLane    = 200    // bytes
	maxARN     = 256    // characters
)

// ErrMessage: a message is not one that Backstep would take. It was not recorded.
var ErrMessage = errors.New("not a message for Backstep")

func (m StartExecution) operation() string { return "StartExecution" }
func (m TaskSuccess) operation() string    { return "SendTaskSuccess" }
func (m TaskFailure) operation() string    { return "SendTaskFailure" }

func (m StartExecution) check() error {
	switch {
	case !strings.HasPrefix(m.StateMachineArn, "arn:") || utf8.RuneCountInString(m.StateMachineArn) > maxARN:
		return fmt.Errorf("%w: %q is no ARN of a state machine", ErrMessage, cut(m.StateMachineArn))
	case m.Name == "":
		return fmt.Errorf("%w: a start without a name would start anew each time that it is sent", ErrMessage)
	case utf8.RuneCountInString(m.Name) > maxName:
		return fmt.Errorf("%w: the name %q has more than %d characters", ErrMessage, cut(m.Name), maxName)
	case m.Input == "":
		return nil
	}
	return checkPayload("the input", m.Input)
}

func (m TaskSuccess) check() error {
	return errors.Join(checkToken(m.TaskToken), checkPayload("the output", m.Output))
}

func (m TaskFailure) check() error {
	err := checkToken(m.TaskToken)
	if utf8.RuneCountInString(m.Error) > maxError {
		err = errors.Join(err, fmt.Errorf("%w: the error has more than %d characters", ErrMessage, maxError))
	}
	if utf8.RuneCountInString(m.Cause) > maxCause {
		err = errors.Join(err, fmt.Errorf("%w: the cause has more than %d characters", ErrMessage, maxCause))
	}
	return err
}

func checkToken(token string) error {
	if token == "" || utf8.RuneCountInString(token) > maxToken {
		return fmt.Errorf("%w: a task token has 1 to %d characters", ErrMessage, maxToken)
	}
	return nil
}

func checkPayload(what, text string) error {
	switch {
	case len(text) > maxPayload:
		return fmt.Errorf("%w: %s has %d bytes, over %d", ErrMessage, what, len(text), maxPayload)
	case !utf8.ValidString(text) || !json.Valid([]byte(text)):
		return fmt.Errorf("%w: %s is not JSON", ErrMessage, what)
	}
	return nil
}

// Record records a message in the service's transaction. Messages of one lane, such
// as an order's id, are sent in the order in which they were recorded, by one
// transaction or by several that came after one another: a later one waits until the
// earlier one was sent, or parked. The empty lane has no order. A lane has 200 bytes
// at most.
func (o *Outbox) Record(ctx context.Context, tx Tx, lane string, m Message) error {
	if err := m.check(); err != nil {
		return err
	}
	if len(lane) > maxLane || !utf8.ValidString(lane) || strings.Contains(lane, "\x00") {
		return fmt.Errorf("%w: the lane %q is no text of at most %d bytes", ErrMessage, cut(lane), maxLane)
	}
	if start, ok := m.(StartExecution); ok && start.Input == "" {
		start.Input = "{}"
		m = start
	}
	input, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("record %s: %w", m.operation(), err)
	}
	at := now()
	if _, err := tx.ExecContext(ctx, o.sql.record, lane, m.operation(), string(input), at, at, at); err != nil {
		return fmt.Errorf("record %s: %w", m.operation(), err)
	}
	return nil
}

// Letter is a message in the outbox.
type Letter struct {
	ID        int64
	Lane      string
	Operation string    // as in "StartExecution"
	Input     string    // of the operation, as JSON: it holds a task's token
	Sends     int       // how often it was sent, or begun to be
	Error     string    // what was said to the last of them, "" for nothing
	Due       time.Time // when it is sent next, where it is not parked
	Recorded  time.Time
}

// Parked are the messages that Backstep refused for good, the oldest first. They stay
// until somebody has looked at them: see [Outbox.Requeue] and [Outbox.Discard].
func (o *Outbox) Parked(ctx context.Context, limit int) ([]Letter, error) {
	return o.letters(ctx, stateParked, limit)
}

// Waiting are the messages that were not sent yet, the oldest first: how old that one
// is tells whether the relay keeps up.
func (o *Outbox) Waiting(ctx context.Context, limit int) ([]Letter, error) {
	return o.letters(ctx, stateWaiting, limit)
}

func (o *Outbox) letters(ctx context.Context, s state, limit int) ([]Letter, error) {
	rows, err := o.db.QueryContext(ctx, o.sql.letters, s, limit)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	defer rows.Close()
	var all []Letter
	for rows.Next() {
		var l Letter
		var due, recorded int64
		var said sql.NullString
		if err := rows.Scan(&l.ID, &l.Lane, &l.Operation, &l.Input, &l.Sends, &said, &due, &recorded); err != nil {
			return nil, fmt.Errorf("read the outbox: %w", err)
		}
		l.Error, l.Due, l.Recorded = said.String, time.UnixMilli(due).UTC(), time.UnixMilli(recorded).UTC()
		all = append(all, l)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	return all, nil
}

// ErrNotParked: no message of that id is parked.
var ErrNotParked = errors.New("no such message is parked")

// Requeue has a parked message sent once more, before what waits in its lane.
func (o *Outbox) Requeue(ctx context.Context, id int64) error {
	return o.changeParked(ctx, id, o.sql.requeue, now(), now(), id)
}

// Discard takes a parked message away: it is never sent.
func (o *Outbox) Discard(ctx context.Context, id int64) error {
	return o.changeParked(ctx, id, o.sql.discard, id)
}

func (o *Outbox) changeParked(ctx context.Context, id int64, statement string, args ...any) error {
	result, err := o.db.ExecContext(ctx, statement, args...)
	if err != nil {
		return fmt.Errorf("message %d: %w", id, err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("message %d: %w", id, errors.Join(ErrNotParked, err))
	}
	return nil
}

// Purge takes away messages that were sent so long ago, at least [MinRetention], and
// tells how many that were: limit at most, 1 to [MaxPurge]. What waits or is parked
// stays, however old it is.
func (o *Outbox) Purge(ctx context.Context, age time.Duration, limit int) (messages int, err error) {
	if err := checkPurge(age, limit); err != nil {
		return 0, fmt.Errorf("purge of the outbox: %w", err)
	}
	return purge[int64](ctx, o.db, o.dialect, o.sql.old, "DELETE FROM backstep_outbox WHERE id IN", now()-age.Milliseconds(), limit)
}

// state is where a message stands.
type state string

const (
	stateWaiting state = "waiting"
	stateSent    state = "sent"
	stateParked  state = "parked"
)

// outboxSQL are the outbox's statements.
type outboxSQL struct {
	record, letters, requeue, discard, old string // of a service
	due, claim, sent, parked, later        string // of a relay
}

func newOutboxSQL(d Dialect) outboxSQL {
	return outboxSQL{
		record: d.bind(`INSERT INTO backstep_outbox (lane, operation, input, state, due, recorded, changed)
			VALUES (?, ?, ?, 'waiting', ?, ?, ?)`),
		letters: d.bind(`SELECT id, lane, operation, input, sends, error, due, recorded
			FROM backstep_outbox WHERE state = ? ORDER BY id LIMIT ?`),
		requeue: d.bind(`UPDATE backstep_outbox SET state = 'waiting', due = ?, changed = ? WHERE id = ? AND state = 'parked'`),
		discard: d.bind(`DELETE FROM backstep_outbox WHERE id = ? AND state = 'parked'`),
		old:     d.bind(`SELECT id FROM backstep_outbox WHERE state = 'sent' AND changed < ? ORDER BY id LIMIT ?`) + d.lockFree(),

		due: d.bind(`SELECT id, operation, input, sends, refusals FROM backstep_outbox o
			WHERE state = 'waiting' AND due <= ? AND (lane = '' OR NOT EXISTS (
				SELECT 1 FROM backstep_outbox e WHERE e.lane = o.lane AND e.state = 'waiting' AND e.id < o.id))
			ORDER BY due, id LIMIT ?`) + d.lockFree(),
		claim: `UPDATE backstep_outbox SET due = ?, sends = sends + 1, changed = ? WHERE id IN `,
		sent:  d.bind(`UPDATE backstep_outbox SET state = 'sent', error = ?, changed = ? WHERE id = ? AND state = 'waiting'`),
		parked: d.bind(`UPDATE backstep_outbox SET state = 'parked', error = ?, refusals = refusals + 1, changed = ?
			WHERE id = ? AND state = 'waiting' AND sends = ?`),
		later: d.bind(`UPDATE backstep_outbox SET due = ?, error = ?, refusals = refusals + ?, changed = ?
			WHERE id = ? AND state = 'waiting' AND sends = ?`),
	}
}
