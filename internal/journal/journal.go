// Package journal carries what happened to the outside: log events to Amazon
// CloudWatch Logs, a file or standard output, changes of executions' statuses to
// Amazon EventBridge or a webhook. Whoever has something to tell puts it into a
// [Queue] and goes on; a destination that is slow or away holds nobody back, and
// costs at most what the queue has no room for.
//
// It refuses to know what the events say (service composes them) and who logs
// what.
//
// Read queue.go (the way out), then a destination each: lines.go (files and
// standard output), endpoint.go (how AWS is spoken to) with cloudwatch.go and
// eventbridge.go, webhook.go.
package journal

import (
	"context"
	"time"
)

// LogEvent is one line of a log: an event of an execution's history.
type LogEvent struct {
	Group   string // the log group's name
	Machine string // the state machine's name
	At      int64  // UTC ms
	Text    string // JSON
}

// Size is about how many bytes the event takes.
func (e LogEvent) Size() int {
	return len(e.Text) + len(e.Group) + len(e.Machine) + entryOverhead
}

// StatusChange says that an execution has another status than before.
type StatusChange struct {
	Account, Region string
	Execution       string // ARN
	At              int64  // UTC ms
	Detail          string // JSON, as EventBridge's events have it
}

// Size is about how many bytes the change takes.
func (c StatusChange) Size() int {
	return len(c.Detail) + len(c.Execution) + entryOverhead
}

// entryOverhead is what an entry takes beside its texts, about.
const entryOverhead = 128

// The tries of one write, and the pauses between them: 0.2, 0.4, 0.8, 1.6 s.
const (
	maxTries   = 5
	firstPause = 200 * time.Millisecond
)

// insist writes until it is done, is refused for good, or has been tried often
// enough. transient tells whether a failure may pass.
func insist(ctx context.Context, pause time.Duration, transient func(error) bool, write func() error) error {
	for try := 1; ; try++ {
		err := write()
		if err == nil || try == maxTries || !transient(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		pause *= 2
	}
}
