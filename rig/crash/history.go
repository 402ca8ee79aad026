package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/backstep/backstep/api"
)

// path is what a history tells, followed event by event along the definition.
type path struct {
	flow     *flow
	events   []api.HistoryEvent
	states   []string // the state that each event belongs to
	led      []int    // how many events each one led to on its own thread
	steps    map[string]*step
	receipts []string
	status   string // as the last event says
	faults   []string
}

// step is what became of a state.
type step struct{ entered, exited, scheduled, succeeded int }

// flow is what may follow what, as the definition has it.
type flow struct {
	first    string
	next     map[string][]string // after a state has been left
	branches map[string][]string // the first states within a Parallel
	parent   map[string]string   // of a state within a Parallel

	restored bool // the server was: who waits for a callback or a worker is asked again
}

func flowOf(definition string) *flow {
	type machine struct {
		StartAt string
		States  map[string]struct {
			Next     string
			Catch    []struct{ Next string }
			Branches []json.RawMessage
		}
	}
	f := &flow{next: map[string][]string{}, branches: map[string][]string{}, parent: map[string]string{}}
	var read func(text, parent string) string
	read = func(text, parent string) string {
		var m machine
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			panic(err)
		}
		for name, state := range m.States {
			f.parent[name] = parent
			f.next[name] = []string{state.Next}
			for _, c := range state.Catch {
				f.next[name] = append(f.next[name], c.Next)
			}
			for _, branch := range state.Branches {
				f.branches[name] = append(f.branches[name], read(string(branch), name))
			}
		}
		return m.StartAt
	}
	f.first = read(definition, "")
	return f
}

// ledTo says after which events, on its thread, an event may come; 0 stands
// for none.
var ledTo = map[api.HistoryEventType]string{
	"ExecutionStarted":   "0",
	"ExecutionAborted":   "0",
	"ExecutionSucceeded": "SucceedStateExited",
	"ExecutionFailed":    "FailStateEntered",

	"TaskStateEntered":     "0 TaskStateExited ParallelStateStarted ParallelStateExited",
	"ParallelStateEntered": "TaskStateExited",
	"SucceedStateEntered":  "TaskStateExited",
	"FailStateEntered":     "TaskStateExited",
	"SucceedStateExited":   "SucceedStateEntered",
	"TaskStateExited": "TaskSucceeded TaskFailed TaskTimedOut TaskSubmitFailed LambdaFunctionSucceeded LambdaFunctionFailed LambdaFunctionTimedOut " +
		"ActivitySucceeded ActivityFailed ActivityTimedOut",

	"TaskScheduled":    "TaskStateEntered TaskFailed TaskTimedOut TaskSubmitFailed",
	"TaskStarted":      "TaskScheduled",
	"TaskSubmitted":    "TaskStarted",
	"TaskSubmitFailed": "TaskStarted",
	"TaskSucceeded":    "TaskStarted TaskSubmitted",
	"TaskFailed":       "TaskStarted TaskSubmitted",
	"TaskTimedOut":     "TaskStarted TaskSubmitted",

	"LambdaFunctionScheduled": "TaskStateEntered LambdaFunctionFailed LambdaFunctionTimedOut",
	"LambdaFunctionStarted":   "LambdaFunctionScheduled",
	"LambdaFunctionSucceeded": "LambdaFunctionStarted",
	"LambdaFunctionFailed":    "LambdaFunctionStarted",
	"LambdaFunctionTimedOut":  "LambdaFunctionStarted",

	"ActivityScheduled": "TaskStateEntered ActivityFailed ActivityTimedOut",
	"ActivityStarted":   "ActivityScheduled",
	"ActivitySucceeded": "ActivityStarted",
	"ActivityFailed":    "ActivityStarted",
	"ActivityTimedOut":  "ActivityScheduled ActivityStarted",

	"ParallelStateStarted":   "ParallelStateEntered",
	"ParallelStateSucceeded": "TaskStateExited",
	"ParallelStateFailed":    "TaskFailed TaskTimedOut TaskSubmitFailed",
	"ParallelStateExited":    "TaskStateExited ParallelStateFailed",
	"TaskStateAborted":       "TaskFailed TaskTimedOut TaskSubmitFailed",
}

// beside are events that stand beside the thread of the one that led to them:
// what comes of a whole Parallel, and of the branches that it broke off.
var beside = []api.HistoryEventType{"ParallelStateSucceeded", "ParallelStateFailed", "ParallelStateExited", "TaskStateAborted"}

// endings are the statuses by the event that ends an execution.
var endings = map[api.HistoryEventType]api.ExecutionStatus{
	"ExecutionSucceeded": api.ExecutionStatusSucceeded,
	"ExecutionFailed":    api.ExecutionStatusFailed,
	"ExecutionAborted":   api.ExecutionStatusAborted,
}

// follow reads a history: ids without gap, each event after one that may lead
// to it, states in the order of the definition, one end and nothing after it.
func follow(f *flow, events []api.HistoryEvent) *path {
	p := &path{
		flow: f, events: events, states: make([]string, len(events)+1), led: make([]int, len(events)+1),
		steps: map[string]*step{}, status: string(api.ExecutionStatusRunning),
	}
	for i := range events {
		e := &events[i]
		if e.Id != int64(i)+1 || e.PreviousEventId < 0 || e.PreviousEventId >= e.Id {
			p.fault(e, "is event %d after event %d", i+1, e.PreviousEventId)
			return p
		}
		p.take(e)
	}
	p.close()
	return p
}

func (p *path) fault(e *api.HistoryEvent, format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf("event %d, %s: %s", e.Id, e.Type, fmt.Sprintf(format, args...)))
}

func (p *path) take(e *api.HistoryEvent) {
	before := "0"
	if e.PreviousEventId > 0 {
		before = string(p.events[e.PreviousEventId-1].Type)
	}
	again := p.flow.restored && string(e.Type) == before && (before == "TaskSubmitted" || before == "ActivityStarted")
	switch {
	case !again && !slices.Contains(strings.Fields(ledTo[e.Type]), before):
		p.fault(e, "comes after event %d, %s", e.PreviousEventId, before)
	case (e.Id == 1) != (e.Type == "ExecutionStarted"):
		p.fault(e, "does not begin the history, or begins it twice")
	case before == "0" && e.Type == "TaskStateEntered" && e.Id != 2:
		p.fault(e, "begins a second thread")
	case p.status != string(api.ExecutionStatusRunning):
		p.fault(e, "comes after the end")
	case e.Id > 1 && e.Timestamp < p.events[e.Id-2].Timestamp:
		p.fault(e, "is earlier than the event before it")
	}
	if before != "0" && !slices.Contains(beside, e.Type) {
		p.led[e.PreviousEventId]++
		if p.led[e.PreviousEventId] > max(1, len(p.flow.branches[p.states[e.PreviousEventId]])) {
			p.fault(e, "is one too many after event %d", e.PreviousEventId)
		}
	}
	p.place(e, before)
	p.count(e)
	if status, ends := endings[e.Type]; ends {
		p.status = string(status)
	}
}

// place tells which state an event belongs to, and holds the order of states
// against the definition.
func (p *path) place(e *api.HistoryEvent, before string) {
	state := p.states[e.PreviousEventId]
	switch {
	case e.StateEnteredEventDetails != nil:
		may := p.flow.next[state]
		switch before {
		case "0":
			may = []string{p.flow.first}
		case "ParallelStateStarted":
			may = p.flow.branches[state]
		}
		if state = e.StateEnteredEventDetails.Name; !slices.Contains(may, state) {
			p.fault(e, "%s is entered, not one of %q", state, may)
		}
	case strings.HasPrefix(string(e.Type), "ParallelState") && p.flow.parent[state] != "":
		state = p.flow.parent[state]
	}
	if e.StateExitedEventDetails != nil && e.StateExitedEventDetails.Name != state {
		p.fault(e, "%s is left within %s", e.StateExitedEventDetails.Name, state)
	}
	p.states[e.Id] = state
}

var receiptText = regexp.MustCompile(`receipt-w?[0-9]+\.`)

// count keeps what the ledger and the journal are held against.
func (p *path) count(e *api.HistoryEvent) {
	state := p.states[e.Id]
	s := p.steps[state]
	if s == nil {
		s = new(step)
		p.steps[state] = s
	}
	kind := string(e.Type)
	switch {
	case strings.HasSuffix(kind, "StateEntered"):
		if s.entered++; s.entered > 1 {
			p.fault(e, "%s is entered again", state)
		}
	case strings.HasSuffix(kind, "StateExited"):
		if s.exited++; s.exited > s.entered {
			p.fault(e, "%s is left again", state)
		}
	case strings.HasSuffix(kind, "Scheduled"):
		if s.scheduled++; s.scheduled > p.attemptsMost(state) {
			p.fault(e, "%s is tried more often than its retrier says", state)
		}
	case strings.HasSuffix(kind, "Succeeded") && e.Type != "ExecutionSucceeded" && e.Type != "ParallelStateSucceeded":
		s.succeeded++
	}
	p.receipts = append(p.receipts, receiptText.FindAllString(told(e), -1)...)
}

// told is what a completion said.
func told(e *api.HistoryEvent) string {
	var text *string
	switch {
	case e.TaskSucceededEventDetails != nil:
		text = e.TaskSucceededEventDetails.Output
	case e.TaskFailedEventDetails != nil:
		text = e.TaskFailedEventDetails.Cause
	case e.ActivitySucceededEventDetails != nil:
		text = e.ActivitySucceededEventDetails.Output
	case e.ActivityFailedEventDetails != nil:
		text = e.ActivityFailedEventDetails.Cause
	}
	if text == nil {
		return ""
	}
	return *text
}

// attemptsMost is how often a step may be tried.
func (p *path) attemptsMost(state string) int {
	if o, _ := operationNamed(state); o.undo {
		return 1 + undoRetries
	}
	return 1 + forwardRetries
}

// close holds the states that are open in the end against how it ended.
func (p *path) close() {
	for name, s := range p.steps {
		if name == "" || s.entered == s.exited {
			continue
		}
		broken := p.flow.parent[name] != "" && p.step(p.flow.parent[name]).exited == 1
		switch p.status {
		case "SUCCEEDED":
			p.faults = append(p.faults, name+" is never left")
		case "FAILED":
			if name != "Failed" && !broken {
				p.faults = append(p.faults, name+" is never left")
			}
		}
	}
	slices.Sort(p.faults)
}

func (p *path) step(name string) step {
	if s := p.steps[name]; s != nil {
		return *s
	}
	return step{}
}
