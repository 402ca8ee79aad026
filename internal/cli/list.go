package cli

import "github.com/backstep/backstep/api"

// List lists state machines or executions.
type List struct {
	Machine string  `arg:"" optional:"" help:"List this state machine's executions: its name or ARN."`
	Of      string  `name:"machine" help:"List this state machine's executions, as the argument does." placeholder:"MACHINE"`
	Where   *string `help:"Only executions that are found so by their search attributes, of all state machines where none is named: NAME = VALUE, or several of these joined by and." placeholder:"TERMS"`
	Status  string  `help:"Only executions of this status: RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED." enum:",RUNNING,SUCCEEDED,FAILED,TIMED_OUT,ABORTED" default:"" placeholder:"STATUS"`
	Max     int     `help:"At most so many." default:"100"`
	Output  string  `short:"o" help:"table, or json as by --json." enum:"table,json" default:"table"`
}

// Help is the long help of list.
func (List) Help() string {
	return `Examples:
  backstep list
  backstep list Order --status RUNNING --max 20
  backstep list --where 'order_id = "1001"'
  backstep list --where 'region = "eu" and express = true' --machine Order -o json`
}

// Run lists them, the newest execution first.
func (v *List) Run(s *session) error {
	svc, err := s.service()
	if err != nil {
		return err
	}
	if v.Max < 1 {
		return usagef("--max is 1 or more")
	}
	s.JSON = s.JSON || v.Output == "json"
	switch {
	case v.Machine != "" && v.Of != "" && v.Machine != v.Of:
		return usagef("two state machines are named, %s and %s", v.Machine, v.Of)
	case v.Of != "":
		v.Machine = v.Of
	}
	switch {
	case v.Where != nil:
		return v.found(s, svc)
	case v.Machine != "":
		return v.executions(s, svc)
	case v.Status != "":
		return usagef("--status needs a state machine, or --where: backstep list MACHINE --status %s", v.Status)
	}
	return v.machines(s, svc)
}

func (v *List) machines(s *session, svc api.Service) error {
	in := &api.ListStateMachinesInput{MaxResults: v.page()}
	items, err := first(v.Max, pages(func(token *string) ([]api.StateMachineListItem, *string, error) {
		in.NextToken = token
		page, err := svc.ListStateMachines(s.ctx, in)
		if err != nil {
			return nil, nil, err
		}
		return page.StateMachines, page.NextToken, nil
	}))
	if err != nil {
		return err
	}
	rows := [][]string{{"NAME", "TYPE", "CREATED"}}
	for _, m := range items {
		rows = append(rows, []string{m.Name, string(m.Type), when(m.CreationDate)})
	}
	return s.printList(items, rows)
}

func (v *List) executions(s *session, svc api.Service) error {
	arn := s.machineARN(v.Machine)
	in := &api.ListExecutionsInput{StateMachineArn: &arn, StatusFilter: api.ExecutionStatus(v.Status), MaxResults: v.page()}
	items, err := first(v.Max, pages(func(token *string) ([]api.ExecutionListItem, *string, error) {
		in.NextToken = token
		page, err := svc.ListExecutions(s.ctx, in)
		if err != nil {
			return nil, nil, err
		}
		return page.Executions, page.NextToken, nil
	}))
	if err != nil {
		return err
	}
	rows := [][]string{{"NAME", "STATUS", "STARTED", "TOOK"}}
	for _, x := range items {
		rows = append(rows, executionRow(x.Name, x))
	}
	return s.printList(items, rows)
}

// found lists what is found by search attributes, each with its machine, as the
// other verbs take it.
func (v *List) found(s *session, svc api.Service) error {
	in := &api.ListExecutionsWhereInput{Where: *v.Where, StatusFilter: api.ExecutionStatus(v.Status), MaxResults: v.page()}
	if v.Machine != "" {
		arn := s.machineARN(v.Machine)
		in.StateMachineArn = &arn
	}
	items, err := first(v.Max, pages(func(token *string) ([]api.ExecutionListItem, *string, error) {
		in.NextToken = token
		page, err := svc.ListExecutionsWhere(s.ctx, in)
		if err != nil {
			return nil, nil, err
		}
		return page.Executions, page.NextToken, nil
	}))
	if err != nil {
		return err
	}
	rows := [][]string{{"EXECUTION", "STATUS", "STARTED", "TOOK"}}
	for _, x := range items {
		rows = append(rows, executionRow(executionName(x.ExecutionArn), x))
	}
	return s.printList(items, rows)
}

// executionRow is the row of an execution that is called so.
func executionRow(name string, x api.ExecutionListItem) []string {
	return []string{name, string(x.Status), when(x.StartDate), took(x.StartDate, x.StopDate)}
}

// page is how much is asked for at once.
func (v *List) page() int32 { return int32(min(v.Max, maxPage)) }

// printList prints items as JSON for machines, or the rows made of them.
func (s *session) printList(items any, rows [][]string) error {
	if s.JSON {
		return s.printJSON(items)
	}
	table(s.Stdout, rows)
	return nil
}
