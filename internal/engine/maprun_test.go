package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// each is a distributed Map whose children make one call; more are fields of the
// Map.
func each(kind, more string) string {
	return fmt.Sprintf(`{"StartAt":"Each","States":{"Each":{"Type":"Map","Label":"Ours","MaxConcurrency":2,%s"End":true,
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"%s"},"StartAt":"Do","States":{
			"Do":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","n.$":"$"},"OutputPath":"$.n","End":true}}}}}}`, more, kind)
}

const fiveItems = `[1,2,3,4,5]`

// runs are the map runs of an execution, the newest first.
func (r *rig) runs(id store.ID) []store.ID {
	r.t.Helper()
	rows, err := r.session.Index(context.Background(), store.IndexQuery{
		Tenant: Tenant("123456789012", "us-east-1"), Index: IndexMapRuns, Value: id.String(), Limit: 100})
	if err != nil {
		r.t.Fatal(err)
	}
	var ids []store.ID
	for _, row := range rows {
		ids = append(ids, row.ID)
	}
	return ids
}

// children counts a map run's children as lists have them.
func (r *rig) children(run store.ID, status machine.Status) int {
	r.t.Helper()
	rows, err := r.session.Index(context.Background(), store.IndexQuery{
		Tenant: Tenant("123456789012", "us-east-1"), Index: IndexChildren, Value: StatusValue(run.String(), status), Limit: 100})
	if err != nil {
		r.t.Fatal(err)
	}
	return len(rows)
}

// tidy holds that nothing is left to be done.
func (r *rig) tidy() {
	r.t.Helper()
	for _, s := range r.engine.shards {
		jobs, err := r.session.Jobs(context.Background(), s.number, store.Never, nil, 100)
		if err != nil || len(jobs) > 0 {
			r.t.Errorf("shard %d: jobs %v are left, %v", s.number, jobs, err)
		}
	}
	if n := r.engine.metrics.Express.Load(); n != 0 {
		r.t.Errorf("%d express executions are left", n)
	}
}

// wholeRun holds that a map run over five items has gone well.
func (r *rig) wholeRun(id store.ID, kind string) {
	r.t.Helper()
	if h := r.head(id); h.Status != machine.Succeeded || r.output(id).Text().String() != fiveItems {
		r.t.Fatalf("%s of %s: %v", h.Status, kind, story(r.history(id)))
	}
	const want = "ExecutionStarted MapStateEntered MapStateStarted MapRunStarted MapRunSucceeded MapStateSucceeded MapStateExited ExecutionSucceeded"
	if got := story(r.history(id)); got != want {
		r.t.Errorf("history: %s", got)
	}
	runs := r.runs(id)
	if len(runs) != 1 {
		r.t.Fatalf("%d map runs", len(runs))
	}
	u := r.head(runs[0]).Run
	if u.Items.Succeeded != 5 || u.Items.Written != 5 || u.Items.Running+u.Items.Failed+u.Items.TimedOut+u.Items.Aborted+u.Items.Pending != 0 || u.Items != u.Executions {
		r.t.Errorf("counts %+v", u)
	}
	if listed := map[string]int{"STANDARD": 5}[kind]; r.children(runs[0], machine.Succeeded) != listed || r.children(runs[0], machine.Running) != 0 {
		r.t.Errorf("%d children are listed as done, %d as running", r.children(runs[0], machine.Succeeded), r.children(runs[0], machine.Running))
	}
	r.tidy()
}

func TestMapRun(t *testing.T) {
	for _, kind := range []string{"STANDARD", "EXPRESS"} {
		r := newRig(t, echo, nil)
		id := r.start(r.define(each(kind, "")), "a", fiveItems).ID
		r.settle()
		r.wholeRun(id, kind)
	}
}

// A map run outlives a crash at any commit, made or not.
func TestMapRunCrashesAtEveryCommit(t *testing.T) {
	for _, kind := range []string{"STANDARD", "EXPRESS"} {
		for n := 1; n < 100; n++ {
			crashed := true
			for _, applied := range []bool{false, true} {
				r := newRig(t, echo, nil)
				id := r.start(r.define(each(kind, "")), "a", fiveItems).ID
				session := r.session
				session.CrashIn(n, applied)
				r.settle()
				r.pass(time.Minute)
				if crashed = session.Crashed(); crashed {
					r.open()
					r.pass(time.Minute)
				}
				session.CrashIn(0, false)
				r.wholeRun(id, kind)
				if t.Failed() {
					t.Fatalf("%s: at commit %d, applied %v", kind, n, applied)
				}
			}
			if !crashed {
				if n < 5 {
					t.Errorf("the workload has only %d commits", n-1)
				}
				break
			}
		}
	}
}

// So it does every fault of a commit, with the process living on.
func TestMapRunFaultsAtEveryCommit(t *testing.T) {
	for _, kind := range []string{"STANDARD", "EXPRESS"} {
		for _, fault := range storetest.Faults("Commit") {
			for n := int64(1); n < 100; n++ {
				r := newRig(t, echo, nil)
				id := r.start(r.define(each(kind, "")), "a", fiveItems).ID
				met := false
				plan := storetest.Nth("Commit", n, fault.Fault)
				r.plan = func(method string, b *store.Batch) storetest.Fault {
					f := plan(method, b)
					met = met || f.Err != nil
					return f
				}
				for range 30 { // with a lease that is lost for a time
					r.pass(3 * time.Second)
				}
				r.plan = nil
				r.wholeRun(id, kind)
				if t.Failed() {
					t.Fatalf("%s: %s at commit %d", kind, fault.Name, n)
				}
				if !met {
					break
				}
			}
		}
	}
}

// Who stops an execution stops its map run, and that its children, over a crash
// at any commit.
func TestMapRunStops(t *testing.T) {
	for n := 0; n < 12; n++ {
		r := newRig(t, echo, nil)
		id := r.start(r.define(strings.Replace(each("STANDARD", ""), `"OutputPath"`, `"TimeoutSeconds":100000,"OutputPath"`, 1)), "a", fiveItems).ID
		r.h = func(ctx context.Context, _ integration.Task) (value.Text, error) {
			return value.Text{}, integration.NewError("Late", "", integration.EffectNone)
		}
		held := r.side
		r.side = nil
		for len(held) > 0 || len(r.side) > 0 { // all but the children's calls
			held = append(held, r.side...)
			r.side = nil
			f := held[0]
			held = held[1:]
			if r.engine.metrics.Calls.Load() == 0 && r.children2(r.runs(id)) == 2 {
				break
			}
			f()
		}
		r.session.CrashIn(n, false)
		if _, err := r.engine.Stop(context.Background(), id, machine.Failure{}); err != nil && n != 1 {
			t.Fatal(err)
		}
		r.pass(time.Minute)
		if r.session.Crashed() {
			r.open()
		}
		r.session.CrashIn(0, false)
		if _, err := r.engine.Stop(context.Background(), id, machine.Failure{}); err != nil {
			t.Fatal(err)
		}
		r.pass(time.Minute)
		run := r.runs(id)[0]
		if r.head(id).Status != machine.Aborted || r.head(run).Status != machine.Aborted || r.children(run, machine.Running) != 0 {
			t.Errorf("crash at %d: the execution is %s, its run %s, %d children run", n, r.head(id).Status, r.head(run).Status, r.children(run, machine.Running))
		}
		if u := r.head(run).Run; u.Items.Aborted != 2 || u.Items.Running != 0 {
			t.Errorf("counts %+v", u)
		}
		r.tidy()
	}
}

// children2 counts the children that run.
func (r *rig) children2(runs []store.ID) int {
	if len(runs) == 0 {
		return 0
	}
	return r.children(runs[0], machine.Running)
}

// A failure that is not tolerated ends the run and stops what is under way.
func TestMapRunFails(t *testing.T) {
	for _, kind := range []string{"STANDARD", "EXPRESS"} {
		r := newRig(t, func(ctx context.Context, t integration.Task) (value.Text, error) {
			if n, _ := t.Request.Decode().Get("n").AsInt(); n == 2 {
				return value.Text{}, integration.NewError("Two", "is bad", integration.EffectNone)
			}
			return t.Request, nil
		}, nil)
		id := r.start(r.define(each(kind, "")), "a", fiveItems).ID
		r.settle()
		if h := r.head(id); h.Status != machine.Failed || *h.Error != "States.ExceedToleratedFailureThreshold" {
			t.Errorf("%s: %+v", kind, h)
		}
		const want = "ExecutionStarted MapStateEntered MapStateStarted MapRunStarted MapRunFailed MapStateFailed ExecutionFailed"
		if got := story(r.history(id)); got != want {
			t.Errorf("%s: %s", kind, got)
		}
		r.tidy()
		tolerant := r.start(r.define(each(kind, `"ToleratedFailureCount":1,`)), "b", fiveItems).ID
		r.settle()
		if h := r.head(tolerant); h.Status != machine.Succeeded || r.output(tolerant).Text().String() != `[1,3,4,5]` {
			t.Errorf("%s: %+v", kind, h)
		}
		r.tidy()
	}
}

// The letters that wait for a map run are taken in one turn.
func TestLettersAreTakenTogether(t *testing.T) {
	r := newRig(t, echo, nil)
	id := r.start(r.define(strings.Replace(each("STANDARD", ""), `"MaxConcurrency":2`, `"MaxConcurrency":5`, 1)), "a", fiveItems).ID
	var tells []func()
	for range 1000 {
		if len(r.side) == 0 {
			break
		}
		f := r.side[0]
		r.side = r.side[1:]
		runs := r.runs(id)
		if len(runs) == 1 && r.children(runs[0], machine.Succeeded) == 5 {
			tells = append(r.side, f)
			break
		}
		f()
	}
	if len(tells) != 5 {
		t.Fatalf("%d functions wait", len(tells))
	}
	run := r.runs(id)[0]
	s := r.engine.shardOf(run)
	held := s.hold(run) // another turn is under way
	done := make(chan struct{})
	for _, f := range tells {
		go func() { f(); done <- struct{}{} }()
	}
	for waiting := 0; waiting < 5; {
		s.mu.Lock()
		waiting = len(held.letters)
		s.mu.Unlock()
	}
	turns := r.engine.metrics.Turns.Load()
	s.release(held)
	for range tells {
		<-done
	}
	if got := r.engine.metrics.Turns.Load() - turns; got > 1+5+1 {
		t.Errorf("five answers took %d turns: one, and each child's own, were enough", got)
	}
	if h := r.head(run); h.Status != machine.Succeeded {
		t.Errorf("%+v", h)
	}
	r.side = nil
}

// Limits can be changed while a map run is under way, and not afterwards.
func TestUpdateRun(t *testing.T) {
	r := newRig(t, echo, nil)
	id := r.start(r.define(each("STANDARD", "")), "a", fiveItems).ID
	r.side[0]()
	run := r.runs(id)[0]
	most := 4
	if done, err := r.engine.UpdateRun(context.Background(), run, machine.Update{MaxConcurrency: &most}); !done || err != nil {
		t.Fatal(done, err)
	}
	if u := r.head(run).Run; u.MaxConcurrency != 4 || u.Items.Running != 4 {
		t.Errorf("%+v", u)
	}
	r.settle()
	if done, err := r.engine.UpdateRun(context.Background(), run, machine.Update{MaxConcurrency: &most}); done || err != nil {
		t.Error(done, err)
	}
	if done, err := r.engine.UpdateRun(context.Background(), id, machine.Update{MaxConcurrency: &most}); done || err != nil {
		t.Error("an execution that is no map run was updated: ", done, err)
	}
	if !slices.Equal(r.runs(id), []store.ID{run}) {
		t.Error("runs: ", r.runs(id))
	}
}

// pages is a reader of numbers, two in a page, that fails as it is told.
type pages struct {
	most  int
	fails func(cursor string) error
}

func (p *pages) Read(ctx context.Context, r integration.ItemRequest) (page integration.ItemPage, err error) {
	if p.fails != nil {
		err = p.fails(r.Cursor)
	}
	at := len(r.Cursor)
	page.Items = value.NewArray([]value.Value{value.NewInt(int64(at + 1)), value.NewInt(int64(at + 2))})
	page.Cursor = r.Cursor + ".."
	page.Over = at+2 >= p.most
	return page, err
}

const reads = `"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"k"},"ReaderConfig":{"InputType":"JSON"}},`

// Items that are read come once each, over a crash at any commit and over
// storage that fails for a time.
func TestMapRunReads(t *testing.T) {
	for n := 1; n < 100; n++ {
		failures := 0
		reader := &pages{most: 6, fails: func(cursor string) error {
			if failures++; failures%2 == 1 {
				return fmt.Errorf("for a time")
			}
			return nil
		}}
		r := newRig(t, echo, func(c *Config) { c.Items = reader })
		id := r.start(r.define(each("EXPRESS", reads)), "a", `{}`).ID
		session := r.session
		session.CrashIn(n, n%2 == 0)
		r.pass(time.Minute)
		crashed := session.Crashed()
		if crashed {
			r.open()
			r.pass(time.Minute)
		}
		session.CrashIn(0, false)
		if h := r.head(id); h.Status != machine.Succeeded || r.output(id).Text().String() != `[1,2,3,4,5,6]` {
			t.Fatalf("crash at %d: %s", n, story(r.history(id)))
		}
		r.tidy()
		if !crashed {
			return
		}
	}
}

// one is a reader of one item.
type one struct{ item value.Value }

func (o one) Read(context.Context, integration.ItemRequest) (integration.ItemPage, error) {
	return integration.ItemPage{Items: value.NewArray([]value.Value{o.item}), Over: true}, nil
}

// An item may be longer than a child's input, where an ItemSelector makes less of
// it.
func TestMapRunReadsLongItems(t *testing.T) {
	long := value.NewObject(value.Member{Name: "k", Value: value.NewInt(7)}, value.Member{Name: "x", Value: value.NewString(strings.Repeat("x", 8<<20))})
	for more, want := range map[string]string{
		reads + `"ItemSelector":{"k.$":"$$.Map.Item.Value.k"},`: `[{"k":7}]`,
		reads: "States.DataLimitExceeded",
	} {
		r := newRig(t, echo, func(c *Config) { c.Items, c.Quotas = one{long}, machine.AWSLimits() })
		id := r.start(r.define(each("EXPRESS", more)), "a", `{}`).ID
		r.pass(time.Minute)
		h, got := r.head(id), ""
		if h.Status == machine.Failed {
			got = *h.Error
		} else {
			got = r.output(id).Text().String()
		}
		if got != want {
			t.Errorf("%s: %.300s", more, got)
		}
		r.tidy()
	}
}

func TestMapRunCannotRead(t *testing.T) {
	for want, fails := range map[string]func(string) error{
		"never":                   func(string) error { return fmt.Errorf("never") },
		"no such key":             func(string) error { return integration.NewError("S3.NoSuchKey", "no such key", integration.EffectNone) },
		"the reader panicked: oh": func(string) error { panic("oh") },
	} {
		r := newRig(t, echo, func(c *Config) { c.Items = &pages{fails: fails} })
		id := r.start(r.define(each("STANDARD", reads)), "a", `{}`).ID
		r.pass(time.Minute)
		if h := r.head(id); h.Status != machine.Failed || *h.Error != "States.ItemReaderFailed" || *h.Cause != want {
			t.Errorf("%s: %+v, %s", want, h, story(r.history(id)))
		}
		r.tidy()
	}
	r := newRig(t, echo, nil)
	id := r.start(r.define(each("STANDARD", reads)), "a", `{}`).ID
	r.settle()
	if h := r.head(id); h.Status != machine.Failed || *h.Cause != "Items can't be read here" {
		t.Errorf("%+v", h)
	}
}

// shelf keeps objects in memory.
type shelf struct {
	integration.Objects
	objects map[string]string
	fails   func() error
}

func (s *shelf) Put(ctx context.Context, o integration.Object, body []byte) error {
	if s.fails != nil {
		if err := s.fails(); err != nil {
			return err
		}
	}
	if was, there := s.objects[o.Bucket+"/"+o.Key]; there && was != string(body) {
		return integration.NewError("Mixed", "the same key is written with another text", integration.EffectNone)
	}
	s.objects[o.Bucket+"/"+o.Key] = string(body)
	return nil
}

const writes = `"ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket":"b","Prefix":"out"},` +
	`"WriterConfig":{"Transformation":"COMPACT","OutputType":"JSON"}},`

// Results are written once each, over a crash at any commit and over storage
// that fails for a time.
func TestMapRunWrites(t *testing.T) {
	for n := 1; n < 100; n++ {
		failures := 0
		kept := &shelf{objects: map[string]string{}, fails: func() error {
			if failures++; failures == 1 {
				return fmt.Errorf("for a time")
			}
			return nil
		}}
		r := newRig(t, echo, func(c *Config) { c.Objects = kept })
		id := r.start(r.define(each("STANDARD", writes)), "a", fiveItems).ID
		session := r.session
		session.CrashIn(n, n%2 == 0)
		r.pass(time.Minute)
		crashed := session.Crashed()
		if crashed {
			r.open()
			r.pass(time.Minute)
		}
		session.CrashIn(0, false)
		if h := r.head(id); h.Status != machine.Succeeded {
			t.Fatalf("crash at %d: %s", n, story(r.history(id)))
		}
		run := machine.ID(r.runs(id)[0])
		key := r.output(id).Get("ResultWriterDetails").Get("Key").AsString()
		manifest := value.Checked(kept.objects["b/"+key]).Decode()
		file := manifest.Get("ResultFiles").Get("SUCCEEDED").At(0).Get("Key").AsString()
		if kept.objects["b/"+file] != fiveItems || len(kept.objects) != 2 || !strings.HasPrefix(key, "out/") {
			t.Errorf("crash at %d: run %s wrote %v", n, run, kept.objects)
		}
		if u := r.head(store.ID(run)).Run; u.Items.Written != 5 {
			t.Errorf("counts %+v", u)
		}
		r.tidy()
		if !crashed {
			return
		}
	}
}

func TestMapRunCannotWrite(t *testing.T) {
	for want, objects := range map[string]integration.Objects{
		"Results can't be written here": nil,
		"never":                         &shelf{fails: func() error { return fmt.Errorf("never") }},
		"no bucket":                     &shelf{fails: func() error { return integration.NewError("S3.NoSuchBucket", "no bucket", integration.EffectNone) }},
	} {
		r := newRig(t, echo, func(c *Config) { c.Objects = objects })
		id := r.start(r.define(each("EXPRESS", writes)), "a", fiveItems).ID
		r.pass(time.Minute)
		if h := r.head(id); h.Status != machine.Failed || *h.Error != "States.ResultWriterFailed" || *h.Cause != want {
			t.Errorf("%s: %+v, %s", want, h, story(r.history(id)))
		}
		r.tidy()
	}
}

// A map run does not begin under a later lease than the one under which it was found
// not to be there.
func TestMapRunOfAnEarlierLease(t *testing.T) {
	c := newCluster(t, 1, echo, nil)
	r := c.nodes[0]
	id := r.start(r.define(each("STANDARD", "")), "a", fiveItems).ID
	s := r.engine.shardOf(id)
	r.plan = func(method string, _ *store.Batch) storetest.Fault {
		return storetest.Fault{Wait: func() {
			if method != "Load" {
				return
			}
			r.plan = nil
			r.engine.lose(s, s.epoch.Load())
			if err := r.engine.Renew(c.clock.Now()); err != nil {
				t.Error(err)
			}
		}}
	}
	for r.plan != nil {
		f := r.side[0]
		r.side = r.side[1:]
		f()
	}
	if runs := r.runs(id); len(runs) > 0 {
		t.Errorf("%v has begun", runs)
	}
	c.settle()
	if h := r.head(id); h.Status != machine.Succeeded {
		t.Errorf("%v: %s", h.Status, story(r.history(id)))
	}
}

// A letter that somebody took along and did not read is told again, and not waited
// for.
func TestALetterThatIsNotRead(t *testing.T) {
	r := newRig(t, echo, nil)
	id := r.start(r.define(waiting), "a", `{}`).ID
	s := r.engine.shardOf(id)
	run := s.hold(id)
	told := make(chan error)
	go func() {
		told <- r.engine.tellRun(&machine.Ending{Start: machine.Start{Parent: &machine.Parent{ID: machine.ID(id)}}}, nil)
	}()
	for len(s.collect(run, 1)) == 0 {
		runtime.Gosched()
	}
	s.release(run)
	if err := <-told; !errors.Is(err, errUnreadLetter) {
		t.Error(err)
	}
}
