package sim

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// taskBook are the tasks that are with somebody outside.
type taskBook struct {
	byToken map[string]*task
	given   []*task
	flying  map[string]int // calls under way by step id
	polling map[string]bool
}

func newTaskBook() taskBook {
	return taskBook{byToken: map[string]*task{}, flying: map[string]int{}, polling: map[string]bool{}}
}

// task is what somebody got a token for.
type task struct {
	token    string
	id       store.ID
	job      machine.JobID
	attempt  uint32
	stepID   string
	state    string
	accepted bool
	told     bool // history tells that its answer came too late
	dead     bool // its worker is

	// Of a saga's step.
	call    integration.Task
	worked  bool // then this is what it came to
	output  value.Text
	failure *machine.Failure
}

// give hands a callback task to whoever will complete it.
func (w *world) give(t *integration.Task) {
	w.trace.note(w.now, "token", t.State, 0)
	w.begin(t.Token, t.StepID, t.State)
	if tk := w.tasks.byToken[t.Token]; tk != nil {
		tk.call = *t
	}
}

// begin begins the work on a task.
func (w *world) begin(token, stepID, state string) {
	if w.tasks.byToken[token] != nil {
		return // the request came twice
	}
	var t machine.Token
	if err := t.Open(token, w.reader.Identity().TokenKey); err != nil {
		w.fail("I4", store.ID{}, "a token that can't be read leaves the house: "+err.Error())
		return
	}
	tk := &task{token: token, id: store.ID(t.ID), job: t.Job, attempt: t.Attempt, stepID: stepID, state: state}
	w.tasks.byToken[token] = tk
	w.tasks.given = append(w.tasks.given, tk)
	if old := w.tasks.last(tk); old != nil && w.strikes(oldToken) {
		w.after(w.faults.span(0, 5000), func() { w.finish(old) })
	}
	if w.strikes(forgedToken) {
		w.after(w.faults.span(1, 1000), func() { w.forge(tk) })
	}
	if w.strikes(deadWorker) {
		tk.dead = true
		return
	}
	done := w.work.span(0, 4000)
	if w.strikes(lateWorker) {
		done = w.faults.span(5000, 100_000)
	}
	if j := w.job(tk); j != nil && j.Heartbeat > 0 {
		w.beats(tk, j.Heartbeat, w.now+done)
	}
	w.after(done, func() { w.finish(tk) })
	if w.strikes(twiceAnswer) {
		w.after(done+w.faults.span(0, 20_000), func() { w.finish(tk) })
	}
}

// last is the task of the same step that came before, nil where there was none.
func (b *taskBook) last(tk *task) *task {
	for _, other := range slices.Backward(b.given) {
		if other != tk && other.id == tk.id && (other.state == tk.state || other.stepID == tk.stepID && tk.stepID != "") {
			return other
		}
	}
	return nil
}

// job is the task's job as far as it is durable and this very attempt's.
func (w *world) job(tk *task) *machine.Job {
	l := w.book.lives[tk.id]
	if l == nil {
		return nil
	}
	j := l.jobs[tk.job]
	if j == nil || j.Attempt != tk.attempt || l.isAnswered(j.ID) {
		return nil
	}
	return j
}

// isOpen reports whether the task may still be completed.
func (w *world) isOpen(tk *task) bool {
	j := w.job(tk)
	return j != nil && (j.Kind == machine.Call || j.Kind == machine.Child || j.Kind == machine.Activity && w.book.lives[tk.id].isTaken(j))
}

// beats sends heartbeats until the work is done.
func (w *world) beats(tk *task, every, until int64) {
	w.after(max(1, every/2), func() {
		if w.now >= until || tk.accepted {
			return
		}
		if !w.strikes(lostBeat) {
			w.beat(tk)
		}
		w.beats(tk, every, until)
	})
}

// beat sends one heartbeat.
func (w *world) beat(tk *task) {
	p := w.up()
	if p == nil {
		return
	}
	was := w.isOpen(tk)
	c := w.visits()
	p, err := w.onAnyNode(func(p *process) error { return p.engine.Heartbeat(context.Background(), tk.token) })
	switch {
	case p == nil || p.dead || c.torn():
	case err == nil && !was:
		w.fail("I4", tk.id, "a heartbeat is taken for "+tk.state+", which is over")
	case err == nil:
		w.saw(beatTaken)
		l := w.book.lives[tk.id]
		if l.beats == nil {
			l.beats = map[machine.JobID]int64{}
		}
		l.beats[tk.job] = w.now
	case refused(err):
		w.saw(beatRefused)
		if w.isOpen(tk) {
			w.failf("I4", tk.id, "a heartbeat is refused for %s, which is open: %v", tk.state, err)
		}
	}
}

// finish completes a task, well or not.
func (w *world) finish(tk *task) {
	p := w.up()
	if p == nil {
		w.after(w.work.span(10, 2000), func() { w.finish(tk) })
		return
	}
	output, failure := w.completion(tk)
	if tk.dead {
		return
	}
	before := w.before(tk)
	p, err := w.onAnyNode(func(p *process) error { return p.engine.Complete(context.Background(), tk.token, output, failure) })
	w.trace.note(w.now, "complete", tk.state, 0)
	switch {
	case p == nil || p.dead:
		w.after(w.work.span(10, 2000), func() { w.finish(tk) })
	case err == nil:
		w.accepted(tk, before, output, failure)
	case refused(err):
		w.refusedCompletion(tk, before, err)
	default:
		w.after(w.work.span(10, 2000), func() { w.finish(tk) })
	}
}

// completion is what the work on a task came to.
func (w *world) completion(tk *task) (value.Text, *machine.Failure) {
	if l := w.book.lives[tk.id]; l != nil && l.start.Machine == orderName {
		text, err := w.ledger.do(w, l.start.Name, tk.state, tk.stepID)
		var failed *integration.Error
		if errors.As(err, &failed) {
			return text, &machine.Failure{Error: &failed.Name, Cause: &failed.Cause}
		}
		return text, nil
	}
	if w.sagas {
		return w.stepCompletion(tk)
	}
	if w.paths.once(12) {
		name, cause := "E.Biz", "the worker says no"
		return value.Text{}, &machine.Failure{Error: &name, Cause: &cause}
	}
	text, err := w.answers()
	if err != nil {
		name := "E.Hard"
		return value.Text{}, &machine.Failure{Error: &name}
	}
	return text, nil
}

// stepCompletion is what a saga's step came to: the same, however often it is
// told. Who does not know what he did says nothing.
func (w *world) stepCompletion(tk *task) (value.Text, *machine.Failure) {
	if !tk.worked {
		tk.worked = true
		text, err := w.sagaCall(&tk.call)
		tk.output = text
		var failed *integration.Error
		if errors.As(err, &failed) {
			tk.failure = &machine.Failure{Error: &failed.Name, Cause: &failed.Cause}
			tk.dead = failed.Effect == integration.EffectUnknown
		}
	}
	return tk.output, tk.failure
}

// forge tries a token that nobody made.
func (w *world) forge(tk *task) {
	p := w.up()
	if p == nil {
		return
	}
	at := len(tk.token) - 3
	letter := "A"
	if tk.token[at] == 'A' {
		letter = "B"
	}
	err := p.engine.Complete(context.Background(), tk.token[:at]+letter+tk.token[at+1:], value.Checked(`{}`), nil)
	switch {
	case p.dead:
	case errors.Is(err, engine.ErrInvalidToken):
		w.saw(forgedRefused)
	default:
		w.failf("I4", tk.id, "a forged token is answered by: %v", err)
	}
}

func refused(err error) bool {
	return errors.Is(err, engine.ErrTaskDoesNotExist) || errors.Is(err, engine.ErrTaskTimedOut) || errors.Is(err, engine.ErrInvalidToken)
}

// expectWorker has somebody poll an activity that a task waits for.
func (w *world) expectWorker(activity string) {
	if w.tasks.polling[activity] {
		return
	}
	w.tasks.polling[activity] = true
	most := int64(3000)
	if w.healed {
		most = 100
	}
	w.after(w.work.span(1, most), func() { w.poll(activity) })
}

// atOnce is a context whose caller does not wait: its end never breaks off what
// is under way.
type atOnce struct{ context.Context }

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (atOnce) Done() <-chan struct{} { return closed }
func (atOnce) Err() error            { return nil }

// poll asks for a task of an activity as a worker does.
func (w *world) poll(activity string) {
	w.tasks.polling[activity] = false
	if p := w.up(); p != nil {
		c := w.visits()
		got, err := p.engine.Poll(atOnce{context.Background()}, account, region, activity, "worker", 0)
		switch {
		case p.dead || err != nil:
		case got.Token == "":
			w.saw(pollEmpty)
		case w.strikes(answerToNone):
		default:
			w.saw(pollTook)
			w.take(got, activity, c)
		}
	}
	for k := range w.book.queued {
		if k.Activity == activity {
			w.expectWorker(activity)
			return
		}
	}
}

// take begins the work on an activity's task.
func (w *world) take(got engine.PolledTask, activity string, c visit) {
	if w.tasks.byToken[got.Token] != nil {
		w.fail("I4", w.tasks.byToken[got.Token].id, "a task of "+activity+" is handed out twice")
		return
	}
	w.begin(got.Token, "", activity)
	tk := w.tasks.byToken[got.Token]
	if tk == nil {
		return
	}
	j := w.job(tk)
	if (j == nil || !w.book.lives[tk.id].isTaken(j)) && c.torn() {
		return // it was taken, and is over by now
	}
	if j == nil || !w.book.lives[tk.id].isTaken(j) {
		w.failf("I1", tk.id, "a task of %s is handed out, and that is not durable", activity)
		return
	}
	tk.state = strings.Clone(j.State)
	tk.call = integration.Task{StepID: machine.ID(tk.id).Step(j.Entry), State: tk.state}
}
