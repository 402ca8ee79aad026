package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

func TestRunExpress(t *testing.T) {
	e, m := live(t, saga(3), echo, nil)
	commits := e.Metrics().Commits.Load()
	o, err := e.RunExpress(context.Background(), StartRequest{Machine: m, Name: "a", Input: value.Checked(`{"x":1}`)})
	if err != nil || o.Status != machine.Succeeded || o.Name != "a" || o.Output.Decode().Get("x").Spelling() != "1" || o.Stop < o.At {
		t.Fatalf("%+v, %v", o, err)
	}
	if n := e.Metrics().Commits.Load() - commits; n != 0 {
		t.Errorf("%d commits", n)
	}
	if again, err := e.RunExpress(context.Background(), StartRequest{Machine: m, Name: "a"}); err != nil || again.ID == o.ID {
		t.Errorf("a name may come again: %+v, %v", again, err)
	}
	if l := e.Load(); l.Cached != 0 || l.Alarms != 0 || e.Metrics().Express.Load() != 0 {
		t.Errorf("is left: %+v", l)
	}
}

func TestRunExpressFails(t *testing.T) {
	e, m := live(t, `{"StartAt":"F","States":{"F":{"Type":"Fail","Error":"Mine","Cause":"because"}}}`, echo, nil)
	o, err := e.RunExpress(context.Background(), StartRequest{Machine: m})
	if err != nil || o.Status != machine.Failed || *o.Error != "Mine" || *o.Cause != "because" {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestRunExpressOutlivesItsCaller(t *testing.T) {
	e, m := live(t, waiting, echo, nil)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := e.RunExpress(ctx, StartRequest{Machine: m}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if e.Metrics().Express.Load() != 1 {
		t.Error("it has ended with its caller")
	}
}

func TestTooManyExpress(t *testing.T) {
	r := newRig(t, echo, func(c *Config) { c.Limits.Express = 1 })
	m := r.define(waiting)
	if _, err := r.engine.StartExpress(context.Background(), StartRequest{Machine: m}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.engine.StartExpress(context.Background(), StartRequest{Machine: m}); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
}

// An asynchronous express execution has one record from start to end, ends
// after five minutes at the latest, and is run anew after a crash.
func TestStartExpress(t *testing.T) {
	calls := 0
	r := newRig(t, func(context.Context, integration.Task) (value.Text, error) {
		calls++
		return value.Checked(`{}`), nil
	}, nil)
	ctx := context.Background()
	m := r.define(`{"StartAt":"T","States":{
		"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"Next":"W"},
		"W":{"Type":"Wait","Seconds":10,"End":true}}}`)
	commits := &r.engine.Metrics().Commits
	s, err := r.engine.StartExpress(ctx, StartRequest{Machine: m, Input: value.Checked(`{"x":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	r.pass(5 * time.Second)
	if _, err := r.session.Execution(ctx, s.ID); err != nil {
		t.Errorf("the record: %v", err)
	}
	if calls != 1 || commits.Load() != 1 {
		t.Errorf("%d calls, %d commits", calls, commits.Load())
	}
	r.open()
	r.pass(9 * time.Second)
	if calls != 2 || r.engine.Metrics().Express.Load() != 1 {
		t.Errorf("after the crash %d calls, %d running", calls, r.engine.Metrics().Express.Load())
	}
	r.pass(2 * time.Second)
	if _, err := r.session.Execution(ctx, s.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the record is still there: %v", err)
	}
	r.open()
	r.pass(time.Minute)
	if calls != 2 {
		t.Errorf("%d calls", calls)
	}
}

func TestExpressEndsAfterFiveMinutes(t *testing.T) {
	r := newRig(t, echo, nil)
	m := r.define(`{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":10000,"End":true}}}`)
	s, err := r.engine.StartExpress(context.Background(), StartRequest{Machine: m})
	if err != nil {
		t.Fatal(err)
	}
	r.pass(5*time.Minute - time.Millisecond)
	if r.engine.Metrics().Express.Load() != 1 {
		t.Error("it ended early")
	}
	r.pass(time.Millisecond)
	if r.engine.Metrics().Express.Load() != 0 || r.engine.Metrics().TimedOut.Load() != 1 {
		t.Error("it runs on")
	}
	if _, err := r.session.Execution(context.Background(), s.ID); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

// Whatever commit of an asynchronous express execution meets a crash: what was
// acknowledged runs at least once, and no record stays.
func TestExpressOutlivesCrashes(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, applied := range []bool{false, true} {
			calls := 0
			r := newRig(t, func(context.Context, integration.Task) (value.Text, error) {
				calls++
				return value.Checked(`{}`), nil
			}, nil)
			m := r.define(saga(2))
			r.session.CrashIn(n, applied)
			_, err := r.engine.StartExpress(context.Background(), StartRequest{Machine: m})
			r.pass(time.Second)
			r.open()
			r.pass(time.Minute)
			if err == nil && calls < 2 || err != nil && !applied && calls > 0 {
				t.Errorf("crash at %d, applied %v: %d calls; %v", n, applied, calls, err)
			}
			for _, s := range r.engine.shards {
				if jobs, err := r.session.Jobs(context.Background(), s.number, store.Never, nil, 9); err != nil || len(jobs) > 0 {
					t.Errorf("crash at %d, applied %v: %v, %v", n, applied, jobs, err)
				}
			}
		}
	}
}
