package audit

import (
	"errors"
	"fmt"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// endExecution judges the execution at hand, all of whose rows have come.
func (a *auditor) endExecution() error {
	g := &a.gathered
	defer func() { a.gathered = gathered{} }()
	switch {
	case g.log == nil:
		return nil
	case !g.there:
		a.wrong("it has rows, and is not there", doLists)
		return nil
	case g.Start == nil || g.Head == nil:
		return nil
	}
	a.count(&a.counts.Executions)
	if a.Progress != nil && a.places.differences == nil {
		a.Progress(a.counts)
	}
	if g.id.Shard() >= store.Shard(a.identity.Shards) {
		a.wrong("it lies in shard %d of %d", doRestore, g.id.Shard(), a.identity.Shards)
	}
	switch {
	case g.Start.Lock:
		a.count(&a.counts.Locks)
		if !g.bad {
			a.judge(g.lock)
		}
		return nil
	case g.record:
		a.recorded()
		return nil
	}
	return a.standard()
}

// judge tells what is told of the execution at hand, in one order.
func (a *auditor) judge(check func(Teller)) {
	var all []string
	check(func(rule, what string) { all = append(all, what+" ("+rule+")") })
	slices.Sort(all)
	for _, what := range all {
		a.find(a.gathered.where(), what, doWait)
	}
}

// recorded judges an express start.
func (a *auditor) recorded() {
	if g := &a.gathered; g.Head.Status != 0 || g.payload != 1 || len(g.Frames)+len(g.Jobs) > 0 {
		a.wrong("it is an express start with status %q, %d payloads, %d frames and %d jobs", doQuarantine, g.Head.Status, g.payload, len(g.Frames), len(g.Jobs))
	}
}

// standard judges an execution as it is between two turns.
func (a *auditor) standard() error {
	g := &a.gathered
	if !g.Head.Status.Ended() {
		a.count(&a.counts.Running)
	}
	if g.held {
		a.count(&a.counts.Quarantined)
	}
	a.past()
	program, err := a.program()
	if err != nil {
		return err
	}
	a.due(program)
	if g.bad || g.held {
		return nil
	}
	if program != nil && program.HasSagas() {
		g.Program, g.Log = program, g.log
	}
	if program == nil && !g.Head.Status.Ended() {
		return nil // it was told
	}
	g.Away = map[machine.JobID]bool{}
	g.unanswered(func(job machine.JobID, what string) {
		a.away[store.JobKey{ID: g.id, Number: uint32(job)}] = Finding{g.where(), what, doWait}
		g.Away[job] = true
	})
	a.judge(g.Check)
	a.await(program)
	return nil
}

// past holds history and payloads to what the head says of them.
func (a *auditor) past() {
	g := &a.gathered
	if g.bad {
		return
	}
	if g.event != g.Head.LastEvent {
		a.wrong("its history ends with event %d, its head says %d (I2)", doRestore, g.event, g.Head.LastEvent)
	}
	if g.payload != uint32(g.Head.LastPayload) {
		a.wrong("its payloads end with %d, its head says %d", doQuarantine, g.payload, g.Head.LastPayload)
	}
	x := machine.Restore(*g.Start, *g.Head, frames(g.Frames), jobs(g.Jobs))
	for _, r := range x.Needs() {
		g.refer(r)
	}
	if g.refs > g.Head.LastPayload {
		a.wrong("it refers to payload %d, its last is %d", doQuarantine, g.refs, g.Head.LastPayload)
	}
}

func frames(of map[machine.FrameID]*machine.Frame) (all []*machine.Frame) {
	for _, f := range of {
		all = append(all, f)
	}
	return all
}

func jobs(of map[machine.JobID]*machine.Job) (all []*machine.Job) {
	for _, j := range of {
		all = append(all, j)
	}
	return all
}

// program is the program that the execution at hand runs; nil where it has none that
// could be made, which was told.
func (a *auditor) program() (*asl.Program, error) {
	g := &a.gathered
	program, err := a.Programs(a.ctx, g.Start.Definition)
	var refusal *asl.Refusal
	switch {
	case err == nil:
		return program, nil
	case errors.Is(err, store.ErrNotFound):
		a.wrong("its definition %x is not there", doRestore, g.Start.Definition[:8])
		return nil, nil
	case errors.As(err, &refusal) && g.Head.Status.Ended():
		return nil, nil
	case errors.As(err, &refusal):
		a.wrong("its definition is refused: %v", doQuarantine, refusal)
		return nil, nil
	}
	return nil, untold(err)
}

// due notes the places that the execution at hand must have.
func (a *auditor) due(program *asl.Program) {
	g := &a.gathered
	if !g.Start.IsRun() {
		a.places.isDue(nameFormat, nameArgs(engine.NameOf(g.Start), g.id)...)
	}
	for _, k := range engine.Places(g.id, g.Start, g.Head) {
		a.places.isDue(indexFormat, indexArgs(k)...)
	}
	if g.held {
		a.places.isDue(indexFormat, indexArgs(engine.HeldPlace(g.id, g.Start))...)
	}
	for _, j := range g.Jobs {
		if j.Kind == machine.Activity && !j.Taken && program != nil && program.States[j.State] != nil {
			a.places.isDue(queueFormat, queueArgs(engine.QueuedPlace(g.id, program, j))...)
		}
	}
}

// await notes the nested executions that the one at hand waits for, and whether it
// has its parent still to tell.
func (a *auditor) await(program *asl.Program) {
	g := &a.gathered
	tells := !g.Head.Status.Ended()
	for _, j := range g.Jobs {
		tells = tells || j.Kind == machine.Tell
		if j.Submitted && program != nil && awaits(program, j) {
			a.awaited[store.JobKey{ID: g.id, Number: uint32(j.ID)}] = fmt.Sprintf("%s, job %d of %q", g.where(), j.ID, j.State)
		}
	}
	if tells && g.Start.Parent != nil {
		a.telling[toldJob(g.Standing)] = true
	}
}

// awaits reports whether a job waits for an execution that has rows.
func awaits(program *asl.Program, j *machine.Job) bool {
	switch s := program.States[j.State]; {
	case s == nil:
		return false
	case j.Kind == machine.StartRun:
		return true
	case j.Kind == machine.StartItem:
		return s.Map != nil && !s.Map.Express
	case j.Kind != machine.Child:
		return false
	default:
		p := j.Task(program).Pattern
		return p == asl.Sync || p == asl.Sync2
	}
}

// toldJob is the job that an execution with a parent tells of its end.
func toldJob(x Standing) store.JobKey {
	job := x.Start.Parent.Job
	if x.Head.ParentJob != 0 {
		job = x.Head.ParentJob
	}
	return store.JobKey{ID: store.ID(x.Start.Parent.ID), Number: uint32(job)}
}
