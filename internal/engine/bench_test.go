package engine

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// BenchmarkSaga runs sagas of five tasks from many callers at once, with
// results of 1 KB, on a store in memory: what is left is the engine, the
// machine and that store.
func BenchmarkSaga(b *testing.B) {
	answer := value.Checked(`{"Payload":"` + string(make1K()) + `"}`)
	h := handler(func(context.Context, integration.Task) (value.Text, error) { return answer, nil })
	registry := &integration.Registry{}
	registry.Add("lambda", "*", h, integration.RequestResponse)
	disk := storetest.NewMemory(storetest.MemoryOptions{})
	e, err := Open(context.Background(), Config{Store: disk.Open(), Registry: registry, Exclusive: true})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	defer running.Wait()
	defer cancel()
	defer e.Close()
	for !e.Ready() {
		time.Sleep(time.Millisecond)
	}
	m := defineOn(b, e.cfg.Store, saga(5))
	b.SetParallelism(64)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s, err := e.Start(ctx, StartRequest{Machine: m, Input: value.Checked(`{"order":1}`)})
			if err != nil {
				b.Error(err)
				return
			}
			end, err := e.Wait(ctx, s.ID, 1<<40, time.Minute)
			if err != nil || end.Head.Status != machine.Succeeded {
				b.Error(end.Head.Status, err)
				return
			}
			if err := e.cfg.Store.Commit(ctx, &store.Batch{DropExecutions: []store.ID{s.ID}}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func make1K() []byte {
	b := make([]byte, 1000)
	for i := range b {
		b[i] = 'x'
	}
	return b
}
