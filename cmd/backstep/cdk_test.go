package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

const cdk = "testdata/cdk"

// TestCDKSynthesis has the AWS CDK, as the lock says, make the template of
// testdata/cdk/app.mjs, and holds the one that TestCDK deploys against it.
func TestCDKSynthesis(t *testing.T) {
	t.Parallel()
	dir := npmFolder(t, "the AWS CDK", cdk, "app.mjs")
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience) // it is a large program
	defer cancel()
	synth := exec.CommandContext(ctx, "node", "app.mjs", t.TempDir())
	synth.Dir, synth.Stderr = dir, os.Stderr
	synth.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	got, err := synth.Output()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(cdk, "template.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, kept) {
		t.Errorf("%s/template.json is not what app.mjs makes by now:\n%s", cdk, got)
	}
}

// TestCDK deploys the CDK's template as CloudFormation does, its functions
// resolved, and takes orders through all that it knows.
func TestCDK(t *testing.T) {
	t.Parallel()
	d, parcels := openDesk(t), t.TempDir()
	file := []byte(`[{"parcel": "a"}, {"parcel": "b"}, {"parcel": "c"}, {"parcel": "d"}, {"parcel": "e"}]`)
	if err := os.WriteFile(filepath.Join(parcels, "today.json"), file, 0o644); err != nil {
		t.Fatal(err)
	}
	n := serveChild(t, d.configuration()+"buckets:\n  parcels: {folder: \""+parcels+"\"}\n")
	s := &sdk{newClient(n, "any", "any"), t.Context(), d}
	stack := readTemplate(t)
	stack.deploy(t, s, "receipt")
	order := stack.deploy(t, s, "order")

	out := s.ended(t, s.start(t, order, "good", `{"order": "good", "items": ["tea", "bad egg", "jam"], "file": "today.json"}`))
	var result struct {
		Reserved []json.RawMessage
		Packed   []struct {
			Order  string
			Booked bool
		}
		Shipped struct {
			MapRunArn           string
			ResultWriterDetails struct{ Bucket, Key string }
		}
		Print struct{ Receipt string }
	}
	if err := json.Unmarshal([]byte(aws.ToString(out.Output)), &result); err != nil {
		t.Fatalf("%v: %s: %s: %v", out.Status, aws.ToString(out.Error), aws.ToString(out.Cause), err)
	}
	if got := string(result.Reserved[0]) + string(result.Reserved[1]); got != `{"booked":true,"order":"good"}{"items":3}` {
		t.Errorf("reserved: %s", got)
	}
	if p := result.Packed; len(p) != 3 || p[0].Order != "tea" || !p[2].Booked || p[1].Booked {
		t.Errorf("packed: %+v", p)
	}
	if result.Print.Receipt != "GOOD" {
		t.Errorf("the receipt is for %s", result.Print.Receipt)
	}
	run, err := s.DescribeMapRun(s.ctx, &sfn.DescribeMapRunInput{MapRunArn: &result.Shipped.MapRunArn})
	if err != nil || run.ItemCounts.Succeeded != 5 || run.ExecutionCounts.Succeeded != 3 || run.Status != types.MapRunStatusSucceeded {
		t.Errorf("the map run is %+v: %v", run, err)
	}
	if _, err := os.Stat(filepath.Join(parcels, result.Shipped.ResultWriterDetails.Key)); err != nil {
		t.Errorf("what came of the parcels is not in the bucket: %v", err)
	}
	history, _ := s.history(t, out.ExecutionArn)
	told := strings.Join(history, " ")
	for _, event := range []string{"ParallelStateSucceeded", "MapIterationSucceeded", "MapRunSucceeded", "TaskSubmitted", "LambdaFunctionSucceeded"} {
		if !strings.Contains(told, event) {
			t.Errorf("no %s in the history %s", event, told)
		}
	}

	out = s.ended(t, s.start(t, order, "refused", `{"order": "bad", "items": [1]}`))
	if aws.ToString(out.Error) != "OrderRefused" || aws.ToString(out.Cause) != "the desk did not want it" {
		t.Errorf("refused: %v, %s: %s", out.Status, aws.ToString(out.Error), aws.ToString(out.Cause))
	}
	out = s.ended(t, s.start(t, order, "empty", `{"order": "empty", "items": []}`))
	if aws.ToString(out.Error) != "OrderEmpty" {
		t.Errorf("empty: %v, %s", out.Status, aws.ToString(out.Error))
	}
}

// cloudFormation is a template, with as much of CloudFormation as it takes to
// deploy what is the business of Step Functions in it.
type cloudFormation struct {
	Resources map[string]struct {
		Type       string
		Properties map[string]json.RawMessage
	}
}

func readTemplate(t *testing.T) *cloudFormation {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(cdk, "template.json"))
	if err != nil {
		t.Fatal(err)
	}
	stack := new(cloudFormation)
	if err := json.Unmarshal(text, stack); err != nil {
		t.Fatal(err)
	}
	return stack
}

// deploy creates the state machine of a name.
func (c *cloudFormation) deploy(t *testing.T, s *sdk, name string) *string {
	t.Helper()
	for id, r := range c.Resources {
		if r.Type != "AWS::StepFunctions::StateMachine" || c.property(t, id, "StateMachineName") != name {
			continue
		}
		definition := c.property(t, id, "DefinitionString")
		out, err := s.CreateStateMachine(s.ctx, &sfn.CreateStateMachineInput{
			Name: &name, Definition: &definition, RoleArn: aws.String(c.property(t, id, "RoleArn")),
		})
		return must(t, out, err).StateMachineArn
	}
	t.Fatalf("no state machine %s in the template", name)
	return nil
}

func (c *cloudFormation) property(t *testing.T, id, name string) string {
	t.Helper()
	return c.resolve(t, c.Resources[id].Properties[name])
}

// resolve is a text as CloudFormation makes it of Ref, Fn::GetAtt and Fn::Join.
func (c *cloudFormation) resolve(t *testing.T, text json.RawMessage) string {
	t.Helper()
	var literal string
	if json.Unmarshal(text, &literal) == nil {
		return literal
	}
	var function struct {
		Ref    string
		GetAtt []string          `json:"Fn::GetAtt"`
		Join   []json.RawMessage `json:"Fn::Join"`
	}
	if err := json.Unmarshal(text, &function); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	switch {
	case len(function.Join) == 2:
		var parts []json.RawMessage
		if err := json.Unmarshal(function.Join[1], &parts); err != nil {
			t.Fatal(err)
		}
		all := make([]string, len(parts))
		for i, part := range parts {
			all[i] = c.resolve(t, part)
		}
		return strings.Join(all, c.resolve(t, function.Join[0]))
	case len(function.GetAtt) == 2 && function.GetAtt[1] == "Arn":
		return c.arn(t, function.GetAtt[0])
	case function.Ref == "AWS::Partition":
		return "aws"
	}
	switch c.Resources[function.Ref].Type {
	case "AWS::S3::Bucket":
		return c.property(t, function.Ref, "BucketName")
	case "AWS::StepFunctions::StateMachine":
		return c.arn(t, function.Ref)
	}
	t.Fatalf("nobody knows what this is: %s", text)
	return ""
}

// arn is a resource's ARN.
func (c *cloudFormation) arn(t *testing.T, id string) string {
	t.Helper()
	switch kind := c.Resources[id].Type; kind {
	case "AWS::Lambda::Function":
		return "arn:aws:lambda:us-east-1:123456789012:function:" + c.property(t, id, "FunctionName")
	case "AWS::StepFunctions::StateMachine":
		return "arn:aws:states:us-east-1:123456789012:stateMachine:" + c.property(t, id, "StateMachineName")
	case "AWS::IAM::Role":
		return "arn:aws:iam::123456789012:role/" + id
	default:
		t.Fatalf("nobody knows the ARN of a %s", kind)
		return ""
	}
}
