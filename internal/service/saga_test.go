package service_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/integration"
)

// steps are the participants of sagas: what was called, and what fails.
type steps struct {
	mu     sync.Mutex
	called []string
	keys   map[string]string // the last idempotency key of each
	fails  map[string]string // step → error
}

func (s *steps) take(step string, t integration.Task) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if step == "" {
		return nil
	}
	if s.keys == nil {
		s.keys = map[string]string{}
	}
	s.called, s.keys[step] = append(s.called, step), t.StepID
	switch name := s.fails[step]; name {
	case "":
		return nil
	case "Lost":
		return &integration.Error{Name: name, Cause: step + " went away", Effect: integration.EffectUnknown}
	default:
		return &integration.Error{Name: name, Cause: step + " refuses", Effect: integration.EffectNamed}
	}
}

// now has these fail from now on, and forgets what was called: "ship=No".
func (s *steps) now(fails ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.called, s.fails = nil, map[string]string{}
	for _, f := range fails {
		step, name, _ := strings.Cut(f, "=")
		s.fails[step] = name
	}
}

func (s *steps) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.called)
}

func (s *steps) key(step string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[step]
}

// call is a Task's resource and parameters, of a step's work or of a body.
func call(step string) string {
	return fmt.Sprintf(`"Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload":{"step":%q}}`, step)
}

// once is a body that is tried once.
func once(step string) string {
	return `{` + call(step) + `,"Retry":[{"ErrorEquals":["States.ALL"],"MaxAttempts":0}]}`
}

// task is a Task that is undone, with what else is said of it.
func task(name, step, undo, more string) string {
	return fmt.Sprintf(`%q:{"Type":"Task",%s,"ResultPath":null,"Compensate":%s,%s}`, name, call(step), once(undo), more)
}

// order reserves, charges, and ships.
var order = `{"Saga":{"Runbook":"the saga's"},"StartAt":"Reserve","States":{` +
	task("Reserve", "reserve", "release", `"Next":"Charge"`) + `,` +
	task("Charge", "charge", "refund", `"Runbook":"charge's","Next":"Ship"`) + `,
	"Ship":{"Type":"Task",` + call("ship") + `,"ResultPath":null,"End":true}}}`

// saga starts an order, with what fails, and waits until its sagas stand so.
func (h *house) saga(t *testing.T, svc api.Service, machine, execution string, want api.SagaStatus, fails ...string) string {
	t.Helper()
	h.steps.now(fails...)
	x := start(t, svc, machine, execution, `{}`)
	standing(t, svc, x, want)
	return x
}

// standing waits until an execution's sagas stand so.
func standing(t *testing.T, svc api.Service, x string, want api.SagaStatus) *api.DescribeSagaOutput {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		s, err := svc.DescribeSaga(t.Context(), &api.DescribeSagaInput{ExecutionArn: x})
		if err != nil {
			t.Fatal(err)
		}
		if s.SagaStatus == want {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("the sagas of %s stand at %s, not %s", x, s.SagaStatus, want)
		}
	}
}

// story is a saga's log in words.
func story(log []api.SagaLogEntry) string {
	var words []string
	for _, r := range log {
		word := fmt.Sprintf("%s %s %s", r.StateName, r.Operation, r.Status)
		if r.Error != nil {
			word += " " + *r.Error
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func sagaLife(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), order)
	x := h.saga(t, svc, machine, "good", api.SagaStatusCompleted)
	end := await(t, svc, x)
	if end.Status != api.ExecutionStatusSucceeded || end.SagaStatus != api.SagaStatusCompleted {
		t.Errorf("it ended as %+v", end)
	}
	s := standing(t, svc, x, api.SagaStatusCompleted)
	if got := story(s.Log); got != "Reserve forward SUCCEEDED, Charge forward SUCCEEDED, Ship forward SUCCEEDED" {
		t.Errorf("the log is %s", got)
	}
	first := s.Log[0]
	if *first.Input != `{}` || !strings.Contains(*first.Result, `"StatusCode":200`) || *first.IdempotencyKey != first.StepId || first.Attempts != 1 ||
		first.StartDate < s.StartDate || *first.EndDate < first.StartDate || first.SagaId != "1" {
		t.Errorf("its first row is %+v", first)
	}
	if len(s.Sagas) != 1 || s.Sagas[0].SagaId != "1" || s.Sagas[0].StateName != nil || s.Sagas[0].Status != api.SagaStatusCompleted || s.Sagas[0].StopDate == nil ||
		s.ExecutionArn != x || s.StateMachineArn != machine || s.Status != api.ExecutionStatusSucceeded || s.StopDate == nil || len(s.CurrentSteps)+len(s.Holds) > 0 || s.Version != end.LastEventId {
		t.Errorf("it is described as %+v", s)
	}

	x = h.saga(t, svc, machine, "bad", api.SagaStatusAborted, "ship=NoTruck")
	if end = await(t, svc, x); end.Status != api.ExecutionStatusFailed || *end.Error != "NoTruck" {
		t.Errorf("it ended as %+v", end)
	}
	s = standing(t, svc, x, api.SagaStatusAborted)
	if got := story(s.Log); got != "Reserve forward SUCCEEDED, Reserve compensate COMPENSATED, Charge forward SUCCEEDED, Charge compensate COMPENSATED, Ship forward FAILED NoTruck" {
		t.Errorf("the log is %s", got)
	}
	if undo := s.Log[1]; *undo.IdempotencyKey != s.Log[0].StepId+":compensate" || undo.StepId != s.Log[0].StepId || *undo.Input != `{"FunctionName":"f","Payload":{"step":"release"}}` || undo.Result == nil {
		t.Errorf("the undo is %+v", undo)
	}
	if one := s.Sagas[0]; *one.Error != "NoTruck" || *one.Cause != "ship refuses" || one.Status != api.SagaStatusAborted {
		t.Errorf("the saga is %+v", one)
	}
	if got := fmt.Sprint(h.steps.all()); got != "[reserve charge ship refund release]" {
		t.Errorf("called were %s", got)
	}
	bare, err := svc.DescribeSaga(t.Context(), &api.DescribeSagaInput{ExecutionArn: x, IncludedData: api.IncludedDataMetadataOnly})
	if err != nil || bare.Log[0].Input != nil || bare.Log[0].Result != nil || len(bare.Log) != 5 {
		t.Errorf("metadata alone: %+v, %v", bare, err)
	}
	sagaHistory(t, svc, x)
	plain := start(t, svc, create(t, svc, name(t, "P"), passing), "x", `{}`)
	if s, err := svc.DescribeSaga(t.Context(), &api.DescribeSagaInput{ExecutionArn: plain}); err != nil || s.SagaStatus != "" || len(s.Sagas)+len(s.Log) > 0 {
		t.Errorf("an execution without a saga: %+v, %v", s, err)
	}
	_, err = svc.DescribeSaga(t.Context(), &api.DescribeSagaInput{ExecutionArn: x + "y"})
	refused(t, err, api.CodeExecutionDoesNotExist, x+"y")
}

// sagaHistory holds the events of a saga that was undone.
func sagaHistory(t *testing.T, svc api.Service, x string) {
	t.Helper()
	var told []string
	out, err := svc.GetExecutionHistory(t.Context(), &api.GetExecutionHistoryInput{ExecutionArn: x})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range out.Events {
		if d := e.SagaEventDetails; d != nil {
			told = append(told, fmt.Sprintf("%s %s %s %s", e.Type, *d.SagaId, d.Status, *d.Error))
		}
	}
	if got := strings.Join(told, ", "); got != "SagaAborting 1  NoTruck, SagaEnded 1 ABORTED NoTruck" {
		t.Errorf("the history tells: %s", got)
	}
}

func sagaLogPages(t *testing.T, h *house, svc api.Service) {
	x := h.saga(t, svc, create(t, svc, name(t, "M"), order), "x", api.SagaStatusAborted, "ship=NoTruck")
	var rows []api.SagaLogEntry
	in := api.DescribeSagaInput{ExecutionArn: x, MaxResults: 2}
	pages := 0
	for ; ; pages++ {
		page, err := svc.DescribeSaga(t.Context(), &in)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, page.Log...)
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	whole := standing(t, svc, x, api.SagaStatusAborted)
	if story(rows) != story(whole.Log) || pages != 2 || whole.NextToken != nil {
		t.Errorf("in %d pages: %s", pages+1, story(rows))
	}
	_, err := svc.DescribeSaga(t.Context(), &api.DescribeSagaInput{ExecutionArn: x, NextToken: ptr("nothing")})
	refused(t, err, api.CodeInvalidToken, "")
}

func sagasListed(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), order)
	for _, of := range []struct {
		execution string
		status    api.SagaStatus
		fails     []string
	}{
		{"good", api.SagaStatusCompleted, nil}, {"bad", api.SagaStatusAborted, []string{"ship=No"}},
		{"held", api.SagaStatusOnHold, []string{"ship=No", "refund=Down"}}, {"worse", api.SagaStatusAborted, []string{"ship=No"}},
	} {
		h.saga(t, svc, machine, of.execution, of.status, of.fails...)
		time.Sleep(2 * time.Millisecond) // starts of one millisecond are in no order
	}
	list := func(in api.ListSagasInput) string {
		t.Helper()
		var names []string
		for {
			page, err := svc.ListSagas(t.Context(), &in)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range page.Sagas {
				names = append(names, fmt.Sprintf("%s:%s:%s:%d", x.Name, x.Status, x.SagaStatus, x.HoldCount))
			}
			if in.NextToken = page.NextToken; in.NextToken == nil {
				return strings.Join(names, " ")
			}
		}
	}
	if got := list(api.ListSagasInput{StateMachineArn: &machine, MaxResults: 3}); got != "worse:FAILED:ABORTED:0 held:RUNNING:ON_HOLD:1 bad:FAILED:ABORTED:0 good:SUCCEEDED:COMPLETED:0" {
		t.Errorf("all: %s", got)
	}
	if got := list(api.ListSagasInput{StateMachineArn: &machine, StatusFilter: api.SagaStatusAborted, MaxResults: 1}); got != "worse:FAILED:ABORTED:0 bad:FAILED:ABORTED:0" {
		t.Errorf("aborted: %s", got)
	}
	if got := list(api.ListSagasInput{StatusFilter: api.SagaStatusOnHold}); !strings.HasPrefix(got, "held:RUNNING:ON_HOLD:1") {
		t.Errorf("on hold, of all machines: %s", got)
	}
	_, err := svc.ListSagas(t.Context(), &api.ListSagasInput{StateMachineArn: ptr(machine + "x")})
	refused(t, err, api.CodeStateMachineDoesNotExist, machine+"x")
	_, err = svc.ListSagas(t.Context(), &api.ListSagasInput{StateMachineArn: ptr(machine + ":1")})
	refused(t, err, api.CodeInvalidArn, "")
}

// What can't go back can be neither stopped nor undone.
func pastThePivot(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), `{"Saga":{},"StartAt":"Reserve","States":{`+task("Reserve", "reserve", "release", `"Next":"Pay"`)+`,
		"Pay":{"Type":"Task",`+call("pay")+`,"Pivot":true,"Next":"Wait"},"Wait":{"Type":"Wait","Seconds":3600,"End":true}}}`)
	h.steps.now()
	x := start(t, svc, machine, "x", `{}`)
	for s := standing(t, svc, x, api.SagaStatusStarted); len(s.Log) < 2 || s.Log[1].Status != api.SagaStepStatusSucceeded; {
		time.Sleep(time.Millisecond)
		s = standing(t, svc, x, api.SagaStatusStarted)
	}
	const why = "past its pivot"
	_, err := svc.StopExecution(t.Context(), &api.StopExecutionInput{ExecutionArn: x})
	refused(t, err, api.CodeValidation, why)
	_, err = svc.CompensateExecution(t.Context(), &api.CompensateExecutionInput{ExecutionArn: x})
	refused(t, err, api.CodeValidation, why)
	p, err := svc.PreviewAbort(t.Context(), &api.PreviewAbortInput{ExecutionArn: x})
	if err != nil || p.OnStop != api.StopEffectRefused || !strings.Contains(*p.Refused, why) || len(p.Undo) > 0 || len(p.CannotUndo) != 2 || !strings.Contains(p.CannotUndo[0].Why, why) {
		t.Errorf("previewed as %+v, %v", p, err)
	}
	if s := standing(t, svc, x, api.SagaStatusStarted); s.Status != api.ExecutionStatusRunning {
		t.Errorf("it stands at %+v", s)
	}
	_, err = svc.ResolveHold(t.Context(), &api.ResolveHoldInput{ExecutionArn: x, SagaId: ptr("1"), Verb: api.HoldVerbAbandon, Operator: "me", Reason: "the end of the test"})
	if err != nil {
		t.Fatal(err)
	}
	if end := await(t, svc, x); end.Status != api.ExecutionStatusFailed || *end.Error != "Saga.Abandoned" || end.SagaStatus != api.SagaStatusAbandoned {
		t.Errorf("abandoned, it ended as %+v", end)
	}
	_, err = svc.RedriveExecution(t.Context(), &api.RedriveExecutionInput{ExecutionArn: x})
	refused(t, err, api.CodeExecutionNotRedrivable, "saga")
	_, err = svc.ResolveHold(t.Context(), &api.ResolveHoldInput{ExecutionArn: x, SagaId: ptr("1"), Verb: api.HoldVerbAbandon, Operator: "me", Reason: "again"})
	refused(t, err, api.CodeValidation, "not open any more: it is ABANDONED")
}

// A lock is shown where it keeps others waiting, and a step that waits for it
// has nothing to be undone.
func sagaLocked(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), strings.Replace(order, `"Next":"Charge"`, `"SemanticLock":{"Key":"sku-1"},"Next":"Charge"`, 1))
	x := h.saga(t, svc, machine, "x", api.SagaStatusOnHold, "ship=NoTruck", "refund=Down")
	if held := standing(t, svc, x, api.SagaStatusOnHold).Holds[0]; fmt.Sprint(held.Locks) != "[sku-1]" {
		t.Errorf("held: %+v", held)
	}
	h.steps.now()
	next := start(t, svc, machine, "next", `{}`)
	s := standing(t, svc, next, api.SagaStatusStarted)
	for ; len(s.Log) == 0; s = standing(t, svc, next, api.SagaStatusStarted) {
		time.Sleep(time.Millisecond)
	}
	if row := s.Log[0]; story(s.Log) != "Reserve forward STARTED" || row.Attempts != 0 {
		t.Errorf("the one that waits is shown as %+v", row)
	}
	p, err := svc.PreviewAbort(t.Context(), &api.PreviewAbortInput{ExecutionArn: next})
	if err != nil || len(p.Undo)+len(p.CannotUndo)+len(p.MayRepeat) > 0 {
		t.Errorf("of the one that waits: %+v, %v", p, err)
	}
	resolve(t, svc, x, "1", api.HoldVerbAbandon)
	if s = standing(t, svc, x, api.SagaStatusAbandoned); !strings.Contains(story(s.Log), "Charge compensate COMPENSATION_FAILED Down") {
		t.Errorf("the log is %s", story(s.Log))
	}
	if end := await(t, svc, next); end.SagaStatus != api.SagaStatusCompleted {
		t.Errorf("the next one ended as %+v", end)
	}
}

// A distributed Map is a step: its undo is that of its children.
func sagaOfMapRun(t *testing.T, h *house, svc api.Service) {
	x := start(t, svc, create(t, svc, name(t, "M"), `{"Saga":{},"StartAt":"Each","States":{"Each":{"Type":"Map","End":true,
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"Do","States":{
			"Do":{"Type":"Wait","Seconds":3600,"End":true}}}}}}`), "x", `[1]`)
	s := standing(t, svc, x, api.SagaStatusStarted)
	for ; len(s.Log) == 0; s = standing(t, svc, x, api.SagaStatusStarted) {
		time.Sleep(time.Millisecond)
	}
	if got := story(s.Log); got != "Each forward STARTED" || len(s.CurrentSteps) != 1 {
		t.Errorf("the log is %s", got)
	}
	p, err := svc.PreviewAbort(t.Context(), &api.PreviewAbortInput{ExecutionArn: x})
	if err != nil || planned(p.Undo) != "Each" || len(p.CannotUndo) != 0 || len(p.MayRepeat) != 1 || !strings.Contains(p.MayRepeat[0].Why, "map run") {
		t.Errorf("previewed as %+v, %v", p, err)
	}
	if _, err := svc.StopExecution(t.Context(), &api.StopExecutionInput{ExecutionArn: x}); err != nil {
		t.Fatal(err)
	}
	s = standing(t, svc, x, api.SagaStatusAborted)
	if got := story(s.Log); got != "Each forward UNKNOWN, Each compensate COMPENSATED" {
		t.Errorf("the log is %s", got)
	}
	inOrder(t, svc, x, p.Undo)
}

func sagaCompensated(t *testing.T, h *house, svc api.Service) {
	machine := create(t, svc, name(t, "M"), order)
	x := h.saga(t, svc, machine, "x", api.SagaStatusCompleted)
	h.steps.now()
	for range 2 {
		out, err := svc.CompensateExecution(t.Context(), &api.CompensateExecutionInput{ExecutionArn: x})
		if err != nil || out.SagaStatus != api.SagaStatusAborting && out.SagaStatus != api.SagaStatusAborted {
			t.Fatalf("%+v, %v", out, err)
		}
		s := standing(t, svc, x, api.SagaStatusAborted)
		if got := fmt.Sprint(h.steps.all()); got != "[refund release]" || s.Status != api.ExecutionStatusSucceeded {
			t.Errorf("called were %s, and it stands at %s", got, s.Status)
		}
	}
	_, err := svc.RedriveExecution(t.Context(), &api.RedriveExecutionInput{ExecutionArn: x})
	refused(t, err, api.CodeExecutionNotRedrivable, "")
	_, err = svc.CompensateExecution(t.Context(), &api.CompensateExecutionInput{ExecutionArn: start(t, svc, create(t, svc, name(t, "P"), passing), "x", `{}`)})
	refused(t, err, api.CodeValidation, "has no saga")
	_, err = svc.CompensateExecution(t.Context(), &api.CompensateExecutionInput{ExecutionArn: x + "y"})
	refused(t, err, api.CodeExecutionDoesNotExist, x+"y")

	bad := h.saga(t, svc, machine, "held", api.SagaStatusCompleted)
	h.steps.now("release=Down")
	if _, err := svc.CompensateExecution(t.Context(), &api.CompensateExecutionInput{ExecutionArn: bad}); err != nil {
		t.Fatal(err)
	}
	s := standing(t, svc, bad, api.SagaStatusOnHold)
	if s.Status != api.ExecutionStatusSucceeded || len(s.Holds) != 1 || *s.Holds[0].StateName != "Reserve" || len(s.Holds[0].Owed) != 1 {
		t.Errorf("it stands at %+v", s)
	}
	resolve(t, svc, bad, s.Holds[0].HoldId, api.HoldVerbSkip)
	if s = standing(t, svc, bad, api.SagaStatusCompensationFailed); !strings.Contains(story(s.Log), "Reserve compensate SKIPPED Down") {
		t.Errorf("the log is %s", story(s.Log))
	}
}

// What goes wrong with a saga is logged at level ERROR, and at FATAL what is final.
func TestLogsOfSagas(t *testing.T) {
	h := newHouse(t)
	for level, want := range map[api.LogLevel]string{
		api.LogLevelAll:   "SagaAborting SagaHeld SagaResolved SagaEnded",
		api.LogLevelError: "SagaAborting SagaHeld SagaResolved SagaEnded",
		api.LogLevelFatal: "SagaEnded",
	} {
		group := "/" + string(level)
		out, err := h.service.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{
			Name: string(level), Definition: order, RoleArn: role, LoggingConfiguration: logTo(group, level, false),
		})
		if err != nil {
			t.Fatal(err)
		}
		good := h.saga(t, h.service, out.StateMachineArn, "good", api.SagaStatusCompleted)
		await(t, h.service, good)
		x := h.saga(t, h.service, out.StateMachineArn, "x", api.SagaStatusOnHold, "ship=No", "refund=Down")
		h.steps.now()
		resolve(t, h.service, x, "1", api.HoldVerbSkip)
		await(t, h.service, x)
		var got []string
		held := ""
		for _, line := range h.reports.log(group) {
			var e struct {
				Type         string
				Details      map[string]any
				ExecutionARN string `json:"execution_arn"`
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(e.Type, "Saga") && e.ExecutionARN == x {
				got = append(got, e.Type)
			} else if strings.HasPrefix(e.Type, "Saga") && level != api.LogLevelAll {
				t.Errorf("%s: of a saga that COMPLETED is logged %s", level, line)
			}
			if e.Type == "SagaHeld" {
				held = fmt.Sprint(e.Details)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v", level, got)
		}
		if level == api.LogLevelAll && held != "map[cause:refund refuses error:Down holdId:1 operation:compensate sagaId:1 stateName:Charge]" {
			t.Errorf("the hold is logged as %s", held)
		}
	}
}

// A deleted machine stays until the sagas of its executions are over: those that
// can be are undone, what waits for a person or can't go back is waited for.
func TestDeletingWaitsForSagas(t *testing.T) {
	h := newHouse(t)
	ctx, svc := t.Context(), h.service
	machine := create(t, svc, "M", `{"Saga":{},"StartAt":"Reserve","States":{`+task("Reserve", "reserve", "release", `"Next":"Which"`)+`,
		"Which":{"Type":"Choice","Choices":[{"Variable":"$.pay","BooleanEquals":true,"Next":"Pay"}],"Default":"Wait"},
		"Pay":{"Type":"Task",`+call("pay")+`,"Pivot":true,"Next":"Wait"},"Wait":{"Type":"Wait","Seconds":3600,"End":true}}}`)
	h.steps.now()
	paid := start(t, svc, machine, "paid", `{"pay":true}`)
	for len(standing(t, svc, paid, api.SagaStatusStarted).Log) < 2 || !slices.Contains(h.steps.all(), "pay") {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(2 * time.Millisecond) // so that the next one is listed before
	other := start(t, svc, machine, "other", `{"pay":false}`)
	for !strings.HasSuffix(fmt.Sprint(h.steps.all()), "pay reserve]") {
		time.Sleep(time.Millisecond)
	}
	deleted := func(want api.StateMachineStatus) {
		t.Helper()
		if _, err := svc.DeleteStateMachine(ctx, &api.DeleteStateMachineInput{StateMachineArn: machine}); err != nil {
			t.Fatal(err)
		}
		d, err := svc.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: machine})
		if want == "" {
			refused(t, err, api.CodeStateMachineDoesNotExist, "")
		} else if err != nil || d.Status != want {
			t.Fatalf("%+v, %v", d, err)
		}
	}
	deleted(api.StateMachineStatusDeleting)
	if end := await(t, svc, other); end.SagaStatus != api.SagaStatusAborted || end.Status != api.ExecutionStatusAborted {
		t.Errorf("the other ended as %+v", end)
	}
	deleted(api.StateMachineStatusDeleting)
	if _, err := svc.ResolveHold(ctx, &api.ResolveHoldInput{ExecutionArn: paid, SagaId: ptr("1"), Verb: api.HoldVerbAbandon, Operator: "me", Reason: "the machine goes"}); err != nil {
		t.Fatal(err)
	}
	await(t, svc, paid)
	deleted("")
}
