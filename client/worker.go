package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/backstep/backstep/api"
)

// Worker works at the tasks of an activity: it takes one, lets Handle do it, says meanwhile that it is alive, and completes it.
type Worker struct {
	Service     api.Service // where the tasks come from; required
	ActivityArn string      // required
	Handle      Handler     // required

	Name        string        // appears in the history; may be empty
	Concurrency int           // tasks done at once; 1 where 0
	Heartbeat   time.Duration // how often the worker says that it is alive, well below the state's HeartbeatSeconds; never where 0
	Log         *slog.Logger  // gets what goes wrong on the way; nil: nothing
}

// Handler does one task. Input and output are JSON texts; an empty output means {}. An error fails the task: a [*TaskFailure] under its own
// name, any other as States.TaskFailed with its text as the cause. The context ends when nobody waits for the task any more, as after its timeout.
type Handler func(ctx context.Context, input string) (output string, err error)

// TaskFailure is an error that a state's Retry and Catch know by its name.
type TaskFailure struct {
	Name  string // at most 256 characters
	Cause string // at most 32,768 characters
}

// Error is the name and the cause.
func (f *TaskFailure) Error() string { return f.Name + ": " + f.Cause }

// Run works until the context ends, and then until the tasks that it has are done: their handlers are not broken off. It returns nil then. It
// returns an error when there is no use in going on, as when the activity does not exist; anything else, like a server that is away, it waits out.
func (w *Worker) Run(ctx context.Context) error {
	polling, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var pollers sync.WaitGroup
	for range max(w.Concurrency, 1) {
		pollers.Go(func() {
			if err := w.work(ctx, polling); err != nil {
				stop(err)
			}
		})
	}
	pollers.Wait()
	if cause := context.Cause(polling); ctx.Err() == nil {
		return cause
	}
	return nil
}

// work takes one task after the other until polling ends.
func (w *Worker) work(ctx, polling context.Context) error {
	in := &api.GetActivityTaskInput{ActivityArn: w.ActivityArn}
	if w.Name != "" {
		in.WorkerName = &w.Name
	}
	for failures := 0; polling.Err() == nil; {
		task, err := w.Service.GetActivityTask(polling, in)
		switch {
		case err == nil && task.TaskToken != nil:
			failures = 0
			w.do(context.WithoutCancel(ctx), *task.TaskToken, value(task.Input))
		case err == nil:
			failures = 0
			sleep(polling, firstWait) // a server that is about to stop answers at once
		case isFatal(err):
			return fmt.Errorf("work at %s: %w", w.ActivityArn, err)
		case polling.Err() == nil:
			failures++
			w.warn("no task to be had", err)
			sleep(polling, wait(failures))
		}
	}
	return nil
}

// isFatal tells whether asking again gives the same answer: the server refused the request itself.
func isFatal(err error) bool {
	switch api.CodeOf(err) {
	case "", api.CodeThrottling, api.CodeServiceUnavailable, api.CodeInternalFailure, api.CodeActivityWorkerLimitExceeded:
		return false
	}
	return true
}

// do does one task and completes it.
func (w *Worker) do(ctx context.Context, token, input string) {
	working, cancel := context.WithCancel(ctx)
	var heart sync.WaitGroup
	if w.Heartbeat > 0 {
		heart.Go(func() { w.beat(working, cancel, token) })
	}
	output, err := w.handle(working, input)
	cancel()
	heart.Wait()
	w.complete(ctx, token, output, err)
}

// handle lets Handle do the task. A panic in it fails the task, not the worker.
func (w *Worker) handle(ctx context.Context, input string) (output string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return w.Handle(ctx, input)
}

// beat says that the worker is alive until the task is done, and breaks it off when nobody waits for it any more.
func (w *Worker) beat(ctx context.Context, cancel context.CancelFunc, token string) {
	for sleep(ctx, w.Heartbeat) {
		_, err := w.Service.SendTaskHeartbeat(ctx, &api.SendTaskHeartbeatInput{TaskToken: token})
		switch {
		case err == nil || ctx.Err() != nil:
		case isOver(err):
			w.warn("the task is over", err)
			cancel()
			return
		default:
			w.warn("no heartbeat", err)
		}
	}
}

// isOver tells whether nobody waits for a task any more.
func isOver(err error) bool {
	code := api.CodeOf(err)
	return code == api.CodeTaskTimedOut || code == api.CodeTaskDoesNotExist
}

// completionAttempts are how often a completion is sent while the server does not take it: for about half a minute.
const completionAttempts = 20

// complete tells how a task ended. Where that stays in the air, it tells again: a completion that was taken before is answered as one of a task
// that is over.
func (w *Worker) complete(ctx context.Context, token, output string, failure error) {
	send := w.completion(token, output, failure)
	for attempt := 1; ; attempt++ {
		err := send(ctx)
		switch {
		case err == nil || attempt > 1 && isOver(err):
			return
		case failure == nil && isOutputRefused(err):
			failure = errors.New("the worker's output is no JSON, or has more than 262144 bytes")
			send = w.completion(token, "", failure)
		case isFatal(err) || attempt == completionAttempts:
			w.warn("the task's end is not taken", err)
			return
		}
		sleep(ctx, wait(attempt))
	}
}

// isOutputRefused tells whether a task can't end well with the output that its handler gave.
func isOutputRefused(err error) bool {
	code := api.CodeOf(err)
	return code == api.CodeInvalidOutput || code == api.CodeValidation || code == api.CodeRequestTooLarge
}

// completion is the call that tells how a task ended.
func (w *Worker) completion(token, output string, failure error) func(context.Context) error {
	if failure == nil {
		in := &api.SendTaskSuccessInput{TaskToken: token, Output: first(output, "{}")}
		return func(ctx context.Context) error { _, err := w.Service.SendTaskSuccess(ctx, in); return err }
	}
	named := &TaskFailure{Name: "States.TaskFailed", Cause: failure.Error()}
	errors.As(failure, &named)
	name, cause := cut(named.Name, 256), cut(named.Cause, 32768)
	in := &api.SendTaskFailureInput{TaskToken: token, Error: &name, Cause: &cause}
	return func(ctx context.Context) error { _, err := w.Service.SendTaskFailure(ctx, in); return err }
}

// cut keeps the first so many bytes of a text, no character broken.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (w *Worker) warn(what string, err error) {
	if w.Log != nil {
		w.Log.Warn(what, "activity", w.ActivityArn, "error", err)
	}
}
