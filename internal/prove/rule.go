package prove

// Severity tells how much a finding weighs. Each of them keeps a definition from
// being proven.
type Severity string

// An Error leaves something done that should be undone, or undoes what should
// not be; a Warning is a weakness that needs more than one thing to go wrong, or
// a person's judgement.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Rule is one of the rules that are proven. Its ID never changes its meaning.
type Rule struct {
	ID       string // "SAGA001"
	Name     string // for tools: "CompletedStepLeft"
	Severity Severity
	Title    string // what a finding says, in one line
	Help     string // when it holds
	Fix      string // what to do, in plain ASL and in the saga extension
}

// Rules are all rules, in the order of their ids.
func Rules() []Rule { return rules }

// ruleOf is the rule of an id, nil where there is none.
func ruleOf(id string) *Rule {
	for i := range rules {
		if rules[i].ID == id {
			return &rules[i]
		}
	}
	return nil
}

var rules = []Rule{
	{"SAGA001", "CompletedStepLeft", Error, "A completed step is left uncompensated",
		"A step is done, something after it fails, and the execution ends without the step's compensation.",
		"Lead every error after the step to its compensation (Catch States.ALL); in the extension give the step a Compensate, or make it the Pivot."},
	{"SAGA002", "UnknownOutcomeLeft", Error, "A step whose outcome is unknown is left uncompensated",
		"A timeout, a lost connection or a crashed function says nothing of the effect: the step may be done, and is taken for one that is not.",
		"Compensate the step itself, too, where it may have been done; in the extension give it a Compensate, a Query, or \"OnUnknown\": \"Hold\"."},
	{"SAGA003", "CompensationSkipped", Error, "A compensation is skipped because an earlier one failed",
		"A compensation fails for good, and the rest of the chain never runs.",
		"Retry the compensation, and let its Catch lead on to the next compensation; the extension does so by itself."},
	{"SAGA004", "WrongOrder", Warning, "Steps are compensated in the order in which they were done",
		"A step is undone while a later one, which may build upon it, is still done.",
		"Undo in reverse order; the extension does so by itself."},
	{"SAGA005", "CompensatesTooMuch", Warning, "A step is compensated that can't have run, or that is undone already",
		"A compensation runs for a step that was not begun on any path to it, or a second time.",
		"Enter the chain of compensations at the step that failed; in the extension leave the compensation by hand out."},
	{"SAGA006", "CompensationNotRetried", Warning, "A compensation is given up with neither a bounded retry nor a hold",
		"A compensation's first timeout, throttling or lost connection ends it.",
		"Give the compensation a Retry that takes States.ALL, or a Catch that leads to a person (a callback); in the extension leave its Retry out, or use \"OnCompensationFailure\": \"Hold\"."},
	{"SAGA007", "FailsAfterTheLastStep", Warning, "A failure after the last step turns a finished saga into a failed one",
		"Everything is done; a notification or another state without an effect of its own then fails the execution.",
		"Catch States.ALL there and go on; in the extension make the last step the Pivot."},
	{"SAGA008", "UndoneButSucceeded", Warning, "An undone saga ends as SUCCEEDED",
		"The steps were undone, and the execution ends well: who waits for it takes it for done.",
		"End the chain of compensations in a Fail state."},
	{"SAGA009", "UncatchableStop", Warning, "A stop that nothing catches leaves steps done",
		"StopExecution and the machine's TimeoutSeconds end an execution at once; no Catch sees them.",
		"Accept it in the sidecar with a reason, or use the extension, which undoes first (without \"OnStop\": \"Abort\")."},
	{"SAGA010", "FailsAfterThePivot", Error, "A step after the pivot can fail for good",
		"Once the pivot is done the saga can only go forward, and here it may stop.",
		"Retry without end (a Catch back to the state, or the highest MaxAttempts), and have no Fail state there."},
	{"SAGA011", "PivotTwice", Warning, "Two pivots on a path, or a compensatable step after the pivot",
		"After the first pivot nothing is undone: a second pivot decides nothing, and a compensation there is never used.",
		"Keep one pivot; move steps that can be undone before it, and take the Compensate off those after it."},
	{"SAGA012", "CompensationReadsUnset", Warning, "A compensation reads data that its path may not have set",
		"The result of a step whose outcome is unknown is absent, a variable is not assigned, or a Catch without ResultPath has replaced the input.",
		"Name things by ids of your own, made before the step; set ResultPath in the Catch."},
	{"SAGA013", "BranchLeft", Error, "Steps of a parallel branch are left done when a sibling fails",
		"A failing branch ends its siblings where they are, and their results are lost.",
		"Catch within each branch and let it return what it did; or catch at the Parallel and undo all branches' steps."},
	{"SAGA014", "ItemsLeft", Error, "Items of a Map that were done before the failing one are left",
		"A failing item ends the others where they are, and the results of those done are lost.",
		"Catch within the item and let it return what it did; or undo by what the items were made from."},
	{"SAGA015", "RetryWithoutKey", Warning, "A step with an effect is retried without an idempotency key",
		"A retry after a timeout may do the step a second time, and nothing in the request lets the participant see that.",
		"Send an id that stays the same over retries, such as $states.context.Execution.Id with the state's name; Backstep's own calls carry one (docs/tasks.md)."},
	{"SAGA016", "CallbackWithoutTimeout", Warning, "A callback has neither a heartbeat nor a timeout",
		"Where the token is lost the state waits for a year, and the steps before it stay done.",
		"Give it TimeoutSeconds or HeartbeatSeconds, and a Catch for States.Timeout."},
	{"SAGA017", "EndlessCatch", Warning, "A Catch leads back to what failed, without end",
		"As long as the error lasts the execution goes round, until its history is full and nothing can be caught.",
		"Count the rounds in a Choice, or use Retry with MaxAttempts."},
	{"SAGA018", "UndoLongerThanTimeout", Warning, "The worst-case undo is longer than the machine's timeout",
		"The compensations, with all their retries, take longer than TimeoutSeconds of the machine, which cuts them off.",
		"Raise the machine's TimeoutSeconds, or lower the compensations' own."},
	{"SAGA019", "NestedNotUndone", Warning, "A nested execution has no compensation that can be reached",
		"A nested execution did its work, and nothing undoes it when its parent fails.",
		"Pair it with a state that undoes it; in the extension give it \"Compensate\": {\"Resource\": \"arn:aws:states:::backstep:compensateExecution\"} and let the child be a saga."},
	{"SAGA020", "IrrevocableTooEarly", Warning, "An irrevocable action stands before the pivot",
		"A notification or payout is sent, and then the saga is undone.",
		"Move it behind the last step that can fail; in the extension behind the Pivot."},
}
