package asl_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/internal/asl"
)

// shared is the folder of shared specifications, where it is at hand.
func shared(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("BACKSTEP_SHARED")
	if dir == "" {
		root, _ := os.Getwd()
		for root != "/" {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED: %s is missing; set BACKSTEP_SHARED", path)
	}
	return path
}

func check(text []byte, rules asl.Rules) []asl.Diagnostic {
	d, problems := asl.Parse(text)
	if d == nil {
		return problems
	}
	return append(problems, asl.Check(d, rules)...)
}

func refused(diagnostics []asl.Diagnostic) bool { return asl.Render(diagnostics) != "" }

// notOurs are definitions of the corpus whose judgement is not followed, with
// the reason: what AWS's documentation says, what AWS was recorded to answer,
// or that the file is not a definition. Names are matched by their ends.
var notOurs = []struct{ name, reason string }{
	{"invalid-jsonata-surround-syntax-no-spaces", `"the string must start with {% with no leading spaces, and must end with %} with no trailing spaces": none are asked for within`},
	{"definitions-valid-assign", "a variable's name is an identifier of Unicode's Annex 31, which has no hyphen"},
	{"valid-map-with-item-batcher-jsonata", "recorded: 'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine"},
	{"valid-task-credentials", "recorded: The field 'RoleArn' is required but was missing"},
	{"definition__Test-functions", "recorded: The field 'RoleArn' is required but was missing"},
	{"valid-task-intrisic-function", "CloudFormation's functions stand for values"},
	{"definition__Using-a-function", "CloudFormation's functions stand for values"},
	{"supervisor-agent-flow-template", "a template: its choice rule is {}"},
	{"supervisor-with-agentcore", "Arguments are a field of Task and Parallel states, and not of Map states"},
	{"step-functions-web-search-agent", "States.Default is none of the 18 intrinsic functions"},
	{"task_retry_reference_exception", "a test of what is refused: paths as numbers of a Retry"},
	{"choiceoperators-statemachines-template", "a template: the operator is to be replaced"},
	{"context_object_input_path", "a template: the path is to be replaced"},
	{"context_object_items_path", "a template: the path is to be replaced"},
	{"task_lambda_invoke_catch_tbd", "a template: ErrorEquals is empty"},
	{"map_item_reader_base_csv_headers_decl", "a template: the headers are to be replaced"},
	{"map_state_label_empty_fail", "a test of what is refused: an empty label"},
	{"map_state_label_too_long_fail", "a test of what is refused: a label of 41 characters, where 40 are allowed"},
	{"base_map_state_catch__ItemProcessor", "a processor, not a machine"},
	{"base_map_state_result_writer__ItemProcessor", "a processor, not a machine"},
}

func reasonAgainst(name string) string {
	for _, n := range notOurs {
		if strings.HasSuffix(name, n.name) {
			return n.reason
		}
	}
	return ""
}

// notRecognized is how AWS was recorded to refuse a resource that is not its.
const notRecognized = "is not recognized. The value is not a valid resource ARN"

// TestCorpus holds every definition of the corpus against its index: as the
// language, and as AWS, which knows no resources but its own.
func TestCorpus(t *testing.T) {
	dir := shared(t, "corpus")
	index, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var entries []struct{ Name, Kind, Expected, File string }
	if err := json.Unmarshal(index, &entries); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.File))
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind != "invalid" && e.Expected != "valid" {
			count[e.Expected]++
			continue
		}
		language := check(text, asl.Rules{Distributed: true, Serves: asl.OnAWS, Foreign: true})
		onAWS := check(text, asl.Rules{Distributed: true, Serves: asl.OnAWS})
		followed := refused(language) == (e.Kind == "invalid")
		switch reason := reasonAgainst(e.Name); {
		case followed && reason != "":
			t.Errorf("%s: is judged as the corpus judges it, for all that %s", e.File, reason)
		case reason != "":
			count["not ours"]++
		case !followed:
			t.Errorf("%s (%s): %s", e.File, e.Kind, asl.Render(language))
		case refused(language) == refused(onAWS):
			count[e.Kind]++
		case foreignAlone(onAWS):
			count["not AWS's"]++
		default:
			t.Errorf("%s (%s), on AWS: %s", e.File, e.Kind, asl.Render(onAWS))
		}
		for _, d := range append(language, onAWS...) {
			if d.Code == "" || d.Message == "" || d.Place == "" && d.Code != asl.MissingEndState {
				t.Errorf("%s: no code, message or place: %+v", e.File, d)
			}
		}
	}
	t.Logf("%v of %d", count, len(entries))
}

// foreignAlone reports whether errors are of resources alone that are none of
// AWS's.
func foreignAlone(diagnostics []asl.Diagnostic) bool {
	for _, d := range diagnostics {
		if d.Severity == asl.Error && !strings.Contains(d.Message, notRecognized) {
			return false
		}
	}
	return true
}

// TestRecorded holds what the service was recorded to accept and to say.
func TestRecorded(t *testing.T) {
	said := recordedTexts(t)
	accepted, told := 0, map[string]bool{}
	for _, k := range recordedCases(t) {
		key := k.ID[strings.Index(k.ID, "::")+2:]
		for _, definition := range k.created() {
			found := check(definition, asl.Rules{Distributed: true, Express: k.Type == "EXPRESS", Serves: asl.OnAWS})
			switch want := said[key]; {
			case want == "" && refused(found):
				t.Errorf("%s: %s\n%s", k.ID, asl.Render(found), definition)
			case want == "":
				accepted++
			case asl.Render(found) == want, refused(found) && string(found[0].Code) == want:
				told[key] = true
			default:
				t.Errorf("%s:\n got %s\nwant %s", k.ID, asl.Render(found), want)
			}
		}
	}
	own := ownTexts(t)
	for key, want := range said {
		if !told[key] && !own[want] {
			t.Errorf("nothing says %q", want)
		}
	}
	t.Logf("%d definitions accepted; %d of %d refusals met, and all of their texts", accepted, len(told), len(said))
}

// TestRecordedReferences holds the variableReferences that were recorded.
func TestRecordedReferences(t *testing.T) {
	count := 0
	for _, k := range recordedCases(t) {
		for _, answer := range k.Expected {
			var described struct {
				VariableReferences map[string][]string `json:"variableReferences"`
			}
			if json.Unmarshal(answer, &described) != nil || described.VariableReferences == nil {
				continue
			}
			d, _ := asl.Parse(k.created()[0])
			p, err := asl.Compile(d, asl.Rules{Distributed: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := p.VariableReferences(); !reflect.DeepEqual(got, described.VariableReferences) {
				t.Errorf("%s: %v, want %v", k.ID, got, described.VariableReferences)
			}
			count++
		}
	}
	t.Logf("%d answers", count)
}

// recordedCases are the recordings of the service itself.
func recordedCases(t *testing.T) []recordedCase {
	files, _ := filepath.Glob(filepath.Join(shared(t, "conformance/cases"), "*.json"))
	var all []recordedCase
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []recordedCase
		if err := json.Unmarshal(text, &cases); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, k := range cases {
			if k.Provenance == "aws" && len(k.Expected) > 0 {
				all = append(all, k)
			}
		}
	}
	return all
}

// ownTexts are the texts and codes that come of testdata/recorded.txtar, where
// the definitions stand that are not among the recordings.
func ownTexts(t *testing.T) map[string]bool {
	archive, err := txtar.ParseFile("testdata/recorded.txtar")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]bool{}
	for _, f := range archive.Files {
		for _, express := range []bool{false, true} {
			if found := check(f.Data, asl.Rules{Express: express, Serves: asl.OnAWS}); strings.HasSuffix(f.Name, ".json") && len(found) > 0 {
				texts[asl.Render(found)], texts[string(found[0].Code)] = true, true
			}
		}
	}
	return texts
}

type recordedCase struct {
	ID          string
	Provenance  string
	Expected    map[string]json.RawMessage
	Type        string `json:"workflow_type"`
	Definition  json.RawMessage
	Definitions map[string]json.RawMessage
	Steps       []struct {
		Call   string
		Params struct{ Definition json.RawMessage }
	}
}

// placeholder is what stands for a value of the run.
var placeholder = regexp.MustCompile(`\$\{[^}]*\}`)

// created are the definitions that the case creates machines of.
func (k recordedCase) created() [][]byte {
	var all [][]byte
	for _, step := range k.Steps {
		if step.Call != "stepfunctions.CreateStateMachine" && step.Call != "stepfunctions.ValidateStateMachineDefinition" {
			continue
		}
		var text []byte
		var name struct {
			JSON string `json:"$json"`
		}
		var literal string
		switch {
		case json.Unmarshal(step.Params.Definition, &literal) == nil:
			text = []byte(literal)
		case json.Unmarshal(step.Params.Definition, &name) != nil:
			continue
		default:
			text = k.Definitions[strings.TrimPrefix(name.JSON, "definitions.")]
			if text == nil {
				text = k.Definition
			}
		}
		all = append(all, placeholder.ReplaceAllFunc(text, func(p []byte) []byte {
			if strings.Contains(string(p), "activityArn") {
				return []byte("arn:aws:states:us-east-1:123456789012:activity:a")
			}
			return []byte("x")
		}))
	}
	return all
}

// recordedTexts are the messages of InvalidDefinition that were recorded, by
// the name of the test.
func recordedTexts(t *testing.T) map[string]string {
	text, err := os.ReadFile(shared(t, "corpus/aws-recorded-create-errors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rows [][3]string
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, row := range rows {
		key := row[0][strings.Index(row[0], "::")+2:]
		if i := strings.Index(row[2], "Invalid State Machine Definition"); i >= 0 {
			said[key] = strings.ReplaceAll(row[2][i:], "arn:<partition>:", "arn:aws:")
		} else if said[key] == "" {
			said[key] = row[2]
		}
	}
	return said
}
