package embedded

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2"
)

// drawnWorkloads are workloads such as an engine makes, drawn by seed: sagas
// start, take steps and end; retention drops them; leases change hands; documents,
// messages and tasks come and go. Meanwhile the store flushes, compacts and is
// copied, or is closed and opened. In a deep run they last until each has made two
// thousand calls to the disk: there are more tables by then, and more is taken away.
func drawnWorkloads(seed uint64, count int) (all []workload) {
	for i := range count {
		rng := rand.New(rand.NewPCG(seed, uint64(i)+1000))
		w := workload{
			name:       fmt.Sprintf("drawn %d", i),
			calls:      int64(deep(2000, 0)),
			committers: []int{1, 1, 2, 3, 5}[rng.IntN(5)],
			between:    upkeep(rand.New(rand.NewPCG(seed, uint64(i)+2000))),
			batches: func(shard store.Shard) func(int) *store.Batch {
				s := &drawnShard{rng: rand.New(rand.NewPCG(seed<<16|uint64(i), uint64(shard))), shard: shard, docs: map[string]uint64{}}
				return s.next
			},
		}
		w.commits = 40/w.committers + rng.IntN(20)
		if w.committers == 1 && rng.IntN(2) == 0 {
			every := 3 + rng.IntN(8)
			w.reopens = func(n int) bool { return n%every == every-1 }
		}
		all = append(all, w)
	}
	return all
}

// upkeep is what goes on beside the commits.
func upkeep(rng *rand.Rand) func(*Store, int) error {
	return func(s *Store, n int) error {
		switch rng.IntN(12) {
		case 0, 1:
			return s.db.Flush()
		case 2:
			return s.db.Compact(context.Background(), []byte("a"), []byte("z"), true)
		case 3:
			copied := fmt.Sprintf("/var/lib/copy%d", n)
			if err := s.db.Checkpoint(copied, pebble.WithFlushedWAL()); err != nil {
				return err
			}
			return s.options.FS.RemoveAll(copied)
		}
		return nil
	}
}

// drawnShard is a shard as its owner makes it, batch by batch.
type drawnShard struct {
	rng           *rand.Rand
	shard         store.Shard
	epoch         uint64
	running, over []*drawnSaga
	docs          map[string]uint64
	letters       []string
	tasks         []store.QueuedKey
}

// drawnSaga is what an execution has.
type drawnSaga struct {
	number                      int
	id                          store.ID
	jobs                        []store.Job
	frames, undos               []uint32
	nextJob, nextFrame, payload uint32
	event                       int64
}

func (s *drawnShard) text(most int) []byte {
	text := make([]byte, 1+s.rng.IntN(most))
	for i := range text {
		text[i] = byte(s.rng.Uint32())
	}
	return text
}

// next is the n-th batch. Each counts the batches, too, so that none leads back to
// what was there before.
func (s *drawnShard) next(n int) *store.Batch {
	b := &store.Batch{Docs: []store.Doc{{DocKey: store.DocKey{Tenant: tenant(s.shard), Kind: "machine", Name: "count"}, Rev: uint64(n + 1)}}}
	is := s.rng.IntN(100)
	switch {
	case n == 0 || is < 4:
		s.takeLease(b, n)
		return b
	case is < 28 || len(s.running) == 0 && is < 80:
		s.start(b, n)
	case is < 66 && len(s.running) > 0:
		s.step(b)
	case is < 80:
		s.end(b)
	case is < 87 && len(s.over) > 0:
		s.retain(b)
	case is < 92:
		s.document(b, n)
		return b
	default:
		s.letter(b, n)
		return b
	}
	b.Fence = &store.Fence{Shard: s.shard, Epoch: s.epoch}
	return b
}

func (s *drawnShard) takeLease(b *store.Batch, n int) {
	b.ExpectLeases = []store.ExpectLease{{Shard: s.shard, Epoch: s.epoch}}
	s.epoch++
	b.Leases = []store.Lease{{Shard: s.shard, Epoch: s.epoch, Node: fmt.Sprint("node", n), Expires: int64(n), Body: s.text(20)}}
}

func (s *drawnShard) start(b *store.Batch, n int) {
	x := &drawnSaga{number: n, id: idOf(s.shard, n), event: 1}
	name := store.NameKey{Shard: s.shard, Tenant: tenant(s.shard), Machine: "m", Name: fmt.Sprint(n)}
	b.ExpectNames = []store.NameKey{name}
	b.Names = []store.Name{{NameKey: name, ID: x.id}}
	b.Executions = []store.Execution{{ID: x.id, Start: s.text(400), Body: s.text(150)}}
	b.Index = []store.Index{{IndexKey: s.listed(x, "RUNNING"), Body: s.text(40)}}
	s.grow(b, x)
	s.running = append(s.running, x)
}

func (s *drawnShard) listed(x *drawnSaga, status string) store.IndexKey {
	return store.IndexKey{Tenant: tenant(s.shard), Index: "status", Value: status, Start: int64(x.number), ID: x.id}
}

// grow adds what a turn adds: a frame, a job or two, events, payloads.
func (s *drawnShard) grow(b *store.Batch, x *drawnSaga) {
	if len(x.frames) < 3 {
		x.frames = append(x.frames, x.nextFrame)
		b.Frames = append(b.Frames, store.Frame{ID: x.id, Number: x.nextFrame, Body: s.text(200)})
		x.nextFrame++
	}
	for range 1 + s.rng.IntN(2) {
		j := store.Job{JobKey: store.JobKey{ID: x.id, Number: x.nextJob}, Due: int64(s.rng.IntN(1000)), Body: s.text(80)}
		if s.rng.IntN(4) == 0 {
			j.Due = store.Never
		}
		x.nextJob++
		x.jobs = append(x.jobs, j)
		b.Jobs = append(b.Jobs, j)
	}
	b.Events = append(b.Events, store.Events{ID: x.id, First: x.event, Body: s.text(120)})
	x.event += int64(1 + s.rng.IntN(4))
	for range 1 + s.rng.IntN(2) {
		most := 1500
		if s.rng.IntN(10) == 0 {
			most = 30_000
		}
		b.Payloads = append(b.Payloads, store.Payload{ID: x.id, Number: x.payload, Body: s.text(most)})
		x.payload++
	}
}

// step ends a job and goes on; what was done is owed an undo.
func (s *drawnShard) step(b *store.Batch) {
	x := s.running[s.rng.IntN(len(s.running))]
	b.Executions = []store.Execution{{ID: x.id, Body: s.text(150)}}
	done := x.jobs[0]
	x.jobs = x.jobs[1:]
	b.ExpectJobs, b.DropJobs = []store.JobKey{done.JobKey}, []store.Job{done}
	if len(x.jobs) > 0 && s.rng.IntN(3) == 0 { // a heartbeat moves what is due
		b.MovedJobs = []store.Job{x.jobs[0]}
		x.jobs[0].Due = int64(2000 + s.rng.IntN(1000))
		b.Jobs = append(b.Jobs, x.jobs[0])
	}
	if len(x.frames) == 3 {
		b.DropFrames = []store.FrameKey{{ID: x.id, Number: x.frames[0]}}
		x.frames = x.frames[1:]
	}
	number := uint32(len(x.undos))
	x.undos = append(x.undos, number)
	b.Undos = []store.Undo{{ID: x.id, Number: number, Body: s.text(90)}}
	s.grow(b, x)
	if s.rng.IntN(3) == 0 {
		task := store.QueuedKey{Tenant: tenant(s.shard), Activity: "a", At: int64(s.rng.IntN(100)), Job: x.jobs[len(x.jobs)-1].JobKey}
		s.tasks = append(s.tasks, task)
		b.Queue = []store.Queued{{QueuedKey: task, Body: s.text(60)}}
	} else if len(s.tasks) > 0 {
		b.ExpectQueued, b.DropQueue = s.tasks[:1:1], s.tasks[:1:1]
		s.tasks = s.tasks[1:]
	}
}

// end ends a saga: what was under way goes, what happened stays.
func (s *drawnShard) end(b *store.Batch) {
	if len(s.running) == 0 {
		return
	}
	at := s.rng.IntN(len(s.running))
	x := s.running[at]
	s.running = append(s.running[:at:at], s.running[at+1:]...)
	s.over = append(s.over, x)
	b.Executions = []store.Execution{{ID: x.id, Body: s.text(150)}}
	b.Events = []store.Events{{ID: x.id, First: x.event, Body: s.text(120)}}
	b.DropJobs = x.jobs
	for _, number := range x.frames {
		b.DropFrames = append(b.DropFrames, store.FrameKey{ID: x.id, Number: number})
	}
	if s.rng.IntN(2) == 0 {
		for _, number := range x.undos {
			b.DropUndos = append(b.DropUndos, store.UndoKey{ID: x.id, Number: number})
		}
	}
	b.DropIndex = []store.IndexKey{s.listed(x, "RUNNING")}
	b.Index = []store.Index{{IndexKey: s.listed(x, "SUCCEEDED"), Body: s.text(40)}}
}

// retain drops what has ended long enough ago, each execution as one range.
func (s *drawnShard) retain(b *store.Batch) {
	count := 1 + s.rng.IntN(len(s.over))
	for _, x := range s.over[:count] {
		b.DropExecutions = append(b.DropExecutions, x.id)
		b.DropNames = append(b.DropNames, store.NameKey{Shard: s.shard, Tenant: tenant(s.shard), Machine: "m", Name: fmt.Sprint(x.number)})
		b.DropIndex = append(b.DropIndex, s.listed(x, "SUCCEEDED"))
	}
	s.over = s.over[count:]
}

func (s *drawnShard) document(b *store.Batch, n int) {
	name := fmt.Sprint("machine", s.rng.IntN(4))
	key := store.DocKey{Tenant: tenant(s.shard), Kind: "machine", Name: name}
	b.ExpectDocs = []store.ExpectDoc{{DocKey: key, Rev: s.docs[name]}}
	if s.docs[name] > 0 && s.rng.IntN(4) == 0 {
		b.DropDocs = []store.DocKey{key}
		delete(s.docs, name)
		return
	}
	s.docs[name]++
	b.Docs = append(b.Docs, store.Doc{DocKey: key, Rev: s.docs[name], Body: s.text(2000)})
	b.Definitions = []store.Definition{{Hash: store.Hash{byte(s.shard >> 8), byte(s.shard), byte(n)}, Body: s.text(1500)}}
}

// letter is a message from elsewhere, or the end of one.
func (s *drawnShard) letter(b *store.Batch, n int) {
	if len(s.letters) > 0 && s.rng.IntN(2) == 0 {
		b.DropMessages = []store.MessageKey{{Shard: s.shard, Key: []byte(s.letters[0])}}
		s.letters = s.letters[1:]
		return
	}
	key := fmt.Sprint("letter ", n)
	s.letters = append(s.letters, key)
	b.Messages = []store.Message{{Shard: s.shard, Key: []byte(key), Body: s.text(300)}}
}
