package sns

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

const topic = "arn:aws:sns:us-east-1:123456789012:orders"

var quiet = slog.New(slog.DiscardHandler)

func noon() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 5e6, time.UTC) }

// task publishes with those parameters, which begin with the topic.
func task(parameters string) integration.Task {
	return integration.Task{
		Resource: "arn:aws:states:::sns:publish", Service: "sns", Action: "publish",
		Request: value.Checked(`{"TopicArn":"` + topic + `"` + parameters + `}`),
		StepID:  "aaaa-3", Attempt: 1, Execution: "arn:aws:states:us-east-1:123456789012:execution:Order:o-1", State: "Tell",
	}
}

func failed(t *testing.T, err error) *integration.Error {
	t.Helper()
	var f *integration.Error
	if !errors.As(err, &f) {
		t.Fatalf("%v is no failure of a task", err)
	}
	return f
}

func webhook(t *testing.T, answer http.HandlerFunc) *Handler {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return New(Config{Topics: map[string]Topic{"orders": {Webhook: server.URL + "/hook?key=canary-3"}}, Logger: quiet, Now: noon})
}

func TestWebhook(t *testing.T) {
	var bodies []string
	var header http.Header
	h := webhook(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies, header = append(bodies, string(body)), r.Header
	})
	call := task(`,"Subject":"new","Message":{"order": 1.50},"MessageAttributes":{"size":{"DataType":"Number","StringValue":3},"raw":{"DataType":"Binary","BinaryValue":"AAE="}}`)
	text, err := h.Call(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	id := text.Decode().Get("MessageId").AsString()
	want := `{"Type":"Notification","MessageId":"` + id + `","TopicArn":"` + topic + `","Subject":"new","Message":"{\"order\":1.50}","Timestamp":"2026-11-20T12:00:00.005Z",` +
		`"MessageAttributes":{"raw":{"Type":"Binary","Value":"AAE="},"size":{"Type":"Number","Value":"3"}}}`
	if bodies[0] != want {
		t.Errorf("got  %s\nwant %s", bodies[0], want)
	}
	for name, v := range map[string]string{
		"X-Amz-Sns-Message-Type": "Notification", "X-Amz-Sns-Message-Id": id, "X-Amz-Sns-Topic-Arn": topic,
		"Idempotency-Key": "aaaa-3", "Backstep-State": "Tell", "Backstep-Attempt": "1",
	} {
		if header.Get(name) != v {
			t.Errorf("%s is %q, want %q", name, header.Get(name), v)
		}
	}
	call.Attempt = 2
	if again, err := h.Call(t.Context(), call); err != nil || bodies[1] != want {
		t.Errorf("sent again: %s, %v, and told %s", again, err, bodies[1])
	}
	call.StepID = "aaaa-4"
	if other, _ := h.Call(t.Context(), call); other.Decode().Get("MessageId").AsString() == id {
		t.Error("another step has the same message id")
	}
	result := text.Decode()
	if result.Get("SdkHttpMetadata").Get("HttpStatusCode").Spelling() != "200" || result.Get("SdkResponseMetadata").Get("RequestId").AsString() == "" || result.Has("SequenceNumber") {
		t.Errorf("result %s", text)
	}
}

func TestWebhookRefuses(t *testing.T) {
	for status, want := range map[int]*integration.Error{
		400: {Name: "SNS.AmazonSNSException", Effect: integration.EffectNone},
		403: {Name: "SNS.AuthorizationErrorException", Effect: integration.EffectNone},
		404: {Name: "SNS.NotFoundException", Effect: integration.EffectNone},
		408: {Name: "SNS.AmazonSNSException", Effect: integration.EffectUnknown},
		429: {Name: "SNS.ThrottledException", Effect: integration.EffectNone},
		503: {Name: "SNS.InternalErrorException", Effect: integration.EffectUnknown},
		302: {Name: "SNS.AmazonSNSException", Effect: integration.EffectUnknown},
	} {
		h := webhook(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
		_, err := h.Call(t.Context(), task(`,"Message":"x"`))
		failed := failed(t, err)
		if failed.Name != want.Name || failed.Effect != want.Effect || strings.Contains(failed.Cause, "canary") {
			t.Errorf("%d: got %+v, want %+v", status, failed, want)
		}
	}
}

func TestWebhookUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	h := New(Config{Topics: map[string]Topic{topic: {Webhook: server.URL + "/?key=canary-4"}}, Logger: quiet})
	_, err := h.Call(t.Context(), task(`,"Message":"x"`))
	if failed := failed(t, err); failed.Name != "SNS.SdkClientException" || failed.Effect != integration.EffectNone || strings.Contains(failed.Cause, "canary") {
		t.Errorf("got %+v", failed)
	}

	hung := webhook(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := hung.Call(ctx, task(`,"Message":"x"`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestLog(t *testing.T) {
	var logged bytes.Buffer
	h := New(Config{Topics: map[string]Topic{topic: {}}, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	text, err := h.Call(t.Context(), task(`,"Message":"\"quoted\""`))
	if err != nil {
		t.Fatal(err)
	}
	id := text.Decode().Get("MessageId").AsString()
	if !strings.Contains(logged.String(), id) || !strings.Contains(logged.String(), `message="\"quoted\""`) {
		t.Errorf("logged %s", logged.String())
	}
	h.Close()
}

func TestRefusedBeforeSending(t *testing.T) {
	h := New(Config{Topics: map[string]Topic{"orders": {}, "orders.fifo": {}}, Logger: quiet})
	runtime := func(problem string) [2]string { return [2]string{"States.Runtime", ": [" + problem + "]"} }
	parameter := func(problem string) [2]string {
		return [2]string{"SNS.InvalidParameterException", "Invalid parameter: " + problem + " (Service: AmazonSNS; Status Code: 400; Error Code: InvalidParameter; Request ID: "}
	}
	for request, want := range map[string][2]string{
		`1`:              runtime("The parameters are not an object"),
		`{"Topic":"x"}`:  runtime("The field 'Topic' is not supported by Step Functions"),
		`{"TopicArn":1}`: runtime("The value of the field 'TopicArn' has an invalid format"),
		`{"TopicArn":"orders","Message":"x","MessageAttributes":[]}`:       runtime("The value of the field 'MessageAttributes' has an invalid format"),
		`{"TopicArn":"orders","Message":"x","MessageAttributes":{"a":{}}}`: runtime("The value of the field 'MessageAttributes' has an invalid format"),
		`{"Message":"x"}`:                                      parameter("TopicArn or TargetArn Reason: no value for required parameter"),
		`{"TopicArn":"orders"}`:                                parameter("Empty message"),
		`{"TopicArn":"orders","Message":""}`:                   parameter("Empty message"),
		`{"TopicArn":"orders","Message":"x","Subject":"a\nb"}`: parameter("Subject"),
		`{"TopicArn":"orders","Message":"` + strings.Repeat("x", maxMessage+1) + `"}`: parameter("Message too long"),
		`{"TopicArn":"orders.fifo","Message":"x"}`:                                    parameter("The MessageGroupId parameter is required for FIFO topics"),
		`{"TargetArn":"nobody","Message":"x"}`:                                        {"SNS.NotFoundException", "Topic does not exist (Service: AmazonSNS; Status Code: 404; Error Code: NotFound; Request ID: "},
	} {
		call := task("")
		call.Request = value.Checked(request)
		_, err := h.Call(t.Context(), call)
		failed := failed(t, err)
		if failed.Name != want[0] || !strings.Contains(failed.Cause, want[1]) && len(request) < 1000 || failed.Effect != integration.EffectNone {
			t.Errorf("%.80s: got %.300s, effect %d, want %s", request, failed, failed.Effect, want)
		}
	}
}

type signs func(*http.Request, []byte, string) error

func (s signs) Sign(r *http.Request, body []byte, service string) error { return s(r, body, service) }

func TestEndpoint(t *testing.T) {
	var form url.Values
	answer, status := `<PublishResponse><PublishResult><MessageId>m-1</MessageId><SequenceNumber>7</SequenceNumber></PublishResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></PublishResponse>`, 200
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		form = r.PostForm
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	defer server.Close()
	var signed string
	signer := signs(func(r *http.Request, body []byte, service string) error { signed = service; return nil })
	h := New(Config{Endpoint: server.URL, Signer: signer, Logger: quiet})
	text, err := h.Call(t.Context(), task(`,"Message":"x","MessageGroupId":"g","MessageAttributes":{"Backstep-State":{"DataType":"String","StringValue":"mine"},"raw":{"DataType":"Binary","BinaryValue":"AAE="}}`))
	if err != nil || !strings.HasPrefix(text.String(), `{"MessageId":"m-1","SdkHttpMetadata":`) || !strings.HasSuffix(text.String(), `"SdkResponseMetadata":{"RequestId":"r-1"},"SequenceNumber":"7"}`) {
		t.Errorf("got %s, %v", text, err)
	}
	told := map[string]string{}
	for i := range 12 {
		entry := "MessageAttributes.entry." + string(rune('0'+i)) + "."
		told[form.Get(entry+"Name")] = form.Get(entry+"Value.StringValue") + form.Get(entry+"Value.BinaryValue")
	}
	if told["Backstep-State"] != "mine" || told["raw"] != "AAE=" || told["Idempotency-Key"] != "aaaa-3" || signed != "sns" || form.Get("TopicArn") != topic || form.Get("MessageGroupId") != "g" {
		t.Errorf("sent %v, signed for %q", form, signed)
	}

	status, answer = 200, "<html>"
	_, err = h.Call(t.Context(), task(`,"Message":"x"`))
	if failed := failed(t, err); failed.Name != "SNS.SdkClientException" || failed.Effect != integration.EffectUnknown {
		t.Errorf("got %+v", failed)
	}
	status, answer = 500, "boom"
	_, err = h.Call(t.Context(), task(`,"Message":"x"`))
	if failed := failed(t, err); failed.Name != "SNS.InternalErrorException" || failed.Effect != integration.EffectUnknown {
		t.Errorf("got %+v", failed)
	}
	h.signer = signs(func(*http.Request, []byte, string) error { return errors.New("none found") })
	_, err = h.Call(t.Context(), task(`,"Message":"x"`))
	if failed := failed(t, err); failed.Name != "SNS.SdkClientException" || failed.Effect != integration.EffectNone {
		t.Errorf("got %+v", failed)
	}
}

// fakes starts the fake AWS services of the shared recordings and answers with
// their address.
func fakes(t *testing.T) string {
	t.Helper()
	shared := os.Getenv("BACKSTEP_SHARED")
	if shared == "" {
		shared = "../../../../shared"
	}
	folder, _ := filepath.Abs(filepath.Join(shared, "conformance"))
	if _, err := os.Stat(filepath.Join(folder, "fakes.py")); errors.Is(err, fs.ErrNotExist) {
		t.Skip("no fake AWS services: " + folder + "/fakes.py is missing (BACKSTEP_SHARED)")
	}
	const script = `
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import fakes
world = fakes.World()
world.sns_CreateTopic({"Name": "orders"})
server = fakes.serve(world, 0)
print(server.server_address[1], flush=True)
sys.stdin.read()
`
	command := exec.Command("python3", "-c", script, folder)
	stdin, _ := command.StdinPipe()
	stdout, _ := command.StdoutPipe()
	if err := command.Start(); err != nil {
		t.Skip("no python3: " + err.Error())
	}
	t.Cleanup(func() { stdin.Close(); command.Wait() })
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port)
}

func TestAgainstFakeSNS(t *testing.T) {
	h := New(Config{Endpoint: fakes(t), Logger: quiet})
	text, err := h.Call(t.Context(), task(`,"Message":{"a":1}`))
	if err != nil || len(text.Decode().Get("MessageId").AsString()) != 36 {
		t.Errorf("got %s, %v", text, err)
	}
	call := task("")
	call.Request = value.Checked(`{"TopicArn":"` + topic + `-no-such","Message":"x"}`)
	_, err = h.Call(t.Context(), call)
	failed := failed(t, err)
	want := "Topic does not exist (Service: AmazonSNS; Status Code: 404; Error Code: NotFound; Request ID: "
	if failed.Name != "SNS.NotFoundException" || !strings.HasPrefix(failed.Cause, want) || failed.Effect != integration.EffectNone {
		t.Errorf("got %+v", failed)
	}
}
