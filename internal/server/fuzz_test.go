package server

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/fuzz"
)

// FuzzRequest decodes any body as the input of each operation: it is refused
// with an error of the API's, or is an input that means the same once it is
// written and read again.
func FuzzRequest(f *testing.F) {
	const arn = "arn:aws:states:us-east-1:123456789012:stateMachine:a"
	for i := range api.Operations {
		f.Add(i, []byte(`{}`))
		f.Add(i, []byte(`{"name":"a","roleArn":"arn:aws:iam::123456789012:role/r","definition":"{}","tags":[{"key":"k","value":"v"}],"publish":true}`))
		f.Add(i, []byte(`{"stateMachineArn":"`+arn+`","executionArn":"`+arn+`","activityArn":"`+arn+`","mapRunArn":"`+arn+`","resourceArn":"`+arn+`","tagKeys":["a"]}`))
		f.Add(i, []byte(`{"stateMachineAliasArn":"`+arn+`:a","stateMachineVersionArn":"`+arn+`:1","maxResults":3,"nextToken":"x","statusFilter":"RUNNING","reverseOrder":true}`))
		f.Add(i, []byte(`{"taskToken":"t","output":"{}","error":"E","cause":"c","input":"{}","maxConcurrency":1,"toleratedFailurePercentage":2.5,`+
			`"loggingConfiguration":{"level":"ALL","destinations":[{"cloudWatchLogsLogGroup":{"logGroupArn":"a"}}]},`+
			`"routingConfiguration":[{"stateMachineVersionArn":"`+arn+`:1","weight":100}],"mock":{"result":"{}"}}`))
		f.Add(i, []byte(`{"name":1,"name":null,"definition":["\ud800"]}`))
	}
	routes := newRoutes(0)
	f.Fuzz(func(t *testing.T, operation int, body []byte) {
		if len(body) > maxBody {
			t.Skip()
		}
		rt := routes[api.Operations[uint(operation)%uint(len(api.Operations))].Target]
		fuzz.Bounded(t, func() { tryRequest(t, rt, body) })
	})
}

func tryRequest(t *testing.T, rt *route, body []byte) {
	in, err := decode(rt, body)
	var refusal *api.Error
	switch {
	case err != nil && !errors.As(err, &refusal):
		t.Errorf("%s: no error of the API's: %v", rt.Name, err)
	case err != nil && (refusal.Code == "" || refusal.Message == "" || refusal.HTTPStatus() != 400):
		t.Errorf("%s: %+v with status %d", rt.Name, refusal, refusal.HTTPStatus())
	case err != nil:
		return
	}
	written, err := json.Marshal(in)
	if err != nil {
		t.Fatalf("%s: %v", rt.Name, err)
	}
	again, err := decode(rt, written)
	if err != nil || !reflect.DeepEqual(in, again) {
		t.Errorf("%s: %s is read as %+v, then as %+v: %v", rt.Name, written, in, again, err)
	}
}

// FuzzEnvelope sends any request to a server that asks for signatures and to one
// that does not: each is answered in the words of the API, and none is a fault of
// the server's own, which is what its service does with whatever it is asked.
func FuzzEnvelope(f *testing.F) {
	const date, signed = "20261129T000000Z", "AWS4-HMAC-SHA256 Credential=AK/20261129/us-east-1/states/aws4_request, SignedHeaders=host;x-amz-date, Signature="
	f.Add(api.TargetAWS+"StartExecution", "application/x-amz-json-1.0", "", "", "127.0.0.1", "/", []byte(`{"stateMachineArn":"a"}`))
	f.Add(api.TargetAWS+"ListStateMachines", "application/x-amz-json-1.0; charset=utf-8", signed+strings.Repeat("0", 64), date, "localhost:1", "/", []byte(`{}`))
	f.Add(api.TargetAWS+"DescribeExecution", "text/plain", signed, "yesterday", "example.com", "/?a=b;c&d=%zz", []byte(`{"executionArn":null}`))
	f.Add("AWSStepFunctions.", "", "AWS4-HMAC-SHA256 Credential=/////,,=", "", "", "/metrics", []byte{0xff})
	var servers []*Server
	for _, keys := range []map[string]string{nil, {"AK": "secret"}} {
		s, err := New(Config{Service: faulty{}, Keys: keys, Region: "us-east-1", Now: func() time.Time { return time.Date(2026, 11, 29, 0, 0, 1, 0, time.UTC) }})
		if err != nil {
			f.Fatal(err)
		}
		servers = append(servers, s)
	}
	f.Fuzz(func(t *testing.T, target, contentType, authorization, date, host, path string, body []byte) {
		for _, s := range servers {
			r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if r.URL, err = url.ParseRequestURI(path); err != nil {
				t.Skip()
			}
			r.Host = host
			for name, v := range map[string]string{"X-Amz-Target": target, "Content-Type": contentType, "Authorization": authorization, "X-Amz-Date": date} {
				r.Header[name] = []string{v}
			}
			fuzz.Bounded(t, func() { trySend(t, s, r) })
		}
	})
}

// faulty is a service that panics whatever it is asked.
type faulty struct{ api.Service }

func trySend(t *testing.T, s *Server, r *http.Request) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if r.URL.Path != "/" {
		return
	}
	var failure struct {
		Type string `json:"__type"`
	}
	answer := w.Body.String()
	switch err := json.Unmarshal([]byte(answer), &failure); {
	case err != nil || failure.Type == "" || w.Header().Get("X-Amzn-RequestId") == "":
		t.Errorf("%d, %v: %s: %v", w.Code, w.Header(), answer, err)
	case w.Code >= 500 && failure.Type != api.CodeInternalFailure || w.Code < 400:
		t.Errorf("%d: %s", w.Code, answer)
	case w.Code >= 500 && (s.routes[r.Header.Get("X-Amz-Target")] == nil || s.verifier != nil):
		t.Errorf("%d without a call: %s", w.Code, answer)
	}
}
