package sweep

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

var (
	errDead = errors.New("the process is no more")
	errGone = errors.New("nobody waits any more")
)

// call is a request on its way to its participant and back.
type call struct {
	point
	key      string  // under which the participant does it once
	step     *effect // the step that it is about
	token    string  // of a callback
	request  value.Text
	trouble  trouble
	troubled bool
	heard    bool // of a callback: its answer was taken
	unsure   bool // … or may have been, as the process died
	stray    bool // it arrives once more, or too late
}

// meeting is a call as it was made: what the sweep learns from a world.
type meeting struct {
	point
	arrived int64
	commits int
	line    lineage
}

// Call is a participant's side of a task. It takes its time while the world goes
// on.
func (p *process) Call(ctx context.Context, t integration.Task) (value.Text, error) {
	w := p.w
	if p.dead {
		return value.Text{}, errDead
	}
	c, delay := w.arrive(&t)
	switch {
	case c == nil:
		return value.Text{}, errGone
	case t.Pattern == integration.WaitForTaskToken:
		return w.take(c, delay)
	}
	var text value.Text
	var err error
	switch c.trouble.kind {
	case late, silent:
		return p.unanswered(ctx, c)
	case flying:
		text, err = w.perform(c)
		delay = flightTime(w, c)
	default:
		if !c.troubled || c.trouble.after || c.trouble.kind == twice || c.trouble.kind == large {
			text, err = w.perform(c)
		}
	}
	if c.trouble.kind == twice {
		w.after(duplicateAfter, func() { w.again(c) })
	}
	if !p.pause(delay) {
		return value.Text{}, errDead
	}
	if c.troubled && c.trouble.kind == fails {
		err = integration.NewError(c.trouble.name, "injected", c.trouble.effect)
		text = value.Text{}
	}
	w.answered(c, err)
	if c.trouble.kind == large {
		text = tooLarge
	}
	return text, err
}

// tooLarge is a result that is longer than one may be.
var tooLarge = value.NewString(strings.Repeat("x", integration.MaxResult)).Text()

const (
	duplicateAfter = 30_000    // ms until a request comes again
	flight         = 3_600_000 // ms that a call is under way for long
)

// flightTime is how long a call may be under way within its time limit.
func flightTime(w *world, c *call) int64 {
	if q := w.runs.States[c.state].Task.TimeoutSeconds.Literal; c.op == integration.Forward && q != nil {
		return min(flight, int64(*q*1000)-latency)
	}
	return flight
}

// unanswered is a call whose time runs out: its participant does its work before,
// or never, or when nobody waits any more.
func (p *process) unanswered(ctx context.Context, c *call) (value.Text, error) {
	w := p.w
	if c.trouble.after {
		_, _ = w.perform(c)
	}
	w.sleeping = append(w.sleeping, sleeper{w.turning, ctx})
	alive := p.pause(asleep)
	if c.trouble.kind == late {
		w.after(1000, func() { w.again(c) })
	}
	w.answered(c, errGone)
	if !alive {
		return value.Text{}, errDead
	}
	return value.Text{}, ctx.Err()
}

// take takes the request of a callback: its token is used later.
func (w *world) take(c *call, delay int64) (value.Text, error) {
	t := c.trouble
	if c.troubled && t.kind == fails && (t.effect != integration.EffectNamed) {
		if t.after {
			_, _ = w.perform(c)
		}
		err := integration.NewError(t.name, "injected", t.effect)
		w.answered(c, err)
		return value.Text{}, err
	}
	answer := func() {
		text, err := value.Text{}, error(nil)
		if c.troubled && t.kind == fails {
			err = integration.NewError(t.name, "injected", t.effect)
		} else {
			text, err = w.perform(c)
		}
		w.complete(c, text, err)
	}
	switch {
	case t.kind == silent && !t.after:
		w.answered(c, errGone)
	case t.kind == silent:
		_, _ = w.perform(c)
		w.answered(c, errGone)
	case t.kind == late:
		w.answered(c, errGone)
		w.after(everlastingTask, answer)
	case t.kind == twice:
		w.after(delay, answer)
		w.after(duplicateAfter, answer)
	case t.kind == flying:
		_, _ = w.perform(c)
		w.after(flightTime(w, c), answer)
	default:
		w.after(delay, answer)
	}
	return value.Checked(`{}`), nil
}

// everlastingTask is longer than the time limits of callbacks are in practice,
// in ms: an answer that comes then is too late.
const everlastingTask = 40 * 24 * 3_600_000

// complete brings a callback's answer, as often as it takes.
func (w *world) complete(c *call, text value.Text, err error) {
	p := w.process
	if p.dead {
		w.after(1500, func() { w.complete(c, text, err) })
		return
	}
	var failure *machine.Failure
	var failed *integration.Error
	if errors.As(err, &failed) {
		failure = &machine.Failure{Error: &failed.Name, Cause: &failed.Cause}
	}
	if text.IsZero() {
		text = value.Checked("{}")
	}
	switch refused := p.engine.Complete(context.Background(), c.token, text, failure); {
	case refused != nil && p.dead:
		c.unsure = true
		w.after(1500, func() { w.complete(c, text, err) })
	case c.heard: // it was answered before
	case refused != nil && !c.unsure:
		w.answered(c, errGone)
	default:
		c.heard = true
		w.answered(c, err)
	}
}

// again is a request that arrives once more, or too late: nobody waits for its
// answer.
func (w *world) again(c *call) {
	c.stray = true
	_, _ = w.perform(c)
}

// arrive finds out which call it is that has come, and what the plan has in store
// for it.
func (w *world) arrive(t *integration.Task) (*call, int64) {
	forward := t.StepID
	if t.Forward != "" {
		forward = t.Forward
	}
	forward, _, _ = strings.Cut(forward, "~")
	e := w.stepOf(forward, t.State)
	if e == nil {
		w.broken("a call of " + t.State + " is made under the step id " + t.StepID + ", and no such step is durable")
		return nil, 0
	}
	key := t.Operation.String() + " " + t.StepID
	w.sends[key]++
	c := &call{point: e.point, key: t.StepID, step: e, token: t.Token, request: t.Request}
	c.op, c.attempt = t.Operation, w.sends[key]
	w.met = append(w.met, meeting{c.point, w.now, w.commits, e.line})
	e.maybe = e.maybe || c.op == integration.Forward && t.Attempt > c.attempt // it may have been sent by a process that died
	w.sent(c)
	for i := range w.plan.faults {
		if f := &w.plan.faults[i]; f.kind == stop && f.commit == 0 && f.isAt(c.point) && w.struck[i].met < 0 {
			w.strikes(i)
			w.after(1, w.stopped)
		}
	}
	if i := w.planned(c); i >= 0 {
		f := &w.plan.faults[i]
		if w.struck[i].met < 0 {
			w.strikes(i)
		}
		c.troubled, c.trouble = true, f.trouble.at(c.attempt)
		w.troubles(c)
		return c, latency/2 + int64(f.delay)*latency
	}
	return c, int64(w.paceOf(c))
}

// planned is the place of the fault that the plan has for a call, of this attempt
// before one of every attempt; -1: there is none.
func (w *world) planned(c *call) int {
	at := -1
	for i := range w.plan.faults {
		f := &w.plan.faults[i]
		switch {
		case !f.matches(c.point):
		case !f.trouble.always && (f.point.attempt > 0 || at < 0):
			return i
		case w.struck[i].met >= 0 && w.holds[c.state+" "+c.op.String()] > w.struck[i].holds || c.attempt > retriedTimes*5 || w.isEndless(c) && c.attempt > retriedTimes:
		default:
			at = i
		}
	}
	return at
}

// paceOf is how long a participant works: as long as it may where the execution's
// time is to run out.
func (w *world) paceOf(c *call) int {
	for i := range w.plan.faults {
		if w.plan.faults[i].kind == expiry {
			if q := w.runs.States[c.state].Task.TimeoutSeconds.Literal; q == nil || *q > 2 {
				return slowPace
			}
		}
	}
	return latency
}

// slowPace has every call be under way as a whole second passes.
const slowPace = 1500

// stepOf is the account of a step by its id. It is opened as the step is first
// called.
func (w *world) stepOf(id, state string) *effect {
	if e := w.effects[id]; e != nil {
		return e
	}
	name, number, _ := strings.Cut(id, "-")
	execution, err := store.ParseID(name)
	entry, bad := strconv.ParseUint(number, 10, 32)
	if err != nil || bad != nil || w.runs.States[state] == nil {
		return nil
	}
	line, item := w.lineageOf(execution, uint32(entry))
	if line == nil && !w.saga.isExpress(state) {
		return nil
	}
	if line == nil {
		item = w.itemOf(execution)
	}
	e := &effect{id: id, line: line, execution: execution}
	e.point = point{state: state, item: item, entry: 1, nth: 1}
	for _, other := range w.order {
		if other.state == state {
			e.entry++
			if other.item == item {
				e.nth++
			}
		}
	}
	w.effects[id] = e
	w.order = append(w.order, e)
	return e
}

// itemOf is the item for which an Express child runs, in the order in which they
// were first heard of.
func (w *world) itemOf(execution store.ID) int {
	if w.items[execution] == 0 {
		w.express++
		w.items[execution] = w.express
	}
	return w.items[execution]
}
