package lambda

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// remote is a function, or all functions, of another server: a URL of its own,
// or a Lambda endpoint. Both speak Lambda's Invoke.
type remote struct {
	client *integration.Client
	url    string // of the function, or of the endpoint
	signer Signer
	lambda bool // an endpoint
	strict bool
}

func newURL(f Function, strict bool) *remote {
	if f.Concurrency == 0 {
		f.Concurrency = poolSize
	}
	client := integration.NewClient(integration.ClientConfig{PerHost: f.Concurrency})
	return &remote{client: client, url: f.URL, strict: strict}
}

func newEndpoint(c Config) *remote {
	client := integration.NewClient(integration.ClientConfig{PerHost: poolSize})
	return &remote{client: client, url: strings.TrimRight(c.Endpoint, "/"), signer: c.Signer, lambda: true, strict: c.StrictAWS}
}

func (r *remote) close(context.Context) { r.client.Close() }

// invoke sends the invocation once.
func (r *remote) invoke(ctx context.Context, in *invocation) (*outcome, error) {
	request, err := r.request(ctx, in)
	if err != nil {
		return nil, err
	}
	answer, err := r.client.Exchange(request, integration.MaxResult)
	if err != nil {
		return nil, sendFailure(err)
	}
	if answer.Status < 200 || answer.Status > 299 {
		return nil, refusal(answer, in)
	}
	out := &outcome{
		status:  answer.Status,
		payload: string(answer.Body),
		cut:     answer.Cut,
		resent:  answer.Resent,
		failed:  answer.Header.Get("X-Amz-Function-Error") != "",
		logs:    answer.Header.Get("X-Amz-Log-Result"),
	}
	if r.lambda {
		out.header = answer.Header
	}
	return out, nil
}

func (r *remote) request(ctx context.Context, in *invocation) (*http.Request, error) {
	target := r.url
	if r.lambda {
		target += "/2015-03-31/functions/" + url.PathEscape(in.function.given) + "/invocations"
		if in.function.qualifier != "" && !strings.HasSuffix(in.function.given, ":"+in.function.qualifier) {
			target += "?Qualifier=" + url.QueryEscape(in.function.qualifier)
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(in.payload))
	if err != nil {
		return nil, clientError("Unable to send the request: the address is not valid", integration.EffectNone)
	}
	r.describe(request.Header, in)
	if r.signer != nil {
		if err := r.signer.Sign(request, []byte(in.payload), "lambda"); err != nil {
			return nil, clientError("Unable to sign the request: "+err.Error(), integration.EffectNone)
		}
	}
	return request, nil
}

// describe sets the headers of an invocation.
func (r *remote) describe(h http.Header, in *invocation) {
	h.Set("Content-Type", "application/json")
	if in.kind != "" {
		h.Set("X-Amz-Invocation-Type", in.kind)
	}
	if in.logTail {
		h.Set("X-Amz-Log-Type", "Tail")
	}
	if in.task.Trace != "" {
		h.Set("X-Amzn-Trace-Id", in.task.Trace)
	}
	if !r.lambda && !r.strict {
		in.task.SetHeaders(h)
	}
	if client := in.clientContext(r.strict || !r.lambda); client != "" {
		h.Set("X-Amz-Client-Context", base64.StdEncoding.EncodeToString([]byte(client)))
	}
}

// sendFailure is the failure of an exchange without an answer; what the
// context ended goes on as it is.
func sendFailure(err error) error {
	var failed *integration.SendError
	if !errors.As(err, &failed) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return clientError("Unable to execute HTTP request: "+failed.Error(), failed.Effect())
}

// refusal is the failure of an invocation that was answered with an error.
func refusal(a *integration.Answer, in *invocation) error {
	var told value.Value
	if text, err := value.Check(string(a.Body)); err == nil {
		told = text.Decode()
	}
	code, _, _ := strings.Cut(a.Header.Get("X-Amzn-ErrorType"), ":")
	if code == "" {
		code = codes[a.Status]
	}
	if code == "" {
		code = "AWSLambdaException"
	}
	message := told.Get("Message").AsString()
	if message == "" {
		message = told.Get("message").AsString()
	}
	if message == "" {
		message = a.Reason
	}
	id := a.Header.Get(integration.RequestIDHeader)
	if id == "" {
		id = in.id
	}
	return serviceError(a.Status, code, message, id, a.Effect())
}
