package journal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// DetailType is what EventBridge calls the events of changed statuses.
const DetailType = "Step Functions Execution Status Change"

// EventBridge puts status changes on a bus of Amazon EventBridge.
type EventBridge struct {
	endpoint    *Endpoint
	bus, source string
}

// NewEventBridge is a destination that puts events of a source on a bus. AWS
// itself takes no event whose source begins with "aws." from anybody but its
// own services.
func NewEventBridge(endpoint *Endpoint, bus, source string) *EventBridge {
	return &EventBridge{endpoint: endpoint, bus: bus, source: source}
}

// The bounds of one PutEvents.
const (
	maxEntries    = 10
	maxEntryBytes = 256 << 10
)

// putEventsEntry is one event as the service takes it.
type putEventsEntry struct {
	Time       int64    `json:"Time"` // seconds
	Source     string   `json:"Source"`
	Resources  []string `json:"Resources"`
	DetailType string   `json:"DetailType"`
	Detail     string   `json:"Detail"`
	Bus        string   `json:"EventBusName"`
}

// size is what the service counts.
func (e *putEventsEntry) size() int {
	n := 14 + len(e.Source) + len(e.DetailType) + len(e.Detail)
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

// Write puts the changes, in order. The error is that of the last that was not
// taken.
func (b *EventBridge) Write(ctx context.Context, changes []StatusChange) (written int, err error) {
	var entries []putEventsEntry
	bytes := 0
	flush := func() {
		taken, failed := b.put(ctx, entries)
		if failed != nil {
			err = failed
		}
		written, entries, bytes = written+taken, nil, 0
	}
	for _, c := range changes {
		entry := putEventsEntry{c.At / 1000, b.source, []string{c.Execution}, DetailType, c.Detail, b.bus}
		if len(entries) == maxEntries || len(entries) > 0 && bytes+entry.size() > maxEntryBytes {
			flush()
		}
		entries, bytes = append(entries, entry), bytes+entry.size()
	}
	if len(entries) > 0 {
		flush()
	}
	return written, err
}

// put makes one call, and further ones for what the service could not take at
// the moment.
func (b *EventBridge) put(ctx context.Context, entries []putEventsEntry) (taken int, err error) {
	var refused error
	err = insist(ctx, b.endpoint.firstPause(), func(err error) bool { return err == errSome }, func() error {
		results, err := b.call(ctx, entries)
		if err != nil {
			return err
		}
		var again []putEventsEntry
		for i, entry := range entries {
			switch code := results[i].Code; {
			case code == "":
				taken++
			case passing(code):
				again = append(again, entry)
			default:
				refused = &refusal{code: "PutEvents: " + code, message: results[i].Message}
			}
		}
		if entries = again; len(entries) > 0 {
			return errSome
		}
		return nil
	})
	if err == nil {
		err = refused
	}
	return taken, err
}

// putResult is what became of one entry: an error's code, or none.
type putResult struct {
	Code    string `json:"ErrorCode"`
	Message string `json:"ErrorMessage"`
}

// call makes one call; there is a result for each entry.
func (b *EventBridge) call(ctx context.Context, entries []putEventsEntry) ([]putResult, error) {
	in := struct{ Entries []putEventsEntry }{entries}
	var out struct{ Entries []putResult }
	if err := b.endpoint.call(ctx, "events", "AWSEvents.PutEvents", in, &out); err != nil {
		return nil, err
	}
	if len(out.Entries) != len(entries) {
		return nil, fmt.Errorf("PutEvents: %d results for %d events", len(out.Entries), len(entries))
	}
	return out.Entries, nil
}

// errSome says that some events of a call were not taken, and may be later.
var errSome = errors.New("PutEvents: the bus has too much to do")

// timeOf is a time as events tell it.
func timeOf(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
