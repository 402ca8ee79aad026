package cli

import (
	"strings"

	"github.com/backstep/backstep/api"
)

// machineARN is the ARN of a state machine that somebody named: by its ARN, or
// by its name alone, with a version or alias behind a colon.
func (g *Globals) machineARN(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return "arn:aws:states:" + g.Region + ":" + g.Account + ":stateMachine:" + name
}

// executionARN is the ARN of an execution that somebody named: by its ARN, or
// as MACHINE:NAME.
func (g *Globals) executionARN(name string) (string, error) {
	if strings.HasPrefix(name, "arn:") {
		return name, nil
	}
	machine, execution, ok := strings.Cut(name, ":")
	if !ok || !api.ValidName(machine) || !api.ValidName(execution) {
		return "", usagef("%q names no execution: give its ARN, or MACHINE:NAME", name)
	}
	return "arn:aws:states:" + g.Region + ":" + g.Account + ":execution:" + machine + ":" + execution, nil
}

// shortName is an ARN's tail as executionARN and machineARN take it.
func shortName(arn string) string {
	parts := strings.SplitN(arn, ":", 7)
	if len(parts) < 7 {
		return arn
	}
	return parts[6]
}
