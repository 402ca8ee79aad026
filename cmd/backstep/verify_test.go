package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/internal/cli"
)

var updateVerify = flag.Bool("update-verify", false, "rewrite the expectations of testdata/verify.txtar")

// verify runs a command line of verify, and gives what it prints, its errors
// behind "2> ", and its exit code where it is not 0.
func verify(t *testing.T, line string) string {
	t.Helper()
	line, file, redirected := strings.Cut(line, " < ")
	stdin := &bytes.Buffer{}
	if redirected {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		stdin.Write(text)
	}
	var stdout, stderr bytes.Buffer
	code := cli.Run(t.Context(), strings.Fields(line), cli.Tools{Stdin: stdin, Stdout: &stdout, Stderr: &stderr, Version: "v1.2.3", Prover: prover{}})
	out := stdout.String()
	for line := range strings.Lines(stderr.String()) {
		out += "2> " + line
	}
	if code != cli.ExitYes {
		out += fmt.Sprintf("exit %d\n", code)
	}
	return out
}

// TestVerify runs testdata/verify.txtar: a section whose name begins with "$ " is
// a command line and what comes of it, any other one a file.
func TestVerify(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/verify.txtar")
	if err != nil {
		t.Fatal(err)
	}
	path, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for i, f := range archive.Files {
		line, command := strings.CutPrefix(f.Name, "$ ")
		if !command {
			if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got := verify(t, line)
		if got != string(f.Data) && !*updateVerify {
			t.Errorf("%s\n--- got\n%s--- want\n%s", f.Name, got, f.Data)
		}
		archive.Files[i].Data = []byte(got)
	}
	if *updateVerify {
		if err := os.WriteFile(path+"/testdata/verify.txtar", txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sarifLog is what code scanning reads of SARIF.
type sarifLog struct {
	Schema  string `json:"$schema"`
	Version string
	Runs    []struct {
		Tool struct {
			Driver struct {
				Name  string
				Rules []struct {
					ID                   string
					ShortDescription     struct{ Text string }
					Help                 struct{ Text, Markdown string }
					DefaultConfiguration struct{ Level string }
				}
			}
		}
		Invocations []struct {
			ExecutionSuccessful        bool
			ToolExecutionNotifications []struct{ Message struct{ Text string } }
		}
		Results []struct {
			RuleID    string `json:"ruleId"`
			RuleIndex int
			Level     string
			Message   struct{ Text string }
			Locations []struct {
				PhysicalLocation struct {
					ArtifactLocation struct{ URI string }
					Region           struct{ StartLine, StartColumn int }
				}
			}
			CodeFlows []struct {
				ThreadFlows []struct {
					Locations []struct {
						Location struct{ Message struct{ Text string } }
					}
				}
			}
			PartialFingerprints map[string]string
			Suppressions        []struct{ Kind, Justification string }
		}
	}
}

// TestSARIF holds what --sarif prints against what SARIF 2.1.0 and code scanning
// require.
func TestSARIF(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/verify.txtar")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, f := range archive.Files {
		if !strings.HasPrefix(f.Name, "$ ") {
			if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, _, _ := strings.Cut(verify(t, "verify --sarif order.asl.json accepted.asl.json sideBySide.asl.json"), "exit 1\n")
	var log sarifLog
	if err := json.Unmarshal([]byte(out), &log); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if log.Version != "2.1.0" || !strings.Contains(log.Schema, "2.1.0") || len(log.Runs) != 1 {
		t.Fatalf("version %s, schema %s, %d runs", log.Version, log.Schema, len(log.Runs))
	}
	run := log.Runs[0]
	rules := run.Tool.Driver.Rules
	if run.Tool.Driver.Name != "backstep" || len(rules) != 20 || !run.Invocations[0].ExecutionSuccessful {
		t.Errorf("%s has %d rules", run.Tool.Driver.Name, len(rules))
	}
	for i, r := range rules {
		if r.ID != fmt.Sprintf("SAGA%03d", i+1) || r.ShortDescription.Text == "" || r.Help.Text == "" || r.Help.Markdown == "" ||
			r.DefaultConfiguration.Level != "error" && r.DefaultConfiguration.Level != "warning" {
			t.Errorf("rule %d: %+v", i, r)
		}
	}
	suppressed, flows := 0, 0
	fingerprints := map[string]bool{}
	for _, r := range run.Results {
		at := r.Locations[0].PhysicalLocation
		if rules[r.RuleIndex].ID != r.RuleID || r.Message.Text == "" || at.ArtifactLocation.URI == "" || at.Region.StartLine < 1 || at.Region.StartColumn < 1 {
			t.Errorf("result: %+v", r)
		}
		key := at.ArtifactLocation.URI + r.PartialFingerprints["ruleStateStep/v1"]
		if fingerprints[key] {
			t.Errorf("two results have the fingerprint %s", key)
		}
		fingerprints[key] = true
		for _, s := range r.Suppressions {
			suppressed++
			if s.Kind != "external" || s.Justification == "" {
				t.Errorf("suppression: %+v", s)
			}
		}
		for _, f := range r.CodeFlows {
			flows++
			if len(f.ThreadFlows[0].Locations) == 0 || f.ThreadFlows[0].Locations[0].Location.Message.Text == "" {
				t.Errorf("flow: %+v", f)
			}
		}
	}
	if suppressed == 0 || flows == 0 || len(run.Invocations[0].ToolExecutionNotifications) != 1 {
		t.Errorf("%d suppressed, %d flows, notifications %v", suppressed, flows, run.Invocations[0].ToolExecutionNotifications)
	}
}
