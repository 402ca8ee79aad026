package cli

import (
	"fmt"
	"strings"

	"github.com/backstep/backstep/api"
)

// Why tells what an execution waits for.
type Why struct {
	Execution string `arg:"" help:"The execution: its ARN, or MACHINE:NAME; or a map run's ARN."`
	All       bool   `help:"Tell all that it waits for, one line each, what is due soonest first."`
	Deep      bool   `help:"Go on with the nested execution, the map run or the holder of the lock that it waits for."`
}

// Help is the long help of why.
func (Why) Help() string {
	return `One line: what is due soonest, and how many things there are beside it; of one that
has ended, how it ended. Times are in UTC.

Examples:
  backstep why Order:1001
  backstep why Order:1001 --all
  backstep why Order:1001 --deep
  backstep why Order:1001 --json | jq -r '.waits[].command // empty'`
}

// deepest is how far --deep goes: further than executions can be nested.
const deepest = 100

// Run tells it.
func (v *Why) Run(s *session) error {
	svc, err := s.service()
	if err != nil {
		return err
	}
	arn, err := s.executionARN(v.Execution)
	if err != nil {
		return err
	}
	var chain []*api.ExplainExecutionOutput
	for seen := map[string]bool{}; arn != "" && !seen[arn] && len(chain) < deepest; {
		seen[arn] = true
		out, err := svc.ExplainExecution(s.ctx, &api.ExplainExecutionInput{ExecutionArn: arn, MaxResults: maxPage})
		if err != nil {
			return err
		}
		chain = append(chain, out)
		arn = ""
		if v.Deep {
			arn = leadsTo(out)
		}
	}
	switch {
	case s.JSON && v.Deep:
		return s.printJSON(chain)
	case s.JSON:
		return s.printJSON(chain[0])
	}
	for depth, out := range chain {
		v.print(s, out, depth)
	}
	return nil
}

// leadsTo is whom an execution waits for, "" where it is for no other.
func leadsTo(out *api.ExplainExecutionOutput) string {
	for _, w := range out.Waits {
		if w.ExecutionArn != nil {
			return *w.ExecutionArn
		}
	}
	return ""
}

func (v *Why) print(s *session, out *api.ExplainExecutionOutput, depth int) {
	margin := strings.Repeat("  ", depth)
	name := ""
	if depth > 0 {
		name = executionName(out.ExecutionArn) + ": "
	}
	if !v.All || len(out.Waits) == 0 {
		fmt.Fprintln(s.Stdout, margin+name+out.Line)
		return
	}
	for _, w := range out.Waits {
		fmt.Fprintln(s.Stdout, margin+name+w.Line)
	}
	if more := int(out.WaitCount) - len(out.Waits); more > 0 {
		fmt.Fprintf(s.Stdout, "%s%sand %d more\n", margin, name, more)
	}
}
