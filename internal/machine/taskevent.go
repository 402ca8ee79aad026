package machine

import "github.com/backstep/backstep/internal/asl"

// moment is a moment in the life of a task's attempt.
type moment uint8

const (
	scheduled moment = iota
	started
	succeeded
	failed
	unsubmitted // failed before the service took the request of a .sync or callback task
	timedOut
)

// taskEvents are the events of an attempt, by what does the task.
var taskEvents = [...][3]EventType{
	scheduled:   {TaskScheduled, LambdaFunctionScheduled, ActivityScheduled},
	started:     {TaskStarted, LambdaFunctionStarted, ActivityStarted},
	succeeded:   {TaskSucceeded, LambdaFunctionSucceeded, ActivitySucceeded},
	failed:      {TaskFailed, LambdaFunctionFailed, ActivityFailed},
	unsubmitted: {TaskSubmitFailed, LambdaFunctionFailed, ActivityFailed},
	timedOut:    {TaskTimedOut, LambdaFunctionTimedOut, ActivityTimedOut},
}

// taskEvent is the event of a moment. A task of an integration names its
// resource in every one; a function and an activity are named as they are
// scheduled, and not again.
func taskEvent(r *asl.Resource, m moment) Event {
	switch r.Kind {
	case asl.LambdaARN:
		return Event{Type: taskEvents[m][1]}
	case asl.Activity:
		return Event{Type: taskEvents[m][2]}
	}
	return Event{Type: taskEvents[m][0], Resource: r.Action + patternSuffixes[r.Pattern], ResourceType: r.Service}
}

var patternSuffixes = [...]string{
	asl.RequestResponse:  "",
	asl.Sync:             ".sync",
	asl.Sync2:            ".sync:2",
	asl.WaitForTaskToken: ".waitForTaskToken",
}
