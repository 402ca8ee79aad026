package lambda

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
)

// service is a handler with Book at a URL of a server of the test's own.
func service(t *testing.T, answer http.HandlerFunc) *Handler {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	h := New(Config{Functions: map[string]Function{"Book": {URL: server.URL + "/book?key=canary-1"}}, Region: region, Account: account, Logger: quiet})
	t.Cleanup(func() { h.Close(canceled()) })
	return h
}

// endpoint is a handler whose functions are a Lambda endpoint's.
func endpoint(t *testing.T, signer Signer, answer http.HandlerFunc) *Handler {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return New(Config{Endpoint: server.URL, Signer: signer, Region: region, Account: account, Logger: quiet})
}

func TestURLAnswers(t *testing.T) {
	tests := []struct {
		name         string
		status       int
		header       map[string]string
		body         string
		want         string
		fails, cause string
		effect       integration.Effect
	}{
		{name: "payload", status: 200, body: `{"b": 1.0}`, want: `{"b": 1.0}`},
		{name: "no JSON", status: 200, body: `hello`, want: `"hello"`},
		{name: "empty", status: 204, want: `""`},
		{name: "function error", status: 200, header: map[string]string{"X-Amz-Function-Error": "Unhandled"}, body: `{"errorType":"OutOfStock","errorMessage":"none left"}`,
			fails: "OutOfStock", cause: `{"errorType":"OutOfStock","errorMessage":"none left"}`, effect: integration.EffectNamed},
		{name: "platform error", status: 200, header: map[string]string{"X-Amz-Function-Error": "Unhandled"}, body: `{"errorType":"Sandbox.Timedout"}`,
			fails: "Sandbox.Timedout", cause: `{"errorType":"Sandbox.Timedout"}`, effect: integration.EffectUnknown},
		{name: "untyped error", status: 200, header: map[string]string{"X-Amz-Function-Error": "Unhandled"}, body: `{"errorMessage":"Task timed out"}`,
			fails: "Lambda.Unknown", cause: `Returned payload: {"errorMessage":"Task timed out"}`, effect: integration.EffectUnknown},
		{name: "as Lambda", status: 404, header: map[string]string{"X-Amzn-ErrorType": "ResourceNotFoundException:http://x/", "x-amzn-RequestId": "r-1"}, body: `{"Type":"User","Message":"Function not found: x"}`,
			fails: "Lambda.ResourceNotFoundException", effect: integration.EffectNone,
			cause: "Function not found: x (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; Request ID: r-1; Proxy: null)"},
		{name: "throttled", status: 429, body: `{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`,
			fails: "Lambda.TooManyRequestsException", cause: "Rate Exceeded. (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException;", effect: integration.EffectNone},
		{name: "forbidden", status: 403, header: map[string]string{"X-Amzn-ErrorType": "AccessDeniedException"}, body: `{"Message":"no"}`,
			fails: "Lambda.AWSLambdaException", cause: "Error Code: AccessDeniedException", effect: integration.EffectNone},
		{name: "plain 400", status: 400, body: `nope`, fails: "Lambda.InvalidRequestContentException", cause: "Bad Request (", effect: integration.EffectNone},
		{name: "408", status: 408, fails: "Lambda.AWSLambdaException", effect: integration.EffectUnknown},
		{name: "413", status: 413, fails: "Lambda.RequestTooLargeException", effect: integration.EffectNone},
		{name: "500", status: 500, body: `boom`, fails: "Lambda.ServiceException", effect: integration.EffectUnknown},
		{name: "503", status: 503, fails: "Lambda.ServiceException", effect: integration.EffectUnknown},
		{name: "507", status: 507, fails: "Lambda.AWSLambdaException", effect: integration.EffectUnknown},
		{name: "redirect", status: 302, header: map[string]string{"Location": "http://127.0.0.1:1/"}, fails: "Lambda.AWSLambdaException", effect: integration.EffectUnknown},
		{name: "too large", status: 200, body: `"` + strings.Repeat("x", 262143) + `"`, fails: "States.DataLimitExceeded", effect: integration.EffectDone},
		{name: "an error too large to read", status: 200, header: map[string]string{"X-Amz-Function-Error": "Unhandled"}, body: strings.Repeat("x", 300000),
			fails: "Lambda.Unknown", cause: "did not return an error type", effect: integration.EffectUnknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := service(t, func(w http.ResponseWriter, r *http.Request) {
				for name, v := range test.header {
					w.Header().Set(name, v)
				}
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
			})
			got, err := h.Call(t.Context(), task(`{}`))
			if test.fails == "" {
				if err != nil || got.String() != test.want {
					t.Fatalf("got %.100s, %v, want %s", got, err, test.want)
				}
				return
			}
			failed := failure(t, err)
			if failed.Name != test.fails || !strings.Contains(failed.Cause, test.cause) || failed.Effect != test.effect {
				t.Errorf("got %.300s, effect %d, want %s with %q, effect %d", failed, failed.Effect, test.fails, test.cause, test.effect)
			}
			if strings.Contains(failed.Cause, "canary") || len(failed.Cause) > integration.MaxCause {
				t.Errorf("cause of %d bytes: %.200s", len(failed.Cause), failed.Cause)
			}
		})
	}
}

func TestURLIsToldOfTheCall(t *testing.T) {
	var got *http.Request
	var body []byte
	h := service(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	})
	call := invoke(`{"FunctionName":"arn:aws:lambda:us-east-1:123456789012:function:Book:live","Payload":{"n": 1.50},"InvocationType":"RequestResponse","LogType":"Tail","ClientContext":"eyJhIjoxfQ=="}`)
	call.Operation, call.Forward, call.StepID, call.Attempt = integration.Compensate, "aaaa-3", "aaaa-3:compensate", 4
	if _, err := h.Call(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"Content-Type": "application/json", "X-Amz-Invocation-Type": "RequestResponse", "X-Amz-Log-Type": "Tail", "X-Amz-Client-Context": "eyJhIjoxfQ==",
		"Idempotency-Key": "aaaa-3:compensate", "Backstep-Operation": "compensate", "Backstep-Forward-Key": "aaaa-3", "Backstep-Attempt": "4",
		"Backstep-State": "Book it", "Backstep-Execution": call.Execution, "X-Correlation-Id": call.Execution,
	}
	for name, v := range want {
		if got.Header.Get(name) != v {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), v)
		}
	}
	if got.Header.Get("Traceparent") == "" || string(body) != `{"n":1.50}` && string(body) != `{"n": 1.50}` || got.Method != "POST" {
		t.Errorf("%s %v %s", got.Method, got.Header, body)
	}
}

func TestURLDown(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	h := New(Config{Functions: map[string]Function{"Book": {URL: server.URL + "/?key=canary-2"}}, Logger: quiet})
	_, err := h.Call(t.Context(), task(`{}`))
	failed := failure(t, err)
	if failed.Name != "Lambda.SdkClientException" || failed.Effect != integration.EffectNone || !strings.Contains(failed.Cause, "connection refused") {
		t.Errorf("got %+v", failed)
	}
	if strings.Contains(failed.Cause, "canary") {
		t.Errorf("the cause tells a secret: %s", failed.Cause)
	}
}

// hang takes the connection and does with it what the mode says.
func hang(mode func(c io.ReadWriter, bye <-chan struct{})) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		c, _, _ := w.(http.Hijacker).Hijack()
		defer c.Close()
		gone := make(chan struct{})
		go func() { io.Copy(io.Discard, c); close(gone) }()
		mode(c, gone)
	}
}

func trickle(c io.Writer, bye <-chan struct{}, text string) {
	for {
		select {
		case <-bye:
			return
		case <-time.After(time.Millisecond):
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}

// Services that hang or misbehave: each attempt ends, by the answer's bound or
// by the caller's deadline, and nobody claims to know its effect.
func TestURLMisbehaves(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	late := errors.Is
	tests := []struct {
		name  string
		mode  func(c io.ReadWriter, bye <-chan struct{})
		fails string // "" where the deadline ends it
	}{
		{"never answers", func(c io.ReadWriter, bye <-chan struct{}) { <-bye }, ""},
		{"a byte at a time", func(c io.ReadWriter, bye <-chan struct{}) {
			io.WriteString(c, head+"Content-Length: 200000\r\n\r\n")
			trickle(c, bye, " ")
		}, ""},
		{"resets in its body", func(c io.ReadWriter, bye <-chan struct{}) { io.WriteString(c, head+"Content-Length: 100\r\n\r\n{") }, "Lambda.SdkClientException"},
		{"closes without a word", func(c io.ReadWriter, bye <-chan struct{}) {}, "Lambda.SdkClientException"},
		{"continues for ever", func(c io.ReadWriter, bye <-chan struct{}) { trickle(c, bye, "HTTP/1.1 100 Continue\r\n\r\n") }, "Lambda.SdkClientException"},
		{"endless body", func(c io.ReadWriter, bye <-chan struct{}) {
			io.WriteString(c, head+"\r\n")
			trickle(c, bye, strings.Repeat("x", 64<<10))
		}, "States.DataLimitExceeded"},
		{"endless headers", func(c io.ReadWriter, bye <-chan struct{}) {
			io.WriteString(c, head)
			trickle(c, bye, "X-More: "+strings.Repeat("x", 8<<10)+"\r\n")
		}, "Lambda.SdkClientException"},
		{"too short a length", func(c io.ReadWriter, bye <-chan struct{}) { io.WriteString(c, head+"Content-Length: 2\r\n\r\n{}}}}}") }, "none"},
		{"no HTTP", func(c io.ReadWriter, bye <-chan struct{}) { io.WriteString(c, "SSH-2.0-x\r\n\r\n") }, "Lambda.SdkClientException"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := service(t, hang(test.mode))
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			if test.fails != "" {
				ctx, cancel = context.WithTimeout(t.Context(), 20*time.Second)
			}
			defer cancel()
			began := time.Now()
			_, err := h.Call(ctx, task(`{}`))
			switch {
			case test.fails == "none":
				if err != nil {
					t.Error(err)
				}
			case test.fails == "":
				if !late(err, context.DeadlineExceeded) || time.Since(began) > 3*time.Second {
					t.Errorf("got %v after %v", err, time.Since(began))
				}
			default:
				effect := integration.EffectUnknown
				if test.fails == "States.DataLimitExceeded" {
					effect = integration.EffectDone
				}
				if failed := failure(t, err); failed.Name != test.fails || failed.Effect != effect {
					t.Errorf("got %+v", failed)
				}
			}
		})
	}
}

type signs func(r *http.Request, body []byte, service string) error

func (s signs) Sign(r *http.Request, body []byte, service string) error { return s(r, body, service) }

func TestEndpoint(t *testing.T) {
	var got *http.Request
	signer := signs(func(r *http.Request, body []byte, service string) error {
		r.Header.Set("Authorization", fmt.Sprintf("%s %s", service, body))
		return nil
	})
	h := endpoint(t, signer, func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Date", "Fri, 20 Nov 2026 12:00:00 GMT")
		w.Header().Set("X-Amz-Executed-Version", "$LATEST")
		w.Header().Set("X-Amz-Log-Result", "bG9n")
		w.Header().Set("x-amzn-RequestId", "r-1")
		w.Header().Set("x-amzn-Remapped-Content-Length", "0")
		io.WriteString(w, `{"n": 1.50}`)
	})
	text, err := h.Call(t.Context(), invoke(`{"FunctionName":"Book","Qualifier":"7","Payload":[1],"LogType":"Tail"}`))
	if err != nil {
		t.Fatal(err)
	}
	headers := `"Content-Length":"11","Content-Type":"application/json","Date":"Fri, 20 Nov 2026 12:00:00 GMT","X-Amz-Executed-Version":"$LATEST","X-Amz-Log-Result":"bG9n","x-amzn-Remapped-Content-Length":"0","x-amzn-RequestId":"r-1"`
	all := strings.NewReplacer(`":"`, `":["`, `",`, `"],`, `-1"`, `-1"]`).Replace(headers)
	want := `{"ExecutedVersion":"$LATEST","LogResult":"bG9n","Payload":{"n": 1.50},"SdkHttpMetadata":{"AllHttpHeaders":{` + all +
		`},"HttpHeaders":{` + headers + `},"HttpStatusCode":200},"SdkResponseMetadata":{"RequestId":"r-1"},"StatusCode":200}`
	if text.String() != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if got.URL.RequestURI() != "/2015-03-31/functions/Book/invocations?Qualifier=7" || got.Header.Get("Authorization") != "lambda [1]" || got.Header.Get("Idempotency-Key") != "" {
		t.Errorf("sent %s %v", got.URL, got.Header)
	}
	client, _ := base64.StdEncoding.DecodeString(got.Header.Get("X-Amz-Client-Context"))
	if !strings.Contains(string(client), `"Idempotency-Key":"aaaa-3"`) {
		t.Errorf("client context %s", client)
	}
}

func TestEndpointWithoutCredentials(t *testing.T) {
	h := endpoint(t, signs(func(*http.Request, []byte, string) error { return errors.New("none found") }), func(http.ResponseWriter, *http.Request) {
		t.Error("an unsigned request was sent")
	})
	_, err := h.Call(t.Context(), task(`{}`))
	if failed := failure(t, err); failed.Name != "Lambda.SdkClientException" || failed.Effect != integration.EffectNone {
		t.Errorf("got %+v", failed)
	}
}

func TestUnknownFunction(t *testing.T) {
	h := New(Config{Region: region, Account: account, Logger: quiet})
	_, err := h.Call(t.Context(), invoke(`{"FunctionName":"no_such"}`))
	failed := failure(t, err)
	cause, _, _ := strings.Cut(failed.Cause, " Request ID: ")
	want := "Function not found: arn:aws:lambda:us-east-1:123456789012:function:no_such:$LATEST (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException;"
	if failed.Name != "Lambda.ResourceNotFoundException" || cause != want || failed.Effect != integration.EffectNone {
		t.Errorf("got %+v", failed)
	}
}

func TestBadParameters(t *testing.T) {
	h := New(Config{Logger: quiet})
	for parameters, problem := range map[string]string{
		`[]`:                                   "The parameters are not an object",
		`{"Payload":1}`:                        "The field 'FunctionName' is required but was missing",
		`{"FunctionName":1}`:                   "The value of the field 'FunctionName' has an invalid format",
		`{"FunctionName":"f","Nonsense":1}`:    "The field 'Nonsense' is not supported by Step Functions",
		`{"FunctionName":"f","LogType":"All"}`: "The value of the field 'LogType' has an invalid format",
		`{"FunctionName":"f","InvocationType":"Sync"}`: "The value of the field 'InvocationType' has an invalid format",
		`{"FunctionName":"f","ClientContext":"e"}`:     "The value of the field 'ClientContext' has an invalid format",
		`{"FunctionName":"f","ClientContext":"e30g"}`:  "Lambda.",
		`{"FunctionName":"f","ClientContext":"W10="}`:  "The value of the field 'ClientContext' has an invalid format",
	} {
		_, err := h.Call(t.Context(), invoke(parameters))
		failed := failure(t, err)
		if problem == "Lambda." {
			if failed.Name != "Lambda.ResourceNotFoundException" {
				t.Errorf("%s: got %+v", parameters, failed)
			}
			continue
		}
		want := "The Parameters '" + parameters + "' could not be used to start the Task: [" + problem + "]"
		if failed.Name != "States.Runtime" || failed.Cause != want || failed.Effect != integration.EffectNone {
			t.Errorf("%s: got %+v, want %s", parameters, failed, want)
		}
	}
}

func TestFunctionNames(t *testing.T) {
	h := New(Config{Region: region, Account: account})
	for given, want := range map[string]function{
		"Book":                       {name: "Book", arn: "arn:aws:lambda:us-east-1:123456789012:function:Book"},
		"Book:live":                  {name: "Book", qualifier: "live", arn: "arn:aws:lambda:us-east-1:123456789012:function:Book"},
		"999999999999:function:Book": {name: "Book", arn: "arn:aws:lambda:us-east-1:999999999999:function:Book"},
		"arn:aws:lambda:eu-west-1:999999999999:function:Book":         {name: "Book", arn: "arn:aws:lambda:eu-west-1:999999999999:function:Book"},
		"arn:aws:lambda:eu-west-1:999999999999:function:Book:$LATEST": {name: "Book", qualifier: "$LATEST", arn: "arn:aws:lambda:eu-west-1:999999999999:function:Book"},
	} {
		want.given = given
		if got := h.named(given); got != want {
			t.Errorf("%s: got %+v, want %+v", given, got, want)
		}
	}
}
