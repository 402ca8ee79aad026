package engine

import (
	"runtime/debug"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/value"
)

// Telling is what one turn of an execution did, for who tells the outside of
// it. It is durable by then; of an express execution, which nothing is kept of,
// it is decided. All in it is shared and must not be changed; it is good until
// Config.Tell returns.
type Telling struct {
	Start  *machine.Start
	Was    machine.Status  // before the turn; 0 where the execution began with it
	Head   machine.Head    // as it is now
	Events []machine.Event // in order, perhaps none

	payloads map[machine.Ref]value.Text // that were there before the turn
	first    machine.Ref                // number of the first of added
	added    []value.Text
	quotas   machine.Limits
}

// NotRedrivable says in the service's words why the execution can't be redriven
// as a head has it, "" where it can.
func (t *Telling) NotRedrivable(h *machine.Head) string {
	return h.NotRedrivable(t.Start, t.quotas, h.Now)
}

// ByMapRun reports whether the execution can be redriven by its map run as a head
// has it.
func (t *Telling) ByMapRun(h *machine.Head) bool { return h.ByMapRun(t.Start, t.quotas, h.Now) }

// Text is a payload that an event of the turn, or the head, refers to. It is
// the zero Text where that is no longer in memory.
func (t *Telling) Text(r machine.Ref) value.Text {
	if i := int64(r) - int64(t.first); i >= 0 && i < int64(len(t.added)) {
		return t.added[i]
	}
	return t.payloads[r]
}

// report tells of a delta that is durable and not yet applied.
func (e *Engine) report(r *resident, d *machine.Delta) {
	if e.cfg.Tell == nil {
		return
	}
	defer func() { // who is told has no part in the execution
		if p := recover(); p != nil {
			e.cfg.Log.Error("a turn can't be told of", "execution", r.x.Start.ExecutionARN(), "reason", p, "stack", string(debug.Stack()))
		}
	}()
	e.cfg.Tell(&Telling{
		Start: &r.x.Start, Was: r.x.Head.Status, Head: *d.Head, Events: d.Events,
		payloads: r.x.Payloads, first: r.x.Head.LastPayload + 1, added: d.Payloads, quotas: e.cfg.Quotas,
	})
}
