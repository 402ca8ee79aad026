package participant

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestBind(t *testing.T) {
	const statement = "SELECT ? WHERE a = ? AND b = ?"
	if got := PostgreSQL.bind(statement); got != "SELECT $1 WHERE a = $2 AND b = $3" {
		t.Error(got)
	}
	if MySQL.bind(statement) != statement || SQLite.bind(statement) != statement {
		t.Error("MySQL and SQLite have question marks")
	}
	if got := list(1) + "; " + list(3); got != "?; ?, ?, ?" {
		t.Error(got)
	}
}

func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy, broken := errors.New("database is locked (5) (SQLITE_BUSY)"), errors.New("no such table")
		for _, c := range []struct {
			errs  []error
			tries int
			want  error
		}{
			{[]error{nil}, 1, nil},
			{[]error{busy, busy, nil}, 3, nil},
			{[]error{busy, broken}, 2, broken},
			{[]error{busy, busy, busy, busy, busy, busy, busy, busy, nil}, attempts, busy},
		} {
			tries := 0
			err := again(t.Context(), func() error { tries++; return c.errs[tries-1] })
			if tries != c.tries || err != c.want {
				t.Errorf("%d tries and %v, want %d and %v", tries, err, c.tries, c.want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := again(ctx, func() error { return busy }); err != busy || time.Since(began) > 20*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestNoSuchDialect(t *testing.T) {
	for what, do := range map[string]func(){
		"a schema": func() { Schema(0) }, "a barrier": func() { NewBarrier(nil, 0) }, "an outbox": func() { NewOutbox(nil, SQLite+1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of no dialect", what)
				}
			}()
			do()
		}()
	}
}

func TestWaits(t *testing.T) {
	for sends := range 100 {
		if w := wait(sends + 1); w < firstWait || w > firstWait+lastWait {
			t.Errorf("after %d sends a message waits for %v", sends+1, w)
		}
	}
}
