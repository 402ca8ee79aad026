// Package asl is the Amazon States Language: it reads a definition, says what
// is wrong with it in the words of the service, and compiles it into a
// [Program] that can be run. A definition stays valid or invalid whatever runs
// beside it: what depends on the place where it is to run comes in by [Rules].
//
// It refuses to know how a program runs: no execution, no event, no time.
//
// Read program.go (what comes of a definition), parse.go and yaml.go (its text
// as a tree whose nodes know their place), diagnostic.go, compile.go (one pass
// that checks and compiles) with field.go, and check.go (what holds between
// states). kinds.go has the fields of each type of state, whose own are read in
// pass.go, task.go, choice.go, wait.go, end.go, parallel.go, map.go and
// distributed.go; saga.go has the saga extension, search.go the search
// attributes. What states share: template.go and query.go (expressions of either
// language), variable.go, retry.go, resource.go. reference.go tells what a
// program uses.
package asl

import (
	"github.com/backstep/backstep/internal/jsonata"
	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

// Program is a definition compiled: every name resolved, every expression
// compiled once. It is immutable and safe for concurrent use.
type Program struct {
	SearchAttributes []SearchAttribute // what executions are found by, in order of name

	Comment        string
	TimeoutSeconds int64       // of the whole execution; 0: none
	Saga           *SagaFields // where the machine is a saga scope; else nil
	Flow           *Flow
	States         map[string]*State // every state, nested ones too, by its name
	Order          []*State          // the same in the order of the text

	sagas bool
}

// Flow is a StartAt with its States: the machine itself, a branch of a
// Parallel, the processor of a Map or a Saga. No transition leaves it.
type Flow struct {
	Start  *State
	States []*State // in the order of the text
	Owner  *State   // the Parallel, Map or Saga it belongs to; nil for the machine
	Index  int      // which branch of its owner
}

// Type is a state's type, spelled as in the language.
type Type string

// The eight state types, and that of the saga extension.
const (
	Pass     Type = "Pass"
	Task     Type = "Task"
	Choice   Type = "Choice"
	Wait     Type = "Wait"
	Succeed  Type = "Succeed"
	Fail     Type = "Fail"
	Parallel Type = "Parallel"
	Map      Type = "Map"
	Saga     Type = "Saga"
)

// Language is a state's query language.
type Language uint8

// The query languages.
const (
	JSONPath Language = iota
	JSONata
)

// State is a node of the program. Fields that its type or language does not
// have are nil.
type State struct {
	Name     string
	Type     Type
	Language Language
	Comment  string
	Flow     *Flow       // in which it stands
	Scope    *SagaFields // the innermost saga scope that it stands in, or nil
	Next     *State      // nil: End, or a type without Next
	Place    string      // where in the definition, as diagnostics have it: "/States/Pay"
	Reads    []string    // the variables that its expressions name, sorted; not those of flows within it

	InputPath      *Selection // JSONPath only; nil: the whole input
	OutputPath     *Selection
	Parameters     *Template    // JSONPath Parameters, or JSONata Arguments; a Map's are its ItemSelector
	ResultSelector *Template    // JSONPath only
	ResultPath     *Destination // JSONPath only; nil: replaces everything
	Output         *Template    // JSONata only
	Assign         *Assignment
	Retry          []Retrier
	Catch          []Catcher

	Task     *TaskFields
	Pass     *PassFields
	Choice   *ChoiceFields
	Wait     *WaitFields
	Fail     *FailFields
	Parallel *ParallelFields
	Map      *MapFields
	Saga     *SagaFields
	Step     *Step // of a Task within a saga scope, or a distributed Map
}

// Selection is an InputPath, OutputPath or ItemsPath. "$", the whole, is no
// Selection at all.
type Selection struct {
	Path *jsonpath.Path // nil: null was written, which selects {}
}

// Destination is a ResultPath. "$", which replaces everything, is no
// Destination at all.
type Destination struct {
	Reference *jsonpath.Reference // nil: null was written, which discards the result
}

// Assignment is an Assign field: variables, each with its template, all
// evaluated from the same moment.
type Assignment struct {
	Variables []Variable // in the order of the text
}

// Variable is one assigned variable.
type Variable struct {
	Name  string
	Value *Template
}

// Template is a value with expressions in it: Parameters, Arguments,
// ResultSelector, ItemSelector, Output, one variable of an Assign, Items …
// Exactly one of its forms is set.
type Template struct {
	Constant value.Value // no expression within
	Path     *PathExpr   // JSONPath: what a member ending in ".$" holds
	Query    *QueryExpr  // JSONata: a {% … %} string
	Object   []TemplateMember
	Array    []*Template
	isArray  bool
}

// IsArray reports whether the template is an array with expressions within.
func (t *Template) IsArray() bool { return t.isArray }

// TemplateMember is a member of a template's object, its name without ".$".
type TemplateMember struct {
	Name  string
	Value *Template
}

// PathExpr is a JSONPath expression or intrinsic call in a template.
type PathExpr struct {
	Expression *jsonpath.Expression
	Field      string // as causes name it: "Param.$"
	Text       string // as it was written
}

// QueryExpr is a JSONata expression somewhere in a state.
type QueryExpr struct {
	Expression *jsonata.Expression
	Location   string // as causes and EvaluationFailed name it: "Output/result", "Choices[0]/Condition"
	Text       string // between {% and %}, as causes quote it
	// Members is what it takes of $states, name after name, where it does nothing
	// else: "result", "Payload".
	Members []string
}

// Quantity is a number that may be computed: TimeoutSeconds, MaxConcurrency …
// At most one form is set; none of them: the field is absent.
type Quantity struct {
	Literal *float64
	Path    *jsonpath.Path // of the …Path field
	Query   *QueryExpr
	Field   string // the field's name as written: "TimeoutSecondsPath"
}

// Line is a text that may be computed: Error, Cause, RoleArn, Timestamp. At
// most one form is set; none: the field is absent.
type Line struct {
	Literal *string
	Path    *jsonpath.Expression // of the …Path or ".$" field
	Query   *QueryExpr
	Field   string
}

// Retrier is one entry of a Retry.
type Retrier struct {
	ErrorEquals     []string
	IntervalSeconds int64   // default 1
	MaxAttempts     int64   // default 3; 0: never
	BackoffRate     float64 // default 2
	MaxDelaySeconds int64   // 0: none
	FullJitter      bool
}

// Catcher is one entry of a Catch.
type Catcher struct {
	ErrorEquals []string
	Next        *State
	ResultPath  *Destination // JSONPath
	Output      *Template    // JSONata
	Assign      *Assignment
}

// TaskFields are what a Task has of its own.
type TaskFields struct {
	Resource         Resource
	TimeoutSeconds   Quantity
	HeartbeatSeconds Quantity
	RoleARN          Line // of Credentials
}

// Kind is what does a Task.
type Kind uint8

// A task is done by an integration, by a worker of an activity, or by a nested
// execution.
const (
	Integration Kind = iota
	LambdaARN        // a function's ARN as Resource: LambdaFunction… events
	Activity
	NestedExecution    // states:startExecution
	CompensateChildren // backstep:compensateExecution, in a Compensate alone
)

// Resource is a Task's Resource, read.
type Resource struct {
	Text    string // as written
	Kind    Kind
	Service string // "lambda", "sns", "aws-sdk:s3", "http", "states"; of an ARN "lambda" or "states"
	Action  string // "invoke"; of an ARN ""
	Pattern Pattern
}

// Pattern is how a task's answer completes it.
type Pattern uint8

// The integration patterns. Their order is that of package integration.
const (
	RequestResponse Pattern = iota
	Sync
	Sync2
	WaitForTaskToken
)

// PassFields are what a Pass has of its own.
type PassFields struct {
	Result value.Value // JSONPath; Absent: none
}

// ChoiceFields are what a Choice has of its own.
type ChoiceFields struct {
	Rules   []Rule
	Default *State
}

// Rule is one of a Choice's Choices.
type Rule struct {
	Condition *Condition // JSONPath
	Query     *QueryExpr // JSONata: Condition; of true or false an expression of that text
	Next      *State
	Output    *Template // JSONata
	Assign    *Assignment
}

// Condition is a JSONPath choice rule without its Next: a combination, or a
// comparison of Variable.
type Condition struct {
	And, Or  []*Condition
	Not      *Condition
	Variable *jsonpath.Path
	Test     Test
}

// Test is a comparison: an operator as the language names it without "Path",
// against a literal or what a path finds.
type Test struct {
	Operator string // "StringEquals", "IsPresent", "TimestampLessThan" …
	Literal  value.Value
	Path     *jsonpath.Path
}

// WaitFields are what a Wait has of its own: one of the two.
type WaitFields struct {
	Seconds   Quantity
	Timestamp Line
}

// FailFields are what a Fail has of its own.
type FailFields struct{ Error, Cause Line }

// ParallelFields are what a Parallel has of its own.
type ParallelFields struct{ Branches []*Flow }

// MapFields are what a Map has of its own.
type MapFields struct {
	Processor      *Flow
	Distributed    bool
	Express        bool       // of a distributed processor
	Items          *Template  // JSONata Items
	ItemsPath      *Selection // JSONPath
	ItemSelector   *Template  // or the deprecated Parameters
	MaxConcurrency Quantity
	Label          string

	// Of a distributed Map. The first three are whole objects: what is a
	// template in them is compiled, all else is constant, the text of members
	// whose names end in "Path" too.
	ItemReader, ItemBatcher, ResultWriter             *Template
	ToleratedFailureCount, ToleratedFailurePercentage Quantity
}
