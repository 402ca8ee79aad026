package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/backstep/backstep/api"
)

// Hold is the verbs about what waits for a person.
type Hold struct {
	List    HoldList    `cmd:"" help:"List what waits for you."`
	Show    HoldShow    `cmd:"" help:"Show a hold: what was called, how it failed, what can be done."`
	Resolve HoldResolve `cmd:"" help:"Decide about a hold, or about many."`
}

// Help is the long help of hold.
func (Hold) Help() string {
	return `Examples:
  backstep hold list
  backstep hold show Order:1001 1
  backstep hold resolve Order:1001 1 --retry --reason 'the bank is back' --wait`
}

// HoldList lists holds.
type HoldList struct {
	Machine string `arg:"" optional:"" help:"Only those of this state machine: its name or ARN."`
	Error   string `help:"Only those by this error." placeholder:"NAME"`
	Max     int    `help:"At most so many." default:"100"`
}

// Help is the long help of hold list.
func (HoldList) Help() string {
	return `Examples:
  backstep hold list
  backstep hold list Order --error BankDown
  backstep hold list --json | jq -r '.[] | [.executionArn, .holdId, .error] | @tsv'`
}

// mostHolds is the most that a page of holds may have.
const mostHolds = 100

// Run lists them.
func (v *HoldList) Run(s *session) error {
	svc, err := s.service()
	if err != nil {
		return err
	}
	if v.Max < 1 {
		return usagef("--max is 1 or more")
	}
	in := &api.ListHoldsInput{MaxResults: int32(min(v.Max, mostHolds)), StateMachineArn: s.maybeMachine(v.Machine)}
	if v.Error != "" {
		in.ErrorFilter = &v.Error
	}
	items, err := first(v.Max, pages(func(token *string) ([]api.Hold, *string, error) {
		in.NextToken = token
		page, err := svc.ListHolds(s.ctx, in)
		if err != nil {
			return nil, nil, err
		}
		return page.Holds, page.NextToken, nil
	}))
	if err != nil {
		return err
	}
	rows := [][]string{{"EXECUTION", "HOLD", "STATE", "OPERATION", "ERROR", "SINCE", "OWED"}}
	for _, h := range items {
		rows = append(rows, []string{
			executionName(h.ExecutionArn), h.HoldId, text(h.StateName), string(h.Operation), listedError(&h), when(h.Since), strconv.Itoa(int(h.OwedCount)),
		})
	}
	return s.printList(items, rows)
}

// listedError is what a list tells of what a hold is about: first of all that it can't
// be read.
func listedError(h *api.Hold) string {
	if h.Unreadable != nil {
		return clip(*h.Unreadable, 120)
	}
	return text(h.Error)
}

// HoldShow shows a hold.
type HoldShow struct {
	Execution string `arg:"" help:"The execution: its ARN, or MACHINE:NAME."`
	Hold      string `arg:"" help:"The hold's number."`
}

// Help is the long help of hold show.
func (HoldShow) Help() string {
	return `Examples:
  backstep hold show Order:1001 1
  backstep hold show Order:1001 1 --json | jq -r .request`
}

// Run shows it.
func (v *HoldShow) Run(s *session) error {
	svc, arn, err := s.execution(v.Execution)
	if err != nil {
		return err
	}
	out, err := svc.DescribeHold(s.ctx, &api.DescribeHoldInput{ExecutionArn: arn, HoldId: v.Hold})
	if err != nil {
		return err
	}
	if s.JSON {
		return s.printJSON(out)
	}
	s.printHold(&out.Hold)
	return nil
}

// printHold prints a hold, and what can be done about it.
func (s *session) printHold(h *api.Hold) {
	name := executionName(h.ExecutionArn)
	if h.Operation == api.SagaOperationQuarantined {
		fields(s.Stdout, "quarantined", name, "since", when(h.Since), "because", clip(text(h.Cause), 400))
		if len(h.Verbs) == 0 {
			return
		}
		fmt.Fprintf(s.Stdout, "\n  The server itself could not decide. Nothing is lost: keep the data, and report the\n  cause. With a server that knows better\n  backstep hold resolve %[1]s %[2]s --reason TEXT --retry\n  lets it go on. To end it as it stands, with what is owed in its log:\n  backstep hold resolve %[1]s %[2]s --reason TEXT --abandon\n", name, h.HoldId)
		return
	}
	fields(s.Stdout,
		"hold", h.HoldId+" of "+name,
		"what", text(h.StateName)+" "+string(h.Operation)+", after "+tries(h.Attempts),
		"since", when(h.Since),
		"error", text(h.Error),
		"cause", clip(said(h.Cause), 400),
		"called", text(h.Resource),
		"key", text(h.IdempotencyKey),
		"request", clip(text(h.Request), 400),
		"response", clip(text(h.Response), 400),
		"owed", owed(h),
		"locks", strings.Join(h.Locks, ", "),
		"runbook", text(h.Runbook),
		"unreadable", clip(text(h.Unreadable), 400),
	)
	if len(h.Verbs) == 0 {
		return
	}
	var flags []string
	for _, verb := range h.Verbs {
		flags = append(flags, flagsFor(verb, h.Operation)...)
	}
	fmt.Fprintf(s.Stdout, "\n  backstep hold resolve %s %s --reason TEXT, and one of\n  %s\n", name, h.HoldId, strings.Join(flags, ", "))
}

// flagsFor are the flags by which a verb is given.
func flagsFor(verb api.HoldVerb, operation api.SagaOperation) []string {
	forward := operation == api.SagaOperationForward
	switch {
	case verb == api.HoldVerbEdit:
		return []string{"--edit JSON"}
	case verb == api.HoldVerbAlternate:
		return []string{"--alternate RESOURCE"}
	case verb == api.HoldVerbDone && forward:
		return []string{"--done RESULT", "--failed"}
	}
	return []string{"--" + string(verb)}
}

func tries(n int32) string {
	if n == 1 {
		return "1 try"
	}
	return strconv.Itoa(int(n)) + " tries"
}

// owed is what has still to be undone, in few words.
func owed(h *api.Hold) string {
	var names []string
	for _, step := range h.Owed {
		names = append(names, step.StateName)
	}
	const most = 10
	if n := int(h.OwedCount); n > most {
		names = append(names[:min(len(names), most)], fmt.Sprintf("and %d more", n-most))
	}
	return strings.Join(names, ", ")
}
