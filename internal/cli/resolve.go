package cli

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"os/user"
	"strings"

	"github.com/backstep/backstep/api"
)

// HoldResolve decides about a hold, or about many.
type HoldResolve struct {
	Execution string `arg:"" optional:"" help:"The execution: its ARN, or MACHINE:NAME."`
	Hold      string `arg:"" optional:"" help:"The hold's number."`
	Result    string `arg:"" optional:"" help:"With --done, of a state that could not go forward: its result. JSON, @FILE, or - for standard input."`

	Retry     bool   `help:"Try it again, with the same key." group:"What to do"`
	Edit      string `help:"Try it with another request, under a new key: you vouch that the call had no effect. JSON, @FILE, or -." placeholder:"JSON" group:"What to do"`
	Alternate string `help:"Try an undo or a Confirm by another resource, under a new key; likewise." placeholder:"RESOURCE" group:"What to do"`
	Done      bool   `help:"It was settled by hand." group:"What to do"`
	Failed    bool   `help:"A state that could not go forward had no effect: its Catch, or its saga's undo, comes next." group:"What to do"`
	Skip      bool   `help:"Leave it undone." group:"What to do"`
	Back      bool   `help:"Give up a state that could not go forward, and undo its saga." group:"What to do"`
	Abandon   bool   `help:"End the saga as it stands." group:"What to do"`

	Reason string `help:"Why; the history keeps it." required:"" placeholder:"TEXT"`
	By     string `help:"Who decides; the history keeps it. You at this machine, by itself." placeholder:"NAME"`
	Wait   bool   `help:"Wait until its sagas have ended: exit 0 when they are COMPLETED or ABORTED, 1 when not or when something waits for you."`
	Saga   string `help:"With --abandon: this saga, held or not." placeholder:"NUMBER"`

	Machine string `help:"Decide about all holds of this state machine by one error." placeholder:"MACHINE"`
	Error   string `help:"That error." placeholder:"NAME"`
	DryRun  bool   `help:"Only tell which they are."`
	Yes     bool   `help:"Don't ask."`
}

// Help is the long help of hold resolve.
func (HoldResolve) Help() string {
	return `A hold's number is its version: of two people who decide about it, the first
does. backstep hold show tells what fits. Exit 1 when some of many could not be
resolved.

Examples:
  backstep hold resolve Order:1001 1 --retry --reason 'the bank is back' --wait
  backstep hold resolve Order:1001 1 --edit '{"account":"77"}' --reason 'wrong account'
  backstep hold resolve Order:1001 1 --done --reason 'refunded by phone, ticket 4711'
  backstep hold resolve Order:1001 2 --done '{"paid":true}' --reason 'paid in cash'
  backstep hold resolve Order:1001 --saga 1 --abandon --reason 'the customer is gone'
  backstep hold resolve --machine Order --error BankDown --retry --reason 'the bank is back'`
}

// Run decides.
func (v *HoldResolve) Run(s *session) error {
	given := v.verbs()
	switch {
	case len(given) != 1 || v.Done && v.Failed:
		return usagef("say what to do by exactly one of --retry, --edit, --alternate, --done, --failed, --skip, --back, --abandon")
	case v.Result != "" && !v.Done:
		return usagef("a result is for --done alone")
	case strings.TrimSpace(v.Reason) == "":
		return usagef("--reason says nothing: the history keeps it")
	case v.By == "":
		v.By = whoIsThis()
	}
	var err error
	if v.Edit, err = s.readInput(v.Edit); err != nil {
		return err
	}
	if v.Result, err = s.readInput(v.Result); err != nil {
		return err
	}
	if v.Machine != "" || v.Error != "" {
		return v.many(s, given[0])
	}
	return v.one(s, given[0])
}

// verbs are those that the flags say.
func (v *HoldResolve) verbs() (given []api.HoldVerb) {
	for _, one := range []struct {
		given bool
		verb  api.HoldVerb
	}{
		{v.Retry, api.HoldVerbRetry}, {v.Edit != "", api.HoldVerbEdit}, {v.Alternate != "", api.HoldVerbAlternate}, {v.Done || v.Failed, api.HoldVerbDone},
		{v.Skip, api.HoldVerbSkip}, {v.Back, api.HoldVerbBack}, {v.Abandon, api.HoldVerbAbandon},
	} {
		if one.given {
			given = append(given, one.verb)
		}
	}
	return given
}

// whoIsThis is the user at this machine.
func whoIsThis() string {
	name, host := os.Getenv("USER"), "unknown"
	if own, err := user.Current(); name == "" && err == nil { // a shell of no login sets none
		name = own.Username
	}
	if here, err := os.Hostname(); err == nil {
		host = here
	}
	return cmp.Or(name, "unknown") + "@" + host
}

// outcome is what --failed and --done say.
func (v *HoldResolve) outcome() api.StepOutcome {
	if v.Failed {
		return api.StepOutcomeFailed
	}
	return ""
}

// one decides about one hold, or one saga.
func (v *HoldResolve) one(s *session, verb api.HoldVerb) error {
	switch {
	case v.DryRun || v.Yes:
		return usagef("--dry-run and --yes are for many holds: --machine and --error say which")
	case v.Execution == "" || (v.Hold == "") == (v.Saga == ""):
		return usagef("name an execution and its hold, or with --abandon its --saga; or many holds by --machine and --error")
	}
	svc, arn, err := s.execution(v.Execution)
	if err != nil {
		return err
	}
	out, err := svc.ResolveHold(s.ctx, &api.ResolveHoldInput{
		ExecutionArn: arn, HoldId: given(v.Hold), SagaId: given(v.Saga), Verb: verb, Request: given(v.Edit), Resource: given(v.Alternate),
		Outcome: v.outcome(), Result: given(v.Result), Operator: v.By, Reason: v.Reason,
	})
	if err != nil {
		return err
	}
	if s.JSON && !v.Wait {
		return s.printJSON(out)
	}
	what := v.Hold
	if what == "" {
		what = "saga " + v.Saga
	}
	if !s.JSON {
		fmt.Fprintf(s.Stdout, "%s %s: %s, in the name of %s\n", executionName(arn), what, verb, v.By)
	}
	if !v.Wait {
		return nil
	}
	x, err := s.awaited(svc, arn)
	if err == nil && x.SagaStatus != api.SagaStatusAborted && x.SagaStatus != api.SagaStatusCompleted {
		return errNo
	}
	return err
}

// many decides about all holds by one error, after it has told which these are
// and was told to go on.
func (v *HoldResolve) many(s *session, verb api.HoldVerb) error {
	if v.Machine == "" || v.Error == "" || v.Execution != "" || v.Saga != "" || v.Wait {
		return usagef("many holds are named by --machine and --error, and nothing else")
	}
	svc, err := s.service()
	if err != nil {
		return err
	}
	in := api.ResolveHoldsInput{
		StateMachineArn: s.machineARN(v.Machine), ErrorFilter: v.Error, Verb: verb, Request: given(v.Edit), Resource: given(v.Alternate),
		Outcome: v.outcome(), Result: given(v.Result), Operator: v.By, Reason: v.Reason,
	}
	if !v.Yes || v.DryRun {
		in.DryRun = true
		would, err := s.resolveAll(svc, in)
		if err != nil {
			return err
		}
		if v.DryRun {
			return s.printResolved(would, "would be resolved")
		}
		if len(would.Resolved) == 0 {
			return s.printResolved(would, "resolved")
		}
		if err := v.confirm(s, verb, would); err != nil {
			return err
		}
	}
	in.DryRun = false
	done, err := s.resolveAll(svc, in)
	if err != nil {
		return err
	}
	return s.printResolved(done, "resolved")
}

// confirm asks whoever is there whether to go on.
func (v *HoldResolve) confirm(s *session, verb api.HoldVerb, would *api.ResolveHoldsOutput) error {
	if !s.Interactive {
		return usagef("nobody is there to ask: give --yes, or --dry-run to see what it would do")
	}
	fmt.Fprintf(s.Stderr, "%s %d holds of %s by %s? y is yes, anything else is no\n", verb, len(would.Resolved), v.Machine, v.Error)
	answer, _ := bufio.NewReader(s.Stdin).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		fmt.Fprintln(s.Stderr, "nothing was changed")
		return errNo
	}
	return nil
}

// resolveAll goes through all pages.
func (s *session) resolveAll(svc api.Service, in api.ResolveHoldsInput) (*api.ResolveHoldsOutput, error) {
	all := &api.ResolveHoldsOutput{Resolved: []api.HoldReference{}, Refused: []api.HoldReference{}}
	for {
		page, err := svc.ResolveHolds(s.ctx, &in)
		if err != nil {
			return nil, err
		}
		all.Resolved, all.Refused = append(all.Resolved, page.Resolved...), append(all.Refused, page.Refused...)
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return all, nil
		}
	}
}

// printResolved tells what was resolved and what was not; errNo where something
// was not.
func (s *session) printResolved(all *api.ResolveHoldsOutput, done string) error {
	if s.JSON {
		if err := s.printJSON(all); err != nil {
			return err
		}
	} else {
		var rows [][]string
		for _, list := range []struct {
			refs []api.HoldReference
			what string
		}{{all.Resolved, done}, {all.Refused, "refused"}} {
			for _, r := range list.refs {
				rows = append(rows, []string{executionName(r.ExecutionArn), r.HoldId, text(r.StateName), string(r.Operation), list.what, text(r.Why)})
			}
		}
		table(s.Stdout, rows)
		fmt.Fprintf(s.Stdout, "%d %s, %d refused\n", len(all.Resolved), done, len(all.Refused))
	}
	if len(all.Refused) > 0 {
		return errNo
	}
	return nil
}
