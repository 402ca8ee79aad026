package service_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/notify"
	"github.com/backstep/backstep/internal/service"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
)

// channel is a way to people that keeps what it was told, or fails.
type channel struct {
	mu    sync.Mutex
	told  []notify.Notice
	fails func(n *notify.Notice) bool
}

func (c *channel) Tell(_ context.Context, n *notify.Notice) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fails != nil && c.fails(n) {
		return errors.New("away")
	}
	c.told = append(c.told, *n)
	return nil
}

// heard is what was told since it was last asked, in words.
func (c *channel) heard() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var words []string
	for _, n := range c.told {
		words = append(words, fmt.Sprintf("%s %s %d", n.Machine, n.Error, n.Count))
	}
	c.told = nil
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// listener is a house with somebody who is told of its holds, and a clock that the
// test sets forward.
type listener struct {
	*house
	t        *testing.T
	channel  channel
	notifier *service.Notifier
	ahead    time.Duration
}

func newListener(t *testing.T, h *house) *listener {
	l := &listener{house: h, t: t}
	h.service.Now = func() time.Time { return time.Now().Add(l.ahead) }
	l.again()
	return l
}

// again begins anew, as a process does that was started again.
func (l *listener) again() {
	l.notifier = service.NewNotifier(service.NotifierConfig{
		Service: l.service, Name: "hook", Channel: &l.channel, Every: time.Minute, Link: "https://console.example.com/",
	})
}

// round lets the notifier look once, and is what was told then.
func (l *listener) round() string {
	l.t.Helper()
	if _, err := l.notifier.Round(l.t.Context()); err != nil {
		l.t.Error(err)
	}
	return l.channel.heard()
}

// rows counts what is still to be told.
func (l *listener) rows() int {
	l.t.Helper()
	rows, err := l.store.Index(l.t.Context(), store.IndexQuery{Tenant: engine.Tenant(account, region), Index: engine.IndexNotices, Value: "hook", Limit: 100})
	if err != nil {
		l.t.Fatal(err)
	}
	return len(rows)
}

// hold starts an order that comes to a hold by an error.
func (l *listener) hold(machine, name, by string) string {
	l.t.Helper()
	return l.saga(l.t, l.service, machine, name, api.SagaStatusOnHold, "ship=No", "refund="+by)
}

func TestNotices(t *testing.T) {
	l := newListener(t, newHouse(t))
	machine := create(t, l.service, "Order", order)
	if got := l.round(); got != "" {
		t.Errorf("of nothing was told %s", got)
	}
	x := l.hold(machine, "one", "Down")
	if _, err := l.notifier.Round(t.Context()); err != nil || len(l.channel.told) != 1 {
		t.Fatalf("%+v, %v", l.channel.told, err)
	}
	n := l.channel.told[0]
	first := n.First[0]
	if n.Machine != "Order" || n.ARN != machine || n.Error != "Down" || n.Count != 1 || len(n.First) != 1 || n.Command != "backstep hold list Order --error Down" ||
		n.Link != "https://console.example.com/holds?error=Down&machine=Order" || len(n.ID) != 32 {
		t.Errorf("told was %+v", n)
	}
	if first.Execution != x || first.Name != "Order:one" || first.Number != "1" || first.State != "Charge" || first.Operation != "compensate" || first.Error != "Down" ||
		first.Cause != "refund refuses" || first.Runbook != "charge's" || !strings.HasPrefix(first.Link, "https://console.example.com/executions/arn:aws:states:") || time.Since(first.Since) > time.Minute {
		t.Errorf("told was of %+v", first)
	}
	l.channel.heard()
	for range 2 {
		if got := l.round(); got != "" || l.rows() != 0 {
			t.Errorf("told again were %s", got)
		}
	}

	for i := range 7 {
		l.hold(machine, fmt.Sprint("more", i), "Down")
	}
	l.hold(machine, "other", "Other")
	if got := l.round(); got != "Order Other 1" || l.rows() != 7 {
		t.Errorf("within a minute was told %s", got)
	}
	l.ahead += 59 * time.Second
	if got := l.round(); got != "" {
		t.Errorf("within a minute was told %s", got)
	}
	l.ahead += 2 * time.Second
	if _, err := l.notifier.Round(t.Context()); err != nil || len(l.channel.told) != 1 || len(l.channel.told[0].First) != 5 {
		t.Errorf("%+v, %v", l.channel.told, err)
	}
	if got := l.channel.heard(); got != "Order Down 7" || l.rows() != 0 || l.notifier.Told() != 3 || l.notifier.Failed() != 0 {
		t.Errorf("after a minute was told %s", got)
	}
}

// What was resolved meanwhile, and what is gone, nobody is told of.
func TestNoticesOfWhatIsOver(t *testing.T) {
	l := newListener(t, newHouse(t))
	x := l.hold(create(t, l.service, "Order", order), "one", "Down")
	l.steps.now()
	resolve(t, l.service, x, "1", api.HoldVerbAbandon)
	k := store.IndexKey{Tenant: engine.Tenant(account, region), Index: engine.IndexNotices, Value: "hook", Start: 7}
	if err := l.store.Commit(t.Context(), &store.Batch{Index: []store.Index{{IndexKey: k}}}); err != nil {
		t.Fatal(err)
	}
	if got := l.round(); got != "" || l.rows() != 0 {
		t.Errorf("told was %s, and %d rows are left", got, l.rows())
	}
}

// Who can't be told is told later, and nothing is lost with the process; others are
// told meanwhile.
func TestNoticesThatFail(t *testing.T) {
	l := newListener(t, newHouse(t))
	machine := create(t, l.service, "Order", order)
	l.channel.fails = func(n *notify.Notice) bool { return n.Error == "Down" }
	l.hold(machine, "one", "Down")
	l.hold(machine, "two", "Other")
	if got := l.round(); got != "Order Other 1" || l.rows() != 1 || l.notifier.Failed() != 1 {
		t.Errorf("told was %s", got)
	}
	if got := l.round(); got != "" || l.notifier.Failed() != 1 {
		t.Errorf("at once it was tried again: %s", got)
	}
	l.ahead += time.Second
	if got := l.round(); got != "" || l.notifier.Failed() != 2 {
		t.Errorf("after a second: %s, %d failures", got, l.notifier.Failed())
	}
	l.ahead += time.Second
	if got := l.round(); got != "" || l.notifier.Failed() != 2 {
		t.Errorf("after another second: %s, %d failures", got, l.notifier.Failed())
	}
	l.channel.fails = nil
	l.again()
	if got := l.round(); got != "Order Down 1" || l.rows() != 0 {
		t.Errorf("started again it told %s", got)
	}
}

// What was told when the process died is told again: that it was is not known.
func TestNoticesAfterACrash(t *testing.T) {
	disk := storetest.NewMemory(storetest.MemoryOptions{})
	h := houseOn(t, disk.Open())
	l := newListener(t, h)
	l.hold(create(t, l.service, "Order", order), "one", "Down")
	id := ""
	l.channel.fails = func(n *notify.Notice) bool { id = n.ID; return true } // it came, and nobody heard so
	l.round()
	h.close()
	l = newListener(t, houseOn(t, disk.Open()))
	if _, err := l.notifier.Round(t.Context()); err != nil || len(l.channel.told) != 1 || l.channel.told[0].ID != id {
		t.Errorf("told was %+v, not %s; %v", l.channel.told, id, err)
	}
}

func TestNoticesOfQuarantine(t *testing.T) {
	disk := storetest.NewMemory(storetest.MemoryOptions{})
	h := houseOn(t, disk.Open())
	create(t, h.service, "O", sleeping)
	start(t, h.service, "arn:aws:states:us-east-1:123456789012:stateMachine:O", "bad", `{}`)
	quarantine(t, h, "O")
	rows, err := h.store.Index(t.Context(), store.IndexQuery{Tenant: engine.Tenant(account, region), Index: engine.IndexQuarantined, Limit: 1})
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	k := rows[0].IndexKey
	k.Index, k.Value, k.Start = engine.IndexNotices, "hook", time.Now().UnixMilli()
	if err := h.store.Commit(t.Context(), &store.Batch{Index: []store.Index{{IndexKey: k}}}); err != nil {
		t.Fatal(err)
	}
	h.close()
	l := newListener(t, houseOn(t, disk.Open()))
	if _, err := l.notifier.Round(t.Context()); err != nil || len(l.channel.told) != 1 || l.rows() != 0 {
		t.Fatalf("%+v, %v", l.channel.told, err)
	}
	n := l.channel.told[0]
	if n.Error != "quarantined" || n.Command != "backstep hold list O" || n.First[0].Name != "O:bad" || n.First[0].Cause != "a test" || n.First[0].State != "" {
		t.Errorf("told was %+v", n)
	}
}

// Whom nobody names any more is told nothing, and what was to be told him goes.
func TestNoticesToNobody(t *testing.T) {
	l := newListener(t, newHouse(t))
	l.hold(create(t, l.service, "Order", order), "one", "Down")
	nobody := service.NewNotifier(service.NotifierConfig{Service: l.service, Name: "hook"})
	ended := make(chan struct{})
	go func() { defer close(ended); nobody.Run(t.Context()) }()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
	if n := l.rows(); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestNoticesRun(t *testing.T) {
	l := newListener(t, newHouse(t))
	l.hold(create(t, l.service, "Order", order), "one", "D'oh & more")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); l.notifier.Run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); l.notifier.Told() == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-ended
	if n := l.channel.told; len(n) != 1 || n[0].Command != `backstep hold list Order --error 'D'\''oh & more'` {
		t.Errorf("told was %+v", n)
	}
}
