package service

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
)

// maxReported is what of an input or output log events and status changes tell,
// in bytes of it as a JSON string.
const maxReported = 248 << 10

// takes reports whether a level logs an event: by AWS's table, and of sagas what
// went wrong, and of that what is final.
func takes(level api.LogLevel, e *machine.Event) bool {
	t := e.Type
	switch level {
	case api.LogLevelAll:
		return true
	case api.LogLevelError:
		return int(t) < len(loggedAsError) && loggedAsError[t] || endedBadly(e)
	case api.LogLevelFatal:
		return t == machine.ExecutionAborted || t == machine.ExecutionFailed || t == machine.ExecutionTimedOut || endedBadly(e)
	}
	return false
}

// endedBadly reports whether an event is the end of a saga that still owes
// something.
func endedBadly(e *machine.Event) bool {
	return e.Type == machine.SagaEnded &&
		(e.Saga.Word == machine.SagaCompensationFailed.String() || e.Saga.Word == machine.SagaAbandoned.String())
}

// loggedAsError are the types of events that level ERROR logs.
var loggedAsError = [...]bool{
	machine.ActivityFailed:               true,
	machine.ActivityScheduleFailed:       true,
	machine.ActivityTimedOut:             true,
	machine.EvaluationFailed:             true,
	machine.ExecutionAborted:             true,
	machine.ExecutionFailed:              true,
	machine.ExecutionTimedOut:            true,
	machine.FailStateEntered:             true,
	machine.LambdaFunctionFailed:         true,
	machine.LambdaFunctionScheduleFailed: true,
	machine.LambdaFunctionStartFailed:    true,
	machine.LambdaFunctionTimedOut:       true,
	machine.MapIterationAborted:          true,
	machine.MapIterationFailed:           true,
	machine.MapRunAborted:                true,
	machine.MapRunFailed:                 true,
	machine.MapStateAborted:              true,
	machine.MapStateFailed:               true,
	machine.ParallelStateAborted:         true,
	machine.ParallelStateFailed:          true,
	machine.TaskFailed:                   true,
	machine.TaskStartFailed:              true,
	machine.TaskStateAborted:             true,
	machine.TaskSubmitFailed:             true,
	machine.TaskTimedOut:                 true,
	machine.WaitStateAborted:             true,
	machine.SagaPlanned:                  true,
	machine.SagaHeld:                     true,
	machine.SagaResolved:                 true,
	machine.LateTaskResult:               true,
}

// logWriter words the events of a turn.
type logWriter struct {
	arn      string
	mapRun   string // ARN, "" for who is no child of one
	redrives string
	teller   teller
}

// newLogWriter has the payloads of a turn's events at hand where data is to be
// told.
func newLogWriter(t *engine.Telling, events []machine.Event, data bool) *logWriter {
	w := &logWriter{
		arn: t.Start.ExecutionARN(), redrives: strconv.Itoa(t.Head.Redrives),
		teller: teller{start: t.Start, data: data, texts: map[machine.Ref]string{}, cut: map[machine.Ref]bool{}},
	}
	if arn := mapRunARN(t.Start); arn != nil {
		w.mapRun = *arn
	}
	if !data {
		return w
	}
	refs(events, func(r machine.Ref) {
		if _, have := w.teller.texts[r]; r != 0 && !have {
			w.teller.texts[r], w.teller.cut[r] = reported(t.Text(r).String())
		}
	})
	return w
}

// loggedEvent is an event as CloudWatch Logs has it: its numbers are texts.
type loggedEvent struct {
	ID              string `json:"id"`
	Type            string `json:"type"`
	Details         any    `json:"details"`
	PreviousEventID string `json:"previous_event_id"`
	Timestamp       string `json:"event_timestamp"`
	ExecutionARN    string `json:"execution_arn"`
	MapRunARN       string `json:"map_run_arn,omitempty"`
	RedriveCount    string `json:"redrive_count"`
}

// text is one event in JSON.
func (w *logWriter) text(e *machine.Event) string {
	told := w.teller.event(e)
	return encodeReport(loggedEvent{
		ID: strconv.FormatInt(e.ID, 10), Type: e.Type.String(), Details: detailsOf(&told), PreviousEventID: strconv.FormatInt(e.Prev, 10),
		Timestamp: strconv.FormatInt(e.At, 10), ExecutionARN: w.arn, MapRunARN: w.mapRun, RedriveCount: w.redrives,
	})
}

// detailsOf is the one details member of an event, an empty one where it has
// none. Variables that are too long together are left out.
func detailsOf(e *api.HistoryEvent) any {
	if d := e.StateExitedEventDetails; d != nil && d.AssignedVariables != nil {
		size := 0
		for name, text := range d.AssignedVariables {
			size += escaped(name) + escaped(text)
		}
		if size > maxReported {
			d.AssignedVariables, d.AssignedVariablesDetails = nil, &api.AssignedVariablesDetails{Truncated: true}
		}
	}
	v := reflect.ValueOf(e).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Pointer && !f.IsNil() {
			return f.Interface()
		}
	}
	return struct{}{}
}

// encodeReport is a report in JSON, with no character escaped that need not be.
func encodeReport(v any) string {
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false)
	if err := to.Encode(v); err != nil {
		panic(err) // texts and numbers alone: there is nothing that JSON can't say
	}
	return string(bytes.TrimRight(b.Bytes(), "\n"))
}

// reported is a text within maxReported, and whether it was cut for that.
func reported(text string) (string, bool) {
	size := 0
	for i := 0; i < len(text); {
		_, width := utf8.DecodeRuneInString(text[i:])
		if size += escaped(text[i : i+width]); size > maxReported {
			return text[:i], true
		}
		i += width
	}
	return text, false
}

// escaped is how many bytes a text takes within a JSON string.
func escaped(text string) int {
	n := len(text)
	for i := range len(text) {
		switch b := text[i]; {
		case b == '"' || b == '\\' || b == '\n' || b == '\r' || b == '\t' || b == '\b' || b == '\f':
			n++
		case b < 0x20:
			n += 5
		case b == 0xE2 && i+2 < len(text) && (text[i:i+3] == "\u2028" || text[i:i+3] == "\u2029"):
			n += 3
		}
	}
	return n
}
