package engine

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/embedded"
	"github.com/backstep/backstep/internal/value"
)

// On a real store, whose disk forgets what was not synced, everything that was
// acknowledged before the power went is there afterwards, and ends well.
func TestThePowerGoes(t *testing.T) {
	for round := range 8 {
		disk := vfs.NewCrashableMem()
		acked, left := untilThePowerGoes(t, disk, 10+20*round)
		if len(acked) == 0 {
			t.Errorf("round %d: nothing was acknowledged", round)
		}
		after := openDisk(t, left)
		e, _, _ := liveOn(t, after, saga(3), echo, nil)
		r := &rig{t: t, engine: e}
		for _, id := range acked {
			h, err := e.Wait(context.Background(), id, 1<<40, time.Minute)
			if err != nil || h.Head.Status != machine.Succeeded {
				t.Fatalf("round %d: an acknowledged execution is %v, %v", round, h.Head.Status, err)
			}
			r.wholeHistory(after, id)
		}
	}
}

func openDisk(t *testing.T, disk vfs.FS) *embedded.Store {
	t.Helper()
	s, err := embedded.Open("/var/lib/backstep", embedded.Options{FS: disk, Shards: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// untilThePowerGoes runs sagas. When that many calls have been made it tells
// which starts are acknowledged, and what is left on the disk; what happens
// afterwards nobody will read.
func untilThePowerGoes(t *testing.T, disk *vfs.MemFS, calls int) (acked []store.ID, left vfs.FS) {
	t.Helper()
	var mu sync.Mutex
	gone := make(chan struct{})
	e, m, _ := liveOn(t, openDisk(t, disk), saga(3), func(context.Context, integration.Task) (value.Text, error) {
		mu.Lock()
		defer mu.Unlock()
		if calls--; calls == 0 {
			left = disk.CrashClone(vfs.CrashCloneCfg{})
			close(gone)
		}
		return value.Checked(`{"ok":true}`), nil
	}, nil)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for {
				s, err := e.Start(context.Background(), StartRequest{Machine: m, Input: value.Checked(`{}`)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				over := calls <= 0
				if !over {
					acked = append(acked, s.ID)
				}
				mu.Unlock()
				if over {
					return
				}
			}
		})
	}
	<-gone
	all.Wait()
	return acked, left
}
