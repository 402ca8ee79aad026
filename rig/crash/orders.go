package main

import (
	"encoding/json"
	"slices"
)

// shopSteps are what the shop can do for an order in the saga extension. Each has
// five functions: the step itself, its undo, its undo by hand, its confirmation,
// and the question what became of it.
var shopSteps = []string{"Reserve", "Debit", "Pack", "Pick", "Ship", "Notify", "Label", "Load"}

// The functions of a step, by what they put before its name.
const (
	undoPrefix    = "Undo"
	byHandPrefix  = "UndoByHand"
	confirmPrefix = "Confirm"
	askPrefix     = "Ask"
)

var shopPrefixes = []string{"", undoPrefix, byHandPrefix, confirmPrefix, askPrefix}

// shopFunctions are the names of all functions of the shop.
func shopFunctions() (all []string) {
	for _, step := range shopSteps {
		for _, prefix := range shopPrefixes {
			all = append(all, prefix+step)
		}
	}
	return all
}

// knownFailed are the errors by which the shop says no, and has done nothing.
var knownFailed = []string{"Declined", "Refused"}

// stuckError is how an undo or a confirmation fails until somebody sees to it.
const stuckError = "Stuck"

const (
	parcelName = "Parcel"
	lockWait   = 3 // seconds
)

// shopSagas are the order sagas by name: a chain with a lock, an alternative and
// a pivot that can be asked for; a pivot that can't; Try, Confirm, Cancel;
// branches, one with a saga in it; items; and a saga that starts another.
var shopSagas = map[string]func() object{
	"Chain": func() object {
		return chain(
			shopStep("Reserve", object{"SemanticLock": object{"Key": "{% 'sku-' & $string($states.input.amount % 40) %}", "Wait": lockWait}}),
			shopStep("Debit", object{"Query": ask("Debit"), "Compensate": []object{undo("Debit"), called(byHandPrefix+"Debit", 2)}}),
			shopStep("Pack", object{"OnUnknown": "Hold"}),
			pivot("Ship", object{"Query": ask("Ship")}),
			afterPivot("Notify"))
	},
	"Unasked": func() object {
		return chain(shopStep("Debit", nil), pivot("Ship", object{"Retry": retry(0)}), afterPivot("Notify"))
	},
	"Confirmed": func() object {
		known := append([]string{stuckError}, knownFailed...)
		return chain(
			shopStep("Reserve", object{"Confirm": called(confirmPrefix+"Reserve", 20), "KnownFailed": known}),
			shopStep("Debit", object{"Confirm": called(confirmPrefix+"Debit", 20), "KnownFailed": known}))
	},
	"Branches": func() object {
		inner := object{"Type": "Saga", "End": true, "Retry": []object{{"ErrorEquals": []string{"Declined"}, "IntervalSeconds": 1, "MaxAttempts": 1}}}
		for name, part := range chain(shopStep("Label", nil), shopStep("Load", nil)) {
			if name != "Saga" && name != "QueryLanguage" {
				inner[name] = part
			}
		}
		branches := []object{flowOfOne(shopStep("Debit", nil)), flowOfOne(shopStep("Pack", nil)), {"StartAt": "Carry", "States": object{"Carry": inner}}}
		return chain(shopStep("Reserve", nil),
			named{"Apart", object{"Type": "Parallel", "Branches": branches, "Output": "{% $states.input %}"}},
			pivot("Ship", object{"Query": ask("Ship")}), afterPivot("Notify"))
	},
	"Items": func() object {
		return chain(shopStep("Debit", nil),
			named{"Each", object{"Type": "Map", "Items": "{% [1..4].{'order': $states.input.order, 'amount': $states.input.amount} %}", "MaxConcurrency": 2,
				"ItemProcessor": flowOfOne(shopStep("Pick", nil)), "Output": "{% $states.input %}"}},
			shopStep("Ship", nil))
	},
	"Nested": func() object {
		return chain(shopStep("Debit", nil),
			named{"Deliver", object{"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "TimeoutSeconds": 3600,
				"Arguments":  object{"StateMachineArn": machineArn(parcelName), "Input": "{% $states.input %}"},
				"Compensate": object{"Resource": "arn:aws:states:::backstep:compensateExecution", "TimeoutSeconds": 3600, "Retry": []object{}},
				"Output":     "{% $states.input %}"}},
			shopStep("Pack", nil))
	},
	parcelName: func() object { return chain(shopStep("Label", nil), shopStep("Load", nil)) },
}

// startedSagas are the names of those that clients start.
func startedSagas() []string {
	return slices.DeleteFunc(sagaNames(), func(name string) bool { return name == parcelName })
}

func sagaNames() (all []string) {
	for name := range shopSagas {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func shopDefinition(name string) string {
	text, err := json.MarshalIndent(shopSagas[name](), "", "  ")
	if err != nil {
		panic(err)
	}
	return string(text)
}

// named is a state with its name.
type named struct {
	name  string
	state object
}

// chain is a saga of states one after the other.
func chain(all ...named) object {
	states := object{}
	for i, n := range all {
		if i+1 < len(all) {
			n.state["Next"] = all[i+1].name
		} else {
			n.state["End"] = true
		}
		states[n.name] = n.state
	}
	return object{"Saga": object{}, "QueryLanguage": "JSONata", "StartAt": all[0].name, "States": states}
}

func flowOfOne(n named) object {
	n.state["End"] = true
	return object{"StartAt": n.name, "States": object{n.name: n.state}}
}

// shopStep is a step with its undo, and what else it has.
func shopStep(name string, more object) named {
	n := bare(name, more)
	if n.state["Compensate"] == nil {
		n.state["Compensate"] = undo(name)
	}
	return n
}

func pivot(name string, more object) named {
	n := bare(name, more)
	n.state["Pivot"] = true
	return n
}

// afterPivot is a step that goes forward in any case, or waits for a person.
func afterPivot(name string) named { return bare(name, object{"KnownFailed": knownFailed}) }

func bare(name string, more object) named {
	state := object{"Type": "Task", "Resource": functionArn(name), "TimeoutSeconds": taskSeconds, "Retry": retry(2),
		"Arguments": "{% $states.input %}", "Output": "{% $states.input %}"}
	for field, v := range more {
		state[field] = v
	}
	return named{name, state}
}

func undo(name string) object { return called(undoPrefix+name, 6) }
func ask(name string) object  { return called(askPrefix+name, 3) }

// called is a body.
func called(function string, retries int) object {
	return object{"Resource": functionArn(function), "TimeoutSeconds": taskSeconds, "Arguments": "{% $states.input %}", "Retry": retry(retries)}
}

// retry tries again what is not answered; a no is final.
func retry(times int) []object {
	return []object{
		{"ErrorEquals": append([]string{stuckError}, knownFailed...), "MaxAttempts": 0},
		{"ErrorEquals": []string{"States.ALL"}, "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": times, "JitterStrategy": "FULL"},
	}
}

func functionArn(name string) string {
	return "arn:aws:lambda:" + region + ":" + account + ":function:" + name
}
