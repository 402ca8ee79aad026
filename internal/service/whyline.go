package service

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// lineOf is what an execution waits for, in one line.
func lineOf(why *engine.Why) string {
	h := &why.Head
	line := ""
	if h.Status.Ended() {
		line = "it " + h.Status.String() + " at " + at(h.Stop)
		if h.Error != nil {
			line += " by " + fault(h.Error, h.Cause)
		}
	}
	if len(why.Waits) == 0 {
		return line
	}
	if line != "" {
		line += ", and is being undone: "
	}
	line += words(why, &why.Waits[0])
	if more := len(why.Waits) - 1; more > 0 {
		line += "; and " + strconv.Itoa(more) + " more"
		if held := people(why.Waits[1:]); held > 0 {
			line += ", " + strconv.Itoa(held) + " on hold"
		}
	}
	if why.Node != "" && !why.Here {
		line += " (on node " + why.Node + ")"
	}
	return line
}

// people is how many of them wait for a person.
func people(waits []engine.Wait) (n int) {
	for i := range waits {
		if waits[i].Kind == engine.WaitPerson {
			n++
		}
	}
	return n
}

// words say what is waited for.
func words(why *engine.Why, w *engine.Wait) string {
	who, since := whoWaits(w), " since "+at(w.Since)
	switch w.Kind {
	case engine.WaitTurn:
		return who + " goes on at once: the server has it to do" + since
	case engine.WaitCall:
		return who + " waits for the answer of " + target(w) + since + attempt(w) + deadline(w)
	case engine.WaitPlace:
		return fmt.Sprintf("%s waits for its place to call %s%s: of %d calls of the service at once %d are under way%s%s",
			who, target(w), since, w.Room, w.Running, attempt(w), deadline(w))
	case engine.WaitRetry:
		return who + " is tried again at " + at(w.Next) + attempt(w)
	case engine.WaitTime:
		return who + " waits until " + at(w.Next)
	case engine.WaitService:
		return who + " waits for what " + target(w) + " has taken and works on" + since + attempt(w) + asked(w)
	case engine.WaitToken:
		return who + " waits for somebody to send its task token back, after " + target(w) + " took it" + since + attempt(w) + deadline(w)
	case engine.WaitWorker:
		return who + " waits for a worker of " + target(w) + since + ": " + pollers(w.Pollers, why.Here) + attempt(w) + deadline(w)
	case engine.WaitTask:
		return who + " waits for the worker of " + target(w) + " who took its task" + since + attempt(w) + deadline(w)
	case engine.WaitChild:
		return who + " waits for the execution " + named(w.Execution, "that it started") + since + attempt(w) + deadline(w)
	case engine.WaitMapRun:
		return who + " waits for its map run " + w.Execution + since + ": " + progress(w.Run)
	case engine.WaitItems:
		return who + " waits for its children" + since + ": " + progress(w.Run)
	case engine.WaitUnwind:
		return who + " waits" + since + " until the executions that it started are undone"
	case engine.WaitLock:
		return who + " waits for the lock " + strconv.Quote(clipped(w.Key, 80)) + since + ahead(w) + deadline(w)
	case engine.WaitPerson:
		return who + " waits for you" + since + ", held by " + fault(w.Error, w.Cause) + ": " + commandFor(why, w)
	case engine.WaitQuarantine:
		return "it is quarantined" + since + ", for it can't be decided (" + fault(nil, w.Cause) + "): " + commandFor(why, w)
	case engine.WaitNode:
		return nobodyHas(w)
	case engine.WaitInbox:
		return who + " was answered at another node, and waits for the one that has its shard to hear of it" + since
	case engine.WaitAgain:
		return fmt.Sprintf("%s waits for another try, by itself at %s: %s could not be stored, or told to another shard", who, at(w.Next), tries(w.Tries))
	}
	return "it waits for nothing" + since + ": that is a fault of the server, which looks for such executions by itself"
}

// whoWaits is what of an execution waits.
func whoWaits(w *engine.Wait) string {
	state := w.State
	switch {
	case state == "":
		return "it"
	case w.Kind == engine.WaitItems:
		return "the map run of " + state
	}
	switch w.Operation {
	case machine.Compensate:
		return "the undo of " + state
	case machine.Confirm:
		return "the Confirm of " + state
	case machine.Ask:
		return "the Query of " + state
	}
	return state
}

// at is a time, in UTC.
func at(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// target is what is called, and whom it is to reach.
func target(w *engine.Wait) string {
	if w.Target == "" {
		return w.Resource
	}
	return w.Resource + " (" + clipped(w.Target, 200) + ")"
}

func attempt(w *engine.Wait) string {
	switch {
	case w.Attempt == 0:
		return ""
	case w.Most == 0:
		return fmt.Sprintf(", attempt %d, without end", w.Attempt)
	case w.Most >= asl.MaxSeconds: // what a definition says who means for ever
		return fmt.Sprintf(", attempt %d", w.Attempt)
	}
	return fmt.Sprintf(", attempt %d of %d", w.Attempt, w.Most)
}

// deadline is until when it is waited for.
func deadline(w *engine.Wait) string {
	if w.Next == store.Never {
		return ", without a deadline"
	}
	return ", until " + at(w.Next)
}

// asked is when a service is asked next.
func asked(w *engine.Wait) string {
	if w.Next == store.Never {
		return ""
	}
	return ", asked again by " + at(w.Next)
}

func pollers(n int, here bool) string {
	switch {
	case n > 0:
		return strconv.Itoa(n) + " ask for tasks now"
	case here:
		return "none asks this server for a task"
	}
	return "it is not known here who asks"
}

// named is an execution as the command line takes it; otherwise where it is not
// known.
func named(arn, otherwise string) string {
	parsed, err := api.ParseARN(arn)
	if err != nil {
		return otherwise
	}
	name := parsed.Machine
	if parsed.Label != "" {
		name += "/" + parsed.Label
	}
	return name + ":" + parsed.Name
}

// progress is how a map run stands.
func progress(run *machine.Run) string {
	if run == nil {
		return "it begins"
	}
	c := &run.Items
	failed := c.Failed + c.TimedOut + c.Aborted
	text := fmt.Sprintf("of %d items", run.Read)
	if !run.Over {
		text += " read so far"
	}
	return fmt.Sprintf("%s %d are done, %d under way, %d failed", text, c.Succeeded, c.Running, failed)
}

// ahead is who has a lock, and who comes before.
func ahead(w *engine.Wait) string {
	text := ""
	if w.Execution != "" {
		text = ", which " + named(w.Execution, "another") + " holds"
	}
	if w.Ahead > 1 {
		text += fmt.Sprintf(", and %d claims come first", w.Ahead)
	}
	return text
}

func nobodyHas(w *engine.Wait) string {
	text := fmt.Sprintf("it waits for a node: none has its shard %d since %s", w.Shard, at(w.Since))
	if w.Node != "" {
		text += ", which " + w.Node + " had"
	}
	if w.Messages > 0 {
		text += fmt.Sprintf("; %d messages wait in the shard's inbox", w.Messages)
	}
	return text
}

func tries(n int) string {
	if n == 1 {
		return "once it"
	}
	return strconv.Itoa(n) + " times it"
}

// fault is an error and its cause, in a few words.
func fault(name, cause *string) string {
	text := given(name)
	if why := clipped(given(cause), 160); why != "" && text != "" {
		text += ": " + why
	} else if text == "" {
		text = why
	}
	if text == "" {
		return "an error without a name"
	}
	return text
}

// clipped is a text in one line of at most n characters.
func clipped(text string, n int) string {
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}
