package participant

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"
)

// Relay sends what an outbox keeps, each message at least once, those of a lane in
// their order. Several may run at once, in one process or in many: each message is
// one relay's at a time.
//
// A message is first claimed, then sent, then marked, each by itself, so that a relay
// that dies leaves at most what it was just sending: it is sent again when its claim
// has run out. A start has its name and a completion its token, so that the second
// time has no second effect. The clocks of processes that run relays must not differ by
// as much as half a Lease.
type Relay struct {
	Outbox *Outbox // required

	// Send asks Backstep for an operation, such as "StartExecution", with its input as
	// JSON; required. The method Send of Backstep's own client is one. It is called by
	// many goroutines at once. An error with a method ErrorCode() string, as those of
	// Backstep's client and of AWS's have it, is an answer of the API of that code; any
	// other, as well as a code that the relay doesn't know, leaves open whether the
	// message was taken. Where StartExecution answers ExecutionAlreadyExists, Send looks whether that
	// execution is the message's own, which has run to its end, and gives nil then.
	Send func(ctx context.Context, operation string, input []byte) error

	Parallel int           // messages sent at once; 8 where 0
	Interval time.Duration // how often it looks for messages while there are none; 500 ms where 0
	Lease    time.Duration // how long a claim lasts; 1 min where 0. A send may take half of it
	Log      *slog.Logger  // gets what goes wrong; nil: nothing
}

// Waits between the tries of a message.
const (
	firstWait = time.Second
	lastWait  = 5 * time.Minute
)

// refusals are the API's answers that say that a message was not taken: true where
// the next try would be answered alike.
var refusals = map[string]bool{
	"ExecutionAlreadyExists":         true,
	"InvalidArn":                     true,
	"InvalidExecutionInput":          true,
	"InvalidName":                    true,
	"InvalidOutput":                  true,
	"InvalidToken":                   true,
	"RequestEntityTooLargeException": true,
	"SerializationException":         true,
	"StateMachineDeleting":           true,
	"StateMachineDoesNotExist":       true,
	"StateMachineTypeNotSupported":   true,
	"TaskDoesNotExist":               true,
	"TaskTimedOut":                   true,
	"ValidationException":            true,

	"AccessDeniedException":               false,
	"ExecutionLimitExceeded":              false,
	"InvalidSignatureException":           false,
	"KmsThrottlingException":              false,
	"MissingAuthenticationTokenException": false,
	"ThrottlingException":                 false,
}

// Run sends messages until the context ends, and then ends those that are under way.
// It returns nil then. What goes wrong meanwhile it waits out.
func (r *Relay) Run(ctx context.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		n, err := r.Pass(ctx)
		if err != nil && ctx.Err() == nil && r.Log != nil {
			r.Log.Warn("the outbox can't be read or written", "error", err)
		}
		if n == 0 {
			sleep(ctx, r.interval()/2+rand.N(r.interval()))
		}
	}
	return nil
}

// Pass claims and sends the messages that are due, [Relay].Parallel of them at most,
// and tells how many that were. An error is the database's; what the outside says
// goes to the messages.
func (r *Relay) Pass(ctx context.Context) (n int, err error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	due, err := r.claim(ctx)
	if err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx) // what is claimed is sent to its end
	problems := make([]error, len(due))
	var sending sync.WaitGroup
	for i, d := range due {
		sending.Go(func() { problems[i] = r.deliver(ctx, d) })
	}
	sending.Wait()
	return len(due), errors.Join(problems...)
}

func (r *Relay) check() error {
	if r.Outbox == nil || r.Send == nil {
		return errors.New("a relay has an Outbox and a Send")
	}
	if r.Lease < 0 || r.Interval < 0 || r.Parallel < 0 {
		return errors.New("a relay's Lease, Interval and Parallel are not below 0")
	}
	return nil
}

func (r *Relay) parallel() int           { return orElse(r.Parallel, 8) }
func (r *Relay) interval() time.Duration { return orElse(r.Interval, 500*time.Millisecond) }
func (r *Relay) lease() time.Duration    { return orElse(r.Lease, time.Minute) }

func orElse[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// claimed is a message that this relay sends, and nobody else until its claim has
// run out.
type claimed struct {
	id        int64
	operation string
	input     string
	sends     int // this one included
	refusals  int // sends that were surely not taken
}

// inDoubt reports whether an earlier send may have been taken: nobody knows how it
// was answered.
func (c claimed) inDoubt() bool { return c.sends-1 > c.refusals }

// claim takes messages that are due, each the first of its lane. A claim moves the
// time at which a message is due: after it, it is anybody's.
func (r *Relay) claim(ctx context.Context) (due []claimed, err error) {
	o := r.Outbox
	err = o.dialect.write(ctx, o.db, func(tx *sql.Tx) error {
		if due, err = r.findDue(ctx, tx); err != nil || len(due) == 0 {
			return err
		}
		args := []any{now() + r.lease().Milliseconds(), now()}
		for _, d := range due {
			args = append(args, d.id)
		}
		_, err := tx.ExecContext(ctx, o.dialect.bind(o.sql.claim+"("+list(len(due))+")"), args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim messages: %w", err)
	}
	return due, nil
}

func (r *Relay) findDue(ctx context.Context, tx *sql.Tx) ([]claimed, error) {
	rows, err := tx.QueryContext(ctx, r.Outbox.sql.due, now(), r.parallel())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var due []claimed
	for rows.Next() {
		var c claimed
		if err := rows.Scan(&c.id, &c.operation, &c.input, &c.sends, &c.refusals); err != nil {
			return nil, err
		}
		c.sends++
		due = append(due, c)
	}
	return due, rows.Err()
}

// deliver sends a message and writes down what came of it.
func (r *Relay) deliver(ctx context.Context, c claimed) error {
	sending, cancel := context.WithTimeout(ctx, r.lease()/2)
	defer cancel()
	said := r.Send(sending, c.operation, []byte(c.input))

	marking, cancel := context.WithTimeout(ctx, r.lease())
	defer cancel()
	if err := r.mark(marking, c, said); err != nil {
		return fmt.Errorf("message %d was sent, and may be again, since that can't be written down: %w", c.id, err)
	}
	return nil
}

// mark writes down what came of a send. A relay whose claim has run out meanwhile
// can say that a message was sent, and nothing else.
func (r *Relay) mark(ctx context.Context, c claimed, said error) error {
	o := r.Outbox
	code, unheard := answerOf(said)
	switch {
	case said == nil:
		_, err := o.db.ExecContext(ctx, o.sql.sent, nil, now(), c.id)
		return err
	case (code == "TaskTimedOut" || code == "TaskDoesNotExist") && c.inDoubt():
		r.warn("a task is over; an earlier send may have completed it", c, said)
		_, err := o.db.ExecContext(ctx, o.sql.sent, text("after a send whose answer is not known: ", said), now(), c.id)
		return err
	case refusals[code]:
		r.warn("a message is refused for good, and parked", c, said)
		_, err := o.db.ExecContext(ctx, o.sql.parked, text("", said), now(), c.id, c.sends)
		return err
	}
	r.warn("a message was not sent, and is tried again", c, said)
	_, err := o.db.ExecContext(ctx, o.sql.later, now()+wait(c.sends).Milliseconds(), text("", said), unheard, now(), c.id, c.sends)
	return err
}

// answerOf is the code that an error of a send has, or "", and how many sends it says
// were surely not taken: 1 or 0.
func answerOf(err error) (code string, unheard int) {
	var answer interface{ ErrorCode() string }
	if errors.As(err, &answer) {
		code = answer.ErrorCode()
	}
	_, refused := refusals[code]
	var operation *net.OpError
	if refused || errors.As(err, &operation) && operation.Op == "dial" {
		return code, 1
	}
	return code, 0
}

// text is an error's as a column of any database takes it.
func text(before string, err error) string {
	const most = 4000
	s := strings.ToValidUTF8(strings.ReplaceAll(before+err.Error(), "\x00", ""), "\uFFFD")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// wait is how long a message waits after so many sends: a second at least, growing
// to minutes, by chance within that, so that no two relays and no two messages come
// together.
func wait(sends int) time.Duration {
	return firstWait + rand.N(min(firstWait<<min(sends-1, 20), lastWait))
}

func (r *Relay) warn(what string, c claimed, err error) {
	if r.Log != nil {
		r.Log.Warn(what, "id", c.id, "operation", c.operation, "sends", c.sends, "error", err)
	}
}
