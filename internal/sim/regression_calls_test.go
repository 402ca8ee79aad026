package sim

import (
	"context"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// A node loses its shard while a call is under way, and gets it back before that
// is over: the execution is not run twice, and one answer is taken.
func TestShardComesBackDuringACall(t *testing.T) {
	s := newScene(t, 2, newMachine("M", oneCall, false))
	s.answers = well
	s.plan.often[slowCall] = 1000
	a := s.up(0)
	b := s.up(1)
	s.begin("x", `{}`)
	s.until("the call is under way", func() bool { return len(s.calls) == 1 })
	s.nodes[0].link = link{requests: true, answers: true}
	s.until("the other node makes it again", func() bool { return len(s.calls) == 2 })
	s.nodes[0].link = link{}
	s.kill(1)
	s.plan.often[slowCall] = 0
	s.until("it comes back", func() bool { return a.owns(0) })
	s.end()
	s.wantStatus("x", machine.Succeeded)
	seen := map[int]bool{}
	for _, c := range s.calls {
		if seen[c.send] {
			t.Errorf("send %d was made twice: %+v", c.send, s.calls)
		}
		seen[c.send] = true
	}
	if len(s.calls) != 3 || s.calls[1].by != b.name {
		t.Errorf("%+v", s.calls)
	}
}

// A debit that a node was about to ask for arrives when it has been refunded: it
// has no effect any more, and the order balances.
func TestLateDebitAfterItsRefund(t *testing.T) {
	s := newScene(t, 2, orderAlways())
	a := s.up(0)
	s.begin("x", `{}`)
	s.until("the debit is to be asked for", func() bool { return s.waitsIn("x", "Debit", machine.Call) })
	s.plan.often[lostRequest] = 1000 // whoever asks for it next is not heard
	a.faint = faint{300_000, atParticipant}
	s.until("it stands still", a.stands)
	s.up(1)
	s.until("it is refunded", func() bool { return s.waitsIn("x", "Refund", machine.Call) })
	s.plan.often[lostRequest] = 0
	s.until("the order is undone", func() bool { return s.life("x").head.Status.Ended() })
	s.until("the debit arrives", func() bool { return !a.stands() && !s.busy("Debit") })
	s.end()
	if s.out.Situations[lateDebit] == 0 {
		t.Errorf("the late debit was not refused: %+v", s.calls)
	}
	if o := s.ledger.orders["x"]; o.done["Debit"] != 0 || o.undone["Debit"] == 0 {
		t.Errorf("%+v", o)
	}
}

// A debit was asked for and never arrived: its refund has nothing to take back, and
// is said to be done.
func TestRefundOfADebitThatNeverArrived(t *testing.T) {
	s := newScene(t, 1, orderAlways())
	s.up(0)
	s.begin("x", `{}`)
	s.until("the debit is asked for", func() bool { return s.waitsIn("x", "Debit", machine.Call) })
	s.plan.often[lostRequest] = 1000
	s.until("it is refunded", func() bool { return s.waitsIn("x", "Refund", machine.Call) })
	s.plan.often[lostRequest] = 0
	s.end()
	if l := s.life("x"); l.head.Error == nil || *l.head.Error != "OrderUndone" {
		t.Errorf("%+v", l.head)
	}
	if o := s.ledger.orders["x"]; o.done["Debit"] != 0 || o.undone["Debit"] == 0 {
		t.Errorf("%+v", o)
	}
}

const stubbornUndo = `{"Saga":{},"StartAt":"A","States":{
	"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"do","Payload":{}},
		"Compensate":{"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"undo","Payload":{}},
			"Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":1,"MaxAttempts":1200,"BackoffRate":2,"MaxDelaySeconds":10}]},"Next":"F"},
	"F":{"Type":"Fail","Error":"No"}}}`

// A compensation fails a thousand times: it is tried on, at the pace that its
// retrier sets, and done in the end.
func TestCompensationFailsAThousandTimes(t *testing.T) {
	s := newScene(t, 1, newMachine("M", stubbornUndo, false))
	s.sagas = true
	s.up(0)
	undos, last := 0, int64(0)
	s.script.call = func(_ *process, call *integration.Task) {
		if call.Operation != integration.Compensate {
			return
		}
		undos++
		if gap := s.now - last; last != 0 && gap < 1000 {
			t.Errorf("undo %d comes %d ms after the one before", undos, gap)
		}
		last = s.now
		s.plan.often[softError] = 0
		if undos <= 1000 {
			s.plan.often[softError] = 1000
		}
	}
	s.begin("x", `{}`)
	for undos < 1000 { // the last retries take hours
		s.until("it is tried again", func() bool { return undos%100 == 99 || undos >= 1000 })
		s.until("and again", func() bool { return undos%100 != 99 || undos >= 1000 })
	}
	s.end()
	if l := s.life("x"); undos != 1001 || l.head.SagaStatus() != machine.SagaAborted.String() {
		t.Errorf("%d undos, %s", undos, l.head.SagaStatus())
	}
}

// One answer is brought by many at once, to all nodes: one of them is taken.
func TestAnswerBroughtByManyToAllNodes(t *testing.T) {
	s := newScene(t, 3, newMachine("M", strings.Replace(oneCall, "lambda:invoke", "lambda:invoke.waitForTaskToken", 1), false))
	s.answers = well
	s.plan.often[deadWorker] = 1000 // the test answers itself
	for i := range 3 {
		s.up(i)
	}
	s.machines[0].services["lambda"] = true
	s.begin("x", `{}`)
	s.until("somebody has the token", func() bool { return len(s.tasks.given) == 1 })
	tk := s.tasks.given[0]
	taken, refusals := 0, 0
	for i := range 32 {
		s.after(int64(i%3), func() {
			p := s.nodes[i%3].process
			err := p.engine.Complete(context.Background(), tk.token, value.Checked(`{"v":1}`), nil)
			switch {
			case err == nil:
				taken++
			case refused(err):
				refusals++
			}
		})
	}
	s.pass(10_000)
	s.end()
	s.wantStatus("x", machine.Succeeded)
	if taken != 1 || refusals == 0 {
		t.Errorf("%d are taken, %d refused", taken, refusals)
	}
}

// A timer stands in the store whose execution is none: it stops nobody else's.
func TestStrayTimerStopsNobody(t *testing.T) {
	s := newScene(t, 1, newMachine("M", oneMinute, false))
	s.up(0)
	id := store.NewID(0, began, [8]byte{7})
	stray := machine.Job{ID: 3, Kind: machine.Timer, Frame: 9, State: "W", Due: s.now + 1000}
	row := store.Job{JobKey: store.JobKey{ID: id, Number: 3}, Due: stray.Due, Body: machine.Append(nil, &stray)}
	if err := s.reader.Commit(t.Context(), &store.Batch{Jobs: []store.Job{row}}); err != nil {
		t.Fatal(err)
	}
	s.begin("x", `{}`)
	s.kill(0)
	s.nodes[0].gone = false
	s.up(0)
	s.until("the other one fires", func() bool { l := s.life("x"); return l != nil && l.head.Status == machine.Succeeded })
	if l := s.life("x"); l.head.Stop-l.start.At > 61_000 {
		t.Errorf("it waited for %d ms", l.head.Stop-l.start.At)
	}
}

// The clocks of two nodes are twenty minutes apart, and what is retried goes from
// one to the other and back: no attempt comes before its time.
func TestRetriesKeepTheirPaceByWrongClocks(t *testing.T) {
	s := newScene(t, 2, newMachine("M", everyFive, false))
	s.nodes[0].skew, s.nodes[1].skew = 600_000, -600_000
	s.answers = func() (value.Text, error) {
		if len(s.calls) < 7 {
			return value.Text{}, integration.NewError("E.Soft", "not yet", integration.EffectNone)
		}
		return well()
	}
	s.up(0)
	s.begin("x", `{}`)
	for i := range 3 {
		n := len(s.calls) + 2
		s.until("it is retried", func() bool { return len(s.calls) >= n })
		s.until("and waits", func() bool { return s.waitsIn("x", "T", machine.Timer) })
		if i < 2 {
			s.kill(i)
			s.nodes[i].gone = false
			s.up(1 - i)
		}
	}
	s.end()
	s.wantStatus("x", machine.Succeeded)
	for i := 1; i < len(s.calls); i++ {
		if gap := s.calls[i].at - s.calls[i-1].at; gap < 5000 || gap > 5000+s.plan.lease.Milliseconds()+takeover+1000 {
			t.Errorf("attempt %d comes %d ms after the one before", i+1, gap)
		}
	}
	if len(s.calls) != 7 {
		t.Errorf("%+v", s.calls)
	}
}

// orderAlways is the order saga that ships by a call.
func orderAlways() *stateMachine {
	return newMachine(orderName, strings.ReplaceAll(orderText, "%SHIP%", "arn:aws:states:::lambda:invoke"), false)
}

// busy reports whether a call of a state is under way.
func (s *scene) busy(state string) bool {
	for step := range s.tasks.flying {
		if l, n := s.step(step); l != nil && l.stateAt(n) == state {
			return true
		}
	}
	return false
}
