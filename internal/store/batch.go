package store

// Batch is a set of changes that are made together or not at all. It is blind:
// what must hold beforehand is stated in Fence and the expectations, and
// nothing is read within. Within one batch no row is both put and dropped, and
// none is put twice. To drop what is not there changes nothing.
//
// A store may keep a job's timer beside the job and find it by its Due alone.
// Whoever puts a job with another Due, or drops one, therefore states how the
// row stood; a batch that misstates it is a fault of the caller, which
// storetest's memory store refuses.
type Batch struct {
	Fence *Fence // nil: the batch belongs to no owner

	ExpectDocs   []ExpectDoc
	ExpectNames  []NameKey     // each must be absent
	ExpectJobs   []JobKey      // each must be present
	ExpectStood  []Job         // each must be present, with just this Due and Body
	ExpectQueued []QueuedKey   // each must be present
	ExpectLeases []ExpectLease // to take, renew or give back a lease

	Docs        []Doc
	DropDocs    []DocKey
	Definitions []Definition // the same Hash is the same Body: to put it again changes nothing
	Names       []Name
	DropNames   []NameKey

	Executions     []Execution
	DropExecutions []ID // the execution and all its rows; its open jobs belong into DropJobs too
	Frames         []Frame
	DropFrames     []FrameKey
	Undos          []Undo
	DropUndos      []UndoKey
	Events         []Events
	Payloads       []Payload
	Jobs           []Job // put anew, or with another Due
	MovedJobs      []Job // of Jobs that were there with another Due: as they stood (Body is ignored)
	DropJobs       []Job // as they stood (their Due; Body is ignored)

	Messages     []Message // Seq is given by the store
	DropMessages []MessageKey
	Queue        []Queued
	DropQueue    []QueuedKey
	Index        []Index
	DropIndex    []IndexKey
	Leases       []Lease
}

// Bodies visits the bodies of all rows that the batch puts, and the starts of
// executions.
func (b *Batch) Bodies(visit func([]byte)) {
	each(b.Docs, func(r *Doc) { visit(r.Body) })
	each(b.Definitions, func(r *Definition) { visit(r.Body) })
	each(b.Executions, func(r *Execution) { visit(r.Start); visit(r.Body) })
	each(b.Frames, func(r *Frame) { visit(r.Body) })
	each(b.Undos, func(r *Undo) { visit(r.Body) })
	each(b.Events, func(r *Events) { visit(r.Body) })
	each(b.Payloads, func(r *Payload) { visit(r.Body) })
	each(b.Jobs, func(r *Job) { visit(r.Body) })
	each(b.Messages, func(r *Message) { visit(r.Body) })
	each(b.Queue, func(r *Queued) { visit(r.Body) })
	each(b.Index, func(r *Index) { visit(r.Body) })
	each(b.Leases, func(r *Lease) { visit(r.Body) })
}

func each[R any](rows []R, visit func(*R)) {
	for i := range rows {
		visit(&rows[i])
	}
}

// Fence lets a batch pass only while the shard's lease has that epoch.
type Fence struct {
	Shard Shard
	Epoch uint64
}

// ExpectDoc lets a batch pass only while the document's Rev is that; 0: while
// there is no such document.
type ExpectDoc struct {
	DocKey
	Rev uint64
}

// ExpectLease lets a batch pass only while the shard's lease has that epoch; 0:
// while the shard never had one. Who takes a lease that has run out expects that it
// was not renewed since, too.
type ExpectLease struct {
	Shard   Shard
	Epoch   uint64
	Expires int64 // while the lease is to end then; 0: whenever it is
}

// FrameKey names a frame.
type FrameKey struct {
	ID     ID
	Number uint32
}

// UndoKey names an undo row.
type UndoKey struct {
	ID     ID
	Number uint32
}

// MessageKey names a message that was read.
type MessageKey struct {
	Shard Shard
	Seq   uint64
	Key   []byte
}
