package drawing_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/cli/drawing"
)

// heard is a trail of events written as "id <-previous Type name".
func heard(t *testing.T, ended bool, history string) *drawing.Trail {
	t.Helper()
	tracker := drawing.NewTracker(func(*api.HistoryEvent) string { return "Broken" })
	for _, line := range strings.Split(strings.TrimSpace(history), "\n") {
		var e api.HistoryEvent
		var kind, name string
		if n, _ := fmt.Sscanf(strings.TrimSpace(line), "%d <-%d %s %s", &e.Id, &e.PreviousEventId, &kind, &name); n < 3 {
			t.Fatalf("%q is no event", line)
		}
		e.Type = api.HistoryEventType(kind)
		switch {
		case strings.HasSuffix(kind, "Entered"):
			e.StateEnteredEventDetails = &api.StateEnteredEventDetails{Name: name}
		case strings.HasSuffix(kind, "Exited"):
			e.StateExitedEventDetails = &api.StateExitedEventDetails{Name: name}
		case strings.HasPrefix(kind, "Saga"):
			e.SagaEventDetails = &api.SagaEventDetails{}
		}
		tracker.Hear(&e)
	}
	return tracker.Tell(ended)
}

func stands(t *testing.T, got map[string]drawing.Stand, want map[string]string) {
	t.Helper()
	for state, w := range want {
		if s := got[state]; string(s.Mark)+": "+s.Words != w {
			t.Errorf("%s is %s: %s, want %s", state, s.Mark, s.Words, w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d states, want %d: %v", len(got), len(want), got)
	}
}

// TestSomethingIsLeft: a step that was done more often than it was undone is not shown
// as undone.
func TestSomethingIsLeft(t *testing.T) {
	const history = `1 <-0 ExecutionStarted
		2 <-0 TaskStateEntered Book
		3 <-2 TaskScheduled
		4 <-3 TaskSucceeded
		5 <-4 TaskStateExited Book
		6 <-5 TaskStateEntered Book
		7 <-6 TaskScheduled
		8 <-7 TaskSucceeded
		9 <-8 TaskStateExited Book
		10 <-9 TaskStateEntered Ship
		11 <-10 TaskScheduled
		12 <-11 TaskFailed
		13 <-12 SagaAborting
		14 <-6 TaskScheduled
		15 <-14 TaskSucceeded`
	undone := api.SagaLogEntry{StateName: "Book", Operation: api.SagaOperationCompensate, Status: api.SagaStepStatusCompensated}
	trail := heard(t, false, history)
	trail.AddSaga(&api.DescribeSagaOutput{SagaStatus: api.SagaStatusAborting, Log: []api.SagaLogEntry{undone}})
	stands(t, trail.States, map[string]string{"Book": "done: done 2×, undone 1×", "Ship": "failed: failed Broken"})
	stands(t, trail.Undos, map[string]string{"Book": "done: done"})
	trail = heard(t, false, history)
	trail.AddSaga(&api.DescribeSagaOutput{SagaStatus: api.SagaStatusAborted, Log: []api.SagaLogEntry{undone, undone}})
	stands(t, trail.States, map[string]string{"Book": "compensated: done 2×, undone 2×", "Ship": "failed: failed Broken"})
}

// TestAnUndoThatFailsIsNoFailureOfItsStep, nor is it a try more.
func TestAnUndoThatFailsIsNoFailureOfItsStep(t *testing.T) {
	trail := heard(t, false, `1 <-0 ExecutionStarted
		2 <-0 TaskStateEntered Book
		3 <-2 TaskScheduled
		4 <-3 TaskSucceeded
		5 <-4 TaskStateExited Book
		6 <-5 WaitStateEntered Nap
		7 <-6 SagaAborting
		8 <-2 TaskScheduled
		9 <-8 TaskFailed`)
	stands(t, trail.States, map[string]string{"Book": "done: done", "Nap": "stopped: stopped"})
}

// TestTriedAgain: what an earlier try of a Parallel left is over, also while the next
// one is under way.
func TestTriedAgain(t *testing.T) {
	const history = `1 <-0 ExecutionStarted
		2 <-0 ParallelStateEntered Both
		3 <-2 ParallelStateStarted
		4 <-3 WaitStateEntered Nap
		5 <-3 TaskStateEntered Call
		6 <-5 TaskScheduled
		7 <-6 TaskFailed
		8 <-7 ParallelStateFailed
		9 <-8 ParallelStateStarted
		10 <-9 WaitStateEntered Nap`
	stands(t, heard(t, false, history).States, map[string]string{
		"Both": "running: running, 2 tries", "Nap": "running: 1 running, 1 stopped", "Call": "failed: failed Broken"})
	stands(t, heard(t, true, history).States, map[string]string{
		"Both": "stopped: stopped, 2 tries", "Nap": "stopped: stopped 2×", "Call": "failed: failed Broken"})
}

// TestNonsense: what is no history at all breaks nothing.
func TestNonsense(t *testing.T) {
	stands(t, heard(t, true, `7 <-3 TaskFailed
		8 <-7 MapIterationFailed
		9 <-8 ParallelStateFailed
		10 <-9 TaskStateExited Nobody
		11 <-11 TaskSucceeded
		12 <-10 ExecutionSucceeded`).States, nil)
}
