package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/fuzz"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

const waiting = `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":60,"End":true}}}`

func TestTheSameStartTwiceIsOne(t *testing.T) {
	r := newRig(t, echo, nil)
	m := r.define(waiting)
	first := r.start(m, "a", `{"x":1}`)
	r.pass(10 * time.Second)
	again := r.start(m, "a", `{"x":1}`)
	if again.ID != first.ID || again.At != first.At || !again.Was || first.Was {
		t.Errorf("first %+v, again %+v", first, again)
	}
	other := m
	other.Name = "N"
	if s := r.start(other, "a", `{"x":1}`); s.ID == first.ID || s.Was {
		t.Errorf("another machine's name is another name: %+v", s)
	}
	refused := func(input string, status machine.Status) {
		t.Helper()
		_, err := r.engine.Start(context.Background(), StartRequest{Machine: m, Name: "a", Input: value.Checked(input)})
		var taken *NameTakenError
		if !errors.As(err, &taken) || taken.ID != first.ID || taken.At != first.At || taken.Status != status {
			t.Errorf("%v, %+v", err, taken)
		}
	}
	refused(`{"x":2}`, machine.Running)
	r.pass(time.Minute)
	refused(`{"x":1}`, machine.Succeeded)
	if found, err := r.engine.Find(context.Background(), m.Account, m.Region, "M", "a"); found != first.ID || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
	if _, err := r.engine.Find(context.Background(), m.Account, m.Region, "M", "b"); !errors.Is(err, ErrNotFound) {
		t.Errorf("found what is not there: %v", err)
	}
}

func TestNamesAreDrawn(t *testing.T) {
	r := newRig(t, echo, nil)
	m := r.define(waiting)
	a, b := r.start(m, "", ``), r.start(m, "", ``)
	if len(a.Name) != 36 || a.Name == b.Name || a.ID == b.ID {
		t.Errorf("%+v %+v", a, b)
	}
	if start, _, _ := r.engine.Execution(context.Background(), a.ID); start.Name != a.Name || start.RoleARN != m.RoleARN {
		t.Errorf("kept as %+v", start)
	}
}

// A start of which nothing was known until it was tried again is gone on with.
func TestAStartThatComesLate(t *testing.T) {
	r := newRig(t, echo, nil)
	m := r.define(saga(1))
	starts := 0
	r.plan = func(method string, b *store.Batch) (f storetest.Fault) {
		if method != "Commit" || len(b.Names) == 0 {
			return f
		}
		switch starts++; starts {
		case 1:
			f.Err = store.ErrUnknown
		case 2: // what was on its way comes just before it
			if err := r.session.Commit(t.Context(), b); err != nil {
				t.Error(err)
			}
		}
		return f
	}
	s := r.start(m, "a", `{}`)
	r.settle()
	if h := r.head(s.ID); h.Status != machine.Succeeded || starts != 2 {
		t.Errorf("%v after %d tries", h.Status, starts)
	}
}

// A name whose execution is forgotten while a start asks who has it is free.
func TestAStartWhileItsNameIsForgotten(t *testing.T) {
	r := newRig(t, echo, nil)
	m := r.define(saga(1))
	was := r.start(m, "a", `{}`).ID
	r.settle()
	r.plan = func(method string, _ *store.Batch) (f storetest.Fault) {
		if method == "Execution" {
			r.plan = nil
			if gone, err := r.engine.Forget(t.Context(), was, r.clock.Now()); !gone || err != nil {
				t.Errorf("%v, %v", gone, err)
			}
		}
		return f
	}
	if s, err := r.engine.Start(t.Context(), StartRequest{Machine: m, Name: "a"}); err != nil || s.ID == was || s.Was {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestAStartWithoutItsDefinition(t *testing.T) {
	r := newRig(t, echo, nil)
	_, err := r.engine.Start(context.Background(), StartRequest{Machine: Machine{Name: "M", Definition: store.Hash{1}}})
	if !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

func TestStop(t *testing.T) {
	r := newRig(t, echo, nil)
	id := r.start(r.define(waiting), "a", `{}`).ID
	r.clock.now.Add(500)
	name, cause := "Mine", "because"
	at, err := r.engine.Stop(context.Background(), id, machine.Failure{Error: &name, Cause: &cause})
	if err != nil || at != begin+500 {
		t.Fatal(at, err)
	}
	r.clock.now.Add(500)
	if again, err := r.engine.Stop(context.Background(), id, machine.Failure{}); again != at || err != nil {
		t.Error(again, err)
	}
	if h := r.head(id); h.Status != machine.Aborted || *h.Error != name || *h.Cause != cause {
		t.Errorf("%+v", h)
	}
	if _, err := r.engine.Stop(context.Background(), store.ID{0, 1}, machine.Failure{}); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := r.engine.Stop(context.Background(), store.ID{9, 9}, machine.Failure{}); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if r.engine.alarms.next() != store.Never {
		t.Error("a stopped execution's timer is still set")
	}
}

// A call under way is told that nobody waits for it, and its answer changes
// nothing.
func TestStopEndsTheCall(t *testing.T) {
	var r *rig
	r = newRig(t, func(ctx context.Context, task integration.Task) (value.Text, error) {
		groups, _ := r.session.Index(context.Background(), store.IndexQuery{
			Tenant: Tenant("123456789012", "us-east-1"), Index: IndexMachine, Value: "M", Limit: 1})
		if _, err := r.engine.Stop(context.Background(), groups[0].ID, machine.Failure{}); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		return value.Checked(`{}`), nil
	}, nil)
	id := r.start(r.define(saga(2)), "a", `{}`).ID
	r.settle()
	if h := r.head(id); h.Status != machine.Aborted {
		t.Errorf("%+v", h)
	}
	if events := r.history(id); events[len(events)-1].Type != machine.ExecutionAborted {
		t.Error(story(events))
	}
}

func TestListsFollowTheStatus(t *testing.T) {
	r := newRig(t, echo, nil)
	m := r.define(waiting)
	m.Alias = "arn:alias"
	s := r.start(m, "a", `{}`)
	listed := func(index, v string) []Item {
		t.Helper()
		rows, err := r.session.Index(context.Background(), store.IndexQuery{Tenant: Tenant(m.Account, m.Region), Index: index, Value: v, Limit: 9})
		if err != nil {
			t.Fatal(err)
		}
		var items []Item
		for _, row := range rows {
			item, err := DecodeItem(row.Body)
			if err != nil || row.ID != s.ID {
				t.Fatal(row, err)
			}
			items = append(items, item)
		}
		return items
	}
	want := Item{Name: "a", Status: machine.Running, Start: begin, Alias: "arn:alias"}
	for _, items := range [][]Item{listed(IndexMachine, "M"), listed(IndexStatus, StatusValue("M", machine.Running))} {
		if len(items) != 1 || items[0] != want {
			t.Errorf("%+v", items)
		}
	}
	r.pass(2 * time.Minute)
	want.Status, want.Stop = machine.Succeeded, begin+60_000
	if items := listed(IndexStatus, StatusValue("M", machine.Running)); len(items) > 0 {
		t.Errorf("still running: %+v", items)
	}
	for _, items := range [][]Item{listed(IndexMachine, "M"), listed(IndexStatus, StatusValue("M", machine.Succeeded))} {
		if len(items) != 1 || items[0] != want {
			t.Errorf("%+v", items)
		}
	}
}

func TestDecodeItemRefuses(t *testing.T) {
	whole := Item{Name: "a", Status: machine.Running, Start: 1}.append(nil)
	for cut := range whole {
		if _, err := DecodeItem(whole[:cut]); err == nil {
			t.Errorf("%x was taken", whole[:cut])
		}
	}
	if _, err := DecodeItem(append([]byte{itemWhole + 1}, whole[1:]...)); err == nil {
		t.Error("a newer encoding was taken")
	}
}

// What is overloaded refuses fast, and nothing is lost of what was taken.
func TestOverload(t *testing.T) {
	r := newRig(t, echo, func(c *Config) { c.Limits.Waiting, c.Limits.CallsPerKind = 3, 1 })
	m := r.define(saga(1))
	var ids []store.ID
	for range 10 {
		s, err := r.engine.Start(context.Background(), StartRequest{Machine: m})
		if errors.Is(err, ErrBusy) {
			break
		}
		ids = append(ids, s.ID)
	}
	if len(ids) != 4 {
		t.Errorf("%d starts were taken", len(ids))
	}
	r.settle()
	for _, id := range ids {
		if h := r.head(id); h.Status != machine.Succeeded {
			t.Errorf("%v", h.Status)
		}
	}
}

// Jobs for which there is no room in memory are found on disk when there is.
func TestJobsWithoutRoomWaitOnDisk(t *testing.T) {
	r := newRig(t, echo, func(c *Config) { c.Limits.Waiting, c.Limits.CallsPerKind, c.Limits.Page = 2, 1, 2 })
	id := r.start(r.define(`{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$","End":true,"ItemProcessor":{
		"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"End":true}}}}}}`),
		"a", `[1,2,3,4,5,6,7,8,9,10,11,12]`).ID
	r.pass(time.Minute)
	if h := r.head(id); h.Status != machine.Succeeded {
		t.Errorf("%v: %s", h.Status, story(r.history(id)))
	}
}

// The cache keeps its bounds, and what left it comes back.
func TestTheCacheIsBounded(t *testing.T) {
	r := newRig(t, echo, func(c *Config) { c.Limits.Cached = 8 })
	m := r.define(waiting)
	var ids []store.ID
	for range 100 {
		ids = append(ids, r.start(m, "", `{}`).ID)
		if got := r.engine.Load().Cached; got > 8 {
			t.Fatalf("%d executions are in memory", got)
		}
	}
	r.pass(2 * time.Minute)
	for _, id := range ids {
		if h := r.head(id); h.Status != machine.Succeeded {
			t.Errorf("%v", h.Status)
		}
	}
	if l := r.engine.Load(); l.Cached != 0 || l.Bytes != 0 || l.Alarms != 0 {
		t.Errorf("is left: %+v", l)
	}
	if r.engine.Metrics().Loads.Load() < 90 {
		t.Error("nothing left the cache")
	}
}

// Those that are in use stay, and do not keep others from leaving.
func TestTheCacheAroundWhatIsInUse(t *testing.T) {
	r := newRig(t, echo, func(c *Config) { c.Limits.Cached = 8 })
	m := r.define(waiting)
	var used []*resident
	for range 20 {
		id := r.start(m, "", `{}`).ID
		s := r.engine.shardOf(id)
		one := s.hold(id)
		s.keep(one)
		s.release(one)
		used = append(used, one)
	}
	for range 200 {
		r.start(m, "", `{}`)
	}
	if got := r.engine.Load().Cached; got > 20+8 {
		t.Errorf("%d executions are in memory", got)
	}
	for _, one := range used {
		s := r.engine.shardOf(one.id)
		if s.residents[one.id] != one {
			t.Error("one in use has left")
		}
		s.leave(one)
	}
	r.pass(2 * time.Minute)
	if l := r.engine.Load(); l.Cached != 0 || l.Bytes != 0 {
		t.Errorf("is left: %+v", l)
	}
}

func TestBigOnesLeaveTheCacheFirst(t *testing.T) {
	r := newRig(t, echo, func(c *Config) { c.Limits.CachedBytes = 400_000 })
	m := r.define(saga(1))
	big := `{"x":"` + string(make1K()) + `"}`
	for range 500 {
		r.start(m, "", big)
	}
	if l := r.engine.Load(); l.Bytes > 400_000 || l.Bytes < 300_000 {
		t.Errorf("%+v", l)
	}
}

// Those that only wait have a quarter of the memory: any number of them may wait
// beside what is under way.
func TestThoseThatSleepLeaveTheCacheFirst(t *testing.T) {
	r := newRig(t, echo, func(c *Config) { c.Limits.CachedBytes = 400_000 })
	waits, works := r.define(waiting), r.define(saga(1))
	works.Name = "Works"
	big := `{"x":"` + string(make1K()) + `"}`
	var working []store.ID
	for i := range 500 {
		r.start(waits, "", big)
		if i < 50 {
			working = append(working, r.start(works, "", big).ID)
		}
	}
	asleep := int64(0)
	for _, s := range r.engine.shards {
		asleep += s.asleep.bytes
	}
	if asleep > 100_000 || asleep < 75_000 {
		t.Errorf("those that wait take %d bytes", asleep)
	}
	for _, id := range working {
		if r.engine.shardOf(id).residents[id] == nil {
			t.Errorf("%v is under way, and has left", id)
		}
	}
	r.pass(2 * time.Minute)
	if l := r.engine.Load(); l.Cached != 0 || l.Bytes != 0 || l.Alarms != 0 {
		t.Errorf("is left: %+v", l)
	}
	if n := r.engine.Metrics().Succeeded.Load(); n != 550 {
		t.Errorf("%d succeeded", n)
	}
}

// One that is larger than its shard's share stays as long as the other shards
// leave room: it is not read again with every turn.
func TestABigOneStaysWhileThereIsRoom(t *testing.T) {
	for _, room := range []int64{400_000, 40_000} {
		r := newRig(t, echo, func(c *Config) { c.Limits.CachedBytes = room })
		id := r.start(r.define(saga(1)), "", `{"x":"`+strings.Repeat("x", 100_000)+`"}`).ID
		stays := room > 100_000
		if l := r.engine.Load(); (l.Cached == 1) != stays {
			t.Errorf("with room for %d: %+v", room, l)
		}
		if _, err := r.engine.Stop(context.Background(), id, machine.Failure{}); err != nil {
			t.Fatal(err)
		}
		if loads := r.engine.metrics.Loads.Load(); (loads == 0) != stays {
			t.Errorf("with room for %d it was read %d times", room, loads)
		}
	}
}

// A panic of the decider holds that one execution, and the others go on.
func TestQuarantine(t *testing.T) {
	r := newRig(t, echo, nil)
	m := r.define(waiting)
	bad, good := r.start(m, "bad", `{}`).ID, r.start(m, "good", `{}`).ID
	for _, s := range r.engine.shards {
		for id, resident := range s.residents {
			if id == bad {
				clear(resident.x.Frames) // breaks an invariant
			}
		}
	}
	r.pass(2 * time.Minute)
	if h := r.head(good); h.Status != machine.Succeeded {
		t.Errorf("the other stands at %v", h.Status)
	}
	check := func() {
		t.Helper()
		if _, err := r.engine.Stop(context.Background(), bad, machine.Failure{}); !errors.Is(err, ErrQuarantined) {
			t.Errorf("stop of a quarantined execution: %v", err)
		}
		rows, err := r.session.Index(context.Background(), store.IndexQuery{
			Tenant: Tenant(m.Account, m.Region), Index: IndexQuarantined, Limit: 9})
		if err != nil || len(rows) != 1 || rows[0].ID != bad || len(rows[0].Body) == 0 {
			t.Errorf("%v, %v", rows, err)
		}
		if h, err := r.engine.Wait(context.Background(), bad, 0, 0); err != nil || h.Head.Status != machine.Running {
			t.Errorf("%v, %v", h, err)
		}
	}
	check()
	r.open()
	commits := r.commits
	r.pass(10 * time.Minute)
	check()
	if n := r.commits - commits; n > 10*60 {
		t.Errorf("%d commits while nothing can happen", n)
	}
	for range 2 { // the second time it is not quarantined any more
		if err := r.engine.Reconsider(bad, machine.Resolution{Verb: machine.Retry, Operator: "me", Reason: "it is mended"}); err != nil {
			t.Fatal(err)
		}
		if rows := r.indexed(IndexQuarantined, ""); len(rows) != 0 {
			t.Errorf("quarantined still: %v", rows)
		}
	}
	r.pass(2 * time.Minute)
	if h := r.head(bad); h.Status != machine.Succeeded {
		t.Errorf("after it was reconsidered it stands at %v", h.Status)
	}
}

// FuzzItem reads any bytes as a row of a list: what is taken is written again as
// what it says.
func FuzzItem(f *testing.F) {
	f.Add(Item{Name: "n", Status: machine.Running, Start: 1, Version: "v", Alias: "a"}.append(nil))
	f.Add(Item{Name: "n", Status: machine.Failed, Start: 1, Stop: 2, Redrives: 3, Redriven: 4, Machine: "m/l", Items: 5}.append(nil))
	f.Add([]byte{itemWhole, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, row []byte) {
		fuzz.Bounded(t, func() {
			item, err := DecodeItem(row)
			if err != nil {
				return
			}
			plain := item.Redrives <= 0 && item.Machine == "" && (item.Redriven != 0 || item.Items != 0 || item.Redrives != 0)
			if again, err := DecodeItem(item.append(nil)); !plain && (err != nil || again != item) {
				t.Errorf("%+v is written again as %+v, %v", item, again, err)
			}
		})
	})
}
