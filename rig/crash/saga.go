package main

import (
	"encoding/json"
	"slices"
)

// operation is what a participant can be asked to do. An undo takes back what
// its service did for the order.
type operation struct {
	name    string
	service string
	undo    bool
}

var operations = []operation{
	{name: "Reserve", service: "inventory"},
	{name: "Debit", service: "payment"},
	{name: "Ship", service: "shipping"},
	{name: "Notify", service: "notification"},
	{name: "Cancel", service: "shipping", undo: true},
	{name: "Refund", service: "payment", undo: true},
	{name: "Release", service: "inventory", undo: true},
}

func operationNamed(name string) (operation, bool) {
	i := slices.IndexFunc(operations, func(o operation) bool { return o.name == name })
	if i < 0 {
		return operation{}, false
	}
	return operations[i], true
}

// Where the server says it is.
const (
	region  = "us-east-1"
	account = "123456789012"
)

const activityName = "Work"

func activityArn() string {
	return "arn:aws:states:" + region + ":" + account + ":activity:" + activityName
}

func machineArn(name string) string {
	return "arn:aws:states:" + region + ":" + account + ":stateMachine:" + name
}

// Patience of the sagas. A task is given less time than a participant that
// hangs takes.
const (
	taskSeconds    = 3
	forwardRetries = 3
	undoRetries    = 100
)

// saga is a state machine for orders. In each a state has the name of the
// operation that it asks for. What fails is undone in reverse order, itself
// first: its outcome may be unknown.
type saga struct {
	name     string
	jsonata  bool
	token    string // the operation that is completed by task token
	activity string // the one that a worker does
	direct   string // the one whose resource is a function's ARN
	parallel bool   // Debit and Ship side by side
}

// The sagas by the way in which their steps are done: an order takes each of
// the three ways equally often.
var ways = [][]saga{
	{{name: "Call", jsonata: true}, {name: "CallPath", direct: "Ship"}, {name: "Parallel", jsonata: true, parallel: true}},
	{{name: "Token", jsonata: true, token: "Debit"}, {name: "TokenPath", token: "Ship"}},
	{{name: "Activity", jsonata: true, activity: "Ship"}, {name: "ActivityPath", activity: "Debit"}},
}

// object is a JSON object, states and definitions among them.
type object map[string]any

// definition is the saga in the States Language.
func (s saga) definition() string {
	states := object{
		"Notify":  s.step("Notify", "Done", "Done"),
		"Cancel":  s.undo("Cancel", "Refund"),
		"Refund":  s.undo("Refund", "Release"),
		"Release": s.undo("Release", "Failed"),
		"Done":    object{"Type": "Succeed"},
		"Failed":  object{"Type": "Fail", "Error": "OrderFailed", "Cause": "the order was undone"},
	}
	if s.parallel {
		states["Reserve"] = s.step("Reserve", "Settle", "Release")
		states["Settle"] = s.sideBySide("Debit", "Ship")
	} else {
		states["Reserve"] = s.step("Reserve", "Debit", "Release")
		states["Debit"] = s.step("Debit", "Ship", "Refund")
		states["Ship"] = s.step("Ship", "Notify", "Cancel")
	}
	language := "JSONPath"
	if s.jsonata {
		language = "JSONata"
	}
	text, err := json.MarshalIndent(object{"QueryLanguage": language, "StartAt": "Reserve", "States": states}, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(text)
}

// step is a forward step: next comes after it, undo where it fails.
func (s saga) step(name, next, undo string) object {
	state := s.task(name, forwardRetries)
	state["Next"] = next
	state["Catch"] = s.catch(undo)
	return state
}

// undo takes a step back. It is tried until it is done.
func (s saga) undo(name, next string) object {
	state := s.task(name, undoRetries)
	state["Next"] = next
	return state
}

// sideBySide is a Parallel of two steps. Where one fails, both are undone.
func (s saga) sideBySide(names ...string) object {
	var branches []object
	for _, name := range names {
		task := s.task(name, forwardRetries)
		task["End"] = true
		branches = append(branches, object{"StartAt": name, "States": object{name: task}})
	}
	return object{
		"Type": "Parallel", "Branches": branches, "Output": "{% $states.input %}", "Next": "Notify", "Catch": s.catch("Cancel"),
	}
}

func (s saga) catch(next string) []object {
	c := object{"ErrorEquals": []string{"States.ALL"}, "Next": next}
	if s.jsonata {
		c["Output"] = "{% $states.input %}"
	} else {
		c["ResultPath"] = "$.error"
	}
	return []object{c}
}

// task asks a participant for the operation of the state's name, and hands on
// the order that it was given. A participant's own no is final; everything
// else is tried again.
func (s saga) task(name string, retries int) object {
	state := object{
		"Type": "Task", "TimeoutSeconds": taskSeconds,
		"Retry": []object{
			{"ErrorEquals": []string{"Declined", "Refused"}, "MaxAttempts": 0},
			{"ErrorEquals": []string{"States.ALL"}, "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": retries, "JitterStrategy": "FULL"},
		},
	}
	argument := "Parameters"
	if s.jsonata {
		state["Output"], argument = "{% $states.input %}", "Arguments"
	} else {
		state["ResultPath"] = nil
	}
	switch name {
	case s.direct:
		state["Resource"] = "arn:aws:lambda:" + region + ":" + account + ":function:" + name
	case s.activity:
		state["Resource"] = activityArn()
		state[argument] = s.work(name)
	case s.token:
		state["Resource"] = "arn:aws:states:::lambda:invoke.waitForTaskToken"
		state[argument] = object{"FunctionName": name, "Payload": s.order(object{"token": s.expression("$states.context.Task.Token", "$$.Task.Token")})}
	default:
		state["Resource"] = "arn:aws:states:::lambda:invoke"
		state[argument] = object{"FunctionName": name, "Payload": s.order(object{})}
	}
	return s.inLanguage(state)
}

// work is the input of a worker, who gets no headers: it names the call itself.
func (s saga) work(name string) object {
	return s.order(object{
		"operation": name,
		"key":       s.expression("$states.input.order & '-"+name+"'", "States.Format('{}-"+name+"', $.order)"),
		"execution": s.expression("$states.context.Execution.Id", "$$.Execution.Id"),
	})
}

// order adds the order to what a participant is told.
func (s saga) order(told object) object {
	told["order"] = s.expression("$states.input.order", "$.order")
	told["amount"] = s.expression("$states.input.amount", "$.amount")
	return told
}

// expression is the one of the two that the saga's language knows.
type expression string

func (s saga) expression(jsonata, path string) expression {
	if s.jsonata {
		return expression("{% " + jsonata + " %}")
	}
	return expression(path)
}

// inLanguage gives the fields that JSONPath fills in the names by which it
// knows them.
func (s saga) inLanguage(o object) object {
	if s.jsonata {
		return o
	}
	named := object{}
	for name, v := range o {
		switch v := v.(type) {
		case expression:
			named[name+".$"] = v
		case object:
			named[name] = s.inLanguage(v)
		default:
			named[name] = v
		}
	}
	return named
}
