package service

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/value"
)

// Tester tries single states out. It needs neither a store nor an engine: a
// state becomes the only one of a small program, which machine.Step takes through
// it as it takes any execution. Its methods may be called by many at once.
type Tester struct {
	Registry *integration.Registry
	Strict   bool                                       // definitions are AWS's language alone
	Models   Models                                     // nil: mocked results are not held against them
	Reader   func(object string) integration.ItemReader // of the text of an object; nil: that must be JSON
	Account  string
	Region   string
	Now      func() time.Time
	NewUUID  func() string // a version 4 UUID
}

// Models are AWS's descriptions of its services. They may be asked by many at
// once.
type Models interface {
	// Mismatch tells in the service's words how a result differs from what AWS
	// answers to an action, "" where it does not; whole: nothing may be missing.
	Mismatch(service, action string, p integration.Pattern, result value.Value, whole bool) (string, error)
}

// longestTest is how long one test may take.
const longestTest = 5 * time.Minute

// TestState tries one state out.
func (s *Service) TestState(ctx context.Context, in *api.TestStateInput) (*api.TestStateOutput, error) {
	t := Tester{Registry: s.Catalog.registry, Strict: s.Catalog.StrictAWS, Models: s.Models, Reader: s.Reader, Account: s.Account, Region: s.Region, Now: s.Now, NewUUID: s.NewUUID}
	return t.TestState(ctx, in)
}

// TestState tries one state out.
func (t *Tester) TestState(ctx context.Context, in *api.TestStateInput) (*api.TestStateOutput, error) {
	tr, err := t.trial(in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, longestTest)
	defer cancel()
	if err := tr.run(ctx); err != nil {
		return nil, err
	}
	if i, count := tr.retrier(), tr.retried; i >= 0 && count > 0 { // now with the retries behind it
		tr.retries = make([]uint32, i+1)
		tr.retries[i] = count
		if err := tr.run(ctx); err != nil {
			return nil, err
		}
	}
	if err := tr.fits(); err != nil {
		return nil, err
	}
	return tr.answer(in), nil
}

// trial is one test: what is tried, and what has come of it so far.
type trial struct {
	tester    *Tester
	program   *asl.Program
	state     *asl.State
	start     machine.Start
	input     value.Text
	variables []value.Member
	trial     machine.Trial
	retried   uint32 // retries that the retrier concerned has behind it
	retries   []uint32

	x      *machine.Execution
	texts  map[machine.Ref]value.Text
	seen   map[string]value.Text
	failed machine.Failure // the last
	left   *machine.Event  // by which the state was left
	next   string          // the state that it leads to, or ""

	exchange *integration.Exchange // of an HTTP task; nil: there was none
}

// run takes the state to its end, or to where it would be retried.
func (tr *trial) run(ctx context.Context) error {
	tr.seen, tr.failed, tr.left, tr.next = map[string]value.Text{}, machine.Failure{}, nil, ""
	tr.exchange = nil
	tr.x = tr.start.OnTrial(tr.state.Name, tr.input, tr.variables, tr.retries)
	tr.texts = map[machine.Ref]value.Text{}
	for ref, text := range tr.x.Payloads {
		tr.texts[ref] = text
	}
	env := tr.env()
	m := machine.Message{Kind: machine.Fired, Job: 1}
	for {
		tr.note(machine.Step(env, tr.program, tr.x, m))
		if tr.x.Head.Status.Ended() || tr.x.Frames[0].Phase == machine.Retrying {
			return nil
		}
		j := tr.x.Jobs[tr.x.Frames[0].Job]
		var err error
		if m, err = tr.await(ctx, env, j); err != nil {
			return err
		}
		env.Now = tr.tester.Now().UnixMilli()
		switch {
		case m.Kind != machine.Fired:
		case j.Kind == machine.Timer:
			env.Now = max(env.Now, j.Due)
		default:
			env.Now = max(env.Now, j.Deadline)
		}
	}
}

func (tr *trial) env() machine.Env {
	return machine.Env{
		Now: tr.start.At, Seed: sha256.Sum256([]byte(tr.tester.NewUUID() + tr.tester.NewUUID())), TokenKey: []byte(tr.start.Name),
		Limits: machine.AWSLimits(),
		Trial:  &tr.trial,
	}
}

// note moves the execution on, and sees how the state was left.
func (tr *trial) note(d machine.Delta) {
	if d.IsEmpty() {
		return
	}
	last := tr.x.Head.LastPayload
	for i, text := range d.Payloads {
		tr.texts[last+machine.Ref(i)+1] = text
	}
	for i := range d.Events {
		switch e := &d.Events[i]; {
		case e.Out != 0 && e.State == tr.state.Name && tr.left == nil:
			tr.left = e
		case tr.left != nil && tr.next == "" && e.In != 0 && e.State != "":
			tr.next = e.State
		}
	}
	tr.x.Apply(d)
}

// await waits for what the state waits for: a time, or a task.
func (tr *trial) await(ctx context.Context, env machine.Env, j *machine.Job) (machine.Message, error) {
	fired := machine.Message{Kind: machine.Fired, Job: j.ID}
	if j.Kind == machine.Timer {
		over := time.NewTimer(time.UnixMilli(j.Due).Sub(tr.tester.Now()))
		defer over.Stop()
		select {
		case <-over.C:
			return fired, nil
		case <-ctx.Done():
			return tr.outOfTime(), nil
		}
	}
	call, cancel := context.WithTimeout(ctx, time.UnixMilli(j.Deadline).Sub(tr.tester.Now()))
	defer cancel()
	m, err := engine.CallOnce(call, tr.tester.Registry, env, tr.program, tr.x, j, func(x integration.Exchange) { tr.exchange = &x })
	switch {
	case err != nil:
		return m, err
	case ctx.Err() != nil:
		return tr.outOfTime(), nil
	case call.Err() != nil:
		return fired, nil
	}
	return m, nil
}

// outOfTime ends a test that takes too long.
func (tr *trial) outOfTime() machine.Message {
	name, cause := "States.Timeout", "The test took longer than "+strconv.Itoa(int(longestTest.Seconds()))+" seconds."
	tr.failed = machine.Failure{Error: &name, Cause: &cause}
	return machine.Message{Kind: machine.Stop, Failure: &tr.failed}
}

// retrier is the index of the retrier that took the error, -1: none did.
func (tr *trial) retrier() int { return int(tr.number(machine.RetryIndex, -1)) }

func (tr *trial) number(at string, otherwise int64) int64 {
	if text, there := tr.seen[at]; there {
		n, _ := text.Decode().AsInt()
		return n
	}
	return otherwise
}

// fits refuses a mock that the iterations of a Map don't fit, which are known
// only now.
func (tr *trial) fits() error {
	iterations := tr.number(machine.IterationCount, -1)
	switch {
	case iterations < 0 || !tr.trial.Mocked:
	case tr.trial.Lost > iterations:
		return api.Validation("Map iteration failure count must be less than or equal to the number of Map iterations")
	case tr.trial.Failure == nil && tr.trial.Lost == 0 && writerOf(tr.state) == nil && int64(tr.trial.Result.Decode().Len()) != iterations:
		return api.Validation("Input array does not equal the mocked result array's size.")
	}
	return nil
}

func writerOf(s *asl.State) *asl.Template {
	if s.Map == nil {
		return nil
	}
	return s.Map.ResultWriter
}

func (tr *trial) isCaught() bool {
	_, caught := tr.seen[machine.CatchIndex]
	return caught
}

// answer is what came of the test.
func (tr *trial) answer(in *api.TestStateInput) *api.TestStateOutput {
	out := &api.TestStateOutput{Status: api.TestExecutionStatusFailed, Error: tr.failed.Error, Cause: tr.failed.Cause}
	switch {
	case !tr.x.Head.Status.Ended():
		out.Status = api.TestExecutionStatusRetriable
	case tr.left != nil:
		out.Status = api.TestExecutionStatusSucceeded
		if tr.isCaught() {
			out.Status = api.TestExecutionStatusCaughtError
		} else {
			out.Error, out.Cause = nil, nil
		}
		output := tr.texts[tr.left.Out].String()
		out.Output, out.NextState = &output, optional(tr.next)
	}
	if in.InspectionLevel == api.InspectionLevelDebug || in.InspectionLevel == api.InspectionLevelTrace {
		out.InspectionData = tr.inspection()
	}
	if x := tr.exchange; x != nil && in.InspectionLevel == api.InspectionLevelTrace {
		out.InspectionData.Request, out.InspectionData.Response = sent(x, in.RevealSecrets), got(x)
	}
	return out
}

// inspection is the data at each stage.
func (tr *trial) inspection() *api.InspectionData {
	input := tr.input.String()
	d := &api.InspectionData{Input: &input, Variables: tr.assigned()}
	for at, to := range map[string]**string{
		machine.AfterInputPath: &d.AfterInputPath, machine.AfterParameters: &d.AfterParameters, machine.AfterArguments: &d.AfterArguments,
		machine.AfterItemsPath: &d.AfterItemsPath, machine.AfterItemSelector: &d.AfterItemSelector, machine.WorkResult: &d.Result,
		machine.AfterItemsPointer: &d.AfterItemsPointer, machine.AfterItemBatcher: &d.AfterItemBatcher,
		machine.AfterResultSelector: &d.AfterResultSelector, machine.AfterResultPath: &d.AfterResultPath,
	} {
		if text, there := tr.seen[at]; there {
			shown := text.String()
			*to = &shown
		}
	}
	d.MaxConcurrency, d.ToleratedFailureCount = tr.count(machine.MaxConcurrency), tr.count(machine.ToleratedFailureCount)
	if percent, there := tr.seen[machine.ToleratedFailurePercentage]; there {
		share := float32(percent.Decode().AsFloat())
		d.ToleratedFailurePercentage = &share
	}
	details := api.InspectionErrorDetails{
		CatchIndex: tr.count(machine.CatchIndex), RetryIndex: tr.count(machine.RetryIndex), RetryBackoffIntervalSeconds: tr.count(machine.RetryBackoff),
	}
	if details.CatchIndex != nil {
		details.RetryIndex = nil // which has no retry left
	}
	if details.CatchIndex != nil || details.RetryIndex != nil {
		d.ErrorDetails = &details
	}
	return d
}

func (tr *trial) count(at string) *int32 {
	n := int32(tr.number(at, -1))
	if n < 0 {
		return nil
	}
	return &n
}

// assigned are the variables as the state leaves them, nil: there are none.
func (tr *trial) assigned() *string {
	b := value.NewBuilder(len(tr.variables))
	for _, v := range tr.variables {
		b.Set(v.Name, v.Value)
	}
	if tr.left != nil {
		for _, a := range tr.left.Assigned {
			b.Set(a.Name, tr.texts[a.Value].Decode())
		}
	}
	if b.Len() == 0 {
		return nil
	}
	text := b.Object().Text().String()
	return &text
}

// sent is what an HTTP task sent, its credentials only if they are asked for.
func sent(x *integration.Exchange, reveal bool) *api.InspectionDataRequest {
	r := x.Request
	header := r.Header.Clone()
	if !reveal {
		for _, name := range x.Secrets {
			header.Del(name)
		}
	}
	url, headers := r.URL.String(), listed(header)
	return &api.InspectionDataRequest{Protocol: &r.URL.Scheme, Method: &r.Method, Url: &url, Headers: &headers, Body: optional(x.Body)}
}

// got is what an HTTP task got; nil: nothing came.
func got(x *integration.Exchange) *api.InspectionDataResponse {
	a := x.Answer
	if a == nil {
		return nil
	}
	status, headers, body := strconv.Itoa(a.Status), listed(a.Header), string(a.Body)
	return &api.InspectionDataResponse{
		Protocol: &x.Request.URL.Scheme, StatusCode: &status, StatusMessage: &a.Reason, Headers: &headers, Body: &body,
	}
}

// listed are headers as one text: "[a: 1, b: 2]".
func listed(header map[string][]string) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(header)) {
		lines = append(lines, strings.ToLower(name)+": "+strings.Join(header[name], ","))
	}
	return "[" + strings.Join(lines, ", ") + "]"
}
