package prove

import (
	"fmt"
	"slices"
	"testing"
)

// TestCast tells what the Tasks of a saga are taken for.
func TestCast(t *testing.T) {
	p := scriptProgram(t, `
StartAt: Look
States:
  Look: {Type: Task, Resource: "arn:aws:states:::dynamodb:getItem", Parameters: {TableName: t, Key: {}}, Next: Lock}
  Lock: {Type: Task, Resource: "fn:lock", ResultPath: null, Catch: [{ErrorEquals: [States.ALL], ResultPath: null, Next: Unlock}], Next: Pay}
  Pay:
    Type: Saga
    StartAt: Charge
    States:
      Charge: {Type: Task, Resource: "fn:charge", KnownFailed: [CardDeclined], Compensate: {Resource: "fn:refund"}, Next: Ask}
      Ask: {Type: Task, Resource: "arn:aws:states:::lambda:invoke.waitForTaskToken", Parameters: {FunctionName: ask, Payload: {token.$: $$.Task.Token}}, TimeoutSeconds: 60, Next: Ship}
      Ship: {Type: Task, Resource: "fn:ship", Pivot: true, End: true}
    Catch: [{ErrorEquals: [NoTruck], ResultPath: null, Next: Refund}, {ErrorEquals: [States.ALL], ResultPath: null, Next: Unlock}]
    Next: Tell
  Refund: {Type: Task, Resource: "fn:refund", ResultPath: null, Next: Unlock}
  Tell: {Type: Task, Resource: "arn:aws:states:::sns:publish", Parameters: {TopicArn: a, Message: m}, Next: Unlock}
  Unlock: {Type: Task, Resource: "fn:unlock", ResultPath: null, Retry: [{ErrorEquals: [States.ALL], MaxAttempts: 99999999}], End: true}
`)
	s := sidecarOf(t, `{"Compensates": {"Unlock": "Lock"}}`)
	roles, err := Cast(Input{Program: p, Sidecar: s})
	if err != nil {
		t.Fatal(err)
	}
	for state, want := range map[string]string{
		"Look":   "acts false, irrevocable false, undoes [], takes back , undone false, pivot false, forward true, awaited false, stop at Lock",
		"Lock":   "acts true, irrevocable false, undoes [], takes back , undone true, pivot false, forward true, awaited false, stop at Lock",
		"Charge": "acts true, irrevocable false, undoes [], takes back Charge, undone false, pivot false, forward true, awaited false, stop at Charge",
		"Ask":    "acts true, irrevocable false, undoes [], takes back , undone false, pivot false, forward true, awaited true, stop at Charge",
		"Ship":   "acts true, irrevocable false, undoes [], takes back , undone false, pivot true, forward true, awaited false, stop at Charge",
		"Refund": "acts true, irrevocable false, undoes [Charge], takes back , undone false, pivot false, forward false, awaited false, stop at Lock",
		"Tell":   "acts true, irrevocable true, undoes [], takes back , undone false, pivot false, forward true, awaited false, stop at Lock",
		"Unlock": "acts true, irrevocable false, undoes [Lock], takes back , undone false, pivot false, forward true, awaited false, stop at Lock",
	} {
		r := roles[state]
		if got := fmt.Sprintf("acts %v, irrevocable %v, undoes %v, takes back %v, undone %v, pivot %v, forward %v, awaited %v, stop at %v",
			r.Acts, r.Irrevocable, r.Undoes, r.TakesBack, r.Undone, r.Pivot, r.Forward, r.Awaited, r.StopAt); got != want {
			t.Errorf("%s:\n got %s\nwant %s", state, got, want)
		}
	}
	for state, want := range map[string][]Way{
		"Charge": {{"Lambda.Unknown", UnknownEffect}, {"Lambda.TooManyRequestsException", NoEffect}, {"CardDeclined", NoEffect}, {"NoTruck", UnknownEffect}},
		"Ask":    {{"NoTruck", NamedEffect}},
		"Ship":   {{"NoTruck", NamedEffect}, {"Unlisted", NamedEffect}},
	} {
		for _, w := range want {
			if !slices.Contains(roles[state].Ways, w) {
				t.Errorf("%s does not fail by %v: %v", state, w, roles[state].Ways)
			}
		}
	}
	if ways := BodyWays(p.States["Charge"].Step.Compensate[0]); !slices.Contains(ways, Way{"Lambda.Unknown", UnknownEffect}) || !slices.Contains(ways, Way{scriptOther, NamedEffect}) {
		t.Errorf("a body fails by %v", ways)
	}
	if _, err := Cast(Input{Program: p, Sidecar: sidecarOf(t, `{"Compensates": {"Nobody": "Lock"}}`)}); err == nil {
		t.Error("a sidecar that does not fit is taken")
	}
}
