package integration

import (
	"context"
	"time"

	"github.com/backstep/backstep/internal/value"
)

// Poller is a [Handler] that begins jobs: a call of the pattern .sync answers
// as soon as the service took the job, and the job's end is the task's. It is
// called by many at once, and of one job by one at a time.
type Poller interface {
	Handler
	// Poll asks how a job stands. Over: it has ended well, and output is the
	// task's result. An *[Error] says that it failed, or that it can't be followed
	// any more; after any other error nobody knows, and it is asked for again. Its
	// Effect is that of the job, never that of the question: [EffectDone] where it
	// has ended well, else [EffectUnknown].
	Poll(ctx context.Context, s Submission) (output value.Text, over bool, err error)
	// Stop asks the service to end a job that nobody waits for any more. It may be
	// asked more than once, also of one that has ended. An *[Error] is final;
	// after any other error it is asked again for a while.
	Stop(ctx context.Context, s Submission) error
}

// Submission is a job that a service took.
type Submission struct {
	Task                 // the call that began it
	Answer value.Text    // what the service answered to that
	Age    time.Duration // since that call was to be made
}
