package machine

import (
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// split makes room beneath a frame for the frames of a join.
func (t *turn) split(f *Frame, j *join) {
	j.First = t.head.LastFrame + 1
	t.head.LastFrame += FrameID(j.Count)
	f.Join, f.Phase = j, Joining
}

// begun puts the next frame of a join.
func (t *turn) begun(f *Frame, child *Frame) {
	f.Join.Begun++
	child.ID, child.Parent = f.Join.First+FrameID(child.Index), f.ID
	t.frames.put(child.ID, child)
	t.ready = append(t.ready, child)
}

// joined takes note that a frame beneath f has ended well.
func (t *turn) joined(f, child *Frame) {
	if f.Recovery != nil { // it was a saga that could not go back
		if t.sagaEnded(child, child.Result, nil) {
			t.reported(f, child)
			t.undo(f)
		}
		return
	}
	s := t.state(f)
	last, over := child.Prev, ParallelStateSucceeded
	if s.Type == asl.Map {
		over = MapStateSucceeded
		last = t.event(Event{Type: MapIterationSucceeded, Prev: child.Prev, State: s.Name, Index: child.Index})
	}
	f.Join.Done++
	if f.Join.Done == f.Join.Count {
		t.join(f, s, last, over)
	} else if f.Join.Begun < f.Join.Count && s.Type == asl.Map {
		t.beginItem(f, s, child.Prev)
	}
}

// join ends a Parallel or Map: what its frames gave, in order, is its result.
func (t *turn) join(f *Frame, s *asl.State, last int64, over EventType) {
	t.event(Event{Type: over, Prev: last})
	f.Prev = last
	t.collect(f, s)
}

// collect completes a Parallel or Map all of whose frames have ended well. They
// stay until the state is left, or tried again.
func (t *turn) collect(f *Frame, s *asl.State) {
	results := make([]value.Value, f.Join.Count)
	for i := range results {
		child := t.peek(f.Join.First + FrameID(i))
		results[i] = t.text(child.Result).Decode() // looked at once: not worth a place among the trees of the turn
	}
	f.Phase = Working
	if s.Type == asl.Saga {
		t.complete(f, s, datum{ref: t.peek(f.Join.First).Result})
		return
	}
	t.complete(f, s, datum{tree: value.NewArray(results)})
}

// broken ends a Parallel or Map because a frame beneath it has failed: the
// others are aborted. They stay until the state is left, or tried again: where
// the execution ends by it, a redrive takes them up.
func (t *turn) broken(f, child *Frame, fl *fault) {
	s := t.state(f)
	isMap := s.Type == asl.Map
	j := f.Join
	for i := range j.Begun {
		t.expire(t.peek(j.First+FrameID(i)), child)
	}
	if isMap {
		t.event(Event{Type: MapIterationFailed, Prev: fl.event, State: s.Name, Index: child.Index})
	}
	t.abortState(child, fl.event)
	for i := range j.Begun {
		other := t.peek(j.First + FrameID(i))
		if other.ID != child.ID && other.Phase != Ended {
			if isMap {
				t.event(Event{Type: MapIterationAborted, Prev: fl.event, State: s.Name, Index: i})
			}
			t.abortState(other, fl.event)
		}
	}
	f.Phase = Working
	fl.within = true
	t.raise(t.scope(f, s, fl.event), fl)
}

// expire tells that a frame's task is out of time, where it is so in the very
// moment in which another one fails. Of a heartbeat that is missing that can't be told:
// one may have come that is not written yet.
func (t *turn) expire(f, failed *Frame) {
	if f.ID == failed.ID || f.Job == 0 || f.Phase != Working {
		return
	}
	if j := t.peekJob(f.Job); j.outlived(t.head.Now) {
		t.tellTimeout(t.frame(f.ID), j)
	}
}

// abortState tells that a state which was entered is not left, and the same of
// all that it has under way.
func (t *turn) abortState(f *Frame, cause int64) {
	if f.Phase == Entering || f.Phase == Joining && f.Recovery != nil { // that was told as it was stood down
		return
	}
	s := t.state(f)
	if f.Phase == Joining {
		for i := range f.Join.Begun {
			if child := t.peek(f.Join.First + FrameID(i)); child.Phase != Ended {
				if s.Type == asl.Map {
					t.event(Event{Type: MapIterationAborted, Prev: cause, State: s.Name, Index: i})
				}
				t.abortState(child, cause)
			}
		}
	}
	switch {
	case s.Step != nil && t.lands(f, s): // it says so when it has landed
	case s.Type == asl.Task:
		t.event(Event{Type: TaskStateAborted, Prev: cause})
	case s.Type == asl.Wait:
		t.event(Event{Type: WaitStateAborted, Prev: cause})
	case f.Phase == Working: // a Parallel or Map that has failed, and said so
	case s.Type == asl.Parallel || s.Type == asl.Saga:
		t.event(Event{Type: ParallelStateAborted, Prev: cause})
	case s.Type == asl.Map:
		if s.Map.Distributed {
			t.event(Event{Type: MapRunAborted, Prev: cause})
		}
		t.event(Event{Type: MapStateAborted, Prev: cause})
	}
}

// prune takes away all frames beneath f, and their jobs.
func (t *turn) prune(f *Frame) {
	if f.Join == nil {
		return
	}
	for i := range f.Join.Begun {
		id := f.Join.First + FrameID(i)
		was := t.peek(id)
		if was == nil {
			continue
		}
		if was.Phase == Ended && was.Recovery == nil {
			t.frames.put(id, nil)
			continue
		}
		child := t.frame(id)
		t.prune(child)
		t.close(child)
		t.drop(child)
	}
	f.Join = nil
}
