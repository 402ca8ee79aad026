// Package engine is the shell that makes the pure decider last: it lets
// messages in, has machine.Step decide, commits what was decided, and only then
// lets the outside know. It knows time, chance, the store and the tasks'
// handlers. It refuses to know the language (machine does), the protocol
// (service does) and how a store keeps things.
//
// Read engine.go (what it is given), errors.go (what it refuses), door.go (how
// things come in), redrive.go, turn.go (message → delta → commit), batch.go, search.go,
// payload.go and rows.go (a delta as rows, and back), tell.go (what others hear of a turn),
// saga.go and notice.go (what people are shown, asked and told), unwind.go (nested
// executions undone), lock.go (semantic locks),
// cache.go (what is in memory), call.go, errand.go and dispatch.go (what jobs send out, with lane.go, pace.go and payloadroom.go),
// gate.go (how many starts at once), poll.go (what
// services work on), activity.go, nested.go, maprun.go and objects.go
// (the jobs that are no calls), mail.go, inbox.go, hearing.go, begun.go, elsewhere.go and order.go
// (what nodes leave for one another), presence.go (which nodes there are), clock.go, timers.go and alarms.go, lease.go, wait.go,
// express.go, forget.go, contain.go (what breaks), health.go (whether starts are taken), late.go,
// audit.go and auditrows.go (who waits for nothing), why.go and witness.go (what an
// execution waits for), and run.go (what turns it all).
//
// # Driving it without a goroutine
//
// Run starts three loops that do nothing but call Renew, Fire and Turn; beside
// them goroutines come from Config.Spawn alone. A simulator gives its own Spawn,
// leaves Run alone and calls the three itself:
//
//	e, err := engine.Open(ctx, engine.Config{…, Clock: virtual, Entropy: seeded, Spawn: world.Later})
//	now := e.Now()     // its clock's time; with several nodes the store's
//	e.Renew(now)       // takes and renews leases; a shard taken is read at the next Fire
//	e.Fire(now)        // what is due: timers, jobs found on disk, results that could not be stored
//	e.Turn(shard)      // what other nodes left in the shard's inbox
//	e.Start(…), e.Complete(…), e.Stop(…), e.Heartbeat(…), e.StartExpress(…)
//	e.Poll(…, 0)       // with no time to wait; Wait likewise
//
// Whatever the engine would do on the side (a call to a handler, a child to
// start, a timer's message) it hands to Spawn as a function that runs to its
// end without waiting for anybody but the handler and the store. Spawn must not
// run it before it returns. The simulator runs these functions when and in the
// order it likes, or drops them with a crash. [Engine.Next] tells when Fire has
// something to do. RunExpress and Drain wait for such functions: one goroutine
// can't be both. The same calls, entropy and clock give the same commits.
package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// Clock tells the time in UTC milliseconds. Where the store is shared by several
// nodes it is steady: it goes on as time does, and need not be right.
type Clock interface{ Now() int64 }

// Config is all that an engine is given. Store is required; the rest has
// defaults.
type Config struct {
	Store    store.Store
	Registry *integration.Registry // who does the tasks
	// Items reads what the definition of a distributed Map has it read. nil:
	// nothing can be read.
	Items integration.ItemReader
	// Objects are where the results of a distributed Map are written. nil:
	// nothing can be written.
	Objects integration.Objects
	// Programs finds a definition's program by its hash. nil: the store's text
	// is compiled, and the last Limits.Programs of them are kept.
	Programs func(ctx context.Context, hash store.Hash) (*asl.Program, error)
	// Machines finds the state machine that a nested execution names, by a
	// version or an alias too; what it leaves to chance it takes from draw. Its
	// error is an *integration.Error where the language has a name for it. nil:
	// there are none.
	Machines func(ctx context.Context, account, region, arn string, draw Draw) (Machine, error)
	// Gone tells of an activity's ARN that there is no such activity (any
	// more). It is asked within the turn that schedules an activity's task, so
	// it must be quick. nil: all are there.
	Gone func(arn string) bool
	// Tell hears of every turn once what it did is durable, those of one
	// execution in their order and one after another. It is called within the
	// turn: it must be quick and wait for nobody. nil: nobody hears.
	Tell func(*Telling)
	// Notices names those who are to be told of holds: each is in a list of its
	// own, [IndexNotices], what he was not told of yet.
	Notices []string

	Clock   Clock        // nil: the system's
	Entropy io.Reader    // nil: crypto/rand; read by many at once
	Log     *slog.Logger // nil: discards
	Node    string       // the process's own name, new at every start; "": drawn
	Version string       // what others are told of this node: the program's version,
	Address string       // and where it listens
	// Exclusive says that no other node can open the store: leases are taken at
	// once, whoever held them.
	Exclusive bool
	// OwnOnly has what comes for another node's shard refused by ErrNotReady, instead
	// of left for that node.
	OwnOnly bool
	// Pause waits that long, or until ctx ends, which is its error: between two looks
	// for what another node does. nil: as time goes.
	Pause func(ctx context.Context, d time.Duration) error
	// Spawn runs f on the side, not before it returns. nil: on a goroutine. See
	// the package's comment.
	Spawn func(f func())

	Limits Limits // zero members get DefaultLimits'
	// Tasks bound calls further than Limits do: by service ("lambda", "http",
	// "aws-sdk:dynamodb") and by one that a service leads to ("lambda:Charge",
	// "http:api.example.com", "http:PaymentsConnection"). What does not fit waits, in
	// turn by state machine, without a goroutine.
	Tasks     map[string]TaskLimit
	Quotas    machine.Limits // zero: machine.AWSLimits
	StrictAWS bool           // definitions see nothing that AWS does not show
}

// Draw fills b with chance.
type Draw func(b []byte) error

// Machine is what a start needs to know of a state machine.
type Machine struct {
	Account    string
	Region     string
	Name       string
	Definition store.Hash
	Version    string // ARN, or ""
	Alias      string // ARN, or ""
	RoleARN    string
	Express    bool
}

// Limits bound what the engine holds and does at once.
type Limits struct {
	Calls        int // calls in flight over all
	CallsPerKind int // calls in flight of one service
	// CallsPerTarget is of one function, one host of a service; 0: half of
	// CallsPerKind. CallsPerMachine is of one state machine; 0: a quarter of Calls.
	CallsPerTarget, CallsPerMachine int

	CallBytes   int64         // about how many bytes of requests and answers calls in flight hold
	Waiting     int           // jobs that wait for their turn in memory, beyond which starts are refused
	Age         time.Duration // how long a machine's may wait, where they are many, before its starts are refused
	Starts      int           // starts that are taken at once; as many wait for a moment, more are refused
	Turns       int           // turns of the engine's own accord at once: timers, children, tellings
	Cached      int           // executions kept in memory
	CachedBytes int64         // and about how many bytes of them
	Programs    int           // compiled definitions kept
	Express     int           // express executions at once
	ExpressTime time.Duration // how long one may run
	Waiters     int           // callers of Wait at once
	Pollers     int           // callers of Poll at once, per activity
	Depth       int           // of nested executions
	Window      time.Duration // timers due within it are held in memory
	Page        int           // rows read from the store at once
	BeatEvery   time.Duration // a heartbeat is written at most so often
	Lease       time.Duration // a lease's life
	RetryLeast  time.Duration // before a turn that could not be stored is taken again
	RetryMost   time.Duration
	PollLeast   time.Duration // before a job that was submitted is first asked for
	PollMost    time.Duration // between two times that it is asked for
}

// DefaultLimits suit one server of two cores.
func DefaultLimits() Limits {
	return Limits{
		Calls: 4096, CallsPerKind: 2048, CallBytes: 256 << 20, Waiting: 100_000, Age: time.Minute, Starts: 256, Turns: 64,
		Cached: 100_000, CachedBytes: 256 << 20, Programs: 1024,
		Express: 4096,
		Waiters: 16_384, Pollers: 1000, Depth: 32,
		Window: 5 * time.Minute, Page: 256, BeatEvery: 5 * time.Second, Lease: 10 * time.Second,
		RetryLeast: 50 * time.Millisecond, RetryMost: 5 * time.Second,
		PollLeast: time.Second, PollMost: time.Minute,
	}
}

// complete puts the defaults where nothing was said.
func (l *Limits) complete() {
	d := DefaultLimits()
	orElse(&l.Calls, d.Calls)
	orElse(&l.CallsPerKind, d.CallsPerKind)
	orElse(&l.CallsPerTarget, max(1, l.CallsPerKind/2))
	orElse(&l.CallsPerMachine, max(1, l.Calls/4))
	orElse(&l.CallBytes, d.CallBytes)
	orElse(&l.Waiting, d.Waiting)
	orElse(&l.Age, d.Age)
	orElse(&l.Starts, d.Starts)
	orElse(&l.Turns, d.Turns)
	orElse(&l.Cached, d.Cached)
	orElse(&l.CachedBytes, d.CachedBytes)
	orElse(&l.Programs, d.Programs)
	orElse(&l.Express, d.Express)
	orElse(&l.Waiters, d.Waiters)
	orElse(&l.Pollers, d.Pollers)
	orElse(&l.Depth, d.Depth)
	orElse(&l.Window, d.Window)
	orElse(&l.Page, d.Page)
	orElse(&l.BeatEvery, d.BeatEvery)
	orElse(&l.Lease, d.Lease)
	orElse(&l.RetryLeast, d.RetryLeast)
	orElse(&l.RetryMost, d.RetryMost)
	orElse(&l.PollLeast, d.PollLeast)
	orElse(&l.PollMost, d.PollMost)
}

func orElse[T ~int | ~int64](to *T, otherwise T) {
	if *to <= 0 {
		*to = otherwise
	}
}

// Engine runs executions. All its methods may be called by many at once.
type Engine struct {
	cfg        Config
	identity   store.Identity
	shards     []*shard // by number
	alarms     *alarms
	dispatcher *dispatcher
	activities activities
	starts     gate
	held       room  // of all that is in memory
	beats      beats // passed on to other nodes
	presence   presence
	leasing    sync.Mutex // held by who renews leases, or gives them back
	passing    sync.Mutex // held while a shard becomes ours, or is let go
	place      int        // among the shards, from which on this node wants some
	metrics    Metrics
	retried    retries
	orphans    Orphans

	ahead   atomic.Int64  // what our clock lacks of the time, in ms
	since   atomic.Int64  // when this node came, by the store's clock
	renewed atomic.Int64  // until when the leases are good that were renewed last, by our own clock
	drained atomic.Bool   // no starts are taken any more
	failing atomic.Bool   // the store refused the last that was asked of it
	came    atomic.Bool   // what was under way before has been read, once
	looked  atomic.Int64  // when the leases were looked at last, by our own clock
	stopped chan struct{} // holds one when the store has stopped for good

	ctx      context.Context // of all that is done at the store and by handlers; ends with Close
	end      context.CancelFunc
	shut     context.Context // of long polls; ends with Drain
	endPolls context.CancelFunc
}

// Open makes an engine upon the store. It takes no lease yet: Run does, or
// Renew.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	if cfg.Store == nil {
		return nil, errors.New("engine: no store")
	}
	e := &Engine{identity: cfg.Store.Identity(), alarms: newAlarms(), stopped: make(chan struct{}, 1)}
	e.activities.polled = make(map[activityKey]*polled)
	e.ctx, e.end = context.WithCancel(context.WithoutCancel(ctx))
	e.shut, e.endPolls = context.WithCancel(e.ctx)
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if cfg.Spawn == nil {
		w := &workers{next: make(chan func()), end: e.ctx.Done()}
		cfg.Spawn = w.spawn
	}
	e.cfg = cfg
	e.starts.most, e.starts.by = cfg.Limits.Starts, make(map[ownerKey]*visits)
	e.dispatcher = newDispatcher(&e.cfg.Limits, cfg.Tasks, cfg.Spawn, e.do, e.now, e.alarms.nudge)
	shards := int(e.identity.Shards)
	most, mostBytes := max(1, cfg.Limits.Cached/shards), cfg.Limits.CachedBytes/int64(shards)
	place := fnv.New32a()
	place.Write([]byte(e.cfg.Node))
	e.place = int(place.Sum32() % uint32(shards))
	e.held.most = cfg.Limits.CachedBytes
	for i := range shards {
		e.shards = append(e.shards, newShard(store.Shard(i), most, mostBytes, &e.held))
	}
	return e, nil
}

// complete fills in the defaults.
func (c *Config) complete() error {
	if c.Entropy == nil {
		c.Entropy = rand.Reader
	}
	if c.Clock == nil {
		c.Clock = newSystemClock(c.Exclusive)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Pause == nil {
		c.Pause = pause
	}
	if c.Quotas == (machine.Limits{}) {
		c.Quotas = machine.AWSLimits()
	}
	c.Limits.complete()
	if c.Programs == nil {
		c.Programs = newPrograms(c.Store, c.Limits.Programs).find
	}
	if c.Node == "" {
		var chance [8]byte
		if _, err := io.ReadFull(c.Entropy, chance[:]); err != nil {
			return fmt.Errorf("engine: entropy: %w", err)
		}
		c.Node = hex.EncodeToString(chance[:])
	}
	return nil
}

// Draw fills b with the engine's chance. It is a [Draw].
func (e *Engine) Draw(b []byte) error {
	if _, err := io.ReadFull(e.cfg.Entropy, b); err != nil {
		return fmt.Errorf("entropy: %w", err)
	}
	return nil
}

// shardOf is the shard that an id belongs to; nil where there is none of that
// number.
func (e *Engine) shardOf(id store.ID) *shard {
	if n := int(id.Shard()); n < len(e.shards) {
		return e.shards[n]
	}
	return nil
}

// admit reports whether a start of a machine is taken now.
func (e *Engine) admit(whose ownerKey) error {
	switch {
	case e.drained.Load():
		return ErrNotReady
	case !e.dispatcher.admits(whose):
		return ErrBusy
	}
	return nil
}
