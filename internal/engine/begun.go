package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// An execution may begin on any node: nobody can know of it before its name is
// taken, so its first turn needs no lease. What the turn asks for is the owner's
// to do, who hears of it by a message.

// owns reports whether the shard of an id is ours.
func (e *Engine) owns(id store.ID) bool {
	s := e.shardOf(id)
	return s != nil && s.epoch.Load() != 0
}

// again reports whether what this node could not do, because a shard is not its
// own, can be done without owning it. Who never renewed its leases does not know
// the time yet.
func (e *Engine) again(err error) bool {
	return errors.Is(err, ErrNotReady) && !e.cfg.Exclusive && !e.cfg.OwnOnly && e.renewed.Load() != 0
}

// beginElsewhere takes the first turn of an execution whose shard is another
// node's. store.ErrConflict: the name is taken.
func (e *Engine) beginElsewhere(x *machine.Execution, input value.Text) (Started, error) {
	id := store.ID(x.Start.ID)
	program, err := e.cfg.Programs(e.ctx, x.Start.Definition)
	if err != nil {
		return Started{}, fmt.Errorf("start of execution %s: %w", id, err)
	}
	s := e.shards[id.Shard()]
	r := &resident{id: id, x: x, program: program}
	d, err := e.decide(r, machine.Message{Kind: machine.Begin, Output: input})
	if err != nil {
		return Started{}, e.quarantine(s, r, err)
	}
	if err := e.commitBegun(s, r, &d); err != nil {
		return Started{}, e.quarantine(s, r, err) // or just the error
	}
	e.report(r, &d)
	e.metrics.count(0, d.Head.Status)
	return Started{ID: id, Name: x.Start.Name, At: x.Start.At}, nil
}

func (e *Engine) commitBegun(s *shard, r *resident, d *machine.Delta) error {
	w := writers.Get().(*writer)
	defer writers.Put(w)
	b, err := w.written(r, d, &rider{name: &store.Name{NameKey: nameKey(&r.x.Start), ID: r.id}}, false)
	if err != nil {
		return err
	}
	if d.Head.Holds > 0 {
		e.notice(b, r, d.Head.Now)
	}
	if len(d.Jobs) > 0 {
		b.Messages = []store.Message{begunMessage(s, r.id, mailBegun)}
	}
	err = e.cfg.Store.Commit(e.ctx, b)
	switch {
	case err == nil:
		e.metrics.Commits.Add(1)
		e.storeAnswered()
		return nil
	case errors.Is(err, store.ErrConflict):
		return store.ErrConflict
	case errors.Is(err, store.ErrUnknown):
		e.metrics.Unknown.Add(1)
		if has, unread := e.cfg.Store.Name(e.ctx, b.Names[0].NameKey); unread == nil {
			if has == r.id {
				return nil
			}
			return store.ErrConflict
		} else if errors.Is(unread, store.ErrNotFound) {
			return store.ErrConflict // it may come yet: who tries again finds the same execution
		}
	}
	return e.storeFailed(fmt.Errorf("commit of execution %s: %w", r.id, err))
}

func begunMessage(s *shard, id store.ID, kind mailKind) store.Message {
	m := mail{kind: kind, id: id}
	return store.Message{Shard: s.number, Key: append([]byte("begun "), id[:]...), Body: m.body()}
}

// hearBegun takes up the executions that have begun on other nodes. Their messages
// are dropped before anything is done for them: who finds one still there knows
// that nothing was, unless an owner before has found their jobs on disk.
func (e *Engine) hearBegun(s *shard, read []mail) error {
	var from []store.MessageKey
	for i := range read {
		if read[i].isBegun() {
			from = append(from, read[i].lies)
		}
	}
	if len(from) == 0 {
		return nil
	}
	err := e.dropMessages(read[0].epoch, from)
	unsure := errors.Is(err, store.ErrUnknown)
	if err != nil && !unsure {
		return err
	}
	for i := range read {
		m := &read[i]
		if !m.isBegun() {
			continue
		}
		do := func(e *Engine, er *errand) { e.takeUpBegun(s, er.key.ID, m.epoch, unsure || m.old) }
		if m.kind == mailBegunExpress {
			do = (*Engine).rerunExpress
		}
		if !e.dispatcher.send(&errand{key: store.JobKey{ID: m.id, Number: expressMark}, do: do, kept: m.kind == mailBegunExpress}, reading, ownerKey{}) {
			s.readAgain()
		}
	}
	return nil
}

func (m *mail) isBegun() bool { return m.kind == mailBegun || m.kind == mailBegunExpress }

// takeUpBegun does the jobs of an execution that has begun elsewhere. Those that
// are in hand already were found on disk, as all are by who took the shard anew since.
func (e *Engine) takeUpBegun(s *shard, id store.ID, epoch uint64, unsure bool) {
	r := s.hold(id)
	defer s.release(r)
	if err := e.awaken(s, r); err != nil {
		if !errors.Is(err, ErrNotFound) {
			s.readAgain()
		}
		return
	}
	if r.epoch != epoch {
		return
	}
	for _, j := range inOrder(r.x.Jobs) {
		if _, set := e.alarms.due(alarmKey{JobKey: store.JobKey{ID: id, Number: uint32(j.ID)}}); set {
			continue
		}
		e.launch(s, r, j, unsure)
		if j.Kind == machine.Activity && !j.Taken {
			e.activities.wake(activityOf(taskOf(r, j).Text))
		}
	}
}

// recordElsewhere makes the start of an express execution durable for the owner of
// its shard, who runs it.
func (e *Engine) recordElsewhere(ctx context.Context, b *store.Batch) error {
	id := b.Executions[0].ID
	b.Messages = []store.Message{begunMessage(e.shardOf(id), id, mailBegunExpress)}
	err := e.cfg.Store.Commit(ctx, b)
	if errors.Is(err, store.ErrUnknown) {
		e.metrics.Unknown.Add(1)
		if _, unread := e.cfg.Store.Execution(ctx, id); unread == nil {
			return nil
		}
	}
	if err != nil {
		return e.storeFailed(fmt.Errorf("record of execution %s: %w", id, err))
	}
	e.metrics.Commits.Add(1)
	e.storeAnswered()
	return nil
}
