package dbtest

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/participant"
)

const machine = "arn:aws:states:us-east-1:123456789012:stateMachine:Order"

// post is what a relay sends to: it keeps the order of what came, and fails as it is
// told to.
type post struct {
	sync.Mutex
	got  []string // "StartExecution n-1"
	busy map[string]int
	fail func(what string, times int) error
	slow time.Duration
}

func (p *post) send(ctx context.Context, operation string, input []byte) error {
	var in struct{ Name, TaskToken string }
	if err := json.Unmarshal(input, &in); err != nil {
		return err
	}
	what := operation + " " + in.Name + in.TaskToken
	p.Lock()
	if p.busy == nil {
		p.busy = map[string]int{}
	}
	p.busy[what]++
	if p.busy[what] > 1 {
		p.got = append(p.got, "twice at once: "+what)
	}
	p.got = append(p.got, what)
	times := p.times(what)
	p.Unlock()
	time.Sleep(p.slow)
	p.Lock()
	defer p.Unlock()
	p.busy[what]--
	if p.fail != nil {
		return p.fail(what, times)
	}
	return nil
}

// times is how often something came.
func (p *post) times(what string) int {
	n := 0
	for _, got := range p.got {
		if got == what {
			n++
		}
	}
	return n
}

// record records messages, each in a transaction of its own.
func record(t *testing.T, d *database, o *participant.Outbox, lane string, messages ...participant.Message) {
	t.Helper()
	for _, m := range messages {
		tx, err := d.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Record(t.Context(), tx, lane, m); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

func start(name string) participant.Message {
	return participant.StartExecution{StateMachineArn: machine, Name: name, Input: `{"n":1}`}
}

func success(token string) participant.Message {
	return participant.TaskSuccess{TaskToken: token, Output: `{"done":true}`}
}

// pass has a relay send until there is nothing due.
func pass(t *testing.T, r *participant.Relay) {
	t.Helper()
	for {
		n, err := r.Pass(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// hurry makes all that waits due.
func (d *database) hurry(t *testing.T) {
	t.Helper()
	d.exec(t, "UPDATE backstep_outbox SET due = 0 WHERE state = 'waiting'")
}

func (d *database) states(t *testing.T) string {
	t.Helper()
	var all []string
	for _, state := range []string{"waiting", "sent", "parked"} {
		all = append(all, fmt.Sprintf("%s %d", state, d.number(t, "SELECT COUNT(*) FROM backstep_outbox WHERE state = ?", state)))
	}
	return strings.Join(all, ", ")
}

func TestTheOutboxSendsWhatWasCommitted(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		o := participant.NewOutbox(d.DB, d.dialect)
		p := &post{}
		r := &participant.Relay{Outbox: o, Send: p.send}
		tx, err := d.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Record(t.Context(), tx, "", start("never")); err != nil {
			t.Fatal(err)
		}
		tx.Rollback()
		record(t, d, o, "", start("a"), success("t"), participant.TaskFailure{TaskToken: "u", Error: "NoStock", Cause: "naïve \x00 \"none\""})
		var seen [][]byte
		r.Send = func(ctx context.Context, operation string, input []byte) error {
			p.Lock()
			seen = append(seen, input)
			p.Unlock()
			return p.send(ctx, operation, input)
		}
		r.Parallel = 1
		pass(t, r)
		want := "[StartExecution a SendTaskSuccess t SendTaskFailure u]"
		if got := fmt.Sprint(p.got); got != want {
			t.Errorf("sent %v, want %v", got, want)
		}
		if got := d.states(t); got != "waiting 0, sent 3, parked 0" {
			t.Error(got)
		}
		var in api.StartExecutionInput
		if err := json.Unmarshal(seen[0], &in); err != nil || in.StateMachineArn != machine || *in.Name != "a" || *in.Input != `{"n":1}` {
			t.Errorf("%s %v", seen[0], err)
		}
		var failure api.SendTaskFailureInput
		if err := json.Unmarshal(seen[2], &failure); err != nil || *failure.Error != "NoStock" || *failure.Cause != "naïve \x00 \"none\"" {
			t.Errorf("%s %v", seen[2], err)
		}
	})
}

func TestWhatBackstepWouldRefuseIsNotRecorded(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		o := participant.NewOutbox(d.DB, d.dialect)
		long := func(n int) string { return strings.Repeat("x", n) }
		for _, m := range []participant.Message{
			participant.StartExecution{StateMachineArn: machine}, // no name
			participant.StartExecution{StateMachineArn: "Order", Name: "n"},
			participant.StartExecution{StateMachineArn: machine, Name: long(81)},
			participant.StartExecution{StateMachineArn: machine, Name: "n", Input: "{"},
			participant.StartExecution{StateMachineArn: machine, Name: "n", Input: `"` + long(262143) + `"`},
			participant.TaskSuccess{TaskToken: "t"},
			participant.TaskSuccess{Output: "1"},
			participant.TaskSuccess{TaskToken: "t", Output: "\"\xff\""},
			participant.TaskFailure{},
			participant.TaskFailure{TaskToken: "t", Error: long(257)},
			participant.TaskFailure{TaskToken: "t", Cause: long(32769)},
			participant.TaskFailure{TaskToken: long(2049)},
		} {
			if err := o.Record(t.Context(), d, "", m); !errors.Is(err, participant.ErrMessage) {
				t.Errorf("%.80v: %v", m, err)
			}
		}
		for _, lane := range []string{long(201), "\xff", "a\x00"} {
			if err := o.Record(t.Context(), d, lane, start("n")); !errors.Is(err, participant.ErrMessage) {
				t.Errorf("lane %q: %v", lane, err)
			}
		}
		if n := d.number(t, "SELECT COUNT(*) FROM backstep_outbox"); n != 0 {
			t.Errorf("%d rows", n)
		}
		record(t, d, o, long(200), participant.StartExecution{StateMachineArn: machine, Name: "n"})
		if waiting, err := o.Waiting(t.Context(), 1); err != nil || !strings.Contains(waiting[0].Input, `"input":"{}"`) {
			t.Errorf("%+v, %v", waiting, err)
		}
	})
}

// TestLanesKeepTheirOrder: several relays send many lanes, of which messages fail now
// and then; each comes in its order, and nothing is sent by two at once.
func TestLanesKeepTheirOrder(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		o := participant.NewOutbox(d.DB, d.dialect)
		const lanes, perLane = 6, 8
		p := &post{slow: time.Millisecond}
		p.fail = func(what string, times int) error {
			if strings.HasPrefix(what, "SendTaskSuccess") && strings.HasSuffix(what, "3") && times == 1 {
				return api.Errorf(api.CodeThrottling, "not now")
			}
			return nil
		}
		for n := range perLane {
			for lane := range lanes {
				record(t, d, o, fmt.Sprintf("order-%d", lane), success(fmt.Sprintf("%d-%d", lane, n)))
			}
		}
		for i := range 20 {
			record(t, d, o, "", start(fmt.Sprintf("free-%d", i)))
		}
		ctx, stop := context.WithCancel(t.Context())
		var relays sync.WaitGroup
		for range 3 {
			r := &participant.Relay{Outbox: o, Send: p.send, Parallel: 3, Interval: 5 * time.Millisecond}
			relays.Go(func() {
				if err := r.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		for deadline := time.Now().Add(20 * time.Second); d.number(t, "SELECT COUNT(*) FROM backstep_outbox WHERE state <> 'sent'") > 0; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s; got %v", d.states(t), p.got)
			}
		}
		stop()
		relays.Wait()
		next := map[string]int{}
		for _, got := range p.got {
			if strings.HasPrefix(got, "twice") {
				t.Error(got)
			}
			token, ok := strings.CutPrefix(got, "SendTaskSuccess ")
			if !ok {
				continue
			}
			lane, number, _ := strings.Cut(token, "-")
			if fmt.Sprint(next[lane]) != number && !(number == "3" && next[lane] == 4) {
				t.Errorf("lane %s: %s comes where %d should: %v", lane, number, next[lane], p.got)
			}
			if fmt.Sprint(next[lane]) == number {
				next[lane]++
			}
		}
		if n := len(p.got); n != lanes*perLane+20+lanes {
			t.Errorf("%d sends", n)
		}
	})
}

func TestWhatIsRefusedForGoodIsParked(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		o := participant.NewOutbox(d.DB, d.dialect)
		p := &post{}
		var log bytes.Buffer
		r := &participant.Relay{Outbox: o, Send: p.send, Parallel: 1, Log: slog.New(slog.NewTextHandler(&log, nil))}
		refusals := map[string]error{
			"StartExecution taken":   api.Errorf(api.CodeExecutionAlreadyExists, "it has another input"),
			"SendTaskSuccess forged": api.Errorf(api.CodeInvalidToken, "it is not ours"),
			"SendTaskSuccess late":   fmt.Errorf("wrapped: %w", api.Errorf(api.CodeTaskTimedOut, "it is over\x00\xff")),
		}
		p.fail = func(what string, _ int) error { return refusals[what] }
		record(t, d, o, "lane", start("taken"), success("forged"), success("late"), success("good"))
		pass(t, r)
		parked, err := o.Parked(t.Context(), 10)
		if err != nil || len(parked) != 3 || d.states(t) != "waiting 0, sent 1, parked 3" {
			t.Fatalf("%+v, %v; %s", parked, err, d.states(t))
		}
		for i, word := range []string{"another input", "not ours", "it is over"} {
			if l := parked[i]; !strings.Contains(l.Error, word) || l.Sends != 1 || l.Lane != "lane" || l.ID == 0 || time.Since(l.Recorded) > time.Minute || l.Operation == "" {
				t.Errorf("%+v", l)
			}
			if !strings.Contains(log.String(), word) {
				t.Errorf("the log does not tell of %q", word)
			}
		}
		if strings.Contains(log.String(), "taskToken") {
			t.Error("the log tells a token")
		}

		// Somebody looks at them.
		refusals = nil
		if err := errors.Join(o.Requeue(t.Context(), parked[0].ID), o.Discard(t.Context(), parked[1].ID)); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{o.Requeue(t.Context(), parked[0].ID), o.Discard(t.Context(), parked[0].ID), o.Requeue(t.Context(), 999)} {
			if !errors.Is(err, participant.ErrNotParked) {
				t.Errorf("it gives %v", err)
			}
		}
		pass(t, r)
		if got := d.states(t); got != "waiting 0, sent 2, parked 1" {
			t.Error(got)
		}
	})
}

// TestWhatFailsIsTriedAgain: after a while, ever longer, and without end.
func TestWhatFailsIsTriedAgain(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		o := participant.NewOutbox(d.DB, d.dialect)
		p := &post{fail: func(string, int) error { return errors.New("no answer") }}
		r := &participant.Relay{Outbox: o, Send: p.send}
		record(t, d, o, "lane", success("t"), success("after"))
		var longest time.Duration
		for try := 1; try <= 12; try++ {
			pass(t, r)
			waiting, err := o.Waiting(t.Context(), 10)
			if err != nil || len(waiting) != 2 || waiting[0].Sends != try || waiting[0].Error != "no answer" {
				t.Fatalf("%+v, %v", waiting, err)
			}
			wait := time.Until(waiting[0].Due)
			if wait < 900*time.Millisecond || wait > 6*time.Minute+time.Second {
				t.Errorf("after %d tries it waits for %v", try, wait)
			}
			longest = max(longest, wait)
			d.hurry(t)
		}
		if longest < 5*time.Second {
			t.Errorf("it never waits for longer than %v", longest)
		}
		p.fail = nil
		pass(t, r)
		pass(t, r)
		if got := d.states(t); got != "waiting 0, sent 2, parked 0" {
			t.Error(got)
		}
	})
}

// TestATaskThatIsOver: it may be by an earlier send whose answer nobody heard; where
// all earlier sends were surely not taken, it is somebody's to look at.
func TestATaskThatIsOver(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		o := participant.NewOutbox(d.DB, d.dialect)
		over := api.Errorf(api.CodeTaskTimedOut, "it is over")
		firsts := map[string]error{
			"lost":      errors.New("connection reset"),
			"fault":     api.Errorf(api.CodeInternalFailure, ""),
			"throttled": api.Errorf(api.CodeThrottling, ""),
			"unreached": fmt.Errorf("post: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}),
		}
		p := &post{}
		p.fail = func(what string, times int) error {
			if times == 1 {
				return firsts[strings.TrimPrefix(what, "SendTaskSuccess ")]
			}
			return over
		}
		r := &participant.Relay{Outbox: o, Send: p.send}
		for name := range firsts {
			record(t, d, o, "", success(name))
		}
		pass(t, r)
		if got := d.states(t); got != "waiting 4, sent 0, parked 0" {
			t.Fatal(got)
		}
		d.hurry(t)
		pass(t, r)
		if got := d.states(t); got != "waiting 0, sent 2, parked 2" {
			t.Error(got)
		}
		parked, err := o.Parked(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range parked {
			if !strings.Contains(l.Input, "throttled") && !strings.Contains(l.Input, "unreached") {
				t.Errorf("%+v", l)
			}
		}
		if n := d.number(t, "SELECT COUNT(*) FROM backstep_outbox WHERE state = 'sent' AND error LIKE '%answer is not known%TaskTimedOut%'"); n != 2 {
			t.Errorf("%d of those that were sent tell what was said", n)
		}
	})
}

// A relay that was too slow may not undo what another one has written down since.
func TestARelayWhoseClaimHasRunOut(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		o := participant.NewOutbox(d.DB, d.dialect)
		record(t, d, o, "", success("t"))
		quick := &participant.Relay{Outbox: o, Send: func(context.Context, string, []byte) error { return nil }}
		slow := &participant.Relay{Outbox: o, Send: func(context.Context, string, []byte) error {
			d.hurry(t) // the claim runs out
			pass(t, quick)
			return api.Errorf(api.CodeTaskTimedOut, "the quick one has completed it")
		}}
		pass(t, slow)
		if got := d.states(t); got != "waiting 0, sent 1, parked 0" {
			t.Error(got)
		}
		// Nor may it park, or put off, what another one is sending.
		record(t, d, o, "", success("u"))
		slow.Send = func(context.Context, string, []byte) error {
			d.exec(t, "UPDATE backstep_outbox SET sends = sends + 1, due = 77 WHERE state = 'waiting'") // another one claims it
			return api.Errorf(api.CodeInvalidToken, "")
		}
		if _, err := slow.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := d.number(t, "SELECT due FROM backstep_outbox WHERE state = 'waiting'"); n != 77 {
			t.Errorf("it is due at %d; %s", n, d.states(t))
		}
	})
}

// A send that hangs is broken off before the claim has run out.
func TestASendThatHangs(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		o := participant.NewOutbox(d.DB, d.dialect)
		record(t, d, o, "", success("t"))
		r := &participant.Relay{Outbox: o, Lease: 200 * time.Millisecond, Send: func(ctx context.Context, _ string, _ []byte) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		began := time.Now()
		if n, err := r.Pass(t.Context()); n != 1 || err != nil || time.Since(began) > 5*time.Second {
			t.Errorf("%d, %v after %v", n, err, time.Since(began))
		}
		if waiting, err := o.Waiting(t.Context(), 1); err != nil || !strings.Contains(waiting[0].Error, "deadline") {
			t.Errorf("%+v, %v", waiting, err)
		}
	})
}

// A relay that is stopped ends what it sends, and claims nothing more.
func TestARelayIsStopped(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		o := participant.NewOutbox(d.DB, d.dialect)
		record(t, d, o, "lane", success("t"), success("u"))
		ctx, stop := context.WithCancel(t.Context())
		r := &participant.Relay{Outbox: o, Send: func(ctx context.Context, _ string, _ []byte) error {
			stop()
			time.Sleep(10 * time.Millisecond)
			return ctx.Err()
		}}
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
		if got := d.states(t); got != "waiting 1, sent 1, parked 0" {
			t.Error(got)
		}
		for _, wrong := range []*participant.Relay{{}, {Outbox: o}, {Outbox: o, Send: r.Send, Lease: -1}} {
			if err := wrong.Run(t.Context()); err == nil {
				t.Errorf("%+v runs", wrong)
			}
		}
	})
}

// A relay whose database is away for a while goes on when it is back.
func TestARelayWaitsForItsDatabase(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		o := participant.NewOutbox(d.DB, d.dialect)
		record(t, d, o, "", success("t"))
		d.exec(t, "ALTER TABLE backstep_outbox RENAME TO away")
		var log safeBuffer
		ctx, stop := context.WithCancel(t.Context())
		r := &participant.Relay{Outbox: o, Send: (&post{}).send, Interval: time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil))}
		var running sync.WaitGroup
		running.Go(func() {
			if err := r.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		eventually(t, func() bool { return strings.Contains(log.String(), "the outbox can't be read") })
		d.exec(t, "ALTER TABLE away RENAME TO backstep_outbox")
		eventually(t, func() bool { return d.states(t) == "waiting 0, sent 1, parked 0" })
		stop()
		running.Wait()
	})
}

func TestPurgeOfTheOutbox(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		o := participant.NewOutbox(d.DB, d.dialect)
		for range 2 {
			record(t, d, o, "", success("sent"))
		}
		r := &participant.Relay{Outbox: o, Send: (&post{}).send}
		pass(t, r)
		record(t, d, o, "", success("forged"))
		r.Send = func(context.Context, string, []byte) error { return api.Errorf(api.CodeInvalidToken, "") }
		pass(t, r)
		record(t, d, o, "", success("waits"))
		if n, err := o.Purge(t.Context(), participant.MinRetention, 10); n != 0 || err != nil {
			t.Errorf("%d are purged, %v", n, err)
		}
		d.exec(t, "UPDATE backstep_outbox SET changed = 0, recorded = 0")
		for _, want := range []int{1, 1, 0} {
			if n, err := o.Purge(t.Context(), participant.MinRetention, 1); n != want || err != nil {
				t.Errorf("%d are purged, %v", n, err)
			}
		}
		if got := d.states(t); got != "waiting 1, sent 0, parked 1" {
			t.Error(got)
		}
		if _, err := o.Purge(t.Context(), time.Hour, 10); err == nil {
			t.Error("an hour is taken")
		}
	})
}

// TestAnEffectAndItsMessage: what a call wants of Backstep is recorded once, however
// often the call comes, and not at all where it is refused.
func TestAnEffectAndItsMessage(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		b, o := participant.NewBarrier(d.DB, d.dialect), participant.NewOutbox(d.DB, d.dialect)
		for range 3 {
			for _, refused := range []bool{false, true} {
				c := forward(fmt.Sprintf("s-%v", refused))
				_, err := b.Do(t.Context(), c, func(ctx context.Context, tx *sql.Tx) (participant.Answer, error) {
					return participant.Answer{Refused: refused}, o.Record(ctx, tx, c.Key, start("of-"+c.Key))
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		waiting, err := o.Waiting(t.Context(), 10)
		if err != nil || len(waiting) != 1 || waiting[0].Lane != "s-false" {
			t.Errorf("%+v, %v", waiting, err)
		}
	})
}

// safeBuffer is a buffer that many may write to.
type safeBuffer struct {
	sync.Mutex
	bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.String()
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never happens")
		}
	}
}
