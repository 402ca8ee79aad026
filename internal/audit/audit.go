// Package audit knows what must hold of all that an engine's store holds, and tells
// what does not: that every record can be read, that histories have no gap, that
// whoever waits waits for something that is there, and that what is found by lists,
// names, queues and timers is there, and back. It refuses to know how a store keeps
// things, and changes nothing. The simulator asks the same of each execution after
// each commit as fsck asks of a store at rest.
//
// Read standing.go and saga.go (one execution between two turns), audit.go (a
// store), gather.go and execution.go (its executions, row by row), places.go (what leads to
// them).
package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/store"
)

// Finding is something that does not hold.
type Finding struct {
	Place string // which record, or whose
	What  string
	Do    string // what to do about it
}

// Config is what an audit needs.
type Config struct {
	Store store.Store
	// Doc reads a document, but for those that nodes have for one another, and gives the hashes of the definitions that must be
	// there for it.
	Doc func(store.Doc) ([]store.Hash, error)
	// Programs finds a definition's program. nil: the store's text is compiled.
	Programs func(context.Context, store.Hash) (*asl.Program, error)
	// Report hears of each finding.
	Report func(Finding)
	// Progress hears of each execution that was looked at, if not nil.
	Progress func(Counts)
}

// Counts are what an audit has looked at.
type Counts struct {
	Documents, Definitions, Executions, Running, Quarantined, Locks, Events, Payloads, Jobs, Messages, Queued, Listed int

	Findings int
}

// What to do, by what is wrong.
const (
	doRestore    = "restore a backup: backstep restore FILE --data DIR"
	doQuarantine = "the server holds this one execution for a person and goes on with all others (backstep hold list); restore a backup to have it back"
	doLists      = "what is affected is not found, or found in vain; executions are not: restore a backup, or leave it"
	doWait       = "it waits for ever: stop it (backstep stop), or restore a backup"
)

// Run reads every row of a store as of one moment, and reports what does not hold. An
// error is one of the store, or of the context; what was found does not count as one.
func Run(ctx context.Context, c Config) (Counts, error) {
	if c.Programs == nil {
		c.Programs = engine.Programs(c.Store, 256)
	}
	a := &auditor{Config: c, ctx: ctx, identity: c.Store.Identity(), awaited: map[store.JobKey]string{}, telling: map[store.JobKey]bool{},
		away: map[store.JobKey]Finding{}, answered: map[store.JobKey]bool{}}
	if err := a.pass(); err != nil {
		return a.counts, err
	}
	a.nested()
	a.unanswered()
	some, left := a.places.look(mostLooked)
	if !some {
		return a.counts, nil
	}
	if err := a.pass(); err != nil {
		return a.counts, err
	}
	a.misplaced(left)
	return a.counts, nil
}

// auditor is one going through a store.
type auditor struct {
	Config
	ctx      context.Context
	identity store.Identity
	counts   Counts
	places   places
	gathered gathered

	// Nested executions that somebody waits for, and those that still have to tell.
	awaited map[store.JobKey]string
	telling map[store.JobKey]bool

	// Jobs without a row that somebody waits for, and those whose answers lie in an
	// inbox.
	away     map[store.JobKey]Finding
	answered map[store.JobKey]bool
}

func (a *auditor) find(place, what, do string) {
	if a.places.differences != nil { // it was told in the first pass
		return
	}
	a.counts.Findings++
	a.Report(Finding{place, what, do})
}

// pass goes through the store: the second time for the differences of places alone.
func (a *auditor) pass() error {
	err := a.Store.Dump(a.ctx, a.page, func(err error) error {
		a.find("the store", err.Error(), doRestore)
		return nil
	})
	if err != nil {
		return err
	}
	return a.endExecution()
}

// misplaced tells of the places that a second pass has found, and of the parts of all
// places that it did not look at.
func (a *auditor) misplaced(left int) {
	differences := a.places.differences
	a.places.differences = nil
	for _, p := range slices.SortedFunc(maps.Keys(differences), func(p, q place) int { return strings.Compare(differences[p], differences[q]) }) {
		a.find(differences[p], p.wrong(), doLists)
	}
	if left > 0 {
		a.find("names, lists and queues", fmt.Sprintf("there are more such places than were looked at one by one: in %d parts of %d", left, parts), doLists)
	}
}

func (a *auditor) page(b *store.Batch) error {
	for i := range b.Docs {
		if err := a.doc(&b.Docs[i]); err != nil {
			return err
		}
	}
	for i := range b.Definitions {
		a.definition(&b.Definitions[i])
	}
	for i := range b.Names {
		a.name(&b.Names[i])
	}
	if err := a.executions(b); err != nil {
		return err
	}
	if len(b.Messages)+len(b.Queue)+len(b.Index)+len(b.Leases) == 0 {
		return nil
	}
	if err := a.endExecution(); err != nil {
		return err
	}
	return a.lists(b)
}

func (a *auditor) doc(d *store.Doc) error {
	a.count(&a.counts.Documents)
	if d.Tenant == "" { // nodes have it for one another: it goes by itself
		return nil
	}
	place := fmt.Sprintf("document %s %q of %s", d.Kind, d.Name, d.Tenant)
	hashes, err := a.Doc(*d)
	if err != nil {
		a.find(place, err.Error(), doRestore)
	}
	for _, hash := range hashes {
		_, err := a.Store.Definition(a.ctx, hash)
		if errors.Is(err, store.ErrNotFound) {
			a.find(place, fmt.Sprintf("its definition %x is not there", hash[:8]), doRestore)
		} else if err := untold(err); err != nil {
			return err
		}
	}
	return nil
}

// untold is the error of a read, but where the dump tells of it: a row that is not
// there, or is damaged. All else, such as a connection that is lost, ends the audit,
// which would else say of something that it does not hold, or nothing.
func untold(err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDamaged) {
		return nil
	}
	return err
}

func (a *auditor) definition(d *store.Definition) {
	a.count(&a.counts.Definitions)
	if sum := sha256.Sum256(d.Body); !bytes.Equal(sum[:], d.Hash[:]) {
		a.find(fmt.Sprintf("definition %x", d.Hash[:8]), fmt.Sprintf("its text has the hash %x", sum[:8]), doRestore)
	}
}

// count counts in the first pass alone.
func (a *auditor) count(n *int) {
	if a.places.differences == nil {
		*n++
	}
}
