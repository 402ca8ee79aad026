package machine

import (
	"fmt"
	"testing"

	"github.com/backstep/backstep/internal/value"
)

// What people are shown of a hold, and what they can do about it, is what the
// decider then takes.
func TestLook(t *testing.T) {
	env, p, x := begun(t, `{"Saga": {}, "StartAt": "A", "States": {
		"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "B", "Compensate": {"Resource": "arn:aws:states:::lambda:invoke", "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 0}]}},
		"B": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}}}`)
	step := func(m Message) {
		t.Helper()
		d := Step(env, p, x, m)
		if d.IsEmpty() {
			t.Fatalf("%+v changes nothing", m)
		}
		x.Apply(d)
	}
	fail := func() Message {
		name := "No"
		return Message{Kind: JobFailed, Job: x.Frames[0].Job, Failure: &Failure{Error: &name}, Effect: EffectNamed}
	}
	if got, want := x.Frames[0].Key(x.Start.ID), x.Start.ID.Step(1); got != want {
		t.Errorf("the key is %s, want %s", got, want)
	}
	step(Message{Kind: JobSucceeded, Job: x.Frames[0].Job, Output: value.Checked(`1`)})
	if a := x.Undos[1]; !a.Owed(p) || a.Ordinal() != 1 || x.Undos[firstSaga].Owed(p) {
		t.Errorf("the row of A is %+v", a)
	}
	step(fail())
	f := x.Frames[0]
	if got, want := f.Body.Key(x.Start.ID), x.Start.ID.Step(1)+":compensate"; got != want || f.Body.Request() == 0 || x.Undos[2].Owed(p) {
		t.Errorf("the key is %s, want %s; the request is %d", got, want, f.Body.Request())
	}
	step(fail())
	f = x.Frames[0]
	if f.Hold == nil || f.Hold.Event() != x.Head.LastEvent-1 {
		t.Fatalf("it holds %+v", f.Hold)
	}
	if got := fmt.Sprint(x.Verbs(p, f)); got != "[retry edit alternate done skip abandon]" {
		t.Errorf("these fit: %s", got)
	}
	for v := Retry; v <= Abandon; v++ {
		fits := false
		for _, one := range x.Verbs(p, f) {
			fits = fits || one == v
		}
		r := &Resolution{Hold: 1, Saga: firstSaga, Verb: v, Output: value.Checked(`{}`), Resource: "arn:aws:states:::lambda:invoke", Outcome: StepFailed}
		d := Step(env, p, x, Message{Kind: Resolve, Resolution: r})
		if taken := !d.IsEmpty(); taken != fits {
			t.Errorf("%s fits: %v, and is taken: %v", v, fits, taken)
		}
		r.Hold = 2
		if d = Step(env, p, x, Message{Kind: Resolve, Resolution: r}); !d.IsEmpty() {
			t.Errorf("%s of a hold that is not there is taken", v)
		}
	}
	if (&sagaTold{Saga: firstSaga + 6}).Ordinal() != 7 || (&sagaTold{}).Ordinal() != 0 {
		t.Error("sagas are numbered from 1, and 0 is none")
	}
	if (&body{Operation: Ask}).Key(x.Start.ID) != "" {
		t.Error("a query has a key")
	}
}
