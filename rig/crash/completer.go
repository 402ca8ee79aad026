package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// completer tells the server by task token what a participant did: after a
// while, sometimes when nobody waits any more, up to three times, and each time
// until it has heard an answer.
type completer struct {
	journal *journal
	chance  *chance
	over    atomic.Bool // nothing waits for a completion any more
	under   sync.WaitGroup

	mu     sync.Mutex
	handed map[string]bool // tokens that it was given
}

// Percent of the tasks that are completed late, and of those that are
// completed more than once.
const (
	latePercent   = 5
	doublePercent = 30
)

// complete completes the task of an entry without holding up the caller.
func (c *completer) complete(token string, e entry) {
	c.mu.Lock()
	if c.handed == nil {
		c.handed = map[string]bool{}
	}
	c.handed[token] = true
	c.mu.Unlock()
	after := c.chance.between(0, 150*time.Millisecond)
	if c.chance.percent(latePercent) {
		after = taskSeconds*time.Second + c.chance.between(0, time.Second)
	}
	times := 1
	if c.chance.percent(doublePercent) {
		times += 1 + c.chance.below(2)
	}
	for range times {
		c.under.Go(func() {
			time.Sleep(after)
			c.tell(token, e)
		})
	}
}

// tell completes the task once. A call that was not answered is made again.
func (c *completer) tell(token string, e entry) {
	for {
		told := &call{N: c.journal.number(), Execution: e.Execution, State: e.State}
		told.Receipt = fmt.Sprintf("receipt-%d.", told.N)
		text, failed := result(e, told.Receipt)
		if failed {
			c.journal.fail(told, token, errorOf(e.Answer), text)
		} else {
			c.journal.succeed(told, token, text)
		}
		if told.Outcome != lost && told.Outcome != unsent || c.over.Load() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// end waits until all tasks are completed, or could not be.
func (c *completer) end() {
	c.over.Store(true)
	c.under.Wait()
}

// errorOf is the name by which a saga knows an answer that is final.
func errorOf(a answer) string {
	return map[answer]string{declined: "Declined", refused: "Refused", undecided: "Unavailable"}[a]
}

// bench is where a worker of ours works at the activity: the API, with each
// completion in the journal.
type bench struct {
	*client.Client
	journal *journal

	mu    sync.Mutex
	tasks map[string]request // by token
}

// GetActivityTask remembers whose task a token is.
func (b *bench) GetActivityTask(ctx context.Context, in *api.GetActivityTaskInput) (*api.GetActivityTaskOutput, error) {
	out, err := b.Client.GetActivityTask(ctx, in)
	if err != nil || out.TaskToken == nil {
		return out, err
	}
	var r request
	if err := json.Unmarshal([]byte(*out.Input), &r); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tasks[*out.TaskToken] = r
	return out, nil
}

// SendTaskSuccess is in the journal.
func (b *bench) SendTaskSuccess(_ context.Context, in *api.SendTaskSuccessInput) (*api.SendTaskSuccessOutput, error) {
	var told struct{ Receipt string }
	if err := json.Unmarshal([]byte(in.Output), &told); err != nil {
		return nil, err
	}
	return &api.SendTaskSuccessOutput{}, b.journal.succeed(b.completion(in.TaskToken, told.Receipt), in.TaskToken, in.Output)
}

// SendTaskFailure is in the journal.
func (b *bench) SendTaskFailure(_ context.Context, in *api.SendTaskFailureInput) (*api.SendTaskFailureOutput, error) {
	return &api.SendTaskFailureOutput{}, b.journal.fail(b.completion(in.TaskToken, *in.Cause), in.TaskToken, *in.Error, *in.Cause)
}

func (b *bench) completion(token, receipt string) *call {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.tasks[token]
	return &call{Execution: r.Execution, State: r.Operation, Receipt: receipt}
}

// worker does the tasks of the activity in the participants' place.
func (b *bench) worker(p *participants) *client.Worker {
	return &client.Worker{
		Service: b, ActivityArn: activityArn(), Name: "rig", Concurrency: 16,
		Handle: func(_ context.Context, input string) (string, error) {
			var r request
			if err := json.Unmarshal([]byte(input), &r); err != nil {
				return "", err
			}
			p.flying.Add(1)
			defer p.flying.Add(-1)
			e := p.perform(entry{Key: r.Key, Operation: r.Operation, Order: r.Order, Amount: r.Amount, Execution: r.Execution, State: r.Operation})
			receipt := fmt.Sprintf("receipt-w%d.", b.journal.number())
			text, failed := result(e, receipt)
			if failed || e.Answer == undecided {
				return "", &client.TaskFailure{Name: errorOf(e.Answer), Cause: receipt}
			}
			return text, nil
		},
	}
}
