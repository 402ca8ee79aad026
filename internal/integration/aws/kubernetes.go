package aws

import (
	"context"
	"crypto/x509"
	"encoding/base64"
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

// kubernetes does the tasks that speak to the API server of a cluster of EKS:
// eks:call and eks:runJob. As with API Gateway, no hosts but EKS's are called,
// unless the environment names an endpoint in their place.
type kubernetes struct{ client *client }

// clusterHost is the host of a cluster's API server.
var clusterHost = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[a-z0-9-]+)*\.eks\.(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu)$`)

var kubernetesWords = words{prefix: "EKS"}

// The parameters that there are, beside those of every call of a cluster.
var (
	clusterFields = []string{"ClusterName", "CertificateAuthority", "Endpoint"}
	callFields    = []string{"Method", "Path", "QueryParameters", "RequestBody"}
	runJobFields  = []string{"Namespace", "Job", "LogOptions"}
)

// inquiry is one request to a cluster's API server.
type inquiry struct {
	method, path string
	query        url.Values
	body         string
}

// Call makes the task's call, or begins its job.
func (k *kubernetes) Call(ctx context.Context, t integration.Task) (value.Text, error) {
	c, err := k.cluster(t)
	var q inquiry
	if err == nil {
		if t.Action == "runJob" {
			q, err = c.creation()
		} else {
			q, err = c.inquiry()
		}
	}
	if err != nil {
		return value.Text{}, integration.BadParameters(t, err.Error())
	}
	told, err := c.ask(ctx, q)
	if err != nil && t.Action == "runJob" && c.ours(ctx, &told) {
		err = nil
	}
	if err != nil {
		return value.Text{}, err
	}
	return c.result(told.object())
}

// cluster is a cluster as a task's parameters name it.
type cluster struct {
	client *client
	task   integration.Task
	params value.Value
	base   string
	roots  *x509.CertPool
	name   string // of the job that is begun, where the task names it
}

// cluster reads what every task of a cluster says.
func (k *kubernetes) cluster(t integration.Task) (*cluster, error) {
	c := &cluster{client: k.client, task: t, params: t.Request.Decode(), roots: x509.NewCertPool()}
	fields := callFields
	if t.Action == "runJob" {
		fields = runJobFields
	}
	for name := range c.params.Members() {
		if !slices.Contains(clusterFields, name) && !slices.Contains(fields, name) {
			return nil, problem("The field '" + name + "' is not supported by Step Functions")
		}
	}
	for _, name := range clusterFields {
		if c.params.Get(name).AsString() == "" {
			return nil, problem("The field '" + name + "' is required but was missing")
		}
	}
	authority, err := base64.StdEncoding.DecodeString(c.params.Get("CertificateAuthority").AsString())
	if err != nil || !c.roots.AppendCertsFromPEM(authority) {
		return nil, problem("The value of the field 'CertificateAuthority' has an invalid format")
	}
	u, err := url.Parse(c.params.Get("Endpoint").AsString())
	at := k.client.endpoints.of(&model{ID: "Kubernetes"})
	switch {
	case at.named:
		c.base = at.url
	case err != nil || u.Scheme != "https" || u.Port() != "" || u.User != nil || !clusterHost.MatchString(u.Host):
		return nil, problem("The value of the field 'Endpoint' has an invalid format")
	default:
		c.base = "https://" + u.Host
	}
	return c, nil
}

// inquiry is what eks:call asks.
func (c *cluster) inquiry() (q inquiry, err error) {
	q = inquiry{method: c.params.Get("Method").AsString(), path: c.params.Get("Path").AsString(), query: url.Values{}}
	if !slices.Contains([]string{"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"}, q.method) {
		return q, problem("The value of the field 'Method' has an invalid format")
	}
	if u, err := url.Parse(q.path); err != nil || !strings.HasPrefix(q.path, "/") || u.Host != "" || strings.ContainsAny(q.path, "?#") {
		return q, problem("The value of the field 'Path' has an invalid format")
	}
	if q.query, err = lists(c.params.Get("QueryParameters"), "QueryParameters"); err != nil {
		return q, err
	}
	q.body = bodyText(c.params.Get("RequestBody"))
	return q, nil
}

// lists is an object of lists of texts.
func lists(of value.Value, name string) (url.Values, error) {
	all := url.Values{}
	for key, values := range of.Members() {
		if values.Kind() != value.Array {
			return nil, problem("The value of the field '" + name + "' has an invalid format")
		}
		for _, v := range values.Items() {
			all.Add(key, stringText(v))
		}
	}
	return all, nil
}

// bodyText is a body that is given as a text or as JSON.
func bodyText(v value.Value) string {
	switch v.Kind() {
	case value.Absent:
		return ""
	case value.String:
		return v.AsString()
	}
	return v.Text().String()
}

// answer is what an API server said.
type answer struct {
	status int
	reason string
	text   string
	body   value.Value // the text as JSON, where it is JSON
}

// object is an answer as results and causes have it.
func (a *answer) object() value.Value {
	b := value.NewBuilder(3)
	b.Set("ResponseBody", a.body)
	b.Set("StatusCode", value.NewInt(int64(a.status)))
	b.Set("StatusText", value.NewString(a.reason))
	return b.Object()
}

// ask asks once. An answer other than 2xx is an error as well, named by it.
func (c *cluster) ask(ctx context.Context, q inquiry) (told answer, err error) {
	address := c.base + escapePath(q.path, true)
	if len(q.query) > 0 {
		address += "?" + strings.ReplaceAll(q.query.Encode(), "+", "%20")
	}
	r, err := http.NewRequestWithContext(ctx, q.method, address, strings.NewReader(q.body))
	if err != nil {
		return told, kubernetesWords.clientError("Unable to send the request: the cluster's address is not valid", integration.EffectNone)
	}
	token, err := c.token(ctx)
	if ctx.Err() != nil {
		return told, fmt.Errorf("cluster %s: %w", c.params.Get("ClusterName").AsString(), ctx.Err())
	}
	if err != nil {
		return told, kubernetesWords.clientError("Unable to sign the request: "+err.Error(), integration.EffectNone)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/json, */*")
	if q.body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	} else {
		r.Header.Set("Content-Type", "application/json")
		if q.method == http.MethodPatch {
			r.Header.Set("Content-Type", "application/merge-patch+json")
		}
	}
	client := integration.NewClient(integration.ClientConfig{PerHost: 1, Roots: c.roots})
	defer client.Close()
	a, err := client.Exchange(r, integration.MaxResult)
	if err != nil {
		var failed *integration.SendError
		if ctx.Err() != nil || !errors.As(err, &failed) {
			return told, fmt.Errorf("cluster %s: %w", c.params.Get("ClusterName").AsString(), err)
		}
		return told, kubernetesWords.clientError("Unable to execute HTTP request: "+failed.Error(), failed.Effect())
	}
	told = answer{status: a.Status, reason: a.Reason}
	well := a.Status >= 200 && a.Status <= 299
	switch {
	case a.Cut && well:
		return told, integration.TooLarge(c.task)
	case a.Cut: // its status is enough
	case !utf8.Valid(a.Body):
		return told, kubernetesWords.clientError("Unable to read the response: it is no text", integration.EffectUnknown)
	case len(a.Body) > 0:
		told.text, told.body = string(a.Body), apiBody(string(a.Body))
	}
	if !well {
		err = integration.NewError("EKS."+strconv.Itoa(a.Status), told.object().Text().String(), a.Effect())
	}
	return told, err
}

// token is what a cluster knows the caller by: a request for the caller's own
// identity, signed for this cluster and a minute.
func (c *cluster) token(ctx context.Context) (string, error) {
	signer, err := c.client.signerOf(ctx, c.task)
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, Endpoint("sts", c.client.region)+"/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("X-K8s-Aws-Id", c.params.Get("ClusterName").AsString())
	signed, err := signer.presign(r, scope{service: "sts", region: c.client.region})
	return "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(signed)), err
}

// result is a value as the task's result, where it is not too large.
func (c *cluster) result(v value.Value) (value.Text, error) {
	text := v.Text()
	if text.Len() > integration.MaxResult {
		return value.Text{}, integration.TooLarge(c.task)
	}
	return text, nil
}
