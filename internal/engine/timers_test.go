package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// Timers of the near future are in memory, those of the far one on disk; both
// ring on time, also over a restart, and only once.
func TestTimersRingOnTime(t *testing.T) {
	for _, seconds := range []int64{1, 100, 299, 301, 1000, 100_000} {
		for _, restart := range []bool{false, true} {
			r := newRig(t, echo, nil)
			id := r.start(r.define(fmt.Sprintf(`{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":%d,"End":true}}}`, seconds)), "a", `{}`).ID
			r.pass(time.Duration(seconds) * time.Second / 2)
			if restart {
				r.open()
			}
			r.pass(time.Duration(seconds)*time.Second/2 - time.Millisecond)
			if h := r.head(id); h.Status != machine.Running {
				t.Errorf("%d s: rang early", seconds)
			}
			r.pass(time.Millisecond)
			h := r.head(id)
			if h.Status != machine.Succeeded || h.Stop != begin+seconds*1000 {
				t.Errorf("%d s, restart %v: %v at %d", seconds, restart, h.Status, h.Stop-begin)
			}
			events := h.LastEvent
			r.pass(time.Hour)
			if h := r.head(id); h.LastEvent != events {
				t.Errorf("%d s: rang again", seconds)
			}
		}
	}
}

// Only what is due within the window is in memory.
func TestFarTimersStayOnDisk(t *testing.T) {
	r := newRig(t, echo, nil)
	m := r.define(`{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":86400,"End":true}}}`)
	for range 50 {
		r.start(m, "", `{}`)
	}
	if n := r.engine.Load().Alarms; n != 0 {
		t.Errorf("%d alarms", n)
	}
	r.pass(86300 * time.Second)
	if n := r.engine.Load().Alarms; n != 50 {
		t.Errorf("%d alarms shortly before", n)
	}
}

// A clock that is set back makes nothing ring early, nor twice.
func TestAClockThatGoesBack(t *testing.T) {
	r := newRig(t, echo, nil)
	id := r.start(r.define(waiting), "a", `{}`).ID
	r.clock.now.Store(begin + 60_000)
	r.engine.Fire(r.clock.Now())
	r.clock.now.Store(begin + 30_000)
	r.settle()
	if h := r.head(id); h.Status != machine.Running {
		t.Fatal("rang early")
	}
	r.pass(time.Minute)
	if h := r.head(id); h.Status != machine.Succeeded {
		t.Errorf("%v", h.Status)
	}
}

func TestTheSystemClockNeverGoesBack(t *testing.T) {
	c := newSystemClock(true)
	if d := c.Now() - time.Now().UnixMilli(); d < -1000 || d > 1000 {
		t.Errorf("off by %d ms", d)
	}
	c.start = c.start.Add(-time.Hour).Round(0) // a wall clock that has leapt ahead of what passed
	last := c.Now()
	for range 1000 {
		if now := c.Now(); now < last {
			t.Fatal("went back")
		} else {
			last = now
		}
	}
}

const slow = `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke",
	"Parameters":{"FunctionName":"f"},"TimeoutSeconds":%d,"End":true}}}`

// A call that does not answer times out, within the window of memory and
// beyond; its answer after that changes nothing.
func TestACallTimesOut(t *testing.T) {
	for _, seconds := range []int64{10, 3600} {
		r := newRig(t, echo, nil)
		id := r.start(r.define(fmt.Sprintf(slow, seconds)), "a", `{}`).ID
		hanging := r.side
		r.side = nil
		r.pass(time.Duration(seconds)*time.Second - time.Millisecond)
		if h := r.head(id); h.Status != machine.Running {
			t.Fatalf("%d s: %v too early", seconds, h.Status)
		}
		r.pass(time.Millisecond)
		h := r.head(id)
		if h.Status != machine.Failed || *h.Error != "States.Timeout" {
			t.Fatalf("%d s: %v", seconds, h.Status)
		}
		for _, f := range hanging {
			f()
		}
		r.settle()
		if again := r.head(id); again.LastEvent != h.LastEvent {
			t.Errorf("the late answer was taken: %s", story(r.history(id)))
		}
	}
}

const callback = `{"StartAt":"C","States":{"C":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken",
	"Parameters":{"FunctionName":"f","Payload":{"token.$":"$$.Task.Token"}},"TimeoutSeconds":1000,"HeartbeatSeconds":30,"End":true}}}`

// tokenRig is a rig with one callback task under way.
func tokenRig(t *testing.T) (r *rig, id store.ID, token string) {
	r = newRig(t, func(ctx context.Context, task integration.Task) (value.Text, error) {
		if token = task.Token; task.Request.Decode().Get("Payload").Get("token").AsString() != token {
			t.Error("the token in the request is another one")
		}
		return value.Checked(`{}`), nil
	}, nil)
	id = r.start(r.define(callback), "a", `{}`).ID
	r.settle()
	return r, id, token
}

func TestATokenCompletesOnce(t *testing.T) {
	ctx := context.Background()
	name := "Mine"
	r, id, token := tokenRig(t)
	forged := []byte(token)
	forged[len(forged)-1] ^= 1
	for bad, want := range map[string]error{
		"": ErrInvalidToken, "nonsense": ErrInvalidToken, string(forged): ErrInvalidToken,
		machine.Token{ID: machine.ID{0, 1}, Job: 1, Attempt: 1}.Seal(r.engine.identity.TokenKey):                ErrTaskDoesNotExist,
		machine.Token{ID: machine.ID{9, 9}, Job: 1, Attempt: 1}.Seal(r.engine.identity.TokenKey):                ErrInvalidToken,
		machine.Token{ID: machine.ID(id), Job: 77, Attempt: 1}.Seal(r.engine.identity.TokenKey):                 ErrTaskTimedOut,
		machine.Token{ID: machine.ID(id), Job: 1, Attempt: 7}.Seal(r.engine.identity.TokenKey):                  ErrTaskTimedOut,
		machine.Token{ID: machine.ID(id), Job: 1, Attempt: 1, RestoreEpoch: 9}.Seal(r.engine.identity.TokenKey): ErrTaskTimedOut,
	} {
		if err := r.engine.Complete(ctx, bad, value.Checked(`1`), nil); !errors.Is(err, want) {
			t.Errorf("%q: %v, not %v", bad, err, want)
		}
		if err := r.engine.Heartbeat(ctx, bad); !errors.Is(err, want) {
			t.Errorf("beat %q: %v, not %v", bad, err, want)
		}
	}
	if err := r.engine.Complete(ctx, token, value.Checked(`{"n":1}`), nil); err != nil {
		t.Fatal(err)
	}
	h := r.head(id)
	if h.Status != machine.Succeeded {
		t.Fatalf("%v", h.Status)
	}
	for _, late := range []error{
		r.engine.Complete(ctx, token, value.Checked(`{"n":2}`), nil),
		r.engine.Complete(ctx, token, value.Text{}, &machine.Failure{Error: &name}),
		r.engine.Heartbeat(ctx, token),
	} {
		if !errors.Is(late, ErrTaskTimedOut) {
			t.Errorf("late: %v", late)
		}
	}
	if again := r.head(id); again.LastEvent != h.LastEvent {
		t.Error("a late answer was taken")
	}
}

func TestATokenFails(t *testing.T) {
	r, id, token := tokenRig(t)
	name, cause := "Mine", "because"
	if err := r.engine.Complete(context.Background(), token, value.Text{}, &machine.Failure{Error: &name, Cause: &cause}); err != nil {
		t.Fatal(err)
	}
	if h := r.head(id); h.Status != machine.Failed || *h.Error != name || *h.Cause != cause {
		t.Errorf("%+v", h)
	}
}

// Of all who want to end an attempt, in any order, one does.
func TestTheFirstWins(t *testing.T) {
	for seed := range uint64(100) {
		chance := rand.New(rand.NewPCG(seed, 0))
		r, id, token := tokenRig(t)
		won := 0
		r.clock.now.Add(29_999 + int64(chance.IntN(3)))
		acts := []func(){
			func() {
				if r.engine.Complete(context.Background(), token, value.Checked(`1`), nil) == nil {
					won++
				}
			},
			func() {
				if r.engine.Complete(context.Background(), token, value.Text{}, &machine.Failure{}) == nil {
					won++
				}
			},
			func() {
				before := r.head(id).Status
				if _, err := r.engine.Stop(context.Background(), id, machine.Failure{}); err == nil && before == machine.Running {
					won++
				}
			},
			func() {
				before := r.head(id).Status
				if r.settle(); before == machine.Running && r.head(id).Status == machine.Failed {
					won++
				}
			},
		}
		chance.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
		for _, act := range acts {
			act()
		}
		if won != 1 {
			t.Errorf("seed %d: %d of them won", seed, won)
		}
		r.history(id)
	}
}

// Heartbeats keep a task alive; without them it is lost; few of them are
// written; a new owner grants a whole interval.
func TestHeartbeats(t *testing.T) {
	ctx := context.Background()
	r, id, token := tokenRig(t)
	commits := r.commits
	for range 100 {
		r.pass(time.Second)
		if err := r.engine.Heartbeat(ctx, token); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.commits - commits; n < 10 || n > 22+100/3 {
		t.Errorf("%d commits in 100 seconds", n)
	}
	r.pass(29 * time.Second)
	r.open()
	r.pass(29 * time.Second)
	if h := r.head(id); h.Status != machine.Running {
		t.Fatalf("the new owner granted no interval: %v", h.Status)
	}
	if err := r.engine.Heartbeat(ctx, token); err != nil {
		t.Fatal(err)
	}
	r.pass(30*time.Second - time.Millisecond)
	if h := r.head(id); h.Status != machine.Running {
		t.Fatalf("lost early: %v", h.Status)
	}
	r.pass(time.Millisecond)
	if h := r.head(id); h.Status != machine.Failed || *h.Error != "States.Timeout" && *h.Error != "States.HeartbeatTimeout" {
		t.Errorf("%+v", h)
	}
	if err := r.engine.Heartbeat(ctx, token); !errors.Is(err, ErrTaskTimedOut) {
		t.Errorf("a late heartbeat: %v", err)
	}
}

// A heartbeat that comes in the same moment as its absence is noticed counts,
// be it written or not.
func TestAHeartbeatAtTheLastMoment(t *testing.T) {
	for _, heartbeat := range []int{2, 30} {
		var token string
		r := newRig(t, func(_ context.Context, task integration.Task) (value.Text, error) {
			token = task.Token
			return value.Checked(`{}`), nil
		}, nil)
		definition := strings.Replace(callback, `"HeartbeatSeconds":30`, fmt.Sprintf(`"HeartbeatSeconds":%d`, heartbeat), 1)
		id := r.start(r.define(definition), "a", `{}`).ID
		r.settle()
		for range 2 {
			r.clock.now.Add(int64(heartbeat) * 1000)
			r.engine.Fire(r.clock.Now())
			if err := r.engine.Heartbeat(context.Background(), token); err != nil {
				t.Fatal(err)
			}
			r.settle()
			if h := r.head(id); h.Status != machine.Running {
				t.Fatalf("%d s: %v", heartbeat, h.Status)
			}
		}
		r.pass(time.Duration(heartbeat) * time.Second)
		if h := r.head(id); h.Status != machine.Failed {
			t.Errorf("%d s: %v", heartbeat, h.Status)
		}
	}
}

// A task whose heartbeats have come, but are not written, is not told as out of time
// where another branch is whose heartbeats are due at the same time.
func TestAHeartbeatBesideOneThatIsMissing(t *testing.T) {
	branch := func(name string) string {
		return `{"StartAt":"` + name + `","States":{"` + name + `":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken",` +
			`"Parameters":{"FunctionName":"` + name + `"},"HeartbeatSeconds":2,"End":true}}}`
	}
	k := tokens{}
	r := newRig(t, func(_ context.Context, task integration.Task) (value.Text, error) {
		k[task.Request.Decode().Get("FunctionName").AsString()] = task.Token
		return value.Checked(`{}`), nil
	}, nil)
	id := r.start(r.define(`{"StartAt":"Both","States":{"Both":{"Type":"Parallel","End":true,"Branches":[`+branch("Beats")+`,`+branch("Silent")+`]}}}`), "a", `{}`).ID
	r.settle()
	for range 2 {
		if err := r.engine.Heartbeat(t.Context(), k["Beats"]); err != nil {
			t.Fatal(err)
		}
		r.pass(time.Second)
	}
	told := story(r.history(id))
	if h, n := r.head(id), strings.Count(told, "TaskTimedOut"); h.Status != machine.Failed || n != 1 {
		t.Errorf("%v, %d tasks are out of time: %s", h.Status, n, told)
	}
}

// The heap of alarms is held against a plain list.
func TestAlarms(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	a, plain := newAlarms(), map[alarmKey]int64{}
	for range 20_000 {
		k := alarmKey{store.JobKey{ID: store.ID{0, byte(chance.IntN(3)), byte(chance.IntN(9))}, Number: uint32(chance.IntN(5))}, chance.IntN(4) == 0}
		switch chance.IntN(12) {
		case 0:
			a.clear(k.JobKey)
			delete(plain, alarmKey{k.JobKey, false})
			delete(plain, alarmKey{k.JobKey, true})
		case 1:
			a.set(k, store.Never)
			delete(plain, k)
		case 2:
			a.forget(k.ID.Shard(), func(id store.ID) bool { return id == k.ID })
			for other := range plain {
				if other.ID.Shard() == k.ID.Shard() && other.ID != k.ID {
					delete(plain, other)
				}
			}
		case 3, 4, 5:
			now := int64(chance.IntN(1000))
			for {
				got, rings := a.take(now)
				if !rings {
					break
				}
				if due, there := plain[got]; !there || due > now {
					t.Fatalf("%v rang, set for %d at %d", got, due, now)
				}
				delete(plain, got)
			}
			for k, due := range plain {
				if due <= now {
					t.Fatalf("%v did not ring, set for %d at %d", k, due, now)
				}
			}
		default:
			due := int64(chance.IntN(1000))
			a.set(k, due)
			plain[k] = due
		}
		if due, there := a.due(k); there != (func() bool { _, set := plain[k]; return set })() || due != plain[k] {
			t.Fatalf("%v: %d, %v", k, due, there)
		}
		if len(a.heap) != len(plain) || len(a.byKey) != len(plain) {
			t.Fatalf("%d alarms, %d set", len(a.heap), len(plain))
		}
	}
}

// Whoever waits for the next alarm is woken for one that he would miss, and for no
// other: each call has one, which seldom rings.
func TestAlarmsWakeWhoWouldMissThem(t *testing.T) {
	a := newAlarms()
	a.looksAt(1000)
	for i, one := range []struct {
		due  int64
		wake bool
	}{{2000, false}, {1000, false}, {999, true}, {1500, false}, {999, false}, {400, true}} {
		a.set(alarmKey{JobKey: store.JobKey{Number: uint32(i)}}, one.due)
		woken := false
		select {
		case <-a.wake:
			woken = true
		default:
		}
		if woken != one.wake {
			t.Errorf("alarm %d, due at %d: woken %v", i, one.due, woken)
		}
	}
}
