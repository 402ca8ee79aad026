package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// witness finds what one execution waits for, among its rows and, where this node
// has it, in memory.
type witness struct {
	*Engine
	ctx  context.Context
	id   store.ID
	x    *Saga
	here bool
}

// all are the things that are waited for, beside those that are known already.
func (w *witness) all(waits []Wait) ([]Wait, error) {
	if w.x.Start.IsRun() {
		return append(waits, w.items()), nil
	}
	known := len(waits)
	x := w.x.Execution
	held, err := w.people()
	if err != nil {
		return nil, err
	}
	waits = append(waits, held...)
	var rest []Wait
	for _, j := range inOrder(x.Jobs) {
		f := x.Frames[j.Frame]
		if j.ID == x.Head.Timeout || f == nil || f.Job != j.ID {
			if !aside(j) {
				rest = append(rest, w.besides(j))
			}
			continue
		}
		one, err := w.job(f, j)
		if err != nil {
			return nil, err
		}
		waits = append(waits, one)
	}
	answered, err := w.answered()
	if err != nil {
		return nil, err
	}
	waits = append(waits, answered...)
	switch {
	case len(waits) > known:
		return waits, nil
	case len(rest) > 0:
		return append(waits, rest...), nil
	}
	return append(waits, Wait{Kind: WaitNothing, Since: x.Head.Now, Next: store.Never}), nil
}

// answered are the jobs that are over because another node has taken their answer:
// the node that has the shard is to hear of it.
func (w *witness) answered() (waits []Wait, err error) {
	var mails []store.Message
	for _, f := range w.x.Frames {
		if f.Job == 0 || f.Hold != nil || w.x.Execution.Jobs[f.Job] != nil || w.x.Head.Status.Ended() && !isAside(w.x.Execution, f) {
			continue
		}
		if mails == nil {
			if mails, err = w.cfg.Store.Messages(w.ctx, w.id.Shard(), w.cfg.Limits.Page); err != nil {
				return nil, fmt.Errorf("inbox of shard %d: %w", w.id.Shard(), err)
			}
		}
		for i := range mails {
			m, err := readMail(&mails[i])
			if err == nil && m.kind == mailAnswered && m.id == w.id && m.row.Number == uint32(f.Job) {
				waits = append(waits, Wait{Kind: WaitInbox, State: f.State, Job: f.Job, Since: w.x.Head.Now, Next: store.Never})
			}
		}
	}
	return waits, nil
}

// aside reports whether a job is done for somebody else: nothing waits for it.
func aside(j *machine.Job) bool {
	return j.Kind == machine.Halt || j.Kind == machine.FreeLock || j.Kind == machine.Tell
}

// isAside reports whether a frame undoes a saga that had ended: all others that an
// execution keeps beyond its end are for a redrive.
func isAside(x *machine.Execution, f *machine.Frame) bool {
	for f != nil && f.Kind != machine.Root && f.Kind != machine.Aside {
		f = x.Frames[f.Parent]
	}
	return f != nil && f.Kind == machine.Aside
}

// besides is a job that belongs to no frame: the execution's own time.
func (w *witness) besides(j *machine.Job) Wait {
	return Wait{Kind: WaitEnd, Job: j.ID, Since: j.Made, Next: j.Due, soon: j.Due}
}

// people are the holds. What is held of a step that had ended is named by its row.
func (w *witness) people() (waits []Wait, err error) {
	x := w.x.Execution
	var rows []uint32
	for _, f := range w.x.Frames {
		h := f.Hold
		if h == nil || x.Head.Status != machine.Running && !isAside(x, f) {
			continue
		}
		one := Wait{
			Kind: WaitPerson, State: f.State, Operation: h.Operation, Hold: h.Number, Since: h.Since, Next: store.Never, soon: store.Never,
			Error: h.Fault.Error, Cause: h.Fault.Cause, Verbs: x.Verbs(w.x.Program, f),
		}
		if h.Operation != machine.Forward {
			one.row = h.Row
			rows = append(rows, h.Row)
		}
		waits = append(waits, one)
	}
	steps, err := w.rowsOf(w.ctx, w.id, rows)
	for _, step := range steps {
		for i := range waits {
			if waits[i].row == step.Number {
				waits[i].State = step.State
			}
		}
	}
	return waits, err
}

// job is what a frame's job waits for.
func (w *witness) job(f *machine.Frame, j *machine.Job) (Wait, error) {
	one := Wait{Job: j.ID, State: j.State, Operation: j.Operation, Since: j.Made, Next: w.next(j), soon: j.Made}
	if f.Body != nil {
		one.Operation = f.Body.Operation
	}
	one.Attempt, one.Most = w.attempts(f)
	if again, is := w.again(j); is {
		again.State, again.Operation = one.State, one.Operation
		return again, nil
	}
	switch j.Kind {
	case machine.Call:
		w.call(&one, j)
	case machine.Activity:
		w.worker(&one, j)
	case machine.Timer:
		w.timer(&one, f, j)
	case machine.Child:
		return one, w.child(&one, j)
	case machine.StartRun:
		return one, w.mapRun(&one, j)
	case machine.TakeLock:
		return one, w.lock(&one, j)
	case machine.Unwind:
		one.Kind, one.Next = WaitUnwind, store.Never
	default:
		one.Kind, one.Next = WaitTurn, store.Never
	}
	return one, nil
}

// next is when a job is looked at again by itself: by what memory knows, else by
// its row.
func (w *witness) next(j *machine.Job) int64 {
	if due, set := w.alarms.due(alarmKey{JobKey: store.JobKey{ID: w.id, Number: uint32(j.ID)}}); w.here && set {
		return due
	}
	if j.Polled() {
		return j.Deadline
	}
	return alarmOf(j)
}

// attempts are which attempt a frame is at, and how many there may be; 0: any
// number.
func (w *witness) attempts(f *machine.Frame) (at, most int) {
	used, endless, before := f.Retries, f.Endless, f.Tried
	retry := w.state(f.State).Retry
	if b := f.Body; b != nil {
		used, endless, before, retry = b.Retries, b.Endless, 0, w.bodyRetry(f)
	}
	at = 1 + int(before) + int(endless)
	left := 0
	for i := range retry {
		n := 0
		if i < len(used) {
			n = int(used[i])
		}
		at += n
		left = max(left, int(retry[i].MaxAttempts)-n)
	}
	if endless > 0 {
		return at, 0
	}
	return at, at + left
}

// bodyRetry are the retriers of the body that a frame calls.
func (w *witness) bodyRetry(f *machine.Frame) []asl.Retrier {
	step := w.stepOf(f)
	switch b := f.Body; {
	case step == nil:
	case b.Operation == machine.Confirm && step.Confirm != nil:
		return step.Confirm.Retry
	case b.Operation == machine.Ask && step.Query != nil:
		return step.Query.Retry
	case b.Operation == machine.Compensate && b.Alternative < len(step.Compensate):
		return step.Compensate[b.Alternative].Retry
	}
	return nil
}

// stepOf is the step whose body a frame calls: the frame's job names its state.
func (w *witness) stepOf(f *machine.Frame) *asl.Step {
	name := f.State
	if j := w.x.Execution.Jobs[f.Job]; j != nil && j.State != "" {
		name = j.State
	}
	return w.state(name).Step
}

// state is a state of the program, an empty one where there is none of that name.
func (w *witness) state(name string) *asl.State {
	if s := w.x.Program.States[name]; s != nil {
		return s
	}
	return &asl.State{}
}

// again is an errand whose outcome could not be stored or told, and when it is
// tried again.
func (w *witness) again(j *machine.Job) (Wait, bool) {
	k := store.JobKey{ID: w.id, Number: uint32(j.ID)}
	how := w.dispatcher.stands(k)
	if !w.here || !how.parked || j.Kind == machine.Unwind {
		return Wait{}, false
	}
	due, set := w.alarms.due(alarmKey{k, true})
	if !set {
		due = w.now()
	}
	return Wait{Kind: WaitAgain, Job: j.ID, Since: j.Made, Next: due, soon: due, Tries: how.tries}, true
}

// call is a call of an integration: to be made, under way, or taken by its
// service.
func (w *witness) call(one *Wait, j *machine.Job) {
	w.resource(one, j)
	switch {
	case j.Polled():
		one.Kind, one.soon = WaitService, one.Next
	case j.Submitted:
		one.Kind, one.soon = WaitToken, one.Next
	default:
		how := w.dispatcher.stands(store.JobKey{ID: w.id, Number: uint32(j.ID)})
		one.Kind = WaitCall
		if w.here && how.known && !how.began {
			one.Kind, one.Running, one.Room = WaitPlace, how.running, how.room
		}
	}
}

// resource names what a job's task calls, and whom.
func (w *witness) resource(one *Wait, j *machine.Job) {
	one.Resource = j.Task(w.x.Program).Text
	request := w.x.Execution.Payloads[j.Request]
	if request.IsZero() {
		return
	}
	asked := request.Decode()
	for _, name := range [...]string{"FunctionName", "ApiEndpoint"} {
		if one.Target = asked.Get(name).AsString(); one.Target != "" {
			break
		}
	}
	one.Target, _, _ = strings.Cut(one.Target, "?")
}

// worker is a task of an activity.
func (w *witness) worker(one *Wait, j *machine.Job) {
	w.resource(one, j)
	if one.Kind, one.soon = WaitTask, one.Next; j.Taken {
		return
	}
	one.Kind, one.Pollers = WaitWorker, w.activities.pollers(activityOf(one.Resource))
}

// timer is the next try of what failed, or the time of a Wait.
func (w *witness) timer(one *Wait, f *machine.Frame, j *machine.Job) {
	one.Kind, one.Next, one.soon = WaitRetry, j.Due, j.Due
	s := w.state(f.State)
	if f.Body == nil && f.Phase == machine.Working && s.Type == asl.Wait {
		one.Kind = WaitTime
		return
	}
	if f.Body == nil && s.Task != nil {
		one.Resource = s.Task.Resource.Text
	}
}

// child is a nested execution.
func (w *witness) child(one *Wait, j *machine.Job) error {
	one.Kind = WaitTurn
	w.resource(one, j)
	if !j.Submitted {
		return nil
	}
	one.Kind, one.soon = WaitChild, one.Next
	q, err := w.x.Execution.Request(w.env(), w.x.Program, j.ID)
	if err != nil {
		return fmt.Errorf("execution %s: %w", w.id, err)
	}
	birth, err := q.Birth()
	if err != nil {
		return nil
	}
	start := &w.x.Start
	names := []string{birth.Name}
	if !birth.Named { // a saga's step may have taken the child of an earlier attempt up
		for attempt := q.Attempt - 1; attempt > 0; attempt-- {
			names = append(names, q.Child(attempt))
		}
	}
	m, err := w.machine(start, birth.MachineARN)
	if err != nil { // the version or alias may be gone; the child is not
		m = Machine{Account: start.Account, Region: start.Region, Name: machineNamed(birth.MachineARN)}
	}
	for _, name := range names {
		id, err := w.Find(w.ctx, m.Account, m.Region, m.Name, name)
		if errors.Is(err, ErrNotFound) || err == nil && id == nobody(id.Shard()) {
			continue
		}
		if err != nil {
			return err
		}
		child, head, err := w.Execution(w.ctx, id)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if p := child.Parent; err == nil && p != nil && p.ID == start.ID && (p.Job == j.ID || head.ParentJob == j.ID) {
			one.Execution = child.ExecutionARN()
			return nil
		}
	}
	return nil
}

// mapRun is the map run of a distributed Map.
func (w *witness) mapRun(one *Wait, j *machine.Job) error {
	one.Kind, one.Next, one.soon = WaitTurn, store.Never, j.Made
	id, ok := machine.MapRunID(w.x.Execution.Payloads[j.Request].Decode().Get("MapRun").AsString())
	if !ok {
		return nil
	}
	run, head, err := w.Execution(w.ctx, store.ID(id))
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	one.Kind, one.soon, one.Execution, one.Run = WaitMapRun, store.Never, run.MapRunARN(), head.Run
	return nil
}

// items is what a map run itself waits for.
func (w *witness) items() Wait {
	x := w.x.Execution
	one := Wait{Kind: WaitItems, State: x.Start.Map.State, Since: x.Start.At, Next: store.Never, Run: x.Head.Run}
	for _, j := range x.Jobs {
		if !aside(j) {
			return one
		}
	}
	one.Kind = WaitNothing
	return one
}

// lock is a semantic lock, and who has it.
func (w *witness) lock(one *Wait, j *machine.Job) error {
	one.Kind, one.Next, one.soon = WaitLock, j.Deadline, j.Deadline
	key, claim, _ := w.x.Execution.ClaimOf(j.ID)
	one.Key = key
	loaded, err := w.cfg.Store.Load(w.ctx, w.lockID(&w.x.Start, key))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lock %q: %w", key, err)
	}
	of, _, err := readExecution(&loaded)
	if err != nil {
		return fmt.Errorf("lock %q: %w", key, err)
	}
	for _, f := range inOrder(of.Frames) {
		if f.Claim.Execution == claim.Execution && f.Claim.Entry == claim.Entry {
			return nil
		}
		one.Ahead++
		if !f.Claim.Granted || one.Execution != "" {
			continue
		}
		holder, _, err := w.Execution(w.ctx, store.ID(f.Claim.Execution))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err == nil {
			one.Execution = holder.ExecutionARN()
		}
	}
	return nil
}

// pollers is how many ask for tasks of an activity now.
func (a *activities) pollers(k activityKey) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.polled[k]; p != nil {
		return p.pollers
	}
	return 0
}

// errandStanding is how a job's own errand stands.
type errandStanding struct {
	known, began, parked bool
	tries                int
	running, room        int // of its lane
}

// stands tells how a job's own errand stands.
func (d *dispatcher) stands(k store.JobKey) errandStanding {
	d.mu.Lock()
	defer d.mu.Unlock()
	er := d.errands[k]
	if er == nil {
		return errandStanding{}
	}
	how := errandStanding{known: true, began: er.began, parked: er.parked, tries: er.tries}
	if er.lane != nil {
		how.running, how.room = er.lane.running, er.lane.most
	}
	return how
}
