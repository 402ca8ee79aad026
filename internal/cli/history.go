package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/backstep/backstep/api"
)

// History prints an execution's events.
type History struct {
	Execution string `arg:"" help:"The execution: its ARN, or MACHINE:NAME."`
	Follow    bool   `short:"f" xor:"order" help:"Go on printing until it has ended."`
	Reverse   bool   `help:"The last event first." xor:"order"`
	Full      bool   `help:"Print inputs and outputs whole."`
}

// Help is the long help of history.
func (History) Help() string {
	return `With --follow and --json every event is a line of its own.

Examples:
  backstep history Order:1001
  backstep history Order:1001 --follow
  backstep history Order:1001 --json | jq '.[].type'`
}

// Run prints them.
func (v *History) Run(s *session) error {
	svc, arn, err := s.execution(v.Execution)
	if err != nil {
		return err
	}
	if v.Follow {
		_, err := s.follow(svc, arn, 0, func(e api.HistoryEvent) { v.print(s, e) })
		return err
	}
	if s.JSON {
		all, err := first(0, events(s.ctx, svc, arn, v.Reverse))
		if err != nil {
			return err
		}
		return s.printJSON(all)
	}
	for e, err := range events(s.ctx, svc, arn, v.Reverse) {
		if err != nil {
			return err
		}
		v.print(s, e)
	}
	return nil
}

// print prints an event as a line, or as a JSON object.
func (v *History) print(s *session, e api.HistoryEvent) {
	if s.JSON {
		b, _ := json.Marshal(e)
		fmt.Fprintln(s.Stdout, string(b))
		return
	}
	details := detailsOf(e)
	if !v.Full {
		details = clip(details, 120)
	}
	fmt.Fprintf(s.Stdout, "%5d  %s  %-28s %s\n", e.Id, e.Timestamp.Time().Local().Format("15:04:05.000"), e.Type, details)
}

// detailsOf is an event's one details member as JSON, or "".
func detailsOf(e api.HistoryEvent) string {
	b, err := json.Marshal(e)
	if err != nil {
		return ""
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(b, &members) != nil {
		return ""
	}
	for name, member := range members {
		if strings.HasSuffix(name, "EventDetails") {
			return string(member)
		}
	}
	return ""
}
