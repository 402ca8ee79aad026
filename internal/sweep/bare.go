package sweep

import (
	"fmt"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// bare takes the data out of a definition: what is left is which state follows
// upon which, what is retried, caught and undone, and for how long each call is
// waited for. Every Task calls a participant, Maps have two items, and a Choice
// goes where the execution's input says (see [ways]).
//
// What stays is a definition as any other: the decider does not know the
// difference.
type bare struct {
	choices map[string]int // Choice → its place among them, which its ways go by
	places  map[string]int // every state → its place in the text
	spoil   string         // a state whose own expression fails
	fatal   bool           // … so that nothing catches that
	after   bool           // … after the state's work
}

// The limits that are computed at run time, and how long a Wait waits that asks
// its data.
const (
	bareTimeout   = 60
	bareHeartbeat = 20
	bareWait      = 1
	bareItems     = 2
)

// machine is the definition without its data.
func (b *bare) machine(v value.Value) value.Value {
	out := value.NewBuilder(4)
	for _, name := range []string{"StartAt", "TimeoutSeconds", "Saga"} {
		copyTo(out, v, name)
	}
	out.Set("States", b.states(v.Get("States")))
	return out.Object()
}

func copyTo(out *value.Builder, v value.Value, names ...string) {
	for _, name := range names {
		if v.Has(name) {
			out.Set(name, v.Get(name))
		}
	}
}

func (b *bare) states(v value.Value) value.Value {
	out := value.NewBuilder(v.Len())
	for name, s := range v.Members() {
		b.places[name] = len(b.places)
		out.Set(name, b.state(name, s))
	}
	return out.Object()
}

// state is one state without its data.
func (b *bare) state(name string, v value.Value) value.Value {
	out := value.NewBuilder(8)
	copyTo(out, v, "Type")
	out.Set("QueryLanguage", value.NewString("JSONata"))
	copyTo(out, v, "Next", "End", "Retry")
	if v.Has("Catch") {
		out.Set("Catch", catchers(v.Get("Catch")))
	}
	switch v.Get("Type").AsString() {
	case "Task":
		b.task(out, v)
	case "Wait":
		copyTo(out, v, "Seconds")
		if out.Get("Seconds").Kind() != value.Number {
			out.Set("Seconds", value.NewInt(bareWait))
		}
	case "Fail":
		out.Set("Error", literal(v.Get("Error"), "Failed"))
		out.Set("Cause", literal(v.Get("Cause"), ""))
	case "Choice":
		b.choice(out, name, v)
	case "Parallel":
		var branches []value.Value
		for _, branch := range v.Get("Branches").Items() {
			branches = append(branches, b.flow(branch))
		}
		out.Set("Branches", value.NewArray(branches))
	case "Map":
		b.mapping(out, v)
	case "Saga":
		copyTo(out, v, "Recovery", "MaxForwardAttempts", "OnCompensationFailure", "OnStop", "StartAt")
		out.Set("States", b.states(v.Get("States")))
	}
	if name == b.spoil {
		return b.spoilt(out)
	}
	return out.Object()
}

// spoilt is a state whose expression fails: a path that finds nothing, which no
// Catch takes, or a JSONata error.
func (b *bare) spoilt(v *value.Builder) value.Value {
	kind := v.Get("Type").AsString()
	works := kind == "Task" || kind == "Parallel" || kind == "Map" || kind == "Saga"
	if !b.fatal && kind != "Choice" {
		field := "Output"
		if works && !b.after {
			field = map[string]string{"Map": "ItemSelector"}[kind]
			if field == "" {
				field = "Arguments"
			}
		}
		v.Set(field, value.NewString("{% $error('spoilt') %}"))
		return v.Object()
	}
	out := value.NewBuilder(8)
	for name, m := range v.Object().Members() {
		switch name {
		case "QueryLanguage", "Choices", "Items", "ItemSelector":
		case "Arguments":
			out.Set("Parameters", m)
		case "Compensate", "Confirm", "Query":
			out.Set(name, inPaths(m))
		default:
			out.Set(name, m)
		}
	}
	if works && b.after {
		out.Set("ResultSelector", value.NewObject(value.Member{Name: "spoilt.$", Value: value.NewString("$.nothing")}))
	} else {
		out.Set("InputPath", value.NewString("$.nothing"))
	}
	if kind == "Choice" { // it fails before it decides, and what it leads to stays reachable
		var rules []value.Value
		for _, rule := range v.Get("Choices").Items() {
			rules = append(rules, value.NewObject(value.Member{Name: "Variable", Value: value.NewString("$")},
				value.Member{Name: "IsPresent", Value: value.NewBool(true)}, value.Member{Name: "Next", Value: rule.Get("Next")}))
		}
		out.Set("Choices", value.NewArray(rules))
	}
	return out.Object()
}

// inPaths is a body, or several, of a state whose query language is JSONPath.
func inPaths(v value.Value) value.Value {
	if v.Kind() == value.Array {
		var all []value.Value
		for _, body := range v.Items() {
			all = append(all, inPaths(body))
		}
		return value.NewArray(all)
	}
	out := value.NewBuilder(v.Len())
	for name, m := range v.Members() {
		if name == "Arguments" {
			name = "Parameters"
		}
		out.Set(name, m)
	}
	return out.Object()
}

// literal is a text that no expression computes.
func literal(v value.Value, otherwise string) value.Value {
	if s := v.AsString(); v.Kind() == value.String && !strings.HasPrefix(strings.TrimSpace(s), "{%") {
		return v
	}
	return value.NewString(otherwise)
}

func catchers(v value.Value) value.Value {
	var all []value.Value
	for _, c := range v.Items() {
		out := value.NewBuilder(2)
		copyTo(out, c, "ErrorEquals", "Next")
		all = append(all, out.Object())
	}
	return value.NewArray(all)
}

// flow is a branch, or the processor of a Map.
func (b *bare) flow(v value.Value) value.Value {
	out := value.NewBuilder(3)
	copyTo(out, v, "StartAt", "ProcessorConfig")
	out.Set("States", b.states(v.Get("States")))
	return out.Object()
}

// task is what a Task has of its own, and as a step of a saga.
func (b *bare) task(out *value.Builder, v value.Value) {
	b.call(out, v)
	copyTo(out, v, "Pivot", "SavePoint", "KnownFailed", "OnUnknown", "CompensateWithin")
	if c := v.Get("Compensate"); c.Kind() == value.Array {
		var all []value.Value
		for _, alternative := range c.Items() {
			all = append(all, b.body(alternative))
		}
		out.Set("Compensate", value.NewArray(all))
	} else if !c.IsAbsent() {
		out.Set("Compensate", b.body(c))
	}
	for _, name := range []string{"Confirm", "Query"} {
		if v.Has(name) {
			out.Set(name, b.body(v.Get(name)))
		}
	}
	if l := v.Get("SemanticLock"); !l.IsAbsent() {
		lock := value.NewBuilder(2)
		lock.Set("Key", literal(l.Get("Key"), "a key"))
		copyTo(lock, l, "Wait")
		out.Set("SemanticLock", lock.Object())
	}
}

func (b *bare) body(v value.Value) value.Value {
	out := value.NewBuilder(4)
	b.call(out, v)
	copyTo(out, v, "Retry")
	return out.Object()
}

// call is whom a Task or a body calls, and how long it waits for the answer.
func (b *bare) call(out *value.Builder, v value.Value) {
	if participant, callback := standIn(v.Get("Resource").AsString()); callback {
		out.Set("Resource", value.NewString(participant))
		out.Set("Arguments", value.NewObject(value.Member{Name: "FunctionName", Value: value.NewString("participant")}))
	} else {
		out.Set("Resource", value.NewString(participant))
	}
	timeout, limited := seconds(v, "TimeoutSeconds", bareTimeout)
	if limited {
		out.Set("TimeoutSeconds", value.NewInt(timeout))
	}
	if beat, beats := seconds(v, "HeartbeatSeconds", bareHeartbeat); beats {
		if limited && beat >= timeout {
			beat = max(1, timeout-1)
		}
		out.Set("HeartbeatSeconds", value.NewInt(beat))
	}
}

// The participants that stand in for whom a definition calls.
const (
	functionStandIn = "arn:aws:lambda:us-east-1:123456789012:function:participant"
	callbackStandIn = "arn:aws:states:::lambda:invoke.waitForTaskToken"
)

// standIn is a participant that answers in the same way as a resource does: at
// once, or by its token. A job that is waited for and a nested execution are
// calls that answer at their end.
func standIn(resource string) (participant string, callback bool) {
	if strings.HasSuffix(resource, ".waitForTaskToken") || strings.Contains(resource, ":activity:") {
		return callbackStandIn, true
	}
	return functionStandIn, false
}

// seconds is a limit, and whether there is one.
func seconds(v value.Value, name string, computed int64) (int64, bool) {
	if n, ok := v.Get(name).AsInt(); ok && v.Get(name).Kind() == value.Number {
		return n, true
	}
	return computed, v.Has(name) || v.Has(name+"Path")
}

// choice goes to the n-th of its targets where the input says so, for each of
// its entries; where the input says nothing it takes them in turn.
func (b *bare) choice(out *value.Builder, name string, v value.Value) {
	number := len(b.choices)
	b.choices[name] = number
	targets := targetsOf(v)
	count := fmt.Sprintf("$backstepChoice%d", number)
	counted := value.NewObject(value.Member{Name: count[1:], Value: value.NewString(fmt.Sprintf("{%% $exists(%s) ? %s + 1 : 1 %%}", count, count))})
	var rules []value.Value
	for i, target := range targets {
		if i == len(targets)-1 && v.Has("Default") {
			out.Set("Default", value.NewString(target))
			out.Set("Assign", counted)
			break
		}
		condition := fmt.Sprintf(`{%% ($w := $lookup($states.context.Execution.Input, "%d"); $k := $exists(%s) ? %s : 0; ($k < $count($w) ? $w[$k] : $k %% %d) = %d) %%}`,
			number, count, count, len(targets), i)
		rules = append(rules, value.NewObject(
			value.Member{Name: "Condition", Value: value.NewString(condition)},
			value.Member{Name: "Assign", Value: counted},
			value.Member{Name: "Next", Value: value.NewString(target)}))
	}
	if len(rules) == 0 { // all ways lead to the Default
		rules = append(rules, value.NewObject(value.Member{Name: "Condition", Value: value.NewBool(false)}, value.Member{Name: "Next", Value: v.Get("Default")}))
	}
	out.Set("Choices", value.NewArray(rules))
}

// targetsOf are the states that a Choice goes to, each once, the Default last.
func targetsOf(v value.Value) []string {
	var all []string
	fallback := v.Get("Default").AsString()
	for _, rule := range v.Get("Choices").Items() {
		next := rule.Get("Next").AsString()
		if next != fallback && !contains(all, next) {
			all = append(all, next)
		}
	}
	if v.Has("Default") {
		all = append(all, fallback)
	}
	return all
}

func contains(all []string, s string) bool {
	for _, other := range all {
		if other == s {
			return true
		}
	}
	return false
}

// tolerance is how many items may fail: where it is some, but not all, one of the
// two.
func (b *bare) tolerance(out *value.Builder, v value.Value, name string, one, all int64) {
	if n, some := seconds(v, name, one); n > 0 && some {
		if n < all {
			n = one
		}
		out.Set(name, value.NewInt(min(n, all)))
	}
}

// mapping is a Map of two items.
func (b *bare) mapping(out *value.Builder, v value.Value) {
	var items []value.Value
	for i := range bareItems {
		items = append(items, value.NewInt(int64(i+1)))
	}
	out.Set("Items", value.NewArray(items))
	if v.Get("MaxConcurrency").Kind() == value.Number {
		copyTo(out, v, "MaxConcurrency")
	}
	b.tolerance(out, v, "ToleratedFailureCount", 1, bareItems)
	b.tolerance(out, v, "ToleratedFailurePercentage", 100/bareItems, 100)
	copyTo(out, v, "Label")
	processor := v.Get("ItemProcessor")
	if processor.IsAbsent() {
		processor = v.Get("Iterator")
	}
	if processor.Get("ProcessorConfig").Get("Mode").AsString() == "DISTRIBUTED" {
		out.Set("ItemSelector", value.NewString("{% $states.context.Execution.Input %}")) // its children have Choices of their own
	}
	out.Set("ItemProcessor", b.flow(processor))
}
