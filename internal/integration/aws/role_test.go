package aws

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/backstep/backstep/internal/integration"
)

// TestRoles: a task that names a role is signed for it, with credentials that
// are got once and again before they end.
func TestRoles(t *testing.T) {
	c := newCloud(t)
	h := New(Config{Region: "us-east-1", Lookup: environment{"AWS_ENDPOINT_URL": c.url}.lookup})
	r := new(integration.Registry)
	h.Register(r)
	credentials := func(until time.Time) string {
		return `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>session</SessionToken><Expiration>` +
			until.UTC().Format(time.RFC3339) + `</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
	}
	do := func() error {
		call := task("aws-sdk:sts:getCallerIdentity", `{}`)
		call.RoleARN = "arn:aws:iam::1:role/other"
		_, err := r.Find(call.Service, call.Action, integration.RequestResponse).Call(t.Context(), call)
		return err
	}
	for i, test := range []struct {
		until time.Duration
		calls int
	}{{time.Minute, 2}, {time.Hour, 2}, {time.Hour, 1}} {
		c.answer, c.calls = credentials(time.Now().Add(test.until)), 0
		if err := do(); err != nil || c.calls != test.calls {
			t.Errorf("%d: %d calls, %v, want %d", i, c.calls, err, test.calls)
		}
		if h := c.request.Header; !strings.Contains(h.Get("Authorization"), "Credential=ROLE/") || h.Get("X-Amz-Security-Token") != "session" {
			t.Errorf("%d: signed %v", i, h)
		}
	}
	h.client.roles = roles{}
	for answer, want := range map[string]string{
		`<AssumeRoleResponse/>`: "the answer has no credentials",
		`<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`: "no (Service: Sts, Status Code: 403, Request ID: r-1)",
	} {
		c.answer, c.status, c.calls = answer, 200, 0
		name := "Sts.SdkClientException"
		if strings.Contains(answer, "Denied") {
			c.status, name = 403, "States.Permissions"
		}
		got := failed(t, do())
		if got.Name != name || !strings.HasSuffix(got.Cause, "the role arn:aws:iam::1:role/other was not assumed: "+want) || got.Effect != integration.EffectNone || c.calls != 1 {
			t.Errorf("got %+v after %d calls", got, c.calls)
		}
	}
}

func TestRolesAreBounded(t *testing.T) {
	var r roles
	for i := range maxRoles + 10 {
		r.keep(strings.Repeat("r", i), aws.Credentials{})
	}
	if len(r.held) > maxRoles {
		t.Errorf("%d roles are kept", len(r.held))
	}
	if got := session(integration.Task{StepID: "aaaa-3:compensate/" + strings.Repeat("x", 100)}); !strings.HasPrefix(got, "aaaa-3-compensate-x") || len(got) != 55 {
		t.Errorf("session %s", got)
	}
}
