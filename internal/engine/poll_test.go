package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

const aJob = `{"StartAt":"A","States":{
	"A":{"Type":"Task","Resource":"arn:aws:states:::batch:submitJob.sync","Parameters":{"JobName":"j"},"TimeoutSeconds":3600,"End":true}}}`

// works is a service that works on jobs: it takes each once by its name, the
// step and how many came before.
type works struct {
	rig     *rig
	jobs    map[string]*work
	polls   []int64  // when
	trouble error    // what polls meet instead of the service
	stuck   error    // what stops meet
	stopped []string // ids, as often as asked
	doing   time.Duration
	fails   bool
}

type work struct {
	id   string
	over int64 // when
}

func (w *works) Call(_ context.Context, t integration.Task) (value.Text, error) {
	name := fmt.Sprint(t.StepID, "/", t.Earlier)
	if w.jobs[name] == nil {
		w.jobs[name] = &work{fmt.Sprint("job-", len(w.jobs)), w.rig.clock.Now() + w.doing.Milliseconds()}
	}
	return value.Checked(`{"JobId":"` + w.jobs[name].id + `"}`), nil
}

func (w *works) Poll(_ context.Context, s integration.Submission) (value.Text, bool, error) {
	now := w.rig.clock.Now()
	w.polls = append(w.polls, now)
	if w.trouble != nil {
		return value.Text{}, false, w.trouble
	}
	id := s.Answer.Decode().Get("JobId").AsString()
	for _, j := range w.jobs {
		switch {
		case j.id != id:
		case now < j.over:
			return value.Text{}, false, nil
		case w.fails:
			return value.Text{}, false, integration.NewError("States.TaskFailed", `{"JobId":"`+id+`"}`, integration.EffectUnknown)
		default:
			return value.Checked(`{"Status":"SUCCEEDED","JobId":"` + id + `"}`), true, nil
		}
	}
	return value.Text{}, false, integration.NewError("Batch.ClientException", "no such job "+id, integration.EffectUnknown)
}

func (w *works) Stop(_ context.Context, s integration.Submission) error {
	w.stopped = append(w.stopped, s.Answer.Decode().Get("JobId").AsString())
	return w.stuck
}

func newWorks(t *testing.T, doing time.Duration) *works {
	w := &works{jobs: map[string]*work{}, doing: doing}
	w.rig = newRig(t, echo, func(c *Config) { c.Registry.Add("batch", "submitJob", w, integration.Sync) })
	return w
}

func TestAJobIsPolledUntilItsEnd(t *testing.T) {
	w := newWorks(t, 20*time.Minute)
	r := w.rig
	id := r.start(r.define(aJob), "a", `{}`).ID
	r.settle()
	if n := r.engine.Metrics().Commits.Load(); n != 2 {
		t.Errorf("%d commits for a start and a submission", n)
	}
	for range 1300 {
		r.pass(time.Second)
		if r.engine.Load().Under != 0 {
			t.Fatal("something is under way although nothing is to be done")
		}
	}
	if h := r.head(id); h.Status != machine.Succeeded {
		t.Fatalf("%v: %s", h.Status, story(r.history(id)))
	}
	if n := r.engine.Metrics().Commits.Load(); n != 3 || len(w.jobs) != 1 || len(w.stopped) > 0 {
		t.Errorf("%d commits, %d jobs, stopped %v", n, len(w.jobs), w.stopped)
	}
	// Every second at first, each minute at last.
	if n := len(w.polls); n < 30 || n > 60 {
		t.Errorf("polled %d times", n)
	}
	for i := 1; i < len(w.polls); i++ {
		if pause := w.polls[i] - w.polls[i-1]; pause < 1000 || pause > 61_000 || i > 1 && pause < w.polls[i-1]-w.polls[i-2]-1000 {
			t.Errorf("pause %d is %d ms", i, pause)
		}
	}
	const want = "ExecutionStarted TaskStateEntered TaskScheduled TaskStarted TaskSubmitted TaskSucceeded TaskStateExited ExecutionSucceeded"
	if got := story(r.history(id)); got != want {
		t.Error(got)
	}
}

// What a service can't say now it is asked again: a job is neither lost nor
// done twice by it.
func TestAPollThatFailsIsMadeAgain(t *testing.T) {
	w := newWorks(t, time.Minute)
	w.trouble = errors.New("the service can't be reached")
	r := w.rig
	id := r.start(r.define(aJob), "a", `{}`).ID
	for range 100 {
		r.pass(10 * time.Second)
	}
	if h := r.head(id); h.Status != machine.Running || len(w.polls) < 10 {
		t.Fatalf("%v after %d polls", h.Status, len(w.polls))
	}
	w.trouble = nil
	for range 7 {
		r.pass(10 * time.Second)
	}
	if h := r.head(id); h.Status != machine.Succeeded || len(w.jobs) != 1 {
		t.Errorf("%v, %d jobs", h.Status, len(w.jobs))
	}
}

// A poll that finds the job's errand still at work, such as one whose answer
// waits to be stored, comes later instead of never.
func TestAPollWaitsForAnotherErrand(t *testing.T) {
	w := newWorks(t, time.Minute)
	r := w.rig
	id := r.start(r.define(aJob), "a", `{}`).ID
	r.settle()
	e, key := r.engine, store.JobKey{ID: id, Number: 1}
	waiting := &errand{key: key, do: (*Engine).call, kept: true, lane: e.dispatcher.turns,
		answer: &machine.Message{Kind: machine.Submitted, Job: 1, Output: value.Checked(`{"JobId":"job-0"}`)}}
	if !e.dispatcher.park(waiting) {
		t.Fatal("the errand is not kept")
	}
	e.alarms.set(alarmKey{key, true}, r.clock.Now()+(30*time.Second).Milliseconds())
	for range 100 {
		r.pass(time.Second)
	}
	if h := r.head(id); h.Status != machine.Succeeded {
		t.Errorf("%v after %d polls: %s", h.Status, len(w.polls), story(r.history(id)))
	}
}

func TestAJobThatFails(t *testing.T) {
	for name, upset := range map[string]func(*works){
		"fails":      func(w *works) { w.fails = true },
		"is unknown": func(w *works) { clear(w.jobs) },
	} {
		w := newWorks(t, time.Second)
		r := w.rig
		id := r.start(r.define(aJob), "a", `{}`).ID
		r.settle()
		upset(w)
		r.pass(2 * time.Second)
		h := r.head(id)
		if h.Status != machine.Failed || len(w.stopped) > 0 {
			t.Errorf("a job that %s: %v, stopped %v", name, h.Status, w.stopped)
		}
	}
}

// Whoever finds a job on disk asks on, at a time of its own.
func TestJobsArePolledAfterACrash(t *testing.T) {
	w := newWorks(t, 30*time.Minute)
	r := w.rig
	m := r.define(aJob)
	var ids []store.ID
	for n := range 20 {
		ids = append(ids, r.start(m, fmt.Sprint(n), `{}`).ID)
	}
	r.settle()
	for range 1000 {
		r.pass(time.Second)
	}
	r.open()
	w.polls = nil
	r.pass(time.Millisecond)
	if len(w.polls) > 5 {
		t.Errorf("%d jobs are polled at once", len(w.polls))
	}
	for range 61 {
		r.pass(time.Second)
	}
	if len(w.polls) < 20 {
		t.Errorf("%d of 20 jobs were polled within a minute", len(w.polls))
	}
	for range 900 {
		r.pass(time.Second)
	}
	for _, id := range ids {
		if h := r.head(id); h.Status != machine.Succeeded {
			t.Errorf("%v", h.Status)
		}
	}
	if len(w.jobs) != 20 {
		t.Errorf("%d jobs for 20 steps", len(w.jobs))
	}
}

// What nobody waits for any more is stopped, however often that takes and
// whatever crashes meanwhile.
func TestAJobIsStopped(t *testing.T) {
	ctx := context.Background()
	for name, end := range map[string]func(*rig, store.ID) machine.Status{
		"by its timeout": func(r *rig, _ store.ID) machine.Status {
			r.pass(time.Hour)
			return machine.Failed
		},
		"with its execution": func(r *rig, id store.ID) machine.Status {
			if _, err := r.engine.Stop(ctx, id, machine.Failure{}); err != nil {
				t.Error(err)
			}
			return machine.Aborted
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorks(t, 9*time.Hour)
			w.stuck = errors.New("the service can't be reached")
			r := w.rig
			id := r.start(r.define(aJob), "a", `{}`).ID
			r.settle()
			want := end(r, id)
			r.settle()
			if h := r.head(id); h.Status != want || len(w.stopped) != 1 {
				t.Fatalf("%v, stopped %v", h.Status, w.stopped)
			}
			r.open()
			r.pass(time.Second)
			r.pass(5 * time.Second)
			w.stuck = nil
			r.pass(time.Minute)
			tries := len(w.stopped)
			if tries < 3 {
				t.Errorf("stopping was tried %d times", tries)
			}
			r.pass(time.Hour)
			if jobs := r.jobs(id); len(w.stopped) != tries || jobs != 0 {
				t.Errorf("stopped %v; %d jobs are left", w.stopped, jobs)
			}
		})
	}
}

// What can't be stopped is let go in the end.
func TestAJobThatCannotBeStopped(t *testing.T) {
	for name, stuck := range map[string]error{
		"unreachable": errors.New("the service can't be reached"),
		"refused":     integration.NewError("Batch.ClientException", "no", integration.EffectNone),
	} {
		w := newWorks(t, 9*time.Hour)
		w.stuck = stuck
		r := w.rig
		id := r.start(r.define(aJob), "a", `{}`).ID
		r.settle()
		if _, err := r.engine.Stop(context.Background(), id, machine.Failure{}); err != nil {
			t.Error(err)
		}
		for range 125 {
			r.pass(time.Minute)
		}
		if jobs := r.jobs(id); jobs != 0 || len(w.stopped) == 0 || len(w.stopped) > 150 {
			t.Errorf("%s: %d jobs are left after %d tries", name, jobs, len(w.stopped))
		}
	}
}

// jobs is the number of an execution's rows that ask for something.
func (r *rig) jobs(id store.ID) (n int) {
	r.t.Helper()
	rows, err := r.session.Jobs(context.Background(), id.Shard(), store.Never, nil, 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, row := range rows {
		if row.ID == id {
			n++
		}
	}
	return n
}

// panics is a poller that is broken.
type panics struct{ *works }

func (panics) Poll(context.Context, integration.Submission) (value.Text, bool, error) { panic("poll") }
func (panics) Stop(context.Context, integration.Submission) error                     { panic("stop") }

// A poller that panics, and one that is no longer there, fail the task alone.
func TestAJobThatNobodyFollows(t *testing.T) {
	for _, gone := range []bool{false, true} {
		w := newWorks(t, time.Hour)
		r := w.rig
		plain := r.adjust
		r.adjust = func(c *Config) {
			if gone {
				c.Registry.Add("batch", "submitJob", handler(echo), integration.Sync)
			} else {
				c.Registry.Add("batch", "submitJob", panics{w}, integration.Sync)
			}
			plain(c)
		}
		id := r.start(r.define(aJob), "a", `{}`).ID
		other := r.start(r.define(aJob), "b", `{}`).ID
		r.settle()
		r.open()
		r.settle()
		if _, err := r.engine.Stop(context.Background(), other, machine.Failure{}); err != nil {
			t.Error(err)
		}
		r.pass(2 * time.Second)
		r.pass(2 * time.Second)
		if h := r.head(id); h.Status != machine.Failed || r.jobs(other) != 0 {
			t.Errorf("gone %v: %v, %d jobs of the other one", gone, h.Status, r.jobs(other))
		}
	}
}

// A crash at any commit, and any fault of one, leaves one job per step.
func TestAFaultAtEveryCommitOfAJob(t *testing.T) {
	for _, fault := range storetest.Faults("Commit") {
		for n := int64(1); n < 6; n++ {
			w := newWorks(t, 10*time.Second)
			r := w.rig
			m := r.define(aJob)
			r.plan = storetest.Nth("Commit", n, fault.Fault)
			var id store.ID
			for range 20 {
				s, err := r.engine.Start(context.Background(), StartRequest{Machine: m, Name: "a", Input: value.Checked(`{}`)})
				if id = s.ID; err == nil {
					break
				}
				if r.session.Crashed() {
					r.open()
				}
				r.pass(time.Second)
			}
			for range 40 {
				if r.session.Crashed() {
					r.open()
				}
				r.pass(time.Second)
			}
			r.plan = nil
			if h := r.head(id); h.Status != machine.Succeeded || len(w.jobs) != 1 {
				t.Errorf("%s at commit %d: %v, %d jobs", fault.Name, n, h.Status, len(w.jobs))
			}
		}
	}
}
