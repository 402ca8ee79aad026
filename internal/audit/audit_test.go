package audit_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/audit"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

const definition = `{"StartAt":"Both","States":{
	"Both":{"Type":"Parallel","Next":"Wait","Branches":[
		{"StartAt":"Work","States":{"Work":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","End":true}}},
		{"StartAt":"Pause","States":{"Pause":{"Type":"Wait","Seconds":3600,"End":true}}}]},
	"Wait":{"Type":"Wait","Seconds":3600,"End":true}}}`

const saga = `{"Saga":{},"StartAt":"Do","States":{
	"Do":{"Type":"Task","Resource":"arn:aws:states:us-east-1:123456789012:activity:work","TimeoutSeconds":600,"Compensate":{"Resource":"arn:aws:states:us-east-1:123456789012:activity:undo","TimeoutSeconds":60},"Next":"Wait"},
	"Wait":{"Type":"Wait","Seconds":3600,"End":true}}}`

// world is a store in memory with two executions that wait.
type world struct {
	*testing.T
	disk *storetest.Memory
	s    *storetest.Session
	x, y store.ID
}

func newDisk(t *testing.T) *world {
	disk := storetest.NewMemory(storetest.MemoryOptions{Shards: 2, Clock: func() int64 { return time.Now().UnixMilli() }})
	return &world{T: t, disk: disk, s: disk.Open()}
}

func newWorld(t *testing.T) *world {
	w := newDisk(t)
	e, err := engine.Open(t.Context(), engine.Config{Store: w.s, Exclusive: true})
	w.must(err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	for !e.Ready() {
		time.Sleep(time.Millisecond)
	}
	w.y = w.start(e, "S", saga)
	task, err := e.Poll(t.Context(), "123456789012", "us-east-1", "work", "", time.Second)
	w.must(err)
	w.must(e.Complete(t.Context(), task.Token, value.NewString("done").Text(), nil))
	w.x = w.start(e, "M", definition)
	stop()
	<-ended
	w.must(e.Drain(context.WithoutCancel(t.Context())))
	return w
}

// newNodes is a store with two nodes, of which the first owns all shards.
func newNodes(t *testing.T) (w *world, owner, other *engine.Engine) {
	w = newDisk(t)
	node := func() *engine.Engine {
		e, err := engine.Open(t.Context(), engine.Config{Store: w.disk.Open()})
		w.must(err)
		t.Cleanup(e.Close)
		w.must(e.Renew(e.Now()))
		return e
	}
	return w, node(), node()
}

func (w *world) start(e *engine.Engine, name, text string) store.ID {
	w.Helper()
	hash := store.Hash(sha256.Sum256([]byte(text)))
	w.must(w.s.Commit(w.Context(), &store.Batch{Definitions: []store.Definition{{Hash: hash, Body: []byte(text)}}}))
	started, err := e.Start(w.Context(), engine.StartRequest{
		Machine: engine.Machine{Account: "123456789012", Region: "us-east-1", Name: name, Definition: hash}, Name: "one", Input: value.NewString("in").Text(),
	})
	w.must(err)
	return started.ID
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// found is all that an audit finds.
func (w *world) found() string {
	w.Helper()
	all, counts, err := w.run(w.s)
	w.must(err)
	if n := strings.Count(all, "\n"); counts.Findings != n || counts.Executions == 0 {
		w.Errorf("%d findings are counted, %d told, %d executions", counts.Findings, n, counts.Executions)
	}
	return all
}

// run audits a store.
func (w *world) run(s store.Store) (found string, _ audit.Counts, _ error) {
	var all strings.Builder
	counts, err := audit.Run(w.Context(), audit.Config{
		Store: s,
		Doc: func(d store.Doc) ([]store.Hash, error) {
			if len(d.Body) == 0 {
				return nil, errors.New("it is empty")
			}
			return []store.Hash{store.Hash(d.Body)}, nil
		},
		Report: func(f audit.Finding) { all.WriteString(f.Place + ": " + f.What + "\n") },
	})
	return all.String(), counts, err
}

// TestSound: of what an engine has left nothing is wrong.
func TestSound(t *testing.T) {
	if got := newWorld(t).found(); got != "" {
		t.Error(got)
	}
}

// faults are things that do not hold, each planted into a world of its own.
var faults = []struct {
	name, want string
	plant      func(w *world, l store.Loaded, b *store.Batch)
}{
	{"a frame is gone", "lost a frame that it waits for (I9)", func(_ *world, l store.Loaded, b *store.Batch) {
		b.DropFrames = []store.FrameKey{{ID: l.Frames[1].ID, Number: l.Frames[1].Number}}
	}},
	{"a timer is gone", `in "Pause" works, and has no job (I9)`, func(_ *world, l store.Loaded, b *store.Batch) { b.DropJobs = jobsIn(l, machine.Timer) }},
	{"a task is gone", "it is there, and nothing is to have it", func(_ *world, l store.Loaded, b *store.Batch) { b.DropJobs = jobsIn(l, machine.Activity) }},
	{"a place in a queue is gone", `place in queue "work" of 123456789012/us-east-1, time `, func(w *world, _ store.Loaded, b *store.Batch) {
		queue, err := w.s.Queue(w.Context(), "123456789012/us-east-1", "work", 9)
		w.must(err)
		for _, q := range queue {
			b.DropQueue = append(b.DropQueue, q.QueuedKey)
		}
	}},
	{"a name leads nowhere", `name "two" of "M" of `, func(w *world, _ store.Loaded, b *store.Batch) {
		b.Names = []store.Name{{NameKey: store.NameKey{Shard: w.x.Shard(), Tenant: "123456789012/us-east-1", Machine: "M", Name: "two"}, ID: w.x}}
	}},
	{"a name is gone", "it is due, and not there", func(w *world, l store.Loaded, b *store.Batch) {
		start, err := machine.Decode[machine.Start](l.Execution.Start)
		w.must(err)
		b.DropNames = []store.NameKey{engine.NameOf(start)}
	}},
	{"a list is damaged", "list row: not in an encoding of this version", func(w *world, l store.Loaded, b *store.Batch) {
		b.Index = []store.Index{{IndexKey: store.IndexKey{Tenant: "t", Index: "machine", Value: "M", ID: w.x}, Body: []byte{9}}}
	}},
	{"people are told of nobody", "there is no such execution", func(_ *world, _ store.Loaded, b *store.Batch) {
		b.Index = []store.Index{{IndexKey: store.IndexKey{Tenant: "t", Index: engine.IndexNotices, Value: "webhook", ID: store.ID{1}}}}
	}},
	{"an event is gone", "goes on with event 9", func(w *world, _ store.Loaded, b *store.Batch) {
		more := machine.Events{{ID: 9, Prev: 8, At: 1 << 50, Type: machine.TaskSucceeded}}
		b.Events = []store.Events{{ID: w.x, First: 9, Body: machine.Append(nil, &more)}}
	}},
	{"events are damaged", "events from 1 on can't be read", func(w *world, _ store.Loaded, b *store.Batch) {
		b.Events = []store.Events{{ID: w.x, First: 1, Body: []byte{7}}}
	}},
	{"a payload is no JSON", "its payload 1 can't be read: not JSON", func(w *world, _ store.Loaded, b *store.Batch) {
		b.Payloads = []store.Payload{{ID: w.x, Number: 1, Body: []byte(`{"a`)}}
	}},
	{"a payload too many", "payloads end with", func(w *world, _ store.Loaded, b *store.Batch) {
		texts, err := w.s.Payloads(w.Context(), w.x, []uint32{1})
		w.must(err)
		for n := uint32(2); n < 9; n++ {
			b.Payloads = append(b.Payloads, store.Payload{ID: w.x, Number: n, Body: texts[0]})
		}
	}},
	{"a head is damaged", "its head can't be read", func(_ *world, l store.Loaded, b *store.Batch) {
		b.Executions = []store.Execution{{ID: l.Execution.ID, Body: []byte{5, 200}}}
	}},
	{"a job is another's", "its job 99 can't be read", func(_ *world, l store.Loaded, b *store.Batch) {
		j := l.Jobs[0]
		j.Number = 99
		b.Jobs = []store.Job{j}
	}},
	{"a job is due at another time", "its timer says 5", func(_ *world, l store.Loaded, b *store.Batch) {
		j := l.Jobs[0]
		b.MovedJobs = []store.Job{j}
		j.Due = 5
		b.Jobs = []store.Job{j}
	}},
	{"rows of nobody", "it has rows, and is not there", func(_ *world, _ store.Loaded, b *store.Batch) {
		b.Frames = []store.Frame{{ID: store.ID{5: 1}, Number: 1, Body: []byte{1}}}
	}},
	{"rows of an id that is none", "execution aaaaaaaaaaaaaaaaaaaaaaaaaa: it has rows, and is not there", func(_ *world, l store.Loaded, b *store.Batch) {
		f := l.Frames[0]
		f.ID = store.ID{}
		b.Frames = []store.Frame{f}
	}},
	{"what has ended waits for a nested execution", "it has ended, and job 77 of kind", func(w *world, l store.Loaded, b *store.Batch) {
		start, err := machine.Decode[machine.Start](l.Execution.Start)
		w.must(err)
		head, err := machine.Decode[machine.Head](l.Execution.Body)
		w.must(err)
		start.Definition, head.Status = sha256.Sum256([]byte("{}")), machine.Succeeded
		b.Definitions = []store.Definition{{Hash: start.Definition, Body: []byte("{}")}} // which this version refuses
		b.Executions = []store.Execution{{ID: w.x, Start: machine.Append(nil, start), Body: machine.Append(nil, head)}}
		j := machine.Job{ID: 77, Kind: machine.Child, State: "Nested", Submitted: true, Due: store.Never}
		b.Jobs = []store.Job{{JobKey: store.JobKey{ID: w.x, Number: 77}, Due: j.Due, Body: machine.Append(nil, &j)}}
	}},
	{"a definition of another hash", "its text has the hash", func(_ *world, _ store.Loaded, b *store.Batch) {
		b.Definitions = []store.Definition{{Hash: store.Hash{1}, Body: []byte("{}")}}
	}},
	{"a document without its definition", "its definition 0900000000000000 is not there", func(_ *world, _ store.Loaded, b *store.Batch) {
		hash := store.Hash{9}
		b.Docs = []store.Doc{{DocKey: store.DocKey{Tenant: "t", Kind: "machine", Name: "N"}, Rev: 1, Body: hash[:]}, {DocKey: store.DocKey{Tenant: "t", Kind: "machine", Name: "O"}, Rev: 1}}
	}},
	{"a message", "message 1 of shard 1 can't be read", func(_ *world, _ store.Loaded, b *store.Batch) {
		b.Messages = []store.Message{{Shard: 1, Key: []byte("k"), Body: []byte("?")}}
	}},
	{"a lease", "the store has 2 shards", func(_ *world, _ store.Loaded, b *store.Batch) { b.Leases = []store.Lease{{Shard: 7, Epoch: 1}} }},
	{"the saga log is damaged", "of its saga log can't be read", func(w *world, _ store.Loaded, b *store.Batch) {
		b.Undos = []store.Undo{{ID: w.y, Number: 1, Body: []byte{3}}}
	}},
}

// TestFindings: each thing that does not hold is found, and told with its place.
func TestFindings(t *testing.T) {
	for _, c := range faults {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			l, err := w.s.Load(t.Context(), w.x)
			w.must(err)
			b := new(store.Batch)
			c.plant(w, l, b)
			w.must(w.s.Commit(t.Context(), b))
			if got := w.found(); !strings.Contains(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

// jobsIn are the jobs of a kind.
func jobsIn(l store.Loaded, kind machine.JobKind) (all []store.Job) {
	for _, row := range l.Jobs {
		if j, err := machine.Decode[machine.Job](row.Body); err == nil && j.Kind == kind {
			all = append(all, row)
		}
	}
	return all
}

// TestMail: what one node has left for another is no fault. What waits for an answer
// that is nowhere is one.
func TestMail(t *testing.T) {
	w, owner, other := newNodes(t)
	w.start(owner, "M", definition)
	w.start(owner, "S", saga)
	for range 2 {
		task, err := other.Poll(t.Context(), "123456789012", "us-east-1", "work", "", 0)
		w.must(err)
		if got := w.found(); task.Token == "" || got != "" {
			t.Errorf("%q is taken, found %s", task.Token, got)
		}
		w.must(other.Complete(t.Context(), task.Token, value.NewString("done").Text(), nil))
		if got := w.found(); got != "" {
			t.Errorf("one is answered, found %s", got)
		}
	}
	lost := new(store.Batch)
	for shard := range store.Shard(2) {
		messages, err := w.s.Messages(t.Context(), shard, 10)
		w.must(err)
		for _, m := range messages {
			lost.DropMessages = append(lost.DropMessages, store.MessageKey{Shard: m.Shard, Seq: m.Seq, Key: m.Key})
		}
	}
	w.must(w.s.Commit(t.Context(), lost))
	got := w.found()
	for _, want := range []string{`in "Work" works, and has no job (I9)`, `in "Do" has a job that is not there (I9)`} {
		if !strings.Contains(got, want) {
			t.Errorf("found %q, want %q", got, want)
		}
	}
}

// TestStoreThatFails: a read that fails ends the audit by its error. It is no finding,
// and nothing is passed over for it.
func TestStoreThatFails(t *testing.T) {
	w, owner, other := newNodes(t)
	w.x = w.start(owner, "M", definition)
	w.start(owner, "S", saga)
	if task, err := other.Poll(t.Context(), "123456789012", "us-east-1", "work", "", 0); err != nil || task.Token == "" { // there is mail
		t.Fatal(task, err)
	}
	hash := sha256.Sum256([]byte(definition))
	w.must(w.s.Commit(t.Context(), &store.Batch{
		Docs:  []store.Doc{{DocKey: store.DocKey{Tenant: "t", Kind: "machine", Name: "M"}, Rev: 1, Body: hash[:]}},
		Index: []store.Index{{IndexKey: store.IndexKey{Tenant: "t", Index: engine.IndexNotices, Value: "webhook", ID: w.x}}},
	}))
	reads := 0
	for _, method := range []string{"Definition", "Execution", "Load", "Dump"} {
		for n := int64(1); ; n++ {
			calls := int64(0)
			nth := storetest.Nth(method, n, storetest.Fault{Err: storetest.ErrPlain})
			found, _, err := w.run(storetest.NewFaulty(w.disk.Open(), func(called string, b *store.Batch) storetest.Fault {
				if called == method {
					calls++
				}
				return nth(called, b)
			}))
			if calls < n {
				if n == 1 {
					t.Errorf("%s is not called", method)
				}
				break
			}
			reads++
			if !errors.Is(err, storetest.ErrPlain) || found != "" {
				t.Errorf("the %d. call of %s fails: %v, found %q", n, method, err, found)
			}
		}
	}
	t.Logf("%d reads fail", reads)
}

// TestDamageDoesNotEndIt: what is damaged is told of by the store's dump, and all else
// is looked at.
func TestDamageDoesNotEndIt(t *testing.T) {
	w, owner, _ := newNodes(t)
	w.start(owner, "M", definition)
	w.must(w.s.Commit(t.Context(), &store.Batch{
		Docs:  []store.Doc{{DocKey: store.DocKey{Tenant: "t", Kind: "machine", Name: "M"}, Rev: 1, Body: make([]byte, 32)}},
		Index: []store.Index{{IndexKey: store.IndexKey{Tenant: "t", Index: engine.IndexNotices, Value: "webhook", ID: store.ID{1}}}},
	}))
	found, counts, err := w.run(storetest.NewFaulty(w.disk.Open(), func(method string, _ *store.Batch) storetest.Fault {
		if method == "Definition" || method == "Execution" {
			return storetest.Fault{Err: store.ErrDamaged}
		}
		return storetest.Fault{}
	}))
	if err != nil || counts.Executions != 1 || counts.Listed == 0 || strings.Contains(found, "definition") {
		t.Errorf("%+v, %v, found %q", counts, err, found)
	}
}

// TestOneOrder: of a store that stays as it is the same is found each time, in the same
// order.
func TestOneOrder(t *testing.T) {
	w := newWorld(t)
	l, err := w.s.Load(t.Context(), w.x)
	w.must(err)
	b := &store.Batch{DropJobs: l.Jobs}
	for n := range 3 { // each of its own
		b.Index = append(b.Index, store.Index{IndexKey: store.IndexKey{Tenant: "t", Index: "machine", Value: "M", Start: int64(n), ID: w.x}, Body: []byte{9}})
	}
	w.must(w.s.Commit(t.Context(), b))
	first := w.found()
	if strings.Count(first, "\n") < 6 {
		t.Errorf("only %q is found", first)
	}
	for range 50 {
		if again := w.found(); again != first {
			t.Fatalf("found\n%sand then\n%s", first, again)
		}
	}
}

// TestParentsInACircle: frames that say of one another that they are beneath them are
// told of, too.
func TestParentsInACircle(t *testing.T) {
	x := audit.Standing{
		Start: &machine.Start{}, Head: &machine.Head{Status: machine.Running}, Program: &asl.Program{},
		Frames: map[machine.FrameID]*machine.Frame{0: {}, 1: {ID: 1, Parent: 2}, 2: {ID: 2, Parent: 1}},
	}
	told := make(chan int)
	go func() {
		n := 0
		x.Check(func(string, string) { n++ })
		told <- n
	}()
	select {
	case n := <-told:
		if n != 3 {
			t.Errorf("%d are told of", n)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}
