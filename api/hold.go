package api

// HoldVerb is what an operator does about a hold.
//   - retry: it is tried again, with the same idempotency key.
//   - edit: it is tried with another request, under a new key: the operator vouches that the held call had no effect.
//   - alternate: an undo or a Confirm is tried with another resource, under a new key; likewise.
//   - done: it was settled by hand.
//   - skip: an undo is left undone.
//   - back: a state that can't go forward is given up, and its saga undone.
//   - abandon: the saga ends as it stands, and its execution with Saga.Abandoned.
type HoldVerb string

// The verbs.
const (
	HoldVerbRetry     HoldVerb = "retry"
	HoldVerbEdit      HoldVerb = "edit"
	HoldVerbAlternate HoldVerb = "alternate"
	HoldVerbDone      HoldVerb = "done"
	HoldVerbSkip      HoldVerb = "skip"
	HoldVerbBack      HoldVerb = "back"
	HoldVerbAbandon   HoldVerb = "abandon"
)

// Values lists the verbs.
func (HoldVerb) Values() []string {
	return []string{"retry", "edit", "alternate", "done", "skip", "back", "abandon"}
}

// StepOutcome is what an operator says of a step that was settled by hand: that it had its effect, or had none.
type StepOutcome string

// The outcomes.
const (
	StepOutcomeSucceeded StepOutcome = "SUCCEEDED"
	StepOutcomeFailed    StepOutcome = "FAILED"
)

// Values lists the outcomes.
func (StepOutcome) Values() []string { return []string{"SUCCEEDED", "FAILED"} }

// Hold is a call that software can't finish: it waits for a person, as long as that takes. HoldId is its number within the execution, and its
// version: a hold that was resolved never comes back under it. Since is when it came to that. Request and Response are those of its last call, absent
// where there is none; Owed are the steps of its saga that have still to be undone, the first hundred of OwedCount; Locks the keys of the semantic
// locks that it holds until then, the first twenty. Runbook is what the definition has to say to who finds it. Verbs are those that ResolveHold takes
// now.
//
// An execution that can't be decided at all is a hold, too: HoldId and Operation are quarantined, Cause says why, Since is when it last moved, Owed is
// of all its open sagas, and two of the verbs fit. By retry it is read and decided anew, its calls made again under the same keys, and what can't be
// decided then is quarantined again. By abandon it ends as it stands, FAILED by Saga.Abandoned, as far as it can be read; its log lists what is owed.
//
// Unreadable says that something that is stored of the execution can't be read, and why: what would have come from there is missing, and nothing may
// be owed only as far as anybody knows. One that can't be read at all is told as quarantined, by what its lists have of it; without them ExecutionArn
// is empty.
type Hold struct {
	ExecutionArn    string        `json:"executionArn"`
	StateMachineArn string        `json:"stateMachineArn"`
	HoldId          string        `json:"holdId"`
	SagaId          *string       `json:"sagaId,omitzero"`
	StepId          *string       `json:"stepId,omitzero"`
	StateName       *string       `json:"stateName,omitzero"`
	Operation       SagaOperation `json:"operation"`
	Resource        *string       `json:"resource,omitzero"`
	Since           Timestamp     `json:"since"`
	Error           *string       `json:"error,omitzero"`
	Cause           *string       `json:"cause,omitzero"`
	Attempts        int32         `json:"attempts"`
	IdempotencyKey  *string       `json:"idempotencyKey,omitzero"`
	Request         *string       `json:"request,omitzero"`
	Response        *string       `json:"response,omitzero"`
	Truncated       bool          `json:"truncated,omitzero"`
	Unreadable      *string       `json:"unreadable,omitzero"`
	Owed            []SagaStep    `json:"owed"`
	OwedCount       int32         `json:"owedCount"`
	Locks           []string      `json:"locks,omitzero"`
	Runbook         *string       `json:"runbook,omitzero"`
	Verbs           []HoldVerb    `json:"verbs"`
}

// ListHoldsInput asks for a page of what waits for a person. ErrorFilter is the exact name of an error. MaxResults is the most that a page has, 100
// where it is 0. Requests and responses are left out with METADATA_ONLY.
type ListHoldsInput struct {
	StateMachineArn *string      `json:"stateMachineArn,omitzero" check:"1..256"`
	ErrorFilter     *string      `json:"errorFilter,omitzero" check:"1..256"`
	IncludedData    IncludedData `json:"includedData,omitzero"`
	MaxResults      int32        `json:"maxResults,omitzero" check:"0..100"`
	NextToken       *string      `json:"nextToken,omitzero" check:"1..1024"`
}

// ListHoldsOutput is a page. NextToken asks for the next one; the last page has none.
type ListHoldsOutput struct {
	Holds     []Hold  `json:"holds"`
	NextToken *string `json:"nextToken,omitzero"`
}

// DescribeHoldInput is what DescribeHold takes.
type DescribeHoldInput struct {
	ExecutionArn string `json:"executionArn" check:"required,1..256"`
	HoldId       string `json:"holdId" check:"required,1..20"`
}

// DescribeHoldOutput is a hold, its request and response whole.
type DescribeHoldOutput struct {
	Hold
}

// ResolveHoldInput is what ResolveHold takes: a hold, or for abandon the saga alone. Request is the JSON text that edit sends, Resource what
// alternate calls. Outcome is what done says of a state's work: with SUCCEEDED, which it is where it is absent, comes Result, a JSON text, and the
// execution goes on with it; with FAILED the state fails by the error that it was held with. Operator is who decides, Reason why; both go into the
// history.
type ResolveHoldInput struct {
	ExecutionArn string      `json:"executionArn" check:"required,1..256"`
	HoldId       *string     `json:"holdId,omitzero" check:"1..20"`
	SagaId       *string     `json:"sagaId,omitzero" check:"1..20"`
	Verb         HoldVerb    `json:"verb" check:"required"`
	Request      *string     `json:"request,omitzero" check:"0..262144,secret"`
	Resource     *string     `json:"resource,omitzero" check:"1..2048"`
	Outcome      StepOutcome `json:"outcome,omitzero"`
	Result       *string     `json:"result,omitzero" check:"0..262144,secret"`
	Operator     string      `json:"operator" check:"required,1..256"`
	Reason       string      `json:"reason" check:"required,1..1024"`
}

// ResolveHoldOutput says where the execution's sagas stand now, and the id of the last event in the history.
type ResolveHoldOutput struct {
	SagaStatus SagaStatus `json:"sagaStatus"`
	Version    int64      `json:"version"`
}

// ResolveHoldsInput is what ResolveHolds takes: the holds of a state machine by an error of that exact name, and what ResolveHold takes. MaxResults
// is the most that are looked at in one call, 100 where it is 0. With DryRun nothing is changed.
type ResolveHoldsInput struct {
	StateMachineArn string      `json:"stateMachineArn" check:"required,1..256"`
	ErrorFilter     string      `json:"errorFilter" check:"required,1..256"`
	Verb            HoldVerb    `json:"verb" check:"required"`
	Request         *string     `json:"request,omitzero" check:"0..262144,secret"`
	Resource        *string     `json:"resource,omitzero" check:"1..2048"`
	Outcome         StepOutcome `json:"outcome,omitzero"`
	Result          *string     `json:"result,omitzero" check:"0..262144,secret"`
	Operator        string      `json:"operator" check:"required,1..256"`
	Reason          string      `json:"reason" check:"required,1..1024"`
	DryRun          bool        `json:"dryRun,omitzero"`
	MaxResults      int32       `json:"maxResults,omitzero" check:"0..100"`
	NextToken       *string     `json:"nextToken,omitzero" check:"1..1024"`
}

// ResolveHoldsOutput tells of the holds that were looked at: Resolved were resolved, or would be, the others were not, each for its reason. NextToken
// goes on with those that were not looked at yet; the last answer has none.
type ResolveHoldsOutput struct {
	Resolved  []HoldReference `json:"resolved"`
	Refused   []HoldReference `json:"refused"`
	NextToken *string         `json:"nextToken,omitzero"`
}

// HoldReference names a hold. Why says why it was not resolved.
type HoldReference struct {
	ExecutionArn string        `json:"executionArn"`
	HoldId       string        `json:"holdId"`
	StateName    *string       `json:"stateName,omitzero"`
	Operation    SagaOperation `json:"operation"`
	Why          *string       `json:"why,omitzero"`
}
