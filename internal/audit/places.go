package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/store"
)

// A place is what leads to an execution: its name, its places in lists and queues.
// Those that executions must have and those that there are, are held against one
// another by sums, for which their order does not matter; only where the sums differ
// are they looked at one by one.
type place [16]byte

// missing is in the second half of the place that is due and not there.
func (p place) wrong() string {
	if p[0]&1 == 1 {
		return "it is due, and not there"
	}
	return "it is there, and nothing is to have it"
}

type sum [2]uint64

func (s *sum) add(p place) {
	s[0] += binary.BigEndian.Uint64(p[:8]) >> 1
	s[1] += binary.BigEndian.Uint64(p[8:])
}

type places struct {
	due, there  sum
	differences map[place]string // nil: they are only summed up
}

func (p *places) put(to *sum, due bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	h := sha256.Sum256([]byte(text))
	at := place(h[:16])
	if p.differences == nil {
		to.add(at)
		return
	}
	is, other := at, at
	is[0], other[0] = at[0]&^1, at[0]|1
	if due {
		is, other = other, is
	}
	if _, met := p.differences[other]; met {
		delete(p.differences, other)
	} else {
		p.differences[is] = text
	}
}

// isDue notes a place that an execution must have, isThere one that is there.
func (p *places) isDue(format string, args ...any) { p.put(&p.due, true, format, args...) }

func (p *places) isThere(format string, args ...any) { p.put(&p.there, false, format, args...) }

const (
	nameFormat  = "name %q of %q of %s in shard %d, which leads to %v"
	indexFormat = "place in list %q of %s, value %q, start %d, of %v"
	queueFormat = "place in queue %q of %s, time %d, of job %d of %v"
)

func nameArgs(k store.NameKey, id store.ID) []any {
	return []any{k.Name, k.Machine, k.Tenant, k.Shard, id}
}

func indexArgs(k store.IndexKey) []any { return []any{k.Index, k.Tenant, k.Value, k.Start, k.ID} }

func queueArgs(k store.QueuedKey) []any {
	return []any{k.Activity, k.Tenant, k.At, k.Job.Number, k.Job.ID}
}

// name takes a name that is there. One that nobody is to have leads nowhere.
func (a *auditor) name(n *store.Name) {
	if !engine.IsNobody(n.ID) {
		a.places.isThere(nameFormat, nameArgs(n.NameKey, n.ID)...)
	}
}

// lists takes what stands behind the executions.
func (a *auditor) lists(b *store.Batch) error {
	for i := range b.Messages {
		a.message(&b.Messages[i])
	}
	for i := range b.Queue {
		a.count(&a.counts.Queued)
		a.places.isThere(queueFormat, queueArgs(b.Queue[i].QueuedKey)...)
	}
	for i := range b.Index {
		a.count(&a.counts.Listed)
		if err := a.listed(&b.Index[i]); err != nil {
			return err
		}
	}
	for i := range b.Leases {
		if l := &b.Leases[i]; l.Shard >= store.Shard(a.identity.Shards) {
			a.find(fmt.Sprintf("lease %d", l.Shard), fmt.Sprintf("the store has %d shards", a.identity.Shards), doRestore)
		}
	}
	return nil
}

// listed takes a row of a list. What people are to be told of, and what is taken
// away, follows from no execution's rows, but leads to one.
func (a *auditor) listed(row *store.Index) error {
	where := fmt.Sprintf(indexFormat, indexArgs(row.IndexKey)...)
	switch row.Index {
	case engine.IndexNotices, engine.IndexForsaken:
		if a.places.differences != nil {
			return nil
		}
		_, err := a.Store.Execution(a.ctx, row.ID)
		if errors.Is(err, store.ErrNotFound) {
			a.find(where, "there is no such execution", doLists)
			err = nil
		}
		return err
	case engine.IndexQuarantined, engine.IndexSagas:
	default:
		if _, err := engine.DecodeItem(row.Body); err != nil {
			a.find(where, err.Error(), doLists)
		}
	}
	a.places.isThere(indexFormat, indexArgs(row.IndexKey)...)
	return nil
}

// message takes news of a nested execution: who waits for it hears of it so.
func (a *auditor) message(m *store.Message) {
	a.count(&a.counts.Messages)
	id, err := engine.NewsOf(m)
	if err != nil {
		a.find(fmt.Sprintf("message %d of shard %d", m.Seq, m.Shard), err.Error(), doWait)
		return
	}
	if x, err := a.Store.Execution(a.ctx, id); err == nil {
		if s, ok := standingOf(&x); ok && s.Start.Parent != nil {
			a.telling[toldJob(s)] = true
		}
	}
}

// nested holds that each nested execution that somebody waits for goes on, or tells.
func (a *auditor) nested() {
	for k, where := range a.awaited {
		if !a.telling[k] {
			a.find(where, "it waits for a nested execution, and there is none that would tell it (I9)", doWait)
		}
	}
}
