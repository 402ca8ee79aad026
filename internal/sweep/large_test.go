package sweep

import (
	"testing"

	"github.com/backstep/backstep/internal/prove"
)

// TestAnswersThatAreTooLarge: a call that was answered well, by more than a result
// may hold, has had its effect for engine, proof and ledger alike: a step is undone, and
// a pivot keeps the saga from going back.
func TestAnswersThatAreTooLarge(t *testing.T) {
	const task = `"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:`
	definition := []byte(`{"Saga":{},"StartAt":"Reserve","States":{
		"Reserve":{` + task + `reserve","Compensate":{"Resource":"arn:aws:lambda:us-east-1:123456789012:function:release"},"Next":"Charge"},
		"Charge":{` + task + `charge","Query":{"Resource":"arn:aws:lambda:us-east-1:123456789012:function:lookup"},"OnUnknown":"Hold",
			"Compensate":{"Resource":"arn:aws:lambda:us-east-1:123456789012:function:refund"},"Next":"Ship"},
		"Ship":{` + task + `ship","Pivot":true,"Next":"Mail"},
		"Mail":{` + task + `mail","End":true}}}`)
	proof, err := prove.Prove(prove.Input{Program: program(t, definition)})
	if err != nil || len(proof.Findings) > 0 {
		t.Fatal(err, proof.Findings)
	}
	for _, state := range []string{"Reserve", "Charge", "Ship", "Mail"} {
		script := prove.Script{Faults: []prove.Fault{{State: state, Fault: stateLimit, Effect: "after"}}}
		r, err := Sweep(t.Context(), Input{Definition: definition, Script: &script})
		if err != nil || !r.Clean() {
			t.Errorf("%s: %v, %+v", state, err, r)
		}
	}
}
