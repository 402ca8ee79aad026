package dbtest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstep/backstep/participant"
)

// call is a call of a step. The suffix makes another key of it: "~2", ":compensate-2".
func call(o participant.Operation, step, suffix string) participant.Call {
	c := participant.Call{Operation: o, ForwardKey: step, Key: step + suffix, Attempt: 1, State: "Charge"}
	switch {
	case o == participant.Query:
		c.Key = ""
	case o == participant.Forward:
		c.ForwardKey = ""
	case suffix == "":
		c.Key += ":" + string(o)
	}
	return c
}

func forward(step string) participant.Call    { return call(participant.Forward, step, "") }
func compensate(step string) participant.Call { return call(participant.Compensate, step, "") }
func confirm(step string) participant.Call    { return call(participant.Confirm, step, "") }
func query(step string) participant.Call      { return call(participant.Query, step, "") }

// book is an effect: a line in the ledger, which says what it is.
func (d *database) book(c participant.Call, body string) participant.Effect {
	return func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
		return answer(200, body), d.write(ctx, tx, c)
	}
}

func (d *database) write(ctx context.Context, tx participant.Tx, c participant.Call) error {
	amount := 10
	if c.Operation == participant.Compensate {
		amount = -10
	}
	_, err := tx.ExecContext(ctx, d.bind("INSERT INTO ledger (step, operation, amount) VALUES (?, ?, ?)"), c.Step(), string(c.Operation), amount)
	return err
}

func answer(status int, body string) participant.Answer {
	return participant.Answer{Status: status, ContentType: "application/json", Body: []byte(body), Refused: status >= 400}
}

// refuse is an effect that is refused after it has written.
func (d *database) refuse(c participant.Call, body string) participant.Effect {
	return func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
		return answer(422, body), d.write(ctx, tx, c)
	}
}

// never is an effect that must not take place.
func never(t *testing.T) participant.Effect {
	return func(context.Context, *sql.Tx) (participant.Answer, error) {
		t.Error("the effect takes place")
		return participant.Answer{}, errors.New("must not be")
	}
}

// do does a call, which must be answered with a body.
func do(t *testing.T, b *participant.Barrier, c participant.Call, effect participant.Effect, body string) participant.Answer {
	t.Helper()
	a, err := b.Do(t.Context(), c, effect)
	if err != nil {
		t.Fatalf("%s: %v", c.Key, err)
	}
	if string(a.Body) != body {
		t.Errorf("%s is answered %q, want %q", c.Key, a.Body, body)
	}
	return a
}

func TestARepeatGetsTheFirstAnswer(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		first := do(t, b, forward("s-1"), d.book(forward("s-1"), `{"paid":10}`), `{"paid":10}`)
		again := do(t, b, forward("s-1"), never(t), `{"paid":10}`)
		if first.Repeated || !again.Repeated || again.Status != 200 || again.ContentType != "application/json" || again.Refused || again.Void {
			t.Errorf("first %+v, again %+v", first, again)
		}
		if n := d.lines(t, "s-1", participant.Forward); n != 1 {
			t.Errorf("%d lines", n)
		}
		for name, body := range map[string][]byte{"empty": nil, "binary": {0, 255, 0, 13}, "largest": bytes.Repeat([]byte{1}, participant.MaxBody)} {
			c := forward(name)
			for range 2 {
				got := do(t, b, c, func(context.Context, *sql.Tx) (participant.Answer, error) {
					return participant.Answer{Status: 201, ContentType: "x/ü", Body: body}, nil
				}, string(body))
				if got.Status != 201 || got.ContentType != "x/ü" {
					t.Errorf("%s: %d %s", name, got.Status, got.ContentType)
				}
			}
		}
	})
}

func TestWhatIsTooLargeIsTakenBack(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		for _, large := range []participant.Answer{{Body: make([]byte, participant.MaxBody+1)}, {ContentType: string(make([]byte, 256))}} {
			_, err := b.Do(t.Context(), forward("s-1"), func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
				return large, d.write(ctx, tx, forward("s-1"))
			})
			if !errors.Is(err, participant.ErrTooLarge) {
				t.Errorf("it gives %v", err)
			}
		}
		if n := d.lines(t, "s-1", participant.Forward); n != 0 {
			t.Errorf("%d lines", n)
		}
	})
}

func TestARefusalIsKeptAndItsEffectIsNot(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		c := forward("s-1")
		do(t, b, c, d.refuse(c, `"no stock"`), `"no stock"`)
		again := do(t, b, c, never(t), `"no stock"`)
		if !again.Refused || !again.Repeated || again.Status != 422 {
			t.Errorf("again %+v", again)
		}
		// A statement that fails within the effect does not take the refusal with it.
		c = forward("s-2")
		do(t, b, c, func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
			if _, err := tx.ExecContext(ctx, "INSERT INTO nowhere VALUES (1)"); err == nil {
				t.Error("the table nowhere is there")
			}
			return answer(409, `"no"`), nil
		}, `"no"`)
		do(t, b, c, never(t), `"no"`)
		if n := d.number(t, "SELECT COUNT(*) FROM ledger"); n != 0 {
			t.Errorf("%d lines", n)
		}
	})
}

// An undo that was refused may be sent again once somebody has mended what stood in its
// way, and so may a confirm.
func TestARefusedUndoIsTriedAnew(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		do(t, b, forward("s-1"), d.book(forward("s-1"), "done"), "done")
		for _, c := range []participant.Call{confirm("s-1"), compensate("s-1")} {
			for range 2 {
				if a := do(t, b, c, d.refuse(c, "closed"), "closed"); !a.Refused || a.Repeated {
					t.Errorf("%s is answered %+v", c.Key, a)
				}
			}
			do(t, b, c, d.book(c, "open"), "open")
			do(t, b, c, never(t), "open")
			if n := d.lines(t, "s-1", c.Operation); n != 1 {
				t.Errorf("%s: %d lines", c.Key, n)
			}
		}
	})
}

func TestAnErrorIsNotKept(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		c, broken := forward("s-1"), errors.New("broken")
		_, err := b.Do(t.Context(), c, func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
			return participant.Answer{}, errors.Join(d.write(ctx, tx, c), broken)
		})
		if !errors.Is(err, broken) {
			t.Errorf("it gives %v", err)
		}
		func() {
			defer func() { recover() }()
			b.Do(t.Context(), c, func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
				d.write(ctx, tx, c)
				panic("out of order")
			})
		}()
		if n := d.number(t, "SELECT COUNT(*) FROM backstep_barrier"); n != 0 {
			t.Errorf("%d rows of what was rolled back", n)
		}
		do(t, b, c, d.book(c, "1"), "1")
		if n := d.lines(t, "s-1", participant.Forward); n != 1 {
			t.Errorf("%d lines", n)
		}
	})
}

func TestAnUndoOfNothing(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		for range 2 {
			a := do(t, b, compensate("s-1"), never(t), "{}")
			if !a.Void || a.Status != 200 || a.Refused {
				t.Errorf("it is answered %+v", a)
			}
		}
		do(t, b, call(participant.Compensate, "s-1", ":compensate-2"), never(t), "{}")

		// What was refused was not done either.
		do(t, b, forward("s-2"), d.refuse(forward("s-2"), "no"), "no")
		if a := do(t, b, compensate("s-2"), never(t), "{}"); !a.Void {
			t.Errorf("it is answered %+v", a)
		}
	})
}

func TestAForwardCallAfterItsUndoIsRefused(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		do(t, b, compensate("s-1"), never(t), "{}")
		for range 2 {
			for _, suffix := range []string{"", "~2"} {
				if _, err := b.Do(t.Context(), call(participant.Forward, "s-1", suffix), never(t)); !errors.Is(err, participant.ErrHanging) {
					t.Errorf("%q: %v", suffix, err)
				}
			}
		}
		if _, err := b.Do(t.Context(), confirm("s-1"), never(t)); !errors.Is(err, participant.ErrHanging) {
			t.Errorf("confirm: %v", err)
		}

		// A repeat of what was done before its undo still gets its answer.
		do(t, b, forward("s-2"), d.book(forward("s-2"), "done"), "done")
		do(t, b, compensate("s-2"), d.book(compensate("s-2"), "undone"), "undone")
		do(t, b, forward("s-2"), never(t), "done")
		do(t, b, compensate("s-2"), never(t), "undone")
		if n := d.balance(t, "s-2"); n != 0 {
			t.Errorf("a balance of %d", n)
		}
	})
}

// A step may have several keys: what an operator edits, and alternatives of its undo.
// It is done once and undone once all the same.
func TestOtherKeysOfAStep(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		edited := call(participant.Forward, "s-1", "~2")
		do(t, b, forward("s-1"), d.refuse(forward("s-1"), "no"), "no")
		do(t, b, edited, d.book(edited, "yes"), "yes")
		do(t, b, forward("s-1"), never(t), "no")
		do(t, b, call(participant.Forward, "s-1", "~3"), never(t), "yes")

		second := call(participant.Compensate, "s-1", ":compensate-2")
		third := call(participant.Compensate, "s-1", ":compensate-2~2")
		do(t, b, compensate("s-1"), d.refuse(compensate("s-1"), "can't"), "can't")
		do(t, b, second, d.book(second, "undone"), "undone")
		do(t, b, third, never(t), "undone")
		do(t, b, compensate("s-1"), never(t), "undone")
		if n := d.balance(t, "s-1"); n != 0 {
			t.Errorf("a balance of %d", n)
		}

		// The undo names the step by an edited key.
		c := compensate("s-1")
		c.ForwardKey = "s-1~2"
		do(t, b, c, never(t), "undone")

		// Steps with names of the same letters in another case are others.
		do(t, b, forward("case"), d.book(forward("case"), "small"), "small")
		do(t, b, forward("CASE"), d.book(forward("CASE"), "large"), "large")
	})
}

// compensateOf is the undo of a forward call.
func compensateOf(c participant.Call) participant.Call {
	c.Operation, c.ForwardKey, c.Key = participant.Compensate, c.Key, c.Step()+":compensate"
	return c
}

// After a restore of Backstep the number of an entry may be that of another state, or of
// another item: its key must not be answered with what the first one was.
func TestAKeyThatWasUsedForSomethingElse(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		of := func(c participant.Call, state, subject string) participant.Call {
			c.State, c.Subject = state, subject
			return c
		}
		refused := func(c participant.Call) {
			t.Helper()
			var err error
			if c.Operation == participant.Query {
				_, err = b.Query(t.Context(), c)
			} else {
				_, err = b.Do(t.Context(), c, never(t))
			}
			if !errors.Is(err, participant.ErrKeyReused) {
				t.Errorf("%s %s of state %s about %s gives %v", c.Operation, c.Key, c.State, c.Subject, err)
			}
		}
		charge := of(forward("s-1"), "Charge", "line 3")
		do(t, b, charge, d.book(charge, "charged 3"), "charged 3")
		for _, other := range []struct{ state, subject string }{{"Cancel", "line 3"}, {"Cancel", ""}, {"Charge", "line 5"}, {"", "line 5"}} {
			for _, c := range []participant.Call{forward("s-1"), call(participant.Forward, "s-1", "~2"), compensate("s-1"), confirm("s-1"), query("s-1")} {
				refused(of(c, other.state, other.subject))
			}
		}
		// What is the same, or was not told, is answered; and no refusal has left a mark.
		for _, same := range []struct{ state, subject string }{{"Charge", "line 3"}, {"Charge", ""}, {"", ""}} {
			do(t, b, of(forward("s-1"), same.state, same.subject), never(t), "charged 3")
		}
		if fate, err := b.Query(t.Context(), of(query("s-1"), "Charge", "line 3")); err != nil || fate.Outcome != participant.Succeeded {
			t.Errorf("the query gets %v, %v", fate, err)
		}
		undo := of(compensate("s-1"), "Charge", "line 3")
		do(t, b, undo, d.book(undo, "undone 3"), "undone 3")
		refused(of(undo, "Charge", "line 5"))
		refused(of(undo, "Cancel", "line 3"))

		// An undo of what never was is one of something, too.
		void := of(compensate("s-2"), "Charge", "line 3")
		do(t, b, void, never(t), "{}")
		refused(of(forward("s-2"), "Cancel", "line 3"))
		refused(of(void, "Charge", "line 5"))

		// So is what was refused, under its own key; who edits it may mean something else.
		no := of(forward("s-3"), "Charge", "line 3")
		do(t, b, no, d.refuse(no, "no"), "no")
		refused(of(no, "Charge", "line 5"))
		edited := of(call(participant.Forward, "s-3", "~2"), "Charge", "line 5")
		do(t, b, edited, d.book(edited, "charged 5"), "charged 5")
		refused(of(compensate("s-3"), "Charge", "line 3"))

		// Names of any letters and length.
		for i, name := range []string{"Übergabe an den Kunden 100 %", strings.Repeat("\U0001F69A", 80), " a\x00\xff ", strings.Repeat("long", 10_000)} {
			c := of(forward(fmt.Sprintf("n-%d", i)), name, name)
			do(t, b, c, d.book(c, "done"), "done")
			do(t, b, c, never(t), "done")
			c.State = "x" + name
			refused(c)
		}
	})
}

// A table that an earlier version has made gets what it lacks, and its rows are answered
// from as they were.
func TestTablesOfBefore(t *testing.T) {
	for _, dialect := range []participant.Dialect{participant.PostgreSQL, participant.MySQL, participant.SQLite} {
		t.Run(dialect.String(), func(t *testing.T) {
			d := emptyDatabase(t, dialect)
			for statement := range strings.SplitSeq(participant.Schema(dialect), ";\n") {
				if statement = laterColumns.ReplaceAllString(statement, ""); strings.TrimSpace(statement) != "" {
					d.exec(t, statement)
				}
			}
			d.exec(t, ledger)
			d.exec(t, "INSERT INTO backstep_barrier (step, call_key, operation, outcome, status, content_type, body, changed) VALUES ('s-1', 's-1', 'forward', 'succeeded', 200, 'x/y', ?, 1)", []byte("of before"))
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if err := participant.CreateTables(t.Context(), d.DB, dialect); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			b := participant.NewBarrier(d.DB, dialect)
			c := forward("s-1")
			c.Subject = "line 3"
			do(t, b, c, never(t), "of before")
			do(t, b, compensateOf(c), d.book(compensateOf(c), "undone"), "undone")
			c = forward("s-2")
			do(t, b, c, d.book(c, "done"), "done")
			c.State = "Cancel"
			if _, err := b.Do(t.Context(), c, never(t)); !errors.Is(err, participant.ErrKeyReused) {
				t.Errorf("of another state: %v", err)
			}
		})
	}
}

var laterColumns = regexp.MustCompile(`(?m)^ *(state|subject) +(VARCHAR\(\d+\)|TEXT),\n`)

func TestConfirm(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		if _, err := b.Do(t.Context(), confirm("s-1"), never(t)); !errors.Is(err, participant.ErrNothingToConfirm) {
			t.Errorf("of what was not done: %v", err)
		}
		do(t, b, forward("s-1"), d.book(forward("s-1"), "tried"), "tried") // the refusal left no mark
		do(t, b, confirm("s-1"), d.book(confirm("s-1"), "confirmed"), "confirmed")
		do(t, b, confirm("s-1"), never(t), "confirmed")
		do(t, b, compensate("s-1"), d.book(compensate("s-1"), "undone"), "undone")
		do(t, b, confirm("s-1"), never(t), "confirmed")

		do(t, b, forward("s-2"), d.book(forward("s-2"), "tried"), "tried")
		do(t, b, compensate("s-2"), d.book(compensate("s-2"), "undone"), "undone")
		if _, err := b.Do(t.Context(), confirm("s-2"), never(t)); !errors.Is(err, participant.ErrHanging) {
			t.Errorf("after the undo: %v", err)
		}
	})
}

func TestQuery(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		ask := func(step, outcome, output string) {
			t.Helper()
			fate, err := b.Query(t.Context(), query(step))
			if err != nil || fate.Outcome != outcome || string(fate.Output) != output {
				t.Errorf("%s: %s %s %v, want %s %s", step, fate.Outcome, fate.Output, err, outcome, output)
			}
		}
		do(t, b, forward("done"), d.book(forward("done"), `{"n":1}`), `{"n":1}`)
		do(t, b, forward("text"), d.book(forward("text"), `a "word"`), `a "word"`)
		do(t, b, call(participant.Forward, "edited", "~2"), d.book(forward("edited"), "7"), "7")
		ask("done", participant.Succeeded, `{"n":1}`)
		ask("text", participant.Succeeded, `"a \"word\""`)
		ask("edited", participant.Succeeded, `7`)

		do(t, b, compensate("done"), d.book(compensate("done"), "{}"), "{}")
		ask("done", participant.Unknown, "")

		do(t, b, forward("refused"), d.refuse(forward("refused"), "no"), "no")
		for _, step := range []string{"refused", "never", "never"} {
			ask(step, participant.Failed, "")
		}
		// What was said stays true.
		do(t, b, forward("refused"), never(t), "no")
		for _, c := range []participant.Call{forward("never"), call(participant.Forward, "refused", "~2"), confirm("never")} {
			if _, err := b.Do(t.Context(), c, never(t)); !errors.Is(err, participant.ErrHanging) {
				t.Errorf("%s: %v", c.Key, err)
			}
		}
		if a := do(t, b, compensate("never"), never(t), "{}"); !a.Void {
			t.Errorf("the undo is answered %+v", a)
		}
	})
}

func TestWhatIsNoCallChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		if _, err := b.Do(t.Context(), query("s-1"), never(t)); !errors.Is(err, participant.ErrCall) {
			t.Errorf("a query: %v", err)
		}
		if _, err := b.Query(t.Context(), forward("s-1")); !errors.Is(err, participant.ErrCall) {
			t.Errorf("a forward call as a query: %v", err)
		}
		if _, err := b.Do(t.Context(), participant.Call{Key: "a b", Operation: participant.Forward}, never(t)); !errors.Is(err, participant.ErrCall) {
			t.Errorf("a bad key: %v", err)
		}
		if n := d.number(t, "SELECT COUNT(*) FROM backstep_barrier"); n != 0 {
			t.Errorf("%d rows", n)
		}
	})
}

// TestWithin has the service begin its transaction, at each isolation that is enough.
func TestWithin(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		levels := []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable}
		if d.dialect == participant.SQLite {
			levels = []sql.IsolationLevel{sql.LevelDefault}
		}
		for _, level := range levels {
			step := "s-" + level.String()[:4]
			within := func(c participant.Call, commit bool) (participant.Answer, error) {
				tx, err := d.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
				if err != nil {
					t.Fatal(err)
				}
				defer tx.Rollback()
				a, err := b.Within(t.Context(), tx, c, func(ctx context.Context) (participant.Answer, error) {
					return answer(200, "done"), d.write(ctx, tx, c)
				})
				if err == nil && commit {
					err = tx.Commit()
				}
				return a, err
			}
			if _, err := within(forward(step), false); err != nil {
				t.Fatal(err)
			}
			// Many at once: one does it, all others have its answer or may come again.
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					a, err := within(forward(step), true)
					for tries := 0; err != nil && tries < 100; tries++ {
						time.Sleep(time.Millisecond)
						a, err = within(forward(step), true)
					}
					if err != nil || string(a.Body) != "done" {
						t.Errorf("%s: %q %v", level, a.Body, err)
					}
				})
			}
			all.Wait()
			if n := d.lines(t, step, participant.Forward); n != 1 {
				t.Errorf("%s: %d lines", level, n)
			}
			if _, err := b.Within(t.Context(), d, query(step), nil); !errors.Is(err, participant.ErrCall) {
				t.Errorf("a query: %v", err)
			}
		}
	})
}

// An effect that ends its transaction, or makes nothing of it that the database has
// ended it, must not pass for one that took place.
func TestATransactionThatWasEndedWithin(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		_, err := b.Do(t.Context(), forward("s-1"), func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
			if _, err := tx.ExecContext(ctx, "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
			return answer(200, "done"), nil
		})
		if err == nil {
			t.Error("it passes for done")
		}
		if n := d.number(t, "SELECT COUNT(*) FROM backstep_barrier"); n != 0 {
			t.Errorf("%d rows", n)
		}
	})
}

func TestTablesAreMadeByManyAtOnce(t *testing.T) {
	for _, dialect := range []participant.Dialect{participant.PostgreSQL, participant.MySQL, participant.SQLite} {
		t.Run(dialect.String(), func(t *testing.T) {
			d := emptyDatabase(t, dialect)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if err := participant.CreateTables(t.Context(), d.DB, dialect); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if n := d.number(t, "SELECT COUNT(*) FROM backstep_barrier"); n != 0 {
				t.Errorf("%d rows", n)
			}
		})
	}
}

func TestPurge(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		for i := range 5 {
			c := forward(fmt.Sprintf("s-%d", i))
			do(t, b, c, d.book(c, "done"), "done")
		}
		do(t, b, compensate("s-0"), d.book(compensate("s-0"), "undone"), "undone")
		do(t, b, compensate("s-1"), d.book(compensate("s-1"), "undone"), "undone")
		old := time.Now().Add(-100 * time.Hour).UnixMilli()
		d.exec(t, "UPDATE backstep_barrier SET changed = ? WHERE step <> 's-1' AND step <> 's-4'", old)
		d.exec(t, "UPDATE backstep_barrier SET changed = ? WHERE step = 's-1' AND call_key <> 's-1'", old) // its first row tells

		for _, wrong := range []struct {
			age   time.Duration
			limit int
		}{{time.Hour, 10}, {100 * time.Hour, 0}, {100 * time.Hour, participant.MaxPurge + 1}} {
			if _, err := b.Purge(t.Context(), wrong.age, wrong.limit); err == nil {
				t.Errorf("%v is taken", wrong)
			}
		}
		// A step in use is passed over, by databases that have more than one writer.
		release := func() {}
		if d.dialect != participant.SQLite {
			tx, err := d.Begin()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec("UPDATE backstep_barrier SET status = 201 WHERE step = 's-2'"); err != nil {
				t.Fatal(err)
			}
			release = func() { tx.Rollback() }
		}
		for _, want := range []int{2, 1, 0} {
			if n, err := b.Purge(t.Context(), 99*time.Hour, 2); n != want || err != nil {
				t.Errorf("%d are purged, %v; want %d", n, err, want)
			}
			release()
		}
		if n := d.number(t, "SELECT COUNT(*) FROM backstep_barrier"); n != 3 {
			t.Errorf("%d rows are left, want those of s-1 and s-4", n)
		}
	})
}
