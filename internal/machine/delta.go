package machine

import (
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// Delta is what one Step decided: all that changes, and nothing that does not.
// The zero Delta changes nothing: the message came too late or twice.
type Delta struct {
	Head     *Head        // nil: the delta is empty
	Payloads []value.Text // new ones, numbered on from the execution's LastPayload
	Frames   []*Frame     // new or changed, whole
	Dropped  []FrameID
	Events   Events       // numbered on from the execution's LastEvent
	Jobs     []*Job       // new or changed, whole
	Closed   []JobID      // jobs that are over
	Undos    []*Undo      // rows of the saga log, new or changed, whole
	Recall   recollection // nothing was decided: this is needed first

	found   []finding   // to be remembered
	context value.Value // the same
}

// IsEmpty reports whether nothing changes.
func (d *Delta) IsEmpty() bool { return d.Head == nil }

// JobKind is what a job asks of the outside.
type JobKind uint8

// The kinds of jobs.
const (
	Call         JobKind = iota + 1 // call an integration
	Activity                        // let a worker take the task
	Child                           // start a nested execution
	Timer                           // come back when Due
	Tell                            // tell the parent that this execution has ended
	Resume                          // go on at once, in another turn
	StartRun                        // start a map run, and hear of its end
	StartItem                       // start a child of this map run, and hear of its end
	Halt                            // stop what an earlier job started: a map run, its child, a service's job
	ReadItems                       // read the next page of a map run's items
	WriteResults                    // write a map run's results
	Unwind                          // undo the nested executions that a step has started, and hear of the end
	TakeLock                        // claim a lock, and hear when it is granted
	FreeLock                        // claim it no more
	GrantLock                       // tell who has claimed this lock that it is granted
)

// Job is something that the outside must do. Its number, with the execution's
// id, is its name.
type Job struct {
	ID      JobID
	Kind    JobKind
	Frame   FrameID
	State   string // the Task; "" for what belongs to the execution itself
	Entry   uint32 // with the id: the step id
	Attempt uint32 // which attempt of the step it is, from 1
	Send    uint32 // which send of the step it is, from 1; a call sent again after a crash counts twice. Of a Halt: the job whose work is stopped; of a StartItem: how many items the child is for
	Request Ref    // effective parameters, activity's or child's input
	RoleARN string // of Credentials, or ""
	Made    int64  // when, UTC ms

	Deadline  int64 // when the attempt times out; a time that never comes: it does not
	Heartbeat int64 // ms that may pass between heartbeats; 0: any
	Due       int64 // when the engine must look at it at the latest: at once for what is to be dispatched

	Submitted bool // the service took the request: what is awaited is its completion
	Taken     bool // a worker has the activity's task

	Answer  Ref    // of a .sync call that was submitted, and of its Halt: what the service answered, by which it is polled; else 0
	Earlier uint32 // submissions of the step before this one, each of them over

	Operation   Operation // what the call is to its saga
	Alternative int       // of a Compensate
	Edition     uint32    // how often an operator has given another request or resource
	Resource    string    // that an operator gave in the place of the definition's, or ""
	Landing     bool      // it is waited for, and never sent again

	Invocation uint32 // of the state's work, from 1, where a test case is run; else 0
}

// Polled reports whether a service works on what the job submitted, and must
// be asked how that stands.
func (j *Job) Polled() bool { return j.Kind == Call && j.Answer != 0 }

// Env is all that is neither in the program nor in the execution: the time,
// chance, the key of tokens, the limits.
type Env struct {
	Now          int64    // UTC ms
	Seed         [32]byte // chance for this message, stretched by a counter
	TokenKey     []byte
	RestoreEpoch uint32
	Limits       Limits
	StrictAWS    bool // the context object holds nothing that AWS's does not

	// Trial is set where one state is tried out alone.
	Trial *Trial

	// Gone tells of an activity that there is none of that ARN; nil: all are there.
	Gone func(activity string) bool
}

// Limits are the quotas that an execution keeps; 0 is none.
type Limits struct {
	Payload     int   // bytes of an input, output or result
	Events      int64 // events of one history, but of an Express one
	Variable    int   // bytes of one variable, and of one Assign
	Variables   int   // bytes of all variables
	InlineMap   int   // items of an inline Map at once
	Children    int   // children of a map run at once
	EntriesTurn int   // state entries of one Step before it hands over
}

// full reports whether a history has no room for a redrive and what it brings.
func (l *Limits) full(h *Head) bool { return l.Events > 0 && h.LastEvent >= l.Events-1 }

// AWSLimits are the quotas of the service.
func AWSLimits() Limits {
	return Limits{Payload: 262144, Events: 25000, Variable: 262144, Variables: 10 << 20, InlineMap: 40, Children: 10_000, EntriesTurn: 500}
}

// Lifted are for who runs executions that the service would not: four
// times its payloads and variables, forty times its history, twenty-five times
// as many items at once.
func (Limits) Lifted() Limits {
	return Limits{Payload: 1 << 20, Events: 1_000_000, Variable: 1 << 20, Variables: 40 << 20, InlineMap: 1000, Children: 10_000, EntriesTurn: 500}
}

// Request is all that a dispatcher needs to know of a job: what to call, with
// what, under which name.
type Request struct {
	Resource  asl.Resource
	Input     value.Text
	StepID    string // with what the key of a body has beside it; "" of a Query
	Forward   string // of a body: the step id alone
	Operation Operation
	Attempt   uint32 // of the step, from 1: not that of a call sent again
	Token     string // of callback tasks and activities, else ""
}
