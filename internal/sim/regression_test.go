package sim

import (
	"context"
	"testing"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// What once broke other engines, told step by step.

const (
	oneCall     = `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload":{}},"End":true}}}`
	oneActivity = `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"` + arnActivity + `act0","TimeoutSeconds":600,"End":true}}}`
	oneMinute   = `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":60,"End":true}}}`
	everyFive   = `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload":{}},
		"Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":5,"MaxAttempts":6,"BackoffRate":1}],"End":true}}}`
)

func well() (value.Text, error) { return value.Checked(`{"v":1}`), nil }

// onceAt is a fault of the first commit that fits, and of no other.
func onceAt(s *scene, fits func(*store.Batch) bool, do func(p *process) storetest.Fault) {
	done := false
	s.script.store = func(p *process, method string, b *store.Batch) storetest.Fault {
		if done || method != "Commit" || !fits(b) {
			return storetest.Fault{}
		}
		done = true
		return do(p)
	}
}

// A node dies when a call is scheduled, before it is made: the next one makes it.
func TestNodeDiesBetweenScheduleAndDispatch(t *testing.T) {
	s := newScene(t, 2, newMachine("M", oneCall, false))
	s.answers = well
	s.up(0)
	onceAt(s, func(b *store.Batch) bool { return opens(b, machine.Call) }, func(p *process) storetest.Fault {
		p.dieAfter, p.node.gone = true, true
		return storetest.Fault{Err: store.ErrUnknown, Done: true}
	})
	s.begin("x", `{}`)
	s.until("it is scheduled", func() bool { return s.waitsIn("x", "T", machine.Call) })
	s.up(1)
	s.end()
	s.wantStatus("x", machine.Succeeded)
	if len(s.calls) != 1 || s.calls[0].by != "b.2" || s.calls[0].send != 2 {
		t.Errorf("%+v", s.calls)
	}
}

// A node dies that had a task in its queue: the worker gets it from the next one.
func TestQueuedTaskOutlivesItsNode(t *testing.T) {
	s := newScene(t, 2, newMachine("M", oneActivity, false))
	s.answers = well
	s.up(0)
	s.tasks.polling["act0"] = true // nobody asks yet
	s.begin("x", `{}`)
	s.until("the task waits", func() bool { return s.waitsIn("x", "T", machine.Activity) })
	s.kill(0)
	s.up(1)
	s.tasks.polling["act0"] = false
	s.expectWorker("act0")
	s.end()
	s.wantStatus("x", machine.Succeeded)
	if n := s.out.Situations[pollTook]; n != 1 {
		t.Errorf("%d workers got it", n)
	}
}

// Nobody asks anything of a shard whose node has died: its timers fire all the
// same, on time.
func TestShardWithoutTrafficIsTakenOver(t *testing.T) {
	s := newScene(t, 2, newMachine("M", oneMinute, false))
	s.up(0)
	s.up(1)
	s.begin("x", `{}`)
	s.until("it waits", func() bool { return s.waitsIn("x", "W", machine.Timer) })
	s.kill(0)
	died := s.now
	s.until("the shard is taken over", func() bool { return s.book.leases[0].Node == "b.2" })
	if took := s.now - died; took > s.plan.lease.Milliseconds()+takeover {
		t.Errorf("after %d ms", took)
	}
	s.end()
	if l := s.life("x"); l.head.Stop-l.start.At < 60_000 || l.head.Stop-l.start.At > 61_000 {
		t.Errorf("it waited for %d ms", l.head.Stop-l.start.At)
	}
}

// A node stands still while it hands a task out; another one takes its shard and
// hands the task out. The first one's worker gets none.
func TestStaleOwnerHandsNoTaskOut(t *testing.T) {
	s := newScene(t, 2, newMachine("M", oneActivity, false))
	s.answers = well
	a := s.up(0)
	s.up(1)
	s.tasks.polling["act0"] = true
	s.begin("x", `{}`)
	s.until("the task waits", func() bool { return s.waitsIn("x", "T", machine.Activity) })
	a.faint = faint{40_000, beforeCommit}
	var got engine.PolledTask
	var err error
	back := false
	s.after(0, func() {
		got, err = a.engine.Poll(atOnce{context.Background()}, account, region, "act0", "stale", 0)
		back = true
	})
	s.until("it stands still", a.stands)
	s.until("the shard is taken over", func() bool { return s.book.leases[0].Node == "b.2" })
	s.tasks.polling["act0"] = false
	s.expectWorker("act0")
	s.until("the task is taken", func() bool { return s.out.Situations[pollTook] == 1 })
	s.until("it goes on", func() bool { return back })
	if err != nil || got.Token != "" {
		t.Errorf("the stale owner handed out %q: %v", got.Token, err)
	}
	if s.out.Situations[zombieRefused]+s.out.Situations[fencedCommit] == 0 {
		t.Error("it was not refused")
	}
	s.end()
	s.wantStatus("x", machine.Succeeded)
}

// The database goes away in the middle of commits, of which some were made: the
// history has no gap, and nothing twice.
func TestHistoryHasNoGapAfterAFailover(t *testing.T) {
	s := newScene(t, 1, newMachine("M", everyFive, false))
	s.answers = well
	s.up(0)
	n := 0
	s.script.store = func(_ *process, method string, b *store.Batch) storetest.Fault {
		if method != "Commit" || len(b.Events) == 0 {
			return storetest.Fault{}
		}
		n++
		return [...]storetest.Fault{{Err: store.ErrUnknown, Done: true}, {Err: store.ErrUnknown}, {Err: store.ErrUnknown, Done: true}}[n%3]
	}
	s.begin("x", `{}`)
	s.until("it is over", func() bool { l := s.life("x"); return l != nil && l.head.Status.Ended() })
	s.script.store = nil
	s.end() // the book holds every event against the one before
	s.wantStatus("x", machine.Succeeded)
}

// The database fails while a node reads what it has taken over, again and again:
// it is read in the end.
func TestTakeoverIsNoOneShot(t *testing.T) {
	s := newScene(t, 2, newMachine("M", oneMinute, false))
	s.up(0)
	s.begin("x", `{}`)
	s.until("it waits", func() bool { return s.waitsIn("x", "W", machine.Timer) })
	s.kill(0)
	failed := 0
	s.script.store = func(_ *process, method string, _ *store.Batch) storetest.Fault {
		if failed < 20 && (method == "Jobs" || method == "Load") {
			failed++
			return storetest.Fault{Err: storetest.ErrPlain}
		}
		return storetest.Fault{}
	}
	s.up(1)
	s.end()
	s.wantStatus("x", machine.Succeeded)
	if failed != 20 {
		t.Errorf("the database failed %d times", failed)
	}
}

// Two nodes see that a lease has run out; one stands still before it takes it. The
// other takes it, and the first one then does not.
func TestTwoNodesTakeOneShardOver(t *testing.T) {
	s := newScene(t, 3, newMachine("M", oneCall, false))
	s.answers = well
	s.up(0)
	b, c := s.up(1), s.up(2)
	s.kill(0)
	onceAt(s, func(batch *store.Batch) bool { return len(batch.Leases) > 0 }, func(p *process) storetest.Fault {
		p.stand(5000)
		return storetest.Fault{}
	})
	s.until("one stands still", func() bool { return b.stands() || c.stands() })
	stale, other := b, c
	if c.stands() {
		stale, other = c, b
	}
	s.until("the other one has it", func() bool { return other.owns(0) })
	s.begin("x", `{}`)
	s.until("the first goes on", func() bool { return !stale.stands() })
	s.pass(5000)
	if l := s.book.leases[0]; l.Node != other.name || l.Epoch != 2 {
		t.Errorf("%+v", l)
	}
	s.end()
	s.wantStatus("x", machine.Succeeded)
	if len(s.calls) != 1 {
		t.Errorf("%+v", s.calls)
	}
}

// A node stands still until its lease has run out, and so does another that is about
// to take the shard; the first goes on and renews its lease before. Then it is sure of
// the shard, and the other does not take it.
func TestALeaseThatWasRenewedIsNotTaken(t *testing.T) {
	s := newScene(t, 2, newMachine("M", oneMinute, false))
	a, b := s.up(0), s.up(1)
	onceAt(s, func(batch *store.Batch) bool {
		return len(batch.Leases) > 0 && batch.Leases[0].Node == b.name
	}, func(p *process) storetest.Fault {
		p.stand(6000)
		return storetest.Fault{}
	})
	s.after(0, func() {
		a.still = s.now + s.plan.lease.Milliseconds() + 4000
		s.push(a.still, 0, nil, a.wake)
	})
	s.until("the other stands still", b.stands)
	s.until("the first goes on", func() bool { return !a.stands() && s.book.leases[0].Expires > s.now })
	s.until("the other goes on", func() bool { return !b.stands() })
	s.pass(1000)
	if l := s.book.leases[0]; l.Node != a.name {
		t.Errorf("%s has renewed its lease, and %s has taken it: %+v", a.name, b.name, l)
	}
}

// A node is drained, comes back, takes its shard again and dies while it reads it:
// whoever takes it then finds all that was left.
func TestRollingRestartTakesAgainAndDies(t *testing.T) {
	s := newScene(t, 2, newMachine("M", oneMinute, false))
	a := s.up(0)
	s.begin("x", `{}`)
	s.until("it waits", func() bool { return s.waitsIn("x", "W", machine.Timer) })
	s.after(0, a.drain)
	s.until("it is drained", func() bool { return s.nodes[0].process != a })
	s.until("it is back and has the shard", func() bool { p := s.nodes[0].process; return p != nil && p.owns(0) })
	s.kill(0)
	s.up(1)
	s.end()
	s.wantStatus("x", machine.Succeeded)
}

// Starts without a name are each given one of their own: no pass over them makes
// another one.
func TestNamelessStartsAreNotRepeated(t *testing.T) {
	s := newScene(t, 2, newMachine("M", oneMinute, false))
	p := s.up(0)
	for range 2 {
		if _, err := p.engine.Start(context.Background(), engine.StartRequest{Machine: s.machines[0].engine(), Input: value.Checked(`{}`)}); err != nil {
			t.Fatal(err)
		}
	}
	s.kill(0)
	s.up(1)
	s.end()
	if n := len(s.book.order); n != 2 || s.book.order[0].start.Name == s.book.order[1].start.Name || s.book.order[0].start.Name == "" {
		t.Errorf("%d executions", n)
	}
}
