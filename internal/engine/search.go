package engine

import (
	"slices"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// IndexAttribute is the list of the executions that have a search attribute of
// that name, whatever their machine; value: the attribute's text. Its items name
// their machine.
func IndexAttribute(name string) string { return "attribute:" + name }

// attributes keeps the lists by search attribute. A row moves where the value
// has changed; where what lists show has, each is put anew.
func (w *writer) attributes(r *resident, h *machine.Head) {
	was, now := r.x.Head.Search, h.Search
	shown := r.x.Head.Status != h.Status || r.x.Head.Redrives != h.Redrives
	if len(was)+len(now) == 0 || !shown && slices.Equal(was, now) {
		return
	}
	s := &r.x.Start
	at := len(w.bytes)
	item := itemOf(s, h)
	item.Machine = s.Machine
	w.bytes = item.append(w.bytes)
	body := w.body(at)
	for _, a := range now {
		if shown || !slices.Contains(was, a) {
			w.b.Index = append(w.b.Index, store.Index{IndexKey: attributeKey(s, r.id, a), Body: body})
		}
	}
	for _, a := range was {
		if !slices.Contains(now, a) {
			w.b.DropIndex = append(w.b.DropIndex, attributeKey(s, r.id, a))
		}
	}
}

// attributeKey is where an execution stands in the list by that attribute.
func attributeKey(s *machine.Start, id store.ID, a machine.Attribute) store.IndexKey {
	return store.IndexKey{Tenant: Tenant(s.Account, s.Region), Index: IndexAttribute(a.Name), Value: a.Value, Start: s.At, ID: id}
}
