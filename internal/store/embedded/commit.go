package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2"
)

// Commit makes the batch's changes, or none. Many at once share one sync by
// Pebble's commit pipeline; what is serial is short: the entry into the log.
func (s *Store) Commit(ctx context.Context, b *store.Batch) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	if s.options.ReadOnly {
		return errReadOnly
	}
	if err := b.Check(); err != nil {
		return err
	}
	w := s.newWrite()
	w.encode(b)
	number, err := s.enter(w, b)
	switch {
	case errors.Is(err, errUnsynced):
		w.end(true)
		return s.unknown(err)
	case err != nil:
		w.end(false)
		return s.refuse(err)
	}
	if err := w.batch.SyncWait(); err != nil {
		w.end(true)
		s.stop(err)
		return s.unknown(err)
	}
	s.horizon.reach(number, uint64(w.batch.SeqNum())+uint64(w.batch.Count()))
	w.end(false)
	for i := range b.Messages {
		s.watches.hint(b.Messages[i].Shard)
	}
	return nil
}

var errReadOnly = errors.New("the store is open for reading alone")

// errUnsynced marks what went wrong after the batch may have reached the log.
var errUnsynced = errors.New("the log failed")

func (s *Store) unknown(cause error) error {
	return fmt.Errorf("commit: %w: %w", store.ErrUnknown, cause)
}

// refuse gives the reason for which nothing was changed, once what it rests on
// is durable.
func (s *Store) refuse(reason error) error {
	if !s.horizon.wait() {
		return s.Err()
	}
	return reason
}

// enter checks the batch against what is there and enters it into the log, as
// one: nobody changes what it expects in between. Its changes are visible when
// it returns, and not yet durable.
func (s *Store) enter(w *write, b *store.Batch) (number uint64, err error) {
	w.stripes = s.stripes.lock(w.stripes)
	defer s.stripes.unlock(w.stripes)
	unlock := s.leases.lock(b)
	defer unlock()
	if err := s.expect(w, b); err != nil {
		return 0, err
	}
	if err := s.putMessages(w, b); err != nil {
		return 0, err
	}
	if w.err != nil {
		return 0, fmt.Errorf("encode the batch: %w", w.err)
	}
	if err := s.room.take(w.batch.Len()); err != nil {
		return 0, err
	}
	number, err = s.log(w, b)
	if err == nil {
		s.leases.put(b.Leases)
	}
	return number, err
}

// log is the entry into Pebble's pipeline, one at a time: where the log is
// broken, Pebble panics and keeps its locks, so nobody may come after.
func (s *Store) log(w *write, b *store.Batch) (number uint64, err error) {
	s.pipeline.Lock()
	defer s.pipeline.Unlock()
	if err := s.Err(); err != nil {
		return 0, err
	}
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("%w: %v", errUnsynced, broken)
			s.stop(err)
		}
	}()
	if onlyDrops(b) {
		if err := s.dropMany(w, b.DropExecutions); err != nil {
			return 0, err
		}
	}
	number = s.horizon.begin()
	if err := s.apply(w.batch); err != nil {
		s.stop(err)
		return 0, fmt.Errorf("%w: %w", errUnsynced, err)
	}
	return number, nil
}

// expect checks the batch's preconditions; their stripes are held.
func (s *Store) expect(w *write, b *store.Batch) error {
	if err := s.leases.fence(b.Fence); err != nil {
		return err
	}
	if err := s.expectDocs(w, b.ExpectDocs); err != nil {
		return err
	}
	for _, k := range b.ExpectNames {
		w.key = nameKey(w.key[:0], k)
		if err := s.expectRow(w.key, false, "name", k.Name); err != nil {
			return err
		}
	}
	for _, k := range b.ExpectJobs {
		w.key = rowKey(w.key[:0], k.ID, kindJob, k.Number)
		if err := s.expectRow(w.key, true, "job", k); err != nil {
			return err
		}
	}
	if err := s.expectStood(w, b.ExpectStood); err != nil {
		return err
	}
	for _, k := range b.ExpectQueued {
		w.key = queueKey(w.key[:0], k)
		if err := s.expectRow(w.key, true, "queued task", k.Job); err != nil {
			return err
		}
	}
	return s.leases.expect(b.ExpectLeases)
}

func (s *Store) expectDocs(w *write, expected []store.ExpectDoc) error {
	for _, e := range expected {
		w.key = docKey(w.key[:0], e.DocKey)
		d, err := readRow(s.db, w.key, func(rec []byte) (store.Doc, error) { return readDoc(e.DocKey, rec) })
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if d.Rev != e.Rev {
			return fmt.Errorf("document %q is at %d, not %d: %w", e.Name, d.Rev, e.Rev, store.ErrConflict)
		}
	}
	return nil
}

func (s *Store) expectStood(w *write, expected []store.Job) error {
	for i := range expected {
		e := &expected[i]
		w.key = rowKey(w.key[:0], e.ID, kindJob, e.Number)
		j, err := readRow(s.db, w.key, func(rec []byte) (store.Job, error) { return readJob(e.JobKey, rec) })
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err != nil || j.Due != e.Due || !bytes.Equal(j.Body, e.Body) {
			return fmt.Errorf("job %v is gone or was moved: %w", e.JobKey, store.ErrConflict)
		}
	}
	return nil
}

func (s *Store) expectRow(key []byte, there bool, noun string, name any) error {
	_, closer, err := s.db.Get(key)
	switch {
	case errors.Is(err, pebble.ErrNotFound) && there:
		return fmt.Errorf("%s %v is gone: %w", noun, name, store.ErrConflict)
	case errors.Is(err, pebble.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	closer.Close()
	if !there {
		return fmt.Errorf("%s %v is taken: %w", noun, name, store.ErrConflict)
	}
	return nil
}

// putMessages drops and puts messages; the stripes of their keys are held. A
// key that has a message gets no other, and only that message takes its key
// along when it goes.
func (s *Store) putMessages(w *write, b *store.Batch) error {
	for _, k := range b.DropMessages {
		w.key = messageNameKey(w.key[:0], k.Shard, k.Key)
		seq, err := s.sequence(w.key)
		if err == nil && seq == k.Seq {
			w.drop()
		} else if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		w.key = messageKey(w.key[:0], k.Shard, k.Seq)
		w.drop()
	}
	for i := range b.Messages {
		m := &b.Messages[i]
		w.key = messageNameKey(w.key[:0], m.Shard, m.Key)
		if _, err := s.sequence(w.key); err == nil {
			continue
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		seq := s.lastSeq.Add(1)
		w.head = binary.BigEndian.AppendUint64(w.head[:0], seq)
		w.put(nil)
		w.key = messageKey(w.key[:0], m.Shard, seq)
		w.head = append(append(w.head[:0], byte(len(m.Key))), m.Key...)
		w.put(m.Body)
	}
	return nil
}

// sequence is the number of the message that has a key.
func (s *Store) sequence(key []byte) (uint64, error) {
	return readRow(s.db, key, func(rec []byte) (uint64, error) {
		seq, _, err := cutUint64(rec)
		return seq, err
	})
}
