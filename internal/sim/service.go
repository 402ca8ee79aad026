package sim

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// The participants: whoever a Task calls. What they answer is the path stream's
// matter, how badly they do it the fault stream's.

var (
	errCut  = errors.New("connection reset by peer")
	errDead = errors.New("the process is no more")
)

// Call is a participant's side of a task. It takes its time while the world
// goes on.
func (p *process) Call(ctx context.Context, t integration.Task) (value.Text, error) {
	w := p.w
	if p.dead {
		return value.Text{}, errDead
	}
	if f := p.faint; f.ms > 0 && f.at == atParticipant {
		p.faint, p.fainted = faint{}, true
		p.stand(f.ms)
	}
	p.called(&t)
	w.out.Calls++
	if w.script.call != nil {
		w.script.call(p, &t)
	}
	if w.strikes(lostRequest) {
		p.pause(w.faults.span(1, 5000))
		return value.Text{}, errCut
	}
	first := w.faults.once(2) // the participant does it first, and is slow to answer
	var text value.Text
	var err error
	if first {
		text, err = w.participate(&t)
	}
	delay := w.work.span(0, 800)
	if w.strikes(slowCall) {
		delay = w.faults.span(1000, 200_000)
	}
	w.tasks.flying[t.StepID]++
	alive := p.pause(delay)
	if w.tasks.flying[t.StepID]--; w.tasks.flying[t.StepID] == 0 {
		delete(w.tasks.flying, t.StepID)
	}
	if !alive && w.faults.once(2) {
		return value.Text{}, errDead
	}
	if !first {
		text, err = w.participate(&t)
	}
	switch {
	case !alive:
		return value.Text{}, errDead
	case ctx.Err() != nil:
		return value.Text{}, ctx.Err()
	case w.strikes(lostAnswer):
		w.saw(effectUnheard)
		return value.Text{}, errCut
	}
	return text, err
}

// participate does what a task asks.
func (w *world) participate(t *integration.Task) (value.Text, error) {
	w.trace.note(w.now, "does", t.State+" "+t.Service, int64(t.Attempt))
	if t.Pattern == integration.WaitForTaskToken {
		w.give(t)
		return value.Checked(`{"taken":true}`), nil
	}
	if w.strikes(softError) {
		return value.Text{}, integration.NewError("E.Soft", "try again", integration.EffectNone)
	}
	if t.Pattern == integration.Sync {
		return w.submit(t)
	}
	if w.sagas {
		return w.sagaCall(t)
	}
	if order, is := orderOf(t.Execution); is {
		return w.ledger.do(w, order, t.State, t.StepID)
	}
	if w.paths.once(200) {
		panic("a participant's client panics")
	}
	return w.answers()
}

// result is what a participant of a generated definition answers.
func (w *world) result() (value.Text, error) {
	switch n := w.paths.IntN(100); {
	case n < 4:
		return value.Text{}, integration.NewError("E.Biz", "no", integration.EffectNamed)
	case n < 6:
		return value.Text{}, integration.NewError("E.Hard", "broken", integration.EffectUnknown)
	}
	return value.Checked(`{"v":` + strconv.Itoa(w.paths.IntN(10)) + `,"ok":true}`), nil
}

// called holds a call against what is durable (I3): the call was scheduled, is
// open, is made under its step's id, and no send is made twice.
func (p *process) called(t *integration.Task) {
	w := p.w
	w.trace.note(w.now, "call", t.State, int64(t.Attempt))
	step := t.StepID
	if t.Operation != integration.Forward {
		step = t.Forward
	}
	step, _, _ = strings.Cut(step, "~")
	l, n := w.step(step)
	if l != nil && l.saga() {
		p.calledInSaga(l, n, t)
		return
	}
	if l == nil && strings.Contains(t.Execution, ":express:") {
		p.calledByGuest(t)
		return
	}
	if l == nil {
		w.fail("I3", store.ID{}, "a call of "+t.State+" under the step id "+t.StepID+", which is none")
		return
	}
	if l.start.Express {
		l.calls++
		return
	}
	en := l.entry(n)
	if en.scheduled == 0 || l.stateAt(n) != t.State {
		w.failf("I3", l.id, "%s is called as entry %d before that is in history", t.State, n)
		return
	}
	open := false
	for _, j := range l.jobs {
		open = open || j.Entry == n && j.State == t.State && int(j.Send) == t.Attempt && !j.Submitted
	}
	if !open && !p.owns(l.id.Shard()) {
		w.saw(zombieCall) // nobody can keep it from what it takes to be its own
	} else if !open {
		w.failf("I3", l.id, "%s is called as entry %d, send %d, and no such job is durable", t.State, n, t.Attempt)
	}
	if slices.Contains(en.sends, uint32(t.Attempt)) {
		w.failf("I3", l.id, "%s is called twice as entry %d, send %d", t.State, n, t.Attempt)
	}
	en.sends = append(en.sends, uint32(t.Attempt))
	if en.calls++; en.calls == 2 {
		w.saw(callTwice)
	}
	if en.calls > en.scheduled+en.resent {
		w.failf("I3", l.id, "%s is called %d times for %d attempts and %d takeovers", t.State, en.calls, en.scheduled, en.resent)
	}
}

// step reads a step id: whose it is, and which entry.
func (w *world) step(stepID string) (*life, uint32) {
	name, entry, _ := strings.Cut(stepID, "-")
	id, err := store.ParseID(name)
	n, bad := strconv.ParseUint(entry, 10, 32)
	if err != nil || bad != nil {
		return nil, 0
	}
	l := w.book.lives[id]
	if l == nil || !l.start.Express && (n == 0 || int(n) > len(l.entries)) {
		return nil, 0
	}
	return l, uint32(n)
}
