package engine

import (
	"context"
	"fmt"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// What the engine's rows mean, for who reads them where no engine runs.

// The numbers, among an execution's jobs, of rows that are none: the mark of one that
// is quarantined, whose body is the reason, and that of an express start.
const (
	HeldMark    = heldMark
	ExpressMark = expressMark
)

// IsNobody reports whether an id is that of no execution, to which a name was given
// so that nobody gets it.
func IsNobody(id store.ID) bool { return id == nobody(id.Shard()) }

// NameOf is the name that an execution has for as long as it is there. A map run,
// a lock and an express execution's record have none.
func NameOf(s *machine.Start) store.NameKey { return nameKey(s) }

// Places are where an execution that stands so is in the lists that the engine
// keeps, but for [IndexQuarantined], [IndexForsaken] and [IndexNotices]. A lock, and
// an express execution's record, are in none.
func Places(id store.ID, start *machine.Start, head *machine.Head) []store.IndexKey {
	var all []store.IndexKey
	eachList(start, id, func(k store.IndexKey, byStatus string) {
		all = append(all, k)
		if byStatus != "" {
			k.Index, k.Value = byStatus, StatusValue(k.Value, head.Status)
			all = append(all, k)
		}
	})
	for _, a := range head.Search {
		all = append(all, attributeKey(start, id, a))
	}
	return append(all, sagaLists(start, id, head.SagaStatus())...)
}

// HeldPlace is where one that is quarantined is in [IndexQuarantined].
func HeldPlace(id store.ID, start *machine.Start) store.IndexKey {
	return store.IndexKey{Tenant: Tenant(start.Account, start.Region), Index: IndexQuarantined, Start: start.At, ID: id}
}

// QueuedPlace is where a job that is an activity's, and that nobody has taken, waits
// for a worker.
func QueuedPlace(id store.ID, p *asl.Program, j *machine.Job) store.QueuedKey {
	a := activityOf(j.Task(p).Text)
	return store.QueuedKey{Tenant: a.tenant, Activity: a.name, At: j.Made, Job: store.JobKey{ID: id, Number: uint32(j.ID)}}
}

// MailOf is what a message in a shard's inbox tells its owner: the execution that it
// is for and what it is told, as far as that shows in rows. Of JobSucceeded and
// JobFailed the job has no row any more, of Taken the task has no place in its queue
// any more; Answered is news of the end of a nested execution, whose id is given.
func MailOf(m *store.Message) (id store.ID, told machine.Message, err error) {
	read, err := readMail(m)
	switch {
	case err != nil:
		return id, told, fmt.Errorf("message %d of shard %d can't be read", m.Seq, m.Shard)
	case read.kind == mailNews:
		told.Kind = machine.Answered
	case read.kind == mailAnswered, read.kind == mailWord:
		told = read.message
	}
	return read.id, told, nil
}

// Programs gives the programs of a store's definitions by their hashes, the last so
// many of which it keeps. A definition that no longer compiles is an *asl.Refusal,
// one that is not there store.ErrNotFound.
func Programs(s store.Store, most int) func(context.Context, store.Hash) (*asl.Program, error) {
	return newPrograms(s, most).find
}
