package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/store"
)

// BenchmarkCommit commits six keys of 300 bytes at a time, as a turn does, from 1,
// 16 and 128 committers, beside the disk's own limit: as many bytes appended to a
// file and synced, by one goroutine, as many records as wait sharing a sync.
// BACKSTEP_BENCH_DIR is where; a folder in memory shows no sync.
func BenchmarkCommit(b *testing.B) {
	for _, committers := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("embedded/%d", committers), func(b *testing.B) {
			s, err := Open(benchDir(b), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			measure(b, committers, func(c int) func(n int) error {
				return func(n int) error { return s.Commit(context.Background(), sixKeys(c, n)) }
			})
		})
		b.Run(fmt.Sprintf("log/%d", committers), func(b *testing.B) {
			l := newBareLog(b)
			defer l.close()
			measure(b, committers, func(int) func(int) error {
				record := make([]byte, 6*300)
				return func(int) error { return l.append(record) }
			})
		})
	}
}

func benchDir(b *testing.B) string {
	if dir := os.Getenv("BACKSTEP_BENCH_DIR"); dir != "" {
		dir, err := os.MkdirTemp(dir, "commit")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	return b.TempDir()
}

// measure makes b.N commits and reports their rate, latency and CPU.
func measure(b *testing.B, committers int, committer func(c int) func(n int) error) {
	var next atomic.Int64
	latencies := make([][]time.Duration, committers)
	before := cpu()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for c := range committers {
		commit := committer(c)
		wg.Go(func() {
			for n := 0; next.Add(1) <= int64(b.N); n++ {
				begun := time.Now()
				if err := commit(n); err != nil {
					b.Error(err)
					return
				}
				latencies[c] = append(latencies[c], time.Since(begun))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(latencies...)
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/commit")
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var sixBodies = textOf(1, 300)

// sixKeys is what a turn writes: its row, a frame, its events, a payload, a job
// for the one that is done.
func sixKeys(c, n int) *store.Batch {
	x := idOf(store.Shard(c), c)
	return &store.Batch{
		Executions: []store.Execution{{ID: x, Body: sixBodies}},
		Frames:     []store.Frame{{ID: x, Number: 1, Body: sixBodies}},
		Events:     []store.Events{{ID: x, First: int64(n), Body: sixBodies}},
		Payloads:   []store.Payload{{ID: x, Number: uint32(n), Body: sixBodies}},
		Jobs:       []store.Job{{JobKey: store.JobKey{ID: x, Number: uint32(n % 8)}, Due: int64(n % 8), Body: sixBodies}},
	}
}

// bareLog is a file that records are appended to.
type bareLog struct {
	file  *os.File
	mu    sync.Mutex
	write []byte
	waits []chan error
	work  chan struct{}
	ended chan struct{}
}

func newBareLog(b *testing.B) *bareLog {
	f, err := os.Create(filepath.Join(benchDir(b), "log"))
	if err != nil {
		b.Fatal(err)
	}
	l := &bareLog{file: f, work: make(chan struct{}, 1), ended: make(chan struct{})}
	go l.run()
	return l
}

func (l *bareLog) append(record []byte) error {
	done := make(chan error, 1)
	l.mu.Lock()
	l.write = append(l.write, record...)
	l.waits = append(l.waits, done)
	l.mu.Unlock()
	select {
	case l.work <- struct{}{}:
	default:
	}
	return <-done
}

func (l *bareLog) run() {
	defer close(l.ended)
	for range l.work {
		l.mu.Lock()
		write, waits := l.write, l.waits
		l.write, l.waits = nil, nil
		l.mu.Unlock()
		_, err := l.file.Write(write)
		if err == nil {
			err = syscall.Fdatasync(int(l.file.Fd()))
		}
		for _, w := range waits {
			w <- err
		}
	}
}

func (l *bareLog) close() {
	close(l.work)
	<-l.ended
	l.file.Close()
}
