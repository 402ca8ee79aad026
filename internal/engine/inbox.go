package engine

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// errElsewhere says that another node has the shard by now.
var errElsewhere = errors.New("the shard is another node's")

// A shard's inbox holds what other nodes left for its owner. Each message has a
// key, so that what is left twice is one message, and is taken out in the commit
// of the turn that it brings: it is heard once, whoever dies on the way. Those for
// one execution are heard in their order, those for different ones at once.
//
// A job that was completed elsewhere has no row any more, though its frame still
// waits for it. Who loads such an execution hears its mail first: see lacks.
//
// What can't be read, and what is for an execution that is quarantined, is left
// where it is, and the rest goes on: a newer node, or a person, may know better.

// reading is where those errands go that go through mail: others may wait for what
// comes of it.
var reading = dest{service: "inbox"}

// correspondence is what a shard's owner has read of its inbox and not taken out
// yet. It is guarded by the shard's mutex.
type correspondence struct {
	piles  map[store.ID]*pile    // by the execution
	seqs   map[uint64]bool       // of all in piles, and of what is left where it lies
	left   map[store.ID][]uint64 // … by the execution, which is quarantined
	unread bool                  // some of it can't be read
	before uint64                // what has come until then was perhaps there when the shard was taken
	whole  bool                  // all that was there then has been read

	readers int             // who is reading the inbox just now
	heard   map[uint64]bool // taken out meanwhile: a reader may still come with it
}

// pile is mail for one execution, as it was read under one lease. It is gone through
// by one alone, who has it in hand: what is read meanwhile comes on top.
type pile struct {
	id   store.ID
	mail []mail
	busy bool // somebody is going through it
}

// reset forgets what was read.
func (c *correspondence) reset() {
	*c = correspondence{piles: map[store.ID]*pile{}, seqs: map[uint64]bool{}, left: map[store.ID][]uint64{}, heard: map[uint64]bool{}, readers: c.readers}
}

// Turn takes what other nodes left in a shard's inbox, if anything may be
// there.
func (e *Engine) Turn(number store.Shard) error {
	s := e.shards[number]
	s.mu.Lock()
	look := s.inbox || !e.cfg.Exclusive
	s.inbox = false
	s.mu.Unlock()
	if !look || s.epoch.Load() == 0 {
		return nil
	}
	read, _, more, err := e.readInbox(s, store.ID{}, 0)
	if err == nil {
		err = e.hearBegun(s, read)
	}
	if err != nil {
		s.look()
		return fmt.Errorf("inbox of shard %d: %w", number, err)
	}
	for _, id := range s.piled() {
		p := s.takeUp(id)
		if p != nil && !e.dispatcher.send(&errand{key: store.JobKey{ID: id}, do: func(e *Engine, _ *errand) { e.hearPile(s, p) }}, reading, ownerKey{}) {
			s.putBack(p)
			more = true
		}
	}
	if more {
		s.look()
	}
	return nil
}

// readInbox reads what is new in a shard's inbox, as far as a page goes, into
// piles; what has begun is not put there: so many of those are read again, and
// don't count. It gives the pile of one execution as it is then. More says that there
// may be more.
func (e *Engine) readInbox(s *shard, id store.ID, begun int) (read, pile []mail, more bool, err error) {
	s.mu.Lock()
	epoch, limit := s.epoch.Load(), e.cfg.Limits.Page+len(s.mail.seqs)+begun
	s.mail.readers++
	s.mu.Unlock()
	messages, err := e.cfg.Store.Messages(e.ctx, s.number, limit)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && epoch != 0 && s.epoch.Load() == epoch {
		if c := &s.mail; !c.whole {
			c.whole = len(messages) < limit
			for i := range messages {
				c.before = max(c.before, messages[i].Seq)
			}
		}
		for i := range messages {
			if m, fresh := e.fresh(s, &messages[i]); fresh {
				read = append(read, m)
			}
		}
	}
	if s.mail.readers--; s.mail.readers == 0 {
		clear(s.mail.heard)
	}
	return read, s.mail.pile(id), len(messages) == limit, err
}

// fresh reads a message that was not read before. The shard is locked.
func (e *Engine) fresh(s *shard, from *store.Message) (mail, bool) {
	c := &s.mail
	if c.seqs[from.Seq] || c.heard[from.Seq] {
		return mail{}, false
	}
	m, err := readMail(from)
	m.epoch = s.epoch.Load()
	if err != nil {
		e.metrics.MailLeft.Add(1)
		e.cfg.Log.Error("a message is left where it lies", "shard", from.Shard, "message", from.Seq, "error", err)
		c.seqs[from.Seq], c.unread = true, true
		return m, false
	}
	if m.isBegun() {
		m.old = from.Seq <= c.before
		return m, true
	}
	c.seqs[from.Seq] = true
	p := c.piles[m.id]
	if p == nil {
		p = &pile{id: m.id}
		c.piles[m.id] = p
	}
	p.mail = append(p.mail, m)
	return m, true
}

// piled are the executions that there is mail for, in the order of the first of it:
// some was read by who looked for another execution's.
func (s *shard) piled() []store.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := slices.Collect(maps.Keys(s.mail.piles))
	first := func(id store.ID) uint64 {
		if p := s.mail.piles[id]; len(p.mail) > 0 {
			return p.mail[0].lies.Seq
		}
		return 0
	}
	slices.SortFunc(ids, func(a, b store.ID) int {
		return cmp.Or(cmp.Compare(first(a), first(b)), bytes.Compare(a[:], b[:]))
	})
	return ids
}

// takeUp is a pile that nobody goes through, which the caller does now; nil: there is
// none.
func (s *shard) takeUp(id store.ID) *pile {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.mail.piles[id]
	if p == nil || p.busy {
		return nil
	}
	p.busy = true
	return p
}

// putBack is for who goes through a pile and can't go on: it is read again.
func (s *shard) putBack(p *pile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.busy = false
	s.forget(p)
}

// rereads has the mail for an execution read again. Who goes through it goes on with
// what is read then.
func (s *shard) rereads(id store.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(s.mail.piles[id])
}

// forget forgets what a pile holds. One of an earlier lease holds nothing of what is
// known now. The shard is locked.
func (s *shard) forget(p *pile) {
	s.inbox = true
	if p == nil || s.mail.piles[p.id] != p {
		return
	}
	for i := range p.mail {
		delete(s.mail.seqs, p.mail[i].lies.Seq)
	}
	p.mail = nil
	if !p.busy {
		delete(s.mail.piles, p.id)
	}
}

// leaveIt is for who goes through a pile: it lies until its execution is let go on.
func (s *shard) leaveIt(p *pile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mail.piles[p.id] != p {
		return
	}
	for i := range p.mail {
		s.mail.left[p.id] = append(s.mail.left[p.id], p.mail[i].lies.Seq)
	}
	delete(s.mail.piles, p.id)
}

// lookAgain has mail read again that was left where it lies.
func (s *shard) lookAgain(id store.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seq := range s.mail.left[id] {
		delete(s.mail.seqs, seq)
	}
	delete(s.mail.left, id)
	s.inbox = true
}

// first is the first of a pile that nobody has heard. False: there is none, or the
// shard was taken anew since, and the pile is no longer the one to hear. The pile is
// done with then.
func (s *shard) first(p *pile) (mail, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mail.piles[p.id] != p {
		return mail{}, false
	}
	if len(p.mail) == 0 {
		delete(s.mail.piles, p.id)
		return mail{}, false
	}
	return p.mail[0], true
}

// lies reports whether mail waits to be heard, as far as is known: it was not heard,
// and is not read again, since.
func (s *shard) lies(m *mail) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.mail.piles[m.id]; p != nil && m.epoch == s.epoch.Load() {
		for i := range p.mail {
			if p.mail[i].lies.Seq == m.lies.Seq {
				return true
			}
		}
	}
	return false
}

// wasHeard takes mail off its pile. Of what was read under an earlier lease nothing is
// known any more.
func (s *shard) wasHeard(m *mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.epoch != s.epoch.Load() {
		return
	}
	if s.mail.readers > 0 {
		s.mail.heard[m.lies.Seq] = true
	}
	delete(s.mail.seqs, m.lies.Seq)
	if p := s.mail.piles[m.id]; p != nil {
		for i := range p.mail {
			if p.mail[i].lies.Seq == m.lies.Seq {
				p.mail = append(p.mail[:i], p.mail[i+1:]...)
				return
			}
		}
	}
}

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

// pile is the mail for an execution.
func (c *correspondence) pile(id store.ID) []mail {
	if p := c.piles[id]; p != nil {
		return append([]mail(nil), p.mail...)
	}
	return nil
}

// A shard's inbox also has news of nested executions that have ended. A message
// only names the child, whose rows any node can read; its key is the child's job,
// so that the same news told twice is one message.

// leaveNews puts the end of a nested execution into the inbox of its parent's
// shard. k is the child's job that tells.
func (e *Engine) leaveNews(parent *shard, k store.JobKey) error {
	news := mail{kind: mailNews, id: k.ID}
	return e.leave(parent, jobName(k), &news)
}

// leave puts mail into a shard's inbox. Leaving it twice does no harm.
func (e *Engine) leave(s *shard, key []byte, m *mail) error {
	err := e.cfg.Store.Commit(e.ctx, &store.Batch{Messages: []store.Message{{Shard: s.number, Key: key, Body: m.body()}}})
	if err != nil {
		return fmt.Errorf("leave a message for shard %d: %w", s.number, err)
	}
	return nil
}

// jobName is the name of a job in the key of a message.
func jobName(k store.JobKey, more ...byte) []byte {
	key := append(make([]byte, 0, len(k.ID)+4+len(more)), k.ID[:]...)
	return append(binary.BigEndian.AppendUint32(key, k.Number), more...)
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
	s := e.shards[from[0].Shard]
	err := e.cfg.Store.Commit(e.ctx, &store.Batch{
		Fence:        &store.Fence{Shard: s.number, Epoch: epoch},
		DropMessages: from,
	})
	if errors.Is(err, store.ErrFenced) {
		e.fencedOff(s, epoch)
		return ErrNotReady
	}
	return err
}
