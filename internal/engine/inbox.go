package engine

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/store"
)

// A shard's inbox holds what other nodes left for its owner. Each message has a
// key, so that what is left twice is one message, and is taken out in the commit
// of the turn that it brings: it is heard once, whoever dies on the way. Those for
// one execution are heard in their order, those for different ones at once.
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

// pile is the mail for an execution.
func (c *correspondence) pile(id store.ID) []mail {
	if p := c.piles[id]; p != nil {
		return append([]mail(nil), p.mail...)
	}
	return nil
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
// shard was lost since, and perhaps taken anew: the pile is no longer the one to hear.
// The pile is done with then.
func (s *shard) first(p *pile) (mail, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mail.piles[p.id] != p:
		return mail{}, false
	case len(p.mail) == 0:
		delete(s.mail.piles, p.id)
		return mail{}, false
	case p.mail[0].epoch != s.epoch.Load():
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

// leaveNews puts the end of a nested execution into the inbox of its parent's
// shard. It only names the child, whose rows any node can read; its key is the child's
// job k that tells, so that the same news told twice is one message.
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
