// Package api is the protocol of Backstep: the AWS Step Functions API and a few operations of our own, as one Go interface.
//
// [Service] is implemented by the service itself and by the client; the server, the command line and the console speak nothing else.
// The package refuses to know how anything is done, and how it travels: it holds names, shapes, limits and errors. It imports the standard
// library alone.
//
// Conventions of the types, which are AWS's own:
//   - Names are those of the AWS API. A required scalar is plain, an optional one a pointer; an enumeration is a string, empty where it is
//     absent; a scalar to which AWS gives a default (0 or false) is plain, too. Lists and maps are nil where they are absent.
//   - The tag `check` on the members of inputs says what the server refuses before the service is asked: `required`, `min..max` (characters of
//     a text, or the value of a number; either end may be open), `each=min..max` (of each text in a list), `items=min..max` (how many a
//     list has), `ascii`, `alias` (an alias's name), `secret` (the value is not repeated in an error message). Enumerations list their
//     values by the method Values.
//
// Read service.go first, then table.go, the nouns (machine.go, definition.go, version.go, alias.go, execution.go, history.go, teststate.go,
// activity.go, tag.go, maprun.go, why.go, saga.go, hold.go, node.go), and errors.go, arn.go, time.go.
package api

import "context"

// Service is the whole protocol. All methods may be called by many goroutines at once. An input belongs to the caller again when the method
// has returned, an output belongs to the caller. Every error that a caller may see is an [*Error]; any other is a fault of the service or of
// the way to it.
//
// Operations whose name AWS knows do what AWS's do; WaitExecution, ExplainExecution,
// ListExecutionsWhere, RedriveWithChanges, ListNodes and those about sagas and holds are our own.
type Service interface {
	// CreateStateMachine stores a definition under a name and answers its ARN.
	//
	// It is idempotent: a second call with the same name, definition, type, logging, tracing, encryption, publish and version description
	// answers as the first one; a different role or different tags in it are ignored. The type can't be changed later. With publish, version
	// 1 is made of it as well.
	//
	// Errors: InvalidName; InvalidArn (of the role); InvalidDefinition, with every finding in the message; StateMachineAlreadyExists when
	// the name is taken by something else; StateMachineDeleting; StateMachineLimitExceeded; TooManyTags; InvalidLoggingConfiguration;
	// InvalidTracingConfiguration; InvalidEncryptionConfiguration; ValidationException for a version description without publish.
	CreateStateMachine(context.Context, *CreateStateMachineInput) (*CreateStateMachineOutput, error)

	// DescribeStateMachine answers a state machine's definition and settings as they are now, or those of a version when its ARN is given.
	//
	// Errors: InvalidArn, StateMachineDoesNotExist.
	DescribeStateMachine(context.Context, *DescribeStateMachineInput) (*DescribeStateMachineOutput, error)

	// UpdateStateMachine replaces what is given and keeps the rest. Executions that run keep the definition and role with which they began;
	// new ones take the new. The answer names a new revision, or the one that is there when nothing differs from it. With publish, a version
	// is made of it, as by PublishStateMachineVersion.
	//
	// Errors: MissingRequiredParameter when nothing to change is given; InvalidArn; InvalidDefinition; StateMachineDoesNotExist;
	// StateMachineDeleting; ConflictException when another update is under way; ServiceQuotaExceededException beyond 1,000 versions;
	// ValidationException for a version description without publish; those of CreateStateMachine for settings.
	UpdateStateMachine(context.Context, *UpdateStateMachineInput) (*UpdateStateMachineOutput, error)

	// DeleteStateMachine marks a state machine as DELETING and answers at once. New starts are refused from then on, executions that run end
	// at their next transition, and when none is left it is gone with its versions and aliases. A state machine that does not exist is no
	// error.
	//
	// Errors: InvalidArn, ValidationException.
	DeleteStateMachine(context.Context, *DeleteStateMachineInput) (*DeleteStateMachineOutput, error)

	// ListStateMachines lists the state machines of the account and region by page.
	//
	// Errors: InvalidToken when nextToken is no token of this operation.
	ListStateMachines(context.Context, *ListStateMachinesInput) (*ListStateMachinesOutput, error)

	// ValidateStateMachineDefinition says whether CreateStateMachine would take a definition, and why not.
	//
	// Errors: ValidationException.
	ValidateStateMachineDefinition(context.Context, *ValidateStateMachineDefinitionInput) (*ValidateStateMachineDefinitionOutput, error)

	// PublishStateMachineVersion makes a version of a state machine as it is now: its definition and settings under a number, from 1 on, which
	// never change and which can be started. No number is used twice, even when its version was deleted.
	//
	// It is idempotent: while the state machine is not updated, the answer is the version that was made of it already.
	//
	// Errors: StateMachineDoesNotExist; StateMachineDeleting; InvalidArn; ConflictException when the state machine is not at the revision that
	// is given; ServiceQuotaExceededException beyond 1,000 versions.
	PublishStateMachineVersion(context.Context, *PublishStateMachineVersionInput) (*PublishStateMachineVersionOutput, error)

	// DeleteStateMachineVersion takes a version away. Executions of it go on. One that does not exist is no error.
	//
	// Errors: InvalidArn; ConflictException while an alias leads to it.
	DeleteStateMachineVersion(context.Context, *DeleteStateMachineVersionInput) (*DeleteStateMachineVersionOutput, error)

	// ListStateMachineVersions lists the versions of a state machine, the newest first, by page.
	//
	// Errors: InvalidArn, InvalidToken, StateMachineDoesNotExist.
	ListStateMachineVersions(context.Context, *ListStateMachineVersionsInput) (*ListStateMachineVersionsOutput, error)

	// CreateStateMachineAlias gives one or two versions of a state machine a name. A start by the alias runs one of them, drawn anew each time
	// by their weights.
	//
	// It is idempotent: a second call with the same name, description and routing answers as the first one.
	//
	// Errors: InvalidArn; ValidationException for a routing that makes no sense; ResourceNotFound for a version that does not exist;
	// StateMachineDeleting; ConflictException when the name is taken by another alias; ServiceQuotaExceededException beyond 100 aliases.
	CreateStateMachineAlias(context.Context, *CreateStateMachineAliasInput) (*CreateStateMachineAliasOutput, error)

	// DescribeStateMachineAlias answers where an alias leads.
	//
	// Errors: InvalidArn, ResourceNotFound.
	DescribeStateMachineAlias(context.Context, *DescribeStateMachineAliasInput) (*DescribeStateMachineAliasOutput, error)

	// UpdateStateMachineAlias replaces what is given and keeps the rest. Starts go by it from then on.
	//
	// Errors: InvalidArn; ResourceNotFound for an alias or a version that does not exist; ValidationException when nothing to change is given,
	// or the routing makes no sense; StateMachineDeleting.
	UpdateStateMachineAlias(context.Context, *UpdateStateMachineAliasInput) (*UpdateStateMachineAliasOutput, error)

	// DeleteStateMachineAlias takes an alias away. One that does not exist is no error.
	//
	// Errors: InvalidArn.
	DeleteStateMachineAlias(context.Context, *DeleteStateMachineAliasInput) (*DeleteStateMachineAliasOutput, error)

	// ListStateMachineAliases lists the aliases of a state machine by name, or those that lead to a version when its ARN is given, by page.
	//
	// Errors: InvalidArn, InvalidToken, StateMachineDoesNotExist, StateMachineDeleting, ResourceNotFound for a version.
	ListStateMachineAliases(context.Context, *ListStateMachineAliasesInput) (*ListStateMachineAliasesOutput, error)

	// StartExecution starts an execution and answers its ARN as soon as the start is durable. The ARN may name a state machine, a version or
	// an alias. Without a name, a UUID becomes the name; without input, the input is {}.
	//
	// For a STANDARD state machine it is idempotent: while the execution of that name runs, a second call with the same input answers as the
	// first one.
	//
	// Where the server has a mock configuration, the name of a test case may stand behind the ARN and a #: then the states that the case names
	// are mocked.
	//
	// Errors: ExecutionAlreadyExists when the name was used with another input, or for an execution that has ended; InvalidName; InvalidArn;
	// InvalidExecutionInput when the input is no JSON or has more than 262,144 bytes; StateMachineDoesNotExist; StateMachineDeleting;
	// ExecutionLimitExceeded; ValidationException for a test case that is not there, or mocks what can't be mocked.
	StartExecution(context.Context, *StartExecutionInput) (*StartExecutionOutput, error)

	// StartSyncExecution runs an execution of an EXPRESS state machine and answers when it has ended, after five minutes at most. A workflow
	// that failed is no error of the call: its status, error and cause are in the answer. When the caller goes away or the server dies, the
	// execution is gone.
	//
	// Errors: StateMachineTypeNotSupported for a STANDARD one; InvalidName; InvalidArn; InvalidExecutionInput; StateMachineDoesNotExist;
	// StateMachineDeleting.
	StartSyncExecution(context.Context, *StartSyncExecutionInput) (*StartSyncExecutionOutput, error)

	// DescribeExecution answers where an execution stands: status and dates, its input, its output when it has SUCCEEDED, error and cause
	// when it has ended otherwise. EXPRESS executions are not kept.
	//
	// Errors: ExecutionDoesNotExist, InvalidArn.
	DescribeExecution(context.Context, *DescribeExecutionInput) (*DescribeExecutionOutput, error)

	// ListExecutions lists the executions of a state machine, a version, an alias or a map run, the newest first, by page. With a
	// redriveFilter a page may have fewer than maxResults although more follow.
	//
	// Errors: ValidationException when not exactly one of stateMachineArn and mapRunArn is given, or a filter does not fit it; InvalidArn;
	// InvalidToken; StateMachineDoesNotExist; StateMachineTypeNotSupported for an EXPRESS one; ResourceNotFound for a map run.
	ListExecutions(context.Context, *ListExecutionsInput) (*ListExecutionsOutput, error)

	// StopExecution ends a running execution as ABORTED, with the error and cause that are given. For an execution that has ended it changes
	// nothing and answers when that was.
	//
	// Sagas are undone first, but where their OnStop is Abort: it answers at once, and the execution is RUNNING until that is done.
	//
	// Errors: ExecutionDoesNotExist; InvalidArn; ValidationException for an execution that can't be stopped: one whose saga is past its pivot.
	StopExecution(context.Context, *StopExecutionInput) (*StopExecutionOutput, error)

	// RedriveExecution lets a STANDARD execution that FAILED, TIMED_OUT or was ABORTED go on from where it stood, with the input, definition
	// and ARN that it has. What was entered and not left is done again, under the same step ids; what was done stays done. Of a Parallel and
	// an inline Map only the branches and iterations that had not succeeded run again, or all of them where the state failed because its
	// result was too large. Of a distributed Map the map run is redriven: children that did not succeed are done again, standard ones from where
	// they stood and express ones from their beginning, and items that had not begun go on. Retries start anew, and so do the timeouts. Its
	// history goes on with ExecutionRedriven.
	//
	// It is idempotent by clientToken: each of the last ten tokens that redrove the execution is answered with its redriveDate for fifteen
	// minutes.
	//
	// Errors: ExecutionDoesNotExist; InvalidArn; ExecutionNotRedrivable, with the reason that DescribeExecution tells as
	// redriveStatusReason: it is RUNNING or SUCCEEDED, it ended 14 days ago or began a year ago, its history has 24,999 events or more, it ended
	// under a version that knew no redrives, a saga of it ended as COMPENSATION_FAILED or ABANDONED or was undone after its end, a map run has
	// started it and can redrive it, or its state machine is DELETING or gone; ValidationException for a clientToken that is none.
	RedriveExecution(context.Context, *RedriveExecutionInput) (*RedriveExecutionOutput, error)

	// RedriveWithChanges is RedriveExecution with what is to be different from then on: another definition of its state machine, another state of
	// the top level to go on from, another input, other variables. A dry run tells which states would run and changes nothing. A state that goes
	// on with another input is called under another idempotency key. What a saga owes stays owed: changes by which an undo would be lost are
	// refused. It is an operation of Backstep, not of AWS.
	//
	// Errors: as of RedriveExecution; ExecutionNotRedrivable also for changes that can't be made, with why; StateMachineDoesNotExist;
	// ValidationException for a definition of another state machine, and for an input or variables that are not JSON.
	RedriveWithChanges(context.Context, *RedriveWithChangesInput) (*RedriveWithChangesOutput, error)

	// GetExecutionHistory lists the events of an execution by page, the first one first unless reverseOrder is set.
	//
	// Errors: ExecutionDoesNotExist, InvalidArn, InvalidToken.
	GetExecutionHistory(context.Context, *GetExecutionHistoryInput) (*GetExecutionHistoryOutput, error)

	// DescribeStateMachineForExecution answers the definition with which an execution runs, whatever became of its state machine since.
	//
	// Errors: ExecutionDoesNotExist, InvalidArn.
	DescribeStateMachineForExecution(context.Context, *DescribeStateMachineForExecutionInput) (*DescribeStateMachineForExecutionOutput, error)

	// TestState tries out one state alone: a state by itself, or the one of stateName in a state machine. It answers what the state gives or how
	// it fails, where it leads, and, with an inspectionLevel of DEBUG or TRACE, what the data was at each stage. Nothing is stored and nothing
	// has a history. It may take five minutes.
	//
	// A Task without a mock is really called; a Wait really waits. An activity, a nested execution, a task with .sync or .waitForTaskToken, a
	// Parallel and a Map need a mock, which stands for their work. A status of RETRIABLE says that a retrier takes the error with
	// retrierRetryCount retries behind it, CAUGHT_ERROR that a catcher does; errorDetails says which one.
	//
	// Errors: InvalidDefinition; InvalidExecutionInput; InvalidArn (of the role); ValidationException for a mock, a context, variables or a
	// configuration that don't fit the state, and for a Task without a mock and without roleArn.
	TestState(context.Context, *TestStateInput) (*TestStateOutput, error)

	// CreateActivity makes an activity: a queue of tasks from which workers take work by GetActivityTask. It is idempotent by name; the tags
	// of a second call are ignored.
	//
	// Errors: InvalidName; ActivityAlreadyExists when the encryption differs; ActivityLimitExceeded; TooManyTags;
	// InvalidEncryptionConfiguration.
	CreateActivity(context.Context, *CreateActivityInput) (*CreateActivityOutput, error)

	// DescribeActivity answers an activity's name and when it was made.
	//
	// Errors: ActivityDoesNotExist, InvalidArn.
	DescribeActivity(context.Context, *DescribeActivityInput) (*DescribeActivityOutput, error)

	// DeleteActivity removes an activity. One that does not exist is no error.
	//
	// Errors: InvalidArn.
	DeleteActivity(context.Context, *DeleteActivityInput) (*DeleteActivityOutput, error)

	// ListActivities lists the activities of the account and region by page.
	//
	// Errors: InvalidToken.
	ListActivities(context.Context, *ListActivitiesInput) (*ListActivitiesOutput, error)

	// GetActivityTask takes the oldest task of an activity's queue. It waits up to 60 seconds for one; when none came, or the server is about
	// to stop, the answer has no task token. The task is the caller's as soon as it is answered: whoever goes away with it loses it to its
	// heartbeat or timeout.
	//
	// Errors: ActivityDoesNotExist, InvalidArn, ActivityWorkerLimitExceeded.
	GetActivityTask(context.Context, *GetActivityTaskInput) (*GetActivityTaskOutput, error)

	// SendTaskSuccess completes the task of a token with an output, for an activity or a callback. When it has answered, the completion is
	// durable.
	//
	// Errors: InvalidOutput when the output is no JSON or has more than 262,144 bytes; InvalidToken when nobody here made the token;
	// TaskTimedOut when the task is over, by its timeout, a lost heartbeat, a stop or an earlier completion; TaskDoesNotExist.
	SendTaskSuccess(context.Context, *SendTaskSuccessInput) (*SendTaskSuccessOutput, error)

	// SendTaskFailure completes the task of a token as failed. Retry and Catch of its state match the error.
	//
	// Errors: InvalidToken, TaskTimedOut, TaskDoesNotExist, as SendTaskSuccess.
	SendTaskFailure(context.Context, *SendTaskFailureInput) (*SendTaskFailureOutput, error)

	// SendTaskHeartbeat says that the task of a token is still being worked at: the clock of its HeartbeatSeconds begins anew. It makes no
	// event in the history.
	//
	// Errors: InvalidToken, TaskTimedOut, TaskDoesNotExist, as SendTaskSuccess.
	SendTaskHeartbeat(context.Context, *SendTaskHeartbeatInput) (*SendTaskHeartbeatOutput, error)

	// TagResource adds tags to a state machine or an activity, or gives them a new value.
	//
	// Errors: InvalidArn; ResourceNotFound; TooManyTags beyond 50; ValidationException for a key or value with other characters than letters,
	// digits, white space and _ . : / = + - @, or for a key that begins with aws:.
	TagResource(context.Context, *TagResourceInput) (*TagResourceOutput, error)

	// UntagResource takes tags away. Keys that are not there are no error.
	//
	// Errors: InvalidArn, ResourceNotFound.
	UntagResource(context.Context, *UntagResourceInput) (*UntagResourceOutput, error)

	// ListTagsForResource lists the tags of a state machine or an activity.
	//
	// Errors: InvalidArn, ResourceNotFound.
	ListTagsForResource(context.Context, *ListTagsForResourceInput) (*ListTagsForResourceOutput, error)

	// DescribeMapRun answers where a map run stands: its limits, and how many of its items and children have come to what. It is there as long
	// as the execution that started it.
	//
	// Errors: ResourceNotFound, InvalidArn.
	DescribeMapRun(context.Context, *DescribeMapRunInput) (*DescribeMapRunOutput, error)

	// ListMapRuns lists the map runs that an execution has started, the newest first, by page. Every attempt of a distributed Map is one; a redrive goes on with
	// the last.
	//
	// Errors: ExecutionDoesNotExist, InvalidArn, InvalidToken.
	ListMapRuns(context.Context, *ListMapRunsInput) (*ListMapRunsOutput, error)

	// UpdateMapRun changes the limits of a map run that is under way. Children that run go on although there are more of them than a smaller
	// maxConcurrency allows. Where more items have failed by now than a new tolerance allows, the map run fails.
	//
	// Errors: ResourceNotFound; InvalidArn; ValidationException, with the reason CANNOT_UPDATE_COMPLETED_MAP_RUN when the map run has ended,
	// and with MISSING_REQUIRED_PARAMETER when nothing is to be changed.
	UpdateMapRun(context.Context, *UpdateMapRunInput) (*UpdateMapRunOutput, error)

	// WaitExecution answers like DescribeExecution, as soon as there is something new: an event beyond afterEventId, or the end of the
	// execution. When nothing came within timeoutSeconds, or the server is about to stop, it answers as things stand; the caller asks again
	// with lastEventId. It is an operation of Backstep, not of AWS.
	//
	// Errors: ExecutionDoesNotExist, InvalidArn.
	WaitExecution(context.Context, *WaitExecutionInput) (*WaitExecutionOutput, error)

	// ExplainExecution answers what an execution waits for, in one line and one by one: a call, a time, a worker, a nested execution, a lock, a
	// person. It reads what is durable, and what the server that has the execution knows beside it. Of a map run, by its ARN, it tells how its
	// children stand. It is an operation of Backstep, not of AWS.
	//
	// Errors: ExecutionDoesNotExist; ResourceNotFound for a map run; InvalidArn.
	ExplainExecution(context.Context, *ExplainExecutionInput) (*ExplainExecutionOutput, error)

	// ListNodes lists the processes that use the server's store, with what each last said of itself. It is an operation of Backstep, not of AWS.
	ListNodes(context.Context, *ListNodesInput) (*ListNodesOutput, error)

	// ListExecutionsWhere lists the executions that are found by search attributes (what a definition's SearchAttributes say), the newest
	// first, by page: order_id = "1001", or several such terms joined by and, of which all must hold. A value is a string, a number, true or
	// false, and compared as text: 1001 and "1001" find the same. Pages go back in time, so that what begins meanwhile changes none that is
	// still to come. A page may have fewer than maxResults although more follow. It is an operation of Backstep, not of AWS.
	//
	// Errors: ValidationException for a where that can't be read, with the place, and for the filter PENDING_REDRIVE; InvalidArn; InvalidToken;
	// StateMachineDoesNotExist; StateMachineTypeNotSupported for an EXPRESS one.
	ListExecutionsWhere(context.Context, *ListExecutionsWhereInput) (*ListExecutionsWhereOutput, error)

	// DescribeSaga answers where an execution's sagas stand: their statuses, the steps under way, what waits for a person, and the saga log by
	// page. It is an operation of Backstep, not of AWS.
	//
	// Errors: ExecutionDoesNotExist, InvalidArn, InvalidToken.
	DescribeSaga(context.Context, *DescribeSagaInput) (*DescribeSagaOutput, error)

	// ListSagas lists the executions that have sagas, the newest first, by page: of a state machine, or of all; of one status, or of any. Of the
	// children of distributed Maps those are listed that are ON_HOLD. A page may have fewer than maxResults although more follow. It is an operation of Backstep,
	// not of AWS.
	//
	// Errors: InvalidArn, InvalidToken, StateMachineDoesNotExist.
	ListSagas(context.Context, *ListSagasInput) (*ListSagasOutput, error)

	// ListHolds lists what waits for a person, by page: the holds of sagas, those of the newest execution first, then executions that can't be
	// decided at all. Requests and responses are cut after 4,096 bytes each; DescribeHold has them whole. A page may have fewer than maxResults,
	// or none, although more follow. One that can't be read keeps no other from the list: it stands in it with what is known of it, whatever error
	// is asked for. It is an operation of Backstep, not of AWS.
	//
	// Errors: InvalidArn, InvalidToken, StateMachineDoesNotExist.
	ListHolds(context.Context, *ListHoldsInput) (*ListHoldsOutput, error)

	// DescribeHold answers one hold with all that a person needs to decide about it. It is an operation of Backstep, not of AWS.
	//
	// Errors: ExecutionDoesNotExist; InvalidArn; HoldDoesNotExist, with who resolved it where the history tells.
	DescribeHold(context.Context, *DescribeHoldInput) (*DescribeHoldOutput, error)

	// ResolveHold does what an operator has decided about a hold, or ends a saga as it stands. When it has answered, the decision is durable.
	// Of two decisions about one hold the first counts. It is an operation of Backstep, not of AWS.
	//
	// Errors: ExecutionDoesNotExist; InvalidArn; HoldDoesNotExist for a hold that is not there (any more), with who resolved it where the history
	// tells; ValidationException for a verb that does not fit the hold, with those that do, for one that lacks what it needs, for a resource
	// that is not served here, for a saga that is not open, and without operator or reason.
	ResolveHold(context.Context, *ResolveHoldInput) (*ResolveHoldOutput, error)

	// ResolveHolds does the same about many holds at once: those of a state machine that are held by one error. What can't be resolved is told,
	// and the others are resolved all the same. It is an operation of Backstep, not of AWS.
	//
	// Errors: InvalidArn; InvalidToken; StateMachineDoesNotExist; ValidationException as of ResolveHold, where it holds of all of them.
	ResolveHolds(context.Context, *ResolveHoldsInput) (*ResolveHoldsOutput, error)

	// CompensateExecution has an execution's sagas undone: those of a running one as StopExecution does, whatever their OnStop; those that have
	// COMPLETED by their own logs, the execution's status unchanged; of those that ended as COMPENSATION_FAILED or ABANDONED what is still
	// owed. It answers once that is begun and durable; a second call changes nothing. It is an operation of Backstep, not of AWS.
	//
	// Errors: ExecutionDoesNotExist; InvalidArn; ValidationException for an execution without sagas, and for a saga past its pivot.
	CompensateExecution(context.Context, *CompensateExecutionInput) (*CompensateExecutionOutput, error)

	// PreviewAbort tells what CompensateExecution would do, and changes nothing: what would be undone and in which order, what can't be, and what
	// nobody knows the outcome of. It is an operation of Backstep, not of AWS.
	//
	// Errors: ExecutionDoesNotExist; InvalidArn; ValidationException for an execution that is quarantined.
	PreviewAbort(context.Context, *PreviewAbortInput) (*PreviewAbortOutput, error)
}
