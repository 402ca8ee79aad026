package main

import (
	"encoding/json"
	"strings"
)

// Order is the input of a saga, and what every step is given.
type Order struct {
	ID     string `json:"id"`
	Amount int    `json:"amount"`
	Kind   string `json:"kind"`
}

// The kinds of orders, by what they do between payment and notice.
const (
	plain    = "plain"
	shipped  = "shipped" // a carrier answers by a task token
	packed   = "packed"  // a packer works at an activity
	machine  = "CrashOrder"
	activity = "CrashPack"
)

// transient are the errors after which a step is tried again: nobody knows
// whether it had its effect, and its key makes a second try harmless.
var transient = []string{"Lambda.ServiceException", "Lambda.SdkClientException", "Lambda.TooManyRequestsException", "Lambda.AWSLambdaException", "States.Timeout"}

type object = map[string]any

// definition is the order saga in the plain language: each step catches all
// errors and goes to the undo steps of what may have been done, which are tried
// until they succeed, so that money always balances in the end.
func definition(activityARN string) string {
	order := "{% $states.input %}"
	states := object{
		"Reserve": call("reserve", transient, "Debit", "Release"),
		"Debit":   call("debit", transient, "Kind", "Refund"),
		"Kind": object{
			"Type": "Choice",
			"Choices": []any{
				object{"Condition": "{% $states.input.kind = '" + shipped + "' %}", "Next": "Ship"},
				object{"Condition": "{% $states.input.kind = '" + packed + "' %}", "Next": "Pack"},
			},
			"Default": "Notify",
		},
		"Ship":    call("ship", transient, "Notify", "Refund"),
		"Pack":    task(activityARN, []string{"States.Timeout"}, "Notify", "Refund"),
		"Notify":  call("notify", transient, "Done", "Refund"),
		"Refund":  call("refund", []string{"States.ALL"}, "Release", ""),
		"Release": call("release", []string{"States.ALL"}, "Undone", ""),
		"Done":    object{"Type": "Succeed"},
		"Undone":  object{"Type": "Fail", "Error": "OrderUndone"},
	}
	ship := states["Ship"].(object)
	ship["Resource"] = "arn:aws:states:::lambda:invoke.waitForTaskToken"
	ship["Arguments"] = object{"FunctionName": "ship", "Payload": object{"order": order, "token": "{% $states.context.Task.Token %}"}}
	pack := states["Pack"].(object)
	pack["Arguments"] = order
	pack["TimeoutSeconds"] = 5 // what a worker that was cut off has taken comes back
	text, err := json.Marshal(object{"QueryLanguage": "JSONata", "StartAt": "Reserve", "States": states})
	if err != nil {
		panic(err) // maps of texts and numbers always encode
	}
	return string(text)
}

// call is a step that calls a function of the shop.
func call(function string, again []string, next, undo string) object {
	s := task("arn:aws:states:::lambda:invoke", again, next, undo)
	s["Arguments"] = object{"FunctionName": function, "Payload": "{% $states.input %}"}
	return s
}

// task is a step that hands its input on.
func task(resource string, again []string, next, undo string) object {
	input := "{% $states.input %}"
	s := object{
		"Type": "Task", "Resource": resource, "Output": input, "Next": next,
		"Retry": []any{object{"ErrorEquals": again, "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 99, "JitterStrategy": "FULL"}},
	}
	if undo != "" {
		s["Catch"] = []any{object{"ErrorEquals": []string{"States.ALL"}, "Output": input, "Next": undo}}
	}
	return s
}

// serverConfig is the server's configuration: the shop's functions by URL.
func serverConfig(shop string) string {
	var b strings.Builder
	b.WriteString("functions:\n")
	for _, name := range operations {
		b.WriteString("  " + name + ": {url: \"" + shop + "/" + name + "\", concurrency: 128}\n")
	}
	return b.String()
}
