package aws

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// client calls AWS's services. It may be used by many at once.
type client struct {
	catalog   *catalog
	http      *integration.Client
	endpoints endpoints
	signer    func() (*Signer, error) // with the credentials of AWS's own clients
	roles     roles
	self      *Signer // of requests to this server
	region    string
	strict    bool
}

// poolSize is the number of connections kept to one host.
const poolSize = 64

// maxAnswer bounds an answer's bytes: XML is longer than the result that it
// tells.
const maxAnswer = 4 * integration.MaxResult

// call is one call of an operation for a task.
type call struct {
	client    *client
	task      integration.Task
	model     *model
	operation *operation
	style     style
	words     words

	status int    // of the answer, where that was an error
	code   string // and its name
}

// do sends the call once and answers with the result's members and what is told
// of the answer.
func (c *call) do(ctx context.Context, params value.Value) (*value.Builder, integration.Metadata, error) {
	var meta integration.Metadata
	made, err := build(c.model, c.operation, params, c.token())
	if err != nil {
		return nil, meta, integration.BadParameters(c.task, err.Error())
	}
	request, err := c.request(ctx, made)
	if err != nil {
		return nil, meta, err
	}
	answer, err := c.client.http.Exchange(request, maxAnswer)
	if err != nil {
		return nil, meta, c.unsent(err)
	}
	if answer.Status < 200 || answer.Status > 299 || c.failsWithin(answer) {
		return nil, meta, c.refusal(answer)
	}
	if answer.Cut {
		return nil, meta, integration.TooLarge(c.task)
	}
	out, err := decode(c.model, c.operation, answer, c.style)
	if err != nil {
		return nil, meta, c.words.clientError("Unable to unmarshall response: "+err.Error(), integration.EffectUnknown)
	}
	return out, c.metadata(answer), nil
}

// result is a value as the task's result, where it is not too large.
func (c *call) result(v value.Value) (value.Text, error) {
	text := v.Text()
	if text.Len() > integration.MaxResult {
		return value.Text{}, integration.TooLarge(c.task)
	}
	return text, nil
}

// token is an idempotency token that stays the same however often the step is
// sent with the same parameters, so that the service takes it once. Services
// refuse a token that comes again with others, and answer one of a job that has
// failed with that job: who tries again wants another.
func (c *call) token() string {
	name := "client token\x00" + c.task.StepID + "\x00" + c.task.Request.String()
	if c.task.Earlier > 0 {
		name += "\x00" + strconv.Itoa(c.task.Earlier)
	}
	sum := sha256.Sum256([]byte(name))
	return integration.UUID([16]byte(sum[:16]), 4)
}

// request is the call as it goes out, signed.
func (c *call) request(ctx context.Context, made *request) (*http.Request, error) {
	at := c.client.endpoints.of(c.model)
	address, err := at.address(c.model, made)
	if err != nil {
		return nil, c.words.clientError("Unable to send the request: the endpoint's address is not valid", integration.EffectNone)
	}
	r, err := http.NewRequestWithContext(ctx, made.method, address.String(), strings.NewReader(made.body))
	if err != nil {
		return nil, c.words.clientError("Unable to send the request: the endpoint's address is not valid", integration.EffectNone)
	}
	if made.body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	r.Header = made.header
	if c.task.Trace != "" {
		r.Header.Set("X-Amzn-Trace-Id", c.task.Trace)
	}
	if c.operation.Unsigned {
		return r, nil
	}
	signer := c.client.self
	if !at.self {
		signer, err = c.client.signerOf(ctx, c.task)
	}
	if err == nil {
		err = signer.sign(r, made.body, scope{service: c.model.Signing, region: at.region, s3: c.model.S3})
	}
	if err != nil {
		return nil, c.unsigned(ctx, err)
	}
	return r, nil
}

// unsigned is the failure to sign a request; what the context ended goes on as
// it is.
func (c *call) unsigned(ctx context.Context, err error) error {
	var denied *integration.Error
	if errors.As(err, &denied) {
		return denied
	}
	if ctx.Err() != nil {
		return fmt.Errorf("service %s: %w", c.model.ID, ctx.Err())
	}
	return c.words.clientError("Unable to sign the request: "+err.Error(), integration.EffectNone)
}

// unsent is the failure of an exchange without an answer; what the context
// ended goes on as it is.
func (c *call) unsent(err error) error {
	var failed *integration.SendError
	if !errors.As(err, &failed) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("service %s: %w", c.model.ID, err)
	}
	return c.words.clientError("Unable to execute HTTP request: "+failed.Error(), failed.Effect())
}

// metadata is what optimised integrations tell of an answer. An answer whose
// headers do not tell the request's id tells it in its body.
func (c *call) metadata(a *integration.Answer) integration.Metadata {
	meta := integration.Metadata{Status: a.Status, Header: a.Header}
	if meta.RequestID() == "" && c.model.Protocol != "json" && c.model.Protocol != "rest-json" {
		if root, err := parseXML(a.Body); err == nil && root != nil {
			if id := first(root.child("ResponseMetadata").content("RequestId"), root.content("requestId")); id != "" {
				meta.Header.Set(integration.RequestIDHeader, id)
			}
		}
	}
	return meta
}
