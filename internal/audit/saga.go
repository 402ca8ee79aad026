package audit

import "github.com/backstep/backstep/internal/machine"

// sagas holds that nothing owed is lost: every step that an open saga owes is on the
// way of some frame, and so it is of one that is COMPLETED, whose Confirms are all
// done; one that is ABORTED owes nothing.
func (x *Standing) sagas(tell Teller) {
	reached := map[uint32]bool{}
	open, holds := uint32(0), uint32(0)
	for _, f := range x.Frames {
		x.reach(f.Undo, reached)
		if f.Hold != nil {
			holds++
		}
		if f.Scope != nil && f.Scope.Outermost && !f.Scope.Ended {
			open++
		}
	}
	if open != x.Head.OpenSagas || holds != x.Head.OpenHolds {
		tell.tellf("I9", "%d sagas are open and %d calls held, and the head says %d and %d", open, holds, x.Head.OpenSagas, x.Head.OpenHolds)
	}
	for _, u := range x.Log {
		if u.IsSaga() {
			for _, head := range u.Heads {
				x.reach(head, reached)
			}
		}
	}
	for n, u := range x.Log {
		saga := x.Log[u.Saga]
		switch {
		case !x.Owes(u) || saga == nil:
		case saga.Status == machine.SagaAborted:
			tell.tellf("I7", "the saga is ABORTED, and %s (entry %d) was not undone", u.State, n)
		case saga.Status == machine.SagaCompleted && u.Outcome == machine.StepSucceeded && x.Program.States[u.State].Step.Confirm != nil:
			tell.tellf("I7", "the saga is COMPLETED, and %s (entry %d) was not confirmed", u.State, n)
		case saga.Status == machine.SagaAbandoned || saga.Status == machine.SagaCompensationFailed:
		case !reached[n]:
			tell.tellf("I7", "%s (entry %d) is owed, and nothing leads to it", u.State, n)
		}
	}
}

// Owes reports whether a row of the log is still to be undone or confirmed.
func (x *Standing) Owes(u *machine.Undo) bool {
	if !u.IsStep() || u.Settled != 0 || u.Outcome == machine.StepFailed {
		return false
	}
	s := x.Program.States[u.State]
	return s != nil && s.Step != nil && s.Step.Compensate != nil
}

// reach notes all rows that a chain leads to.
func (x *Standing) reach(number uint32, reached map[uint32]bool) {
	for number != 0 && !reached[number] {
		reached[number] = true
		u := x.Log[number]
		if u == nil {
			return
		}
		for _, head := range u.Heads {
			x.reach(head, reached)
		}
		number = u.Prev
	}
}

// waits says why a frame of a saga would wait for ever, "" where it would not.
func (x *Standing) waits(f *machine.Frame) string {
	switch {
	case f.Hold != nil, x.Away[f.Job], f.Job != 0 && x.Jobs[f.Job] != nil && x.Jobs[f.Job].Frame == f.ID:
		return ""
	case f.Job != 0:
		return "has a job that is not there"
	case f.Body != nil:
		return "has a body that nobody calls"
	case f.Phase == machine.Ended && f.Recovery == nil:
		return ""
	case x.stoodDown(f):
		return ""
	case f.Join == nil:
		return "waits for nothing"
	}
	for i := range f.Join.Begun {
		if child := x.Frames[f.Join.First+machine.FrameID(i)]; child != nil && (child.Phase != machine.Ended || child.Recovery != nil || child.Body != nil) {
			return ""
		}
	}
	return "waits for frames that have ended"
}

// stoodDown reports whether a frame has no part, or none any more, in what goes
// on: it is done with its own of a recovery around it.
func (x *Standing) stoodDown(f *machine.Frame) bool {
	for range x.Frames { // no way up is longer, whatever frames say of their parents
		if f.ID == 0 {
			return false
		}
		if f = x.Frames[f.Parent]; f == nil || f.Recovery != nil {
			return f != nil
		}
	}
	return false
}

// lock holds that one saga has a lock, and that somebody has it.
func (x *Standing) lock(tell Teller) {
	var holder *machine.Claim
	for _, f := range x.Frames {
		switch c := f.Claim; {
		case c == nil:
			tell.tellf("I7", "frame %d of a lock claims nothing", f.ID)
		case !c.Granted:
		case holder == nil:
			holder = c
		case holder.Execution != c.Execution || holder.Saga != c.Saga:
			tell.tellf("I7", "two sagas hold it: of %v and of %v", holder.Execution, c.Execution)
		}
	}
	if holder == nil {
		tell.tellf("I7", "%d claim it, and nobody has it", len(x.Frames))
	}
}
