package jsonpath_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

// shared is the folder of recordings and definitions beside the repository.
// Where it is not to be had the test is skipped.
func shared(t *testing.T, parts ...string) string {
	t.Helper()
	folder := os.Getenv("BACKSTEP_SHARED")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(append([]string{folder}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED: %s is not here (BACKSTEP_SHARED names the folder)", path)
	}
	return path
}

// TestRecordedIntrinsics gives the recorded inputs of Pass states with an
// intrinsic function to ours, and compares with the recorded outputs.
func TestRecordedIntrinsics(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared(t, "conformance", "cases"), "intrinsic_functions__*.json"))
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, file := range files {
		if strings.Contains(file, "jsonata") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases(parse(string(text))) {
			compared += replay(t, c)
		}
	}
	if compared < 40 {
		t.Errorf("only %d recordings were compared", compared)
	}
}

// cases are the cases of a file, which is a list of them or holds one.
func cases(file value.Value) []value.Value {
	if file.Kind() == value.Array {
		return file.Items()
	}
	return file.Get("cases").Items()
}

// replay compares each execution of a case, and tells how many there were.
func replay(t *testing.T, c value.Value) (compared int) {
	var text string
	for _, state := range c.Get("definition").Get("States").Items() {
		text = state.Get("Parameters").Get("FunctionResult.$").AsString()
	}
	if text == "" || strings.Contains(text, "$$.") || strings.Contains(text, "MathRandom") || strings.Contains(text, "UUID") {
		return 0
	}
	e, err := jsonpath.CompileExpression(text)
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return 0
	}
	for key, recorded := range c.Get("expected").Members() {
		input, output := ends(recorded)
		if !strings.Contains(key, "hist") || input.IsAbsent() || output.IsAbsent() {
			continue
		}
		got, err := e.Eval(&scope{input: input}, &counter{})
		if want := output.Get("FunctionResult"); err != nil || !value.Equal(got, want) {
			t.Errorf("%s of %s: %s, %v; recorded %s", text, input.Text(), got.Text(), err, want.Text())
		}
		compared++
	}
	return compared
}

// ends are the input of the first state and the output of a recorded history.
func ends(history value.Value) (input, output value.Value) {
	for _, event := range history.Get("events").Items() {
		if details := event.Get("stateEnteredEventDetails"); !details.IsAbsent() && input.IsAbsent() {
			input = payload(details.Get("input"))
		}
		if details := event.Get("executionSucceededEventDetails"); !details.IsAbsent() {
			output = payload(details.Get("output"))
		}
	}
	return input, output
}

// payload is a recorded payload, which is a text or what the text means.
func payload(v value.Value) value.Value {
	if t, err := value.Check(v.AsString()); err == nil {
		return t.Decode()
	}
	return v
}

// unusual are definitions that the service would refuse: one calls a function
// that doesn't exist, the others are templates of definitions.
var unusual = regexp.MustCompile(`States\.Default\(|"ConditionTrue"`)

// TestPathsOfRealDefinitions compiles every ".$" member of the definitions
// that are known to be right.
func TestPathsOfRealDefinitions(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared(t, "corpus"), "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	compiled := 0
	for _, file := range files {
		if filepath.Base(filepath.Dir(file)) == "invalid" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(text) || unusual.Match(text) {
			continue
		}
		compiled += compileAll(t, filepath.Base(file), parse(string(text)))
	}
	if compiled < 500 {
		t.Errorf("only %d expressions were compiled", compiled)
	}
}

// compileAll compiles the expressions within v, and tells how many there are.
func compileAll(t *testing.T, file string, v value.Value) (n int) {
	for i, member := range v.Items() {
		switch {
		case v.Kind() == value.Object && v.NameAt(i) == "Result": // stays as it is
		case v.Kind() == value.Object && strings.HasSuffix(v.NameAt(i), ".$") && member.Kind() == value.String:
			if _, err := jsonpath.CompileExpression(member.AsString()); err != nil {
				t.Errorf("%s: %s: %v: %s", file, v.NameAt(i), err, member.Text())
			}
			n++
		default:
			n += compileAll(t, file, member)
		}
	}
	return n
}
