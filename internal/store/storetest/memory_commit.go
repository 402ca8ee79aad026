package storetest

import (
	"bytes"
	"context"
	"fmt"

	"github.com/backstep/backstep/internal/store"
)

// Commit makes the batch's changes, or none. Beyond what every store refuses it
// refuses a batch that breaks the rules of [store.Batch].
func (s *Session) Commit(ctx context.Context, b *store.Batch) error {
	m := s.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	if err := b.Check(); err != nil {
		return err
	}
	if err := m.rows.expect(b); err != nil {
		return s.crashAtCommit(err, false)
	}
	if err := m.rows.rules(b); err != nil {
		return err
	}
	crash := s.crashAtCommit(nil, true)
	if crash != nil && !s.applied {
		return crash
	}
	m.rows.apply(b)
	for i := range b.Messages {
		m.hint(b.Messages[i].Shard)
	}
	return crash
}

// crashAtCommit counts a commit down, and where the crash is due makes it.
func (s *Session) crashAtCommit(err error, passes bool) error {
	if s.crashIn == 0 {
		return err
	}
	s.crashIn--
	if s.crashIn > 0 {
		return err
	}
	s.end(errCrashed)
	return fmt.Errorf("%w: %w", errCrashed, store.ErrUnknown)
}

func (s *Session) usable(ctx context.Context) error {
	if s.ended != nil {
		return s.ended
	}
	return ctx.Err()
}

// expect is ErrFenced or ErrConflict where the batch's preconditions fail.
func (r *rows) expect(b *store.Batch) error {
	if b.Fence != nil {
		if l, there := r.leases.get(b.Fence.Shard); !there || l.Epoch != b.Fence.Epoch {
			return fmt.Errorf("shard %d is at epoch %d, not %d: %w", b.Fence.Shard, l.Epoch, b.Fence.Epoch, store.ErrFenced)
		}
	}
	for _, e := range b.ExpectDocs {
		if d, _ := r.docs.get(e.DocKey); d.Rev != e.Rev {
			return fmt.Errorf("document %q is at %d, not %d: %w", e.Name, d.Rev, e.Rev, store.ErrConflict)
		}
	}
	for _, k := range b.ExpectNames {
		if _, there := r.names[k]; there {
			return fmt.Errorf("name %q is taken: %w", k.Name, store.ErrConflict)
		}
	}
	for _, k := range b.ExpectJobs {
		if _, there := r.job(k); !there {
			return fmt.Errorf("job %v/%d is gone: %w", k.ID, k.Number, store.ErrConflict)
		}
	}
	for _, e := range b.ExpectStood {
		if j, there := r.job(e.JobKey); !there || j.Due != e.Due || !bytes.Equal(j.Body, e.Body) {
			return fmt.Errorf("job %v/%d is gone or was moved: %w", e.ID, e.Number, store.ErrConflict)
		}
	}
	for _, k := range b.ExpectQueued {
		if _, there := r.queue.get(k); !there {
			return fmt.Errorf("task %v/%d is no longer queued: %w", k.Job.ID, k.Job.Number, store.ErrConflict)
		}
	}
	for _, e := range b.ExpectLeases {
		if l, _ := r.leases.get(e.Shard); l.Epoch != e.Epoch || e.Expires != 0 && l.Expires != e.Expires {
			return fmt.Errorf("lease %d is at epoch %d until %d, not %d until %d: %w", e.Shard, l.Epoch, l.Expires, e.Epoch, e.Expires, store.ErrConflict)
		}
	}
	return nil
}

func (r *rows) apply(b *store.Batch) {
	for _, k := range b.DropDocs {
		r.docs.drop(k)
	}
	for _, d := range b.Docs {
		d.Body = bytes.Clone(d.Body)
		r.docs.put(d.DocKey, d)
	}
	for _, d := range b.Definitions {
		if _, there := r.definitions[d.Hash]; !there {
			r.definitions[d.Hash] = bytes.Clone(d.Body)
		}
	}
	for _, k := range b.DropNames {
		delete(r.names, k)
	}
	for _, n := range b.Names {
		r.names[n.NameKey] = n.ID
	}
	for _, id := range b.DropExecutions {
		r.dropExecution(id)
	}
	for _, e := range b.Executions {
		x := r.execution(e.ID)
		x.there, x.body = true, bytes.Clone(e.Body)
		if e.Start != nil {
			x.start = bytes.Clone(e.Start)
		}
	}
	r.applyParts(b)
	r.applyLists(b)
}

func (r *rows) applyParts(b *store.Batch) {
	for _, k := range b.DropFrames {
		r.execution(k.ID).frames.drop(k.Number)
	}
	for _, f := range b.Frames {
		r.execution(f.ID).frames.put(f.Number, bytes.Clone(f.Body))
	}
	for _, k := range b.DropUndos {
		r.execution(k.ID).undos.drop(k.Number)
	}
	for _, u := range b.Undos {
		r.execution(u.ID).undos.put(u.Number, bytes.Clone(u.Body))
	}
	for _, e := range b.Events {
		r.execution(e.ID).events.put(e.First, bytes.Clone(e.Body))
	}
	for _, p := range b.Payloads {
		r.execution(p.ID).payloads.put(p.Number, bytes.Clone(p.Body))
	}
	for _, j := range b.DropJobs {
		r.dropJob(j.JobKey)
	}
	for _, j := range b.Jobs {
		r.dropJob(j.JobKey)
		j.Body = bytes.Clone(j.Body)
		r.execution(j.ID).jobs.put(j.Number, j)
		r.timers.put(timer{j.ID.Shard(), j.Due, j.JobKey}, struct{}{})
	}
}

func (r *rows) dropJob(k store.JobKey) {
	if j, there := r.job(k); there {
		r.executions[k.ID].jobs.drop(k.Number)
		r.timers.drop(timer{k.ID.Shard(), j.Due, k})
	}
}

func (r *rows) dropExecution(id store.ID) {
	x := r.executions[id]
	if x == nil {
		return
	}
	for _, j := range x.jobs.all() {
		r.timers.drop(timer{id.Shard(), j.Due, j.JobKey})
	}
	delete(r.executions, id)
}

func (r *rows) applyLists(b *store.Batch) {
	for _, k := range b.DropMessages {
		if m, there := r.messages.get(inbox{k.Shard, k.Seq}); there {
			r.messages.drop(inbox{k.Shard, k.Seq})
			delete(r.messageSeqs, messageName{m.Shard, string(m.Key)})
		}
	}
	for _, m := range b.Messages {
		name := messageName{m.Shard, string(m.Key)}
		if _, there := r.messageSeqs[name]; there {
			continue
		}
		r.lastSeq++
		r.messageSeqs[name] = r.lastSeq
		r.messages.put(inbox{m.Shard, r.lastSeq}, store.Message{Shard: m.Shard, Seq: r.lastSeq, Key: bytes.Clone(m.Key), Body: bytes.Clone(m.Body)})
	}
	for _, k := range b.DropQueue {
		r.queue.drop(k)
	}
	for _, q := range b.Queue {
		r.queue.put(q.QueuedKey, bytes.Clone(q.Body))
	}
	for _, k := range b.DropIndex {
		r.index.drop(k)
	}
	for _, i := range b.Index {
		r.index.put(i.IndexKey, bytes.Clone(i.Body))
	}
	for _, l := range b.Leases {
		l.Body = bytes.Clone(l.Body)
		r.leases.put(l.Shard, l)
	}
}
