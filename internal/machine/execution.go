// Package machine is the pure decider: what an execution does next is a
// function of where it stands and of the message that arrives. [Step] reads no
// clock, draws no chance and touches nothing outside; all that it decides is a
// [Delta], and [Execution.Apply] is the only way an execution moves on. So the
// engine, the simulator, the prover and a dry run of one state are the same code.
//
// It refuses to know how anything is stored, called, shown or worded on the
// wire, and who asks.
//
// A map run, what a distributed Map starts, is an execution too, whose Step is
// another: it goes through its items and starts a child for each.
//
// Read execution.go (what runs), message.go and delta.go (what comes in and
// goes out), apply.go, step.go (the loop) and turn.go (what one Step has changed
// so far); then a file per state type, named as in package asl: pass.go,
// task.go, choice.go, wait.go, parallel.go, map.go, end.go; distributed.go is what
// a distributed Map asks for, maprun.go what the run then does,
// results.go with what its children came to, and rerun.go again. Beside them stand
// join.go (the frames beneath a Parallel or Map), retry.go (what becomes of a
// fault.go), redrive.go (how one that failed goes on) with changes.go, query.go
// (expressions and how their failures are worded), context.go, assign.go and
// search.go.
//
// Of sagas: saga.go (scopes), undo.go (the saga log, and what of it is in memory),
// outcome.go (what a step that fails is known to have done), recovery.go (the plan,
// the fence, the undoing), body.go (calls of Compensate, Confirm and Query),
// confirm.go, hold.go (what waits for a person), afterwards.go (undone after the
// end), late.go, lock.go (semantic locks, executions of their own) and look.go
// (what people are shown).
//
// At the edges: event.go, request.go and child.go (what a job asks, and what a nested
// execution tells), token.go, arn.go, trial.go (one state alone), and the
// records on disk: codec.go, rows.go, undorows.go, runrows.go, group.go.
package machine

import (
	"encoding/base32"
	"encoding/binary"
	"strconv"

	"github.com/backstep/backstep/internal/value"
)

// ID is an execution's internal id: shard (2 bytes), start in ms (6), chance (8).
type ID [16]byte

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// String is the id in 26 characters of lower-case base 32.
func (id ID) String() string { return base32Lower.EncodeToString(id[:]) }

// Shard is the share of all executions that the id belongs to.
func (id ID) Shard() uint16 { return binary.BigEndian.Uint16(id[:2]) }

// Step names one entry of a state of the execution: the idempotency key that goes
// outside, the same for every try.
func (id ID) Step(entry uint32) string {
	return id.String() + "-" + strconv.FormatUint(uint64(entry), 10)
}

// Ref is the number of a payload within its execution; 0 is none.
type Ref uint32

// FrameID is the number of a frame within its execution; the root has 0.
type FrameID uint32

// JobID is the number of a job within its execution; 0 is none.
type JobID uint32

// never is the time of what does not come.
const never int64 = 1<<63 - 1

// Status is where an execution stands.
type Status uint8

// The statuses, as DescribeExecution tells them. An execution that has not
// begun has none.
const (
	Running Status = iota + 1
	Succeeded
	Failed
	TimedOut
	Aborted
)

var statusNames = [...]string{"", "RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}

// String is the status as the API spells it.
func (s Status) String() string { return statusNames[s] }

// Ended says that nothing more will happen by itself.
func (s Status) Ended() bool { return s > Running }

// Start is what an execution is given at its start and keeps for life.
type Start struct {
	ID         ID
	Account    string
	Region     string
	Machine    string   // the state machine's name
	Name       string   // the execution's name
	Definition [32]byte // SHA-256 of its definition
	Version    string   // ARN of the version it was started by, or ""
	Alias      string   // ARN of the alias it was started by, or ""
	RoleARN    string
	Trace      string // trace header, or ""
	Express    bool
	At         int64 // UTC ms
	Depth      int   // 0 for what a caller started, one more than its parent's for a nested one
	Parent     *Parent
	Map        *MapStart // of a map run, or of a child of one
	TestCase   string    // that mocks some of its states, or ""
	Lock       bool      // it is a semantic lock, of the key that is its name
}

// MapStart ties a map run, or a child of one, to its distributed Map. Machine
// is then "machine/label".
type MapStart struct {
	State string     // the Map's name
	Item  *itemStart // what a child is for; nil for the map run itself
}

// itemStart is the item, or the batch of items, that a child is for.
type itemStart struct {
	Index int // of the item, or of the first of the batch
	Count int // how many items
}

// IsRun reports whether it starts a map run, not an execution of states.
func (s *Start) IsRun() bool { return s.Map != nil && s.Map.Item == nil }

// Parent is who waits for the end: of a nested execution, a map run or a child
// of one.
type Parent struct {
	ID  ID
	Job JobID
}

// Head is what changes with every turn of an execution and is small.
type Head struct {
	Status      Status
	Now         int64 // time of the last turn: within an execution it never runs backwards
	Stop        int64 // when it ended, 0 while open
	LastEvent   int64
	Entries     uint32 // state entries so far: the last step id
	LastPayload Ref
	LastFrame   FrameID
	LastJob     JobID
	Input       Ref
	Output      Ref     // of one that SUCCEEDED
	Error       *string // of one that ended otherwise; nil: none was given
	Cause       *string
	Timeout     JobID // the job that ends it by its TimeoutSeconds, or 0
	Variables   int   // bytes of all variables of its frames
	Kept        bool  // of one that ended without success: its frames are still there, for a redrive
	Redrives    int   // so far
	Redriven    int64 // when the last redrive was, UTC ms; 0: there was none
	Tokens      []redriveToken
	Run         *Run          // of a map run; replaced, never changed
	Invocations []invocations // of an execution that runs a test case; replaced, never changed

	Sagas      uint32 // so far
	OpenSagas  uint32
	Aborting   uint32    // of the open ones
	EndedSagas [4]uint32 // by how they ended, from SagaAborted on, but for those that a redrive has begun anew
	Holds      uint32    // so far
	OpenHolds  uint32
	Pivoted    bool       // a saga of it could not go back
	Spent      bool       // a saga has ended so that it can't be redriven
	Undone     bool       // of one that ended without success: it was a saga, and nothing of it is left
	Late       []expected // replaced, never changed

	Definition [32]byte // by which a redrive lets it go on; zero: the start's

	// ParentJob is the parent's job that the end completes, where a redrive of
	// the parent has opened another than the one of the start; 0: that one.
	ParentJob JobID

	Search []Attribute // by which it is found, in order of name; replaced, never changed
}

// invocations are how often a state's work was asked for so far.
type invocations struct {
	State string
	Count uint32
}

// redriveToken is a caller's token and the redrive that it asked for. A head has
// those of the last redrives, the oldest first.
type redriveToken struct {
	Text string
	At   int64 // UTC ms
}

// Execution is a running value of a program. It is changed by Apply alone. It
// belongs to one goroutine.
//
// Frames and jobs are replaced, never changed: who holds one may keep it.
type Execution struct {
	Start    Start
	Head     Head
	Frames   map[FrameID]*Frame
	Jobs     map[JobID]*Job
	Payloads map[Ref]value.Text // those that live frames, jobs and the head refer to
	Undos    map[uint32]*Undo   // those rows of the saga log that are in memory

	lentUndos []uint32 // in the order in which they came
	lentTexts []Ref    // likewise
	lentBytes int      // of these
	wholeLog  bool     // all rows are in memory

	held map[Ref]int // how many references keep each payload; nil: not counted yet
	memo memo        // what was worked out before and holds still; may be lost
}

// New is an execution that has not begun: its first message is Begin.
func New(s Start) *Execution {
	return Restore(s, Head{}, nil, nil)
}

// Restore is an execution as its rows tell it. What [Execution.Needs] then
// names must be put into Payloads before the next Step.
func Restore(s Start, h Head, frames []*Frame, jobs []*Job) *Execution {
	x := &Execution{
		Start:    s,
		Head:     h,
		Frames:   make(map[FrameID]*Frame, len(frames)+1),
		Jobs:     make(map[JobID]*Job, len(jobs)+2),
		Payloads: make(map[Ref]value.Text, 8),
	}
	x.Start.Follow(&h)
	for _, f := range frames {
		x.Frames[f.ID] = f
	}
	for _, j := range jobs {
		x.Jobs[j.ID] = j
	}
	return x
}

// frameKind is what a frame runs.
type frameKind uint8

// The root runs the machine, the others a branch of a Parallel, an item of an
// inline Map, or the states of a Saga. One that stands aside has no states: it
// undoes a saga that had ended.
const (
	Root frameKind = iota
	Branch
	Item
	Scoped
	Aside
)

// phase is what a frame is doing between two turns.
type phase uint8

// A frame is about to enter its state (after a Continue), waits for its job,
// waits to retry, waits for the frames beneath it, or has ended and waits for
// its parent's join. Once the execution has ended without success, a frame that
// is kept stands as it stood; its job is gone.
const (
	Entering phase = iota
	Working
	Retrying
	Joining
	Ended
)

// Frame is a thread of an execution: the machine itself, a branch, an item. Its
// row is small: what grows is referred to.
type Frame struct {
	ID     FrameID
	Parent FrameID // of the root: 0, as is its own
	Kind   frameKind
	Index  int // which branch or item

	State        string // where it stands, by name
	Phase        phase
	Input        Ref    // of the state, raw
	Entry        uint32 // number of this entry of the state: its step id
	Entered      int64  // when, UTC ms
	EnteredEvent int64
	Variables    []binding // assigned in this frame's flow, in order of name
	Tried        uint32    // attempts of this entry before the last redrive
	Job          JobID     // the open one, or 0
	effort

	Join   *join  // of a Parallel or Map that is under way
	Result Ref    // of an ended frame: what its parent's join reads; of a distributed Map: the plan of its map run
	Lost   []lost // of a map run: children that did not end well; see rerun.go

	// In a saga.
	Undo     uint32     // the last row of the saga log that is owed by what this frame did; 0: none
	Outcome  Outcome    // of the step, once its row is written
	Scope    *sagaScope // of a frame that runs a scope
	Recovery *recovery  // while what it did is being undone
	Body     *body      // the call of a body that is due
	Hold     *hold      // what waits for a person
	Locked   Ref        // the key of the lock that the step holds, 0: none
	Claim    *Claim     // of a lock; replaced, never changed
}

// isTop reports whether the frame stands beneath none.
func (f *Frame) isTop() bool { return f.Kind == Root || f.Kind == Aside }

// effort is how the work of a state, or of a body, has gone so far.
type effort struct {
	Prev        int64    // the last event of this thread, which the next one names
	Retries     []uint32 // used so far, per retrier
	Sends       uint32   // calls so far; of a distributed Map: redrives of the map run that it has started
	Submissions uint32   // .sync calls that a service took
	Unknown     bool     // a send may have had an effect although it failed
	Endless     uint32   // tries after the last retry, where no error may end the work
	Edition     uint32   // how often an operator gave another request or resource
	Asked       Ref      // in a saga: the request of the last call; of a distributed Map: the plan of its run
}

// Join is a Parallel's or Map's account of the frames beneath it.
type join struct {
	Count  int     // branches or items in all
	Begun  int     // frames made so far, in order of index
	Done   int     // ended well
	AtOnce int     // at most so many at once; 0: all
	First  FrameID // the frame of index 0; that of index i is First+i
	Items  Ref     // of a Map: the array or object it goes through
	From   Ref     // of items that a map run has read: where they are from; 0: they were not read
}

// binding is a variable and its value.
type binding struct {
	Name  string
	Value Ref
}
