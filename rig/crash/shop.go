package main

import (
	"encoding/json"
	"fmt"
)

// The sagas of the extension: what undoes a step stands at the step, and the
// server does the rest. Each function is one of the shop's services; what it is
// asked for, and under which key, is in the call's headers.

// undoOf is the function that takes back what another one does.
var undoOf = map[string]string{"Reserve": "Release", "Debit": "Refund", "Book": "Unbook", "Insure": "Uninsure"}

// shopFunctions are the functions of the shop.
var shopFunctions = []string{
	"Reserve", "Release", "Debit", "Refund", "Transfer", "Capture", "Asked", "Book", "Unbook", "Insure", "Uninsure", "Ship", "Notify",
}

// theShop are the state machines of the shop.
var theShop = shopSagas()

func shopSagas() []machine {
	all := []machine{
		{name: "Shop", states: shop()},
		{name: "Lines", states: lines()},
		{name: "Tries", states: tries()},
		{name: "Callback", states: callback()},
		{name: "Nested", states: nested()},
		{name: "Forward", states: forwardOnly()},
	}
	for i := range all {
		text, err := json.MarshalIndent(all[i].states, "", "  ")
		if err != nil {
			panic(err)
		}
		all[i].definition = string(text)
	}
	return all
}

// machine is a state machine that the rig creates.
type machine struct {
	name, definition string
	states           object // of the shop's: what the definition says
}

func function(name string) string {
	return "arn:aws:lambda:" + region + ":" + account + ":function:" + name
}

// body is a call of a function that is tried some times: what comes of it then is
// a person's business.
func body(name string) object {
	return object{"Resource": function(name), "TimeoutSeconds": taskSeconds, "Retry": []object{
		{"ErrorEquals": []string{"BankClosed"}, "MaxAttempts": 0},
		{"ErrorEquals": []string{"States.ALL"}, "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 4, "JitterStrategy": "FULL"},
	}}
}

// act is a step of a saga: its fields, and more of them.
func act(name string, more object) object {
	state := object{
		"Type": "Task", "Resource": function(name), "TimeoutSeconds": taskSeconds, "ResultPath": nil,
		"Retry": []object{
			{"ErrorEquals": []string{"Declined", "Refused"}, "MaxAttempts": 0},
			{"ErrorEquals": []string{"States.ALL"}, "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": forwardRetries, "JitterStrategy": "FULL"},
		},
	}
	if undo := undoOf[name]; undo != "" {
		state["Compensate"] = body(undo)
	}
	for field, v := range more {
		state[field] = v
	}
	if state["Next"] == nil {
		state["End"] = true
	}
	return state
}

// shop is an order: a lock, alternatives, a Confirm and a Query, two steps side by
// side, a pivot, and what comes after it.
func shop() object {
	return object{"Saga": object{}, "StartAt": "Reserve", "States": object{
		"Reserve": act("Reserve", object{"SemanticLock": object{"Key.$": "$.customer", "Wait": 20}, "Next": "Debit"}),
		"Debit": act("Debit", object{
			"Compensate": []object{body("Refund"), body("Transfer")}, "Confirm": body("Capture"), "Query": body("Asked"), "Next": "Settle",
		}),
		"Settle": object{"Type": "Parallel", "ResultPath": nil, "Next": "Ship", "Branches": []object{
			{"StartAt": "Book", "States": object{"Book": act("Book", nil)}},
			{"StartAt": "Insure", "States": object{"Insure": act("Insure", nil)}},
		}},
		"Ship":   act("Ship", object{"Pivot": true, "Next": "Notify"}),
		"Notify": act("Notify", nil),
	}}
}

// lines reserves the lines of an order, two at a time.
func lines() object {
	return object{"Saga": object{}, "StartAt": "Lines", "States": object{
		"Lines": object{
			"Type": "Map", "ItemsPath": "$.lines", "MaxConcurrency": 2, "ResultPath": nil, "Next": "Debit",
			"ItemSelector":  object{"order.$": "$.order", "amount.$": "$.amount", "line.$": "$$.Map.Item.Value"},
			"ItemProcessor": object{"StartAt": "Reserve", "States": object{"Reserve": act("Reserve", nil)}},
		},
		"Debit": act("Debit", object{"OnUnknown": "Hold", "Next": "Book"}),
		"Book":  act("Book", nil),
	}}
}

// tries does a part of the order again where it fails, and does without it where
// it fails once more.
func tries() object {
	return object{"Saga": object{"OnCompensationFailure": "Continue"}, "StartAt": "Reserve", "States": object{
		"Reserve": act("Reserve", object{"Next": "Extras"}),
		"Extras": object{
			"Type": "Saga", "StartAt": "Insure", "ResultPath": nil, "Next": "Debit",
			"Retry": []object{{"ErrorEquals": []string{"Declined"}, "IntervalSeconds": 1, "MaxAttempts": 1}},
			"Catch": []object{{"ErrorEquals": []string{"States.ALL"}, "ResultPath": nil, "Next": "Debit"}},
			"States": object{
				"Insure": act("Insure", object{"Next": "Book"}),
				"Book":   act("Book", nil),
			},
		},
		"Debit": act("Debit", object{"Compensate": []object{body("Refund"), body("Transfer")}, "Next": "Ship"}),
		"Ship":  act("Ship", nil),
	}}
}

// callback has a step that is completed by its token, and one by a worker.
func callback() object {
	payload := object{"order.$": "$.order", "amount.$": "$.amount"}
	debit := act("Debit", object{"Next": "Book"})
	debit["Resource"] = "arn:aws:states:::lambda:invoke.waitForTaskToken"
	debit["Parameters"] = object{"FunctionName": "Debit", "Payload": object{"order.$": "$.order", "amount.$": "$.amount", "token.$": "$$.Task.Token"}}
	book := act("Book", nil)
	book["Resource"] = activityArn()
	payload["operation"], payload["key.$"], payload["execution.$"] = "Book", "$$.Task.StepId", "$$.Execution.Id"
	book["Parameters"] = payload
	return object{"Saga": object{}, "StartAt": "Reserve", "States": object{"Reserve": act("Reserve", object{"Next": "Debit"}), "Debit": debit, "Book": book}}
}

// nested starts a saga that is undone by its own log.
func nested() object {
	child := func(resource string) object {
		return object{
			"Type": "Task", "Resource": resource, "ResultPath": nil, "Next": "Book", "TimeoutSeconds": 600,
			"Parameters": object{"StateMachineArn": machineArn("Lines"), "Input": object{"order.$": "$.order", "amount.$": "$.amount", "lines.$": "$.lines", "customer.$": "$.customer"}},
			"Compensate": object{"Resource": "arn:aws:states:::backstep:compensateExecution"},
		}
	}
	return object{"Saga": object{}, "StartAt": "Insure", "States": object{
		"Insure": act("Insure", object{"Next": "Child"}),
		"Child":  child("arn:aws:states:::states:startExecution.sync"),
		"Book":   act("Book", object{"Next": "Ship"}),
		"Ship":   act("Ship", nil),
	}}
}

// forwardOnly only goes forward: nothing of it is undone, and what can't be done
// waits for a person.
func forwardOnly() object {
	return object{"Saga": object{"Recovery": "Forward"}, "StartAt": "Reserve", "States": object{
		"Reserve": act("Reserve", object{"KnownFailed": []string{"Declined"}, "Next": "Ship"}),
		"Ship":    act("Ship", object{"Next": "Notify"}),
		"Notify":  act("Notify", nil),
	}}
}

// customers are few, so that orders wait for one another's locks.
const customers = 40

// shopOrder is an order that one of the shop's sagas takes.
func shopOrder(chance *chance, name string) (machine, definition, in string) {
	m := theShop[chance.below(len(theShop))]
	return m.name, m.definition, shopInput(name, 1+chance.below(100_000), chance.below(customers))
}

func shopInput(name string, amount, customer int) string {
	return fmt.Sprintf(`{"order": %q, "amount": %d, "customer": "customer-%d", "lines": [1, 2, 3]}`, name, amount, customer)
}
