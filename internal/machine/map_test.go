package machine

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

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

// TestMapIsLinear proves that n items cost n writes, and memory in proportion.
// What they cost in time, BenchmarkMap measures.
func TestMapIsLinear(t *testing.T) {
	cost := func(n int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if frames := runMap(t, n); frames > 3*n {
			t.Errorf("%d items: %d rows of frames were written", n, frames)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	small, large := cost(1000), cost(40000)
	if large > 40*small*3/2 {
		t.Errorf("1,000 items took %d bytes of memory, 40,000 took %d", small, large)
	}
}
