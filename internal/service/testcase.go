package service

import (
	"context"
	"strings"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
)

// Mocks are the test cases that executions may run, as Step Functions Local has
// them. They may be asked by many at once.
type Mocks interface {
	// States are the states that a test case of a state machine mocks; false: there
	// is no such test case.
	States(machine, testCase string) ([]string, bool)
}

// startingCase is what an ARN names, as a start needs it, and the test case that
// stands behind the ARN after a "#", "" where none does. Where there are no
// mocks nothing has such an ARN.
func (s *Service) startingCase(ctx context.Context, text string) (engine.Machine, string, error) {
	arn, name, named := strings.Cut(text, "#")
	if !named {
		m, err := s.starting(ctx, text)
		return m, "", err
	}
	if s.Mocks == nil {
		return engine.Machine{}, "", api.StateMachineDoesNotExist(text)
	}
	m, err := s.starting(ctx, arn)
	if err != nil {
		return m, "", err
	}
	return m, name, s.checkCase(ctx, m, name)
}

// checkCase refuses a test case that the machine has not, or which mocks what
// can't be mocked.
func (s *Service) checkCase(ctx context.Context, m engine.Machine, name string) error {
	states, there := s.Mocks.States(m.Name, name)
	if !there {
		return api.Validation("The mock configuration has no test case '%s' of the state machine '%s'", name, m.Name)
	}
	text, err := s.Catalog.definition(ctx, m.Definition)
	if err != nil {
		return err
	}
	definition, _ := asl.Parse([]byte(text))
	program, err := asl.Compile(definition, asl.Rules{Distributed: true})
	if err != nil {
		return err
	}
	for _, mocked := range states {
		switch state := program.States[mocked]; {
		case state == nil:
			return api.Validation("The test case '%s' mocks the state '%s', which the state machine '%s' has not", name, mocked, m.Name)
		case state.Task == nil:
			return api.Validation("The test case '%s' mocks the state '%s', which is a %s: only Task states are mocked", name, mocked, state.Type)
		case state.Task.Resource.Kind == asl.Activity:
			return api.Validation("Activity state cannot be mocked. Please remove mocks mapped for all activity state in the mock config file.")
		}
	}
	return nil
}
