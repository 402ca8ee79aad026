package sim

// situation is something that must happen sometimes, or the runs prove less
// than they seem to.
type situation int

// The situations.
const (
	crashWithCall situation = iota
	crashInRecovery
	fencedCommit
	stolenLease
	unknownStart
	unknownLease
	unknownTake
	leapOverTimer
	callResent
	callTwice
	taskTimedOut
	heartbeatOut
	untakenOut
	executionOut
	retried
	caught
	handedOver
	evaluationFailed
	wideMap
	wideParallel
	deepFrame
	itemsAborted
	variablesKept
	tokenEarly
	doubleRefused
	oldRefused
	lateRefused
	forgedRefused
	beatTaken
	beatRefused
	pollTook
	pollEmpty
	stopWon
	stopTooLate
	startTwice
	nameTaken
	startBusy
	childTold
	childOrphan
	childRefused
	expressRan
	expressAgain
	expressAnswered
	expressLeft
	sagaDone
	sagaUndone
	lateDebit
	effectUnheard
	farTimer
	historyFull
	redriven
	redriveAgain
	redriveRefused
	mapRunOver
	mapRunStopped
	mapRunRedriven
	mapRunMended
	expressItem
	itemAgain
	sagaCompleted
	sagaAborted
	sagaEndedBadly
	sagaAbandoned
	nullUndo
	held
	undoneAfterwards
	childUndone
	lockHeld
	lockShared
	lockTimedOut
	lateAnswer
	stopRefused
	stopUndoes
	jobPolled
	jobStopped
	submittedTwice
	attributeMoved

	// Of several nodes.
	sentOn
	takenOver
	idleTakenOver
	takeoverUndoing
	takeoverHeld
	takeoverOfRun
	takeoverOfCall
	takeoverTimerDue
	takeoverOfTimer
	takeoverOfTask
	takeoverOfQueued
	takeoverOfChild
	takeoverTelling
	zombieRefused
	zombieCall
	zombieSilent
	killedStanding
	heldUp
	answerLost
	drained
	drainedBusy
	drainedTooLong
	readElsewhere
	goneForGood
	answeredAway
	takenElsewhere
	begunElsewhere
	situationKinds = iota
)

// SituationNames are the situations as reports name them.
var SituationNames = [situationKinds]string{
	"crash with errands under way", "crash within a recovery", "a fenced commit", "a lease stolen", "unknown commit of a start",
	"unknown commit of leases", "unknown commit of a taken task", "clock leaps over a timer", "call sent again after a crash",
	"participant called twice for a step", "task timed out", "heartbeat lost", "activity timed out untaken", "execution timed out", "retried", "caught",
	"turn handed over", "evaluation failed", "map of 5 items or more", "parallel of 5 branches or more", "frames 4 deep",
	"siblings aborted", "variables assigned", "token used before its task was submitted", "second completion refused",
	"old attempt's token refused", "completion after the end refused", "forged token refused", "heartbeat taken", "heartbeat refused",
	"worker got a task", "worker got none", "stop ended an execution", "stop came too late", "start answered twice alike",
	"name taken", "start refused for now", "parent heard of its child", "child outlived its parent", "nested start refused",
	"express execution ran", "express execution ran again", "express execution answered at once", "express execution left by its caller", "saga done", "saga undone", "debit after its refund refused",
	"effect whose answer was lost", "timer beyond the window", "history full", "redriven", "redrive asked for again", "redrive refused",
	"map run ended", "map run stopped", "map run redriven", "map run redriven to a good end",
	"express child of a map run called", "express child called again after a crash",
	"saga completed", "saga aborted", "saga ended badly", "saga abandoned", "null compensation", "held", "undone after the end", "nested saga undone", "lock held", "lock waited for", "lock not to be had in time", "late answer told",
	"stop refused after a pivot", "stop undoes",
	"job polled to its end", "job stopped before its end", "job submitted again after its answer was lost",
	"search attribute changed",
	"call sent on to another node", "shard taken over", "idle shard taken over", "takeover while compensating", "takeover of a hold", "takeover of a map run",
	"takeover of a call under way", "takeover of a timer that is due", "takeover of a timer", "takeover of a task that somebody works on",
	"takeover of a task that waits for a worker", "takeover of a nested start", "takeover of news to a parent", "zombie write refused",
	"zombie calls a participant", "zombie vouches for nothing", "node killed in the middle of a commit", "held up by the database", "commit made, and its answer lost on the way",
	"node drained", "node drained with errands under way", "node killed that did not end in time", "acknowledged write read on another node", "nodes gone for good",
	"completion on a node that does not own the shard", "task taken on a node that does not own the shard", "start on a node that does not own the shard",
}

func (w *world) saw(s situation) { w.out.Situations[s]++ }
