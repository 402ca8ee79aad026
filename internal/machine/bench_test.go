package machine

import (
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/value"
)

const fiveSteps = `{"StartAt": "A", "States": {
  "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "a", "Payload.$": "$"}, "ResultPath": "$.a", "Next": "B"},
  "B": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "b", "Payload.$": "$"}, "ResultPath": "$.b", "Next": "C"},
  "C": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "c", "Payload.$": "$"}, "ResultPath": "$.c", "Next": "D"},
  "D": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "d", "Payload.$": "$"}, "ResultPath": "$.d", "Next": "E"},
  "E": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "e", "Payload.$": "$"}, "ResultPath": "$.e", "End": true}}}`

const plainSteps = `{"StartAt": "A", "States": {
  "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "B"},
  "B": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "C"},
  "C": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "D"},
  "D": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "E"},
  "E": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}}}`

const querySteps = `{"QueryLanguage": "JSONata", "StartAt": "A", "States": {
  "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "a", "Payload": {"order": "{% $states.input.order %}"}}, "Assign": {"a": "{% $states.result.id %}"}, "Output": "{% $states.input %}", "Next": "B"},
  "B": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "b", "Payload": {"order": "{% $states.input.order %}"}}, "Assign": {"b": "{% $states.result.id %}"}, "Output": "{% $states.input %}", "Next": "C"},
  "C": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "c", "Payload": {"order": "{% $states.input.order %}"}}, "Assign": {"c": "{% $states.result.id %}"}, "Output": "{% $states.input %}", "Next": "D"},
  "D": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "d", "Payload": {"order": "{% $states.input.order %}"}}, "Assign": {"d": "{% $states.result.id %}"}, "Output": "{% $states.input %}", "Next": "E"},
  "E": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "e", "Payload": {"order": "{% $states.input.order %}"}}, "Assign": {"e": "{% $states.result.id %}"}, "Output": "{% $states.input %}", "End": true}}}`

// BenchmarkSaga is a whole execution of five tasks with results of 1 KB: six
// turns, each decided, encoded and applied.
func BenchmarkSaga(b *testing.B) {
	found := strings.Replace(querySteps, `{`, `{"SearchAttributes": {"order": "{% $states.input.order %}", "a": "{% $a %}"}, `, 1)
	for _, c := range []struct{ name, definition string }{{"pass on", plainSteps}, {"merge", fiveSteps}, {"query", querySteps}, {"found", found}} {
		b.Run(c.name, func(b *testing.B) { benchmarkSaga(b, c.definition) })
	}
}

func benchmarkSaga(b *testing.B, definition string) {
	p := compileFor(b, definition)
	e := Env{Now: scriptStart, Limits: AWSLimits()}
	input := value.Checked(`{"order": 1}`)
	result := value.Checked(`{"id": "` + strings.Repeat("x", 1000) + `"}`)
	buffer := make([]byte, 0, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		x := New(Start{Account: "1", Region: "us-east-1", Machine: "m", Name: "n", At: scriptStart})
		m := Message{Kind: Begin, Output: input}
		for turn := range 6 {
			d := Step(e, p, x, m)
			buffer = appendHead(buffer[:0], d.Head)
			buffer = appendEvents(buffer, d.Events)
			for _, f := range d.Frames {
				buffer = appendFrame(buffer, f)
			}
			for _, j := range d.Jobs {
				buffer = appendJob(buffer, j)
			}
			x.Apply(d)
			m = Message{Kind: JobSucceeded, Job: JobID(turn + 1), Output: result}
		}
		if x.Head.Status != Succeeded {
			b.Fatal(x.Head.Status)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/6, "µs/turn")
}

// BenchmarkUndo is a whole saga of five tasks with results of 1 KB as Lambda's Invoke
// gives them, the last of which fails, so that four are undone: ten turns.
func BenchmarkUndo(b *testing.B) {
	var states strings.Builder
	for _, step := range []struct{ name, next string }{{"A", `"Next":"B"`}, {"B", `"Next":"C"`}, {"C", `"Next":"D"`}, {"D", `"Next":"E"`}, {"E", `"End":true`}} {
		states.WriteString(`"` + step.name + `": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "TimeoutSeconds": 60,
			"Arguments": {"FunctionName": "do", "Payload": "{% $states.input %}"}, "Output": "{% $states.result.Payload %}",
			"Compensate": {"Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "undo", "Payload": "{% $states.result.Payload %}"}}, ` + step.next + `},`)
	}
	p := compileFor(b, `{"QueryLanguage": "JSONata", "Saga": {}, "StartAt": "A", "States": {`+strings.TrimSuffix(states.String(), ",")+`}}`)
	e := Env{Now: scriptStart, Limits: AWSLimits()}
	result := value.Checked(`{"ExecutedVersion":"$LATEST","Payload":{"id":"` + strings.Repeat("x", 1000) + `"},"StatusCode":200}`)
	name := "Declined"
	b.ReportAllocs()
	for b.Loop() {
		x := New(Start{Account: "1", Region: "us-east-1", Machine: "m", Name: "n", At: scriptStart})
		x.Apply(Step(e, p, x, Message{Kind: Begin, Output: value.Checked(`{"order": 1}`)}))
		for turn := 1; x.Head.Status == Running; turn++ {
			m := Message{Kind: JobSucceeded, Job: x.Head.LastJob, Output: result}
			if turn == 5 {
				m = Message{Kind: JobFailed, Job: x.Head.LastJob, Failure: &Failure{Error: &name}, Effect: EffectNamed}
			}
			x.Apply(Step(e, p, x, m))
		}
		if x.Head.SagaStatus() != SagaAborted.String() {
			b.Fatal(x.Head.SagaStatus())
		}
	}
}

// BenchmarkMap is an inline Map of n items, one task each.
func BenchmarkMap(b *testing.B) {
	for _, n := range []int{1000, 4000, 16000} {
		b.Run(itoa(n), func(b *testing.B) {
			for b.Loop() {
				runMap(b, n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/item")
		})
	}
}
