package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// gateway does the tasks that call an API of API Gateway: apigateway:invoke.
// Nothing but hosts of API Gateway is called, unless the environment names an
// endpoint in their place; that one gets every call.
type gateway struct{ client *client }

// gatewayHost is an API's host.
var gatewayHost = regexp.MustCompile(`^[a-z0-9]+(-vpce-[a-z0-9]+)?\.execute-api\.[a-z0-9-]+\.amazonaws\.(com|com\.cn|eu)$`)

var gatewayWords = words{prefix: "ApiGateway"}

// Call calls an API and answers with its headers, body and status.
func (g *gateway) Call(ctx context.Context, t integration.Task) (value.Text, error) {
	in, err := readInvocation(t)
	if err != nil {
		return value.Text{}, integration.BadParameters(t, err.Error())
	}
	request, err := g.request(ctx, in)
	if err != nil {
		return value.Text{}, err
	}
	answer, err := g.client.http.Exchange(request, integration.MaxResult)
	if err != nil {
		var failed *integration.SendError
		if ctx.Err() != nil || !errors.As(err, &failed) {
			return value.Text{}, fmt.Errorf("API %s: %w", in.host, err)
		}
		return value.Text{}, gatewayWords.clientError("Unable to execute HTTP request: "+failed.Error(), failed.Effect())
	}
	return gatewayResult(t, answer)
}

// invocation is the parameters of a call of an API.
type invocation struct {
	task   integration.Task
	host   string
	method string
	path   string // escaped, with the stage before it
	query  url.Values
	header http.Header
	body   string
	signed bool
}

// gatewayFields are the parameters that there are.
var gatewayFields = []string{"ApiEndpoint", "Method", "Headers", "Stage", "Path", "QueryParameters", "RequestBody", "AllowNullValues", "AuthType"}

func readInvocation(t integration.Task) (*invocation, error) {
	params := t.Request.Decode()
	if params.Kind() != value.Object {
		return nil, problem("The parameters are not an object")
	}
	for name := range params.Members() {
		if !slices.Contains(gatewayFields, name) {
			return nil, problem("The field '" + name + "' is not supported by Step Functions")
		}
	}
	for _, name := range []string{"ApiEndpoint", "Method"} {
		if params.Get(name).AsString() == "" {
			return nil, problem("The field '" + name + "' is required but was missing")
		}
	}
	in := &invocation{task: t, host: params.Get("ApiEndpoint").AsString(), method: params.Get("Method").AsString(), query: url.Values{}, header: http.Header{}}
	if !slices.Contains([]string{"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"}, in.method) {
		return nil, problem("The value of the field 'Method' has an invalid format")
	}
	if err := in.lists(params); err != nil {
		return nil, err
	}
	switch params.Get("AuthType").AsString() {
	case "", "NO_AUTH":
	case "IAM_ROLE", "RESOURCE_POLICY":
		in.signed = true
	default:
		return nil, problem("The value of the field 'AuthType' has an invalid format")
	}
	for _, name := range []string{"Stage", "Path"} {
		if part := strings.Trim(stringText(params.Get(name)), "/"); params.Has(name) && part != "" {
			in.path += "/" + escapePath(part, true)
		}
	}
	in.bodyOf(params)
	return in, nil
}

// lists reads what has several values under each name: headers and query.
func (in *invocation) lists(params value.Value) error {
	for name, to := range map[string]func(name, v string){"Headers": in.header.Add, "QueryParameters": in.query.Add} {
		given := params.Get(name)
		if given.Kind() != value.Object && given.Kind() != value.Null && !given.IsAbsent() {
			return problem("The value of the field '" + name + "' has an invalid format")
		}
		for each, values := range given.Members() {
			if values.Kind() != value.Array || name == "Headers" && blockedHeader(each) {
				return problem("The value of the field '" + name + "' has an invalid format")
			}
			for _, v := range values.Items() {
				to(each, stringText(v))
			}
		}
	}
	return nil
}

// blockedHeaders are what a definition may not set.
var blockedHeaders = []string{
	"Authorization", "Connection", "Content-Length", "Content-Md5", "Expect", "Host", "Max-Forwards", "Proxy-Authenticate", "Server", "Te",
	"Trailer", "Transfer-Encoding", "Upgrade", "Via", "Www-Authenticate",
}

func blockedHeader(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return slices.Contains(blockedHeaders, name) || strings.HasPrefix(name, "X-Forwarded") || strings.HasPrefix(name, "X-Amz")
}

// bodyOf sets the body: JSON, without what is null unless the task allows it.
func (in *invocation) bodyOf(params value.Value) {
	body := params.Get("RequestBody")
	if body.IsAbsent() {
		return
	}
	if !params.Get("AllowNullValues").AsBool() {
		body = withoutNulls(body)
	}
	if body.IsAbsent() {
		return
	}
	in.body = body.Text().String()
	if in.header.Get("Content-Type") == "" {
		in.header.Set("Content-Type", "application/json")
	}
}

// withoutNulls is a value without members that are null.
func withoutNulls(v value.Value) value.Value {
	switch v.Kind() {
	case value.Null:
		return value.Value{}
	case value.Object:
		b := value.NewBuilder(v.Len())
		for name, each := range v.Members() {
			b.Set(name, withoutNulls(each))
		}
		return b.Object()
	case value.Array:
		items := make([]value.Value, 0, v.Len())
		for _, each := range v.Items() {
			if each = withoutNulls(each); !each.IsAbsent() {
				items = append(items, each)
			}
		}
		return value.NewArray(items)
	}
	return v
}

// request is the call as it goes out.
func (g *gateway) request(ctx context.Context, in *invocation) (*http.Request, error) {
	base := "https://" + in.host
	at := g.client.endpoints.of(&model{ID: "API Gateway"})
	switch {
	case at.named:
		base = at.url
	case !gatewayHost.MatchString(in.host):
		return nil, integration.BadParameters(in.task, "The value of the field 'ApiEndpoint' has an invalid format")
	}
	address := base + first(in.path, "/")
	if len(in.query) > 0 {
		address += "?" + strings.ReplaceAll(in.query.Encode(), "+", "%20")
	}
	r, err := http.NewRequestWithContext(ctx, in.method, address, strings.NewReader(in.body))
	if err != nil {
		return nil, gatewayWords.clientError("Unable to send the request: the API's address is not valid", integration.EffectNone)
	}
	r.Header, r.Host = in.header, in.host
	if in.body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	if !g.client.strict {
		in.task.SetHeaders(r.Header)
	}
	if !in.signed {
		return r, nil
	}
	signer, err := g.client.signerOf(ctx, in.task)
	if err == nil {
		err = signer.sign(r, in.body, scope{service: "execute-api", region: g.client.region})
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("API %s: %w", in.host, ctx.Err())
	}
	var denied *integration.Error
	if errors.As(err, &denied) {
		return nil, denied
	}
	if err != nil {
		return nil, gatewayWords.clientError("Unable to sign the request: "+err.Error(), integration.EffectNone)
	}
	return r, nil
}

// gatewayResult is an API's answer as the task's result, or as its failure,
// which is named by the status.
func gatewayResult(t integration.Task, a *integration.Answer) (value.Text, error) {
	if a.Status < 200 || a.Status > 299 {
		cause := a.Reason
		if len(a.Body) > 0 {
			cause = string(a.Body)
		}
		return value.Text{}, integration.NewError("ApiGateway."+strconv.Itoa(a.Status), cause, a.Effect())
	}
	if a.Cut {
		return value.Text{}, integration.TooLarge(t)
	}
	if !utf8.Valid(a.Body) {
		return value.Text{}, integration.NewError("ApiGateway.SdkClientException", "Unable to read the response: it is no text", integration.EffectUnknown)
	}
	b := value.NewBuilder(4)
	b.Set("Headers", integration.HeaderLists(a.Header))
	if len(a.Body) > 0 {
		b.Set("ResponseBody", apiBody(string(a.Body)))
	}
	b.Set("StatusCode", value.NewInt(int64(a.Status)))
	b.Set("StatusText", value.NewString(a.Reason))
	text := b.Object().Text()
	if text.Len() > integration.MaxResult {
		return value.Text{}, integration.TooLarge(t)
	}
	return text, nil
}

// apiBody is a body as JSON, or, where it is none, as text.
func apiBody(body string) value.Value {
	if text, err := value.Check(body); err == nil {
		return text.Decode()
	}
	return value.NewString(body)
}
