package asl

import (
	"strings"
	"time"
)

// wait reads what a Wait has of its own: one of its four fields.
func (c *compiler) wait(s *State, n *node) {
	s.Wait = &WaitFields{}
	names := []string{"Seconds", "Timestamp"}
	if s.Language == JSONPath {
		names = []string{"Seconds", "SecondsPath", "Timestamp", "TimestampPath"}
	}
	if !c.exactlyOne(n, names...) {
		return
	}
	s.Wait.Seconds = c.quantity(s, n, "Seconds", bounds{0, MaxSeconds, true})
	s.Wait.Timestamp = c.line(s.Language, n, "Timestamp", "Path", false)
	if l := s.Wait.Timestamp.Literal; l != nil && !IsTimestamp(*l) {
		c.schema(n.get("Timestamp"), "String does not match RFC3339 timestamp")
	}
}

// IsTimestamp reports whether text is a timestamp of the States Language:
// RFC 3339 with an upper-case T, and an upper-case Z where there is no offset.
func IsTimestamp(text string) bool {
	if len(text) < len("2006-01-02T15:04:05Z") || text[10] != 'T' || strings.Contains(text, ",") {
		return false
	}
	_, err := time.Parse(time.RFC3339Nano, text)
	return err == nil
}
