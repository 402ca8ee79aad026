package cli

import (
	"cmp"
	"strings"

	"github.com/backstep/backstep/api"
)

// What ARNs have where nobody says otherwise: what a server has by itself.
const (
	defaultRegion  = "us-east-1"
	defaultAccount = "123456789012"
)

func (g *Globals) region() string { return cmp.Or(g.Region, defaultRegion) }

// arn is an ARN of the region and account of the flags.
func (g *Globals) arn(resource string) string {
	return "arn:aws:states:" + g.region() + ":" + cmp.Or(g.Account, defaultAccount) + ":" + resource
}

// machineARN is the ARN of a state machine that somebody named: by its ARN, or
// by its name alone, with a version or alias behind a colon.
func (g *Globals) machineARN(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return g.arn("stateMachine:" + name)
}

// executionARN is the ARN of an execution that somebody named: by its ARN, or
// as MACHINE:NAME, of a child of a distributed Map as MACHINE/LABEL:NAME.
func (g *Globals) executionARN(name string) (string, error) {
	if strings.HasPrefix(name, "arn:") {
		return name, nil
	}
	machine, execution, ok := strings.Cut(name, ":")
	of, label, isChild := strings.Cut(machine, "/")
	if !ok || !api.ValidName(of) || isChild && !api.ValidName(label) || !api.ValidName(execution) {
		return "", usagef("%q names no execution: give its ARN, or MACHINE:NAME", name)
	}
	return g.arn("execution:" + machine + ":" + execution), nil
}

// executionName is an execution's ARN as executionARN takes it shorter.
func executionName(arn string) string {
	parts := strings.SplitN(arn, ":", 7)
	if len(parts) < 7 {
		return arn
	}
	return parts[6]
}

// execution connects to the server, and is the ARN of an execution that somebody
// named.
func (s *session) execution(name string) (api.Service, string, error) {
	svc, err := s.service()
	if err != nil {
		return nil, "", err
	}
	arn, err := s.executionARN(name)
	return svc, arn, err
}
