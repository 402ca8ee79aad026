// Package mock answers in the place of integrations, in executions that run a
// test case: what the mock configuration of Step Functions Local says, a file
// in which the states of a state machine are tied to numbered responses.
//
// It calls nobody, and knows neither definitions nor what services really
// answer. How often a state was invoked is for the execution to know.
//
// Read mock.go (which response answers) and read.go (the file, and all that may
// be wrong with it).
package mock

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// Config is a mock configuration. A nil one has no test cases. It does not
// change, and may be asked by many at once.
type Config struct {
	machines map[string]map[string]testCase // by the state machine's name and the test case's
}

// testCase are the responses of states, by their names.
type testCase map[string]*responses

// responses are a MockedResponse: what answers the first invocation of a state,
// and each that follows.
type responses struct {
	name  string
	spans []span // without gaps, from invocation 0 on
}

// span answers the invocations up to last, counted from 0.
type span struct {
	last   int
	result value.Text
	failed *integration.Error // nil: there is a result
}

// States are the states that a test case of a state machine mocks, in the order
// of their names. False: there is no such test case.
func (c *Config) States(machine, name string) ([]string, bool) {
	if c == nil {
		return nil, false
	}
	states, there := c.machines[machine][name]
	return slices.Sorted(maps.Keys(states)), there
}

// Mock is what answers for a task's state in the test case that its execution
// runs; nil: the test case leaves the state to its integration. An execution
// whose test case is not in the file any more calls nobody.
func (c *Config) Mock(t integration.Task) integration.Handler {
	if _, there := c.States(t.TestCase.Machine, t.TestCase.Name); !there {
		return missing{}
	}
	if of := c.machines[t.TestCase.Machine][t.TestCase.Name][t.State]; of != nil {
		return of
	}
	return nil
}

// Call answers an invocation.
func (r *responses) Call(_ context.Context, t integration.Task) (value.Text, error) {
	for _, s := range r.spans {
		switch {
		case t.TestCase.Invocation > s.last:
		case s.failed != nil:
			return value.Text{}, s.failed
		case t.Action == "" && t.Service == "lambda":
			return payload(s.result), nil
		default:
			return s.result, nil
		}
	}
	return value.Text{}, runtime("The mocked response '%s' has no answer to invocation %d of the state '%s'.", r.name, t.TestCase.Invocation, t.State)
}

// payload is what a state that names a function gets of Lambda's answer: what
// the function answered. A response that is no answer of Lambda's is that
// itself.
func payload(answer value.Text) value.Text {
	v := answer.Decode()
	if of := v.Get("Payload"); v.Has("StatusCode") && !of.IsAbsent() {
		return of.Text()
	}
	return answer
}

// missing answers where nobody knows what was to be mocked.
type missing struct{}

func (missing) Call(_ context.Context, t integration.Task) (value.Text, error) {
	return value.Text{}, runtime("The mock configuration has no test case '%s' of the state machine '%s'.", t.TestCase.Name, t.TestCase.Machine)
}

// runtime is an error of the test, which no definition catches.
func runtime(format string, args ...any) error {
	return integration.NewError("States.Runtime", fmt.Sprintf(format, args...), integration.EffectNone)
}
