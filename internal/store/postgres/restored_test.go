package postgres

import (
	"errors"
	"testing"

	"github.com/backstep/backstep/internal/store"
)

// TestRestored: who opens a database that was restored finds the next restore epoch,
// and no node of before has a lease of it, nor of the future that was taken back.
func TestRestored(t *testing.T) {
	place := newSchema(t)
	s := place.store(t)
	defer s.Close()
	if err := s.Commit(t.Context(), &store.Batch{Leases: []store.Lease{{Shard: 1, Epoch: 7, Node: "n", Expires: 1 << 50}, {Shard: 2, Epoch: 1}}}); err != nil {
		t.Fatal(err)
	}
	for time := uint32(1); time <= 2; time++ {
		epoch, err := s.Restored(t.Context())
		if err != nil || epoch != time || s.Identity().RestoreEpoch != time {
			t.Fatalf("restore epoch %d, %v, %+v, want %d", epoch, err, s.Identity(), time)
		}
		again := place.store(t)
		defer again.Close()
		leases, err := again.Leases(t.Context())
		if err != nil || len(leases) != 2 || again.Identity().RestoreEpoch != time {
			t.Fatalf("%v, %v, %+v", leases, err, again.Identity())
		}
		for i, was := range []uint64{7, 1} {
			if l := leases[i]; l.Epoch != was+uint64(time)*store.RestoredEpochs || l.Expires != 0 {
				t.Errorf("restored %d times: %+v", time, l)
			}
		}
		for later := uint64(7); later < 10; later++ {
			b := payload(1, 1)
			b.Fence = &store.Fence{Shard: 1, Epoch: later}
			if err := again.Commit(t.Context(), b); !errors.Is(err, store.ErrFenced) {
				t.Errorf("a commit of epoch %d: %v", later, err)
			}
		}
	}
}
