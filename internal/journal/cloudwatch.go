package journal

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// CloudWatch writes log events to the streams of Amazon CloudWatch Logs. A
// state machine has one stream a day for each process that runs it:
// states/<machine>/<date>/<id of the process>. The log group must be there.
type CloudWatch struct {
	endpoint *Endpoint
	id       string
	made     map[stream]bool // streams that are known to be there, at most keepStreams
}

// NewCloudWatch is a destination whose streams end in id.
func NewCloudWatch(endpoint *Endpoint, id string) *CloudWatch {
	return &CloudWatch{endpoint: endpoint, id: id, made: make(map[stream]bool)}
}

// Group tells whether there is a log group of that name. Unlike Write it may be
// called by many at once.
func (c *CloudWatch) Group(ctx context.Context, name string) (bool, error) {
	in := struct {
		Prefix string `json:"logGroupNamePrefix"`
	}{name}
	var out struct {
		Groups []struct {
			Name string `json:"logGroupName"`
		} `json:"logGroups"`
	}
	err := c.endpoint.call(ctx, "logs", "Logs_20140328.DescribeLogGroups", in, &out)
	if isRefusal(err, "InvalidParameterException") { // no group can have that name
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// They come in the order of their names, page by page: a name comes before
	// those that begin with it.
	return len(out.Groups) > 0 && out.Groups[0].Name == name, nil
}

// keepStreams bounds the streams that are remembered.
const keepStreams = 4096

// The bounds of one PutLogEvents.
const (
	maxPutEvents   = 10_000
	maxPutBytes    = 1 << 20
	putOverhead    = 26 // bytes that each event counts more than its text
	maxPutInterval = int64(24 * time.Hour / time.Millisecond)
)

type stream struct{ group, name string }

// inputLogEvent is one event as the service takes it.
type inputLogEvent struct {
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
}

// Write puts the events into their streams, each in the order of time. Where a
// stream refuses, the events of the others are written nevertheless; the error
// is the last one.
func (c *CloudWatch) Write(ctx context.Context, events []LogEvent) (written int, err error) {
	var order []stream
	byStream := make(map[stream][]inputLogEvent)
	for _, e := range events {
		s := c.streamOf(e)
		if byStream[s] == nil {
			order = append(order, s)
		}
		byStream[s] = append(byStream[s], inputLogEvent{e.At, e.Text})
	}
	for _, s := range order {
		all := byStream[s]
		slices.SortStableFunc(all, func(a, b inputLogEvent) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
		for len(all) > 0 {
			n := portion(all)
			taken, failed := c.put(ctx, s, all[:n])
			if failed != nil {
				err = failed
			}
			written, all = written+taken, all[n:]
		}
	}
	return written, err
}

func (c *CloudWatch) streamOf(e LogEvent) stream {
	return stream{e.Group, "states/" + e.Machine + "/" + time.UnixMilli(e.At).UTC().Format(time.DateOnly) + "/" + c.id}
}

// portion is how many of the events go into one call, at least one.
func portion(events []inputLogEvent) int {
	bytes := 0
	for i, e := range events {
		bytes += len(e.Message) + putOverhead
		if i > 0 && (i == maxPutEvents || bytes > maxPutBytes || e.Timestamp-events[0].Timestamp > maxPutInterval) {
			return i
		}
	}
	return len(events)
}

// put makes one call; a stream that is not there is made.
func (c *CloudWatch) put(ctx context.Context, s stream, events []inputLogEvent) (int, error) {
	if !c.made[s] {
		if err := c.create(ctx, s); err != nil {
			return 0, err
		}
	}
	var out putLogEventsOutput
	err := c.putEvents(ctx, s, events, &out)
	if isRefusal(err, "ResourceNotFoundException") { // somebody took the stream away
		delete(c.made, s)
		if err = c.create(ctx, s); err == nil {
			err = c.putEvents(ctx, s, events, &out)
		}
	}
	if err != nil {
		return 0, err
	}
	return out.taken(len(events)), nil
}

func (c *CloudWatch) create(ctx context.Context, s stream) error {
	in := struct {
		Group string `json:"logGroupName"`
		Name  string `json:"logStreamName"`
	}{s.group, s.name}
	err := c.endpoint.call(ctx, "logs", "Logs_20140328.CreateLogStream", in, nil)
	if err != nil && !isRefusal(err, "ResourceAlreadyExistsException") {
		return err
	}
	if len(c.made) >= keepStreams {
		clear(c.made)
	}
	c.made[s] = true
	return nil
}

func (c *CloudWatch) putEvents(ctx context.Context, s stream, events []inputLogEvent, out *putLogEventsOutput) error {
	in := struct {
		Group  string          `json:"logGroupName"`
		Name   string          `json:"logStreamName"`
		Events []inputLogEvent `json:"logEvents"`
	}{s.group, s.name, events}
	return c.endpoint.call(ctx, "logs", "Logs_20140328.PutLogEvents", in, out)
}

// putLogEventsOutput tells which events were too new, too old or older than
// the group keeps them.
type putLogEventsOutput struct {
	Rejected struct {
		TooNewFrom   *int `json:"tooNewLogEventStartIndex"`
		TooOldUntil  int  `json:"tooOldLogEventEndIndex"`
		ExpiredUntil int  `json:"expiredLogEventEndIndex"`
	} `json:"rejectedLogEventsInfo"`
}

// taken is how many of n events were taken.
func (o *putLogEventsOutput) taken(n int) int {
	end := n
	if o.Rejected.TooNewFrom != nil {
		end = min(end, *o.Rejected.TooNewFrom)
	}
	return max(0, end-max(o.Rejected.TooOldUntil, o.Rejected.ExpiredUntil))
}
