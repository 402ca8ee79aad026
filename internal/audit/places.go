package audit

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// A place is what leads to an execution: its name, its places in lists and queues.
// Those that executions must have and those that there are, are held against one
// another by sums, for which their order does not matter; only where the sums differ
// are they looked at one by one. There are many sums, each of a part of all places, so
// that few must be looked at where few are wrong.
type place [16]byte

// wrong says what is so of a place that is among the differences: its first byte tells
// whether it is due alone, or there alone.
func (p place) wrong() string {
	if p[0]&1 == 1 {
		return "it is due, and not there"
	}
	return "it is there, and nothing is to have it"
}

// parts is how many sums there are; they take 160 KiB.
const parts = 1 << 12

func (p place) part() int { return int(binary.BigEndian.Uint16(p[2:]) % parts) }

type sum [2]uint64

func (s *sum) add(p place) {
	s[0] += binary.BigEndian.Uint64(p[:8])
	s[1] += binary.BigEndian.Uint64(p[8:])
}

type places struct {
	due, there  [parts]sum
	count       [parts]int // of places that are due or there
	looked      map[int]bool
	differences map[place]string // of the parts that are looked at; nil: they are only summed up
}

// mostLooked is how many places the parts that are looked at have, at most: they take
// some 400 bytes each until they are met, a hundred MiB in all. One part is looked at
// however many it has: the 4096th of all that a store has.
const mostLooked = 1 << 18

// look goes on to look at the parts that differ, at most so many places of them. It
// reports whether there are some, and how many parts are left out.
func (p *places) look(most int) (some bool, left int) {
	p.looked = map[int]bool{}
	for i := range parts {
		switch {
		case p.due[i] == p.there[i]:
		case p.count[i] <= most || len(p.looked) == 0:
			p.looked[i] = true
			most -= p.count[i]
		default:
			left++
		}
	}
	if len(p.looked) == 0 {
		return false, 0
	}
	p.differences = map[place]string{}
	return true, left
}

func (p *places) put(to *[parts]sum, due bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	h := sha256.Sum256([]byte(text))
	at := place(h[:16])
	part := at.part()
	if p.differences == nil {
		to[part].add(at)
		p.count[part]++
		return
	}
	if !p.looked[part] {
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
		if err := a.message(&b.Messages[i]); err != nil {
			return err
		}
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
		}
		return untold(err)
	case engine.IndexQuarantined, engine.IndexSagas:
	default:
		if _, err := engine.DecodeItem(row.Body); err != nil {
			a.find(where, err.Error(), doLists)
		}
	}
	a.places.isThere(indexFormat, indexArgs(row.IndexKey)...)
	return nil
}

// message takes what lies in an inbox: who waits hears so of a nested execution's
// end, or of the answer of a job that has no row any more.
func (a *auditor) message(m *store.Message) error {
	a.count(&a.counts.Messages)
	id, told, err := engine.MailOf(m)
	if err != nil {
		a.find(fmt.Sprintf("message %d of shard %d", m.Seq, m.Shard), err.Error(), doWait)
		return nil
	}
	switch told.Kind {
	case machine.JobSucceeded, machine.JobFailed:
		a.answered[store.JobKey{ID: id, Number: uint32(told.Job)}] = true
	case machine.Taken:
		return a.taken(id, told.Job)
	case machine.Answered:
		x, err := a.Store.Execution(a.ctx, id)
		if err != nil {
			return untold(err)
		}
		if s, ok := standingOf(&x); ok && s.Start.Parent != nil {
			a.telling[toldJob(s)] = true
		}
	}
	return nil
}

// taken lets a task that has its worker, which its job does not say yet, go without
// the place in its queue.
func (a *auditor) taken(id store.ID, job machine.JobID) error {
	loaded, err := a.Store.Load(a.ctx, id)
	if err != nil {
		return untold(err)
	}
	x, ok := standingOf(&loaded.Execution)
	if !ok {
		return nil
	}
	program, err := a.Programs(a.ctx, x.Start.Definition)
	var refusal *asl.Refusal
	if errors.As(err, &refusal) {
		return nil // it was told
	}
	if err != nil {
		return untold(err)
	}
	for i := range loaded.Jobs {
		j, err := machine.Decode[machine.Job](loaded.Jobs[i].Body)
		if err == nil && j.ID == job && j.Kind == machine.Activity && !j.Taken && program.States[j.State] != nil {
			a.places.isThere(queueFormat, queueArgs(engine.QueuedPlace(id, program, j))...)
		}
	}
	return nil
}

// unanswered holds that each job without a row that somebody waits for has its answer
// in an inbox.
func (a *auditor) unanswered() {
	for _, k := range slices.SortedFunc(maps.Keys(a.away), compareJobs) {
		if f := a.away[k]; !a.answered[k] {
			a.find(f.Place, f.What, f.Do)
		}
	}
}

// nested holds that each nested execution that somebody waits for goes on, or tells.
func (a *auditor) nested() {
	for _, k := range slices.SortedFunc(maps.Keys(a.awaited), compareJobs) {
		if !a.telling[k] {
			a.find(a.awaited[k], "it waits for a nested execution, and there is none that would tell it (I9)", doWait)
		}
	}
}

func compareJobs(j, k store.JobKey) int {
	return cmp.Or(bytes.Compare(j.ID[:], k.ID[:]), cmp.Compare(j.Number, k.Number))
}
