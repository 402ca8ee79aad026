package engine

import (
	"context"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/value"
)

// How late things are is told: a timer that did not fire, one that was not read from
// disk, and work that finds no place.
func TestLate(t *testing.T) {
	r := newRig(t, echo, func(c *Config) { c.Limits.CallsPerKind = 1 })
	late := func(when string, timer, work time.Duration) {
		t.Helper()
		if gotTimer, gotWork := r.engine.Late(); gotTimer != timer || gotWork != work {
			t.Errorf("%s: %v and %v", when, gotTimer, gotWork)
		}
	}
	late("at first", 0, 0)
	r.start(r.define(waiting), "w", `{}`)
	r.clock.now.Add(67_000)
	late("a timer that did not fire", 7*time.Second, 0)
	r.settle()
	late("afterwards", 0, 0)
	m := r.define(saga(1))
	r.start(m, "a", `{}`)
	r.start(m, "b", `{}`)
	r.clock.now.Add(40_000)
	late("work that has no place", 0, 40*time.Second)
	r.settle()
	late("in the end", 0, 0)
	r.start(r.define(waiting), "v", `{}`)
	r.open() // taken, and not read: Fire has not come yet
	for _, s := range r.engine.shards {
		s.reading, s.after = true, nil
	}
	r.clock.now.Add(70_000)
	r.engine.alarms = newAlarms()
	late("a timer that was not read", 10*time.Second, 0)
}

// Further attempts are counted by where they go, and long histories once.
func TestRetriesAndLongHistories(t *testing.T) {
	r := newRig(t, func(context.Context, integration.Task) (value.Text, error) {
		return value.Text{}, integration.NewError("Down", "", integration.EffectNone)
	}, func(c *Config) { c.Quotas = machine.AWSLimits(); c.Quotas.Events = 20 })
	m := r.define(`{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},
		"Retry":[{"ErrorEquals":["Down"],"IntervalSeconds":1,"MaxAttempts":9}],"End":true}}}`)
	id := r.start(m, "x", `{}`).ID
	r.pass(10 * time.Minute)
	if h := r.head(id); h.Status != machine.Failed {
		t.Fatalf("%+v", h)
	}
	all := r.engine.Retries()
	if len(all) != 1 || all[[2]string{"lambda", "f"}] == 0 {
		t.Errorf("counted: %+v", all)
	}
	if n := r.engine.Metrics().LongHistories.Load(); n != 1 {
		t.Errorf("%d histories became long", n)
	}
	var many retries
	for n := range 3 * mostCounted {
		many.add(dest{"http", string(rune('a' + n))})
	}
	if n := len(many.of); n > mostCounted+1 || many.of[dest{service: "http"}] != 2*mostCounted {
		t.Errorf("%d places are counted by themselves", n)
	}
}
