package machine

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

func itoa(n int) string { return strconv.Itoa(n) }

func compileFor(t testing.TB, definition string) *asl.Program {
	t.Helper()
	d, problems := asl.Parse([]byte(definition))
	if len(problems) > 0 {
		t.Fatal(asl.Render(problems))
	}
	p, err := asl.Compile(d, asl.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const mapOfTasks = `{"StartAt": "A", "States": {"A": {"Type": "Map", "MaxConcurrency": 40, "End": true,
  "ItemSelector": {"item.$": "$$.Map.Item.Value", "of.$": "$[0]"},
  "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}}}}}}`

// runMap runs an inline Map of n items, one task each, and tells how many rows
// of frames were written.
func runMap(t testing.TB, n int) (frames int) {
	p := compileFor(t, mapOfTasks)
	e := Env{Now: scriptStart, Limits: AWSLimits()}
	e.Limits.Events, e.Limits.Payload = 0, 0
	x := New(Start{Account: "1", Region: "us-east-1", Machine: "m", Name: "n", At: scriptStart})
	d := Step(e, p, x, Message{Kind: Begin, Output: value.Checked("[" + strings.TrimSuffix(strings.Repeat("7,", n), ",") + "]")})
	x.Apply(d)
	for job := JobID(1); !x.Head.Status.Ended(); job++ {
		d := Step(e, p, x, Message{Kind: JobSucceeded, Job: job, Output: value.Checked("1")})
		frames += len(d.Frames)
		x.Apply(d)
	}
	if x.Head.Status != Succeeded || int(x.Head.LastJob) != n || len(x.Frames) != 0 || len(x.Payloads) != 2 {
		t.Fatalf("%v after %d jobs, %d frames and %d payloads left", x.Head.Status, x.Head.LastJob, len(x.Frames), len(x.Payloads))
	}
	return frames
}

// TestMapIsLinear proves that n items cost n writes, and time in proportion: if
// the time grew with the square, it would be forty times as much again.
func TestMapIsLinear(t *testing.T) {
	took := func(n int) time.Duration {
		start := time.Now()
		if frames := runMap(t, n); frames > 3*n {
			t.Errorf("%d items: %d rows of frames were written", n, frames)
		}
		return time.Since(start)
	}
	small := min(took(1000), took(1000), took(1000))
	if large := took(40000); large > 40*small*12 {
		t.Errorf("1,000 items took %v, 40,000 took %v", small, large)
	}
}
