package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/cli/drawing"
)

var update = flag.Bool("update", false, "rewrite the expectations of testdata")

// TestScripts runs testdata/*.txtar against a real house in memory, where the
// flags name no other server. A section whose name begins with "$ " is a
// command line, with "tty$ " one at a terminal; what stands in it
// is what comes of it: standard output, standard error behind "2> ", and the
// exit code where it is not 0. "< FILE" behind the command is its standard
// input. "await EXECUTION STATUS" waits until the execution's sagas stand so,
// "await EXECUTION waits TEXT" until it waits for such a thing.
// Machine.asl.json is a state machine of the house, any other section a
// file of the folder where the commands run.
func TestScripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txtar")
	if len(files) == 0 {
		t.Fatal("no scripts")
	}
	for _, name := range []string{"BACKSTEP_ENDPOINT", "BACKSTEP_REGION", "BACKSTEP_ACCOUNT", "BACKSTEP_LISTEN", "BACKSTEP_DATA", "BACKSTEP_POSTGRES", "BACKSTEP_CONFIG"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	for _, file := range files {
		path, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runScript(t, path) })
	}
}

func runScript(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	house := newHouse(t)
	for i, f := range archive.Files {
		line, terminal := strings.CutPrefix(f.Name, "tty$ ")
		if what, is := strings.CutPrefix(f.Name, "await "); is {
			await(t, house, what)
			continue
		}
		if !terminal {
			var command bool
			if line, command = strings.CutPrefix(f.Name, "$ "); !command {
				place(t, house, f)
				continue
			}
		}
		got := run(t, house, line, terminal)
		if got != string(f.Data) && !*update {
			t.Errorf("%s\n--- got\n%s--- want\n%s", f.Name, got, f.Data)
		}
		archive.Files[i].Data = []byte(got)
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// await waits until the sagas of an execution stand so, or until one of the lines
// that tell what it waits for has the text behind "waits ".
func await(t *testing.T, house api.Service, what string) {
	t.Helper()
	name, status, _ := strings.Cut(what, " ")
	arn := "arn:aws:states:us-east-1:123456789012:execution:" + name
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		stands, err := standing(t.Context(), house, arn, status)
		if stands {
			return
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

func standing(ctx context.Context, house api.Service, arn, status string) (bool, error) {
	text, waits := strings.CutPrefix(status, "waits ")
	if !waits {
		s, err := house.DescribeSaga(ctx, &api.DescribeSagaInput{ExecutionArn: arn})
		return err == nil && string(s.SagaStatus) == status, err
	}
	out, err := house.ExplainExecution(ctx, &api.ExplainExecutionInput{ExecutionArn: arn})
	return err == nil && slices.ContainsFunc(out.Waits, func(w api.ExecutionWait) bool { return strings.Contains(w.Line, text) }), err
}

// place puts a section where it belongs: into the house, or into the folder.
func place(t *testing.T, house api.Service, f txtar.File) {
	t.Helper()
	if name, ok := strings.CutSuffix(f.Name, ".asl.json"); ok && api.ValidName(name) {
		_, err := house.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{
			Name: name, Definition: string(f.Data), RoleArn: "arn:aws:iam::123456789012:role/test",
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs a command line, and is what came of it as scripts have it.
func run(t *testing.T, house api.Service, line string, terminal bool) string {
	t.Helper()
	args, stdin := split(t, line)
	var stdout, stderr bytes.Buffer
	tools := cli.Tools{
		Stdin: stdin, Stdout: &stdout, Stderr: &stderr, Terminal: terminal, Interactive: terminal, Version: "v1.2.3", Validate: validate, TestState: testState, Graph: described,
		Connect: func(endpoint, region string) (api.Service, error) {
			if endpoint == client.DefaultEndpoint {
				return house, nil
			}
			return client.New(client.Config{Endpoint: endpoint, Region: region})
		},
		Serve: func(_ context.Context, flags cli.Serve) error {
			if flags.Config == "" {
				return &cli.UsageError{Err: fmt.Errorf("serve was asked for %+v", flags)}
			}
			return fmt.Errorf("the store has stopped")
		},
	}
	code := cli.Run(t.Context(), args, tools)
	time.Sleep(2 * time.Millisecond) // starts of one millisecond, as the house counts them, are in no order
	var out strings.Builder
	out.WriteString(masked(stdout.String()))
	for line := range strings.Lines(masked(stderr.String())) {
		out.WriteString("2> " + line)
	}
	if code != cli.ExitYes {
		fmt.Fprintf(&out, "exit %d\n", code)
	}
	return out.String()
}

// split takes a command line apart as a shell does that knows blanks, single
// quotes and <.
func split(t *testing.T, line string) (args []string, stdin *bytes.Reader) {
	t.Helper()
	line, file, redirected := strings.Cut(line, " < ")
	stdin = bytes.NewReader(nil)
	if redirected {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		stdin = bytes.NewReader(text)
	}
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	return args, stdin
}

// masks hide what differs from run to run.
var masks = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`), "$$DATE"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "$$DATE"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "$$DATE"},
	{regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{3}`), "$$TIME"},
	{regexp.MustCompile(`([dD]ate|timestamp|since)": ?\d{10}(\.\d+)?`), `$1": $$DATE`},
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "$$UUID"},
	{regexp.MustCompile(`/\S*/TestScripts\w+/\d+`), "$$DIR"},
	{regexp.MustCompile(`\b(\d+ms|\d+\.\d+s|0s)\b`), "$$TOOK"},
	{regexp.MustCompile(`(✓ \w+) \ds\b`), "$1 $$TOOK"},
	{regexp.MustCompile(`\b[a-z2-7]{26}-`), "$$ID-"},
	{regexp.MustCompile(`(?m)^[0-9a-f]{16}\b`), "$$NODE"},
	{regexp.MustCompile(`"node": "[0-9a-f]{16}"`), `"node": "$$NODE"`},
}

func masked(text string) string {
	for _, m := range masks {
		text = m.what.ReplaceAllString(text, m.by)
	}
	return text
}

// described tells what would be drawn, instead of a drawing.
func described(d drawing.Drawing) (string, error) {
	trail, err := json.MarshalIndent(d.Trail, "", " ")
	return fmt.Sprintf("%s of %q, %s, %d bytes: %s\n", d.Format, d.Title, d.Direction, len(d.Definition), trail), err
}
