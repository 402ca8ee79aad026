package service

import (
	"context"
	"strconv"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// GetExecutionHistory lists an execution's events.
func (s *Service) GetExecutionHistory(ctx context.Context, in *api.GetExecutionHistoryInput) (*api.GetExecutionHistoryOutput, error) {
	id, err := s.find(ctx, in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	start, head, err := s.Engine.Execution(ctx, id)
	if err != nil {
		return nil, refuseOf(in.ExecutionArn, err)
	}
	p := s.page("GetExecutionHistory", in.MaxResults, in.ExecutionArn, strconv.FormatBool(in.ReverseOrder))
	after, err := p.after(in.NextToken)
	if err != nil {
		return nil, err
	}
	from := int64(1)
	if in.ReverseOrder {
		from = head.LastEvent
	}
	if after != "" {
		if from, err = strconv.ParseInt(after, 10, 64); err != nil {
			return nil, api.InvalidToken("Invalid token")
		}
	}
	events, err := s.events(ctx, id, from, head.LastEvent, in.ReverseOrder, p.size)
	if err != nil {
		return nil, err
	}
	rest := head.LastEvent - from + 1
	if in.ReverseOrder {
		rest = from
	}
	if int64(len(events)) < min(rest, int64(p.size)) && s.gone(ctx, id) {
		return nil, api.ExecutionDoesNotExist(in.ExecutionArn) // what is left would pass for all of it
	}
	told, err := s.tell(ctx, id, &start, events, in.IncludeExecutionData == nil || *in.IncludeExecutionData)
	if err != nil {
		return nil, s.meanwhile(ctx, id, in.ExecutionArn, err)
	}
	out := &api.GetExecutionHistoryOutput{Events: told}
	if len(events) == p.size || len(told) < len(events) {
		next := events[len(told)-1].ID + 1
		if in.ReverseOrder {
			next -= 2
		}
		if next >= 1 && next <= head.LastEvent {
			out.NextToken = p.next(strconv.FormatInt(next, 10))
		}
	}
	return out, nil
}

// events are at most n events from event `from` on to the last, or backwards to
// the first.
func (s *Service) events(ctx context.Context, id store.ID, from, last int64, backwards bool, n int) ([]machine.Event, error) {
	var events []machine.Event
	for len(events) < n && from >= 1 && from <= last {
		groups, err := s.Store.Events(ctx, id, from, backwards, min(n-len(events), 256))
		if err != nil || len(groups) == 0 {
			return events, err
		}
		for _, g := range groups {
			read, err := machine.Decode[machine.Events](g.Body)
			if err != nil {
				return nil, err
			}
			group := *read
			for i := range group {
				e := group[i]
				if backwards {
					e = group[len(group)-1-i]
				}
				if backwards && e.ID <= from || !backwards && e.ID >= from {
					events = append(events, e)
				}
			}
		}
		from = events[len(events)-1].ID + 1
		if backwards {
			from -= 2
		}
	}
	return events[:min(len(events), n)], nil
}

// A page is told in parts, whose payloads are read at one go, and ends with the part
// that brings it over so many bytes of them: a thousand events may have 512 MB.
const (
	toldAtOnce = 64
	toldBytes  = 8 << 20
)

// tell turns events into the API's, or the first of them that make a page.
func (s *Service) tell(ctx context.Context, id store.ID, start *machine.Start, events []machine.Event, data bool) ([]api.HistoryEvent, error) {
	t := teller{start: start, data: data, texts: map[machine.Ref]string{}}
	told := make([]api.HistoryEvent, 0, len(events))
	for len(told) < len(events) && t.bytes < toldBytes {
		part := events[len(told):min(len(told)+toldAtOnce, len(events))]
		if err := t.read(ctx, s.Store, id, part); err != nil {
			return nil, err
		}
		for i := range part {
			told = append(told, t.event(&part[i]))
		}
	}
	return told, nil
}

// event is one event as the API has it.
func (t *teller) event(e *machine.Event) api.HistoryEvent {
	told := api.HistoryEvent{
		Timestamp: api.Timestamp(e.At), Type: api.HistoryEventType(e.Type.String()), Id: e.ID, PreviousEventId: e.Prev,
	}
	if details := shapes[e.Type]; details != nil {
		details(t, e, &told)
	}
	return told
}

// teller has at hand what events refer to.
type teller struct {
	start *machine.Start
	data  bool // inputs and outputs are told too
	texts map[machine.Ref]string
	bytes int                  // of all texts
	cut   map[machine.Ref]bool // texts that were too long to be told whole
}

// refs names the payloads that events refer to.
func refs(events []machine.Event, each func(machine.Ref)) {
	for i := range events {
		each(events[i].In)
		each(events[i].Out)
		for _, v := range events[i].Assigned {
			each(v.Value)
		}
	}
}

// read reads the payloads that the events refer to.
func (t *teller) read(ctx context.Context, st store.Store, id store.ID, events []machine.Event) error {
	var missing []uint32
	refs(events, func(r machine.Ref) {
		if _, have := t.texts[r]; r != 0 && !have {
			t.texts[r] = ""
			missing = append(missing, uint32(r))
		}
	})
	if len(missing) == 0 {
		return nil
	}
	texts, err := engine.Texts(ctx, st, id, missing)
	if err != nil {
		return err
	}
	for i, r := range missing {
		t.texts[machine.Ref(r)] = texts[i]
		t.bytes += len(texts[i])
	}
	return nil
}

var (
	whole = &api.HistoryEventExecutionDataDetails{}
	part  = &api.HistoryEventExecutionDataDetails{Truncated: true}
)

// text is a payload and its details: both nil where there is none or data is
// left out.
func (t *teller) text(r machine.Ref) (*string, *api.HistoryEventExecutionDataDetails) {
	if r == 0 || !t.data {
		return nil, nil
	}
	text := t.texts[r]
	if t.cut[r] {
		return &text, part
	}
	return &text, whole
}

func failure(e *machine.Event) *api.FailureEventDetails {
	return &api.FailureEventDetails{Error: e.Error, Cause: e.Cause}
}

func taskFailure(e *machine.Event) *api.TaskFailureEventDetails {
	return &api.TaskFailureEventDetails{ResourceType: e.ResourceType, Resource: e.Resource, Error: e.Error, Cause: e.Cause}
}

func (t *teller) output(e *machine.Event) *api.OutputEventDetails {
	text, details := t.text(e.Out)
	return &api.OutputEventDetails{Output: text, OutputDetails: details}
}

func (t *teller) taskOutput(e *machine.Event) *api.TaskOutputEventDetails {
	text, details := t.text(e.Out)
	return &api.TaskOutputEventDetails{ResourceType: e.ResourceType, Resource: e.Resource, Output: text, OutputDetails: details}
}

func (t *teller) entered(e *machine.Event, h *api.HistoryEvent) {
	text, details := t.text(e.In)
	h.StateEnteredEventDetails = &api.StateEnteredEventDetails{Name: e.State, Input: text, InputDetails: details}
}

func (t *teller) exited(e *machine.Event, h *api.HistoryEvent) {
	text, details := t.text(e.Out)
	d := &api.StateExitedEventDetails{Name: e.State, Output: text, OutputDetails: details}
	if len(e.Assigned) > 0 && t.data {
		d.AssignedVariables = make(map[string]string, len(e.Assigned))
		for _, v := range e.Assigned {
			d.AssignedVariables[v.Name] = t.texts[v.Value]
		}
		d.AssignedVariablesDetails = &api.AssignedVariablesDetails{}
	}
	h.StateExitedEventDetails = d
}

func (t *teller) iteration(e *machine.Event) *api.MapIterationEventDetails {
	return &api.MapIterationEventDetails{Name: optional(e.State), Index: int32(e.Index)}
}

// seconds is a timeout as events tell it, nil where none was given.
func seconds(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

func credentials(role string) *api.TaskCredentials {
	if role == "" {
		return nil
	}
	return &api.TaskCredentials{RoleArn: &role}
}

func (t *teller) started(e *machine.Event, h *api.HistoryEvent) {
	text, details := t.text(e.In)
	h.ExecutionStartedEventDetails = &api.ExecutionStartedEventDetails{
		Input: text, InputDetails: details, RoleArn: optional(e.RoleARN),
		StateMachineAliasArn: optional(t.start.Alias), StateMachineVersionArn: optional(t.start.Version),
	}
}

func (t *teller) taskScheduled(e *machine.Event, h *api.HistoryEvent) {
	d := &api.TaskScheduledEventDetails{
		ResourceType: e.ResourceType, Resource: e.Resource, Region: t.start.Region,
		TimeoutInSeconds: seconds(e.Timeout), HeartbeatInSeconds: seconds(e.Heartbeat), TaskCredentials: credentials(e.RoleARN),
	}
	if text, _ := t.text(e.In); text != nil {
		d.Parameters = *text
	}
	h.TaskScheduledEventDetails = d
}

func (t *teller) lambdaScheduled(e *machine.Event, h *api.HistoryEvent) {
	text, details := t.text(e.In)
	h.LambdaFunctionScheduledEventDetails = &api.LambdaFunctionScheduledEventDetails{
		Resource: e.Resource, Input: text, InputDetails: details, TimeoutInSeconds: seconds(e.Timeout), TaskCredentials: credentials(e.RoleARN),
	}
}

func (t *teller) activityScheduled(e *machine.Event, h *api.HistoryEvent) {
	text, details := t.text(e.In)
	h.ActivityScheduledEventDetails = &api.ActivityScheduledEventDetails{
		Resource: e.Resource, Input: text, InputDetails: details, TimeoutInSeconds: seconds(e.Timeout), HeartbeatInSeconds: seconds(e.Heartbeat),
	}
}

// shape fills the one details member of an event.
type shape = func(t *teller, e *machine.Event, h *api.HistoryEvent)

// shapes is the table of the event types with their details. A type that is
// not in it has none.
var shapes = [...]shape{
	machine.ActivityFailed: func(_ *teller, e *machine.Event, h *api.HistoryEvent) { h.ActivityFailedEventDetails = failure(e) },
	machine.ActivityScheduleFailed: func(_ *teller, e *machine.Event, h *api.HistoryEvent) {
		h.ActivityScheduleFailedEventDetails = failure(e)
	},
	machine.ActivityScheduled: (*teller).activityScheduled,
	machine.ActivityStarted: func(_ *teller, e *machine.Event, h *api.HistoryEvent) {
		h.ActivityStartedEventDetails = &api.ActivityStartedEventDetails{WorkerName: optional(e.Worker)}
	},
	machine.ActivitySucceeded:  func(t *teller, e *machine.Event, h *api.HistoryEvent) { h.ActivitySucceededEventDetails = t.output(e) },
	machine.ActivityTimedOut:   func(_ *teller, e *machine.Event, h *api.HistoryEvent) { h.ActivityTimedOutEventDetails = failure(e) },
	machine.ChoiceStateEntered: (*teller).entered,
	machine.ChoiceStateExited:  (*teller).exited,
	machine.EvaluationFailed: func(_ *teller, e *machine.Event, h *api.HistoryEvent) {
		h.EvaluationFailedEventDetails = &api.EvaluationFailedEventDetails{Error: e.Error, Cause: e.Cause, Location: optional(e.Location), State: e.State}
	},
	machine.ExecutionAborted: func(_ *teller, e *machine.Event, h *api.HistoryEvent) { h.ExecutionAbortedEventDetails = failure(e) },
	machine.ExecutionFailed:  func(_ *teller, e *machine.Event, h *api.HistoryEvent) { h.ExecutionFailedEventDetails = failure(e) },
	machine.ExecutionRedriven: func(_ *teller, e *machine.Event, h *api.HistoryEvent) {
		count := int32(e.Index)
		h.ExecutionRedrivenEventDetails = &api.ExecutionRedrivenEventDetails{RedriveCount: &count}
	},
	machine.ExecutionStarted:   (*teller).started,
	machine.ExecutionSucceeded: func(t *teller, e *machine.Event, h *api.HistoryEvent) { h.ExecutionSucceededEventDetails = t.output(e) },
	machine.ExecutionTimedOut:  func(_ *teller, e *machine.Event, h *api.HistoryEvent) { h.ExecutionTimedOutEventDetails = failure(e) },
	machine.FailStateEntered:   (*teller).entered,
	machine.LambdaFunctionFailed: func(_ *teller, e *machine.Event, h *api.HistoryEvent) {
		h.LambdaFunctionFailedEventDetails = failure(e)
	},
	machine.LambdaFunctionScheduleFailed: func(_ *teller, e *machine.Event, h *api.HistoryEvent) {
		h.LambdaFunctionScheduleFailedEventDetails = failure(e)
	},
	machine.LambdaFunctionScheduled: (*teller).lambdaScheduled,
	machine.LambdaFunctionStartFailed: func(_ *teller, e *machine.Event, h *api.HistoryEvent) {
		h.LambdaFunctionStartFailedEventDetails = failure(e)
	},
	machine.LambdaFunctionSucceeded: func(t *teller, e *machine.Event, h *api.HistoryEvent) {
		h.LambdaFunctionSucceededEventDetails = t.output(e)
	},
	machine.LambdaFunctionTimedOut: func(_ *teller, e *machine.Event, h *api.HistoryEvent) {
		h.LambdaFunctionTimedOutEventDetails = failure(e)
	},
	machine.MapIterationAborted: func(t *teller, e *machine.Event, h *api.HistoryEvent) {
		h.MapIterationAbortedEventDetails = t.iteration(e)
	},
	machine.MapIterationFailed: func(t *teller, e *machine.Event, h *api.HistoryEvent) {
		h.MapIterationFailedEventDetails = t.iteration(e)
	},
	machine.MapIterationStarted: func(t *teller, e *machine.Event, h *api.HistoryEvent) {
		h.MapIterationStartedEventDetails = t.iteration(e)
	},
	machine.MapIterationSucceeded: func(t *teller, e *machine.Event, h *api.HistoryEvent) {
		h.MapIterationSucceededEventDetails = t.iteration(e)
	},
	machine.MapRunFailed: func(_ *teller, e *machine.Event, h *api.HistoryEvent) { h.MapRunFailedEventDetails = failure(e) },
	machine.MapRunRedriven: func(_ *teller, e *machine.Event, h *api.HistoryEvent) {
		count := int32(e.Index)
		h.MapRunRedrivenEventDetails = &api.MapRunRedrivenEventDetails{MapRunArn: optional(e.Resource), RedriveCount: &count}
	},
	machine.MapRunStarted: func(_ *teller, e *machine.Event, h *api.HistoryEvent) {
		h.MapRunStartedEventDetails = &api.MapRunStartedEventDetails{MapRunArn: optional(e.Resource)}
	},
	machine.MapStateEntered: (*teller).entered,
	machine.MapStateExited:  (*teller).exited,
	machine.MapStateStarted: func(_ *teller, e *machine.Event, h *api.HistoryEvent) {
		h.MapStateStartedEventDetails = &api.MapStateStartedEventDetails{Length: int32(e.Length)}
	},
	machine.ParallelStateEntered: (*teller).entered,
	machine.ParallelStateExited:  (*teller).exited,
	machine.PassStateEntered:     (*teller).entered,
	machine.PassStateExited:      (*teller).exited,
	machine.SucceedStateEntered:  (*teller).entered,
	machine.SucceedStateExited:   (*teller).exited,
	machine.TaskFailed:           func(_ *teller, e *machine.Event, h *api.HistoryEvent) { h.TaskFailedEventDetails = taskFailure(e) },
	machine.TaskScheduled:        (*teller).taskScheduled,
	machine.TaskStartFailed:      func(_ *teller, e *machine.Event, h *api.HistoryEvent) { h.TaskStartFailedEventDetails = taskFailure(e) },
	machine.TaskStarted: func(_ *teller, e *machine.Event, h *api.HistoryEvent) {
		h.TaskStartedEventDetails = &api.TaskStartedEventDetails{ResourceType: e.ResourceType, Resource: e.Resource}
	},
	machine.TaskStateEntered: (*teller).entered,
	machine.TaskStateExited:  (*teller).exited,
	machine.TaskSubmitFailed: func(_ *teller, e *machine.Event, h *api.HistoryEvent) {
		h.TaskSubmitFailedEventDetails = taskFailure(e)
	},
	machine.TaskSubmitted:    func(t *teller, e *machine.Event, h *api.HistoryEvent) { h.TaskSubmittedEventDetails = t.taskOutput(e) },
	machine.TaskSucceeded:    func(t *teller, e *machine.Event, h *api.HistoryEvent) { h.TaskSucceededEventDetails = t.taskOutput(e) },
	machine.TaskTimedOut:     func(_ *teller, e *machine.Event, h *api.HistoryEvent) { h.TaskTimedOutEventDetails = taskFailure(e) },
	machine.WaitStateEntered: (*teller).entered,
	machine.WaitStateExited:  (*teller).exited,
	machine.SagaPlanned:      (*teller).sagaEvent,
	machine.SagaHeld:         (*teller).sagaEvent,
	machine.SagaResolved:     (*teller).sagaEvent,
	machine.SagaEnded:        (*teller).sagaEvent,
	machine.LateTaskResult:   (*teller).sagaEvent,
}
