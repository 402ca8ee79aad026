package machine

// A map run that has ended without success is redriven with its parent: what
// did not succeed is done again, what did is kept, and what never began goes
// on. For that each child that was lost stays as a frame of its number, with
// what it was asked. A standard child is redriven itself, an express one is
// started again; either does it for a job of its own, so that what the earlier
// try has still to tell is no longer heard.

// keepLost keeps what a redrive needs of a child that did not end well, and with
// it what is still to be written of it.
func (t *turn) keepLost(j *Job, items int, as Status, result Ref) {
	t.frames.put(FrameID(j.Entry), &Frame{ID: FrameID(j.Entry), Kind: Item, Phase: Ended, State: j.State, Index: int(as),
		Sends: uint32(items), Tried: j.Attempt, Input: j.Request, Result: result})
}

// isLost reports whether a child did not end well.
func (f *Frame) isLost() bool { return f.Input != 0 }

// written lets the result of a child go that was written.
func (t *turn) written(child *Frame) {
	if !child.isLost() {
		t.frames.put(child.ID, nil)
		return
	}
	t.frame(child.ID).Result = 0
}

// rerunnable reports whether a run that has ended without success can be
// redriven. Of one that gave too much, or that could not be evaluated, a redrive
// of the parent begins another.
func (t *turn) rerunnable() bool {
	e := t.head.Error
	return e == nil || *e != errDataLimit && *e != errRuntime
}

// redriveRun lets the run go on for another job of its parent, which hears of
// its end from now on. A run that goes on still does so; one that has succeeded,
// or whose failure stays, tells of that again. One that is about to fail is let
// do that first.
func (t *turn) redriveRun(m Message) bool {
	h := &t.head
	if m.Job <= t.x.ParentJob() || t.running() && h.Run.Failing {
		return false
	}
	h.ParentJob, h.Redrives, h.Redriven = m.Job, m.Run.Redrives, h.Now
	switch {
	case t.running():
	case h.Status == Succeeded || !h.Kept:
		t.tellAgain()
	default:
		t.rerun()
	}
	return true
}

// rerun lets a run that has ended without success go on.
func (t *turn) rerun() {
	h, u := &t.head, t.account()
	h.Status, h.Stop, h.Error, h.Cause, h.Kept = Running, 0, nil, nil, false
	t.untell()
	u.Failing, u.Again = false, 0
	unwritten, unwrittenItems, bytes := 0, 0, 0
	for _, number := range t.children() {
		switch child := t.peek(number); {
		case !child.isLost():
			bytes = min(bytes+t.text(child.Result).Len()+1, 1<<30)
			unwritten++
			unwrittenItems += int(child.Sends)
		case child.Result != 0: // what it came to is not what the run gives of it
			t.frame(number).Result = 0
		}
	}
	for _, c := range []*counts{&u.Items, &u.Executions} {
		c.Pending = c.lost()
		c.Failed, c.TimedOut, c.Aborted, c.Permanent, c.Written = 0, 0, 0, 0, 0
	}
	root := t.frame(0)
	root.Job = 0
	if t.exports() {
		u.Items.Written, u.Executions.Written, u.Bytes = u.Items.Succeeded-unwrittenItems, u.Executions.Succeeded-unwritten, bytes
		t.replaceFailures(root)
	}
}

// beginAgain makes the job of the next child that is to be done again.
func (t *turn) beginAgain() {
	u := t.account()
	var child *Frame
	for child == nil || !child.isLost() {
		if u.Again++; u.Again > u.Children {
			panic("the map run has lost count of what is to be done again")
		}
		child = t.peek(FrameID(u.Again))
	}
	t.frames.put(child.ID, nil)
	u.Items.Pending -= int(child.Sends)
	u.Items.Running += int(child.Sends)
	u.Executions.Pending--
	u.Executions.Running++
	t.open(Job{Kind: StartItem, State: child.State, Entry: uint32(child.ID), Attempt: child.Tried + 1, Request: child.Input,
		Deadline: Never, Due: t.head.Now})
}

// giveUpPending counts the children that were still to be done again as what
// they came to before.
func (t *turn) giveUpPending() {
	u := t.account()
	if u.Executions.Pending == 0 {
		return
	}
	for _, number := range t.children() {
		if child := t.peek(number); int(number) > u.Again && child.isLost() {
			*u.Items.of(Status(child.Index)) += int(child.Sends)
			*u.Executions.of(Status(child.Index))++
		}
	}
	u.Items.Pending, u.Executions.Pending = 0, 0
}
