package service_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
)

// waitsFor waits until an execution waits for such a thing, and tells how it is told.
func waitsFor(t *testing.T, svc api.Service, arn string, kind api.WaitKind) *api.ExplainExecutionOutput {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		out, err := svc.ExplainExecution(t.Context(), &api.ExplainExecutionInput{ExecutionArn: arn})
		if err == nil && slices.ContainsFunc(out.Waits, func(w api.ExecutionWait) bool { return w.Kind == kind }) {
			return out
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%s: %+v, %v", kind, out, err)
		}
	}
}

// TestExplain: what executions wait for is told the same by the service and over the
// wire.
func TestExplain(t *testing.T) {
	h := newHouse(t)
	for way, svc := range ways(t, h) {
		t.Run(way, func(t *testing.T) { explain(t, h, svc) })
	}
}

func explain(t *testing.T, h *house, svc api.Service) {
	activity := "arn:aws:states:us-east-1:123456789012:activity:" + name(t, "work")
	if _, err := svc.CreateActivity(t.Context(), &api.CreateActivityInput{Name: name(t, "work")}); err != nil {
		t.Fatal(err)
	}
	work := `{"Type":"Task","Resource":"` + activity + `","TimeoutSeconds":600,"End":true}`
	x := start(t, svc, create(t, svc, name(t, "A"), `{"StartAt":"Work","States":{"Work":`+work+`}}`), "x", `{}`)
	out := waitsFor(t, svc, x, api.WaitKindWorker)
	if w := out.Waits[0]; out.Line != w.Line || out.Status != api.ExecutionStatusRunning || out.WaitCount != 1 || *w.Resource != activity || *w.Attempt != 1 ||
		w.NextDate.Time().Sub(w.Since.Time()) != 10*time.Minute || !strings.HasPrefix(w.Line, "Work waits for a worker of "+activity+" since ") {
		t.Errorf("told %+v", out)
	}
	task, err := svc.GetActivityTask(t.Context(), &api.GetActivityTaskInput{ActivityArn: activity})
	if err != nil || task.TaskToken == nil {
		t.Fatal(task, err)
	}
	waitsFor(t, svc, x, api.WaitKindTask)

	many := strings.Replace(each("STANDARD", ""), `{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload.$":"$"},"OutputPath":"$.Payload","End":true}`,
		`{"Type":"Wait","Seconds":3600,"End":true}`, 1)
	x = start(t, svc, create(t, svc, name(t, "M"), many), "x", `[1,2,3]`)
	run := *waitsFor(t, svc, x, api.WaitKindMapRun).Waits[0].ExecutionArn
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if out = waitsFor(t, svc, run, api.WaitKindItems); strings.HasSuffix(out.Line, ": of 3 items 0 are done, 3 under way, 0 failed") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("told %+v", out)
		}
	}
	_, err = svc.ExplainExecution(t.Context(), &api.ExplainExecutionInput{ExecutionArn: run + "0"})
	refused(t, err, api.CodeResourceNotFound, run)
	_, err = svc.ExplainExecution(t.Context(), &api.ExplainExecutionInput{ExecutionArn: x + "y"})
	refused(t, err, api.CodeExecutionDoesNotExist, x)

	o := name(t, "Q")
	x = h.saga(t, svc, create(t, svc, o, order), "x", api.SagaStatusOnHold, "ship=No", "refund=Down")
	if w := waitsFor(t, svc, x, api.WaitKindPerson).Waits[0]; *w.StateName != "Charge" || w.Operation != api.SagaOperationCompensate || *w.Error != "Down" || *w.HoldId != "1" {
		t.Errorf("told %+v", w)
	}
	quarantine(t, h, o)
	if w := waitsFor(t, svc, x, api.WaitKindQuarantine).Waits[0]; *w.Cause != "a test" || *w.Command != "backstep hold resolve "+o+":x quarantined --retry --reason TEXT" {
		t.Errorf("told %+v", w)
	}
}
