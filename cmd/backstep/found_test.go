package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// booking calls the desk, and is found by its order and by what became of it.
const booking = `{"SearchAttributes": {"order": "$.order", "booked": "$.booked"}, "StartAt": "Book", "States": {"Book": {
	"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "Desk", "Payload": {"Order.$": "$.order"}},
	"OutputPath": "$.Payload", "End": true}}}`

const statusRules = keys + `status:
  web:
    machines: [Booking]
    tokens: ["${STATUS_TOKEN}"]
    output: [booked]
    retry_after: 3s
`

// An execution is found again by what it is about, by people and by a client of
// the company's own, while it runs, after its end, and after a restart.
func TestFoundAgain(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	const token = "a-token-of-the-web-shop"
	n := serveChild(t, statusRules+d.configuration(), "STATUS_TOKEN="+token)
	svc := newClient(n, keyID, secret)
	out, err := svc.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{Name: aws.String("Booking"), Definition: aws.String(booking), RoleArn: aws.String("arn:aws:iam::123456789012:role/r")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := svc.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: out.StateMachineArn, Name: aws.String("one"), Input: aws.String(`{"order": "held-1001"}`)}); err != nil {
		t.Fatal(err)
	}
	<-d.held
	n.status(t, "Booking/one", token, 202, `{"status":"RUNNING"}`)
	n.status(t, "Booking/two", token, 404, `{"message":"There is no such execution."}`)
	n.status(t, "Booking/one", "another-token-of-nobody", 401, `{"message":"This needs a token that is known here."}`)
	n.list(t, "Booking:one  RUNNING", "--where", `order = "held-1001"`)
	n.list(t, "", "--where", "booked = true")
	close(d.release)
	await(t, "the booking's end", func() bool {
		x, err := svc.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: aws.String(strings.Replace(*out.StateMachineArn, "stateMachine", "execution", 1) + ":one")})
		return err == nil && x.Status == types.ExecutionStatusSucceeded
	})
	for range 2 {
		n.status(t, "Booking/one", token, 200, `{"status":"SUCCEEDED","output":{"booked":true}}`)
		n.list(t, "Booking:one  SUCCEEDED", "--where", `order = "held-1001" and booked = true`)
		n.list(t, "Booking:one  SUCCEEDED", "--where", `booked = "true"`, "--machine", "Booking", "--status", "SUCCEEDED")
		n.list(t, "", "--where", `booked = true`, "--status", "RUNNING")
		n.stop(t)
		n = serveFrom(t, n.data, statusRules+d.configuration(), "STATUS_TOKEN="+token)
	}
	if said := n.said.String(); strings.Contains(said, token) {
		t.Errorf("the token is in the log: %s", said)
	}
}

// status asks a server for the status of an execution.
func (n *node) status(t *testing.T, of, token string, status int, body string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, n.url+"/status/"+of, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status || strings.TrimSpace(string(text)) != body {
		t.Errorf("%s: %d %s, %v", of, answer.StatusCode, text, err)
	}
	if wait := answer.Header.Get("Retry-After"); (wait == "3") != (status == http.StatusAccepted) {
		t.Errorf("%s: %d, Retry-After %q", of, status, wait)
	}
}

// list runs the verb, which lists one execution, or none.
func (n *node) list(t *testing.T, want string, args ...string) {
	t.Helper()
	c, said := command(t, []string{"AWS_ACCESS_KEY_ID=" + keyID, "AWS_SECRET_ACCESS_KEY=" + secret, "BACKSTEP_ENDPOINT=" + n.url}, append([]string{"list"}, args...)...)
	text, err := c.Output()
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err != nil || want == "" && len(lines) != 1 || want != "" && (len(lines) != 2 || !strings.HasPrefix(lines[1], want)) {
		t.Errorf("list %q: %v\n%s%s", args, err, text, said)
	}
}

// A server that is AWS and nothing more has no search attributes; validate says so
// beforehand.
func TestStrictlyAWSHasNoSearchAttributes(t *testing.T) {
	t.Parallel()
	n := serveChild(t, "strict_aws: true\n"+openDesk(t).configuration())
	_, err := newClient(n, "any", "any").CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{Name: aws.String("Booking"), Definition: aws.String(booking), RoleArn: aws.String("arn:aws:iam::123456789012:role/r")})
	if !is[*types.InvalidDefinition](err) || !strings.Contains(err.Error(), "Field 'SearchAttributes' is not supported") {
		t.Errorf("created: %v", err)
	}
	for flag, want := range map[string]int{"--strict-aws": 1, "--json": 0} {
		c, said := command(t, nil, "validate", flag, "-")
		c.Stdin = strings.NewReader(booking)
		text, _ := c.Output()
		if got := c.ProcessState.ExitCode(); got != want || (want == 1) != strings.Contains(string(text), "SearchAttributes") {
			t.Errorf("validate %s: exit %d\n%s%s", flag, got, text, said)
		}
	}
}
