package embedded

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/store"
	"github.com/cockroachdb/pebble/v2"
)

// BenchmarkSagas commits what sagas of five steps are on disk, 128 at once, without
// waiting for syncs, and reports what of it was logged, flushed and merged, and the
// processor time, for each of the last third: those that come to what is there.
//
//	go test ./internal/store/embedded -run '^$' -bench Sagas -benchtime 90000x
func BenchmarkSagas(b *testing.B) {
	m := newMill(b)
	m.run(b.N - b.N/3)
	before, busy := m.s.db.Metrics(), cpu()
	b.ResetTimer()
	m.run(b.N)
	m.settle()
	b.StopTimer()
	after, n := m.s.db.Metrics(), float64(max(1, b.N/3))
	flushed, merged := tableBytes(after)
	flushedBefore, mergedBefore := tableBytes(before)
	b.ReportMetric(float64(after.WAL.BytesWritten-before.WAL.BytesWritten)/n, "logged-B/saga")
	b.ReportMetric(float64(flushed-flushedBefore)/n, "flushed-B/saga")
	b.ReportMetric(float64(merged-mergedBefore)/n, "merged-B/saga")
	b.ReportMetric(float64((cpu()-busy).Microseconds())/n, "cpu-µs/saga")
}

// BenchmarkDrop reads and drops executions of five steps, so many in a commit.
//
//	go test ./internal/store/embedded -run '^$' -bench Drop -benchtime 5000x
func BenchmarkDrop(b *testing.B) {
	for _, at := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(at), func(b *testing.B) {
			m := newMill(b)
			m.run(b.N + 1000)
			rows, err := m.s.Index(context.Background(), store.IndexQuery{Tenant: millTenant, Index: "machine", Value: "M", Limit: 2 * b.N})
			if err != nil || len(rows) < b.N {
				b.Fatal(len(rows), err)
			}
			m.settle()
			busy := cpu()
			b.ResetTimer()
			for rows = rows[len(rows)-b.N:]; len(rows) > 0; rows = rows[:max(0, len(rows)-at)] {
				var batch store.Batch
				for _, row := range rows[max(0, len(rows)-at):] {
					if _, err := m.s.Load(context.Background(), row.ID); err != nil {
						b.Fatal(err)
					}
					batch.DropExecutions = append(batch.DropExecutions, row.ID)
					batch.DropIndex = append(batch.DropIndex, row.IndexKey)
				}
				m.commit(&batch)
			}
			b.ReportMetric(float64((cpu()-busy).Microseconds())/float64(b.N), "cpu-µs/execution")
		})
	}
}

// mill makes sagas that are random in their order and their texts, of which 128 are
// under way.
type mill struct {
	tb    testing.TB
	s     *Store
	now   int64
	ended int
	under []*milled
}

type milled struct {
	id         store.ID
	step, from int64
	name       string
}

const millTenant = "123456789012/us-east-1"

func newMill(tb testing.TB) *mill {
	s, err := Open(tb.TempDir(), Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	s.apply = func(b *pebble.Batch) error { return s.db.Apply(b, pebble.NoSync) }
	return &mill{tb: tb, s: s, now: 1_800_000_000_000}
}

// run goes on until so many have ended.
func (m *mill) run(ended int) {
	for m.ended < ended {
		for len(m.under) < 128 {
			id := store.NewID(store.Shard(rand.IntN(8)), m.now, [8]byte(randomText(8)))
			m.under = append(m.under, &milled{id: id, from: m.now, name: fmt.Sprintf("%x", randomText(18))})
		}
		i := rand.IntN(len(m.under))
		m.now += int64(rand.IntN(10) / 9)
		m.commit(m.under[i].turn())
		if m.under[i].step++; m.under[i].step > 5 {
			m.under[i] = m.under[len(m.under)-1]
			m.under = m.under[:len(m.under)-1]
			m.ended++
		}
	}
}

// commit is Commit without its sync.
func (m *mill) commit(b *store.Batch) {
	w := m.s.newWrite()
	w.encode(b)
	number, err := m.s.enter(w, b)
	if err != nil {
		m.tb.Fatal(err)
	}
	w.end(false)
	m.s.horizon.reach(number, 0)
}

// settle waits until nothing is flushed or merged.
func (m *mill) settle() {
	if err := m.s.db.Flush(); err != nil {
		m.tb.Fatal(err)
	}
	for range 200 {
		time.Sleep(20 * time.Millisecond)
		if now := m.s.db.Metrics(); now.Compact.NumInProgress == 0 && now.Flush.NumInProgress == 0 {
			return
		}
	}
}

// turn is what a saga writes when it begins, after a step, and at its end.
func (r *milled) turn() *store.Batch {
	job := func(n int64) store.Job {
		return store.Job{JobKey: store.JobKey{ID: r.id, Number: uint32(n)}, Due: r.from + 60_000, Body: randomText(60)}
	}
	row := func(index, value string) store.Index {
		return store.Index{IndexKey: store.IndexKey{Tenant: millTenant, Index: index, Value: value, Start: r.from, ID: r.id}, Body: make([]byte, 54)}
	}
	b := &store.Batch{
		Executions: []store.Execution{{ID: r.id, Body: randomText(31)}},
		Events:     []store.Events{{ID: r.id, First: 5*r.step + 1, Body: make([]byte, 90)}},
	}
	for i, size := range []int{850, 7, 47} {
		b.Payloads = append(b.Payloads, store.Payload{ID: r.id, Number: uint32(3*r.step) + uint32(i), Body: randomText(size)})
	}
	switch r.step {
	case 0:
		b.Executions[0].Start = make([]byte, 165)
		b.Names = []store.Name{{NameKey: store.NameKey{Shard: r.id.Shard(), Tenant: millTenant, Machine: "M", Name: r.name}, ID: r.id}}
		b.Index = []store.Index{row("machine", "M"), row("status", "M:RUNNING")}
	default:
		b.DropJobs = []store.Job{job(r.step)}
	}
	if r.step < 5 {
		b.Jobs, b.Frames = []store.Job{job(r.step + 1)}, []store.Frame{{ID: r.id, Number: 1, Body: randomText(60)}}
		return b
	}
	b.DropFrames = []store.FrameKey{{ID: r.id, Number: 1}}
	b.Index, b.DropIndex = []store.Index{row("machine", "M"), row("status", "M:SUCCEEDED")}, []store.IndexKey{row("status", "M:RUNNING").IndexKey}
	return b
}

func randomText(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(64 + rand.IntN(64))
	}
	return b
}

// tableBytes is what was flushed and what was merged.
func tableBytes(m *pebble.Metrics) (flushed, merged uint64) {
	for i := range m.Levels {
		flushed += m.Levels[i].TableBytesFlushed
		merged += m.Levels[i].TableBytesCompacted
	}
	return flushed, merged
}
