package engine

import (
	"cmp"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// Mail is heard in the commit of the turn that it brings, and off its pile by then.
// A job that was completed elsewhere has no row any more, though its frame still
// waits for it. Who loads such an execution hears its mail first: see lacks.

// hearPile goes through a pile that was taken up.
func (e *Engine) hearPile(s *shard, p *pile) {
	for {
		m, any := s.first(p)
		if !any {
			return
		}
		switch err := e.hear(s, &m); {
		case err == nil:
		case errors.Is(err, ErrQuarantined), errors.Is(err, errNewer):
			e.metrics.MailLeft.Add(1)
			e.cfg.Log.Warn("mail is left where it lies", "execution", p.id, "reason", err)
			s.leaveIt(p)
			return
		default:
			e.cfg.Log.Warn("a message could not be heard", "shard", s.number, "message", m.lies.Seq, "error", err)
			s.putBack(p)
			return
		}
	}
}

// hear takes mail to whom it is for, and off its pile. What is for nobody is dropped.
func (e *Engine) hear(s *shard, m *mail) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e.cfg.Log.Error("a message breaks what is done for it", "shard", s.number, "message", m.lies.Seq, "reason", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: its mail breaks what is done for it", ErrQuarantined)
		}
	}()
	switch m.kind {
	case mailNews:
		err = e.hearNews(m)
	case mailOrder:
		err = e.obey(s, m)
	case mailLock:
		err = e.hearLock(m)
	default:
		return e.hearAnswer(s, m)
	}
	if err == nil {
		s.wasHeard(m)
	}
	return err
}

// hearAnswer takes an answer or a word to its execution. It is off its pile before
// anybody else has the execution, who would read what is still there.
func (e *Engine) hearAnswer(s *shard, m *mail) error {
	r := s.hold(m.id)
	defer s.release(r)
	for range maxTries {
		err := e.awaken(s, r)
		switch {
		case errors.Is(err, ErrNotFound):
			err = e.dropMail(m)
		case err != nil || !s.lies(m): // it was heard when the execution was read
			return err
		default:
			if err = e.hearNow(s, r, m); err != nil && !r.volatile.Load() {
				r.x = nil // a job that was put back is not open for others
			}
		}
		if err == nil {
			s.wasHeard(m)
		}
		if !errors.Is(err, errAgain) {
			return err
		}
	}
	return ErrBusy
}

// hearNow takes mail to the execution in memory.
func (e *Engine) hearNow(s *shard, r *resident, m *mail) error {
	if m.kind == mailAnswered {
		waits, err := e.reopens(r, m, nil)
		if err != nil {
			return err
		}
		if !waits {
			return e.dropMail(m)
		}
	}
	job, beats := m.message.Job, m.message.Kind == machine.Beat
	window := e.beatWindow(r.x.Jobs[job])
	if beats && !e.moves(r, job, window) {
		return e.dropMail(m)
	}
	_, err := e.once(s, r, m.message, &rider{dropMessages: []store.MessageKey{m.lies}})
	if beats && err == nil {
		e.moves(r, job, window) // the turn went by the job, which knows of no window
	}
	return err
}

// hearNews tells a parent what a message is about. News of an execution that is
// not there any more is dropped.
func (e *Engine) hearNews(m *mail) error {
	loaded, err := e.cfg.Store.Load(e.ctx, m.id)
	if errors.Is(err, store.ErrNotFound) {
		return e.dropMail(m)
	}
	if err != nil {
		return err
	}
	x, _, err := readExecution(&loaded)
	if err != nil || x.Start.Parent == nil || !x.Head.Status.Ended() { // redriven since, it tells of its next end
		return e.dropMail(m)
	}
	if err := e.readPayloads(e.ctx, m.id, x); err != nil {
		return err
	}
	n := x.Ending(e.cfg.Quotas)
	return e.tellParent(&n, m)
}

// dropMail takes mail out of its inbox that changes nothing.
func (e *Engine) dropMail(m *mail) error {
	return e.dropMessages(m.epoch, []store.MessageKey{m.lies})
}

// dropMessages takes messages out of an inbox that were read under a lease.
func (e *Engine) dropMessages(epoch uint64, from []store.MessageKey) error {
	return e.underLease(e.ctx, e.shards[from[0].Shard], epoch, &store.Batch{DropMessages: from})
}

// errElsewhere says that another node has the shard by now.
var errElsewhere = errors.New("the shard is another node's")

// reopens puts a job that was completed elsewhere back into memory, where its
// frame still waits for it, with what it refers to: nobody has heard the answer
// then. What else ends it meanwhile finds no row of it to take away. Whoever answered
// an activity's task had taken it, which its row does not say if that was heard later:
// unless it is among the mail to be heard first, that was.
func (e *Engine) reopens(r *resident, m *mail, first []mail) (waits bool, err error) {
	j, err := machine.Decode[machine.Job](m.row.Body)
	if err != nil { // a newer node may know it
		return false, fmt.Errorf("%w: its job %d, which was completed elsewhere: %w", ErrQuarantined, m.row.Number, err)
	}
	f := r.x.Frames[j.Frame]
	if f == nil || f.Job != j.ID || r.isOver() {
		return false, nil
	}
	if r.away == nil {
		r.away = make(map[machine.JobID]bool)
	}
	r.away[j.ID] = true
	if r.x.Jobs[j.ID] != nil {
		return true, nil
	}
	j.Taken = j.Taken || j.Kind == machine.Activity && !slices.ContainsFunc(first, func(m mail) bool { return m.tells(j) })
	r.x.Reopen(j)
	if err := e.readPayloads(e.ctx, r.id, r.x); err != nil {
		r.x = nil // and so it is read again
		return false, err
	}
	return true, nil
}

// lacks reports whether a frame waits for a job whose row is gone: it may have been
// completed elsewhere.
func (r *resident) lacks() bool {
	if r.isOver() {
		return false
	}
	for _, f := range r.x.Frames {
		if f.Job != 0 && r.x.Jobs[f.Job] == nil {
			return true
		}
	}
	return false
}

// isOver reports whether nothing goes on any more: frames that are kept for a redrive
// wait for nothing.
func (r *resident) isOver() bool {
	h := &r.x.Head
	return h.Status.Ended() && h.OpenSagas == 0
}

// errUnread says that what an execution waits for was answered, perhaps by a
// message that this version can't read.
var errUnread = errors.New("its inbox holds what this version can not read")

// catchUp hears all that waits for an execution, so that nothing that was
// acknowledged is overtaken. errAgain: it is to be read again.
func (e *Engine) catchUp(s *shard, r *resident) error {
	var waiting []mail
	for begun, more := 0, true; more; {
		if s.epoch.Load() != r.epoch { // and so nothing is put into piles
			return ErrNotReady
		}
		read, pile, rest, err := e.readInbox(s, r.id, begun)
		if err != nil {
			return fmt.Errorf("inbox of shard %d: %w", s.number, err)
		}
		begun = 0
		for i := range read {
			if read[i].isBegun() {
				begun++
			}
		}
		more, waiting = rest, pile
	}
	s.look() // what is for others is still to be heard
	for i := range waiting {
		if waiting[i].kind == mailAnswered {
			if _, err := e.reopens(r, &waiting[i], waiting); err != nil {
				return err
			}
		}
	}
	slices.SortStableFunc(waiting, func(a, b mail) int { return cmp.Compare(a.turn(), b.turn()) })
	for _, m := range waiting {
		if m.kind != mailAnswered && m.kind != mailWord {
			continue
		}
		if err := e.hearNow(s, r, &m); err != nil {
			s.rereads(r.id) // it may have been heard
			return err
		}
		s.wasHeard(&m)
	}
	s.mu.Lock()
	unread := s.mail.unread
	s.mu.Unlock()
	if unread && r.lacks() {
		r.x = nil
		return fmt.Errorf("execution %s: %w", r.id, errUnread)
	}
	return nil
}

// isTaken reports whether mail says that a worker has taken a task.
func (m *mail) isTaken() bool { return m.kind == mailWord && m.message.Kind == machine.Taken }

// tells reports whether mail says that a job's task was taken.
func (m *mail) tells(j *machine.Job) bool { return m.isTaken() && m.message.Job == j.ID }

// turn is when mail has its turn among all that waits: first that tasks were taken, so that
// what came before and ends their jobs knows that somebody has them.
func (m *mail) turn() int {
	if m.isTaken() {
		return 0
	}
	return 1
}
