package participant

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

// Barrier stands before a service's work and sees to it that a call has one
// effect at most, in whatever order calls and their repeats arrive:
//
//   - Of a repeat, and of many at once, the first has the effect; all get its
//     answer. Whoever comes meanwhile waits for it.
//   - An undo whose step was never done does nothing, and is answered as done.
//   - A forward call that comes after its undo is refused: [ErrHanging].
//   - A key that was used for something else is refused: [ErrKeyReused].
//   - What became of a step is told by [Barrier.Query], and stays so.
//
// It keeps a row for each key in the table backstep_barrier, written in the
// transaction in which the effect takes place: both last, or neither does. The
// first row of a step is locked by each of its calls, so that they go one by one;
// calls of different steps don't meet. It may be used by many goroutines and
// processes at once.
type Barrier struct {
	// Log gets what [Barrier.Wrap] can't tell its caller; nil: nothing. It is set
	// before the barrier is used.
	Log *slog.Logger

	// Subject tells [Barrier.Wrap] the [Call.Subject] of a request, out of its body; ""
	// where that doesn't tell. nil: no call has one. It is set before the barrier is
	// used, and called by many goroutines at once.
	Subject func(r *http.Request, body []byte) string

	db      *sql.DB
	dialect Dialect
	sql     barrierSQL
}

// MaxBody is how many bytes the body of an answer has at most: what Backstep takes as
// the result of a task.
const MaxBody = 262144

// maxContentType is how many bytes a content type has at most.
const maxContentType = 255

// Answer is what a service says to a call, and says again to its repeats.
type Answer struct {
	Refused     bool   // the call has had no effect; a forward call never will have one
	Status      int    // of HTTP; whatever the service likes where it speaks something else
	ContentType string // of the body, at most 255 bytes
	Body        []byte // at most MaxBody

	Repeated bool // told: this is an earlier answer, and the call did nothing
	Void     bool // told: there was nothing to undo. Status is 200 then, the body is {}
}

// Effect is what a service does for a call. All that it writes goes through the
// transaction, which it neither commits nor rolls back (MySQL commits where a table is
// made or altered); nothing else of it is taken back where the transaction is. It must not take another connection of the same
// pool, which may be waiting for this very one.
//
// An answer that is Refused takes back what the effect has written. Of a forward call
// it is kept: Backstep counts the step as FAILED from then on and owes it no undo, so
// that it must never be done any more. Of an undo or a confirm it is not: a step is
// undone once in any case, and who has mended what stood in the way may send the call
// again. An error takes back everything, and the repeat tries anew.
type Effect func(ctx context.Context, tx *sql.Tx) (Answer, error)

// Errors of a barrier that a service may tell apart. With each of them the call has
// had no effect.
var (
	ErrHanging          = errors.New("the call comes after its step was undone, or was told to have failed: it has no effect")
	ErrKeyReused        = errors.New("the key was used for something else: the call has no effect, and is not answered as that was")
	ErrNothingToConfirm = errors.New("the step to be confirmed has not been done here: nothing was confirmed")
	ErrTooLarge         = errors.New("the answer is larger than a barrier keeps")
)

// NewBarrier makes a barrier over the service's own database, in which the tables
// are that [CreateTables] makes.
func NewBarrier(db *sql.DB, d Dialect) *Barrier {
	return &Barrier{db: db, dialect: d.known(), sql: newBarrierSQL(d)}
}

// Do does a call: the effect in a transaction of its own, or what stands in its
// place. It does not take a query; see [Barrier.Query].
//
// An error says that the service can't answer now: the effect was taken back, or,
// where the commit itself failed, may have taken place; the repeat finds the truth
// either way. [ErrCall], [ErrHanging], [ErrKeyReused] and [ErrNothingToConfirm] are final.
func (b *Barrier) Do(ctx context.Context, c Call, effect Effect) (Answer, error) {
	if err := checkDoable(c); err != nil {
		return Answer{}, err
	}
	tx, p, err := b.begin(ctx, c)
	if err != nil {
		return Answer{}, err
	}
	defer tx.Rollback()
	answer, err := b.settle(ctx, tx, c, p, func(ctx context.Context) (Answer, error) { return effect(ctx, tx) })
	if err != nil || answer.Repeated {
		return answer, err
	}
	if err := tx.Commit(); err != nil {
		return Answer{}, fmt.Errorf("commit of step %s, whose outcome is unknown until the call is repeated: %w", c.Step(), err)
	}
	return answer, nil
}

// Within does a call in a transaction that the service has begun, by whatever
// library it uses, and must be the first to use it. The service then commits, or
// rolls back where Within gives an error.
//
// The transaction's isolation is READ COMMITTED or above. At REPEATABLE READ and
// SERIALIZABLE the database may fail one of several calls of a step that come at
// once, which is an error as any other.
func (b *Barrier) Within(ctx context.Context, tx Tx, c Call, effect func(context.Context) (Answer, error)) (Answer, error) {
	if err := checkDoable(c); err != nil {
		return Answer{}, err
	}
	p, err := b.lock(ctx, tx, c)
	if err != nil {
		return Answer{}, err
	}
	return b.settle(ctx, tx, c, p, effect)
}

func checkDoable(c Call) error {
	if c.Operation == Query {
		return badCall(HeaderOperation, "a query has no effect to be done")
	}
	return c.check()
}

// begin begins a transaction and takes the step's lock in it. Nothing has been done
// yet, so that this is tried anew where another transaction stood in the way.
func (b *Barrier) begin(ctx context.Context, c Call) (tx *sql.Tx, p past, err error) {
	err = again(ctx, func() error {
		if tx, err = b.db.BeginTx(ctx, b.dialect.options()); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		if p, err = b.lock(ctx, tx, c); err != nil {
			tx.Rollback()
			return err
		}
		return nil
	})
	return tx, p, err
}

// lock takes the step's lock, which the transaction keeps, and reads what the step's
// calls were answered until now.
func (b *Barrier) lock(ctx context.Context, tx Tx, c Call) (past, error) {
	step, at := c.Step(), now()
	if _, err := tx.ExecContext(ctx, b.sql.lock, step, step, at, at); err != nil {
		return past{}, fmt.Errorf("lock step %s: %w", step, err)
	}
	rows, err := tx.QueryContext(ctx, b.sql.read, step)
	if err != nil {
		return past{}, fmt.Errorf("read step %s: %w", step, err)
	}
	defer rows.Close()
	var p past
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.key, &r.operation, &r.outcome, &r.answer.Status, &r.answer.ContentType, &r.answer.Body, &r.state, &r.subject); err != nil {
			return past{}, fmt.Errorf("read step %s: %w", step, err)
		}
		p = append(p, r)
	}
	if err := rows.Err(); err != nil {
		return past{}, fmt.Errorf("read step %s: %w", step, err)
	}
	return p, nil
}

// settle does what follows from a step's past: it answers as before, or refuses, or
// has the effect done.
func (b *Barrier) settle(ctx context.Context, tx Tx, c Call, p past, effect func(context.Context) (Answer, error)) (Answer, error) {
	if err := p.reused(c); err != nil {
		return Answer{}, err
	}
	if earlier := p.answerTo(c); earlier != nil {
		return earlier.told(), nil
	}
	if err := p.refuses(c); err != nil {
		return Answer{}, fmt.Errorf("%s: %w", c.Key, err)
	}
	if c.Operation == Compensate && !p.did(Forward) {
		answer := Answer{Void: true, Status: 200, ContentType: "application/json", Body: []byte("{}")}
		return b.keep(ctx, tx, c, outcomeVoid, answer)
	}
	answer, outcome, err := run(ctx, tx, effect)
	if err != nil {
		return Answer{}, err
	}
	if outcome == outcomeRefused && c.Operation != Forward {
		return answer, nil
	}
	return b.keep(ctx, tx, c, outcome, answer)
}

// run has the effect done, and takes it back where it is refused. That the savepoint
// is still there at the end shows that the transaction is, too: MySQL ends one by
// itself at a deadlock, whatever the effect makes of that error.
func run(ctx context.Context, tx Tx, effect func(context.Context) (Answer, error)) (Answer, outcome, error) {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT backstep_effect"); err != nil {
		return Answer{}, "", fmt.Errorf("savepoint: %w", err)
	}
	answer, err := effect(ctx)
	if err != nil {
		return Answer{}, "", err
	}
	if err := answer.check(); err != nil {
		return Answer{}, "", err
	}
	outcome, end := outcomeSucceeded, "RELEASE SAVEPOINT backstep_effect"
	if answer.Refused {
		outcome, end = outcomeRefused, "ROLLBACK TO SAVEPOINT backstep_effect"
	}
	if _, err := tx.ExecContext(ctx, end); err != nil {
		return Answer{}, "", fmt.Errorf("the effect's transaction is not the one that was begun for it, any more: %w", err)
	}
	answer.Repeated, answer.Void = false, false
	return answer, outcome, nil
}

func (a Answer) check() error {
	switch {
	case len(a.Body) > MaxBody:
		return fmt.Errorf("%w: a body of %d bytes, over %d", ErrTooLarge, len(a.Body), MaxBody)
	case len(a.ContentType) > maxContentType:
		return fmt.Errorf("%w: a content type of %d bytes, over %d", ErrTooLarge, len(a.ContentType), maxContentType)
	}
	return nil
}

// keep writes down how a call is answered, and gives that answer.
func (b *Barrier) keep(ctx context.Context, tx Tx, c Call, o outcome, a Answer) (Answer, error) {
	var result sql.Result
	var err error
	if step := c.Step(); c.Key == step { // its row is the step's first, which is there
		result, err = tx.ExecContext(ctx, b.sql.update, o, a.Status, a.ContentType, a.Body, stateOf(c), subjectOf(c), now(), step, c.Key)
	} else {
		result, err = tx.ExecContext(ctx, b.sql.insert, step, c.Key, c.Operation, o, a.Status, a.ContentType, a.Body, stateOf(c), subjectOf(c), now())
	}
	if err != nil {
		return Answer{}, fmt.Errorf("keep the answer to %s: %w", c.Key, err)
	}
	switch n, err := result.RowsAffected(); {
	case err != nil:
		return Answer{}, fmt.Errorf("keep the answer to %s: %w", c.Key, err)
	case n != 1:
		return Answer{}, fmt.Errorf("keep the answer to %s: %d rows were written and not one: the effect has ended its transaction", c.Key, n)
	}
	return a, nil
}

// barrierSQL are the barrier's statements.
type barrierSQL struct{ lock, read, update, insert, old string }

func newBarrierSQL(d Dialect) barrierSQL {
	return barrierSQL{
		lock: d.bind(`INSERT INTO backstep_barrier (step, call_key, operation, changed) VALUES (?, ?, 'forward', ?)` +
			d.onConflict("step, call_key") + `changed = ?`),
		read: d.bind(`SELECT call_key, operation, outcome, status, content_type, body, state, subject FROM backstep_barrier WHERE step = ?`),
		old:  d.bind(`SELECT step FROM backstep_barrier WHERE call_key = step AND changed < ? ORDER BY changed LIMIT ?` + d.lockFree()),
		update: d.bind(`UPDATE backstep_barrier SET outcome = ?, status = ?, content_type = ?, body = ?, state = ?, subject = ?, changed = ?
			WHERE step = ? AND call_key = ?`),
		insert: d.bind(`INSERT INTO backstep_barrier (step, call_key, operation, outcome, status, content_type, body, state, subject, changed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
	}
}
