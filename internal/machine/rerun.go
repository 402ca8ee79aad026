package machine

// A map run that has ended without success is redriven with its parent: what
// did not succeed is done again, what did is kept, and what never began goes
// on. For that a run keeps a list of the children that were lost, in frames of
// its own that hold so many each; what they were asked stays on disk, and is
// read again where it is needed. A standard child is redriven itself, an express
// one is started again; either does it for a job of its own, so that what the
// earlier try has still to tell is no longer heard.

// lost is a child that did not end well.
type lost struct {
	Entry   uint32 // its number
	Attempt uint32 // which try of it that was, from 1
	Request Ref    // what it was asked
	Items   uint32
	As      Status
}

// Lost children stand lostFrame to a frame, from the frame of that number on.
const (
	firstLost FrameID = 1 << 31
	lostFrame         = 256
)

// lose puts a child on the list.
func (t *turn) lose(j *Job, items int, as Status) {
	u := t.account()
	id := firstLost + FrameID(u.Lost/lostFrame)
	switch touched := t.frames.find(id) >= 0; {
	case u.Lost%lostFrame == 0:
		t.frames.put(id, &Frame{ID: id, Kind: Item, Phase: Ended, Lost: make([]lost, 0, lostFrame)})
	case !touched: // the list of the frame that is stored is not written to
		f := t.frame(id)
		f.Lost = append(make([]lost, 0, lostFrame), f.Lost...)
	}
	f := t.frame(id)
	f.Lost = append(f.Lost, lost{j.Entry, j.Attempt, j.Request, uint32(items), as})
	u.Lost++
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
	u.Failing, u.Until = false, u.Lost
	for _, c := range []*counts{&u.Items, &u.Executions} {
		c.Pending = c.lost()
		c.Failed, c.TimedOut, c.Aborted, c.Permanent, c.Written = 0, 0, 0, 0, 0
	}
	root := t.frame(0)
	root.Job = 0
	if !t.exports() {
		return
	}
	u.Bytes = 0
	for _, child := range t.gathered() {
		if Status(child.Index) != Succeeded { // what it comes to is still open
			t.frames.put(child.ID, nil)
			continue
		}
		u.Bytes = min(u.Bytes+t.text(child.Result).Len()+1, 1<<30)
	}
	t.replaceFailures(root)
}

// beginAgain makes the job of the next child that is to be done again.
func (t *turn) beginAgain() {
	u := t.account()
	id := firstLost + FrameID(u.Again/lostFrame)
	l := t.peek(id).Lost[u.Again%lostFrame]
	if u.Again++; u.Again%lostFrame == 0 {
		t.frames.put(id, nil)
	}
	u.Items.Pending -= int(l.Items)
	u.Items.Running += int(l.Items)
	u.Executions.Pending--
	u.Executions.Running++
	t.open(Job{Kind: StartItem, State: t.x.Start.Map.State, Entry: l.Entry, Attempt: l.Attempt + 1, Send: l.Items, Request: l.Request,
		Deadline: never, Due: t.head.Now})
}

// giveUpPending counts the children that were still to be done again as what
// they came to before.
func (t *turn) giveUpPending() {
	u := t.account()
	for at := u.Again; at < u.Until; at++ {
		l := &t.peek(firstLost + FrameID(at/lostFrame)).Lost[at%lostFrame]
		*u.Items.of(l.As) += int(l.Items)
		*u.Executions.of(l.As)++
	}
	u.Items.Pending, u.Executions.Pending, u.Until = 0, 0, u.Again
}
