package httptask

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// task calls with those parameters.
func task(parameters string) integration.Task {
	return integration.Task{
		Resource: "arn:aws:states:::http:invoke", Service: "http", Action: "invoke", Request: value.Checked(parameters),
		StepID: "aaaa-3", Attempt: 1, Execution: "arn:aws:states:us-east-1:123456789012:execution:Order:o-1", State: "Charge",
	}
}

func get(url string) integration.Task { return task(`{"ApiEndpoint":"` + url + `","Method":"GET"}`) }

func handler(t *testing.T, c Config) *Handler {
	t.Helper()
	c.Region = "us-east-1"
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// service is a server of the test's own and a handler that may call it.
func service(t *testing.T, c Config, answer http.HandlerFunc) (*Handler, string) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	c.Allow = append(c.Allow, strings.TrimPrefix(server.URL, "http://"))
	return handler(t, c), server.URL
}

func failed(t *testing.T, err error) *integration.Error {
	t.Helper()
	var f *integration.Error
	if !errors.As(err, &f) {
		t.Fatalf("%v is no failure of a task", err)
	}
	return f
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		name, kind, body string
		status           int
		want             string
		fails, cause     string
		effect           integration.Effect
	}{
		{name: "JSON", status: 200, kind: "application/json; charset=utf-8", body: `{"n": 1.50}`,
			want: `{"Headers":{"Content-Length":["11"],"Content-Type":["application/json; charset=utf-8"],"Date":["now"]},"ResponseBody":{"n":1.50},"StatusCode":200,"StatusText":"OK"}`},
		{name: "a kind of JSON", status: 201, kind: "application/hal+json", body: `[]`, want: `"ResponseBody":[],"StatusCode":201,"StatusText":"Created"}`},
		{name: "text", status: 200, kind: "text/plain", body: `{"n":1}`, want: `"ResponseBody":"{\"n\":1}",`},
		{name: "JSON that is none", status: 200, kind: "application/json", body: `{`, want: `"ResponseBody":"{",`},
		{name: "nothing", status: 204, want: `"ResponseBody":"","StatusCode":204,"StatusText":"No Content"}`},
		{name: "an image", status: 200, kind: "image/png", body: "PNG", fails: "States.Runtime", effect: integration.EffectUnknown},
		{name: "no text", status: 200, kind: "text/plain", body: "\xff\xfe", fails: "States.Runtime", effect: integration.EffectUnknown},
		{name: "400", status: 400, body: `{"why":"no"}`, fails: "States.Http.StatusCode.400", cause: `{"why":"no"}`, effect: integration.EffectNone},
		{name: "404", status: 404, fails: "States.Http.StatusCode.404", cause: "Not Found", effect: integration.EffectNone},
		{name: "408", status: 408, fails: "States.Http.StatusCode.408", cause: "Request Timeout", effect: integration.EffectUnknown},
		{name: "429", status: 429, fails: "States.Http.StatusCode.429", effect: integration.EffectNone},
		{name: "500", status: 500, body: "\xff", fails: "States.Http.StatusCode.500", cause: "Internal Server Error", effect: integration.EffectUnknown},
		{name: "302", status: 302, fails: "States.Http.StatusCode.302", effect: integration.EffectUnknown},
		{name: "as large as may be", status: 200, kind: "text/plain", body: strings.Repeat("x", 262144), want: "xxx"},
		{name: "too large", status: 200, kind: "text/plain", body: strings.Repeat("x", 262145), fails: "States.DataLimitExceeded",
			cause: "The state/task 'http' returned a result with a size exceeding the maximum number of bytes service limit.", effect: integration.EffectDone},
		{name: "an error too large to read", status: 500, kind: "text/plain", body: strings.Repeat("x", 262145), fails: "States.Http.StatusCode.500", cause: strings.Repeat("x", 32768), effect: integration.EffectUnknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, url := service(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Content-Type"] = nil
				if test.kind != "" {
					w.Header().Set("Content-Type", test.kind)
				}
				w.Header().Set("Date", "now")
				w.Header().Set("Location", "http://127.0.0.1:1/")
				if test.status == 200 {
					w.Header().Del("Location")
				}
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
			})
			got, err := h.Call(t.Context(), get(url))
			if test.fails == "" {
				if err != nil || !strings.HasSuffix(got.String(), test.want) && !strings.Contains(got.String(), test.want) {
					t.Errorf("got %.300s, %v, want %s", got, err, test.want)
				}
				return
			}
			f := failed(t, err)
			if f.Name != test.fails || test.cause != "" && f.Cause != test.cause || f.Effect != test.effect {
				t.Errorf("got %.300s, effect %d, want %s: %s, effect %d", f, f.Effect, test.fails, test.cause, test.effect)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	tests := []struct {
		name, parameters string // after ApiEndpoint and Method
		path, body       string
		header           map[string]string
	}{
		{name: "plain", path: "/a?x=1", header: map[string]string{
			"User-Agent": "Amazon|StepFunctions|HttpInvoke|us-east-1", "Range": "bytes=0-262144", "Content-Type": "", "Accept-Encoding": "",
			"Idempotency-Key": "aaaa-3", "Backstep-State": "Charge", "Backstep-Operation": "forward", "Backstep-Attempt": "1"}},
		{name: "query", parameters: `,"QueryParameters":{"q":"a b&c","n":1.50,"all":["x",true,null]}`, path: "/a?x=1&q=a+b%26c&n=1.50&all=x&all=true&all="},
		{name: "body", parameters: `,"RequestBody":{"b":1,"a":[1,2]}`, path: "/a?x=1", body: `{"b":1,"a":[1,2]}`, header: map[string]string{"Content-Type": "application/json"}},
		{name: "text", parameters: `,"RequestBody":"<a/>","Headers":{"content-type":"text/xml","Idempotency-Key":"mine","User-Agent":"me"}`, path: "/a?x=1", body: `<a/>`,
			header: map[string]string{"Content-Type": "text/xml", "Idempotency-Key": "mine", "User-Agent": "me"}},
		{name: "not transformed", parameters: `,"RequestBody":[1],"Transform":{"RequestBodyEncoding":"NONE"}`, path: "/a?x=1", body: `[1]`},
		{name: "indices", parameters: `,"RequestBody":{"a":["x y",{"b":1}],"o":{"k":null}},"Transform":{"RequestBodyEncoding":"URL_ENCODED"}`, path: "/a?x=1",
			body: `a%5B0%5D=x+y&a%5B1%5D%5Bb%5D=1&o%5Bk%5D=`, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}},
		{name: "repeat", parameters: form4("REPEAT"), path: "/a?x=1", body: `a=1&a=2`},
		{name: "commas", parameters: form4("COMMAS"), path: "/a?x=1", body: `a=1%2C2`},
		{name: "brackets", parameters: form4("BRACKETS"), path: "/a?x=1", body: `a%5B%5D=1&a%5B%5D=2`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got *http.Request
			var body []byte
			h, url := service(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
				got = r
				body, _ = io.ReadAll(r.Body)
			})
			if _, err := h.Call(t.Context(), task(`{"ApiEndpoint":"`+url+`/a?x=1","Method":"POST"`+test.parameters+`}`)); err != nil {
				t.Fatal(err)
			}
			if got.URL.RequestURI() != test.path || string(body) != test.body || got.Method != "POST" {
				t.Errorf("sent %s %s %s, want %s %s", got.Method, got.URL.RequestURI(), body, test.path, test.body)
			}
			for name, v := range test.header {
				if got.Header.Get(name) != v {
					t.Errorf("%s is %q, want %q", name, got.Header.Get(name), v)
				}
			}
		})
	}
}

func form4(format string) string {
	return `,"RequestBody":{"a":[1,2]},"Transform":{"RequestBodyEncoding":"URL_ENCODED","RequestEncodingOptions":{"ArrayFormat":"` + format + `"}}`
}

func TestStrictTellsNothingOfItsOwn(t *testing.T) {
	var header http.Header
	h, url := service(t, Config{StrictAWS: true}, func(w http.ResponseWriter, r *http.Request) { header = r.Header })
	if _, err := h.Call(t.Context(), get(url)); err != nil || header.Get("Idempotency-Key") != "" || header.Get("Traceparent") != "" {
		t.Errorf("sent %v, %v", header, err)
	}
}

func TestBadParameters(t *testing.T) {
	h, url := service(t, Config{}, func(w http.ResponseWriter, r *http.Request) { t.Errorf("a request came: %s", r.URL) })
	with := func(more string) string { return `{"ApiEndpoint":"` + url + `","Method":"POST"` + more + `}` }
	for parameters, problem := range map[string]string{
		`[]`:                                  "The parameters are not an object",
		`{"Method":"GET"}`:                    "The field 'ApiEndpoint' is required but was missing",
		`{"ApiEndpoint":"https://a.example"}`: "The field 'Method' is required but was missing",
		`{"ApiEndpoint":1,"Method":"GET"}`:    "The value of the field 'ApiEndpoint' has an invalid format",
		`{"ApiEndpoint":"https://a","Method":"get"}`:     "The value of the field 'Method' has an invalid format",
		`{"ApiEndpoint":"https://a","Method":"CONNECT"}`: "The value of the field 'Method' has an invalid format",
		with(`,"Nonsense":1`):                            "The field 'Nonsense' is not supported by Step Functions",
		with(`,"Authentication":{}`):                     "The value of the field 'Authentication' has an invalid format",
		with(`,"Authentication":{"ConnectionArn":"a"},"InvocationConfig":{"ConnectionArn":"a"}`): "The fields 'Authentication' and 'InvocationConfig' exclude each other",
		with(`,"Headers":[]`):                                                        "The value of the field 'Headers' has an invalid format",
		with(`,"Headers":{"A":1}`):                                                   "The value of the field 'Headers' has an invalid format",
		with(`,"Headers":{"A":"x\r\nHost: evil"}`):                                   "The value of the field 'Headers' has an invalid format",
		with(`,"Headers":{"A B":"x"}`):                                               "The value of the field 'Headers' has an invalid format",
		with(`,"Headers":{"":"x"}`):                                                  "The value of the field 'Headers' has an invalid format",
		with(`,"QueryParameters":"x"`):                                               "The value of the field 'QueryParameters' has an invalid format",
		with(`,"QueryParameters":{"a":{}}`):                                          "The value of the field 'QueryParameters' has an invalid format",
		with(`,"RequestBody":{},"Transform":{"RequestBodyEncoding":"XML"}`):          "The value of the field 'Transform' has an invalid format",
		with(`,"RequestBody":"x","Transform":{"RequestBodyEncoding":"URL_ENCODED"}`): "The value of the field 'RequestBody' has an invalid format",
		with(strings.Replace(form4("ODD"), `1,2`, `[1]`, 1)):                         "The value of the field 'ArrayFormat' has an invalid format",
		with(`,"QueryParameters":{"a":"` + strings.Repeat("x", maxURL) + `"}`):       "The value of the field 'ApiEndpoint' is not valid",
	} {
		_, err := h.Call(t.Context(), task(parameters))
		f := failed(t, err)
		want := "The Parameters '" + parameters + "' could not be used to start the Task: [" + problem + "]"
		if f.Name != "States.Runtime" || f.Cause != want || f.Effect != integration.EffectNone {
			t.Errorf("%.100s: got %.300s, want %s", parameters, f, problem)
		}
	}
	for _, name := range []string{"Authorization", "host", "Content-Length", "transfer-encoding", "X-Amz-Date", "x-amzn-Trace-Id", "X-Forwarded-For", "Connection", "Expect", "TE", "Range", "Proxy-Authorization"} {
		_, err := h.Call(t.Context(), task(with(`,"Headers":{"`+name+`":"x"}`)))
		if f := failed(t, err); f.Name != "States.Runtime" || !strings.Contains(f.Cause, "The header '"+name+"' is not allowed") {
			t.Errorf("%s: got %+v", name, f)
		}
	}
}

func TestConnections(t *testing.T) {
	var header http.Header
	arn := "arn:aws:events:us-east-1:123456789012:connection/pay/0b1c"
	connections := map[string]Connection{
		"pay":  {Hosts: []string{"127.0.0.1"}, Header: "X-Api-Key", Key: "canary-5"},
		"user": {Hosts: []string{"127.0.0.1"}, Username: "me", Password: "canary-6"},
		"else": {Hosts: []string{"api.example.com", "127.0.0.1:1"}, Header: "X-Api-Key", Key: "canary-7"},
	}
	h, url := service(t, Config{Connections: connections}, func(w http.ResponseWriter, r *http.Request) { header = r.Header })
	with := func(where, arn string) integration.Task {
		return task(`{"ApiEndpoint":"` + url + `","Method":"GET","Headers":{"X-Api-Key":"mine"},"` + where + `":{"ConnectionArn":"` + arn + `"}}`)
	}
	if _, err := h.Call(t.Context(), with("Authentication", arn)); err != nil || header.Get("X-Api-Key") != "canary-5" {
		t.Errorf("got %v, sent %v", err, header)
	}
	if _, err := h.Call(t.Context(), with("InvocationConfig", "user")); err != nil || header.Get("Authorization") != "Basic bWU6Y2FuYXJ5LTY=" {
		t.Errorf("got %v, sent %v", err, header)
	}
	header = nil
	_, err := h.Call(t.Context(), with("Authentication", "else"))
	if f := failed(t, err); f.Name != "States.Http.ConnectionBlocked" || f.Effect != integration.EffectNone || strings.Contains(f.Cause, "canary") || header != nil {
		t.Errorf("got %+v, sent %v", f, header)
	}
	_, err = h.Call(t.Context(), with("Authentication", "none"))
	if f := failed(t, err); f.Name != "Events.ConnectionResource.NotFound" || f.Effect != integration.EffectNone || header != nil {
		t.Errorf("got %+v, sent %v", f, header)
	}
}

func TestBadConfiguration(t *testing.T) {
	for _, allow := range []string{"", "example.com", "example.com:0", "example.com:70000", "127.1:80", "a b:80", "*:443", "http://example.com", "10.0.0.0/33", "ünï.example:443"} {
		if _, err := New(Config{Allow: []string{allow}}); err == nil || !strings.Contains(err.Error(), "http.allow") {
			t.Errorf("%q: got %v", allow, err)
		}
	}
	for name, c := range map[string]Connection{
		"no hosts": {Header: "X", Key: "canary-8"}, "nothing": {Hosts: []string{"a"}}, "both": {Hosts: []string{"a"}, Header: "X", Username: "u"},
		"no name": {Hosts: []string{"a"}, Header: "a b"}, "no value": {Hosts: []string{"a"}, Header: "X", Key: "canary-9\n"},
	} {
		_, err := New(Config{Connections: map[string]Connection{name: c}})
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTimeouts(t *testing.T) {
	h, url := service(t, Config{Timeout: 30 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err := h.Call(t.Context(), get(url))
	if f := failed(t, err); f.Name != "States.Http.Socket" || f.Effect != integration.EffectUnknown || !strings.HasSuffix(f.Cause, "did not end within 30ms") {
		t.Errorf("got %+v", f)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := h.Call(ctx, get(url)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// Who watches is shown what was sent and what came back, and which headers hold
// credentials.
func TestWatching(t *testing.T) {
	h, url := service(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "short and stout")
	})
	arn := "arn:aws:events:us-east-1:123456789012:connection/bank/1"
	h.connections = map[string]Connection{arn: {Hosts: []string{strings.TrimPrefix(url, "http://")}, Header: "X-Key", Key: "canary"}}
	watched := task(`{"ApiEndpoint":"` + url + `/tea","Method":"POST","RequestBody":{"cups":2},"Authentication":{"ConnectionArn":"` + arn + `"}}`)
	var seen []integration.Exchange
	watched.Watch = func(x integration.Exchange) { seen = append(seen, x) }
	if _, err := h.Call(t.Context(), watched); err == nil {
		t.Error("a teapot made coffee")
	}
	if len(seen) != 1 {
		t.Fatalf("%d exchanges were seen", len(seen))
	}
	x := seen[0]
	if x.Request.URL.String() != url+"/tea" || x.Request.Header.Get("X-Key") != "canary" || x.Body != `{"cups":2}` || strings.Join(x.Secrets, " ") != "Authorization X-Key" {
		t.Errorf("sent: %+v", x)
	}
	if x.Answer.Status != http.StatusTeapot || x.Answer.Header.Get("X-Answer") != "yes" || string(x.Answer.Body) != "short and stout" {
		t.Errorf("got: %+v", x.Answer)
	}
}
