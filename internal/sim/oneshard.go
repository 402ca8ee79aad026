package sim

import (
	"slices"

	"github.com/backstep/backstep/internal/store"
)

// A commit is of one shard: what one execution has to say to another is a message, or a turn
// of that other's own. Only leases, each of which is a claim by itself, are taken together.
// Shards could not lie in several databases otherwise (docs/adr/0087).

// ofOneShard holds a commit to that.
func (w *world) ofOneShard(b *store.Batch) {
	shards := shardsOf(b)
	if len(shards) > 1 {
		w.failf("one shard", store.ID{}, "a commit is of the shards %v", shards)
	}
	if len(shards) > 0 {
		for i := range b.Docs {
			if b.Docs[i].Tenant != "" { // the others are replies, and lie where the order lay
				w.failf("one shard", store.ID{}, "a commit of shard %d writes the document %q", shards[0], b.Docs[i].Name)
			}
		}
	}
}

// shardsOf are the shards of all rows that a batch expects, puts or drops, but for leases.
func shardsOf(b *store.Batch) []store.Shard {
	var all []store.Shard
	if b.Fence != nil {
		all = append(all, b.Fence.Shard)
	}
	for _, names := range [][]store.NameKey{b.ExpectNames, b.DropNames} {
		all = add(all, names, func(k *store.NameKey) store.Shard { return k.Shard })
	}
	all = add(all, b.Names, func(n *store.Name) store.Shard { return n.Shard })
	all = add(all, b.ExpectJobs, func(k *store.JobKey) store.Shard { return k.ID.Shard() })
	for _, jobs := range [][]store.Job{b.ExpectStood, b.Jobs, b.MovedJobs, b.DropJobs} {
		all = add(all, jobs, func(j *store.Job) store.Shard { return j.ID.Shard() })
	}
	for _, queued := range [][]store.QueuedKey{b.ExpectQueued, b.DropQueue} {
		all = add(all, queued, func(k *store.QueuedKey) store.Shard { return k.Job.ID.Shard() })
	}
	all = add(all, b.Queue, func(q *store.Queued) store.Shard { return q.Job.ID.Shard() })
	all = add(all, b.Executions, func(x *store.Execution) store.Shard { return x.ID.Shard() })
	all = add(all, b.DropExecutions, (*store.ID).Shard)
	all = add(all, b.Frames, func(f *store.Frame) store.Shard { return f.ID.Shard() })
	all = add(all, b.DropFrames, func(k *store.FrameKey) store.Shard { return k.ID.Shard() })
	all = add(all, b.Undos, func(u *store.Undo) store.Shard { return u.ID.Shard() })
	all = add(all, b.DropUndos, func(k *store.UndoKey) store.Shard { return k.ID.Shard() })
	all = add(all, b.Events, func(e *store.Events) store.Shard { return e.ID.Shard() })
	all = add(all, b.Payloads, func(p *store.Payload) store.Shard { return p.ID.Shard() })
	all = add(all, b.Messages, func(m *store.Message) store.Shard { return m.Shard })
	all = add(all, b.DropMessages, func(k *store.MessageKey) store.Shard { return k.Shard })
	all = add(all, b.Index, func(x *store.Index) store.Shard { return x.ID.Shard() })
	all = add(all, b.DropIndex, func(k *store.IndexKey) store.Shard { return k.ID.Shard() })
	slices.Sort(all)
	return slices.Compact(all)
}

func add[R any](shards []store.Shard, rows []R, of func(*R) store.Shard) []store.Shard {
	for i := range rows {
		shards = append(shards, of(&rows[i]))
	}
	return shards
}
