package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
)

// service is an AWS service that answers by a function, and keeps what it was
// asked.
type service struct {
	asked  []string // operation, and the body
	answer func(operation string, body []byte) (int, string)
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	s.asked = append(s.asked, operation+" "+string(body))
	status, text := http.StatusOK, "{}"
	if r.Header.Get("Authorization") == "" {
		status, text = http.StatusForbidden, `{"__type":"MissingAuthenticationToken"}`
	} else if s.answer != nil {
		status, text = s.answer(operation, body)
	}
	w.WriteHeader(status)
	io.WriteString(w, text)
}

// names are the operations that were asked for.
func (s *service) names() string {
	var names []string
	for _, a := range s.asked {
		name, _, _ := strings.Cut(a, " ")
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// signer signs as for a test.
type signer struct{}

func (signer) Sign(r *http.Request, body []byte, service string) error {
	r.Header.Set("Authorization", service)
	return nil
}

func serve(t *testing.T, s *service) *Endpoint {
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	client := integration.NewClient(integration.ClientConfig{})
	t.Cleanup(client.Close)
	return &Endpoint{URL: web.URL, Signer: signer{}, Client: client, pause: time.Microsecond}
}

const morning = 1_800_000_000_000 // 2027-01-15

func TestCloudWatch(t *testing.T) {
	s := &service{}
	c := NewCloudWatch(serve(t, s), "f00d")
	n, err := c.Write(context.Background(), []LogEvent{
		{"/a", "Order", morning + 2, `{"id":"2"}`}, {"/b", "Ship", morning, "s"}, {"/a", "Order", morning + 1, `{"id":"1"}`},
		{"/a", "Order", morning + 2, `{"id":"3"}`},
	})
	if n != 4 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := c.Write(context.Background(), []LogEvent{{"/a", "Order", morning + 3, "4"}}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`CreateLogStream {"logGroupName":"/a","logStreamName":"states/Order/2027-01-15/f00d"}`,
		`PutLogEvents {"logGroupName":"/a","logStreamName":"states/Order/2027-01-15/f00d","logEvents":[` +
			`{"timestamp":1800000000001,"message":"{\"id\":\"1\"}"},{"timestamp":1800000000002,"message":"{\"id\":\"2\"}"},{"timestamp":1800000000002,"message":"{\"id\":\"3\"}"}]}`,
		`CreateLogStream {"logGroupName":"/b","logStreamName":"states/Ship/2027-01-15/f00d"}`,
		`PutLogEvents {"logGroupName":"/b","logStreamName":"states/Ship/2027-01-15/f00d","logEvents":[{"timestamp":1800000000000,"message":"s"}]}`,
		`PutLogEvents {"logGroupName":"/a","logStreamName":"states/Order/2027-01-15/f00d","logEvents":[{"timestamp":1800000000003,"message":"4"}]}`,
	}
	if !slices.Equal(s.asked, want) {
		t.Errorf("asked\n%s\nwant\n%s", strings.Join(s.asked, "\n"), strings.Join(want, "\n"))
	}
}

// One call has at most 10,000 events, 1 MiB with 26 bytes for each, and a day.
func TestCloudWatchPortions(t *testing.T) {
	many := func(n, size int) []inputLogEvent {
		return slices.Repeat([]inputLogEvent{{morning, strings.Repeat("x", size)}}, n)
	}
	for _, test := range []struct {
		events []inputLogEvent
		want   int
	}{
		{many(1, 2<<20), 1}, {many(9_999, 1), 9_999}, {many(10_001, 1), 10_000}, {many(5, 1<<19), 1}, {many(5, 1<<19-26), 2}, {many(5, 1<<18-26), 4},
		{[]inputLogEvent{{morning, "a"}, {morning + maxPutInterval, "b"}, {morning + maxPutInterval + 1, "c"}}, 2},
	} {
		if got := portion(test.events); got != test.want {
			t.Errorf("%d events of %d bytes: %d, not %d", len(test.events), len(test.events[0].Message), got, test.want)
		}
	}
}

func TestCloudWatchRefusals(t *testing.T) {
	event := []LogEvent{{"/a", "M", morning, "1"}, {"/a", "M", morning, "2"}, {"/a", "M", morning, "3"}}
	refuse := func(code string) (int, string) {
		return http.StatusBadRequest, fmt.Sprintf(`{"__type":"com.amazonaws.logs#%s:http://x","message":"m"}`, code)
	}
	for name, test := range map[string]struct {
		answer  func(n int, operation string) (int, string) // to the nth call
		written int
		err     string
		asked   string
	}{
		"the stream is there": {func(n int, operation string) (int, string) {
			if operation == "CreateLogStream" {
				return refuse("ResourceAlreadyExistsException")
			}
			return 200, "{}"
		}, 3, "", "CreateLogStream PutLogEvents"},
		"the group is not there": {func(int, string) (int, string) { return refuse("ResourceNotFoundException") },
			0, "ResourceNotFoundException: m", "CreateLogStream"},
		"the stream was taken away": {func(n int, operation string) (int, string) {
			if n == 2 {
				return refuse("ResourceNotFoundException")
			}
			return 200, "{}"
		}, 3, "", "CreateLogStream PutLogEvents CreateLogStream PutLogEvents"},
		"too much to do": {func(n int, operation string) (int, string) {
			if n == 2 || n == 3 {
				return refuse("ThrottlingException")
			}
			return 200, "{}"
		}, 3, "", "CreateLogStream PutLogEvents PutLogEvents PutLogEvents"},
		"out of order for good": {func(n int, operation string) (int, string) {
			if n > 1 {
				return 500, "no JSON"
			}
			return 200, "{}"
		}, 0, "Internal Server Error", "CreateLogStream" + strings.Repeat(" PutLogEvents", maxTries)},
		"too old and too new": {func(n int, operation string) (int, string) {
			return 200, `{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":1,"tooNewLogEventStartIndex":2}}`
		}, 1, "", "CreateLogStream PutLogEvents"},
	} {
		s, n := &service{}, 0
		s.answer = func(operation string, _ []byte) (int, string) { n++; return test.answer(n, operation) }
		written, err := NewCloudWatch(serve(t, s), "f00d").Write(context.Background(), event)
		if written != test.written || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %d were written, %v", name, written, err)
		}
		if s.names() != test.asked {
			t.Errorf("%s: asked %s", name, s.names())
		}
	}
}

// A group is there when its name is the first of those that begin so.
func TestCloudWatchGroup(t *testing.T) {
	for answer, want := range map[string]bool{
		`{"logGroups":[{"logGroupName":"/a"},{"logGroupName":"/a/b"}]}`: true,
		`{"logGroups":[{"logGroupName":"/a/b"}]}`:                       false,
		`{"logGroups":[]}`: false,
	} {
		s := &service{answer: func(string, []byte) (int, string) { return 200, answer }}
		if there, err := NewCloudWatch(serve(t, s), "f00d").Group(t.Context(), "/a"); there != want || err != nil {
			t.Errorf("%s: %v, %v", answer, there, err)
		}
		if want := []string{`DescribeLogGroups {"logGroupNamePrefix":"/a"}`}; !slices.Equal(s.asked, want) {
			t.Errorf("asked %q", s.asked)
		}
	}
	for code, known := range map[string]bool{"InvalidParameterException": true, "AccessDeniedException": false} {
		s := &service{answer: func(string, []byte) (int, string) { return 400, `{"__type":"` + code + `"}` }}
		if there, err := NewCloudWatch(serve(t, s), "f00d").Group(t.Context(), "/a b"); there || (err == nil) != known {
			t.Errorf("%s: %v, %v", code, there, err)
		}
	}
}

func change(n int) StatusChange {
	return StatusChange{"123456789012", "us-east-1", fmt.Sprint("arn:", n), morning, fmt.Sprintf(`{"n":%d}`, n)}
}

func TestEventBridge(t *testing.T) {
	s := &service{}
	s.answer = func(_ string, body []byte) (int, string) {
		var in struct{ Entries []putEventsEntry }
		if err := json.Unmarshal(body, &in); err != nil {
			t.Fatal(err)
		}
		return 200, `{"Entries":[{"EventId":"1"}` + strings.Repeat(`,{"EventId":"2"}`, len(in.Entries)-1) + `]}`
	}
	b := NewEventBridge(serve(t, s), "default", "aws.states")
	var changes []StatusChange
	for n := range 12 {
		changes = append(changes, change(n))
	}
	if n, err := b.Write(context.Background(), changes); n != 12 || err != nil {
		t.Fatal(n, err)
	}
	if len(s.asked) != 2 || strings.Count(s.asked[0], "DetailType") != 10 || strings.Count(s.asked[1], "DetailType") != 2 {
		t.Errorf("asked %q", s.asked)
	}
	want := `PutEvents {"Entries":[{"Time":1800000000,"Source":"aws.states","Resources":["arn:10"],"DetailType":"Step Functions Execution Status Change","Detail":"{\"n\":10}","EventBusName":"default"},`
	if !strings.HasPrefix(s.asked[1], want) {
		t.Errorf("asked %s", s.asked[1])
	}
	big := change(1)
	big.Detail = `"` + strings.Repeat("x", maxEntryBytes/2) + `"`
	s.asked = nil
	if n, err := b.Write(context.Background(), []StatusChange{big, big, big}); n != 3 || err != nil || len(s.asked) != 3 {
		t.Errorf("%d, %v, %d calls for three halves", n, err, len(s.asked))
	}
}

// What a bus can't take now is put again, alone; what it never will is lost.
func TestEventBridgeRefusals(t *testing.T) {
	s := &service{}
	s.answer = func(string, []byte) (int, string) {
		if len(s.asked) == 1 {
			return 200, `{"FailedEntryCount":2,"Entries":[{"EventId":"1"},{"ErrorCode":"ThrottlingException"},{"ErrorCode":"NotAuthorizedForSourceException","ErrorMessage":"no"}]}`
		}
		return 200, `{"Entries":[{"EventId":"2"}]}`
	}
	n, err := NewEventBridge(serve(t, s), "default", "aws.states").Write(context.Background(), []StatusChange{change(1), change(2), change(3)})
	if n != 2 || err == nil || !strings.Contains(err.Error(), "NotAuthorizedForSourceException: no") {
		t.Errorf("%d were written, %v", n, err)
	}
	if len(s.asked) != 2 || strings.Count(s.asked[1], "DetailType") != 1 || !strings.Contains(s.asked[1], "arn:2") {
		t.Errorf("asked %q", s.asked)
	}
	for _, text := range []string{`{}`, `no JSON`} {
		s.answer = func(string, []byte) (int, string) { return 200, text }
		if n, err := NewEventBridge(serve(t, s), "default", "aws.states").Write(context.Background(), []StatusChange{change(1)}); n != 0 || err == nil {
			t.Errorf("%s: %d were written, %v", text, n, err)
		}
	}
}

func TestWebhook(t *testing.T) {
	var heard []string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heard = append(heard, string(body))
		switch {
		case strings.Contains(string(body), "arn:2"):
			w.WriteHeader(http.StatusNotFound)
		case len(heard) == 1:
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer web.Close()
	client := integration.NewClient(integration.ClientConfig{})
	defer client.Close()
	w := NewWebhook(web.URL, "aws.states", client, func() string { return "id" })
	w.pause = time.Microsecond
	n, err := w.Write(context.Background(), []StatusChange{change(1), change(2), change(3)})
	if n != 2 || err == nil || !strings.Contains(err.Error(), "Not Found") {
		t.Errorf("%d were written, %v", n, err)
	}
	want := `{"version":"0","id":"id","detail-type":"Step Functions Execution Status Change","source":"aws.states","account":"123456789012",` +
		`"time":"2027-01-15T08:00:00Z","region":"us-east-1","resources":["arn:1"],"detail":{"n":1}}`
	if len(heard) != 4 || heard[0] != want || heard[1] != want {
		t.Errorf("heard %q", heard)
	}
	web.Close()
	if n, err := w.Write(context.Background(), []StatusChange{change(1)}); n != 0 || err == nil {
		t.Errorf("a webhook that is away took %d", n)
	}
}
