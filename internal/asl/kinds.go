package asl

// use tells in which query language a field may stand.
type use uint8

const (
	inBoth use = iota
	inPath
	inQuery
)

// field is a field of an object and where it may stand.
type field struct {
	name string
	use  use
}

// kind is a row of the language: what a state of a type has, and who reads it.
type kind struct {
	fields []field
	build  func(*compiler, *State, *node)
}

// allTypes is how the service lists the types.
const allTypes = "Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map"

// kindOf is the row of a type.
func kindOf(t Type) (kind, bool) {
	switch t {
	case Task:
		return kind{taskFields, (*compiler).task}, true
	case Wait:
		return kind{waitFields, (*compiler).wait}, true
	case Pass:
		return kind{passFields, (*compiler).pass}, true
	case Succeed:
		return kind{succeedFields, (*compiler).succeed}, true
	case Fail:
		return kind{failFields, (*compiler).fail}, true
	case Choice:
		return kind{choiceFields, (*compiler).choice}, true
	case Parallel:
		return kind{parallelFields, (*compiler).parallel}, true
	case Map:
		return kind{mapFields, (*compiler).mapping}, true
	case Saga:
		return kind{sagaStateFields, (*compiler).saga}, true
	}
	return kind{}, false
}

// has reports whether states of the kind have a field.
func (k kind) has(name string) bool {
	_, ok := find(k.fields, name)
	return ok
}

func find(fields []field, name string) (field, bool) {
	for _, f := range fields {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

func both(names ...string) []field  { return fieldsIn(inBoth, names) }
func path(names ...string) []field  { return fieldsIn(inPath, names) }
func query(names ...string) []field { return fieldsIn(inQuery, names) }

func fieldsIn(u use, names []string) []field {
	fields := make([]field, len(names))
	for i, name := range names {
		fields[i] = field{name, u}
	}
	return fields
}

func table(groups ...[]field) []field {
	var all []field
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// The groups that types share.
var (
	everyState = both("Type", "Comment", "QueryLanguage")
	goesOn     = both("Next", "End", "Assign")
	catches    = both("Retry", "Catch")
	inAndOut   = table(path("InputPath", "OutputPath"), query("Output"))
	works      = table(path("Parameters", "ResultSelector", "ResultPath"), query("Arguments"))
)

// The fields of each type of state.
var (
	taskFields = table(everyState, goesOn, catches, inAndOut, works,
		both("Resource", "TimeoutSeconds", "HeartbeatSeconds", "Credentials"),
		path("TimeoutSecondsPath", "HeartbeatSecondsPath"), stepFields)
	waitFields = table(everyState, goesOn, inAndOut,
		both("Seconds", "Timestamp"), path("SecondsPath", "TimestampPath"))
	passFields = table(everyState, goesOn, inAndOut,
		path("Parameters", "Result", "ResultPath"))
	succeedFields = table(everyState, inAndOut)
	failFields    = table(everyState,
		both("Error", "Cause"), path("ErrorPath", "CausePath"))
	choiceFields = table(everyState, inAndOut,
		both("Choices", "Default", "Assign"))
	parallelFields = table(everyState, goesOn, catches, inAndOut, works,
		both("Branches"))
	mapFields = table(everyState, goesOn, catches, inAndOut,
		both("ItemProcessor", "Iterator", "ItemSelector", "MaxConcurrency", "Label", "ItemReader", "ItemBatcher",
			"ResultWriter", "ToleratedFailureCount", "ToleratedFailurePercentage"),
		path("ItemsPath", "Parameters", "ResultSelector", "ResultPath", "MaxConcurrencyPath",
			"ToleratedFailureCountPath", "ToleratedFailurePercentagePath"),
		query("Items"))
	sagaStateFields = table(everyState, goesOn, catches, inAndOut, works, sagaFields,
		both("StartAt", "States"))
)

// The fields of the saga extension: of a scope, and of a Task within one.
var (
	sagaFields = both("Recovery", "MaxForwardAttempts", "OnCompensationFailure", "OnStop", "Runbook")
	stepFields = both("Compensate", "Confirm", "Query", "SavePoint", "Pivot", "OnUnknown", "KnownFailed",
		"CompensateWithin", "SemanticLock", "Runbook")
	bodyFields = table(both("Resource", "Retry", "TimeoutSeconds", "HeartbeatSeconds", "Credentials", "Comment"),
		path("Parameters", "TimeoutSecondsPath", "HeartbeatSecondsPath"), query("Arguments"))
	lockFields = table(both("Key", "Wait"), path("Key.$"))
)

// The fields of the objects within.
var (
	machineFields   = both("Comment", "QueryLanguage", "Version", "StartAt", "States", "TimeoutSeconds", "Saga", "SearchAttributes")
	branchFields    = both("Comment", "StartAt", "States")
	processorFields = both("Comment", "StartAt", "States", "ProcessorConfig")
	configFields    = both("Mode", "ExecutionType")
	queryRuleFields = both("Condition", "Next", "Output", "Assign", "Comment")
	retrierFields   = both("ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds",
		"JitterStrategy", "Comment")
	catcherFields = table(both("ErrorEquals", "Next", "Assign", "Comment"),
		path("ResultPath"), query("Output"))
	readerFields = table(both("Resource", "ReaderConfig"),
		path("Parameters"), query("Arguments"))
	readerConfigFields = table(both("InputType", "Transformation", "ManifestType", "CSVDelimiter", "CSVHeaderLocation",
		"CSVHeaders", "ItemsPointer", "MaxItems"), path("MaxItemsPath"))
	batcherFields = table(both("MaxItemsPerBatch", "MaxInputBytesPerBatch", "BatchInput"),
		path("MaxItemsPerBatchPath", "MaxInputBytesPerBatchPath"))
	writerFields = table(both("Resource", "WriterConfig"),
		path("Parameters"), query("Arguments"))
	writerConfigFields = both("Transformation", "OutputType")
)
