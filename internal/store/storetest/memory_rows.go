package storetest

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/backstep/backstep/internal/store"
)

// rows are the tables of a Memory, one per noun.
type rows struct {
	docs        sorted[store.DocKey, store.Doc]
	definitions map[store.Hash][]byte
	names       map[store.NameKey]store.ID
	executions  map[store.ID]*execution
	timers      sorted[timer, struct{}]
	messages    sorted[inbox, store.Message]
	messageSeqs map[messageName]uint64
	lastSeq     uint64
	queue       sorted[store.QueuedKey, []byte]
	index       sorted[store.IndexKey, []byte]
	leases      sorted[store.Shard, store.Lease]
}

// execution holds the rows under one id.
type execution struct {
	there    bool // has a row of its own
	start    []byte
	body     []byte
	frames   sorted[uint32, []byte]
	undos    sorted[uint32, []byte]
	events   sorted[int64, []byte]
	payloads sorted[uint32, []byte]
	jobs     sorted[uint32, store.Job]
}

// timer is the place of a job in its shard's order.
type timer struct {
	shard store.Shard
	due   int64
	job   store.JobKey
}

// inbox is the place of a message in its shard's order.
type inbox struct {
	shard store.Shard
	seq   uint64
}

// messageName is what a shard has at most one message of.
type messageName struct {
	shard store.Shard
	key   string
}

func newRows() rows {
	return rows{
		docs:        sorted[store.DocKey, store.Doc]{compare: compareDocs},
		definitions: map[store.Hash][]byte{},
		names:       map[store.NameKey]store.ID{},
		executions:  map[store.ID]*execution{},
		timers:      sorted[timer, struct{}]{compare: compareTimers},
		messages:    sorted[inbox, store.Message]{compare: compareInbox},
		messageSeqs: map[messageName]uint64{},
		queue:       sorted[store.QueuedKey, []byte]{compare: compareQueued},
		index:       sorted[store.IndexKey, []byte]{compare: compareIndex},
		leases:      sorted[store.Shard, store.Lease]{compare: cmp.Compare[store.Shard]},
	}
}

// execution is the place of that id's rows, made if there is none.
func (r *rows) execution(id store.ID) *execution {
	x := r.executions[id]
	if x == nil {
		x = &execution{
			frames:   sorted[uint32, []byte]{compare: cmp.Compare[uint32]},
			undos:    sorted[uint32, []byte]{compare: cmp.Compare[uint32]},
			events:   sorted[int64, []byte]{compare: cmp.Compare[int64]},
			payloads: sorted[uint32, []byte]{compare: cmp.Compare[uint32]},
			jobs:     sorted[uint32, store.Job]{compare: cmp.Compare[uint32]},
		}
		r.executions[id] = x
	}
	return x
}

func (r *rows) job(k store.JobKey) (store.Job, bool) {
	if x := r.executions[k.ID]; x != nil {
		return x.jobs.get(k.Number)
	}
	return store.Job{}, false
}

func compareIDs(a, b store.ID) int { return bytes.Compare(a[:], b[:]) }

func compareDocs(a, b store.DocKey) int {
	return cmp.Or(strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
}

func compareJobs(a, b store.JobKey) int {
	return cmp.Or(compareIDs(a.ID, b.ID), cmp.Compare(a.Number, b.Number))
}

func compareTimers(a, b timer) int {
	return cmp.Or(cmp.Compare(a.shard, b.shard), cmp.Compare(a.due, b.due), compareJobs(a.job, b.job))
}

func compareInbox(a, b inbox) int {
	return cmp.Or(cmp.Compare(a.shard, b.shard), cmp.Compare(a.seq, b.seq))
}

func compareQueued(a, b store.QueuedKey) int {
	return cmp.Or(strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.Activity, b.Activity),
		cmp.Compare(a.At, b.At), compareJobs(a.Job, b.Job))
}

func compareIndex(a, b store.IndexKey) int {
	return cmp.Or(strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.Index, b.Index), strings.Compare(a.Value, b.Value),
		cmp.Compare(b.Start, a.Start), compareIDs(a.ID, b.ID))
}
