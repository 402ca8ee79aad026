package mock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/integration"
)

const example = `{
	"StateMachines": {"M": {"TestCases": {"Happy": {"B": "Ok", "A": "Retry"}, "Real": {}, "Late": {"A": "None"}}}},
	"MockedResponses": {
		"Ok": {"0": {"Return": {"StatusCode": 200, "Payload": {"n": 1}}}},
		"Retry": {"0": {"Throw": {"Error": "E", "Cause": "c"}}, "3": {"Return": null}, "1-2": {"Throw": {"Error": "F"}}},
		"None": {}}}`

func read(t *testing.T, text string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "MockConfigFile.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Read(path)
}

func TestInvocationsAreAnsweredByTheirNumbers(t *testing.T) {
	c, err := read(t, example)
	if err != nil {
		t.Fatal(err)
	}
	if states, there := c.States("M", "Happy"); !there || !slices.Equal(states, []string{"A", "B"}) {
		t.Errorf("%v, %v", states, there)
	}
	for _, of := range [][2]string{{"M", "Sad"}, {"N", "Happy"}} {
		if _, there := c.States(of[0], of[1]); there {
			t.Errorf("%v is there", of)
		}
	}
	for _, k := range []struct {
		state, name      string
		invocation       int
		service, action  string
		want, errorCause string
	}{
		{"B", "Happy", 0, "lambda", "invoke", `{"StatusCode":200,"Payload":{"n":1}}`, ""},
		{"B", "Happy", 0, "lambda", "", `{"n":1}`, ""}, // named by its ARN, a function's own answer is the result
		{"A", "Happy", 0, "sqs", "sendMessage", "", "E: c"},
		{"A", "Happy", 1, "sqs", "sendMessage", "", "F: "},
		{"A", "Happy", 2, "sqs", "sendMessage", "", "F: "},
		{"A", "Happy", 3, "sqs", "sendMessage", `null`, ""},
		{"A", "Happy", 3, "lambda", "", `null`, ""},
		{"A", "Happy", 4, "sqs", "sendMessage", "", "States.Runtime: The mocked response 'Retry' has no answer to invocation 4 of the state 'A'."},
		{"A", "Late", 0, "sqs", "sendMessage", "", "States.Runtime: The mocked response 'None' has no answer to invocation 0 of the state 'A'."},
		{"A", "Gone", 0, "sqs", "sendMessage", "", "States.Runtime: The mock configuration has no test case 'Gone' of the state machine 'M'."},
	} {
		task := integration.Task{Service: k.service, Action: k.action, State: k.state, TestCase: integration.TestCase{Machine: "M", Name: k.name, Invocation: k.invocation}}
		got, err := c.Mock(task).Call(context.Background(), task)
		var failed *integration.Error
		switch {
		case k.errorCause == "" && (err != nil || got.String() != k.want):
			t.Errorf("%+v: %s, %v", k, got, err)
		case k.errorCause != "" && (!errors.As(err, &failed) || failed.Error() != k.errorCause):
			t.Errorf("%+v: %s, %v", k, got, err)
		}
	}
	real := integration.Task{State: "A", TestCase: integration.TestCase{Machine: "M", Name: "Real"}}
	if h := c.Mock(real); h != nil {
		t.Errorf("a state that is not mocked is answered by %v", h)
	}
	if h := (*Config)(nil).Mock(real); h == nil {
		t.Error("without a configuration, a test case calls services")
	}
}

// TestMistakesAreTold: all of a file's at once, each with its place.
func TestMistakesAreTold(t *testing.T) {
	for text, want := range map[string]string{
		`{`:  "is no JSON: ",
		`[]`: "the configuration must be an object|MockedResponses is missing|StateMachines is missing",
		`{"StateMachines": {}, "MockedResponse": {}}`: "the configuration has an unknown member MockedResponse; there are StateMachines, MockedResponses|MockedResponses is missing",
		`{"StateMachines": {"M": {}, "N": {"TestCases": {"C": 1, "D": {"A": 1, "B": "None"}}, "Cases": 1}}, "MockedResponses": {}}`: "StateMachines.M.TestCases is missing|StateMachines.N has an unknown member Cases; there are TestCases|StateMachines.N.TestCases.C must be an object|" +
			"StateMachines.N.TestCases.D.A must be the name of a mocked response|StateMachines.N.TestCases.D.B names the mocked response None, which is not among MockedResponses",
		`{"StateMachines": {}, "MockedResponses": {"R": {"1": {"Return": 1}, "3-4": {"Return": 1}}}}`: `MockedResponses.R has no answer to invocation 0; the next is "1"|MockedResponses.R has no answer to invocation 2; the next is "3-4"`,
		`{"StateMachines": {}, "MockedResponses": {"R": {"0-2": {"Return": 1}, "2": {"Return": 1}}}}`: `MockedResponses.R answers invocation 2 twice: by "0-2" and by "2"`,
		`{"StateMachines": {}, "MockedResponses": {"R": {"2-1": {"Return": 1}, "x": {}, "0": {}}}}`: `MockedResponses.R has the range "2-1", which ends before it begins|` +
			`MockedResponses.R has the key "x", which is neither a number of an invocation ("0") nor a range of them ("1-2")|MockedResponses.R.0 must have either a Return or a Throw`,
		`{"StateMachines": {}, "MockedResponses": {"R": {"0": {"Return": 1, "Throw": {}}, "1": 1, "2": {"Throw": {"Cause": "c"}}, "3": {"Throw": {"Error": "E", "Cause": 1, "Why": ""}}}}}`: "MockedResponses.R.0 must have either a Return or a Throw|" +
			"MockedResponses.R.1 must be an object|MockedResponses.R.2.Throw must have an Error and a Cause that are strings|" +
			"MockedResponses.R.3.Throw has an unknown member Why; there are Error, Cause|MockedResponses.R.3.Throw must have an Error and a Cause that are strings",
	} {
		_, err := read(t, text)
		if err == nil {
			t.Errorf("%s was taken", text)
			continue
		}
		var told []string
		for line := range strings.SplitSeq(err.Error(), "\n") {
			_, problem, _ := strings.Cut(line, "MockConfigFile.json: ")
			told = append(told, problem)
		}
		if got := strings.Join(told, "|"); got != want && !(strings.HasSuffix(want, ": ") && strings.HasPrefix(got, want)) {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was read")
	}
}

var _ integration.Mocks = (*Config)(nil)
