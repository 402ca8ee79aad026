package storetest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/store"
)

// Dump implements store.Store. All pages are made before the first is visited.
func (s *Session) Dump(ctx context.Context, visit func(*store.Batch) error, _ func(error) error) error {
	pages, err := s.pages(ctx)
	for i := 0; i < len(pages) && err == nil; i++ {
		if err = ctx.Err(); err == nil {
			err = visit(&pages[i])
		}
	}
	return err
}

func (s *Session) pages(ctx context.Context) (all []store.Batch, err error) {
	r, done, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	p := &store.Pages{Visit: func(b *store.Batch) error {
		all = append(all, *b)
		*b = store.Batch{} // its rows are kept
		return nil
	}}
	r.dumpDocuments(p)
	for _, id := range slices.SortedFunc(maps.Keys(r.executions), compareIDs) {
		r.executions[id].dump(p, id)
	}
	r.dumpLists(p)
	return all, p.End()
}

func (r *rows) dumpDocuments(p *store.Pages) {
	for _, d := range r.docs.all() {
		p.Docs = append(p.Docs, d)
		p.Added(len(d.Body))
	}
	for _, hash := range slices.SortedFunc(maps.Keys(r.definitions), func(a, b store.Hash) int { return bytes.Compare(a[:], b[:]) }) {
		p.Definitions = append(p.Definitions, store.Definition{Hash: hash, Body: r.definitions[hash]})
		p.Added(len(r.definitions[hash]))
	}
	for _, k := range slices.SortedFunc(maps.Keys(r.names), compareNames) {
		p.Names = append(p.Names, store.Name{NameKey: k, ID: r.names[k]})
		p.Added(0)
	}
}

func compareNames(a, b store.NameKey) int {
	return cmp.Or(cmp.Compare(a.Shard, b.Shard), strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.Machine, b.Machine), strings.Compare(a.Name, b.Name))
}

func (x *execution) dump(p *store.Pages, id store.ID) {
	if x.there {
		p.Executions = append(p.Executions, store.Execution{ID: id, Start: x.start, Body: x.body})
		p.Added(len(x.start) + len(x.body))
	}
	for n, body := range x.frames.all() {
		p.Frames = append(p.Frames, store.Frame{ID: id, Number: n, Body: body})
		p.Added(len(body))
	}
	for _, j := range x.jobs.all() {
		p.Jobs = append(p.Jobs, j)
		p.Added(len(j.Body))
	}
	for n, body := range x.undos.all() {
		p.Undos = append(p.Undos, store.Undo{ID: id, Number: n, Body: body})
		p.Added(len(body))
	}
	for first, body := range x.events.all() {
		p.Events = append(p.Events, store.Events{ID: id, First: first, Body: body})
		p.Added(len(body))
	}
	for n, body := range x.payloads.all() {
		p.Payloads = append(p.Payloads, store.Payload{ID: id, Number: n, Body: body})
		p.Added(len(body))
	}
}

func (r *rows) dumpLists(p *store.Pages) {
	for _, m := range r.messages.all() {
		p.Messages = append(p.Messages, m)
		p.Added(len(m.Body))
	}
	for k, body := range r.queue.all() {
		p.Queue = append(p.Queue, store.Queued{QueuedKey: k, Body: body})
		p.Added(len(body))
	}
	for k, body := range r.index.all() {
		p.Index = append(p.Index, store.Index{IndexKey: k, Body: body})
		p.Added(len(body))
	}
	for _, l := range r.leases.all() {
		p.Leases = append(p.Leases, l)
		p.Added(len(l.Body))
	}
}
