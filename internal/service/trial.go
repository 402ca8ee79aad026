package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/value"
)

// onTrial is the name of a state while it is tried out, as the service has it.
const onTrial = "StateName"

// trial checks what is asked for, and prepares it.
func (t *Tester) trial(in *api.TestStateInput) (*trial, error) {
	of, err := tested(in, t.Strict)
	if err != nil {
		return nil, err
	}
	tr := &trial{tester: t}
	if tr.program, err = t.compile(of.state, of.language, in.Mock != nil); err != nil {
		return nil, err
	}
	tr.state = tr.program.Flow.Start
	tr.trial = machine.Trial{
		State:  tr.state.Name,
		Show:   func(at string, text value.Text) { tr.seen[at] = text },
		Failed: func(f machine.Failure) { tr.failed = f },
	}
	if err := mayTry(tr.state, in); err != nil {
		return nil, err
	}
	if err := tr.mock(in.Mock); err != nil {
		return nil, err
	}
	if err := tr.configure(of.state, in); err != nil {
		return nil, err
	}
	if tr.input, err = input(in.Input, machine.AWSLimits().Payload); err != nil {
		return nil, err
	}
	given, err := object("variables", in.Variables)
	if err != nil {
		return nil, err
	}
	for name, v := range given.Members() {
		tr.variables = append(tr.variables, value.Member{Name: name, Value: v})
	}
	tr.start = machine.Start{
		Account: t.Account, Region: t.Region, Machine: t.NewUUID(), Name: t.NewUUID(), Express: true, At: t.Now().UnixMilli(),
	}
	id := sha256.Sum256([]byte(tr.start.Name))
	copy(tr.start.ID[:], id[:])
	if in.RoleArn != nil {
		tr.start.RoleARN = *in.RoleArn
	}
	if in.Context == nil {
		tr.trial.Context = tr.usual(in.RoleArn, of.item)
		return tr, nil
	}
	if tr.trial.Context, err = object("context", in.Context); err != nil {
		return nil, err
	}
	return tr, tr.fitting(tr.trial.Context)
}

// subject is the state that is tried out.
type subject struct {
	state    value.Value
	language value.Value // of its machine; absent: JSONPath
	item     bool        // it is among the states that a Map has its items go through
}

// tested finds the state to be tried out.
func tested(in *api.TestStateInput, strict bool) (*subject, error) {
	text, err := value.Check(in.Definition)
	if err != nil {
		return nil, api.InvalidDefinition("INVALID_JSON_DESCRIPTION: " + syntax(in.Definition, err))
	}
	root := text.Decode()
	switch {
	case root.Kind() != value.Object:
		return nil, api.InvalidDefinition("INVALID_JSON_DESCRIPTION: A state is a JSON object")
	case in.StateName != nil:
		found := stateIn(root, *in.StateName)
		if found == nil {
			return nil, api.Validation("State not found in definition")
		}
		definition, problems := asl.Parse([]byte(in.Definition))
		if asl.Render(problems) == "" {
			problems = asl.Check(definition, asl.Rules{Distributed: true, Strict: strict, Serves: asl.OnAWS})
		}
		if message := asl.Render(problems); message != "" {
			return nil, api.Errorf(api.CodeInvalidDefinition, "%s", message)
		}
		found.language = root.Get("QueryLanguage")
		found.state = ofNoSaga(found.state)
		return found, nil
	case root.Has("States"):
		return nil, api.Validation("StateName must be specified when the definition is a state machine")
	}
	return &subject{state: root, language: root.Get("QueryLanguage")}, nil
}

// stateIn finds a state by its name, at any depth; nil: there is none.
func stateIn(flow value.Value, name string) *subject {
	states := flow.Get("States")
	if found := states.Get(name); found.Kind() == value.Object {
		return &subject{state: found}
	}
	for _, s := range states.Members() {
		if found := within(s, name); found != nil {
			return found
		}
	}
	return nil
}

// forSaga are the fields of a Task that its saga alone looks at.
var forSaga = []string{
	"Compensate", "Confirm", "Query", "SavePoint", "Pivot", "OnUnknown", "KnownFailed", "CompensateWithin", "SemanticLock", "Runbook",
}

// ofNoSaga is a state that is tried out for itself: what it does, and not what
// becomes of that.
func ofNoSaga(state value.Value) value.Value {
	if state.Get("Type").AsString() != string(asl.Task) {
		return state
	}
	b := value.NewBuilder(8)
	for name, v := range state.Members() {
		if !slices.Contains(forSaga, name) {
			b.Set(name, v)
		}
	}
	return b.Object()
}

// within finds a state in the flows of a Parallel, a Map or a Saga; nil: there is
// none.
func within(state value.Value, name string) *subject {
	if state.Get("Type").AsString() == string(asl.Saga) {
		return stateIn(state, name)
	}
	for _, items := range []string{"ItemProcessor", "Iterator"} {
		if found := stateIn(state.Get(items), name); found != nil {
			found.item = true
			return found
		}
	}
	if branches := state.Get("Branches"); branches.Kind() == value.Array {
		for _, branch := range branches.Items() {
			if found := stateIn(branch, name); found != nil {
				return found
			}
		}
	}
	return nil
}

// compile makes the program around a state: what it leads to just ends.
func (t *Tester) compile(state, language value.Value, mocked bool) (*asl.Program, error) {
	states := value.NewBuilder(4)
	states.Set(onTrial, state)
	end := value.NewObject(value.Member{Name: "Type", Value: value.NewString("Succeed")})
	for _, name := range targets(state) {
		if !states.Object().Has(name) {
			states.Set(name, end)
		}
	}
	b := value.NewBuilder(3)
	if !language.IsAbsent() {
		b.Set("QueryLanguage", language)
	}
	b.Set("StartAt", value.NewString(onTrial))
	b.Set("States", states.Object())
	definition, problems := asl.Parse([]byte(b.Object().Text().String()))
	if message := asl.Render(problems); message != "" {
		return nil, api.Errorf(api.CodeInvalidDefinition, "%s", message)
	}
	rules := asl.Rules{Distributed: true, Strict: t.Strict, Serves: asl.OnAWS}
	if !mocked {
		rules.Serves = func(service, action string, p asl.Pattern) bool {
			return service == "states" || p != asl.RequestResponse || t.Registry != nil && t.Registry.Serves(service, action, integration.Pattern(p))
		}
	}
	program, err := asl.Compile(definition, rules)
	if err != nil {
		return nil, api.Errorf(api.CodeInvalidDefinition, "%s", err.Error())
	}
	return program, nil
}

// targets are the states that a state leads to.
func targets(state value.Value) []string {
	var names []string
	add := func(v value.Value) {
		if v.Kind() == value.String {
			names = append(names, v.AsString())
		}
	}
	add(state.Get("Next"))
	add(state.Get("Default"))
	for _, list := range []value.Value{state.Get("Choices"), state.Get("Catch")} {
		if list.Kind() == value.Array {
			for _, one := range list.Items() {
				add(one.Get("Next"))
			}
		}
	}
	return names
}

// mayTry refuses what can't be tried out in this way, as the service does.
func mayTry(s *asl.State, in *api.TestStateInput) error {
	grouped := s.Type == asl.Parallel || s.Type == asl.Map
	if name := needsMock(in); name != "" && in.Mock == nil {
		return api.Validation("TestState does not support %s when a mock is not specified.", name)
	}
	switch {
	case s.Type == asl.Saga:
		return api.Errorf(api.CodeInvalidDefinition, "TestState does not support Saga states: name one of the states within")
	case in.Mock == nil && grouped:
		return api.Errorf(api.CodeInvalidDefinition, "TestState API does not support Map or Parallel states. Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]")
	case in.Mock != nil && !grouped && s.Type != asl.Task:
		return api.Validation("State type '%s' is not supported when a mock is specified", s.Type)
	case in.Mock != nil && in.RevealSecrets:
		return api.Validation("TestState does not support RevealSecrets when a mock is specified.")
	case in.RoleArn != nil:
		if err := checkRole(*in.RoleArn); err != nil {
			return err
		}
	}
	if s.Task == nil || in.Mock != nil {
		return nil
	}
	switch r := &s.Task.Resource; {
	case r.Kind == asl.Activity || r.Kind == asl.NestedExecution && r.Pattern == asl.RequestResponse:
		return api.Validation("A mock must be specified to test a Task state with the resource %s", r.Text)
	case r.Pattern != asl.RequestResponse:
		return api.Errorf(api.CodeInvalidDefinition, "TestState API does not support '.sync' or '.waitForTaskToken' integration patterns.")
	case in.RoleArn == nil:
		return api.Validation("RoleArn must be specified when testing a Task state")
	}
	return nil
}

// needsMock is a member of the request that makes no sense without a mock, "":
// there is none.
func needsMock(in *api.TestStateInput) string {
	c := in.StateConfiguration
	if c == nil {
		c = &api.TestStateConfiguration{}
	}
	switch {
	case c.MapIterationFailureCount != nil:
		return "MapIterationFailureCount"
	case c.MapItemReaderData != nil:
		return "MapItemReaderData"
	case c.ErrorCausedByState != nil:
		return "ErrorCausedByState"
	case in.Context != nil:
		return "Context"
	}
	return ""
}

// mock puts what stands for the state's work.
func (tr *trial) mock(m *api.MockInput) (err error) {
	s := tr.state
	tr.trial.Mocked = m != nil
	switch {
	case m == nil:
		return nil
	case m.Result != nil && m.ErrorOutput != nil:
		return api.Validation("A test mock should have only one of the following fields: [result, errorOutput].")
	case m.ErrorOutput != nil:
		tr.trial.Failure = &machine.Failure{Error: m.ErrorOutput.Error, Cause: m.ErrorOutput.Cause}
		return nil
	case m.Result == nil:
		return api.Validation("A test mock must have one of the following fields: [result, errorOutput].")
	}
	if tr.trial.Result, err = value.Check(*m.Result); err != nil {
		return api.Validation("Mocked result must be valid JSON")
	}
	result := tr.trial.Result.Decode()
	switch {
	case s.Task != nil:
		return tr.tester.shaped(&s.Task.Resource, result, m.FieldValidationMode)
	case s.Type == asl.Map && writerOf(s) != nil:
		if result.Kind() != value.Object {
			return api.Validation("Mocked result must be a JSON object.")
		}
	case result.Kind() != value.Array:
		return api.Validation("Mocked result must be an array.")
	case s.Parallel != nil && result.Len() != len(s.Parallel.Branches):
		return api.Validation("Mocked result must contain the same number of items as number of Parallel branches.")
	}
	return nil
}

// shaped holds a mocked result against what the API would answer.
func (t *Tester) shaped(r *asl.Resource, result value.Value, mode api.MockResponseValidationMode) error {
	if t.Models == nil || mode == api.MockResponseValidationModeNone {
		return nil
	}
	whole := mode != api.MockResponseValidationModePresent
	problem, err := t.Models.Mismatch(r.Service, r.Action, integration.Pattern(r.Pattern), result, whole)
	if err == nil && problem != "" {
		err = api.Validation("%s", problem)
	}
	return err
}

// configure puts things as they stand when the state is tried out.
func (tr *trial) configure(state value.Value, in *api.TestStateInput) error {
	c := in.StateConfiguration
	if c == nil {
		return nil
	}
	if c.RetrierRetryCount != nil {
		tr.retried = uint32(*c.RetrierRetryCount)
	}
	if name := c.ErrorCausedByState; name != nil {
		if tr.trial.Failure == nil || within(state, *name) == nil {
			return api.Validation("ErrorCausedByState must be a state within the tested Map or Parallel state, whose error is mocked")
		}
	}
	if c.MapIterationFailureCount == nil && c.MapItemReaderData == nil {
		return nil
	}
	if tr.state.Type != asl.Map {
		return api.Validation("MapIterationFailureCount and MapItemReaderData are only supported for Map states")
	}
	if c.MapIterationFailureCount != nil {
		tr.trial.Lost = int64(*c.MapIterationFailureCount)
	}
	if c.MapItemReaderData != nil {
		return tr.read(state.Get("ItemReader").Get("ReaderConfig").Get("InputType"), *c.MapItemReaderData)
	}
	return nil
}

// read has a Map go through data that its ItemReader has read: as they stand in
// an object of the type given, or else as they are.
func (tr *trial) read(kind value.Value, data string) error {
	switch t := tr.tester; kind.AsString() {
	case "CSV", "JSON", "JSONL":
		if t.Reader != nil {
			tr.trial.Read = func(reader value.Value) (value.Value, *machine.Failure) { return readAll(t.Reader(data), reader) }
			return nil
		}
	}
	text, err := value.Check(data)
	if err != nil || text.Decode().Kind() != value.Array && text.Decode().Kind() != value.Object {
		return api.Validation("MapItemReaderData must be a JSON array or object")
	}
	tr.trial.Read = func(value.Value) (value.Value, *machine.Failure) { return text.Decode(), nil }
	return nil
}

// readAll reads all pages of what an ItemReader names.
func readAll(r integration.ItemReader, source value.Value) (value.Value, *machine.Failure) {
	all, names := []value.Value{}, []string{}
	for request := (integration.ItemRequest{Source: source}); ; {
		page, err := r.Read(context.Background(), request)
		if err != nil {
			name, cause := "States.ItemReaderFailed", err.Error()
			if failed := (*integration.Error)(nil); errors.As(err, &failed) {
				cause = failed.Cause
			}
			return value.Value{}, &machine.Failure{Error: &name, Cause: &cause}
		}
		for i := range page.Items.Len() {
			all = append(all, page.Items.At(i))
			if page.Items.Kind() == value.Object {
				names = append(names, page.Items.NameAt(i))
			}
		}
		if request.Cursor = page.Cursor; page.Over {
			break
		}
	}
	if len(names) < len(all) || len(all) == 0 {
		return value.NewArray(all), nil
	}
	b := value.NewBuilder(len(all))
	for i, v := range all {
		b.Set(names[i], v)
	}
	return b.Object(), nil
}

// inContext are the members that a context object may have, and theirs.
var inContext = map[string][]string{
	"Execution":    {"Id", "Input", "Name", "RedriveCount", "RedriveTime", "RoleArn", "StartTime"},
	"Map":          {"Item"},
	"State":        {"EnteredTime", "Name", "RetryCount"},
	"StateMachine": {"Id", "Name"},
	"Task":         {"Token"},
}

// fitting refuses a context object that the state could not have.
func (tr *trial) fitting(given value.Value) error {
	for name, part := range given.Members() {
		may, known := inContext[name]
		if !known {
			return api.Validation("Invalid Context object provided: Field '%s' is not allowed", name)
		}
		for member := range part.Members() {
			if !slices.Contains(may, member) {
				return api.Validation("Invalid Context object provided: Field '%s' is not allowed", member)
			}
		}
	}
	if given.Has("Task") && (tr.state.Task == nil || tr.state.Task.Resource.Pattern == asl.RequestResponse && tr.state.Task.Resource.Kind != asl.Activity) {
		return api.Validation("Invalid Context object provided: Context object contains 'Task' when state is not a Task state with a '.sync' or '.waitForTaskToken' service integration pattern")
	}
	return nil
}

// object reads a JSON object; absent where none is given.
func object(name string, given *string) (value.Value, error) {
	if given == nil {
		return value.Value{}, nil
	}
	text, err := value.Check(*given)
	if err != nil || text.Decode().Kind() != value.Object {
		return value.Value{}, api.Validation("The %s must be a JSON object", name)
	}
	return text.Decode(), nil
}

// usual is the context object where none is given; an item's state has its
// input as the first item.
func (tr *trial) usual(role *string, item bool) value.Value {
	text := func(name, s string) value.Member { return value.Member{Name: name, Value: value.NewString(s)} }
	now := value.NewString(time.UnixMilli(tr.start.At).UTC().Format("2006-01-02T15:04:05.000Z"))
	prefix := strings.TrimSuffix(tr.start.MachineARN(), "stateMachine:"+tr.start.Machine)
	roleARN := value.Member{Name: "RoleArn", Value: value.NewNull()}
	if role != nil {
		roleARN = text("RoleArn", *role)
	}
	execution := value.NewObject(
		text("Id", prefix+"express:"+tr.start.Machine+":"+tr.start.Name),
		value.Member{Name: "Input", Value: tr.input.Decode()},
		text("Name", tr.start.Name), roleARN,
		value.Member{Name: "StartTime", Value: now},
	)
	state := value.NewBuilder(3)
	state.Set("Name", value.NewString(onTrial))
	state.Set("EnteredTime", now)
	if tr.state.Retry != nil || tr.state.Task != nil || tr.state.Map != nil || tr.state.Parallel != nil {
		state.Set("RetryCount", value.NewInt(int64(tr.retried)))
	}
	b := value.NewBuilder(5)
	b.Set("Execution", execution)
	b.Set("StateMachine", value.NewObject(text("Id", tr.start.MachineARN()), text("Name", tr.start.Machine)))
	b.Set("State", state.Object())
	if tr.state.Task != nil && (tr.state.Task.Resource.Kind == asl.Activity || tr.state.Task.Resource.Pattern == asl.WaitForTaskToken) {
		b.Set("Task", value.NewObject(text("Token", tr.start.Name)))
	}
	if item {
		b.Set("Map", value.NewObject(value.Member{Name: "Item", Value: value.NewObject(
			value.Member{Name: "Index", Value: value.NewInt(0)}, value.Member{Name: "Value", Value: tr.input.Decode()})}))
	}
	return b.Object()
}
