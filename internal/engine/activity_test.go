package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

const activity = `{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","TimeoutSeconds":100,"End":true}}}`

// poll asks once, without waiting.
func (r *rig) poll(worker string) PolledTask {
	r.t.Helper()
	task, err := r.engine.Poll(context.Background(), "123456789012", "us-east-1", "work", worker, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	return task
}

func TestTasksAreHandedOutInOrder(t *testing.T) {
	r := newRig(t, echo, nil)
	m := r.define(activity)
	if task := r.poll("w"); task.Token != "" {
		t.Error("a task out of nothing")
	}
	var ids []store.ID
	for i := range 5 {
		ids = append(ids, r.start(m, "", fmt.Sprint(i)).ID)
		r.clock.now.Add(10)
	}
	if _, err := r.engine.Stop(context.Background(), ids[2], machine.Failure{}); err != nil {
		t.Fatal(err)
	}
	r.open() // what waits outlives the process
	for _, want := range []string{"0", "1", "3", "4"} {
		task := r.poll("w")
		if task.Input.String() != want {
			t.Fatalf("got %s, not %s", task.Input, want)
		}
		if err := r.engine.Complete(context.Background(), task.Token, value.Checked(want+want), nil); err != nil {
			t.Fatal(err)
		}
	}
	if task := r.poll("w"); task.Token != "" {
		t.Errorf("a stopped execution's task was handed out: %s", task.Input)
	}
	for i, id := range ids {
		if h := r.head(id); h.Status != machine.Succeeded && i != 2 {
			t.Errorf("%d: %v", i, h.Status)
		}
	}
}

func TestATaskThatNobodyTakesTimesOut(t *testing.T) {
	r := newRig(t, echo, nil)
	id := r.start(r.define(activity), "a", `{}`).ID
	r.pass(101 * time.Second)
	if h := r.head(id); h.Status != machine.Failed || *h.Error != "States.Timeout" {
		t.Errorf("%+v", h)
	}
	if task := r.poll("w"); task.Token != "" {
		t.Error("it was handed out afterwards")
	}
	if rows, err := r.session.Queue(context.Background(), Tenant("123456789012", "us-east-1"), "work", 9); err != nil || len(rows) > 0 {
		t.Errorf("%v are still queued, %v", rows, err)
	}
}

func TestActivitiesThatAreGone(t *testing.T) {
	r := newRig(t, echo, func(c *Config) { c.Gone = func(arn string) bool { return true } })
	id := r.start(r.define(activity), "a", `{}`).ID
	if h := r.head(id); h.Status != machine.Failed || *h.Error != "States.Runtime" {
		t.Errorf("%+v", h)
	}
}

// Many pollers and many tasks: each task goes to one of them, in no time.
func TestManyPollers(t *testing.T) {
	e, m := live(t, activity, echo, nil)
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan string, 1000)
	done := make(chan struct{})
	const pollers, tasks = 50, 300
	for i := range pollers {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				task, err := e.Poll(ctx, "123456789012", "us-east-1", "work", fmt.Sprint(i), time.Minute)
				if errors.Is(err, context.Canceled) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				if err := e.Complete(ctx, task.Token, task.Input, nil); err != nil {
					t.Error(err)
				}
				got <- task.Input.String()
			}
		}()
	}
	var ids []store.ID
	for i := range tasks {
		s, err := e.Start(ctx, StartRequest{Machine: m, Input: value.Checked(fmt.Sprint(i))})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.ID)
	}
	seen := map[string]bool{}
	for range tasks {
		if one := <-got; seen[one] {
			t.Errorf("task %s was handed out twice", one)
		} else {
			seen[one] = true
		}
	}
	cancel()
	for range pollers {
		<-done
	}
	for _, id := range ids {
		if _, h, err := e.Execution(context.Background(), id); err != nil || h.Status != machine.Succeeded {
			t.Errorf("%v %v", h.Status, err)
		}
	}
	if n := len(e.activities.polled); n != 0 {
		t.Errorf("%d activities are remembered", n)
	}
}

func TestTooManyPollers(t *testing.T) {
	e, _ := live(t, activity, echo, func(c *Config) { c.Limits.Pollers = 1 })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	go func() {
		err := ErrTooManyPollers
		for errors.Is(err, ErrTooManyPollers) { // the poll below may have been first
			_, err = e.Poll(ctx, "123456789012", "us-east-1", "work", "", time.Minute)
		}
		ended <- err
	}()
	await(t, func() bool {
		_, err := e.Poll(context.Background(), "123456789012", "us-east-1", "work", "", 0)
		return errors.Is(err, ErrTooManyPollers)
	})
	cancel()
	<-ended
}

// A poller that looks of its own accord uses the wake-up that it has: whoever wakes it
// once more does not wait for it, with everybody behind.
func TestAPollerIsWokenTwice(t *testing.T) {
	a := &activities{polled: make(map[activityKey]*polled)}
	k, wake := activityKey{"t", "work"}, make(chan struct{}, 1)
	a.enter(k, 1)
	defer a.leave(k, wake)
	a.wait(k, wake)
	a.wake(k)
	a.wait(k, wake)
	woken := make(chan struct{})
	go func() {
		a.wake(k)
		close(woken)
	}()
	select {
	case <-woken:
	case <-time.After(10 * time.Second):
		t.Fatal("it is waited for for ever")
	}
	if len(wake) != 1 {
		t.Error("it is not woken")
	}
}
