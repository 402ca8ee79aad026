package storetest

import (
	"bytes"
	"context"
	"fmt"
	"math"

	"github.com/backstep/backstep/internal/store"
)

// read takes the lock for one read; every read begins with it.
func (s *Session) read(ctx context.Context) (*rows, func(), error) {
	s.memory.mu.Lock()
	if err := s.usable(ctx); err != nil {
		s.memory.mu.Unlock()
		return nil, nil, err
	}
	return &s.memory.rows, s.memory.mu.Unlock, nil
}

// Identity is what the Memory was made as.
func (s *Session) Identity() store.Identity {
	id := s.memory.identity
	id.TokenKey = bytes.Clone(id.TokenKey)
	return id
}

// Now is the Memory's clock.
func (s *Session) Now(ctx context.Context) (int64, error) {
	_, done, err := s.read(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	if s.memory.clock != nil {
		return s.memory.clock(), nil
	}
	return s.memory.time, nil
}

// Doc implements store.Store.
func (s *Session) Doc(ctx context.Context, k store.DocKey) (store.Doc, error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return store.Doc{}, err
	}
	defer done()
	d, there := r.docs.get(k)
	return d, found(there, "document %q", k.Name)
}

// Docs implements store.Store.
func (s *Session) Docs(ctx context.Context, tenant, kind, after string, limit int) ([]store.Doc, error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	var docs []store.Doc
	for k, d := range r.docs.from(store.DocKey{Tenant: tenant, Kind: kind, Name: after}) {
		if k.Tenant != tenant || k.Kind != kind || len(docs) >= limit {
			break
		}
		if k.Name != after {
			docs = append(docs, d)
		}
	}
	return docs, nil
}

// Definition implements store.Store.
func (s *Session) Definition(ctx context.Context, hash store.Hash) ([]byte, error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	body, there := r.definitions[hash]
	return body, found(there, "definition %x", hash)
}

// Name implements store.Store.
func (s *Session) Name(ctx context.Context, k store.NameKey) (store.ID, error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return store.ID{}, err
	}
	defer done()
	id, there := r.names[k]
	return id, found(there, "name %q", k.Name)
}

// Execution implements store.Store.
func (s *Session) Execution(ctx context.Context, id store.ID) (store.Execution, error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return store.Execution{}, err
	}
	defer done()
	x := r.executions[id]
	if x == nil || !x.there {
		return store.Execution{}, found(false, "execution %v", id)
	}
	return store.Execution{ID: id, Start: x.start, Body: x.body}, nil
}

// Load implements store.Store.
func (s *Session) Load(ctx context.Context, id store.ID) (store.Loaded, error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return store.Loaded{}, err
	}
	defer done()
	x := r.executions[id]
	if x == nil || !x.there {
		return store.Loaded{}, found(false, "execution %v", id)
	}
	l := store.Loaded{Execution: store.Execution{ID: id, Start: x.start, Body: x.body}}
	for n, body := range x.frames.all() {
		l.Frames = append(l.Frames, store.Frame{ID: id, Number: n, Body: body})
	}
	for _, j := range x.jobs.all() {
		l.Jobs = append(l.Jobs, j)
	}
	return l, nil
}

// Undos implements store.Store.
func (s *Session) Undos(ctx context.Context, id store.ID, from uint32, limit int) ([]store.Undo, error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	x := r.executions[id]
	if x == nil {
		return nil, nil
	}
	var undos []store.Undo
	for n, body := range x.undos.from(from) {
		if len(undos) >= limit {
			break
		}
		undos = append(undos, store.Undo{ID: id, Number: n, Body: body})
	}
	return undos, nil
}

// Events implements store.Store.
func (s *Session) Events(ctx context.Context, id store.ID, from int64, backwards bool, limit int) ([]store.Events, error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	x := r.executions[id]
	if x == nil {
		return nil, nil
	}
	first := int64(math.MinInt64)
	for n := range x.events.downFrom(from) {
		first = n
		break
	}
	groups := x.events.from(first)
	if backwards {
		groups = x.events.downFrom(from)
	}
	var events []store.Events
	for n, body := range groups {
		if len(events) >= limit {
			break
		}
		events = append(events, store.Events{ID: id, First: n, Body: body})
	}
	return events, nil
}

// Payloads implements store.Store.
func (s *Session) Payloads(ctx context.Context, id store.ID, numbers []uint32) ([][]byte, error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	payloads := make([][]byte, 0, len(numbers))
	for _, n := range numbers {
		x := r.executions[id]
		if x == nil {
			return nil, found(false, "payload %v/%d", id, n)
		}
		body, there := x.payloads.get(n)
		if !there {
			return nil, found(false, "payload %v/%d", id, n)
		}
		payloads = append(payloads, body)
	}
	return payloads, nil
}

// Index implements store.Store.
func (s *Session) Index(ctx context.Context, q store.IndexQuery) ([]store.Index, error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	first := store.IndexKey{Tenant: q.Tenant, Index: q.Index, Value: q.Value, Start: math.MaxInt64}
	if q.After != nil {
		first.Start, first.ID = q.After.Start, q.After.ID
	}
	var list []store.Index
	for k, body := range r.index.from(first) {
		if k.Tenant != q.Tenant || k.Index != q.Index || k.Value != q.Value || len(list) >= q.Limit {
			break
		}
		if q.After == nil || k != first {
			list = append(list, store.Index{IndexKey: k, Body: body})
		}
	}
	return list, nil
}

// Jobs implements store.Store.
func (s *Session) Jobs(ctx context.Context, shard store.Shard, due int64, after *store.Job, limit int) ([]store.Job, error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	first := timer{shard: shard, due: math.MinInt64}
	if after != nil {
		first = timer{shard, after.Due, after.JobKey}
	}
	var jobs []store.Job
	for t := range r.timers.from(first) {
		if t.shard != shard || t.due > due || len(jobs) >= limit {
			break
		}
		if after == nil || t != first {
			j, _ := r.job(t.job)
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}

// Messages implements store.Store.
func (s *Session) Messages(ctx context.Context, shard store.Shard, limit int) ([]store.Message, error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	var messages []store.Message
	for at, m := range r.messages.from(inbox{shard: shard}) {
		if at.shard != shard || len(messages) >= limit {
			break
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// Queue implements store.Store.
func (s *Session) Queue(ctx context.Context, tenant, activity string, limit int) ([]store.Queued, error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	var queue []store.Queued
	for k, body := range r.queue.from(store.QueuedKey{Tenant: tenant, Activity: activity, At: math.MinInt64}) {
		if k.Tenant != tenant || k.Activity != activity || len(queue) >= limit {
			break
		}
		queue = append(queue, store.Queued{QueuedKey: k, Body: body})
	}
	return queue, nil
}

// Leases implements store.Store.
func (s *Session) Leases(ctx context.Context) ([]store.Lease, error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	var leases []store.Lease
	for _, l := range r.leases.all() {
		leases = append(leases, l)
	}
	return leases, nil
}

func found(there bool, format string, args ...any) error {
	if there {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, store.ErrNotFound)...)
}
