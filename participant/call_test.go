package participant

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/integration"
)

// Whatever Backstep sends is read, and means the same.
func TestWhatBackstepSends(t *testing.T) {
	const arn = "arn:aws:states:us-east-1:123456789012:execution:Order:o-1"
	for _, task := range []integration.Task{
		{StepID: "aatqdip3ag7izp2s3pv4nqc62m-1", Attempt: 3, Execution: arn, State: "Bücher % 1"},
		{StepID: "s-1:compensate-2~3", Forward: "s-1", Operation: integration.Compensate, Attempt: 1, Execution: arn, State: "Charge", Trace: "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"},
		{StepID: "s-1:confirm", Forward: "s-1", Operation: integration.Confirm, Attempt: 1, Execution: arn, State: "Charge"},
		{StepID: "s-1:query", Forward: "s-1", Operation: integration.Query, Attempt: 1, Execution: arn, State: "Charge"},
	} {
		r := &http.Request{Header: http.Header{}}
		task.SetHeaders(r.Header)
		attributes, custom := map[string]string{}, map[string]string{}
		for _, h := range task.Headers() {
			attributes[h.Name], custom[strings.ToLower(h.Name)] = h.Value, h.Value
		}
		c, err := CallFromRequest(r)
		if err != nil {
			t.Errorf("%s: %v", task.StepID, err)
		}
		for _, m := range []map[string]string{attributes, custom} {
			if again, err := CallFromAttributes(m); err != nil || again != c {
				t.Errorf("as attributes it is %+v, %v; as headers %+v", again, err, c)
			}
		}
		want := Call{
			Key: task.StepID, Operation: Operation(task.Operation.String()), ForwardKey: task.Forward, Execution: arn, State: task.State,
			Attempt: task.Attempt, CorrelationID: arn, TraceParent: r.Header.Get("traceparent"),
		}
		if task.Trace != "" {
			want.CorrelationID = task.Trace
		}
		if task.Operation == integration.Query {
			want.Key = ""
		}
		if c != want || c.TraceParent == "" {
			t.Errorf("it is %+v, want %+v", c, want)
		}
	}
}

func TestSteps(t *testing.T) {
	for _, c := range []Call{
		{Key: "s-1", Operation: Forward}, {Key: "s-1~2", Operation: Forward}, {Key: "s-1", Operation: Forward, ForwardKey: "s-1~9999"},
		{Key: "s-1:compensate", Operation: Compensate, ForwardKey: "s-1"}, {Key: "s-1:compensate-12~3", Operation: Compensate, ForwardKey: "s-1~2"},
		{Key: "s-1:confirm~2", Operation: Confirm, ForwardKey: "s-1"}, {Operation: Query, ForwardKey: "s-1"},
	} {
		if err := c.check(); err != nil || c.Step() != "s-1" {
			t.Errorf("%+v: step %q, %v", c, c.Step(), err)
		}
	}
	longest := strings.Repeat("x", 64)
	if err := (Call{Key: longest + ":compensate-9999~9999", Operation: Compensate, ForwardKey: longest}).check(); err != nil {
		t.Error(err)
	}
	if n := len(longest + ":compensate-9999~9999"); n > MaxKey {
		t.Errorf("a key may have %d characters", n)
	}
}

func TestWhatIsNoCall(t *testing.T) {
	for _, c := range []struct {
		headers map[string]string
		names   string // what the error must name
	}{
		{nil, HeaderOperation},
		{map[string]string{HeaderKey: "s-1"}, HeaderOperation},
		{map[string]string{HeaderKey: "s-1", HeaderOperation: "Forward"}, HeaderOperation},
		{map[string]string{HeaderKey: "s-1", HeaderOperation: "undo"}, HeaderOperation},
		{map[string]string{HeaderOperation: "forward"}, HeaderKey},
		{map[string]string{HeaderKey: strings.Repeat("x", 65), HeaderOperation: "forward"}, HeaderKey},
		{map[string]string{HeaderKey: strings.Repeat("x", 1e6), HeaderOperation: "forward"}, HeaderKey},
		{map[string]string{HeaderKey: "a b", HeaderOperation: "forward"}, HeaderKey},
		{map[string]string{HeaderKey: "ü", HeaderOperation: "forward"}, HeaderKey},
		{map[string]string{HeaderKey: "s-1\n", HeaderOperation: "forward"}, HeaderKey},
		{map[string]string{HeaderKey: "s-1~", HeaderOperation: "forward"}, HeaderKey},
		{map[string]string{HeaderKey: "s-1~02", HeaderOperation: "forward"}, HeaderKey},
		{map[string]string{HeaderKey: "s-1:forward", HeaderOperation: "forward"}, HeaderKey},
		{map[string]string{HeaderKey: "s-1:confirm-2", HeaderOperation: "confirm", HeaderForwardKey: "s-1"}, HeaderKey},
		{map[string]string{HeaderKey: "s-1:compensate", HeaderOperation: "forward"}, HeaderKey},
		{map[string]string{HeaderKey: "s-1", HeaderOperation: "compensate", HeaderForwardKey: "s-1"}, HeaderKey},
		{map[string]string{HeaderKey: "s-1:confirm", HeaderOperation: "compensate", HeaderForwardKey: "s-1"}, HeaderKey},
		{map[string]string{HeaderKey: "s-1:compensate", HeaderOperation: "compensate"}, HeaderForwardKey},
		{map[string]string{HeaderKey: "s-1:compensate", HeaderOperation: "compensate", HeaderForwardKey: "s-2"}, HeaderForwardKey},
		{map[string]string{HeaderKey: "s-1:compensate", HeaderOperation: "compensate", HeaderForwardKey: "s-1:compensate"}, HeaderForwardKey},
		{map[string]string{HeaderKey: "s-1", HeaderOperation: "forward", HeaderForwardKey: "s-2"}, HeaderForwardKey},
		{map[string]string{HeaderOperation: "query"}, HeaderForwardKey},
		{map[string]string{HeaderKey: "s-1", HeaderOperation: "forward", HeaderAttempt: "0"}, HeaderAttempt},
		{map[string]string{HeaderKey: "s-1", HeaderOperation: "forward", HeaderAttempt: "two"}, HeaderAttempt},
		{map[string]string{HeaderKey: "s-1", "idempotency-key": "s-2", HeaderOperation: "forward"}, HeaderKey},
	} {
		got, err := CallFromAttributes(c.headers)
		if !errors.Is(err, ErrCall) || !strings.Contains(err.Error(), c.names+": ") || got != (Call{}) {
			t.Errorf("%.100v gives %+v and %.200v, want an error that names %s", c.headers, got, err, c.names)
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
	}
	twice := http.Header{HeaderKey: {"s-1", "s-2"}, HeaderOperation: {"forward"}}
	if _, err := CallFromRequest(&http.Request{Header: twice}); !errors.Is(err, ErrCall) || !strings.Contains(err.Error(), "2 times") {
		t.Errorf("two keys give %v", err)
	}
}

// What a definition sets itself is told as it is.
func TestValuesOfADefinition(t *testing.T) {
	c, err := CallFromAttributes(map[string]string{HeaderKey: "s-1", HeaderOperation: "forward", HeaderCorrelation: "50% off"})
	if err != nil || c.CorrelationID != "50% off" {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = CallFromAttributes(map[string]string{HeaderKey: "mine", HeaderOperation: "query", HeaderForwardKey: "s-1"})
	if err != nil || c.Key != "" {
		t.Errorf("%+v, %v", c, err)
	}
}
