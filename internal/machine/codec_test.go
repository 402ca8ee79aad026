package machine

import (
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/backstep/backstep/internal/fuzz"
)

func textPointer(s string) *string { return &s }

// Values in which no field is what it is by default.
var (
	fullStart = Start{
		ID: ID{1, 2, 3}, Account: "123456789012", Region: "eu-central-1", Machine: "m", Name: "n", Definition: [32]byte{4},
		Version: "v", Alias: "a", RoleARN: "r", Trace: "t", Express: true, At: 5, Depth: 6,
		Parent: &Parent{ID: ID{7}, Job: 8},
		Map:    &MapStart{State: "s", Item: &itemStart{Index: 9, Count: 10}}, TestCase: "c", Lock: true,
	}
	fullHead = Head{
		Status: Failed, Now: 1, Stop: 2, LastEvent: 3, Entries: 4, LastPayload: 5, LastFrame: 6, LastJob: 7, Input: 8, Output: 9,
		Error: textPointer("e"), Cause: textPointer(""), Timeout: 10, Redrives: 11, Variables: 12,
		Kept: true, Redriven: 13, Tokens: []redriveToken{{"t", 14}, {"u", 15}}, Invocations: []invocations{{"s", 16}, {"t", 17}},
		Run: &Run{MaxConcurrency: 13, ToleratedCount: -14, ToleratedPercentage: 15.5, Items: counts{16, 17, 18, 19, 20, 21, 34, 35},
			Executions: counts{22, 23, 24, 25, 26, 27, 36, 37}, Lost: 42, Again: 38, Until: 43, Read: 28, Begun: 29, Taken: 30, Children: 31, Bytes: 32, Writes: 33, Cursor: "c", Over: true, Failing: true},
		ParentJob: 40, Sagas: 44, OpenSagas: 45, Aborting: 46, EndedSagas: [4]uint32{47, 48, 49, 50}, Holds: 51, OpenHolds: 52, Pivoted: true, Spent: true, Undone: true, Late: []expected{{53, "s", 54}}, Search: []Attribute{{"a", "b"}, {"c", ""}}, Definition: [32]byte{31: 55},
	}
	fullFrame = Frame{
		ID: 1, Parent: 2, Kind: Item, Index: 3, State: "s", Phase: Joining, Input: 4, Entry: 5, Entered: 6, EnteredEvent: 7,
		effort:    effort{Prev: 8, Retries: []uint32{10, 0}, Sends: 11, Submissions: 22, Unknown: true, Endless: 26, Edition: 27, Asked: 59},
		Variables: []binding{{"a", 9}, {"b", math.MaxUint32}}, Tried: 20, Job: 12,
		Join: &join{Count: 13, Begun: 14, Done: 15, AtOnce: 16, First: 17, Items: 18, From: 25}, Result: 19,
		Lost: []lost{{Entry: 21, Attempt: 22, Request: 23, Items: 24, As: Aborted}},
		Undo: 28, Outcome: StepUnknown,
		Scope: &sagaScope{Saga: 29, Outermost: true, Floor: 30, Committed: true, Aborting: true, Failed: true, Locks: 61, Ended: true, Output: 31,
			Assigned: []binding{{"c", 32}}, Confirms: 33, Next: 34,
			Save: &savePoint{State: "p", Input: 35, Variables: []binding{{"d", 36}}, Undo: 37, Tries: 38, returning: true}},
		Recovery: &recovery{Then: returned, Index: 39, Floor: 40, Fault: fullFault, Failed: true, Fenced: true, Begun: 41, Active: 42},
		Body: &body{Operation: Ask, Row: 43, Alternative: 44, Resource: "r", Plan: plan{45, 46, 47, "role"}, Started: 48, Fault: &fullFault,
			effort: effort{Prev: 49, Retries: []uint32{50}, Sends: 51, Submissions: 52, Unknown: true, Endless: 53, Edition: 54, Asked: 60}},
		Hold: &hold{Number: 55, Operation: Confirm, Row: 56, Since: 57, Fault: fullFault}, Locked: 62,
		Claim: &Claim{Execution: ID{63}, Job: 64, Saga: 65, Entry: 66, Granted: true},
	}
	fullFault = fault{Failure: Failure{textPointer("e"), textPointer("c")}, event: 58, fatal: true, timeout: true, heartbeat: true,
		within: true, evaluated: true, declared: true, undone: true}
	fullJob = Job{
		ID: 1, Kind: GrantLock, Frame: 2, State: "s", Entry: 3, Attempt: 4, Send: 5, Request: 6, RoleARN: "r", Made: 7,
		Deadline: never, Heartbeat: 8, Due: -9, Submitted: true, Taken: true, Answer: 10, Earlier: 11, Invocation: 12,
		Operation: Compensate, Alternative: 13, Edition: 14, Resource: "s", Landing: true,
	}
	fullUndo = Undo{
		Number: 1, Kind: undoSaga, Prev: 2, State: "s", Saga: 3, Outcome: StepUnknown, Settled: NotOwed, Started: 4, Ended: -5, Attempts: 6, Tries: 20, Edition: 24,
		Error: textPointer("e"), Cause: textPointer(""), Asked: true, EnteredEvent: 7, Input: 8, Request: 19, Result: 9, Variables: []binding{{"a", 10}},
		Heads: []uint32{11, 12}, AtOnce: 13, Lock: 23, Status: SagaAbandoned, Committed: true,
		Calls: []bodyCall{{Operation: Confirm, Alternative: 21, Edition: 22, Resource: "r", Started: 14, Ended: 15, Attempts: 16, Unknown: true, Request: 17, Result: 18,
			Error: textPointer("e"), Cause: textPointer("c")}},
	}
	fullEvents = Events{
		{ID: 41, Prev: 0, At: 1000, Type: MapIterationAborted, State: "s", In: 1, Out: 2, Error: textPointer("e"), Cause: textPointer(""),
			Resource: "r", ResourceType: "t", Timeout: 3, Heartbeat: 4, Worker: "w", Location: "l", RoleARN: "a", Index: 5, Length: 6,
			Assigned: []binding{{"x", 7}}, Saga: &sagaTold{Saga: 8, Hold: 9, Word: "w", Reason: "r"}},
		{ID: 42, Prev: 41, At: 999, Type: LateTaskResult},
	}
)

// record is one kind of record: a full one, and how it is read.
type record struct {
	name   string
	bytes  []byte
	decode func([]byte) (any, error)
	want   any
}

func records() []record {
	start := func(s Start) record {
		return record{"start", appendStart(nil, &s), func(b []byte) (any, error) { return decodeStart(b) }, s}
	}
	head := func(h Head) record {
		return record{"head", appendHead(nil, &h), func(b []byte) (any, error) { return decodeHead(b) }, h}
	}
	frame := func(f Frame) record {
		return record{"frame", appendFrame(nil, &f), func(b []byte) (any, error) { return decodeFrame(b) }, &f}
	}
	job := func(j Job) record {
		return record{"job", appendJob(nil, &j), func(b []byte) (any, error) { return decodeJob(b) }, &j}
	}
	unlocked := fullStart
	unlocked.Lock = false
	ordinaryStart, untestedStart, testedStart := unlocked, unlocked, unlocked
	ordinaryStart.Map, ordinaryStart.TestCase, untestedStart.TestCase, testedStart.Map = nil, "", "", nil
	ordinaryHead, uncountedHead := fullHead, fullHead
	ordinaryHead.Run, uncountedHead.Invocations = nil, nil
	sagalessFrame, sagalessJob, sagalessHead := sagaless()
	unfoundHead, foundHead := fullHead, sagalessHead
	unfoundHead.Search, unfoundHead.Definition, foundHead.Search = nil, [32]byte{}, fullHead.Search
	uneditedUndo := fullUndo
	uneditedUndo.Edition = 0
	ordinaryFrame, ordinaryJob := sagalessFrame, sagalessJob
	ordinaryFrame.Submissions, ordinaryJob.Answer, ordinaryJob.Earlier, ordinaryJob.Invocation = 0, 0, 0, 0
	return []record{
		start(fullStart), start(unlocked), head(fullHead), start(ordinaryStart), start(untestedStart), start(testedStart), head(ordinaryHead), head(uncountedHead),
		job(fullJob), job(sagalessJob), job(ordinaryJob), head(sagalessHead), head(unfoundHead), head(foundHead),
		frame(fullFrame), frame(sagalessFrame), frame(ordinaryFrame),
		{"undo", appendUndo(nil, &fullUndo), func(b []byte) (any, error) { return decodeUndo(b) }, &fullUndo},
		{"events", appendEvents(nil, fullEvents), func(b []byte) (any, error) { return decodeEvents(b) }, fullEvents},
		{"undo", appendUndo(nil, &uneditedUndo), func(b []byte) (any, error) { return decodeUndo(b) }, &uneditedUndo},
	}
}

// sagaless are a frame, a job and a head that have nothing to do with a saga.
func sagaless() (Frame, Job, Head) {
	f, j, h := fullFrame, fullJob, fullHead
	f.Undo, f.Outcome, f.Endless, f.Edition, f.Asked, f.Scope, f.Recovery, f.Body, f.Hold, f.Locked, f.Claim = 0, 0, 0, 0, 0, nil, nil, nil, nil, 0, nil
	j.Kind, j.Operation, j.Alternative, j.Edition, j.Resource, j.Landing = WriteResults, Forward, 0, 0, "", false
	h.Sagas, h.OpenSagas, h.Aborting, h.EndedSagas, h.Holds, h.OpenHolds, h.Pivoted, h.Spent, h.Undone, h.Late = 0, 0, 0, [4]uint32{}, 0, 0, false, false, false, nil
	h.Search, h.Definition = nil, [32]byte{}
	return f, j, h
}

// TestFullValues makes sure that the values above leave no field out, so that
// a field that no record keeps is noticed.
func TestFullValues(t *testing.T) {
	for _, v := range []any{fullStart, *fullStart.Parent, *fullStart.Map, *fullStart.Map.Item, fullHead, *fullHead.Run, fullHead.Run.Items, fullHead.Search[0], fullFrame, *fullFrame.Join,
		fullFrame.Lost[0], *fullFrame.Scope, *fullFrame.Scope.Save, *fullFrame.Recovery, *fullFrame.Body, *fullFrame.Hold, fullUndo,
		fullUndo.Calls[0], fullJob, fullEvents[0], *fullEvents[0].Saga} {
		r := reflect.ValueOf(v)
		for i := range r.NumField() {
			if name := r.Type().Field(i).Name; r.Field(i).IsZero() && name != "Prev" {
				t.Errorf("%T.%s is not set", v, name)
			}
		}
	}
}

func TestRecordsAreReadAsTheyWereWritten(t *testing.T) {
	for _, r := range records() {
		got, err := r.decode(r.bytes)
		if err != nil || !reflect.DeepEqual(got, r.want) {
			t.Errorf("%s: %+v, %v\nwant %+v", r.name, got, err, r.want)
		}
	}
}

func TestDamagedRecordsAreRefused(t *testing.T) {
	for _, r := range records() {
		for n := range r.bytes {
			if _, err := r.decode(r.bytes[:n]); !errors.Is(err, errRecord) {
				t.Errorf("%s cut at %d: %v", r.name, n, err)
			}
		}
		if _, err := r.decode(append(r.bytes[:len(r.bytes):len(r.bytes)], 0)); !errors.Is(err, errRecord) {
			t.Errorf("%s with a byte more: %v", r.name, err)
		}
		zero := append([]byte{0}, r.bytes[1:]...)
		if _, err := r.decode(zero); !errors.Is(err, errRecord) {
			t.Errorf("%s of encoding 0: %v", r.name, err)
		}
	}
}

func TestNewerRecordsAreNamed(t *testing.T) {
	for _, r := range records() {
		newer := append([]byte{99}, r.bytes[1:]...)
		_, err := r.decode(newer)
		var format *formatError
		if !errors.As(err, &format) || format.Record != r.name || format.Number != 99 {
			t.Errorf("%s: %v", r.name, err)
		}
	}
	if text := (&formatError{"job", 99}).Error(); text != "the job record has encoding 99, which this version does not know" {
		t.Error(text)
	}
}

// TestOlderRecordsAreRead reads what older encodings wrote: the first know
// nothing of redrives and map runs, nor of jobs that are polled.
func TestOlderRecordsAreRead(t *testing.T) {
	wantFrame, wantJob, wantHead := sagaless()
	wantHead.Kept, wantHead.Redriven, wantHead.Tokens, wantHead.Run, wantHead.Invocations, wantHead.ParentJob = false, 0, nil, nil, nil, 0
	bytes, _ := hex.DecodeString("01030204030405060708090a0b0c026501")
	if head, err := decodeHead(bytes); err != nil || !reflect.DeepEqual(head, wantHead) {
		t.Errorf("%+v, %v", head, err)
	}
	join := *wantFrame.Join
	join.From = 0
	wantFrame.Join, wantFrame.Submissions, wantFrame.Lost = &join, 0, nil
	bytes, _ = hex.DecodeString("020102020303040507080b0c130c0173020161090162ffffffff0f020a001401010d0e0f101112")
	if frame, err := decodeFrame(bytes); err != nil || !reflect.DeepEqual(frame, &wantFrame) {
		t.Errorf("%+v, %v", frame, err)
	}
	wantFrame.Tried = 0
	bytes, _ = hex.DecodeString("010102020303040507080b0c130c0173020161090162ffffffff0f020a0001010d0e0f101112")
	if frame, err := decodeFrame(bytes); err != nil || !reflect.DeepEqual(frame, &wantFrame) {
		t.Errorf("%+v, %v", frame, err)
	}
	wantJob.Kind = WriteResults
	wantJob.Answer, wantJob.Earlier, wantJob.Invocation = 0, 0, 0
	bytes, _ = hex.DecodeString("01010b02030405060efeffffffffffffffff01101101730172" + "0101")
	if job, err := decodeJob(bytes); err != nil || !reflect.DeepEqual(job, &wantJob) {
		t.Errorf("%+v, %v", job, err)
	}
}

func TestNoEventsAreARecordToo(t *testing.T) {
	if events, err := decodeEvents(appendEvents(nil, nil)); events != nil || err != nil {
		t.Error(events, err)
	}
}

// FuzzDecode: no bytes make a decoder panic, and what it takes it would write
// again in a form that means the same.
func FuzzDecode(f *testing.F) {
	for i, r := range records() {
		f.Add(i, r.bytes)
	}
	f.Add(9, []byte{frameFormat, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Add(16, []byte{eventsFormat, 1, 1, 0, 63, 0, 0})
	f.Fuzz(func(t *testing.T, which int, b []byte) {
		all := records()
		r := all[uint(which)%uint(len(all))]
		fuzz.Bounded(t, func() {
			got, err := r.decode(b)
			if err != nil {
				return
			}
			again, err := r.decode(encode(got))
			if err != nil || !reflect.DeepEqual(got, again) {
				t.Errorf("%s: %+v became %+v, %v", r.name, got, again, err)
			}
		})
	})
}

func encode(v any) []byte {
	switch v := v.(type) {
	case Start:
		return appendStart(nil, &v)
	case Head:
		return appendHead(nil, &v)
	case *Frame:
		return appendFrame(nil, v)
	case *Job:
		return appendJob(nil, v)
	case *Undo:
		return appendUndo(nil, v)
	}
	return appendEvents(nil, v.(Events))
}
