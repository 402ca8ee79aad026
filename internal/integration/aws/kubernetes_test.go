package aws

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// apiServer is a cluster's API server: it has the answers that it was given, by
// method and path, and keeps what it was asked.
type apiServer struct {
	*httptest.Server
	answers map[string]string // "404 {…}" for another status than 200
	asked   []string
	header  http.Header
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	s := &apiServer{answers: map[string]string{}}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		request := r.Method + " " + r.URL.RequestURI()
		s.asked = append(s.asked, strings.TrimSpace(request+" "+string(body)))
		s.header = r.Header
		answer := s.answers[request]
		var status int
		if n, _ := fmt.Sscanf(answer, "%d", &status); n == 1 && status >= 100 && status < 600 && strings.HasPrefix(answer[3:]+" ", " ") {
			w.WriteHeader(status)
			answer = strings.TrimSpace(answer[3:])
		}
		io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s
}

// open is a registry whose clusters are the server.
func (s *apiServer) open(t *testing.T, strict bool) *integration.Registry {
	t.Helper()
	h := New(Config{Region: "eu-west-1", Lookup: environment{"AWS_ENDPOINT_URL_KUBERNETES": s.URL}.lookup, StrictAWS: strict})
	t.Cleanup(h.Close)
	r := new(integration.Registry)
	h.Register(r)
	return r
}

// with is parameters of a task of this cluster.
func (s *apiServer) with(members string) string {
	return s.withAuthority(s.Certificate().Raw, members)
}

func (s *apiServer) withAuthority(certificate []byte, members string) string {
	authority := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	return `{"ClusterName":"MyCluster","CertificateAuthority":"` + authority + `","Endpoint":"https://A1.gr7.eu-west-1.eks.amazonaws.com",` + members + `}`
}

// stranger is a certificate of nobody's.
func stranger(t *testing.T) []byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func TestClusterCalls(t *testing.T) {
	s := newAPIServer(t)
	r := s.open(t, true)
	s.answers["GET /api/v1/namespaces/default/pods?labelSelector=job-name%3Dx%20y"] = `{"items":[]}`
	got, err := do(t, r, "eks:call", s.with(`"Method":"GET","Path":"/api/v1/namespaces/default/pods","QueryParameters":{"labelSelector":["job-name=x y"]}`))
	if err != nil || got != `{"ResponseBody":{"items":[]},"StatusCode":200,"StatusText":"OK"}` {
		t.Errorf("%s, %v; asked %q", got, err, s.asked)
	}
	bearer, is := strings.CutPrefix(s.header.Get("Authorization"), "Bearer k8s-aws-v1.")
	signed, err := base64.RawURLEncoding.DecodeString(bearer)
	u, bad := url.Parse(string(signed))
	if !is || err != nil || bad != nil || u.Host != "sts.eu-west-1.amazonaws.com" || u.Query().Get("Action") != "GetCallerIdentity" || u.Query().Get("X-Amz-Expires") != "60" ||
		u.Query().Get("X-Amz-SignedHeaders") != "host;x-k8s-aws-id" || len(u.Query().Get("X-Amz-Signature")) != 64 {
		t.Errorf("the token is %s, %v, %v", signed, err, bad)
	}
	if _, err := do(t, r, "eks:call", s.with(`"Method":"PATCH","Path":"/a b","RequestBody":"{\"a\":1}"`)); err != nil || s.asked[1] != `PATCH /a%20b {"a":1}` || s.header.Get("Content-Type") != "application/merge-patch+json" {
		t.Errorf("%v; asked %q", err, s.asked)
	}
	if _, err := do(t, r, "eks:call", s.with(`"Method":"POST","Path":"/a","RequestBody":{"a":1}`)); err != nil || s.asked[2] != `POST /a {"a":1}` {
		t.Errorf("%v; asked %q", err, s.asked)
	}
	s.answers["GET /secret"] = `401 {"code":401}`
	_, err = do(t, r, "eks:call", s.with(`"Method":"GET","Path":"/secret"`))
	if got := failed(t, err); got.Name != "EKS.401" || got.Cause != `{"ResponseBody":{"code":401},"StatusCode":401,"StatusText":"Unauthorized"}` || got.Effect != integration.EffectNone {
		t.Errorf("%+v", got)
	}
	s.answers["GET /long"] = strings.Repeat("x", integration.MaxResult+1)
	_, err = do(t, r, "eks:call", s.with(`"Method":"GET","Path":"/long"`))
	if got := failed(t, err); got.Name != "States.DataLimitExceeded" || got.Effect != integration.EffectDone {
		t.Errorf("%+v", got)
	}
	s.answers["GET /refused"] = "422 " + strings.Repeat("x", integration.MaxResult+1)
	_, err = do(t, r, "eks:call", s.with(`"Method":"GET","Path":"/refused"`))
	if got := failed(t, err); got.Name != "EKS.422" || got.Effect != integration.EffectNone {
		t.Errorf("%+v", got)
	}
	s.answers["GET /bytes"] = "\xff"
	_, err = do(t, r, "eks:call", s.with(`"Method":"GET","Path":"/bytes"`))
	if got := failed(t, err); got.Name != "EKS.SdkClientException" {
		t.Errorf("%+v", got)
	}
}

// TestClustersRefused: nothing but clusters of EKS is called, and them by their
// own certificates alone.
func TestClustersRefused(t *testing.T) {
	s := newAPIServer(t)
	h := New(Config{Region: "eu-west-1"})
	r := new(integration.Registry)
	h.Register(r)
	good := s.with(`"Method":"GET","Path":"/a"`)
	host := "A1.gr7.eu-west-1.eks.amazonaws.com"
	for request, problem := range map[string]string{
		`{}`: "The field 'ClusterName' is required but was missing",
		strings.Replace(good, "https://", "http://", 1):                    "The value of the field 'Endpoint' has an invalid format",
		strings.Replace(good, host, "169.254.169.254", 1):                  "The value of the field 'Endpoint' has an invalid format",
		strings.Replace(good, host, host+".evil.example", 1):               "The value of the field 'Endpoint' has an invalid format",
		strings.Replace(good, host, host+":6443", 1):                       "The value of the field 'Endpoint' has an invalid format",
		strings.Replace(good, `Authority":"`, `Authority":"AAAA`, 1):       "The value of the field 'CertificateAuthority' has an invalid format",
		strings.Replace(good, `"/a"`, `"//evil.example/a"`, 1):             "The value of the field 'Path' has an invalid format",
		strings.Replace(good, `"/a"`, `"/a?b=c"`, 1):                       "The value of the field 'Path' has an invalid format",
		strings.Replace(good, `"GET"`, `"TRACE"`, 1):                       "The value of the field 'Method' has an invalid format",
		strings.Replace(good, `"Method"`, `"Header":1,"Method"`, 1):        "The field 'Header' is not supported by Step Functions",
		strings.Replace(good, `"/a"`, `"/a","QueryParameters":{"a":1}`, 1): "The value of the field 'QueryParameters' has an invalid format",
	} {
		_, err := do(t, r, "eks:call", request)
		if got := failed(t, err); got.Name != "States.Runtime" || !strings.HasSuffix(got.Cause, ": ["+problem+"]") {
			t.Errorf("%s: %+v", request, got)
		}
	}
	for job, problem := range map[string]string{
		`"Namespace":"n"`: "The field 'Job' is required but was missing",
		`"Job":"{"`:       "The value of the field 'Job' has an invalid format",
		`"Job":{},"LogOptions":{"LogParameters":{"tailLines":6}}`: "The value of the field 'LogOptions.LogParameters' has an invalid format",
	} {
		_, err := do(t, s.open(t, true), "eks:runJob", s.with(job))
		if got := failed(t, err); got.Name != "States.Runtime" || !strings.HasSuffix(got.Cause, ": ["+problem+"]") {
			t.Errorf("%s: %+v", job, got)
		}
	}
	_, err := do(t, s.open(t, true), "eks:call", s.withAuthority(stranger(t), `"Method":"GET","Path":"/a"`))
	if got := failed(t, err); got.Name != "EKS.SdkClientException" || !strings.Contains(got.Cause, "certificate") || len(s.asked) > 0 {
		t.Errorf("%+v, asked %q", got, s.asked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	call := task("eks:call", good)
	if _, err := s.open(t, true).Find("eks", "call", integration.RequestResponse).Call(ctx, call); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s.Close()
	_, err = do(t, s.open(t, true), "eks:call", good)
	if got := failed(t, err); got.Name != "EKS.SdkClientException" {
		t.Errorf("%+v", got)
	}
}

func TestClusterJobs(t *testing.T) {
	s := newAPIServer(t)
	r := s.open(t, false)
	const jobs = "/apis/batch/v1/namespaces/default/jobs"
	p := poller(t, r, "eks:runJob")
	sub := integration.Submission{Age: time.Hour, Task: task("eks:runJob", s.with(`"LogOptions":{"RetrieveLogs":true,"LogParameters":{"tailLines":["6"]}},"Job":{"kind":"Job","metadata":{"name":"pi","labels":{"a":"b"}}}`))}
	sub.Pattern = integration.Sync
	s.answers["POST "+jobs] = `201 {"metadata":{"name":"pi"}}`
	begin := func() error {
		var err error
		sub.Answer, err = p.Call(t.Context(), sub.Task)
		return err
	}
	if err := begin(); err != nil || s.asked[0] != `POST `+jobs+` {"kind":"Job","metadata":{"name":"pi","labels":{"a":"b","backstep-step":"aaaa-3.0"}}}` {
		t.Fatalf("%v; asked %q", err, s.asked)
	}
	// Sent again, it is found by its label; somebody else's is not taken for it.
	s.answers["POST "+jobs] = `409 {"reason":"AlreadyExists"}`
	s.answers["GET "+jobs+"/pi"] = `{"metadata":{"name":"pi","labels":{"backstep-step":"aaaa-3.0"}}}`
	if err := begin(); err != nil || at(sub.Answer.Decode(), "ResponseBody.metadata.name").AsString() != "pi" {
		t.Errorf("%s, %v", sub.Answer, err)
	}
	if _, over, err := p.Poll(t.Context(), sub); over || err != nil {
		t.Errorf("%v, %v", over, err)
	}
	answer := sub.Answer
	sub.Earlier = 1
	if got := failed(t, begin()); got.Name != "EKS.409" {
		t.Errorf("%+v", got)
	}
	sub.Earlier, sub.Answer = 0, answer

	const done = `{"metadata":{"name":"pi"},"status":{"conditions":[{"type":"Suspended","status":"False"},{"type":"%s","status":"True"}]}}`
	s.answers["GET "+jobs+"/pi"] = fmt.Sprintf(done, "Complete")
	s.answers["GET /api/v1/namespaces/default/pods?labelSelector=job-name%3Dpi"] = `{"items":[{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c"},{"name":"d"}]}}]}`
	s.answers["GET /api/v1/namespaces/default/pods/p/log?container=c&tailLines=6"] = `{"line": 1}`
	s.answers["GET /api/v1/namespaces/default/pods/p/log?container=d&tailLines=6"] = `404 {"code":404}`
	got, over, err := p.Poll(t.Context(), sub)
	logs := got.Decode().Get("logs").Text().String()
	if !over || err != nil || logs != `{"pods":{"p":{"containers":{"c":{"log":{"line":1}},"d":{"error":"EKS.404","cause":"{\"ResponseBody\":{\"code\":404},\"StatusCode\":404,\"StatusText\":\"Not Found\"}"}}}}}` {
		t.Errorf("%s, %v, %v", got, over, err)
	}
	raw := sub
	raw.Request = value.Checked(strings.Replace(sub.Request.String(), `"RetrieveLogs":true`, `"RetrieveLogs":true,"RawLogs":true`, 1))
	if got, _, err := p.Poll(t.Context(), raw); err != nil || at(got.Decode(), "logs.pods.p.containers.c.log").AsString() != `{"line": 1}` {
		t.Errorf("%s, %v", got, err)
	}
	delete(s.answers, "GET /api/v1/namespaces/default/pods?labelSelector=job-name%3Dpi")
	s.answers["GET /api/v1/namespaces/default/pods?labelSelector=job-name%3Dpi"] = `403 {}`
	s.answers["GET "+jobs+"/pi"] = fmt.Sprintf(done, "Failed")
	_, over, err = p.Poll(t.Context(), sub)
	if f := failed(t, err); over || f.Name != "States.TaskFailed" || at(value.Checked(f.Cause).Decode(), "logs.error").AsString() != "EKS.403" {
		t.Errorf("%+v", f)
	}

	for _, test := range []struct {
		age    time.Duration
		answer string
		final  bool
	}{{time.Hour, "503", false}, {time.Hour, "429", false}, {time.Hour, "404", true}, {time.Second, "404", false}} {
		s.answers["GET "+jobs+"/pi"] = test.answer
		sub.Age = test.age
		_, over, err := p.Poll(t.Context(), sub)
		var f *integration.Error
		if over || err == nil || errors.As(err, &f) != test.final {
			t.Errorf("%+v: %v, %v", test, over, err)
		}
	}
	const deletion = "DELETE " + jobs + "/pi?propagationPolicy=Background"
	for answer, final := range map[string]bool{"200": true, "404": true, "503": false} {
		s.answers[deletion] = answer
		if err := p.Stop(t.Context(), sub); (err == nil) != final || s.asked[len(s.asked)-1] != deletion {
			t.Errorf("%s: %v", answer, err)
		}
	}
	s.answers[deletion] = "403"
	if f := failed(t, p.Stop(t.Context(), sub)); f.Name != "EKS.403" {
		t.Errorf("%+v", f)
	}
	sub.Answer = value.Checked(`{}`)
	if _, _, err := p.Poll(t.Context(), sub); failed(t, err).Name != "States.TaskFailed" {
		t.Error(err)
	}
}
