package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/backstep/backstep/api"
)

// table prints rows in columns, the first row as the head.
func table(w io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// fields prints names and values beneath one another; those without a value are
// left out.
func fields(w io.Writer, pairs ...string) {
	width := 0
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			width = max(width, len(pairs[i]))
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(w, "%-*s  %s\n", width, pairs[i], pairs[i+1])
		}
	}
}

// when is a time as people read it.
func when(t api.Timestamp) string { return t.Time().Local().Format("2006-01-02 15:04:05") }

// took is how long something took.
func took(from api.Timestamp, to *api.Timestamp) string {
	if to == nil {
		return ""
	}
	return to.Time().Sub(from.Time()).Round(time.Millisecond).String()
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// said is a cause as people read it: of what a function throws, its message.
func said(cause *string) string {
	var thrown struct {
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal([]byte(text(cause)), &thrown) == nil && thrown.Message != "" {
		return thrown.Message
	}
	return text(cause)
}

// clip shortens what would fill the screen, to one line of n characters.
func clip(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// The escape codes of a terminal that statuses are shown in.
const (
	green = "\x1b[32m"
	red   = "\x1b[31m"
	plain = "\x1b[0m"
)

// paint colours s on a terminal; elsewhere it stays as it is.
func (s *session) paint(colour, text string) string {
	if !s.Terminal {
		return text
	}
	return colour + text + plain
}

// status shows an execution's status.
func (s *session) status(st api.ExecutionStatus) string {
	switch st {
	case api.ExecutionStatusSucceeded:
		return s.paint(green, string(st))
	case api.ExecutionStatusRunning, api.ExecutionStatusPendingRedrive:
		return string(st)
	}
	return s.paint(red, string(st))
}
