package service

import (
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// TestWords holds the words for each kind of thing that is waited for, and that each
// kind has a name in the protocol.
func TestWords(t *testing.T) {
	const noon = 1_800_000_000_000
	when, later := "2027-01-15T08:00:00Z", "2027-01-15T08:01:00Z"
	down, why := "Down", "the bank\nis away"
	lambda := "arn:aws:states:::lambda:invoke"
	running := &machine.Run{Read: 9, Over: true}
	running.Items.Succeeded, running.Items.Running, running.Items.Failed, running.Items.TimedOut = 4, 2, 1, 1
	reading := *running
	reading.Over = false
	wait := func(w engine.Wait) engine.Wait {
		w.State, w.Since = "Charge", noon
		if w.Next == 0 {
			w.Next = noon + 60_000
		}
		return w
	}
	for _, c := range []struct {
		wait engine.Wait
		want string
	}{
		{engine.Wait{Kind: engine.WaitTurn}, "Charge goes on at once: the server has it to do since " + when},
		{engine.Wait{Kind: engine.WaitCall, Resource: lambda, Target: "charge", Attempt: 2, Most: 4}, "Charge waits for the answer of " + lambda + " (charge) since " + when + ", attempt 2 of 4, until " + later},
		{engine.Wait{Kind: engine.WaitCall, Resource: lambda, Attempt: 7, Next: store.Never, Operation: machine.Confirm}, "the Confirm of Charge waits for the answer of " + lambda + " since " + when + ", attempt 7, without end, without a deadline"},
		{engine.Wait{Kind: engine.WaitCall, Resource: lambda, Attempt: 7, Most: 99_999_999 + 7, Operation: machine.Ask}, "the Query of Charge waits for the answer of " + lambda + " since " + when + ", attempt 7, until " + later},
		{engine.Wait{Kind: engine.WaitPlace, Resource: lambda, Attempt: 1, Most: 1, Running: 3, Room: 3}, "Charge waits for its place to call " + lambda + " since " + when + ": of 3 calls of the service at once 3 are under way, attempt 1 of 1, until " + later},
		{engine.Wait{Kind: engine.WaitRetry, Attempt: 3, Most: 4, Operation: machine.Compensate}, "the undo of Charge is tried again at " + later + ", attempt 3 of 4"},
		{engine.Wait{Kind: engine.WaitTime}, "Charge waits until " + later},
		{engine.Wait{Kind: engine.WaitService, Resource: "batch"}, "Charge waits for what batch has taken and works on since " + when + ", asked again by " + later},
		{engine.Wait{Kind: engine.WaitService, Resource: "batch", Next: store.Never}, "Charge waits for what batch has taken and works on since " + when},
		{engine.Wait{Kind: engine.WaitToken, Resource: lambda, Next: store.Never}, "Charge waits for somebody to send its task token back, after " + lambda + " took it since " + when + ", without a deadline"},
		{engine.Wait{Kind: engine.WaitWorker, Resource: "work"}, "Charge waits for a worker of work since " + when + ": none asks this server for a task, until " + later},
		{engine.Wait{Kind: engine.WaitWorker, Resource: "work", Pollers: 2}, "Charge waits for a worker of work since " + when + ": 2 ask for tasks now, until " + later},
		{engine.Wait{Kind: engine.WaitTask, Resource: "work"}, "Charge waits for the worker of work who took its task since " + when + ", until " + later},
		{engine.Wait{Kind: engine.WaitChild, Execution: "arn:aws:states:us-east-1:123456789012:execution:M/L:x"}, "Charge waits for the execution M/L:x since " + when + ", until " + later},
		{engine.Wait{Kind: engine.WaitChild}, "Charge waits for the execution that it started since " + when + ", until " + later},
		{engine.Wait{Kind: engine.WaitMapRun, Execution: "run", Run: running}, "Charge waits for its map run run since " + when + ": of 9 items 4 are done, 2 under way, 2 failed"},
		{engine.Wait{Kind: engine.WaitItems, Run: &reading}, "the map run of Charge waits for its children since " + when + ": of 9 items read so far 4 are done, 2 under way, 2 failed"},
		{engine.Wait{Kind: engine.WaitMapRun, Execution: "run"}, "Charge waits for its map run run since " + when + ": it begins"},
		{engine.Wait{Kind: engine.WaitUnwind, Operation: machine.Compensate}, "the undo of Charge waits since " + when + " until the executions that it started are undone"},
		{engine.Wait{Kind: engine.WaitLock, Key: "k\n1", Ahead: 3, Execution: "arn:aws:states:us-east-1:123456789012:execution:M:x"}, `Charge waits for the lock "k 1" since ` + when + ", which M:x holds, and 3 claims come first, until " + later},
		{engine.Wait{Kind: engine.WaitPerson, Hold: 2, Error: &down, Cause: &why, Verbs: []machine.Verb{machine.Retry}, Operation: machine.Compensate},
			"the undo of Charge waits for you since " + when + ", held by Down: the bank is away: backstep hold resolve 'M & N:one' 2 --retry --reason TEXT"},
		{engine.Wait{Kind: engine.WaitQuarantine, Cause: &why}, "it is quarantined since " + when + ", for it can't be decided (the bank is away): backstep hold resolve 'M & N:one' quarantined --retry --reason TEXT"},
		{engine.Wait{Kind: engine.WaitNode, Shard: 3, Node: "abc", Messages: 5}, "it waits for a node: none has its shard 3 since " + when + ", which abc had; 5 messages wait in the shard's inbox"},
		{engine.Wait{Kind: engine.WaitInbox}, "Charge was answered at another node, and waits for the one that has its shard to hear of it since " + when},
		{engine.Wait{Kind: engine.WaitAgain, Tries: 1}, "Charge waits for another try, by itself at " + later + ": once it could not be stored, or told to another shard"},
		{engine.Wait{Kind: engine.WaitAgain, Tries: 2}, "Charge waits for another try, by itself at " + later + ": 2 times it could not be stored, or told to another shard"},
		{engine.Wait{Kind: engine.WaitEnd}, "it waits for nothing since " + when + ": that is a fault of the server, which looks for such executions by itself"},
		{engine.Wait{Kind: engine.WaitNothing}, "it waits for nothing since " + when + ": that is a fault of the server, which looks for such executions by itself"},
	} {
		told := engine.Why{Here: true}
		told.Start.Machine, told.Start.Name = "M & N", "one"
		c.wait = wait(c.wait)
		if got := words(&told, &c.wait); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		if out := waitOf(&told, &c.wait); out.Kind == "" || strings.Contains(out.Line, "\n") {
			t.Errorf("told as %+v", out)
		}
	}
}

// The one line has what is due soonest, and counts the rest.
func TestLine(t *testing.T) {
	stop := time.Date(2027, 1, 15, 8, 0, 0, 0, time.UTC).UnixMilli()
	name := "No"
	why := &engine.Why{Node: "abc"}
	why.Head = machine.Head{Status: machine.Succeeded, Stop: stop}
	if got := lineOf(why); got != "it SUCCEEDED at 2027-01-15T08:00:00Z" {
		t.Error(got)
	}
	why.Head = machine.Head{Status: machine.Failed, Stop: stop, Error: &name, OpenSagas: 1}
	why.Waits = []engine.Wait{{Kind: engine.WaitTime, State: "A", Next: stop}, {Kind: engine.WaitPerson}, {Kind: engine.WaitTime}}
	if got := lineOf(why); got != "it FAILED at 2027-01-15T08:00:00Z by No, and is being undone: A waits until 2027-01-15T08:00:00Z; and 2 more, 1 on hold (on node abc)" {
		t.Error(got)
	}
	if got := fault(nil, nil); got != "an error without a name" {
		t.Error(got)
	}
}
