package storetest

import (
	"fmt"

	"github.com/backstep/backstep/internal/store"
)

// rules reports a batch that breaks the rules of [store.Batch]: a row that is
// put twice or both put and dropped, or a job that did not stand as the batch
// says.
func (r *rows) rules(b *store.Batch) error {
	if err := r.jobsStood(b); err != nil {
		return err
	}
	n := named{}
	n.puts(b)
	n.drops(b)
	return n.err
}

func (r *rows) jobsStood(b *store.Batch) error {
	moved := map[store.JobKey]int64{}
	for _, j := range b.MovedJobs {
		moved[j.JobKey] = j.Due
	}
	for _, j := range b.Jobs {
		stood, there := r.job(j.JobKey)
		due, told := moved[j.JobKey]
		if there && stood.Due != j.Due && (!told || due != stood.Due) {
			return fmt.Errorf("batch refused: job %v/%d stood at %d, MovedJobs does not say so", j.ID, j.Number, stood.Due)
		}
	}
	for _, j := range b.DropJobs {
		if stood, there := r.job(j.JobKey); there && stood.Due != j.Due {
			return fmt.Errorf("batch refused: job %v/%d stood at %d, DropJobs says %d", j.ID, j.Number, stood.Due, j.Due)
		}
	}
	return nil
}

// named remembers the rows that a batch puts, and the first fault.
type named struct {
	rows map[any]struct{}
	err  error
}

// Keys of rows whose noun has no key type of its own.
type (
	executionRow store.ID
	eventsRow    struct {
		id    store.ID
		first int64
	}
	payloadRow struct {
		id     store.ID
		number uint32
	}
)

func (n *named) put(key any) {
	if _, twice := n.rows[key]; twice && n.err == nil {
		n.err = fmt.Errorf("batch refused: %T %v is put twice", key, key)
	}
	n.rows[key] = struct{}{}
}

func (n *named) drop(key any) {
	if _, both := n.rows[key]; both && n.err == nil {
		n.err = fmt.Errorf("batch refused: %T %v is both put and dropped", key, key)
	}
}

func (n *named) puts(b *store.Batch) {
	n.rows = map[any]struct{}{}
	for i := range b.Docs {
		n.put(b.Docs[i].DocKey)
	}
	for i := range b.Definitions {
		n.put(b.Definitions[i].Hash)
	}
	for i := range b.Names {
		n.put(b.Names[i].NameKey)
	}
	for i := range b.Executions {
		n.put(executionRow(b.Executions[i].ID))
	}
	for i := range b.Frames {
		n.put(store.FrameKey{ID: b.Frames[i].ID, Number: b.Frames[i].Number})
	}
	for i := range b.Undos {
		n.put(store.UndoKey{ID: b.Undos[i].ID, Number: b.Undos[i].Number})
	}
	for i := range b.Events {
		n.put(eventsRow{b.Events[i].ID, b.Events[i].First})
	}
	for i := range b.Payloads {
		n.put(payloadRow{b.Payloads[i].ID, b.Payloads[i].Number})
	}
	for i := range b.Jobs {
		n.put(b.Jobs[i].JobKey)
	}
	for i := range b.Messages {
		n.put(messageName{b.Messages[i].Shard, string(b.Messages[i].Key)})
	}
	for i := range b.Queue {
		n.put(b.Queue[i].QueuedKey)
	}
	for i := range b.Index {
		n.put(b.Index[i].IndexKey)
	}
	for i := range b.Leases {
		n.put(b.Leases[i].Shard)
	}
}

func (n *named) drops(b *store.Batch) {
	for _, k := range b.DropDocs {
		n.drop(k)
	}
	for _, k := range b.DropNames {
		n.drop(k)
	}
	for _, id := range b.DropExecutions {
		n.drop(executionRow(id))
	}
	for _, k := range b.DropFrames {
		n.drop(k)
	}
	for _, k := range b.DropUndos {
		n.drop(k)
	}
	for _, j := range b.DropJobs {
		n.drop(j.JobKey)
	}
	for _, k := range b.DropMessages {
		n.drop(messageName{k.Shard, string(k.Key)})
	}
	for _, k := range b.DropQueue {
		n.drop(k)
	}
	for _, k := range b.DropIndex {
		n.drop(k)
	}
}
