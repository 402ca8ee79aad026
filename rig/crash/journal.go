package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// call is one operation of the API as its caller knows it. It is written to the
// journal twice: before it is made, without an outcome, and after.
type call struct {
	N       int64  `json:"n"`
	Cycle   int64  `json:"cycle"`
	Sent    int64  `json:"sent"` // UTC milliseconds
	Verb    verb   `json:"verb"`
	Outcome string `json:"outcome,omitzero"` // acknowledged, lost, unsent, or the error's code; "" where its caller never heard
	Why     string `json:"why,omitzero"`     // it was lost

	// what is asked
	Machine   string `json:"machine,omitzero"`   // of a start: the saga
	Name      string `json:"name,omitzero"`      // of a start or a create
	Input     string `json:"input,omitzero"`     // of a start
	Of        int64  `json:"of,omitzero"`        // of a start: the acknowledged one whose name it takes
	Execution string `json:"execution,omitzero"` // ARN; of a start that was acknowledged, the answer
	State     string `json:"state,omitzero"`     // of a completion
	Token     string `json:"token,omitzero"`     // of a completion: a digest, to tell tokens apart
	Receipt   string `json:"receipt,omitzero"`   // of a completion: stands in the output or the cause

	// what was answered
	Date   int64  `json:"date,omitzero"` // start of a start, end of a stop or of what was described
	Status string `json:"status,omitzero"`
	Events int    `json:"events,omitzero"` // of a history: how many, and what they were
	Digest string `json:"digest,omitzero"`
}

type verb string

const (
	start    verb = "start"
	stop     verb = "stop"
	create   verb = "create" // an activity, or a state machine where Machine is set
	complete verb = "complete"
	describe verb = "describe"
	history  verb = "history"
	resolve  verb = "resolve" // a hold: Name is its number, Status the verb
)

// Outcomes that are no error's code.
const (
	acknowledged = "acknowledged"
	lost         = "lost"   // the connection went, or the server failed: it may have had its effect
	unsent       = "unsent" // there was no connection
)

// journal makes calls and writes down each before and after. Many may use it at
// once.
type journal struct {
	book    *book
	service *client.Client
	last    atomic.Int64
	cycle   atomic.Int64

	flying  atomic.Int64 // calls under way
	written atomic.Int64 // calls that change something and were acknowledged
	read    atomic.Int64 // calls that do not

	lastAcknowledged atomic.Int64 // when a change was, UTC microseconds
}

// callTime is how long a caller waits.
const callTime = 10 * time.Second

func openJournal(path string, service *client.Client) (*journal, error) {
	b, err := openBook(path)
	if err != nil {
		return nil, err
	}
	return &journal{book: b, service: service}, nil
}

// number is for a new call, so that it can stand in what is asked.
func (j *journal) number() int64 { return j.last.Add(1) }

// make makes a call. do fills in what was answered.
func (j *journal) make(c *call, do func(context.Context) error) error {
	if c.N == 0 {
		c.N = j.number()
	}
	c.Cycle, c.Sent = j.cycle.Load(), time.Now().UnixMilli()
	j.book.write(c)
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	j.flying.Add(1)
	err := do(ctx)
	j.flying.Add(-1)
	if c.Outcome = outcomeOf(err); c.Outcome == lost {
		c.Why = err.Error()
	}
	if c.Outcome == acknowledged && c.Verb != describe && c.Verb != history {
		j.lastAcknowledged.Store(time.Now().UnixMicro())
	}
	j.book.write(c)
	switch {
	case c.Outcome != acknowledged:
	case c.Verb == describe || c.Verb == history:
		j.read.Add(1)
	default:
		j.written.Add(1)
	}
	return err
}

func outcomeOf(err error) string {
	var refused *api.Error
	var operation *net.OpError
	switch {
	case err == nil:
		return acknowledged
	case errors.As(err, &refused) && refused.HTTPStatus() < 500:
		return refused.Code
	case errors.As(err, &operation) && operation.Op == "dial":
		return unsent
	}
	return lost
}

// start starts a saga. of is the start whose name it takes, nil for a new one.
func (j *journal) start(machine, name, input string, of *call) *call {
	c := &call{Verb: start, Machine: machine, Name: name, Input: input}
	if of != nil {
		c.Of = of.N
	}
	j.make(c, func(ctx context.Context) error {
		out, err := j.service.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: machineArn(machine), Name: &name, Input: &input})
		if err == nil {
			c.Execution, c.Date = out.ExecutionArn, int64(out.StartDate)
		}
		return err
	})
	return c
}

// stopReason is the error that our stops give.
const stopReason = "Customer.Cancelled"

func (j *journal) stop(execution string) {
	c := &call{Verb: stop, Execution: execution}
	reason := stopReason
	j.make(c, func(ctx context.Context) error {
		out, err := j.service.StopExecution(ctx, &api.StopExecutionInput{ExecutionArn: execution, Error: &reason})
		if err == nil {
			c.Date = int64(out.StopDate)
		}
		return err
	})
}

func (j *journal) describe(execution string) {
	c := &call{Verb: describe, Execution: execution}
	j.make(c, func(ctx context.Context) error {
		out, err := j.service.DescribeExecution(ctx, &api.DescribeExecutionInput{ExecutionArn: execution})
		if err == nil {
			c.Status = string(out.Status)
			if out.StopDate != nil {
				c.Date = int64(*out.StopDate)
			}
		}
		return err
	})
}

// history reads a history to its end as it is by then, in pages of so many
// events.
func (j *journal) history(execution string, page int32) {
	c := &call{Verb: history, Execution: execution}
	j.make(c, func(ctx context.Context) error {
		events, err := readHistory(ctx, j.service, execution, page)
		c.Events, c.Digest = len(events), digestOf(events)
		return err
	})
}

// resolve resolves a hold.
func (j *journal) resolve(in api.ResolveHoldInput, state string) {
	c := &call{Verb: resolve, Execution: in.ExecutionArn, Name: *in.HoldId, Status: string(in.Verb), State: state}
	j.make(c, func(ctx context.Context) error {
		_, err := j.service.ResolveHold(ctx, &in)
		return err
	})
}

func readHistory(ctx context.Context, service api.Service, execution string, page int32) ([]api.HistoryEvent, error) {
	var events []api.HistoryEvent
	for e, err := range client.History(ctx, service, api.GetExecutionHistoryInput{ExecutionArn: execution, MaxResults: page}) {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

// digestOf tells histories apart that differ in anything.
func digestOf(events []api.HistoryEvent) string {
	text, err := json.Marshal(events)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func (j *journal) createActivity(name string) {
	c := &call{Verb: create, Name: name}
	j.make(c, func(ctx context.Context) error {
		_, err := j.service.CreateActivity(ctx, &api.CreateActivityInput{Name: name})
		return err
	})
}

func (j *journal) createMachine(name, definition string) error {
	c := &call{Verb: create, Machine: name, Name: name, Input: definition}
	return j.make(c, func(ctx context.Context) error {
		_, err := j.service.CreateStateMachine(ctx, &api.CreateStateMachineInput{
			Name: name, Definition: definition, RoleArn: "arn:aws:iam::" + account + ":role/rig",
		})
		return err
	})
}

// succeed completes a task. Its output has a receipt by which it is found in
// the history.
func (j *journal) succeed(c *call, token, output string) error {
	c.Verb, c.Token = complete, tokenDigest(token)
	return j.make(c, func(ctx context.Context) error {
		_, err := j.service.SendTaskSuccess(ctx, &api.SendTaskSuccessInput{TaskToken: token, Output: output})
		return err
	})
}

// fail completes a task by an error, whose cause has a receipt.
func (j *journal) fail(c *call, token, name, cause string) error {
	c.Verb, c.Token = complete, tokenDigest(token)
	return j.make(c, func(ctx context.Context) error {
		_, err := j.service.SendTaskFailure(ctx, &api.SendTaskFailureInput{TaskToken: token, Error: &name, Cause: &cause})
		return err
	})
}

func tokenDigest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:12])
}

// readJournal gives each call as it was written last, in the order in which
// they were sent.
func readJournal(path string) ([]call, error) {
	lines, err := readBook[call](path)
	if err != nil {
		return nil, err
	}
	var all []call
	at := map[int64]int{}
	for _, line := range lines {
		i, known := at[line.N]
		if !known {
			i = len(all)
			at[line.N] = i
			all = append(all, call{})
		}
		all[i] = line
	}
	return all, nil
}
