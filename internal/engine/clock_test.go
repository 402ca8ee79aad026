package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/machine"
)

// ahead is a clock that is wrong.
type ahead struct {
	of *clock
	by time.Duration
}

func (a ahead) Now() int64 { return a.of.Now() + a.by.Milliseconds() }

// A timer that one node has written is fired on time by another, however wrong
// the clocks of both are: they go by the store's.
func TestClocksApart(t *testing.T) {
	for _, by := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		a, b := two(t)
		m := a.define(waiting)
		id := a.start(m, "a", `{}`).ID
		e, err := Open(context.Background(), Config{
			Store: a.disk.Open(), Clock: ahead{a.clock, by}, Entropy: a.chance, Spawn: func(f func()) { b.side = append(b.side, f) },
		})
		if err != nil {
			t.Fatal(err)
		}
		b.engine, b.session = e, a.disk.Open()
		turn := func(at int64) {
			a.clock.now.Store(begin + at)
			if err := e.Renew(e.Now()); err != nil {
				t.Fatal(err)
			}
			e.Fire(e.Now())
			for len(b.side) > 0 {
				f := b.side[0]
				b.side = b.side[1:]
				f()
			}
		}
		turn(15_000) // the first node has vanished
		if n := e.Load().Shards; n != 4 {
			t.Fatalf("%d shards were taken over", n)
		}
		turn(59_999)
		if h := b.head(id); h.Status != machine.Running {
			t.Errorf("by %v: early", by)
		}
		turn(60_000)
		if h := b.head(id); h.Status != machine.Succeeded || h.Stop != begin+60_000 {
			t.Errorf("by %v: %+v", by, h)
		}
	}
}

// A node that has not looked at the store's clock yet starts nothing: it does not know
// when that would be.
func TestNothingStartsBeforeTheTimeIsKnown(t *testing.T) {
	c := newCluster(t, 1, echo, nil)
	m := c.nodes[0].define(saga(1))
	e, err := Open(t.Context(), Config{
		Store: c.nodes[0].disk.Open(), Clock: ahead{c.clock, 10 * time.Minute}, Entropy: c.nodes[0].chance, Spawn: func(func()) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	r := StartRequest{Machine: m, Name: "a"}
	if _, err := e.Start(t.Context(), r); !errors.Is(err, ErrNotReady) {
		t.Errorf("a standard execution: %v", err)
	}
	if s, err := e.StartExpress(t.Context(), r); !errors.Is(err, ErrNotReady) {
		t.Errorf("an express one, at %d: %v", s.At-begin, err)
	}
}

// The clock of a node among others goes as time does, whatever the wall's does.
func TestASteadyClock(t *testing.T) {
	c := newSystemClock(false)
	before := c.Now()
	c.ahead.Store(3_600_000)
	if passed := c.Now() - before; passed < 0 || passed > 60_000 {
		t.Errorf("leapt by %d ms", passed)
	}
}
