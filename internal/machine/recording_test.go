package machine

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// TestRecordings plays recordings of the service against Step: what came from
// outside in the recording comes as a message, and all else must follow of
// itself, with the same ids and the same previous events.
func TestRecordings(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(shared(t), "conformance", "cases", "*.json"))
	if len(files) == 0 {
		t.Skip("the recordings are not here: conformance/cases is missing beneath ", shared(t))
	}
	played := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []recording
		if err := json.Unmarshal(text, &cases); err != nil {
			t.Fatal(file, err)
		}
		for _, c := range cases {
			if why := c.unplayable(); why == "" {
				played++
				t.Run(c.ID[strings.LastIndex(c.ID, "::")+2:], c.play)
			}
		}
	}
	if played < 260 {
		t.Errorf("only %d recordings were played", played)
	}
}

// shared is the folder of reference data.
func shared(t *testing.T) string {
	if dir := os.Getenv("BACKSTEP_SHARED"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(filepath.Dir(dir), "shared")
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

type recording struct {
	ID         string
	Kind       string
	Runnable   bool
	Concurrent bool
	Definition json.RawMessage
	Expected   map[string]json.RawMessage
}

type recordedEvent struct {
	ID      json.RawMessage `json:"id"`
	Prev    json.RawMessage `json:"previousEventId"`
	Type    string          `json:"type"`
	details map[string]any
}

func (c *recording) unplayable() string {
	switch {
	case c.Kind != "execution" || !c.Runnable || c.Definition == nil:
		return "no execution"
	case c.Concurrent:
		return "order of concurrent frames"
	case strings.Contains(string(c.Definition), "DISTRIBUTED"):
		return "distributed Map"
	case len(c.events()) == 0:
		return "no single history"
	case strings.Contains(c.ID, "PARALLEL_CATCH"):
		return "the order of its branches was not recorded"
	case strings.Contains(c.ID, "too_far_in_future") || strings.Contains(c.ID, "NANOSECONDS"):
		return "its time was not recorded"
	case strings.Contains(c.ID, "variable_sampling") && strings.Contains(c.ID, "[object]"):
		return "since 2025 a Map goes through objects too"
	}
	return ""
}

func (c *recording) events() []recordedEvent {
	var only []recordedEvent
	for _, raw := range c.Expected {
		var history struct{ Events []json.RawMessage }
		if json.Unmarshal(raw, &history) != nil || len(history.Events) == 0 {
			continue
		}
		if only != nil {
			return nil
		}
		for _, text := range history.Events {
			var e recordedEvent
			if json.Unmarshal(text, &e) != nil || e.Type == "" {
				return nil
			}
			var members map[string]json.RawMessage
			_ = json.Unmarshal(text, &members)
			for name, member := range members {
				if strings.HasSuffix(name, "EventDetails") {
					_ = json.Unmarshal(member, &e.details)
				}
			}
			only = append(only, e)
		}
	}
	return only
}

var placeholders = strings.NewReplacer("${account}", "111111111111", "${region}", "us-east-1")

var others = regexp.MustCompile(`\$\{[^}]*\}`)

func (c *recording) play(t *testing.T) {
	want := c.events()
	definition := placeholders.Replace(string(c.Definition))
	definition = others.ReplaceAllStringFunc(definition, func(s string) string {
		if strings.Contains(s, "activityArn") {
			return "arn:aws:states:us-east-1:111111111111:activity:activity"
		}
		return "x"
	})
	d, problems := asl.Parse([]byte(definition))
	p, err := asl.Compile(d, asl.Rules{})
	if len(problems) > 0 || err != nil {
		t.Fatal(asl.Render(problems), err)
	}
	s := newScript(t, "")
	s.p = p
	s.gone["arn:aws:states:us-east-1:111111111111:activity:activity"] = strings.HasSuffix(c.ID, "_on_deleted")
	var got []Event
	got = append(got, s.step(Message{Kind: Begin, Output: recordedText(want[0].details["input"])})...)
	for len(got) < len(want) && len(got) > 0 {
		m, ok := s.cause(&want[len(got)])
		if !ok {
			break
		}
		more := s.step(m)
		if len(more) == 0 {
			break
		}
		got = append(got, more...)
	}
	for i := range want {
		if i >= len(got) {
			t.Fatalf("event %d is missing: %s", i+1, want[i].Type)
		}
		if diff := s.differs(&want[i], &got[i]); diff != "" {
			t.Fatalf("event %d: %s\n got: %s", i+1, diff, s.eventLine(&got[i]))
		}
	}
	if len(got) > len(want) {
		t.Fatalf("more than was recorded: %s", s.eventLine(&got[len(want)]))
	}
}

// recordedText is a text of a recording, which may be shown as a tree.
func recordedText(v any) value.Text {
	if s, ok := v.(string); ok {
		if text, err := value.Check(s); err == nil {
			return text
		}
	}
	return value.Checked(*recordedString(v))
}

func recordedString(v any) *string {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return &v
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	s := strings.TrimSpace(b.String())
	return &s
}

// cause is the message that made the service tell the event.
func (s *script) cause(e *recordedEvent) (Message, bool) {
	var j *Job
	for id := s.x.Head.LastJob; id > 0 && j == nil; id-- {
		j = s.x.Jobs[id]
	}
	if j == nil {
		return Message{}, false
	}
	m := Message{Job: j.ID}
	switch {
	case strings.HasSuffix(e.Type, "TimedOut") || j.Kind == Timer:
		m.Kind = Fired
		s.env.Now = j.Deadline
		if j.Kind == Timer || j.awaited() {
			s.env.Now = j.Due
		}
	case e.Type == "TaskSubmitted":
		m.Kind, m.Output = Submitted, recordedText(e.details["output"])
	case e.Type == "ActivityStarted":
		m.Kind = Taken
		if worker := recordedString(e.details["workerName"]); worker != nil {
			m.Worker = *worker
		}
	case strings.HasSuffix(e.Type, "Succeeded"):
		m.Kind, m.Output = JobSucceeded, recordedText(e.details["output"])
	case e.details["error"] == errDataLimit:
		m.Kind, m.Output = JobSucceeded, s.text("big 300000")
	case strings.HasSuffix(e.Type, "Failed"):
		m.Kind, m.Failure = JobFailed, &Failure{recordedString(e.details["error"]), recordedString(e.details["cause"])}
	default:
		return m, false
	}
	return m, true
}

// differs tells in what an event is not as it was recorded. Texts that the
// recording shows with placeholders are compared no further than these.
func (s *script) differs(want *recordedEvent, got *Event) string {
	if want.Type != got.Type.String() {
		return "want type " + want.Type
	}
	if id := string(want.ID); id[0] != '[' && id != fmt.Sprint(got.ID) {
		return "want id " + id
	}
	if prev := string(want.Prev); want.Prev != nil && string(want.ID)[0] != '[' && prev != fmt.Sprint(got.Prev) {
		return "want previous " + prev
	}
	for name, v := range want.details {
		var have *string
		switch name {
		case "name", "state":
			have = &got.State
		case "error":
			have = got.Error
		case "cause":
			have = got.Cause
		case "input", "parameters":
			have = s.shown(got.In)
		case "output":
			have = s.shown(got.Out)
		case "location":
			have = &got.Location
		case "length":
			text := fmt.Sprint(got.Length)
			have = &text
		case "index":
			text := fmt.Sprint(got.Index)
			have = &text
		case "timeoutInSeconds":
			text := fmt.Sprint(got.Timeout)
			have = &text
		case "heartbeatInSeconds":
			text := fmt.Sprint(got.Heartbeat)
			have = &text
		default:
			continue
		}
		if have == nil {
			return "no " + name
		}
		if expected := *recordedString(v); !alike(expected, *have) {
			return fmt.Sprintf("want %s %s\n got %s %s", name, expected, name, *have)
		}
	}
	return ""
}

func (s *script) shown(r Ref) *string {
	text := s.texts[r].String()
	return &text
}

var stands = regexp.MustCompile(`<[^>]*>|\bx\b|_u\d|date|time|activity_arn|sqs_queue|Arn|arn`)

// alike compares texts, or trees where both are JSON.
func alike(want, got string) bool {
	if want == got || stands.MatchString(want) || strings.HasSuffix(want, "…") {
		return true
	}
	a, err := value.Check(want)
	b, err2 := value.Check(got)
	return err == nil && err2 == nil && value.Equal(a.Decode(), b.Decode())
}
