package machine

import (
	"strconv"
	"time"

	"github.com/backstep/backstep/internal/asl"
)

// maxDelay is the longest that a Wait may take, in seconds.
const maxDelay = 1<<31 - 1

// wait puts a timer, unless the time has come already.
func (t *turn) wait(sc *scope) *fault {
	sc.before = sc.frame.Prev // so the service tells of evaluations that fail in a Wait
	s := sc.state
	if fl := sc.narrow(); fl != nil {
		return fl
	}
	due, fl := sc.due(s.Wait)
	if fl != nil {
		return fl
	}
	if due > t.head.Now+maxDelay*1000 {
		return sc.runtime("Wait state delay is too long.")
	}
	if due <= t.head.Now {
		t.waited(sc.frame, s)
		return nil
	}
	sc.frame.Job = t.open(Job{Kind: Timer, Frame: sc.frame.ID, State: s.Name, Entry: sc.frame.Entry, Due: due})
	return nil
}

// waited leaves a Wait whose time has come.
func (t *turn) waited(f *Frame, s *asl.State) {
	sc := t.scope(f, s, f.Prev)
	fl := sc.narrow()
	if fl == nil {
		fl = t.passOn(sc, s.Output, s.Assign, s.Next)
	}
	if fl != nil {
		t.raise(sc, fl)
	}
}

// due is when a Wait is over.
func (sc *scope) due(w *asl.WaitFields) (int64, *fault) {
	now := sc.turn.head.Now
	if w.Seconds.Path != nil {
		n, fl := sc.secondsPath(&w.Seconds)
		return now + n*1000, fl
	}
	if n, given, fl := sc.integer(&w.Seconds, 0); given || fl != nil {
		return now + min(n, maxDelay+1)*1000, fl
	}
	text, fl := sc.line(&w.Timestamp)
	if fl != nil {
		return 0, fl
	}
	at, err := time.Parse(time.RFC3339Nano, *text)
	switch {
	case err == nil && asl.IsTimestamp(*text):
		return at.UnixMilli(), nil
	case w.Timestamp.Query != nil:
		return 0, sc.evaluation("The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: "+
			*text, w.Timestamp.Query.Location)
	}
	return 0, sc.runtime("The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: " +
		w.Timestamp.Path.String() + " == " + *text)
}

// secondsPath is what a SecondsPath finds.
func (sc *scope) secondsPath(q *asl.Quantity) (int64, *fault) {
	path := q.Path.String()
	v, err := q.Path.Eval(sc)
	if err != nil {
		return 0, sc.runtime("The SecondsPath parameter does not reference an input value: " + path)
	}
	n, ok := spelledInt(v)
	switch {
	case !ok:
		return 0, sc.runtime("The SecondsPath parameter cannot be parsed as a long value: " + path + " == " + plain(v))
	case n < 0:
		return 0, sc.runtime("The SecondsPath parameter references a negative value: " + path + " == " + strconv.FormatInt(n, 10))
	}
	return min(n, maxDelay+1), nil
}
