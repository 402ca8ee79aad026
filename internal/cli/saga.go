package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backstep/backstep/api"
)

// Saga is the verbs about sagas.
type Saga struct {
	Show       SagaShow       `cmd:"" help:"Show where an execution's saga stands: its steps, its undos, what waits for you."`
	List       SagaList       `cmd:"" help:"List executions with sagas."`
	Preview    SagaPreview    `cmd:"" help:"Tell what an undo would do, without doing it."`
	Compensate SagaCompensate `cmd:"" help:"Have an execution's sagas undone."`
}

// Help is the long help of saga.
func (Saga) Help() string {
	return `Examples:
  backstep saga list --status ON_HOLD
  backstep saga show Order:1001
  backstep saga preview Order:1001
  backstep saga compensate Order:1001 --wait`
}

// SagaShow shows a saga.
type SagaShow struct {
	Execution string `arg:"" help:"The execution: its ARN, or MACHINE:NAME."`
}

// Help is the long help of saga show.
func (SagaShow) Help() string {
	return `✓ was done, ↩ was undone, ✗ failed or could not be undone, ? may have been done,
… is under way, ⏸ waits for you.

Examples:
  backstep saga show Order:1001
  backstep saga show Order:1001 --json | jq '.log[] | select(.operation == "compensate")'`
}

// Run shows it.
func (v *SagaShow) Run(s *session) error {
	svc, arn, err := s.execution(v.Execution)
	if err != nil {
		return err
	}
	x, err := s.wholeSaga(svc, arn)
	if err != nil {
		return err
	}
	if s.JSON {
		return s.printJSON(x)
	}
	saga := "none"
	if x.SagaStatus != "" {
		saga = s.sagaStatus(x.SagaStatus)
	}
	stop := ""
	if x.StopDate != nil {
		stop = when(*x.StopDate)
	}
	why := ""
	for _, one := range x.Sagas {
		if one.Error != nil {
			why = clip(strings.TrimSuffix(*one.Error+": "+said(one.Cause), ": "), 400)
		}
	}
	fields(s.Stdout,
		"execution", x.ExecutionArn, "status", s.status(x.Status), "saga", saga, "started", when(x.StartDate), "ended", stop,
		"took", took(x.StartDate, x.StopDate), "because", why)
	if len(x.Log) > 0 {
		fmt.Fprintln(s.Stdout)
		table(s.Stdout, s.sagaRows(x))
	}
	for i := range x.Holds {
		fmt.Fprintln(s.Stdout)
		s.printHold(&x.Holds[i])
	}
	if more := int(x.HoldCount) - len(x.Holds); more > 0 {
		fmt.Fprintf(s.Stdout, "\n… and %d more: backstep hold list\n", more)
	}
	return nil
}

// wholeSaga is a description with all of the log, of one moment if it fits into a
// page.
func (s *session) wholeSaga(svc api.Service, arn string) (*api.DescribeSagaOutput, error) {
	in := &api.DescribeSagaInput{ExecutionArn: arn, MaxResults: maxPage}
	if !s.JSON {
		in.IncludedData = api.IncludedDataMetadataOnly
	}
	var whole *api.DescribeSagaOutput
	for {
		page, err := svc.DescribeSaga(s.ctx, in)
		if err != nil {
			return nil, err
		}
		if whole == nil {
			whole = page
		} else {
			whole.Log = append(whole.Log, page.Log...)
		}
		if in.NextToken, whole.NextToken = page.NextToken, nil; in.NextToken == nil {
			return whole, nil
		}
	}
}

// sagaRows is the log as people read it, in the order of time: what was undone
// within the same millisecond, the last step first.
func (s *session) sagaRows(x *api.DescribeSagaOutput) [][]string {
	held := map[string]bool{}
	for _, h := range x.Holds {
		held[text(h.StepId)+" "+string(h.Operation)] = true
	}
	undo := func(r *api.SagaLogEntry) bool { return r.Operation == api.SagaOperationCompensate }
	var work, undone []api.SagaLogEntry
	for _, r := range x.Log {
		if undo(&r) {
			undone = append(undone, r)
		} else {
			work = append(work, r)
		}
	}
	slices.Reverse(undone)
	x.Log = append(work, undone...)
	slices.SortStableFunc(x.Log, func(a, b api.SagaLogEntry) int { return cmp.Compare(a.StartDate, b.StartDate) })
	rows := [][]string{{"", "STEP", "WHAT", "STATUS", "TRIES", "STARTED", "ERROR", "TOOK"}}
	for _, r := range x.Log {
		mark, status := markOf(r.Status), string(r.Status)
		if r.EndDate == nil && held[r.StepId+" "+string(r.Operation)] {
			mark, status = "⏸", string(api.SagaStatusOnHold)
		}
		rows = append(rows, []string{
			mark, r.StateName, string(r.Operation), status, strconv.Itoa(int(r.Attempts)), r.StartDate.Time().Local().Format("15:04:05.000"),
			text(r.Error), took(r.StartDate, r.EndDate),
		})
	}
	return rows
}

// markOf is a status at a glance.
func markOf(status api.SagaStepStatus) string {
	switch status {
	case api.SagaStepStatusSucceeded, api.SagaStepStatusConfirmed:
		return "✓"
	case api.SagaStepStatusCompensated:
		return "↩"
	case api.SagaStepStatusFailed, api.SagaStepStatusCompensationFailed, api.SagaStepStatusSkipped:
		return "✗"
	case api.SagaStepStatusUnknown:
		return "?"
	}
	return "…"
}

// sagaStatus shows where sagas stand.
func (s *session) sagaStatus(st api.SagaStatus) string {
	switch st {
	case api.SagaStatusCompleted, api.SagaStatusAborted:
		return s.paint(green, string(st))
	case api.SagaStatusStarted, api.SagaStatusAborting:
		return string(st)
	}
	return s.paint(red, string(st))
}

// SagaList lists executions with sagas.
type SagaList struct {
	Machine string `arg:"" optional:"" help:"Only those of this state machine: its name or ARN."`
	Status  string `help:"Only those that stand so: STARTED, ABORTING, ABORTED, COMPLETED, ON_HOLD, COMPENSATION_FAILED or ABANDONED." enum:",STARTED,ABORTING,ABORTED,COMPLETED,ON_HOLD,COMPENSATION_FAILED,ABANDONED" default:"" placeholder:"STATUS"`
	Max     int    `help:"At most so many." default:"100"`
}

// Help is the long help of saga list.
func (SagaList) Help() string {
	return `The newest execution comes first.

Examples:
  backstep saga list
  backstep saga list Order --status ON_HOLD
  backstep saga list --status COMPENSATION_FAILED --json | jq -r '.[].executionArn'`
}

// Run lists them.
func (v *SagaList) Run(s *session) error {
	svc, err := s.service()
	if err != nil {
		return err
	}
	if v.Max < 1 {
		return usagef("--max is 1 or more")
	}
	in := &api.ListSagasInput{StatusFilter: api.SagaStatus(v.Status), MaxResults: int32(min(v.Max, maxPage)), StateMachineArn: s.maybeMachine(v.Machine)}
	items, err := first(v.Max, pages(func(token *string) ([]api.SagaListItem, *string, error) {
		in.NextToken = token
		page, err := svc.ListSagas(s.ctx, in)
		if err != nil {
			return nil, nil, err
		}
		return page.Sagas, page.NextToken, nil
	}))
	if err != nil {
		return err
	}
	rows := [][]string{{"EXECUTION", "STATUS", "SAGA", "HOLDS", "STARTED", "TOOK"}}
	for _, x := range items {
		rows = append(rows, []string{
			executionName(x.ExecutionArn), string(x.Status), string(x.SagaStatus), strconv.Itoa(int(x.HoldCount)), when(x.StartDate), took(x.StartDate, x.StopDate),
		})
	}
	return s.printList(items, rows)
}

// maybeMachine is the ARN of a state machine that somebody named, nil for "".
func (s *session) maybeMachine(name string) *string {
	if name == "" {
		return nil
	}
	arn := s.machineARN(name)
	return &arn
}

// SagaPreview tells what an undo would do.
type SagaPreview struct {
	Execution string `arg:"" help:"The execution: its ARN, or MACHINE:NAME."`
}

// Help is the long help of saga preview.
func (SagaPreview) Help() string {
	return `What has the same number is undone side by side. Exit 1 when nothing could be
undone any more.

Examples:
  backstep saga preview Order:1001
  backstep saga preview Order:1001 --json | jq '.cannotUndo'`
}

// Run tells it.
func (v *SagaPreview) Run(s *session) error {
	svc, arn, err := s.execution(v.Execution)
	if err != nil {
		return err
	}
	p, err := svc.PreviewAbort(s.ctx, &api.PreviewAbortInput{ExecutionArn: arn})
	if err != nil {
		return err
	}
	if s.JSON {
		err = s.printJSON(p)
	} else {
		s.printPreview(p)
	}
	if err == nil && p.Refused != nil {
		return errNo
	}
	return err
}

var stopMeans = map[api.StopEffect]string{
	api.StopEffectCompensate: "backstep stop has its sagas undone",
	api.StopEffectAbort:      "backstep stop ends it at once and leaves what was done; backstep saga compensate undoes it",
	api.StopEffectRefused:    "backstep stop is refused",
	api.StopEffectNone:       "backstep stop changes nothing",
}

func (s *session) printPreview(p *api.PreviewAbortOutput) {
	fields(s.Stdout, "saga", s.sagaStatus(p.SagaStatus), "stop", stopMeans[p.OnStop], "refused", text(p.Refused))
	if len(p.Undo) > 0 {
		fmt.Fprintln(s.Stdout, "\nwould be undone, in this order")
		rank := map[string]int{}
		var rows [][]string
		for _, u := range p.Undo {
			for _, first := range u.After {
				rank[u.StepId] = max(rank[u.StepId], rank[first])
			}
			rank[u.StepId]++
			note := ""
			if u.Maybe {
				note = "unless it turns out to have had no effect"
			}
			rows = append(rows, []string{"  " + strconv.Itoa(rank[u.StepId]), u.StateName, text(u.Lane), u.Resource, note})
		}
		slices.SortStableFunc(rows, func(a, b []string) int { return len(a[0]) - len(b[0]) + strings.Compare(a[0], b[0]) })
		table(s.Stdout, rows)
	}
	for _, list := range []struct {
		title string
		steps []api.DoubtedStep
	}{{"would stay as they are, or wait", p.CannotUndo}, {"nobody knows the outcome of", p.MayRepeat}} {
		if len(list.steps) == 0 {
			continue
		}
		fmt.Fprintf(s.Stdout, "\n%s\n", list.title)
		var rows [][]string
		for _, one := range list.steps {
			rows = append(rows, []string{"  " + one.StateName, one.Why})
		}
		table(s.Stdout, rows)
	}
	if p.Truncated {
		fmt.Fprintln(s.Stdout, "\n… and more")
	}
}

// SagaCompensate has sagas undone.
type SagaCompensate struct {
	Execution string `arg:"" help:"The execution: its ARN, or MACHINE:NAME."`
	Wait      bool   `help:"Wait until it is undone: exit 0 when all is, 1 when something is not or waits for you."`
}

// Help is the long help of saga compensate.
func (SagaCompensate) Help() string {
	return `One that runs is stopped by it; of one that has ended, what it did is undone, and
it stays what it was. backstep saga preview tells beforehand what that means.

Examples:
  backstep saga compensate Order:1001
  backstep saga compensate Order:1001 --wait`
}

// Run has them undone.
func (v *SagaCompensate) Run(s *session) error {
	svc, arn, err := s.execution(v.Execution)
	if err != nil {
		return err
	}
	out, err := svc.CompensateExecution(s.ctx, &api.CompensateExecutionInput{ExecutionArn: arn})
	if err != nil {
		return err
	}
	if !v.Wait {
		if s.JSON {
			return s.printJSON(out)
		}
		_, err = fmt.Fprintf(s.Stdout, "%s is %s\n", executionName(arn), s.sagaStatus(out.SagaStatus))
		return err
	}
	x, err := s.awaited(svc, arn)
	if err == nil && x.SagaStatus != api.SagaStatusAborted {
		return errNo
	}
	return err
}

// awaited waits until sagas have ended, or wait for a person, and tells how they
// stand.
func (s *session) awaited(svc api.Service, arn string) (*api.DescribeSagaOutput, error) {
	x, err := s.awaitSaga(svc, arn)
	if err != nil {
		return nil, err
	}
	if s.JSON {
		return x, s.printJSON(x)
	}
	_, err = fmt.Fprintf(s.Stdout, "%s is %s\n", executionName(arn), s.sagaStatus(x.SagaStatus))
	for i := range x.Holds {
		fmt.Fprintln(s.Stdout)
		s.printHold(&x.Holds[i])
	}
	return x, err
}

// sagaPause is how long to wait before a saga is looked at again. Nothing tells of
// what goes on in an execution that has ended.
const sagaPause = 200 * time.Millisecond

// awaitSaga waits until sagas have ended, or wait for a person.
func (s *session) awaitSaga(svc api.Service, arn string) (*api.DescribeSagaOutput, error) {
	for {
		x, err := svc.DescribeSaga(s.ctx, &api.DescribeSagaInput{ExecutionArn: arn, IncludedData: api.IncludedDataMetadataOnly, MaxResults: 1})
		if err != nil {
			return nil, err
		}
		if x.SagaStatus.Ended() || x.SagaStatus == api.SagaStatusOnHold {
			return s.wholeSaga(svc, arn)
		}
		select {
		case <-s.ctx.Done():
			return nil, s.ctx.Err()
		case <-time.After(sagaPause):
		}
	}
}

// standing is where an execution and its sagas stand: "" for these where it has
// none, for both where the server can't tell.
func (s *session) standing(svc api.Service, arn string) (api.ExecutionStatus, api.SagaStatus, error) {
	now, once := int64(0), int32(0)
	x, err := svc.WaitExecution(s.ctx, &api.WaitExecutionInput{ExecutionArn: arn, AfterEventId: &now, TimeoutSeconds: &once})
	var refused *api.Error
	if errors.As(err, &refused) && refused.Code == api.CodeUnknownOperation {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	return x.Status, x.SagaStatus, nil
}
