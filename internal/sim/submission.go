package sim

import (
	"context"
	"fmt"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// A service that works on jobs for tasks of the pattern .sync. It takes a job
// once, by its step and by how many of that step were over before; it is asked
// how one stands, and to end one, and any of that may go wrong.

// submission is a job as the service knows it.
type submission struct {
	over    int64 // when it ends
	fails   bool
	stopped int  // how often it was asked to end
	told    bool // somebody heard how it ended
}

// submissionKey names a job: the step, and how many were submitted before.
func submissionKey(stepID string, earlier int) string { return fmt.Sprint(stepID, "/", earlier) }

// submit takes a job, unless it has it: one is begun where all that came before
// of its step are durable, and no other (I3).
func (w *world) submit(t *integration.Task) (value.Text, error) {
	key := submissionKey(t.StepID, t.Earlier)
	if w.submissions[key] != nil {
		w.saw(submittedTwice)
	} else {
		if l, n := w.step(t.StepID); l != nil && l.entry(n).submitted != t.Earlier {
			w.failf("I3", l.id, "%s is submitted as entry %d after %d jobs, of which %d are durable", t.State, n, t.Earlier, l.entry(n).submitted)
		}
		w.submissions[key] = &submission{over: w.now + w.work.span(0, 40_000), fails: w.paths.once(12)}
	}
	return value.Checked(`{"JobId":"` + key + `"}`), nil
}

// of is the job that somebody speaks of, after the time and the mishaps of the
// way there. An error: the service did not hear, or its process is dead.
func (p *process) of(s *integration.Submission) (*submission, error) {
	w := p.w
	if p.dead {
		return nil, errDead
	}
	w.out.Calls++
	if w.strikes(lostRequest) {
		p.pause(w.faults.span(1, 5000))
		return nil, errCut
	}
	delay := w.work.span(0, 300)
	if w.strikes(slowCall) {
		delay = w.faults.span(1000, 60_000)
	}
	if !p.pause(delay) {
		return nil, errDead
	}
	key := s.Answer.Decode().Get("JobId").AsString()
	job := w.submissions[key]
	if job == nil || key != submissionKey(s.StepID, s.Earlier) {
		w.fail("I3", store.ID{}, "the job "+key+" is spoken of for "+submissionKey(s.StepID, s.Earlier))
		return nil, errCut
	}
	return job, nil
}

// Poll implements [integration.Poller].
func (p *process) Poll(ctx context.Context, s integration.Submission) (value.Text, bool, error) {
	w := p.w
	job, err := p.of(&s)
	switch {
	case err != nil:
		return value.Text{}, false, err
	case ctx.Err() != nil:
		return value.Text{}, false, ctx.Err()
	case w.strikes(lostAnswer):
		return value.Text{}, false, errCut
	case w.now < job.over:
		return value.Text{}, false, nil
	}
	job.told = true
	if job.fails {
		return value.Text{}, false, integration.NewError("States.TaskFailed", `{"Status":"FAILED"}`, integration.EffectUnknown)
	}
	return value.Checked(`{"v":3,"ok":true}`), true, nil
}

// Stop implements [integration.Poller].
func (p *process) Stop(_ context.Context, s integration.Submission) error {
	job, err := p.of(&s)
	if err != nil {
		return err
	}
	if job.stopped++; job.stopped == 1 && p.w.now < job.over {
		p.w.saw(jobStopped)
	}
	job.over = min(job.over, p.w.now)
	if p.w.strikes(lostAnswer) {
		return errCut
	}
	return nil
}

// letGo checks a polled job that is over (I4): the task ended as the service
// told, or the service is asked to stop what it works on.
func (b *book) letGo(l *life, t *turned, j *machine.Job) {
	w := b.w
	job := w.submissions[submissionKey(l.start.ID.Step(j.Entry), int(j.Earlier))]
	if job == nil {
		w.failf("I4", l.id, "job %d of %q was submitted to nobody", j.ID, j.State)
		return
	}
	if n := l.entry(j.Entry).submitted; n != int(j.Earlier)+1 {
		w.failf("I3", l.id, "job %d of %q is the submission %d of its step, and takes itself for %d", j.ID, j.State, n, j.Earlier+1)
	}
	for _, halt := range t.opened {
		if halt.Kind == machine.Halt && halt.Entry == j.Entry && halt.Earlier == j.Earlier && halt.Answer == j.Answer {
			return
		}
	}
	if !job.told {
		w.failf("I4", l.id, "job %d of %q is over, and the service works on", j.ID, j.State)
	} else if full := l.head.LastEvent == w.plan.events; full && l.lastOutcome(j) == 0 {
		return // how it ended found no room in the history, and ended the execution
	} else if w.saw(jobPolled); succeeded[l.lastOutcome(j)] == job.fails {
		w.failf("I4", l.id, "job %d of %q ended by %v, and what it submitted failed: %v", j.ID, j.State, l.lastOutcome(j), job.fails)
	}
}

// lastOutcome is what history tells of how the job came out, 0 for nothing: what
// stands before its entry was scheduled for the last time was another job's.
func (l *life) lastOutcome(j *machine.Job) machine.EventType {
	for i := len(l.events) - 1; i >= 0; i-- {
		switch e := &l.events[i]; {
		case e.entry != j.Entry:
		case outcome[e.kind]:
			return e.kind
		case e.kind == machine.TaskScheduled:
			return 0
		}
	}
	return 0
}

// halted checks that who was to be stopped has heard of it.
func (b *book) halted(l *life, j *machine.Job) {
	if job := b.w.submissions[submissionKey(l.start.ID.Step(j.Entry), int(j.Earlier))]; job == nil || job.stopped == 0 {
		b.w.failf("I4", l.id, "what job %d of %q was to stop was never asked to", j.ID, j.State)
	}
}
