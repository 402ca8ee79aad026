package api

// WaitKind says what kind of thing an execution waits for.
//   - TURN: the server, which goes on with it next.
//   - CALL: the answer of a call that is under way, or about to be made.
//   - PLACE: a place for a call: as many of its service are under way as may be.
//   - RETRY: the time of the next try.
//   - TIME: the time of a Wait.
//   - SERVICE: the end of what a service has taken (.sync).
//   - TOKEN: somebody with the task's token (.waitForTaskToken).
//   - WORKER, TASK: a worker who takes an activity's task, the worker who took it.
//   - CHILD, MAP_RUN: the end of a nested execution, of a map run.
//   - ITEMS: of a map run, its children.
//   - UNWIND: nested executions that are being undone.
//   - LOCK: a semantic lock.
//   - PERSON, QUARANTINE: you: a hold, or an execution that can't be decided.
//   - NODE: a server that has its shard.
//   - INBOX: that server, to hear of an answer that another one has taken.
//   - AGAIN: the next time that what could not be stored, or not be told to another shard, is tried.
//   - NOTHING: nothing. That is a fault of the server, which looks for such executions by itself.
type WaitKind string

// The kinds.
const (
	WaitKindTurn       WaitKind = "TURN"
	WaitKindCall       WaitKind = "CALL"
	WaitKindPlace      WaitKind = "PLACE"
	WaitKindRetry      WaitKind = "RETRY"
	WaitKindTime       WaitKind = "TIME"
	WaitKindService    WaitKind = "SERVICE"
	WaitKindToken      WaitKind = "TOKEN"
	WaitKindWorker     WaitKind = "WORKER"
	WaitKindTask       WaitKind = "TASK"
	WaitKindChild      WaitKind = "CHILD"
	WaitKindMapRun     WaitKind = "MAP_RUN"
	WaitKindItems      WaitKind = "ITEMS"
	WaitKindUnwind     WaitKind = "UNWIND"
	WaitKindLock       WaitKind = "LOCK"
	WaitKindPerson     WaitKind = "PERSON"
	WaitKindQuarantine WaitKind = "QUARANTINE"
	WaitKindNode       WaitKind = "NODE"
	WaitKindInbox      WaitKind = "INBOX"
	WaitKindAgain      WaitKind = "AGAIN"
	WaitKindNothing    WaitKind = "NOTHING"
)

// Values lists the kinds.
func (WaitKind) Values() []string {
	return []string{
		"TURN", "CALL", "PLACE", "RETRY", "TIME", "SERVICE", "TOKEN", "WORKER", "TASK", "CHILD", "MAP_RUN", "ITEMS", "UNWIND", "LOCK", "PERSON",
		"QUARANTINE", "NODE", "INBOX", "AGAIN", "NOTHING",
	}
}

// ExplainExecutionInput names an execution or a map run. MaxResults is the most waits that are told, 100 where it is 0.
type ExplainExecutionInput struct {
	ExecutionArn string `json:"executionArn" check:"required,1..256"`
	MaxResults   int32  `json:"maxResults,omitzero" check:"0..1000"`
}

// ExplainExecutionOutput is what an execution waits for. Line says it in one line: what is due soonest, and how many things there are beside it; of
// one that has ended, how it ended. Waits has the first of WaitCount, what is due soonest first. Node is the server that has its shard, absent where
// none has.
type ExplainExecutionOutput struct {
	ExecutionArn string          `json:"executionArn"`
	Status       ExecutionStatus `json:"status"`
	Line         string          `json:"line"`
	Waits        []ExecutionWait `json:"waits"`
	WaitCount    int32           `json:"waitCount"`
	Node         *string         `json:"node,omitzero"`
}

// ExecutionWait is one thing that an execution waits for; Line says it in words. NextDate is when something happens by itself: a time, a deadline, the
// next try, the next question; absent where nothing does. MaxAttempts is absent where there is no last one. ExecutionArn is that of the child, of the
// map run, or of who holds the lock. Command is what a person does about it.
type ExecutionWait struct {
	Kind         WaitKind      `json:"kind"`
	Line         string        `json:"line"`
	StateName    *string       `json:"stateName,omitzero"`
	Operation    SagaOperation `json:"operation,omitzero"`
	Resource     *string       `json:"resource,omitzero"`
	Since        Timestamp     `json:"since"`
	NextDate     *Timestamp    `json:"nextDate,omitzero"`
	Attempt      *int32        `json:"attempt,omitzero"`
	MaxAttempts  *int32        `json:"maxAttempts,omitzero"`
	ExecutionArn *string       `json:"executionArn,omitzero"`
	Lock         *string       `json:"lock,omitzero"`
	HoldId       *string       `json:"holdId,omitzero"`
	Error        *string       `json:"error,omitzero"`
	Cause        *string       `json:"cause,omitzero"`
	Command      *string       `json:"command,omitzero"`
}
