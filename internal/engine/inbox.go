package engine

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/backstep/backstep/internal/store"
)

// errElsewhere says that another node has the shard by now.
var errElsewhere = errors.New("the shard is another node's")

// A shard's inbox holds what other nodes left for its owner: news of nested
// executions that have ended. A message only names the child, whose rows any
// node can read; its key is the child's job, so that the same news told twice
// is one message.

const newsEncoding = 1

// leaveNews puts the end of a nested execution into the inbox of its parent's
// shard. k is the child's job that tells.
func (e *Engine) leaveNews(parent *shard, k store.JobKey) error {
	key := append(append(make([]byte, 0, 20), k.ID[:]...), byte(k.Number>>24), byte(k.Number>>16), byte(k.Number>>8), byte(k.Number))
	body := append([]byte{newsEncoding}, k.ID[:]...)
	err := e.cfg.Store.Commit(e.ctx, &store.Batch{Messages: []store.Message{{Shard: parent.number, Key: key, Body: body}}})
	if err != nil {
		return fmt.Errorf("leave a message for shard %d: %w", parent.number, err) // leaving it twice does no harm
	}
	return nil
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
	for {
		messages, err := e.cfg.Store.Messages(e.ctx, number, e.cfg.Limits.Page)
		if err != nil {
			s.look()
			return fmt.Errorf("inbox of shard %d: %w", number, err)
		}
		for i := range messages {
			if err := e.hearNews(&messages[i]); err != nil {
				s.look()
				return fmt.Errorf("message %d of shard %d: %w", messages[i].Seq, number, err)
			}
		}
		if len(messages) < e.cfg.Limits.Page {
			return nil
		}
	}
}

// hearNews tells a parent what a message is about. News of an execution that is
// not there any more, or that can't be read, is dropped.
func (e *Engine) hearNews(m *store.Message) (err error) {
	from := []store.MessageKey{{Shard: m.Shard, Seq: m.Seq, Key: m.Key}}
	defer func() {
		if p := recover(); p != nil {
			e.cfg.Log.Error("a message breaks what is done for it", "shard", m.Shard, "message", m.Seq, "reason", p, "stack", string(debug.Stack()))
			err = e.dropNews(from)
		}
	}()
	if len(m.Body) != 17 || m.Body[0] != newsEncoding {
		e.cfg.Log.Error("a message can't be read", "shard", m.Shard, "message", m.Seq)
		return e.dropNews(from)
	}
	id := store.ID(m.Body[1:])
	loaded, err := e.cfg.Store.Load(e.ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return e.dropNews(from)
	}
	if err != nil {
		return err
	}
	x, _, err := readExecution(&loaded)
	if err != nil || x.Start.Parent == nil || !x.Head.Status.Ended() { // redriven since, it tells of its next end
		return e.dropNews(from)
	}
	if err := e.readPayloads(e.ctx, id, x); err != nil {
		return err
	}
	n := x.Ending(e.cfg.Quotas)
	return e.tellParent(&n, from)
}

func (e *Engine) dropNews(from []store.MessageKey) error {
	s := e.shards[from[0].Shard]
	return e.cfg.Store.Commit(e.ctx, &store.Batch{
		Fence:        &store.Fence{Shard: s.number, Epoch: s.epoch.Load()},
		DropMessages: from,
	})
}
