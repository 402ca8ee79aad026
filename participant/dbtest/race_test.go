package dbtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/participant"
)

// callers are how many make the same call at once.
const callers = 32

func TestManyCallersOfOneKey(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		for _, pool := range []int{callers, 4} {
			d.SetMaxOpenConns(pool)
			b := participant.NewBarrier(d.DB, d.dialect)
			for round := range 3 {
				step := fmt.Sprintf("s-%d-%d", pool, round)
				for _, c := range []participant.Call{forward(step), compensate(step)} {
					var fresh atomic.Int32
					var all sync.WaitGroup
					for caller := range callers {
						all.Go(func() {
							a, err := b.Do(t.Context(), c, func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
								err := d.write(ctx, tx, c)
								time.Sleep(5 * time.Millisecond)
								return answer(200, fmt.Sprint(caller)), err
							})
							if err != nil {
								t.Errorf("%s: %v", c.Key, err)
							} else if !a.Repeated {
								fresh.Add(1)
							}
						})
					}
					all.Wait()
					if n := d.lines(t, step, c.Operation); n != 1 || fresh.Load() != 1 {
						t.Errorf("%s: %d lines, %d first answers", c.Key, n, fresh.Load())
					}
				}
				answers := map[string]bool{}
				for range callers {
					a, err := b.Do(t.Context(), forward(step), never(t))
					if err != nil {
						t.Error(err)
					}
					answers[string(a.Body)] = true
				}
				if len(answers) != 1 {
					t.Errorf("%s: the answers are %v", step, answers)
				}
			}
		}
	})
}

// Where the first of many fails, and the second, the next one does it. No caller hears
// more of that than an error after which it may come again.
func TestManyCallersWhereTheFirstFail(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		broken := errors.New("broken")
		for round := range 3 {
			c := forward(fmt.Sprintf("s-%d", round))
			var tries, failed, lost atomic.Int32
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					a, err := b.Do(t.Context(), c, func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
						if err := d.write(ctx, tx, c); err != nil {
							return participant.Answer{}, err
						}
						time.Sleep(20 * time.Millisecond) // all others wait by now
						if tries.Add(1) <= 3 {
							return participant.Answer{}, broken
						}
						return answer(200, "done"), nil
					})
					switch {
					case errors.Is(err, broken):
						failed.Add(1)
					case err != nil:
						t.Logf("lost: %v", err)
						lost.Add(1)
					case string(a.Body) != "done":
						t.Errorf("%q", a.Body)
					}
				})
			}
			all.Wait()
			if n := d.lines(t, c.Key, participant.Forward); n != 1 || failed.Load() != 3 || lost.Load() != 0 {
				t.Errorf("%d lines, %d failed, %d lost", n, failed.Load(), lost.Load())
			}
		}
	})
}

// headStart lets one side of a race begin a little earlier in one round, and the other
// one in the next.
func headStart(round int) {
	if round%2 == 1 {
		time.Sleep(rand.N(2 * time.Millisecond))
	}
}

// TestForwardRacesWithItsUndo: whichever comes first, nothing is left once the undo was
// answered.
func TestForwardRacesWithItsUndo(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		var hung, undone atomic.Int32
		const rounds = 150
		var all sync.WaitGroup
		room := make(chan struct{}, 8)
		for round := range rounds {
			room <- struct{}{}
			all.Go(func() {
				defer func() { <-room }()
				step := fmt.Sprintf("s-%d", round)
				var both sync.WaitGroup
				for range 2 { // and a repeat of each
					both.Go(func() {
						headStart(round)
						_, err := b.Do(t.Context(), forward(step), d.book(forward(step), "done"))
						if errors.Is(err, participant.ErrHanging) {
							hung.Add(1)
						} else if err != nil {
							t.Errorf("forward: %v", err)
						}
					})
					both.Go(func() {
						headStart(round + 1)
						a, err := b.Do(t.Context(), compensate(step), d.book(compensate(step), "undone"))
						if err != nil {
							t.Errorf("undo: %v", err)
						}
						if !a.Void {
							undone.Add(1)
						}
					})
				}
				both.Wait()
			})
		}
		all.Wait()
		if n := d.number(t, "SELECT COUNT(*) FROM (SELECT step FROM ledger GROUP BY step HAVING SUM(amount) <> 0 OR COUNT(*) <> 2) AS off"); n != 0 {
			t.Errorf("%d of %d steps are off", n, rounds)
		}
		if hung.Load() == 0 || undone.Load() == 0 {
			t.Errorf("no race: %d hung, %d undone", hung.Load(), undone.Load())
		}
	})
}

// TestForwardRacesWithAQuery: what a query has said stays true.
func TestForwardRacesWithAQuery(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b := participant.NewBarrier(d.DB, d.dialect)
		said := map[string]int{}
		for round := range 100 {
			step := fmt.Sprintf("s-%d", round)
			var fate participant.Fate
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() {
					headStart(round)
					if _, err := b.Do(t.Context(), forward(step), d.book(forward(step), "1")); err != nil && !errors.Is(err, participant.ErrHanging) {
						t.Errorf("forward: %v", err)
					}
				})
			}
			both.Go(func() {
				headStart(round + 1)
				var err error
				if fate, err = b.Query(t.Context(), query(step)); err != nil {
					t.Errorf("query: %v", err)
				}
			})
			both.Wait()
			said[fate.Outcome]++
			if n := d.lines(t, step, participant.Forward); (n == 1) != (fate.Outcome == participant.Succeeded) {
				t.Errorf("%s: %d lines, and the query says %s", step, n, fate.Outcome)
			}
		}
		if said[participant.Succeeded] == 0 || said[participant.Failed] == 0 {
			t.Errorf("no race: %v", said)
		}
	})
}

// Calls of different steps do not wait for each other, where the database has more
// than one writer.
func TestStepsDoNotMeet(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		if d.dialect == participant.SQLite {
			t.Skip("SQLite has one writer")
		}
		b := participant.NewBarrier(d.DB, d.dialect)
		for _, pair := range [][2]string{{"s-1", "s-2"}, {"b", "a"}} {
			_, err := b.Do(t.Context(), forward(pair[0]), func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
				for _, c := range []participant.Call{forward(pair[1]), compensate(pair[1])} {
					if _, err := b.Do(ctx, c, d.book(c, "inner")); err != nil {
						return participant.Answer{}, err
					}
				}
				return answer(200, "outer"), d.write(ctx, tx, forward(pair[0]))
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// A caller that has gone does not wait on, and one that waits hears it.
func TestACallerMayStopWaiting(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		if d.dialect == participant.SQLite { // how long it waits is the driver's to say
			d.DB = open(t, d.driver, strings.Replace(d.dsn, "busy_timeout(10000)", "busy_timeout(10)", 1))
		}
		b := participant.NewBarrier(d.DB, d.dialect)
		holds, done := make(chan struct{}), make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			do(t, b, forward("s-1"), func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
				close(holds)
				<-done
				return answer(200, "done"), d.write(ctx, tx, forward("s-1"))
			}, "done")
		})
		<-holds
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, err := b.Do(ctx, forward("s-1"), never(t)); err == nil || time.Since(began) > 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		close(done)
		all.Wait()
		do(t, b, forward("s-1"), never(t), "done")
	})
}

// A commit whose answer is lost is an error, and the repeat finds the truth.
func TestACommitWhoseAnswerIsLost(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		lossy := sql.OpenDB(&lossyConnector{driver: d.Driver(), dsn: d.dsn})
		defer lossy.Close()
		c := forward("s-1")
		_, err := participant.NewBarrier(lossy, d.dialect).Do(t.Context(), c, d.book(c, "done"))
		if !errors.Is(err, errLost) {
			t.Fatalf("it gives %v", err)
		}
		do(t, participant.NewBarrier(d.DB, d.dialect), c, never(t), "done")
		if n := d.lines(t, "s-1", participant.Forward); n != 1 {
			t.Errorf("%d lines", n)
		}
		fate, err := participant.NewBarrier(lossy, d.dialect).Query(t.Context(), query("s-2"))
		if !errors.Is(err, errLost) {
			t.Errorf("a query gives %v, %v", fate, err)
		}
		fate, err = participant.NewBarrier(d.DB, d.dialect).Query(t.Context(), query("s-2"))
		if err != nil || fate.Outcome != participant.Failed {
			t.Errorf("asked again, it gives %v, %v", fate, err)
		}
	})
}

var errLost = errors.New("the connection broke after the commit was sent")

// lossyConnector opens connections that lose the answer to a commit.
type lossyConnector struct {
	driver driver.Driver
	dsn    string
}

func (l *lossyConnector) Driver() driver.Driver { return l.driver }

func (l *lossyConnector) Connect(context.Context) (driver.Conn, error) {
	conn, err := l.driver.Open(l.dsn)
	return &lossyConn{conn.(fullConn)}, err
}

// fullConn is what the drivers' connections all are.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

type lossyConn struct{ fullConn }

func (c *lossyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.fullConn.BeginTx(ctx, o)
	return lossyTx{tx}, err
}

// CheckNamedValue lets a driver's own connection see each value, where it wants to.
func (c *lossyConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.fullConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type lossyTx struct{ driver.Tx }

func (tx lossyTx) Commit() error { return errors.Join(tx.Tx.Commit(), errLost) }
