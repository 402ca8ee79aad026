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

// A step whose answer was too large has succeeded: it is undone without being
// asked for, or, a pivot, keeps the saga from going back.
func TestAnAnswerThatIsTooLarge(t *testing.T) {
	const lambda = `"Type":"Task","Resource":"arn:aws:states:::lambda:invoke",`
	body := func(name string) string {
		return `{"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"` + name + `"}}`
	}
	for kind, test := range map[string]struct {
		fields string
		status machine.Status
		sagas  string
		called []string
	}{
		"a step":  {`"Compensate":` + body("undo") + `,"Query":` + body("ask") + `,"OnUnknown":"Hold",`, machine.Failed, "ABORTED", []string{"large", "undo"}},
		"a pivot": {`"Pivot":true,"Query":` + body("ask") + `,`, machine.Running, "ON_HOLD", []string{"large"}},
	} {
		t.Run(kind, func(t *testing.T) {
			var called []string
			r := newRig(t, handler(func(_ context.Context, task integration.Task) (value.Text, error) {
				name := task.Request.Decode().Get("FunctionName").AsString()
				called = append(called, name)
				if name == "large" {
					return value.Text{}, integration.TooLarge(task)
				}
				return value.Checked(`{}`), nil
			}), nil)
			id := r.start(r.define(`{"Saga":{},"StartAt":"A","States":{"A":{`+lambda+test.fields+`"Parameters":{"FunctionName":"large"},"Next":"B"},
				"B":{`+lambda+`"Parameters":{"FunctionName":"b"},"End":true}}}`), "a", `{}`).ID
			r.settle()
			s, err := r.engine.Saga(t.Context(), id)
			if err != nil || s.Log[0].Outcome != machine.StepSucceeded || s.Head.Status != test.status || s.Head.SagaStatus() != test.sagas || !slices.Equal(called, test.called) {
				t.Errorf("%v, %+v, %v %s, called %q", err, s.Log[0], s.Head.Status, s.Head.SagaStatus(), called)
			}
		})
	}
}

// What a service tells of a job when it is asked says nothing of what the job does:
// it is undone, though the question was refused. Only one that has ended well, by
// what is too large, has succeeded.
func TestTheOutcomeOfAJobThatIsNotFollowed(t *testing.T) {
	const definition = `{"Saga":{},"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::batch:submitJob.sync","Parameters":{"JobName":"j"},
		"TimeoutSeconds":3600,"Compensate":{"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"undo"}},"End":true}}}`
	for _, test := range []struct {
		effect integration.Effect
		want   machine.Outcome
	}{
		{integration.EffectNone, machine.StepUnknown}, {integration.EffectNamed, machine.StepUnknown}, {integration.EffectUnknown, machine.StepUnknown},
		{integration.EffectDone, machine.StepSucceeded},
	} {
		w := newWorks(t, time.Hour)
		w.trouble = integration.NewError("Batch.ClientException", "not authorized to perform: batch:DescribeJobs", test.effect)
		id := w.rig.start(w.rig.define(definition), "a", `{}`).ID
		w.rig.pass(5 * time.Minute)
		s, err := w.rig.engine.Saga(t.Context(), id)
		if err != nil || s.Log[0].Outcome != test.want || s.Log[0].Settled != machine.Compensated {
			t.Errorf("effect %d: %v, %v %v", test.effect, err, s.Log[0].Outcome, s.Log[0].Settled)
		}
	}
}
