package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

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
	out, _, _ := strings.Cut(commanded(t, "verify --sarif order.asl.json accepted.asl.json sideBySide.asl.json"), "exit 1\n")
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
