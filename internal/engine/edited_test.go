package engine

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/value"
)

// A request that a person has given is what every later try sends, although
// nothing refers to it between two tries: of a step, and of an undo.
func TestEditedRequestIsSentAgain(t *testing.T) {
	const retry = `"Retry":[{"ErrorEquals":["No"],"MaxAttempts":0},{"ErrorEquals":["States.ALL"],"IntervalSeconds":1,"MaxAttempts":3}]`
	const lambda = `"Resource":"arn:aws:states:::lambda:invoke","TimeoutSeconds":30,`
	for what, definition := range map[string]string{
		"a step": `{"Saga":{},"StartAt":"Ship","States":{
			"Ship":{"Type":"Task",` + lambda + `"Parameters":{"FunctionName":"ship"},"Pivot":true,"Next":"Mail"},
			"Mail":{"Type":"Task",` + lambda + `"Parameters":{"FunctionName":"do","to":"Anne"},"KnownFailed":["No"],` + retry + `,"End":true}}}`,
		"an undo": `{"Saga":{},"StartAt":"Reserve","States":{
			"Reserve":{"Type":"Task",` + lambda + `"Parameters":{"FunctionName":"reserve"},"Next":"Charge",
				"Compensate":{` + lambda + `"Parameters":{"FunctionName":"do","to":"Anne"},` + retry + `}},
			"Charge":{"Type":"Task",` + lambda + `"Parameters":{"FunctionName":"charge"},"End":true}}}`,
	} {
		t.Run(what, func(t *testing.T) {
			var sent, keys []string
			r := newRig(t, handler(func(_ context.Context, task integration.Task) (value.Text, error) {
				asked := task.Request.Decode()
				switch asked.Get("FunctionName").AsString() {
				case "charge":
					return value.Text{}, integration.NewError("No", "", integration.EffectNamed)
				case "do":
					sent, keys = append(sent, asked.Get("to").AsString()), append(keys, task.StepID)
					switch len(sent) {
					case 1:
						return value.Text{}, integration.NewError("No", "", integration.EffectNamed)
					case 2, 3:
						return value.Text{}, integration.NewError("Lambda.Unknown", "", integration.EffectUnknown)
					}
				}
				return value.Checked(`{}`), nil
			}), nil)
			id := r.start(r.define(definition), "a", `{}`).ID
			r.settle()
			edit := machine.Resolution{Hold: 1, Verb: machine.Edit, Output: value.Checked(`{"FunctionName":"do","to":"Berta"}`), Operator: "me", Reason: "she moved"}
			if err := r.engine.Resolve(context.Background(), id, edit); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				r.settle()
				r.pass(5 * time.Second)
			}
			if want := []string{"Anne", "Berta", "Berta", "Berta"}; !slices.Equal(sent, want) {
				t.Errorf("sent was %q, not %q", sent, want)
			}
			if len(keys) == 4 && (keys[1] != keys[3] || keys[0] == keys[1]) {
				t.Errorf("the keys are %q", keys)
			}
		})
	}
}
