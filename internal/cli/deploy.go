package cli

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/backstep/backstep/api"
)

// Deploy creates a state machine, or gives it another definition.
type Deploy struct {
	Machine string `arg:"" help:"The state machine's name."`
	File    string `arg:"" help:"Its definition in JSON or YAML; - is standard input."`
	Express bool   `help:"Create it as an EXPRESS state machine."`
	Role    string `help:"The role that its executions have; a new state machine gets one named backstep by itself, which only calls of AWS look at." placeholder:"ARN"`
	Publish bool   `help:"Publish a version of it."`
}

// Help is the long help of deploy.
func (Deploy) Help() string {
	return `Creates the state machine where there is none of that name, else updates it. What
is as it should be stays as it is, so it may be said again. Executions that run
go on by the definition that they began with. backstep verify proves a saga before
that.

Examples:
  backstep deploy Order order.asl.json
  backstep deploy Order order.asl.json --publish
  jq '.TimeoutSeconds = 600' order.asl.json | backstep deploy Order -`
}

// deployed is what a deploy came to, as --json prints it.
type deployed struct {
	StateMachineArn        string  `json:"stateMachineArn"`
	StateMachineVersionArn *string `json:"stateMachineVersionArn,omitzero"`
	Change                 string  `json:"change"` // created, updated or unchanged
}

// Run deploys it, and prints its ARN, or that of the version.
func (v *Deploy) Run(s *session) error {
	if !api.ValidName(v.Machine) {
		return usagef("%q is no name of a state machine", v.Machine)
	}
	definition, err := s.readDefinition(v.File)
	if err != nil {
		return &UsageError{err}
	}
	svc, err := s.service()
	if err != nil {
		return err
	}
	arn := s.machineARN(v.Machine)
	was, err := svc.DescribeStateMachine(s.ctx, &api.DescribeStateMachineInput{StateMachineArn: arn})
	var refused *api.Error
	var d *deployed
	switch {
	case err == nil:
		d, err = v.update(s, svc, was, string(definition))
	case errors.As(err, &refused) && refused.Code == api.CodeStateMachineDoesNotExist:
		d, err = v.create(s, svc, string(definition))
	}
	if err != nil {
		return err
	}
	if err := v.warn(s, svc, string(definition)); err != nil {
		return err
	}
	if s.JSON {
		return s.printJSON(d)
	}
	fmt.Fprintf(s.Stderr, "%s %s\n", v.Machine, d.Change)
	_, err = fmt.Fprintln(s.Stdout, cmp.Or(text(d.StateMachineVersionArn), d.StateMachineArn))
	return err
}

// create makes it.
func (v *Deploy) create(s *session, svc api.Service, definition string) (*deployed, error) {
	in := &api.CreateStateMachineInput{
		Name: v.Machine, Definition: definition, Publish: v.Publish,
		RoleArn: cmp.Or(v.Role, "arn:aws:iam::"+cmp.Or(s.Account, defaultAccount)+":role/backstep"),
	}
	if v.Express {
		in.Type = api.StateMachineTypeExpress
	}
	out, err := svc.CreateStateMachine(s.ctx, in)
	if err != nil {
		return nil, err
	}
	return &deployed{out.StateMachineArn, out.StateMachineVersionArn, "created"}, nil
}

// warn tells what the server takes, and does not like.
func (v *Deploy) warn(s *session, svc api.Service, definition string) error {
	in := &api.ValidateStateMachineDefinitionInput{Definition: definition, Severity: api.ValidateStateMachineDefinitionSeverityWarning}
	if v.Express {
		in.Type = api.StateMachineTypeExpress
	}
	out, err := svc.ValidateStateMachineDefinition(s.ctx, in)
	if err != nil {
		return err
	}
	for _, d := range out.Diagnostics {
		at := ""
		if d.Location != nil {
			at = " (" + *d.Location + ")"
		}
		fmt.Fprintf(s.Stderr, "warning %s: %s%s\n", d.Code, d.Message, at)
	}
	return nil
}

// update gives it what it has not.
func (v *Deploy) update(s *session, svc api.Service, was *api.DescribeStateMachineOutput, definition string) (*deployed, error) {
	if v.Express && was.Type != api.StateMachineTypeExpress {
		return nil, usagef("%s is %s, and no state machine becomes another type: deploy it by another name", v.Machine, was.Type)
	}
	same := was.Definition == definition && (v.Role == "" || v.Role == was.RoleArn)
	if same && !v.Publish {
		return &deployed{was.StateMachineArn, nil, "unchanged"}, nil
	}
	out, err := svc.UpdateStateMachine(s.ctx, &api.UpdateStateMachineInput{
		StateMachineArn: was.StateMachineArn, Definition: &definition, RoleArn: given(v.Role), Publish: v.Publish,
	})
	if err != nil {
		return nil, err
	}
	change := "updated"
	if same {
		change = "unchanged"
	}
	return &deployed{was.StateMachineArn, out.StateMachineVersionArn, change}, nil
}
