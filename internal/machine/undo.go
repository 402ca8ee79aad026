package machine

import (
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// Undo is a row of the saga log: a step that has ended, the undos of a Parallel
// or Map that has ended, or a saga. A step's row is written with its outcome,
// and once more as it is undone or confirmed.
//
// The rows that are owed are chained: Prev is the one before in its sequence,
// so that a sequence is known by its last one.
type Undo struct {
	Number uint32 // of a step: the entry of its state; see SagaRow
	Kind   undoKind
	Prev   uint32 // 0: none
	State  string // of a machine's own saga: ""
	Saga   uint32 // the row of the saga that it belongs to

	Outcome  Outcome
	Settled  Settled
	Started  int64  // UTC ms
	Ended    int64  // UTC ms, 0 of a saga that is open
	Attempts uint32 // sends
	Tries    uint32 // the number of the last attempt, over redrives
	Edition  uint32 // of a step: how often a person had given another request when it was sent last
	Error    *string
	Cause    *string

	Asked        bool  // of a step: its Query was asked, and did not know either
	EnteredEvent int64 // of a step
	Input        Ref
	Request      Ref       // of the last call
	Result       Ref       // 0 where the outcome is not SUCCEEDED, or the result was over the limit
	Variables    []binding // those that the bodies name, as they were before the step's own Assign

	Lock   Ref      // the key of the lock that the step holds, 0: none
	Heads  []uint32 // of a group: the last row of each sequence that has one; of a saga: of its own
	AtOnce int      // of a group: at most so many at once; 0: all

	Calls []bodyCall // what was called to undo or to confirm it, in order

	Status    SagaStatus // of a saga
	Committed bool       // of a saga that has ended: it could not go back
}

// undoKind is what a row of the saga log is.
type undoKind uint8

const (
	undoStep undoKind = iota
	undoGroup
	undoSaga
)

// Outcome is what is known of a step's effect (SAGA.md §2).
type Outcome uint8

// A step that has not ended has no outcome.
const (
	StepFailed Outcome = iota + 1
	StepSucceeded
	StepUnknown
)

var outcomeNames = [...]string{"", "FAILED", "SUCCEEDED", "UNKNOWN"}

// String is the outcome as the API spells it.
func (o Outcome) String() string { return outcomeNames[o] }

// Settled is what became of what a step owed.
type Settled uint8

// A step that is owed and was not undone yet is not settled; nor is one that
// never was owed.
const (
	Compensated Settled = iota + 1
	CompensationFailed
	Skipped
	Confirmed
	NotOwed // a Query said that there is nothing to be undone
)

var settledNames = [...]string{"", "COMPENSATED", "COMPENSATION_FAILED", "SKIPPED", "CONFIRMED", "FAILED"}

// String is the step's status as the API spells it.
func (s Settled) String() string { return settledNames[s] }

// BodyCall is one call, over all its tries, of a step's Compensate or Confirm.
type bodyCall struct {
	Operation   Operation
	Alternative int    // of a Compensate
	Edition     uint32 // how often an operator had given another request or resource
	Resource    string // that an operator gave, or ""
	Started     int64  // UTC ms
	Ended       int64
	Attempts    uint32
	Unknown     bool // a try may have had its effect although it failed
	Request     Ref
	Result      Ref
	Error       *string
	Cause       *string
}

// Key is what the call's idempotency key has beside the step id.
func (c *bodyCall) Key() string { return keyOf(c.Operation, c.Alternative, c.Edition) }

// firstSaga is the row number of an execution's first saga: those of its steps
// are below it.
const firstSaga uint32 = 1 << 31

// IsSaga reports whether the row is that of a saga.
func (u *Undo) IsSaga() bool { return u.Kind == undoSaga }

// IsStep reports whether the row is that of a step.
func (u *Undo) IsStep() bool { return u.Kind == undoStep }

// owed reports whether there is something to undo.
func (u *Undo) owed() bool { return u.Settled == 0 && u.Outcome != StepFailed }

// entry is the row of that number, to be read.
func (t *turn) entry(number uint32) *Undo {
	if i := t.undos.find(number); i >= 0 {
		return t.undos.rows[i]
	}
	if u := t.x.Undos[number]; u != nil {
		return u
	}
	panic(&recall{undo: number})
}

// rewrite is the row of that number, to be changed.
func (t *turn) rewrite(number uint32) *Undo {
	u := *t.entry(number)
	u.Calls = slices.Clip(u.Calls)
	t.undos.put(number, &u)
	return &u
}

// recall is the panic of a turn that needs what is not in memory: Step asks for
// it, and is called again.
type recall struct {
	undo     uint32 // or
	payloads []Ref
	all      bool // every row
}

// recollect has at hand all that the bodies of a row's step may look at, so that
// it is asked for at once.
func (t *turn) recollect(u *Undo) {
	var missing []Ref
	need := func(ref Ref) {
		if _, there := t.x.Payloads[ref]; ref != 0 && ref <= t.x.Head.LastPayload && !there && !slices.Contains(missing, ref) {
			missing = append(missing, ref)
		}
	}
	need(u.Input)
	need(u.Result)
	if s := t.p.States[u.State]; s.Task == nil || s.Task.Resource.Kind == asl.NestedExecution { // it names whom it has started
		need(u.Request)
	}
	for _, b := range u.Variables {
		need(b.Value)
	}
	if len(missing) > 0 {
		panic(&recall{payloads: missing})
	}
}

// foresee has at hand what comes after an undo that is done, before anything else
// is worked out: it would be so twice.
func (t *turn) foresee(f *Frame) {
	if f.Body == nil || f.Body.Operation != Compensate || f.Recovery == nil {
		return
	}
	if next := t.entry(f.Body.Row).Prev; next != 0 && next != f.Recovery.Floor {
		if u := t.entry(next); u.IsStep() && u.owed() {
			t.recollect(u)
		}
	}
}

// Recall names what Step needs and does not have in memory: rows of the saga log,
// payloads that these refer to.
type recollection struct {
	Undos    []uint32
	Payloads []Ref
	All      bool // every row of the saga log
}

// IsEmpty reports whether nothing is asked for.
func (r *recollection) IsEmpty() bool { return len(r.Undos) == 0 && len(r.Payloads) == 0 && !r.All }

// recalled turns the panic of a turn that lacks something into what it lacks.
func recalled(d *Delta) {
	switch r := recover().(type) {
	case nil:
	case *recall:
		*d = Delta{Recall: recollection{All: r.all}}
		if r.undo != 0 {
			d.Recall.Undos = []uint32{r.undo}
		}
		d.Recall.Payloads = r.payloads
	default:
		panic(r)
	}
}

// note writes the row of the frame's step, which has ended, and puts it on top
// of the frame's undos where it is owed. What is known of a step that has ended
// already may still change.
func (t *turn) note(f *Frame, s *asl.State, o Outcome, result Ref, fl *fault) {
	if s.Step == nil || t.head.OpenSagas == 0 {
		return
	}
	if f.Outcome == StepSucceeded {
		t.noteAgain(f, result)
		return
	}
	u := &Undo{
		Number: f.Entry, State: s.Name, Saga: t.sagaOf(f), Started: f.Entered, EnteredEvent: f.EnteredEvent, Input: f.Input,
	}
	if f.Outcome != 0 {
		u = t.rewrite(f.Entry)
	}
	f.Outcome = o
	if f.Locked != 0 {
		u.Lock, f.Locked = f.Locked, 0
	}
	if o == StepFailed {
		t.unlock(f, u)
	}
	switch {
	case fl != nil:
		u.Error, u.Cause = fl.Error, fl.Cause
	case o == StepSucceeded:
		u.Error, u.Cause = nil, nil
	}
	u.Outcome, u.Request, u.Result, u.Ended = o, f.Asked, result, t.head.Now
	u.Attempts, u.Tries = f.Sends, f.try()
	u.Edition = f.Edition
	switch onTop := f.Undo == f.Entry; {
	case onTop && o == StepFailed:
		f.Undo = u.Prev
	case !onTop && o != StepFailed && s.Step.Compensate != nil:
		u.Prev, f.Undo = f.Undo, f.Entry
	}
	if u.Variables == nil && (f.Undo == f.Entry || o == StepUnknown) { // for its undo, or for its Query
		u.Variables = t.named(f, s.Step.Names)
	}
	t.undos.put(u.Number, u)
}

// noteAgain notes what was sent of a step that had succeeded before, and a result
// where there was none yet, as its answer was too large, or where a person has sent
// another request.
func (t *turn) noteAgain(f *Frame, result Ref) {
	u := t.entry(f.Entry)
	if f.Sends == u.Attempts && (result == 0 || u.Result != 0) {
		return
	}
	u = t.rewrite(f.Entry)
	if result != 0 && (u.Result == 0 || u.Edition != f.Edition) {
		u.Result = result
	}
	u.Request, u.Attempts, u.Tries, u.Edition = f.Asked, f.Sends, f.try(), f.Edition
}

// named are the variables of those names that the frame can see.
func (t *turn) named(f *Frame, names []string) (found []binding) {
	for _, name := range names {
		if ref := t.variable(f, name); ref != 0 {
			found = append(found, binding{name, ref})
		}
	}
	return found
}

// handOver takes the undos of the frames beneath f, whose Parallel, Map or Saga
// is being left, to f's own.
func (t *turn) handOver(f *Frame, s *asl.State) {
	if f.Join == nil || s.Scope == nil {
		return
	}
	if s.Type == asl.Saga {
		f.Undo = t.peek(f.Join.First).Undo
		return
	}
	var heads []uint32
	for i := range f.Join.Begun {
		if child := t.peek(f.Join.First + FrameID(i)); child.Undo != 0 {
			heads = append(heads, child.Undo)
		}
	}
	if heads == nil {
		return
	}
	t.undos.put(f.Entry, &Undo{
		Number: f.Entry, Kind: undoGroup, Prev: f.Undo, State: s.Name, Saga: t.sagaOf(f),
		Started: f.Entered, Ended: t.head.Now, Heads: heads, AtOnce: f.Join.AtOnce,
	})
	f.Undo = f.Entry
}

// recent is how many rows of the saga log an execution keeps in memory: those
// that were written last, which are undone first.
const recent = 16

// lend keeps a row in memory for a while.
func (x *Execution) lend(u *Undo) {
	if x.Undos == nil {
		x.Undos = make(map[uint32]*Undo, recent)
	}
	if _, there := x.Undos[u.Number]; !there {
		x.lentUndos = append(x.lentUndos, u.Number)
	}
	x.Undos[u.Number] = u
}

// What an execution keeps in memory of payloads to which nothing but its saga log
// refers: those that came last, so many and so many bytes of them.
const (
	recentTexts = 2 * recent
	recentBytes = 16 << 10
)

// lendText keeps a payload in memory for a while.
func (x *Execution) lendText(ref Ref, text value.Text) {
	x.Payloads[ref] = text
	if !slices.Contains(x.lentTexts, ref) {
		x.lentTexts = append(x.lentTexts, ref)
		x.lentBytes += text.Len()
	}
}

// lendOwed keeps what the delta's steps were given and answered, if they are
// owed: their undo looks at it, and is often the next to come. last is the
// number of the last payload before the delta.
func (x *Execution) lendOwed(d Delta, last Ref) {
	for _, u := range d.Undos {
		if !u.IsStep() || !u.owed() {
			continue
		}
		for _, ref := range [...]Ref{u.Input, u.Result} {
			text, there := x.Payloads[ref]
			if n := int(ref) - int(last) - 1; n >= 0 && n < len(d.Payloads) {
				text, there = d.Payloads[n], true
			}
			if there && ref != 0 && text.Len() <= recentBytes/4 {
				x.lendText(ref, text)
			}
		}
	}
}

// Lend gives the execution what Step asked for, until the next Apply at least.
func (x *Execution) Lend(undos []*Undo, payloads map[Ref]value.Text) {
	for _, u := range undos {
		x.lend(u)
	}
	for _, ref := range slices.Sorted(maps.Keys(payloads)) {
		x.lendText(ref, payloads[ref])
	}
}

// LendLog is Lend for all rows of the saga log.
func (x *Execution) LendLog(undos []*Undo) {
	x.Lend(undos, nil)
	x.wholeLog = true
}

// takeBack lets go of what was lent and is not among the recent.
func (x *Execution) takeBack() {
	x.wholeLog = false
	gone := 0
	for _, ref := range x.lentTexts {
		if x.Head.OpenSagas > 0 && len(x.lentTexts)-gone <= recentTexts && x.lentBytes <= recentBytes {
			break
		}
		gone++
		x.lentBytes -= x.Payloads[ref].Len()
		if x.held[ref] == 0 {
			delete(x.Payloads, ref)
		}
	}
	x.lentTexts = slices.Delete(x.lentTexts, 0, gone)
	if over := len(x.lentUndos) - recent; over > 0 {
		for _, number := range x.lentUndos[:over] {
			delete(x.Undos, number)
		}
		x.lentUndos = append(x.lentUndos[:0], x.lentUndos[over:]...)
	}
}
