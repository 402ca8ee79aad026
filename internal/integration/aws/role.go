package aws

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// roles keeps the credentials of the roles that tasks name in their
// Credentials. It may be used by many at once.
type roles struct {
	mu   sync.Mutex
	held map[string]aws.Credentials // by ARN
}

// Bounds of what is kept, and how long before their end credentials are no
// longer used.
const (
	maxRoles   = 1000
	roleMargin = 5 * time.Minute
)

// take is a role's credentials, where they are held and will hold for a while.
func (r *roles) take(role string, now time.Time) (aws.Credentials, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.held[role]
	return c, ok && c.Expires.After(now.Add(roleMargin))
}

// keep holds a role's credentials.
func (r *roles) keep(role string, c aws.Credentials) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.held) >= maxRoles || r.held == nil {
		r.held = map[string]aws.Credentials{}
	}
	r.held[role] = c
}

// signerOf is who signs a task's requests: the server, or the role that the
// task names.
func (c *client) signerOf(ctx context.Context, t integration.Task) (*Signer, error) {
	own, err := c.signer()
	if err != nil || t.RoleARN == "" {
		return own, err
	}
	held, ok := c.roles.take(t.RoleARN, own.now())
	if !ok {
		if held, err = c.assume(ctx, t); err != nil {
			return nil, err
		}
		c.roles.keep(t.RoleARN, held)
	}
	return newSigner(credentials.StaticCredentialsProvider{Value: held}, c.region, own.now), nil
}

// assume gets a role's credentials. Who may not have them hears
// States.Permissions.
func (c *client) assume(ctx context.Context, t integration.Task) (aws.Credentials, error) {
	var none aws.Credentials
	m, o, err := c.catalog.operation("sts", "assumeRole")
	if err != nil {
		return none, err
	}
	role := t.RoleARN
	t.RoleARN = ""
	params := value.NewObject(
		value.Member{Name: "RoleArn", Value: value.NewString(role)},
		value.Member{Name: "RoleSessionName", Value: value.NewString("backstep-" + session(t))})
	asked := &call{client: c, task: t, model: m, operation: o, style: sdkStyle, words: sdkWords(m)}
	out, _, err := asked.do(ctx, params)
	var failed *integration.Error
	if errors.As(err, &failed) {
		why := "the role " + role + " was not assumed: " + failed.Cause
		if asked.status == http.StatusForbidden {
			return none, integration.NewError("States.Permissions", why, integration.EffectNone)
		}
		return none, errors.New(why)
	}
	if err != nil {
		return none, err
	}
	got := out.Get("Credentials")
	until, ok := parseTime(got.Get("Expiration"))
	if !ok || got.Get("AccessKeyId").AsString() == "" {
		return none, errors.New("the role " + role + " was not assumed: the answer has no credentials")
	}
	return aws.Credentials{
		AccessKeyID: got.Get("AccessKeyId").AsString(), SecretAccessKey: got.Get("SecretAccessKey").AsString(),
		SessionToken: got.Get("SessionToken").AsString(), CanExpire: true, Expires: until,
	}, nil
}

// session names what a role is assumed for: at most 64 characters with the
// prefix before it.
func session(t integration.Task) string {
	id := []byte(t.StepID)
	for i, b := range id {
		if !isUpper(b) && !isLower(b) && !isDigit(b) && b != '-' {
			id[i] = '-'
		}
	}
	return string(id[:min(len(id), 55)])
}
