package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// A map run stands between a distributed Map and its children. It is in the
// shard of its parent, under an id that the parent's job names: the same job
// twice finds the same run, and the job of a redrive redrives it. Its children are started by its own jobs, standard
// ones through the door of their shards. What they came to arrives as letters,
// and all letters that wait are taken in one turn. Express children live in
// memory, and are run anew where their job is found on disk.

// startRun starts the map run that a job asks for.
func (e *Engine) startRun(er *errand) {
	err := e.beginRun(er.key)
	job := machine.JobID(er.key.Number)
	switch {
	case errors.Is(err, ErrQuarantined):
		e.deliver(er, failedStart(job, "The map run could not begin"))
	case err != nil:
		e.postpone(er, err)
	}
}

const unbornCause = "The child has not begun"

func failedStart(job machine.JobID, cause string) machine.Message {
	name := "States.Runtime"
	return machine.Message{Kind: machine.JobFailed, Job: job, Failure: &machine.Failure{Error: &name, Cause: &cause}}
}

// mapRun reads the job that starts a map run; nil where it is over.
func (e *Engine) mapRun(k store.JobKey) (*machine.Start, machine.Message, error) {
	s, r, _, err := e.awakeFor(k)
	if err != nil {
		return nil, machine.Message{}, err
	}
	defer s.release(r)
	start, first := r.x.MapRun(r.program, machine.JobID(k.Number))
	return start, first, nil
}

// errNotBegun says that a map run is not there yet, or still busy with an
// earlier try.
var errNotBegun = errors.New("the map run has not begun")

// beginRun takes a map run's first turn, or where it is there, and waited for by
// an earlier job, lets it go on for this one. A run begins while its job is open,
// and never once that is over: whoever stops it then knows whether it is there.
func (e *Engine) beginRun(k store.JobKey) error {
	start, first, err := e.mapRun(k)
	if err != nil || start == nil {
		return err
	}
	id := store.ID(start.ID)
	program, err := e.cfg.Programs(e.ctx, start.Definition)
	if err != nil {
		return fmt.Errorf("start of map run %s: %w", id, err)
	}
	s := e.shardOf(id)
	r := s.hold(id)
	defer s.release(r)
	if still, _, err := e.mapRun(k); err != nil || still == nil {
		return err
	}
	epoch := s.epoch.Load() // under which it is not there
	if err := e.awaken(s, r); err == nil {
		return e.rerun(s, r, first)
	} else if !errors.Is(err, ErrNotFound) {
		return err
	}
	r.x, r.program, r.held, r.epoch = machine.New(*start), program, "", epoch
	_, err = e.take(s, r, first, nil)
	if errors.Is(err, ErrNotFound) {
		err = errNotBegun
	}
	if err != nil {
		r.x = nil
	}
	return err
}

// rerun lets a map run go on for the job that a message comes from.
func (e *Engine) rerun(s *shard, r *resident, m machine.Message) error {
	if r.x.ParentJob() >= m.Job {
		return nil
	}
	t, err := e.take(s, r, m, nil)
	if err == nil && !t.changed {
		err = errNotBegun
	}
	return err
}

// birth is a map run's child as its job tells it.
type birth struct {
	request StartRequest
	start   machine.Start
	tries   int  // how often it was begun before
	late    bool // the run has failed by now
}

// item reads the job that starts a child; nil where it is over.
func (e *Engine) item(k store.JobKey) (*birth, error) {
	s, r, j, err := e.awakeFor(k)
	if err != nil {
		return nil, err
	}
	defer s.release(r)
	start, input := r.x.Child(r.program, machine.JobID(k.Number))
	if start == nil {
		return nil, nil
	}
	return &birth{start: *start, tries: int(j.Attempt) - 1, late: r.x.Head.Run.Failing, request: StartRequest{
		Machine: Machine{
			Account: start.Account, Region: start.Region, Name: start.Machine, Definition: store.Hash(start.Definition),
			Version: start.Version, Alias: start.Alias, RoleARN: start.RoleARN, Express: start.Express,
		},
		Name: start.Name, Input: input, Trace: start.Trace, Depth: start.Depth, Parent: start.Parent, Map: start.Map, TestCase: start.TestCase,
	}}, nil
}

// startItem starts a map run's child.
func (e *Engine) startItem(er *errand) {
	job := machine.JobID(er.key.Number)
	b, err := e.item(er.key)
	switch {
	case err != nil:
		e.postpone(er, err)
		return
	case b == nil:
		return
	case b.late && b.start.Express: // or it was lost with the memory it was in
		e.deliver(er, failedStart(job, unbornCause))
		return
	case b.late: // who stops it finds out whether it has begun
		return
	case b.start.Express:
		err = e.startVolatile(b)
	default:
		err = e.startLasting(b)
	}
	var taken *NameTakenError
	switch {
	case errors.Is(err, ErrQuarantined), errors.As(err, &taken):
		e.deliver(er, failedStart(job, "The child could not begin"))
	case errors.Is(err, ErrNotReady):
		e.postpone(er, errElsewhere)
	case err != nil:
		e.postpone(er, err)
	case e.dispatcher.forgone(er):
		// The child has ended by now, or the run has: then nobody else has seen
		// this child to stop it.
		if err := e.stopIfOver(b); err != nil {
			e.cfg.Log.Warn("a child of a map run could not be stopped", "child", b.start.ExecutionARN(), "error", err)
		}
	}
}

// startLasting starts a standard child. One that is there, and was started for
// an earlier job of its run, goes on for this one.
func (e *Engine) startLasting(b *birth) error {
	started, err := e.Start(e.ctx, b.request)
	if err != nil || !started.Was {
		return err
	}
	_, err = e.goOnFor(started.ID, b.start.Parent.Job, nil)
	return err
}

// errStopping says that an earlier try of an express child is still to be
// stopped.
var errStopping = errors.New("an earlier try is still under way")

// startVolatile starts an express child, unless it is running.
func (e *Engine) startVolatile(b *birth) error {
	if err := e.admitExpress(&b.request); err != nil {
		return err
	}
	start := b.start
	start.At = e.now()
	x := machine.New(start)
	x.Head.Redrives = b.tries
	return e.beginExpress(x, b.request.Input, func(Outcome) {})
}

// stopIfOver stops a child whose map run has ended, or fails and took the child
// for one that had not begun.
func (e *Engine) stopIfOver(b *birth) error {
	_, head, err := e.Execution(e.ctx, store.ID(b.start.Parent.ID))
	if err != nil || !head.Status.Ended() && (!head.Run.Failing || b.start.Express) {
		return err
	}
	_, err = e.stopItem(&b.start)
	return err
}

// stopItem stops a child, unless it has ended. It reports whether the child has
// begun for its job, and for no other by now.
func (e *Engine) stopItem(child *machine.Start) (begun bool, err error) {
	id := store.ID(child.ID)
	if !child.Express {
		if id, err = e.Find(e.ctx, child.Account, child.Region, child.Machine, child.Name); errors.Is(err, ErrNotFound) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	cause := "The map run execution [" + child.ParentRunARN() + "] which was managing this resource was aborted"
	return e.stop(id, child.Parent.Job, machine.Failure{Cause: &cause})
}

// stop stops what was started for a job, if nobody else waits for it by now; a
// job of 0 is any. It reports whether there was such. What is not there has
// stopped.
func (e *Engine) stop(id store.ID, job machine.JobID, why machine.Failure) (begun bool, err error) {
	return e.stopOf(id, job, nil, why)
}

// stopOf is stop of what has that parent, if one is given.
func (e *Engine) stopOf(id store.ID, job machine.JobID, parent *machine.ID, why machine.Failure) (begun bool, err error) {
	begun, err = e.stopHere(id, job, parent, why)
	if e.again(err) {
		begun, err = e.askOf(id, order{What: orderHalt, Job: uint32(job), Parent: parent, Failure: &why})
	}
	return begun, heard(err)
}

// askOf is ask for an errand. It gives what the reply says, a yes or a no.
func (e *Engine) askOf(id store.ID, o order) (bool, error) {
	told, err := e.ask(e.ctx, id, o, errandPatience)
	if err != nil {
		return false, err
	}
	return told.Yes, told.err()
}

// stopHere is stopOf for what is ours.
func (e *Engine) stopHere(id store.ID, job machine.JobID, parent *machine.ID, why machine.Failure) (begun bool, err error) {
	_, err = e.turn(id, machine.Message{Kind: machine.Stop, Failure: &why}, &rider{
		asked: true,
		before: func(r *resident) bool {
			begun = (job == 0 || r.x.ParentJob() == job) && (parent == nil || r.x.Start.Parent != nil && r.x.Start.Parent.ID == *parent)
			return begun
		},
	})
	return begun, err
}

// halt stops the map run or the child that an earlier job started, and then
// says that this is done: by a failure where the child has not begun for that job.
func (e *Engine) halt(er *errand) {
	id, job, child, err := e.halted(er.key)
	done := machine.Message{Kind: machine.JobSucceeded, Job: machine.JobID(er.key.Number)}
	switch {
	case err != nil:
	case child != nil:
		var begun bool
		if begun, err = e.stopItem(child); !begun {
			done = failedStart(done.Job, unbornCause)
		}
	case !id.IsZero():
		_, err = e.stop(id, job, machine.Failure{})
	}
	if err != nil {
		e.postpone(er, err)
		return
	}
	e.deliver(er, done)
}

// halted is what a job stops: a child, or a map run by its id and the job that
// it was started for.
func (e *Engine) halted(k store.JobKey) (id store.ID, job machine.JobID, child *machine.Start, err error) {
	s, r, err := e.awake(k.ID)
	if err != nil {
		return id, 0, nil, err
	}
	defer s.release(r)
	j := r.x.Jobs[machine.JobID(k.Number)]
	if j == nil || j.Kind != machine.Halt {
		return id, 0, nil, nil
	}
	if run, is := r.x.Halted(j); is {
		return store.ID(run), machine.JobID(j.Send), nil, nil
	}
	return id, 0, r.x.ChildOf(r.program, j), nil
}

// tellMap completes the job of the Map that a run has ended for.
func (e *Engine) tellMap(n *machine.Ending, from []store.MessageKey) error {
	_, err := e.turn(store.ID(n.Start.Parent.ID), n.RunMessage(), &rider{dropMessages: from, asked: true})
	return err
}

// letter tells a map run that a child of its has ended.
type letter struct {
	ending *machine.Ending
	from   []store.MessageKey // of one that came by an inbox

	// guarded by the resident's lock
	read bool
	err  error // what came of reading it
}

// errUnreadLetter says that a letter was taken and not read.
var errUnreadLetter = errors.New("what a map run was told was not read")

// tellRun tells a map run of a child, and of all others that wait to be told.
func (e *Engine) tellRun(n *machine.Ending, from []store.MessageKey) error {
	id := store.ID(n.Start.Parent.ID)
	s := e.shardOf(id)
	own := &letter{ending: n, from: from}
	r := s.post(id, own)
	defer s.release(r)
	for !own.read {
		letters := s.collect(r, e.cfg.Limits.Page)
		if len(letters) == 0 { // who took it along broke by it
			return errUnreadLetter
		}
		m, with := machine.Message{Kind: machine.Answered}, &rider{asked: true}
		for _, l := range letters {
			m.Endings = append(m.Endings, *l.ending)
			with.dropMessages = append(with.dropMessages, l.from...)
		}
		_, err := e.take(s, r, m, with)
		for _, l := range letters {
			l.read, l.err = true, err
		}
	}
	return own.err
}

// tellOfBroken tells a map run of a child that was in memory alone and could not
// be decided.
func (e *Engine) tellOfBroken(n machine.Ending) {
	k := store.JobKey{ID: store.ID(n.Start.ID), Number: expressDrop}
	e.dispatcher.send(&errand{key: k, kept: true, must: true, do: func(e *Engine, er *errand) {
		if err := e.tellParent(&n, nil); err != nil {
			e.postpone(er, err)
		}
	}}, turning, ownerKey{})
}

// UpdateRun changes the limits of a map run. False: it has ended already.
func (e *Engine) UpdateRun(ctx context.Context, id store.ID, to machine.Update) (bool, error) {
	running, err := e.updateFor(id, to, nil)
	if !e.again(err) {
		return running, err
	}
	told, err := e.askFirst(ctx, id, order{What: orderUpdate, Update: &to})
	if err != nil {
		return false, err
	}
	return told.Yes, told.err()
}

func (e *Engine) updateFor(id store.ID, to machine.Update, by *ordered) (bool, error) {
	running := false
	_, err := e.turn(id, machine.Message{Kind: machine.Updated, Update: &to}, &rider{asked: true, order: by, before: func(r *resident) bool {
		running = r.x.Start.IsRun() && r.x.Head.Status == machine.Running
		if by != nil {
			by.reply.Yes = running
		}
		return running
	}})
	return running, err
}
