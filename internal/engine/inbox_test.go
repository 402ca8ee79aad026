package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// An answer that ends what waits for another answer finds that one's job gone, where
// it was brought to another node too: the execution goes on all the same, and the
// answer that came second is for nobody.
func TestAnAnswerEndsWhatWasAnswered(t *testing.T) {
	const both = `{"StartAt":"Both","States":{"Both":{"Type":"Parallel","End":true,"Branches":[` +
		`{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Parameters":{"FunctionName":"a"},"End":true}}},` +
		`{"StartAt":"B","States":{"B":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","Parameters":{"FunctionName":"b"},"End":true}}}]}}}`
	k := tokens{}
	c := newCluster(t, 2, func(_ context.Context, task integration.Task) (value.Text, error) {
		k[task.Request.Decode().Get("FunctionName").AsString()] = task.Token
		return value.Checked(`{}`), nil
	}, nil)
	s := c.nodes[0].start(c.nodes[0].define(both), "x", `{}`)
	c.settle()
	ctx := context.Background()
	if err := c.other(s.ID).engine.Complete(ctx, k["a"], value.Text{}, &machine.Failure{}); err != nil {
		t.Fatal(err)
	}
	if err := c.other(s.ID).engine.Complete(ctx, k["b"], value.Checked(`{}`), nil); err != nil {
		t.Fatal(err)
	}
	c.settle()
	if h := c.nodes[0].head(s.ID); h.Status != machine.Failed || c.inbox() > 0 {
		t.Errorf("%s, %d messages", story(c.nodes[0].history(s.ID)), c.inbox())
	}
}

// What was brought to another node is heard although the inbox could not be read
// when the execution was: it is read again then, and not taken for complete.
func TestAnInboxThatCouldNotBeRead(t *testing.T) {
	c := newCluster(t, 2, echo, nil)
	s := c.nodes[0].start(c.nodes[0].define(manual), "x", `{}`)
	c.settle()
	ctx := context.Background()
	owner, other := c.owner(s.ID), c.other(s.ID)
	if err := other.engine.Complete(ctx, other.taken().Token, value.Checked(`{}`), nil); err != nil {
		t.Fatal(err)
	}
	own := owner.engine.shards[s.ID.Shard()]
	r := own.hold(s.ID)
	r.x = nil
	own.release(r)
	owner.plan = storetest.Nth("Messages", 1, storetest.Fault{Err: storetest.ErrPlain})
	if _, err := owner.engine.Stop(ctx, s.ID, machine.Failure{}); !errors.Is(err, storetest.ErrPlain) {
		t.Fatal(err)
	}
	c.settle()
	if told := story(c.nodes[0].history(s.ID)); !strings.HasSuffix(told, "ActivityStarted ActivitySucceeded TaskStateExited ExecutionSucceeded") || c.inbox() > 0 {
		t.Errorf("%s, %d messages", told, c.inbox())
	}
}

// Who loses the shard while it reads the inbox for an execution does not read the
// same messages for ever.
func TestAnInboxOfALostShard(t *testing.T) {
	k := tokens{}
	c := newCluster(t, 2, k.call, func(cfg *Config) { cfg.Limits.Page = 1 })
	s := c.nodes[0].start(c.nodes[0].define(asking), "x", `{}`)
	c.settle()
	ctx := context.Background()
	owner := c.owner(s.ID)
	if err := c.other(s.ID).engine.Complete(ctx, k["x"], value.Checked(`{}`), nil); err != nil {
		t.Fatal(err)
	}
	own := owner.engine.shards[s.ID.Shard()]
	r := own.hold(s.ID)
	r.x = nil
	own.release(r)
	reads := 0
	owner.plan = func(method string, _ *store.Batch) storetest.Fault {
		return storetest.Fault{Wait: func() {
			if method != "Messages" {
				return
			}
			if reads++; reads > 10 {
				panic("it is read again and again")
			}
			owner.engine.lose(own, own.epoch.Load())
		}}
	}
	if _, err := owner.engine.stopFor(s.ID, machine.Failure{}, nil); !errors.Is(err, ErrNotReady) {
		t.Errorf("%v", err)
	}
	owner.plan = nil
	c.settle()
	if h := c.nodes[0].head(s.ID); h.Status != machine.Succeeded || c.inbox() > 0 {
		t.Errorf("%s, %d messages", story(c.nodes[0].history(s.ID)), c.inbox())
	}
}

// News for a parent whose shard was lost meanwhile is left for who has it then.
func TestNewsForALostShard(t *testing.T) {
	c := newCluster(t, 1, echo, nil)
	owner := c.nodes[0]
	s := owner.start(owner.define(saga(1)), "x", `{}`)
	own := owner.engine.shards[s.ID.Shard()]
	owner.engine.lose(own, own.epoch.Load())
	commits := owner.commits
	child := &machine.Ending{Start: machine.Start{Parent: &machine.Parent{ID: machine.ID(s.ID), Job: 1}}}
	if err := owner.engine.tellParent(child, &mail{lies: store.MessageKey{Shard: s.ID.Shard(), Seq: 1}}); !errors.Is(err, errElsewhere) || owner.commits != commits {
		t.Errorf("%v, and it commits %d times", err, owner.commits-commits)
	}
}

// News for a parent that is gone is dropped, whatever the parent was.
func TestNewsForNobody(t *testing.T) {
	run, child := &machine.MapStart{}, &machine.MapStart{}
	anew(&child.Item)
	for name, start := range map[string]machine.Start{"task": {}, "map": {Map: run}, "map run": {Map: child}} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 1, echo, nil)
			owner := c.nodes[0]
			s := owner.start(owner.define(saga(1)), "x", `{}`)
			c.settle()
			own := owner.engine.shards[s.ID.Shard()]
			if err := owner.engine.leaveNews(own, store.JobKey{ID: s.ID, Number: 9}); err != nil {
				t.Fatal(err)
			}
			messages, err := owner.engine.cfg.Store.Messages(t.Context(), own.number, 10)
			if err != nil || len(messages) != 1 {
				t.Fatalf("%d messages, %v", len(messages), err)
			}
			gone := machine.ID(s.ID)
			gone[len(gone)-1]++
			start.Parent = &machine.Parent{ID: gone, Job: 1}
			m := &mail{lies: store.MessageKey{Shard: own.number, Seq: messages[0].Seq, Key: messages[0].Key}, epoch: own.epoch.Load()}
			if err := owner.engine.tellParent(&machine.Ending{Start: start}, m); err != nil || c.inbox() > 0 {
				t.Errorf("%v, %d messages", err, c.inbox())
			}
		})
	}
}

func anew[T any](p **T) { *p = new(T) }

// What is decided about mail is not done under a later lease than it was read under:
// another node may have heard it in between.
func TestMailOfAnEarlierLease(t *testing.T) {
	c := newCluster(t, 1, echo, nil)
	owner := c.nodes[0]
	s := owner.start(owner.define(manual), "x", `{}`)
	c.settle()
	own := owner.engine.shards[s.ID.Shard()]
	if err := owner.engine.leaveNews(own, store.JobKey{ID: s.ID, Number: 9}); err != nil {
		t.Fatal(err)
	}
	messages, err := owner.engine.cfg.Store.Messages(t.Context(), own.number, 10)
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d messages, %v", len(messages), err)
	}
	m := &mail{id: s.ID, lies: store.MessageKey{Shard: own.number, Seq: messages[0].Seq, Key: messages[0].Key}, epoch: own.epoch.Load() - 1}
	if err := owner.engine.dropMail(m); !errors.Is(err, ErrNotReady) || c.inbox() != 1 {
		t.Errorf("dropped: %v, %d messages", err, c.inbox())
	}
	m.kind = mailOrder
	until := c.clock.Now() + 60_000
	m.text = fmt.Appendf(nil, `{"v":1,"what":"stop","reply":"r","until":%d,"failure":{}}`, until)
	if err := owner.engine.obey(own, m); !errors.Is(err, ErrNotReady) {
		t.Errorf("obeyed: %v", err)
	}
	if h := owner.head(s.ID); h.Status != machine.Running {
		t.Errorf("the execution is %v", h.Status)
	}
}

// A heartbeat that another node has taken counts although the owner has not heard of
// it when its time is out.
func TestAHeartbeatIsNotOvertaken(t *testing.T) {
	c := newCluster(t, 2, echo, nil)
	s := c.nodes[0].start(c.nodes[0].define(manual), "x", `{}`)
	c.settle()
	owner, other := c.owner(s.ID), c.other(s.ID)
	task := other.taken()
	c.settle()
	c.clock.now.Add(39_000)
	c.settle()
	if err := other.engine.Heartbeat(context.Background(), task.Token); err != nil {
		t.Fatal(err)
	}
	c.clock.now.Add(2_000)
	owner.engine.Fire(c.clock.Now())
	for ; len(owner.side) > 0; owner.side = owner.side[1:] {
		owner.side[0]()
	}
	c.pass(20 * time.Second)
	if h := owner.head(s.ID); h.Status != machine.Running {
		t.Errorf("it was missed: %s", story(owner.history(s.ID)))
	}
	c.pass(40 * time.Second)
	if h := owner.head(s.ID); h.Status != machine.Failed {
		t.Errorf("it is not missed: %s", story(owner.history(s.ID)))
	}
}

// What fails by one answer and is kept for a redrive waits for no other answer: the
// redrive asks anew.
func TestAnAnswerForWhatIsKept(t *testing.T) {
	k := tokens{}
	c := newCluster(t, 2, k.call, nil)
	s := c.nodes[0].start(c.nodes[0].define(asking), "x", `{}`)
	c.settle()
	ctx := context.Background()
	owner := c.owner(s.ID)
	own := owner.engine.shards[s.ID.Shard()]
	r := own.hold(s.ID)
	j := r.x.Jobs[1]
	m := mail{kind: mailAnswered, id: s.ID, row: store.Job{JobKey: store.JobKey{ID: s.ID, Number: uint32(j.ID)}, Body: machine.Append(nil, j)}}
	own.release(r)
	if _, err := owner.engine.Stop(ctx, s.ID, machine.Failure{}); err != nil {
		t.Fatal(err)
	}
	_, r, err := owner.engine.awake(s.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer own.release(r)
	if !r.x.Head.Kept {
		t.Fatal("it is not kept")
	}
	if waits, err := owner.engine.reopens(r, &m, nil); waits || err != nil || len(r.x.Jobs) > 0 {
		t.Errorf("%v, %v, %d jobs", waits, err, len(r.x.Jobs))
	}
}

// A call of what began elsewhere, which an owner has sent because it found the job on
// disk, is sent by the next one as a further sending, although the beginning still lies
// in the inbox.
func TestABeginningThatAnOwnerBeforeHasDone(t *testing.T) {
	var c *cluster
	var sent []int
	dies := func() {}
	c = newCluster(t, 2, func(_ context.Context, task integration.Task) (value.Text, error) {
		sent = append(sent, task.Attempt)
		dies()
		return value.Checked(`{}`), nil
	}, nil)
	first := c.nodes[0]
	first.plan = func(_ string, b *store.Batch) storetest.Fault {
		if b != nil && len(b.DropMessages) > 0 {
			return storetest.Fault{Err: storetest.ErrPlain}
		}
		return storetest.Fault{}
	}
	dies = func() {
		first.plan = func(string, *store.Batch) storetest.Fault { return storetest.Fault{Err: storetest.ErrPlain} }
		dies = func() {}
	}
	m := first.define(saga(1))
	s, err := c.nodes[1].engine.Start(context.Background(), StartRequest{Machine: m, Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range first.engine.shards {
		own.readAgain()
	}
	first.settle()
	if len(sent) != 1 {
		t.Fatalf("sent %v", sent)
	}
	c.nodes = c.nodes[1:]
	c.nodes[0].plan = func(method string, _ *store.Batch) storetest.Fault {
		if method == "Jobs" && len(sent) < 2 { // so that it hears of it by the inbox alone
			return storetest.Fault{Err: storetest.ErrPlain}
		}
		return storetest.Fault{}
	}
	c.pass(30 * time.Second)
	if h := c.nodes[0].head(s.ID); h.Status != machine.Succeeded || len(sent) != 2 || sent[1] <= sent[0] || c.inbox() > 0 {
		t.Errorf("%v, sent %v, %d messages", h.Status, sent, c.inbox())
	}
}

// Who lost the shard and got it again since it heard of a beginning does not know
// whether another node has made the calls.
func TestABeginningOfAnEarlierLease(t *testing.T) {
	var sent []int
	c := newCluster(t, 2, func(_ context.Context, task integration.Task) (value.Text, error) {
		sent = append(sent, task.Attempt)
		return value.Checked(`{}`), nil
	}, nil)
	c.pass(3 * time.Second) // each has its share
	m := c.nodes[0].define(saga(1))
	of := store.NewID(c.nodes[0].engine.ShardOf(m.Account, m.Region, m.Name, "a"), 0, [8]byte{})
	if _, err := c.other(of).engine.Start(t.Context(), StartRequest{Machine: m, Name: "a"}); err != nil {
		t.Fatal(err)
	}
	own := c.owner(of)
	shard := own.engine.shardOf(of)
	if err := own.engine.Turn(shard.number); err != nil {
		t.Fatal(err)
	}
	own.engine.lose(shard, shard.epoch.Load())
	if err := own.engine.Renew(c.clock.Now()); err != nil {
		t.Fatal(err)
	}
	for len(own.side) > 0 {
		f := own.side[0]
		own.side = own.side[1:]
		f()
	}
	c.settle()
	if len(sent) != 1 || sent[0] != 2 {
		t.Errorf("sent %v", sent)
	}
}

// What was heard by a commit of which nothing could be known is not heard again.
func TestWhatWasPerhapsHeard(t *testing.T) {
	c := newCluster(t, 2, echo, nil)
	s := c.nodes[0].start(c.nodes[0].define(manual), "x", `{}`)
	c.settle()
	owner, other := c.owner(s.ID), c.other(s.ID)
	if err := other.engine.Complete(t.Context(), other.taken().Token, value.Checked(`{}`), nil); err != nil {
		t.Fatal(err)
	}
	own := owner.engine.shards[s.ID.Shard()]
	r := own.hold(s.ID)
	r.x = nil
	own.release(r)
	unknown, unread := storetest.Nth("Commit", 1, storetest.Fault{Err: store.ErrUnknown, Done: true}), storetest.Nth("Execution", 1, storetest.Fault{Err: storetest.ErrPlain})
	owner.plan = func(method string, b *store.Batch) storetest.Fault {
		if f := unknown(method, b); f.Err != nil {
			return f
		}
		return unread(method, b)
	}
	if _, err := owner.engine.stopFor(s.ID, machine.Failure{}, nil); !errors.Is(err, storetest.ErrPlain) {
		t.Fatal(err)
	}
	owner.plan = nil
	c.settle()
	const want = "ExecutionStarted TaskStateEntered ActivityScheduled ActivityStarted ActivitySucceeded TaskStateExited ExecutionSucceeded"
	if told := story(owner.history(s.ID)); told != want || c.inbox() > 0 {
		t.Errorf("%s, %d messages", told, c.inbox())
	}
}

// An answer that another node has taken is the one that counts, although it could not
// be stored when it was heard: the next one comes too late.
func TestAnAnswerThatCouldNotBeStored(t *testing.T) {
	k := tokens{}
	c := newCluster(t, 2, k.call, nil)
	s := c.nodes[0].start(c.nodes[0].define(asks), "a", `{}`)
	c.settle()
	owner, other := c.owner(s.ID), c.other(s.ID)
	if err := other.engine.Complete(t.Context(), k["a"], value.Checked(`{"n":1}`), nil); err != nil {
		t.Fatal(err)
	}
	owner.plan = storetest.Nth("Commit", 1, storetest.Fault{Err: storetest.ErrPlain})
	if err := owner.engine.Turn(s.ID.Shard()); err != nil || len(owner.side) != 1 {
		t.Fatalf("%v, %d to do", err, len(owner.side))
	}
	owner.side[0]()
	owner.side = nil
	if err := owner.engine.Complete(t.Context(), k["a"], value.Checked(`{"n":2}`), nil); !errors.Is(err, ErrTaskTimedOut) {
		t.Error(err)
	}
	c.settle()
	if h := owner.head(s.ID); h.Status != machine.Succeeded || owner.output(s.ID).Text().String() != `{"n":1}` {
		t.Errorf("%v by %s", h.Status, owner.output(s.ID).Text())
	}
}

// mailIsHeard is a rig whose side list has the one errand that hears the mail of an
// execution, and that errand.
func (r *rig) mailIsHeard(own *shard) func() {
	r.t.Helper()
	if err := r.engine.Turn(own.number); err != nil || len(r.side) != 1 {
		r.t.Fatalf("%d errands, %v", len(r.side), err)
	}
	f := r.side[0]
	r.side = nil
	return f
}

// Who still hears mail that was read under an earlier lease leaves alone what was read
// under the present one: an order is obeyed by one alone, whose reply stands.
func TestAnOrderOfAnEarlierLease(t *testing.T) {
	c := newCluster(t, 1, tokens{}.call, nil)
	owner := c.nodes[0]
	id := owner.start(owner.define(asking), "x", `{}`).ID
	c.settle()
	if _, err := owner.engine.Stop(t.Context(), id, machine.Failure{}); err != nil {
		t.Fatal(err)
	}
	c.settle()
	own := owner.engine.shards[id.Shard()]
	text := fmt.Appendf(nil, `{"v":1,"what":"redrive","reply":"r","until":%d}`, c.clock.Now()+60_000)
	if err := owner.engine.leave(own, []byte("k"), &mail{kind: mailOrder, id: id, text: text}); err != nil {
		t.Fatal(err)
	}
	earlier := owner.mailIsHeard(own)
	reads, fails, over := make(chan bool), make(chan bool), make(chan bool)
	owner.plan = func(string, *store.Batch) storetest.Fault { // when it reads the store's clock
		return storetest.Fault{Err: storetest.ErrPlain, Wait: func() { close(reads); <-fails }}
	}
	go func() { earlier(); close(over) }()
	<-reads
	owner.plan = nil
	epoch := own.epoch.Load()
	owner.engine.lose(own, epoch)
	again := claim{was: epoch, want: store.Lease{Shard: own.number, Epoch: epoch + 1, Node: owner.engine.cfg.Node, Expires: c.clock.Now() + 10_000}}
	if err := owner.engine.claim([]claim{again}, c.clock.Now()+10_000); err != nil {
		t.Fatal(err)
	}
	present := owner.mailIsHeard(own)
	owner.plan = func(string, *store.Batch) storetest.Fault {
		owner.plan = nil
		return storetest.Fault{Wait: func() { close(fails); <-over; c.settle() }}
	}
	present()
	c.settle()
	doc, err := owner.store.Doc(t.Context(), store.DocKey{Kind: kindReply, Name: "r"})
	if h := owner.head(id); err != nil || h.Redrives != 1 || strings.Contains(string(doc.Body), "refusal") || c.inbox() > 0 {
		t.Errorf("%d redrives, the reply is %s, %v; %d messages", h.Redrives, doc.Body, err, c.inbox())
	}
}

// Mail that could not be heard when its execution was read is read again, and gone
// through by nobody else while somebody still does.
func TestMailThatIsReadAgainWhileItIsHeard(t *testing.T) {
	k := tokens{}
	c := newCluster(t, 2, k.call, nil)
	owner := c.nodes[0]
	id := owner.start(owner.define(asking), "x", `{}`).ID
	c.settle()
	own := owner.engine.shards[id.Shard()]
	text := fmt.Appendf(nil, `{"v":1,"what":"stop","reply":"r","until":%d,"failure":{}}`, c.clock.Now()+60_000)
	if err := owner.engine.leave(own, []byte("k"), &mail{kind: mailOrder, id: id, text: text}); err != nil {
		t.Fatal(err)
	}
	if err := c.other(id).engine.Complete(t.Context(), k["x"], value.Checked(`{}`), nil); err != nil {
		t.Fatal(err)
	}
	hears := owner.mailIsHeard(own)
	beside := 0
	owner.plan = func(string, *store.Batch) storetest.Fault {
		owner.plan = storetest.Nth("Commit", 1, storetest.Fault{Err: storetest.ErrPlain})
		return storetest.Fault{Wait: func() {
			r := own.hold(id)
			r.x = nil
			own.release(r)
			if err := owner.engine.hearOf(id); !errors.Is(err, storetest.ErrPlain) {
				t.Fatal(err)
			}
			if err := owner.engine.Turn(own.number); err != nil {
				t.Fatal(err)
			}
			beside = len(owner.side)
		}}
	}
	hears()
	c.settle()
	if h := owner.head(id); beside != 0 || !h.Status.Ended() || c.inbox() > 0 {
		t.Errorf("%d others go through it; %v, %d messages: %s", beside, h.Status, c.inbox(), story(owner.history(id)))
	}
}

// Who hears mail for a shard that he has lost ends, although nobody else has taken it
// yet and so what he commits is taken.
func TestMailOfALostShard(t *testing.T) {
	c := newCluster(t, 1, echo, nil)
	owner := c.nodes[0]
	id := owner.start(owner.define(saga(1)), "x", `{}`).ID
	c.settle()
	own := owner.engine.shards[id.Shard()]
	nobody := id
	nobody[len(nobody)-1]++
	if err := owner.engine.leaveNews(own, store.JobKey{ID: nobody, Number: 1}); err != nil {
		t.Fatal(err)
	}
	hears := owner.mailIsHeard(own)
	owner.engine.lose(own, own.epoch.Load())
	drops := 0
	owner.plan = func(call string, _ *store.Batch) storetest.Fault {
		if call == "Commit" {
			if drops++; drops > 3 {
				return storetest.Fault{Err: storetest.ErrPlain} // or it never ends
			}
		}
		return storetest.Fault{}
	}
	hears()
	if drops > 1 {
		t.Errorf("it is dropped %d times", drops)
	}
}
