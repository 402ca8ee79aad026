package engine

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// A nested execution is an execution of its own, in a shard of its own. Its
// parent's job starts it through the door, under the step's id or the name that
// the definition gives; the same job twice finds the same child. When it ends,
// its own job tells the parent. So no commit spans both.

// child starts the execution that a job asks for.
func (e *Engine) child(er *errand) {
	p, err := e.nested(er.key)
	switch {
	case err != nil:
		e.postpone(er, err)
		return
	case p == nil:
		return
	case p.mock != nil:
		output, err := invoke(e.ctx, p.mock, *p.task)
		e.deliver(er, answer(p.parent.Job, p.task, output, err))
		return
	}
	started, err := e.startNested(p)
	var failed *integration.Error
	switch {
	case errors.As(err, &failed):
		e.deliver(er, machine.Message{
			Kind: machine.JobFailed, Job: p.parent.Job, Effect: machine.Effect(failed.Effect),
			Failure: &machine.Failure{Error: &failed.Name, Cause: &failed.Cause},
		})
	case errors.Is(err, ErrNotReady):
		e.postpone(er, errElsewhere)
	case err != nil:
		e.postpone(er, err)
	default:
		kind := machine.JobSucceeded
		if p.pattern != integration.RequestResponse {
			kind = machine.Submitted
		}
		e.deliver(er, machine.Message{Kind: kind, Job: p.parent.Job, Output: e.startAnswer(started.arn, started.At)})
	}
}

// plan is a nested start as its job tells it.
type plan struct {
	parent  machine.Parent
	start   machine.Start // the parent's
	pattern integration.Pattern
	request machine.Request
	task    *integration.Task
	mock    integration.Handler // answers in the place of the child; nil: it is started
	saga    bool                // it is a step of a saga
}

// nested reads the job of a nested start; nil where it is over.
func (e *Engine) nested(k store.JobKey) (*plan, error) {
	s, r, j, err := e.awakeFor(k)
	if err != nil {
		return nil, err
	}
	defer s.release(r)
	if j == nil || j.Kind != machine.Child || j.Submitted {
		return nil, nil
	}
	q, err := r.x.Request(e.env(), r.program, j.ID)
	if err != nil {
		return nil, err
	}
	p := &plan{
		parent: machine.Parent{ID: r.x.Start.ID, Job: j.ID}, start: r.x.Start,
		pattern: integration.Pattern(q.Resource.Pattern), request: q, saga: r.program.States[j.State].Step != nil,
	}
	if p.start.TestCase != "" {
		p.task, p.mock, err = asked(e.cfg.Registry, e.env(), r.program, r.x, j)
	}
	return p, err
}

// nestedStart is a child that was started.
type nestedStart struct {
	Started
	arn string
}

// startNested starts the child. What the language has a name for is an
// *integration.Error.
func (e *Engine) startNested(p *plan) (nestedStart, error) {
	birth, err := p.request.Birth()
	if err != nil {
		return nestedStart{}, e.sfnError("InvalidExecutionInput", "Invalid State Machine Execution Input: '"+err.Error()+"'")
	}
	m, err := e.machine(&p.start, birth.MachineARN)
	if err != nil {
		return nestedStart{}, err
	}
	if p.start.Depth+1 > e.cfg.Limits.Depth {
		return nestedStart{}, e.sfnError("ExecutionLimitExceeded", "Nested executions are "+strconv.Itoa(e.cfg.Limits.Depth)+" deep at most")
	}
	if p.saga && !m.Express && !birth.Named {
		if nested, found, err := e.earlierChild(p, m); found || err != nil {
			return nested, err
		}
	}
	r := StartRequest{
		Machine: m, Name: birth.Name, Input: birth.Input, Trace: birth.Trace,
		Depth: p.start.Depth + 1, Parent: &p.parent,
	}
	if m.Express {
		r.Parent = nil
		started, err := e.StartExpress(e.ctx, r)
		return nestedStart{started, m.executionARN(&started, true)}, err
	}
	started, err := e.Start(e.ctx, r)
	started.Name = r.Name
	nested := nestedStart{started, m.executionARN(&started, false)}
	var taken *NameTakenError
	switch {
	case errors.As(err, &taken):
		return nested, e.sfnError("ExecutionAlreadyExists", "Execution Already Exists: '"+nested.arn+"'")
	case errors.Is(err, ErrQuarantined):
		return nested, e.sfnError("InternalFailure", "The execution could not begin")
	}
	return nested, err
}

// earlierChild finds the child that an earlier attempt of a saga's step has
// started, and that runs or has succeeded. This attempt's job hears of its end.
func (e *Engine) earlierChild(p *plan, m Machine) (nestedStart, bool, error) {
	for attempt := p.request.Attempt - 1; attempt > 0; attempt-- {
		id, err := e.Find(e.ctx, m.Account, m.Region, m.Name, p.request.Child(attempt))
		if errors.Is(err, ErrNotFound) || err == nil && id == nobody(id.Shard()) {
			continue
		}
		if err != nil {
			return nestedStart{}, false, err
		}
		fits, err := e.goOnFor(id, p.parent.Job, &p.parent.ID)
		if err != nil {
			return nestedStart{}, false, err
		}
		start, _, err := e.Execution(e.ctx, id)
		if err != nil {
			return nestedStart{}, false, err
		}
		started := Started{ID: id, Name: start.Name, At: start.At, Was: true}
		return nestedStart{started, start.ExecutionARN()}, fits, nil // those before it were looked at by then
	}
	return nestedStart{}, false, nil
}

// goOnFor lets what an earlier job has started go on for another job. Where a
// parent is given it must be that one's, and run or have succeeded: it reports
// whether that is so.
func (e *Engine) goOnFor(id store.ID, job machine.JobID, parent *machine.ID) (fits bool, err error) {
	fits, err = e.followHere(id, job, parent)
	if e.again(err) {
		return e.askOf(id, order{What: orderFollow, Job: uint32(job), Parent: parent})
	}
	return fits, err
}

func (e *Engine) followHere(id store.ID, job machine.JobID, parent *machine.ID) (fits bool, err error) {
	look := func(r *resident) bool {
		h, of := &r.x.Head, r.x.Start.Parent
		fits = parent == nil || of != nil && of.ID == *parent && (h.Status == machine.Running || h.Status == machine.Succeeded)
		return fits
	}
	_, err = e.turn(id, machine.Message{Kind: machine.Redrive, Job: job}, &rider{before: look, asked: true})
	return fits, err
}

// executionARN is the ARN of an execution of the machine.
func (m *Machine) executionARN(s *Started, express bool) string {
	start := machine.Start{
		ID: machine.ID(s.ID), Account: m.Account, Region: m.Region, Machine: m.Name, Name: s.Name, Express: express,
	}
	return start.ExecutionARN()
}

// machine finds the state machine that a nested start names.
func (e *Engine) machine(from *machine.Start, arn string) (Machine, error) {
	if e.cfg.Machines == nil {
		return Machine{}, e.sfnError("StateMachineDoesNotExist", "State Machine Does Not Exist: '"+arn+"'")
	}
	return e.cfg.Machines(e.ctx, from.Account, from.Region, arn, e.Draw)
}

// sfnError is an error of the service's own API as a Task sees it.
func (e *Engine) sfnError(code, message string) error {
	cause := integration.ServiceError{
		Service: "AWSStepFunctions", Status: 400, Code: code, Message: message, RequestID: e.requestID(),
	}.Cause()
	return integration.NewError("StepFunctions."+code+"Exception", cause, integration.EffectNone)
}

// requestID is an id for a request that the engine answers itself.
func (e *Engine) requestID() string {
	var chance [16]byte
	_ = e.Draw(chance[:]) // an id of zeros does no harm
	return integration.UUID(chance, 4)
}

// tell tells the parent that its nested execution has ended, and then the child
// that this is done.
func (e *Engine) tell(er *errand) {
	news, err := e.ending(er.key)
	switch {
	case err != nil:
		e.postpone(er, err)
		return
	case news == nil:
		return
	}
	parent := e.shardOf(store.ID(news.Start.Parent.ID))
	if parent == nil || parent.epoch.Load() != 0 {
		err = e.tellParent(news, nil)
	} else {
		err = e.leaveNews(parent, er.key)
	}
	if err != nil {
		e.postpone(er, err)
		return
	}
	e.deliver(er, machine.Message{Kind: machine.JobSucceeded, Job: machine.JobID(er.key.Number)})
}

// ending reads what a parent is to be told; nil where it was told.
func (e *Engine) ending(k store.JobKey) (*machine.Ending, error) {
	s, r, err := e.awake(k.ID)
	if err != nil {
		return nil, err
	}
	defer s.release(r)
	if j := r.x.Jobs[machine.JobID(k.Number)]; j == nil || j.Kind != machine.Tell {
		return nil, nil
	}
	n := r.x.Ending(e.cfg.Quotas)
	return &n, nil
}

// tellParent tells who started an execution that it has ended. What came by an inbox
// is dropped from there, whoever hears it.
func (e *Engine) tellParent(n *machine.Ending, by *mail) (err error) {
	var from []store.MessageKey
	if by != nil {
		from = []store.MessageKey{by.lies}
	}
	switch {
	case n.Start.IsRun():
		err = e.tellMap(n, from)
	case n.Start.Map != nil:
		err = e.tellRun(n, from)
	default:
		err = e.tellTask(n, from)
	}
	if by != nil && isUnheard(err) {
		return e.dropMail(by)
	}
	return heard(err)
}

// errNotAwaited says that a parent does not wait for the end that it is told of.
var errNotAwaited = errors.New("nobody waits for its end")

// tellTask completes the parent's job, if it waits for this: a parent that
// only wanted the start has its answer already. The end may be told before the
// start's answer has arrived; then that is told first.
func (e *Engine) tellTask(n *machine.Ending, from []store.MessageKey) error {
	parent := *n.Start.Parent
	id := store.ID(parent.ID)
	var pattern integration.Pattern
	waits := false
	look := func(r *resident) bool {
		j := r.x.Jobs[parent.Job]
		if j == nil || j.Kind != machine.Child {
			return false
		}
		pattern = integration.Pattern(taskOf(r, j).Pattern)
		waits = pattern == integration.Sync || pattern == integration.Sync2
		return waits && !j.Submitted
	}
	first := machine.Message{Kind: machine.Submitted, Job: parent.Job, Output: e.startAnswer(n.Start.ExecutionARN(), n.Start.At)}
	_, err := e.turn(id, first, &rider{before: look, asked: true})
	switch {
	case err != nil:
		return err
	case !waits:
		return errNotAwaited
	}
	_, err = e.turn(id, n.Message(asl.Pattern(pattern)), &rider{dropMessages: from, asked: true})
	return err
}

// isUnheard reports whether nobody was there to hear what a parent was told with that
// outcome: it is gone, held, or waits for something else.
func isUnheard(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrQuarantined) || errors.Is(err, errNotAwaited)
}

// heard is what remains to be done after a parent was told with that outcome.
func heard(err error) error {
	switch {
	case errors.Is(err, ErrNotReady):
		return errElsewhere
	case isUnheard(err):
		return nil
	}
	return err
}

// startAnswer is StartExecution's answer as a Task sees it.
func (e *Engine) startAnswer(arn string, at int64) value.Text {
	b := value.NewBuilder(4)
	b.Set("ExecutionArn", value.NewString(arn))
	request := e.requestID()
	body := `{"executionArn":"` + arn + `","startDate":` + epochSeconds(at) + `}`
	header := map[string][]string{
		"Connection":     {"keep-alive"},
		"Content-Length": {strconv.Itoa(len(body))},
		"Content-Type":   {"application/x-amz-json-1.0"},
		"Date":           {time.UnixMilli(at).UTC().Format(time.RFC1123)},
	}
	header["X-Amzn-Requestid"] = []string{request}
	integration.Metadata{Status: 200, Header: header}.Set(b)
	b.Set("StartDate", value.NewInt(at))
	return b.Object().Text()
}

func epochSeconds(ms int64) string { return strconv.FormatFloat(float64(ms)/1000, 'E', -1, 64) }

// orphans reports whether a child goes on of which nobody hears the end any
// more, since its parent has ended or gave up waiting for it.
func orphans(r *resident, j *machine.Job, m machine.Message) bool {
	if j.Kind != machine.Child || !j.Submitted || m.Job == j.ID && m.Kind != machine.Fired {
		return false
	}
	pattern := integration.Pattern(taskOf(r, j).Pattern)
	return pattern == integration.Sync || pattern == integration.Sync2
}

// stopNested stops the child of a job that is over, as well as it can: as with
// the service, it is not certain.
func (e *Engine) stopNested(r *resident, j *machine.Job) {
	q, err := r.x.Request(e.env(), r.program, j.ID)
	if err != nil {
		return
	}
	p := &plan{parent: machine.Parent{ID: r.x.Start.ID, Job: j.ID}, start: r.x.Start, request: q}
	k := store.JobKey{ID: r.id, Number: uint32(j.ID)}
	e.dispatcher.send(&errand{key: k, do: func(e *Engine, _ *errand) {
		if err := e.stopChild(p); err != nil {
			e.cfg.Log.Warn("a nested execution could not be stopped", "parent", p.start.ExecutionARN(), "error", err)
		}
	}}, turning, ownerKey{})
}

func (e *Engine) stopChild(p *plan) error {
	birth, err := p.request.Birth()
	if err != nil {
		return err
	}
	m, err := e.machine(&p.start, birth.MachineARN)
	if err != nil {
		// The version or alias that was started may be gone; the child is not.
		m = Machine{Account: p.start.Account, Region: p.start.Region, Name: machineNamed(birth.MachineARN)}
	}
	id, err := e.Find(e.ctx, m.Account, m.Region, m.Name, birth.Name)
	if err != nil {
		return err
	}
	start, _, err := e.Execution(e.ctx, id)
	if err != nil || start.Parent == nil || *start.Parent != p.parent {
		return err
	}
	_, err = e.stop(id, 0, machine.Failure{})
	return err
}

// machineNamed is the name of the machine in an ARN of it, of a version or of
// an alias.
func machineNamed(arn string) string {
	name, _, _ := strings.Cut(qualified(arn), ":")
	return name
}
