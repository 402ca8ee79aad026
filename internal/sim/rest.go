package sim

import (
	"context"

	"github.com/backstep/backstep/internal/audit"
	"github.com/backstep/backstep/internal/store"
)

// auditStore holds the whole store, as it stands now, to what fsck holds one at rest
// to: I2 of every history, I9 of whoever waits, and that lists, names and queues lead
// to what is there, and back. It reads everything, so it is done in one world of four.
func (w *world) auditStore() {
	if w.trace.hash%4 != 0 {
		return
	}
	_, err := audit.Run(context.Background(), audit.Config{
		Store: w.reader, Programs: w.program, Doc: func(store.Doc) ([]store.Hash, error) { return nil, nil },
		Report: func(f audit.Finding) { w.fail("I9", store.ID{}, "the store at rest: "+f.Place+": "+f.What) },
	})
	if err != nil {
		w.fail("I9", store.ID{}, "the store can't be audited: "+err.Error())
	}
}
