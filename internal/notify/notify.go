// Package notify tells people that sagas wait for them: by a webhook, by a topic,
// by mail. It words a [Notice] for each way and delivers it once; the error says
// that it may not have come.
//
// It refuses to know what holds are and when who is to be told (service finds
// that out), and does not try again.
//
// Read notify.go (what is told, and its words), then a way each: webhook.go,
// topic.go, mail.go.
package notify

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Notice says that some executions of one state machine wait for a person, all by
// one error.
type Notice struct {
	ID      string // the same for the same holds: who hears twice may know by it
	At      time.Time
	Machine string // its name
	ARN     string // of the state machine
	Error   string // "" where it has no name
	Count   int
	First   []Hold // at least one, and not all of them
	Link    string // where a person can go on, or ""
	Command string // what he can type
}

// Hold is one of what waits.
type Hold struct {
	Execution string // ARN
	Name      string // the execution as people name it: Order:1001
	Number    string
	State     string // "" of an execution that is quarantined
	Operation string
	Error     string
	Cause     string
	Since     time.Time
	Runbook   string
	Link      string
}

// Channel is a way to people. It may be used by many at once.
type Channel interface {
	// Tell delivers a notice, or fails by the end of the context. After an error
	// it may have been delivered nevertheless.
	Tell(ctx context.Context, n *Notice) error
}

// maxCause is what of a cause people are told, in characters.
const maxCause = 300

// subject is a notice in one line.
func (n *Notice) subject() string {
	what := "holds wait"
	if n.Count == 1 {
		what = "hold waits"
	}
	return oneLine(strings.TrimSuffix(fmt.Sprintf("%d %s for you: %s: %s", n.Count, what, n.Machine, n.Error), ": "))
}

// text is a notice in plain words.
func (n *Notice) text() string {
	var b strings.Builder
	fmt.Fprintln(&b, n.subject())
	for i := range n.First {
		h := &n.First[i]
		fmt.Fprintf(&b, "\n%s, hold %s", oneLine(h.Name), oneLine(h.Number))
		if h.State != "" {
			fmt.Fprintf(&b, ": %s %s", oneLine(h.State), h.Operation)
		}
		fmt.Fprintf(&b, ", since %s\n", h.Since.UTC().Format(time.RFC3339))
		for _, line := range []string{strings.Trim(h.Error+": "+clip(h.Cause, maxCause), ": "), h.Runbook, h.Link} {
			if line != "" {
				fmt.Fprintf(&b, "  %s\n", oneLine(line))
			}
		}
	}
	if more := n.Count - len(n.First); more > 0 {
		fmt.Fprintf(&b, "\nand %d more\n", more)
	}
	fmt.Fprintf(&b, "\n%s\n", n.Command)
	if n.Link != "" {
		fmt.Fprintln(&b, n.Link)
	}
	return b.String()
}

// oneLine keeps what others have named from looking like something else.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// clip cuts a text to so many characters.
func clip(text string, most int) string {
	n := 0
	for i := range text {
		if n++; n > most {
			return text[:i] + "…"
		}
	}
	return text
}
