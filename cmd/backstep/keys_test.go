package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	keys   = "keys:\n  " + keyID + ": " + secret + "\n"

	badSignature = "InvalidSignatureException"
	noSignature  = "MissingAuthenticationTokenException"
)

// A server with keys takes what the SDK signs with one of them, from its
// synchronous host too, and nothing that is signed with another.
func TestKeysAndTheSDK(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	n := serveChild(t, keys+d.configuration())
	s := &sdk{newClient(n, keyID, secret), context.Background(), d}
	t.Run("order", s.order)
	t.Run("express", s.express)
	for _, key := range []struct{ id, secret string }{{keyID, "wrong"}, {"AKIDUNKNOWN", secret}} {
		_, err := newClient(n, key.id, key.secret).ListStateMachines(s.ctx, &sfn.ListStateMachinesInput{})
		var refused smithy.APIError
		if !errors.As(err, &refused) || refused.ErrorCode() != badSignature {
			t.Errorf("%s: %v, want %s", key.id, err, badSignature)
		}
	}
}

// tampered is a start, and what was done to it before it was signed and after.
type tampered struct {
	name   string
	at     time.Duration // how far the client's clock is off
	secret string
	change func(*http.Request)
	status int
	code   string
}

// Requests that no client sends of itself are refused, and change nothing.
func TestKeysRefuse(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	n := serveChild(t, keys+d.configuration())
	s := &sdk{newClient(n, keyID, secret), context.Background(), d}
	machine := s.create(t, "order", "order", "STANDARD")
	for _, c := range []tampered{
		{name: "right", status: 200},
		{name: "right, 4 minutes ago", at: -4 * time.Minute, status: 200},
		{name: "a wrong secret", secret: "wrong", status: 403, code: badSignature},
		{name: "a body changed after signing", change: otherBody, status: 403, code: badSignature},
		{name: "16 minutes ago", at: -16 * time.Minute, status: 403, code: badSignature},
		{name: "16 minutes ahead", at: 16 * time.Minute, status: 403, code: badSignature},
		{name: "another operation than was signed", change: func(r *http.Request) {
			r.Header.Set("X-Amz-Target", "AWSStepFunctions.DeleteStateMachine")
		}, status: 403, code: badSignature},
		{name: "not signed", change: func(r *http.Request) { r.Header.Del("Authorization") }, status: 403, code: noSignature},
	} {
		status, code := c.send(t, n, *machine)
		if status != c.status || code != c.code {
			t.Errorf("%s: %d %s, want %d %s", c.name, status, code, c.status, c.code)
		}
	}
	listed, err := s.ListExecutions(s.ctx, &sfn.ListExecutionsInput{StateMachineArn: machine})
	if err != nil {
		t.Fatal(err)
	}
	if len(listed.Executions) != 2 {
		t.Errorf("%d executions have started, want the two right ones", len(listed.Executions))
	}
}

// otherBody replaces the body by one of the same length.
func otherBody(r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(strings.Replace(string(body), `1`, `9`, 1)))
}

// send makes the request and gives the answer's status and error code.
func (c tampered) send(t *testing.T, n *node, machine string) (status int, code string) {
	t.Helper()
	body := `{"input":"{\"price\":1}","stateMachineArn":"` + machine + `"}`
	r, err := http.NewRequest(http.MethodPost, n.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AWSStepFunctions.StartExecution")
	credentials := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	if c.secret != "" {
		credentials.SecretAccessKey = c.secret
	}
	sum := sha256.Sum256([]byte(body))
	err = v4.NewSigner().SignHTTP(context.Background(), credentials, r, hex.EncodeToString(sum[:]), "states", "us-east-1", time.Now().Add(c.at))
	if err != nil {
		t.Fatal(err)
	}
	if c.change != nil {
		c.change(r)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var refused struct {
		Type string `json:"__type"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&refused); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, refused.Type
}
