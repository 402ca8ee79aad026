package postgres

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/store"
)

var benchCommitters = flag.Int("bench.committers", 0, "how many sessions commit in BenchmarkSagas; the store's own number if 0")

// BenchmarkSagas commits what a saga of five steps with answers of 1.6 kB commits,
// turn by turn, from 1, 16 and 128 callers; an operation is one commit. What
// callers share is the database alone: no engine, no HTTP.
//
//	go test ./internal/store/postgres -run '^$' -bench Sagas -benchtime 30000x
func BenchmarkSagas(b *testing.B) {
	for _, callers := range []int{1, 16, 128} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			place := newSchema(b)
			s, err := Open(context.Background(), place.dsn, Options{Schema: place.name, Committers: *benchCommitters})
			if err != nil {
				b.Fatal(err)
			}
			own(b, s)
			before, cpu := place.server(b), cpuTime()
			latencies := drive(b, callers, s)
			after := place.server(b)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			b.ReportMetric(float64(latencies[len(latencies)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(latencies[len(latencies)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/commit")
			b.ReportMetric(float64((after.cpu-before.cpu).Microseconds())/float64(b.N), "server-µs/commit")
			b.ReportMetric((after.transactions-before.transactions)/float64(b.N), "transactions/commit")
			b.ReportMetric((after.wal-before.wal)/float64(b.N), "wal-B/commit")
			if err := s.Close(); err != nil { // its sessions tell their statistics
				b.Fatal(err)
			}
			if b.N > 1 {
				b.Logf("\n%s", place.tableUse(b))
			}
		})
	}
}

// own takes the leases of all shards.
func own(b *testing.B, s *Store) {
	var all store.Batch
	for shard := range s.Identity().Shards {
		all.ExpectLeases = append(all.ExpectLeases, store.ExpectLease{Shard: store.Shard(shard)})
		all.Leases = append(all.Leases, store.Lease{Shard: store.Shard(shard), Epoch: 1, Node: "n", Expires: 1 << 50})
	}
	if err := s.Commit(context.Background(), &all); err != nil {
		b.Fatal(err)
	}
}

// drive makes b.N commits and tells how long each took, the shortest first.
func drive(b *testing.B, callers int, s *Store) []time.Duration {
	var next atomic.Int64
	took := make([][]time.Duration, callers)
	shards := int(s.Identity().Shards)
	b.ResetTimer()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for saga := 0; ; saga++ {
				x := store.NewID(store.Shard((c+saga*callers)%shards), time.Now().UnixMilli(), [8]byte{byte(c), byte(saga >> 16), byte(saga >> 8), byte(saga), 5: byte(saga * 7), 6: byte(c)})
				for turn := range 6 {
					if next.Add(1) > int64(b.N) {
						return
					}
					begun := time.Now()
					if err := s.Commit(context.Background(), sagaTurn(x, turn)); err != nil {
						b.Error(err)
						return
					}
					took[c] = append(took[c], time.Since(begun))
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(took...)
	slices.Sort(all)
	return all
}

var (
	kilobyte = []byte(strings.Repeat("0123456789abcdef", 64))
	few      = kilobyte[:40]
)

// sagaTurn is what the engine commits in turn n of a saga of five calls in a row.
func sagaTurn(x store.ID, n int) *store.Batch {
	name := store.NameKey{Shard: x.Shard(), Tenant: "123456789012/us-east-1", Machine: "bench-5", Name: x.String()}
	b := &store.Batch{
		Fence:      &store.Fence{Shard: x.Shard(), Epoch: 1},
		Executions: []store.Execution{{ID: x, Body: few[:25]}},
		Frames:     []store.Frame{{ID: x, Number: 1, Body: few[:30]}},
		Events:     []store.Events{{ID: x, First: int64(n*5 + 1), Body: kilobyte[:90]}},
		Payloads:   []store.Payload{{ID: x, Number: uint32(n*3 + 1), Body: kilobyte}, {ID: x, Number: uint32(n*3 + 2), Body: kilobyte[:600]}, {ID: x, Number: uint32(n*3 + 3), Body: few}},
		Jobs:       []store.Job{{JobKey: store.JobKey{ID: x, Number: uint32(n + 1)}, Due: x.Start() + 60_000 + int64(n), Body: few[:36]}},
	}
	listed := func(list, value string) store.Index {
		return store.Index{IndexKey: store.IndexKey{Tenant: name.Tenant, Index: list, Value: value, Start: x.Start(), ID: x}, Body: few}
	}
	if n == 0 {
		b.Names = []store.Name{{NameKey: name, ID: x}}
		b.Executions[0].Start = kilobyte[:182]
		b.Payloads = b.Payloads[:2]
		b.Index = []store.Index{listed("machine", "bench-5"), listed("status", "bench-5 RUNNING")}
		return b
	}
	done := store.JobKey{ID: x, Number: uint32(n)}
	b.ExpectJobs = []store.JobKey{done}
	b.DropJobs = []store.Job{{JobKey: done, Due: x.Start() + 60_000 + int64(n-1)}}
	if n == 5 {
		b.Frames, b.Jobs = nil, nil
		b.Payloads = b.Payloads[:2]
		b.DropFrames = []store.FrameKey{{ID: x, Number: 1}}
		b.Index = []store.Index{listed("machine", "bench-5"), listed("status", "bench-5 SUCCEEDED")}
		b.DropIndex = []store.IndexKey{listed("status", "bench-5 RUNNING").IndexKey}
	}
	return b
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serverCounts are the server's own counters, and what its processes for our
// sessions took of a processor.
type serverCounts struct {
	transactions, wal float64
	cpu               time.Duration
}

func (s *schema) server(b *testing.B) (c serverCounts) {
	s.ask(b, "SELECT pg_current_xact_id()::text::float8, pg_current_wal_lsn() - '0/0'::pg_lsn", &c.transactions, &c.wal)
	var processes []int
	s.ask(b, "SELECT coalesce(array_agg(pid), '{}') FROM pg_stat_activity WHERE application_name = 'backstep'", &processes)
	for _, pid := range processes {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if fields := strings.Fields(string(stat)); err == nil && len(fields) > 14 {
			user, _ := strconv.Atoi(fields[13])
			system, _ := strconv.Atoi(fields[14])
			c.cpu += time.Duration(user+system) * 10 * time.Millisecond // in hundredths of a second
		}
	}
	return c
}

// tableUse is how the rows of each table were written.
func (s *schema) tableUse(b *testing.B) (use string) {
	s.ask(b, `SELECT coalesce(string_agg(format('%s: %s in, %s upd (%s hot), %s del, %s kB + %s kB of indexes', relname, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del,
			pg_table_size(relid) / 1024, pg_indexes_size(relid) / 1024), E'\n' ORDER BY relname), '')
		FROM pg_stat_user_tables WHERE schemaname = '`+s.name+`' AND n_tup_ins > 0`, &use)
	return use
}
