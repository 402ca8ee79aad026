package service

import (
	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/journal"
	"github.com/backstep/backstep/internal/machine"
)

// changeDetail is an execution as an EventBridge event of its status has it.
// Times are in milliseconds; what there is not is null.
type changeDetail struct {
	ExecutionARN           string       `json:"executionArn"`
	StateMachineARN        string       `json:"stateMachineArn"`
	Name                   string       `json:"name"`
	Status                 string       `json:"status"`
	StartDate              int64        `json:"startDate"`
	StopDate               *int64       `json:"stopDate"`
	Input                  *string      `json:"input"`
	Output                 *string      `json:"output"`
	StateMachineVersionARN *string      `json:"stateMachineVersionArn"`
	StateMachineAliasARN   *string      `json:"stateMachineAliasArn"`
	RedriveCount           int          `json:"redriveCount"`
	RedriveDate            *int64       `json:"redriveDate"`
	RedriveStatus          string       `json:"redriveStatus"`
	RedriveStatusReason    *string      `json:"redriveStatusReason"`
	InputDetails           *dataDetails `json:"inputDetails"`
	OutputDetails          *dataDetails `json:"outputDetails"`
	Error                  *string      `json:"error"`
	Cause                  *string      `json:"cause"`
}

// dataDetails tells whether an input or output is in the event.
type dataDetails = api.CloudWatchEventsExecutionDataDetails

// statusChanges are the statuses that an execution took in a turn, none where it
// kept the one it had. One that ended within the turn that began it was running
// in between.
func statusChanges(t *engine.Telling) []journal.StatusChange {
	if t.Was == t.Head.Status {
		return nil
	}
	var changes []journal.StatusChange
	if t.Was != machine.Running && t.Head.Status.Ended() {
		running := t.Head
		running.Status, running.Stop, running.Output, running.Error, running.Cause = machine.Running, 0, 0, nil, nil
		changes = append(changes, statusChange(t, &running))
	}
	return append(changes, statusChange(t, &t.Head))
}

// statusChange tells what an execution is as a head has it.
func statusChange(t *engine.Telling, head *machine.Head) journal.StatusChange {
	start := t.Start
	status, why := redriveStatus(t.NotRedrivable(head), t.ByMapRun(head))
	d := changeDetail{
		ExecutionARN: start.ExecutionARN(), StateMachineARN: start.MachineARN(), Name: start.Name, Status: head.Status.String(), StartDate: start.At,
		StateMachineVersionARN: optional(start.Version), StateMachineAliasARN: optional(start.Alias),
		RedriveCount: head.Redrives, RedriveStatus: string(status), RedriveStatusReason: why,
	}
	if head.Status.Ended() {
		d.StopDate = &head.Stop
	}
	if head.Redriven != 0 {
		d.RedriveDate = &head.Redriven
	}
	d.Error, d.Cause = head.Error, head.Cause
	d.data(t, head)
	return journal.StatusChange{
		Account: start.Account, Region: start.Region, Execution: d.ExecutionARN, At: head.Now, Detail: encodeReport(d),
	}
}

// data puts input and output in as far as there is room: the input gives way
// to the output.
func (d *changeDetail) data(t *engine.Telling, head *machine.Head) {
	room := maxReported
	put := func(r machine.Ref) (*string, *dataDetails) {
		if r == 0 {
			return nil, nil
		}
		text := t.Text(r).String()
		n := escaped(text)
		if n > room {
			return nil, &dataDetails{}
		}
		room -= n
		return &text, &dataDetails{Included: true}
	}
	d.Output, d.OutputDetails = put(head.Output)
	d.Input, d.InputDetails = put(head.Input)
}
