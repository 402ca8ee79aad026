package audit

import (
	"fmt"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
)

// Standing is an execution as it stands between two turns.
type Standing struct {
	Start  *machine.Start
	Head   *machine.Head
	Frames map[machine.FrameID]*machine.Frame
	Jobs   map[machine.JobID]*machine.Job
	// Away are jobs without a row that frames wait for, and whose answers lie in an
	// inbox.
	Away map[machine.JobID]bool

	// Of one with sagas, else nil: its program, and all rows of its saga log.
	Program *asl.Program
	Log     map[uint32]*machine.Undo
}

// Teller hears of what does not hold: the short name of the rule, as the tests of the
// house use it, and what is wrong in words.
type Teller func(rule, what string)

func (t Teller) tellf(rule, format string, args ...any) { t(rule, fmt.Sprintf(format, args...)) }

// Check tells all that does not hold of the execution: whoever waits waits for
// something that is there (I9), and nothing that is owed is lost (I7).
func (x *Standing) Check(tell Teller) {
	if x.Start.IsRun() {
		x.run(tell)
		return
	}
	if x.Program != nil {
		x.sagas(tell)
	}
	switch {
	case x.Head.Status.Ended():
		x.atRest(tell)
	case x.Frames[0] == nil:
		tell("I9", "it runs without its root")
	case x.Program != nil:
		for _, f := range x.Frames {
			if what := x.waits(f); what != "" {
				tell.tellf("I9", "frame %d in %q %s", f.ID, f.State, what)
			}
		}
	default:
		x.goingOn(tell)
	}
}

// goingOn is Check of one that runs, without sagas.
func (x *Standing) goingOn(tell Teller) {
	for _, f := range x.Frames {
		if what := x.idle(f); what != "" {
			tell.tellf("I9", "frame %d in %q %s", f.ID, f.State, what)
		}
	}
	for _, j := range x.Jobs {
		if what := x.stray(j); what != "" {
			tell.tellf("I9", "job %d of kind %d %s", j.ID, j.Kind, what)
		}
	}
}

// Outlives reports whether a job goes on after the end: who is told of it, who is
// to be stopped, and what is given back.
func Outlives(j *machine.Job) bool {
	return j.Kind == machine.Tell || j.Kind == machine.Halt || j.Kind == machine.FreeLock
}

// atRest holds one that has ended to what it may still have.
func (x *Standing) atRest(tell Teller) {
	if x.Head.OpenSagas > 0 { // it is undone after its end
		return
	}
	kept := x.Head.Kept && x.Head.Status != machine.Succeeded && x.Frames[0] != nil
	if kept != x.Head.Kept || !kept && len(x.Frames) > 0 {
		tell.tellf("I9", "it has ended as %v, and has %d frames: kept %v", x.Head.Status, len(x.Frames), x.Head.Kept)
	}
	for _, j := range x.Jobs {
		if !Outlives(j) {
			tell.tellf("I9", "it has ended, and job %d of kind %d is open", j.ID, j.Kind)
		}
	}
}

// lostFrame is how many lost children stand in one frame of a map run.
const lostFrame = 256

// run holds that a map run has lost no item: what it says is under way is what it has
// jobs for.
func (x *Standing) run(tell Teller) {
	u, open := x.Head.Run, 0
	if u == nil {
		tell("I9", "a map run does not say where it stands")
		return
	}
	for _, j := range x.Jobs {
		if j.Kind == machine.StartItem {
			open++
		}
	}
	begun := u.Items.Running + u.Items.Succeeded + u.Items.Failed + u.Items.TimedOut + u.Items.Aborted + u.Items.Pending
	switch {
	case x.Head.Status.Ended():
		x.atRest(tell)
		if x.Head.Status == machine.Succeeded && (u.Begun != u.Read || u.Items.Running > 0) {
			tell.tellf("I9", "a map run ends well, of %d items it has begun %d, and %d are under way", u.Read, u.Begun, u.Items.Running)
		}
		lost := -u.Again % lostFrame
		for _, f := range x.Frames {
			lost += len(f.Lost)
		}
		if got := u.Executions.Failed + u.Executions.TimedOut + u.Executions.Aborted; x.Head.Kept && (got != lost || got != u.Lost-u.Again) {
			tell.tellf("I9", "a map run counts %d children that did not end well, and could redrive %d", got, lost)
		}
	case open != u.Executions.Running:
		tell.tellf("I9", "a map run counts %d children, and has %d jobs", u.Executions.Running, open)
	case open == 0 && (x.Frames[0] == nil || x.Frames[0].Job == 0):
		tell("I9", "a map run waits for nothing")
	}
	if begun != u.Begun {
		tell.tellf("I9", "a map run has begun %d items, and accounts for %d", u.Begun, begun)
	}
}

// unanswered tells of the jobs that frames wait for, and that have no row: what does
// not hold of it unless their answers lie in an inbox.
func (x *Standing) unanswered(tell func(job machine.JobID, what string)) {
	if x.Head.Status.Ended() || x.Start.IsRun() {
		return
	}
	for _, f := range x.Frames {
		if f.Job == 0 || x.Jobs[f.Job] != nil {
			continue
		}
		why := x.idle
		if x.Program != nil {
			why = x.waits
		}
		if what := why(f); what != "" {
			tell(f.Job, fmt.Sprintf("frame %d in %q %s (I9)", f.ID, f.State, what))
		}
	}
}

// idle says why a frame would wait for ever, "" where it would not.
func (x *Standing) idle(f *machine.Frame) string {
	j := x.Jobs[f.Job]
	if x.Away[f.Job] {
		return ""
	}
	switch f.Phase {
	case machine.Entering:
		if j == nil || j.Kind != machine.Resume {
			return "is about to enter it, and nothing lets it"
		}
	case machine.Retrying:
		if j == nil || j.Kind != machine.Timer {
			return "is to be tried again, and no timer says when"
		}
	case machine.Working:
		if j == nil || j.Kind == machine.Tell || j.Kind == machine.Resume {
			return "works, and has no job"
		}
	case machine.Joining:
		if j != nil && j.Kind == machine.StartRun && j.Frame == f.ID {
			return ""
		}
		return x.unjoined(f)
	case machine.Ended:
		if f.Job != 0 {
			return "has ended, and has a job"
		}
	}
	if f.Phase != machine.Joining && f.Phase != machine.Ended && j.Frame != f.ID {
		return "has the job of another"
	}
	return ""
}

// unjoined says why a Parallel or Map would wait for ever.
func (x *Standing) unjoined(f *machine.Frame) string {
	j := f.Join
	if j == nil || j.Done >= j.Count || j.Begun == j.Done {
		return "waits for nothing"
	}
	open := 0
	for i := range j.Begun {
		child := x.Frames[j.First+machine.FrameID(i)]
		if child == nil || child.Parent != f.ID {
			return "lost a frame that it waits for"
		}
		if child.Phase != machine.Ended {
			open++
		}
	}
	if open != j.Begun-j.Done {
		return "has lost count"
	}
	return ""
}

// stray says why a job belongs to nobody.
func (x *Standing) stray(j *machine.Job) string {
	switch {
	case j.ID == x.Head.Timeout && j.Kind == machine.Timer:
		return ""
	case j.Kind == machine.Halt: // of a branch that was aborted
		return ""
	case j.Kind == machine.Tell:
		return "tells of an end that has not come"
	}
	if f := x.Frames[j.Frame]; f == nil || f.Job != j.ID {
		return "belongs to no frame"
	}
	return ""
}
