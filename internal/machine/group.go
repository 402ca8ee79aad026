package machine

import (
	"encoding/binary"
	"slices"
)

// Which of an event's fields its record has.
const (
	hasState = 1 << iota
	hasIn
	hasOut
	hasError
	hasCause
	hasResource
	hasType
	hasTimeout
	hasHeartbeat
	hasWorker
	hasLocation
	hasRole
	hasIndex
	hasLength
	hasAssigned
	hasSaga
)

// Events are those of one commit.
type Events []Event

// appendEvents adds the events of one commit, which follow without a gap, as a
// record to b.
func appendEvents(b []byte, events Events) []byte {
	format := byte(sagalessEvents)
	if slices.ContainsFunc(events, func(e Event) bool { return e.Type > WaitStateExited }) {
		format = eventsFormat
	}
	b = append(b, format)
	b = binary.AppendUvarint(b, uint64(len(events)))
	if len(events) == 0 {
		return b
	}
	at := events[0].At
	b = binary.AppendUvarint(b, uint64(events[0].ID))
	b = binary.AppendVarint(b, at)
	for i := range events {
		e := &events[i]
		b = append(b, byte(e.Type))
		b = binary.AppendUvarint(b, uint64(e.ID-e.Prev))
		b = binary.AppendVarint(b, e.At-at)
		b = e.append(b)
	}
	return b
}

func (e *Event) fields() (has uint64) {
	for i, is := range [...]bool{e.State != "", e.In != 0, e.Out != 0, e.Error != nil, e.Cause != nil, e.Resource != "",
		e.ResourceType != "", e.Timeout != 0, e.Heartbeat != 0, e.Worker != "", e.Location != "", e.RoleARN != "",
		e.Index != 0, e.Length != 0, len(e.Assigned) > 0, e.Saga != nil} {
		if is {
			has |= 1 << i
		}
	}
	return has
}

func (e *Event) append(b []byte) []byte {
	has := e.fields()
	b = binary.AppendUvarint(b, has)
	for i, text := range [...]string{e.State, e.Resource, e.ResourceType, e.Worker, e.Location, e.RoleARN} {
		if has&textFields[i] != 0 {
			b = appendText(b, text)
		}
	}
	for i, n := range [...]uint64{uint64(e.In), uint64(e.Out), uint64(e.Timeout), uint64(e.Heartbeat), uint64(e.Index), uint64(e.Length)} {
		if has&numberFields[i] != 0 {
			b = binary.AppendUvarint(b, n)
		}
	}
	if has&hasError != 0 {
		b = appendText(b, *e.Error)
	}
	if has&hasCause != 0 {
		b = appendText(b, *e.Cause)
	}
	if has&hasAssigned != 0 {
		b = appendBindings(b, e.Assigned)
	}
	if has&hasSaga != 0 {
		b = binary.AppendUvarint(b, uint64(e.Saga.Saga))
		b = binary.AppendUvarint(b, uint64(e.Saga.Hold))
		b = appendText(b, e.Saga.Word)
		b = appendText(b, e.Saga.Reason)
	}
	return b
}

var (
	textFields   = [...]uint64{hasState, hasResource, hasType, hasWorker, hasLocation, hasRole}
	numberFields = [...]uint64{hasIn, hasOut, hasTimeout, hasHeartbeat, hasIndex, hasLength}
)

// decodeEvents reads what appendEvents wrote.
func decodeEvents(b []byte) (Events, error) {
	r := reader{b: b}
	r.begin("events", eventsFormat)
	n := r.length()
	if n == 0 {
		return nil, r.end()
	}
	events := make([]Event, 0, min(n, 1024))
	id, at := int64(r.number()), r.int64()
	for i := range int64(n) {
		e := Event{ID: id + i, Type: EventType(r.upTo(uint8(len(eventNames) - 1)))}
		e.Prev = e.ID - int64(r.number())
		e.At = at + r.int64()
		r.event(&e)
		if r.err != nil {
			return nil, r.err
		}
		events = append(events, e)
	}
	return events, r.end()
}

func (r *reader) event(e *Event) {
	has := r.uint64()
	for i, text := range [...]*string{&e.State, &e.Resource, &e.ResourceType, &e.Worker, &e.Location, &e.RoleARN} {
		if has&textFields[i] != 0 {
			*text = r.text()
		}
	}
	if has&hasIn != 0 {
		e.In = Ref(r.uint32())
	}
	if has&hasOut != 0 {
		e.Out = Ref(r.uint32())
	}
	for i, n := range [...]*int64{&e.Timeout, &e.Heartbeat} {
		if has&numberFields[2+i] != 0 {
			*n = int64(r.number())
		}
	}
	for i, n := range [...]*int{&e.Index, &e.Length} {
		if has&numberFields[4+i] != 0 {
			*n = r.number()
		}
	}
	if has&hasError != 0 {
		text := r.text()
		e.Error = &text
	}
	if has&hasCause != 0 {
		text := r.text()
		e.Cause = &text
	}
	if has&hasAssigned != 0 {
		e.Assigned = r.bindings()
	}
	if has&hasSaga != 0 {
		e.Saga = &sagaTold{Saga: r.uint32(), Hold: r.uint32(), Word: r.text(), Reason: r.text()}
	}
}
