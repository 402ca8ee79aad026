package sweep

import (
	"slices"
	"strconv"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

func itoa(i int) string { return strconv.Itoa(i) }

// durable is what the commits have told so far: where the threads of the
// execution stand, which way its Choices went, and whether it has ended.
type durable struct {
	w       *world
	id      store.ID
	status  machine.Status
	error   string
	frames  map[frameKey]*machine.Frame
	within  map[frameKey]uint32 // the entry of its parent's state at which a thread began
	items   map[store.ID]int    // of the children of a distributed Map
	chosen  []choosing
	events  map[eventKey]happened
	came    map[eventKey]bool           // how a Parallel, Map or Saga ended that was entered by an event: well or not
	ended   map[store.ID]machine.Status // of the children of a distributed Map
	left    map[eventKey]string         // Choices that were left by an event
	entered map[string]int              // of each Choice
	told    map[string]bool             // Choices that will hear of a state that was entered
	holds   map[string]int              // by state
	express int                         // Express children heard of
}

type frameKey struct {
	id    store.ID
	frame machine.FrameID
}

type eventKey struct {
	id    store.ID
	event int64
}

// happened is an event of a history.
type happened struct {
	kind  machine.EventType
	prev  int64
	state string
	index int // of an item
}

// choosing is a Choice that was made.
type choosing struct {
	choice string
	entry  int // from 1
	way    int
	met    int // how many calls had been made by then
	wanted int // on the way back: the way that undoes what may have been done; -1: any
}

func newDurable(w *world) durable {
	return durable{w: w, frames: map[frameKey]*machine.Frame{}, within: map[frameKey]uint32{}, items: map[store.ID]int{},
		events: map[eventKey]happened{}, came: map[eventKey]bool{}, ended: map[store.ID]machine.Status{}, left: map[eventKey]string{}, entered: map[string]int{}, told: map[string]bool{}, holds: map[string]int{}}
}

// enter takes note of a commit that was made.
func (d *durable) enter(b *store.Batch) {
	for i := range b.Executions {
		d.execution(&b.Executions[i])
	}
	for i := range b.Frames {
		row := &b.Frames[i]
		if f, err := machine.Decode[machine.Frame](row.Body); err == nil {
			key := frameKey{row.ID, f.ID}
			if parent := d.frames[frameKey{row.ID, f.Parent}]; d.frames[key] == nil && parent != nil && f.ID != f.Parent {
				d.within[key] = parent.Entry
			}
			d.frames[key] = f
		}
	}
	for i := range b.Events {
		events, err := machine.Decode[machine.Events](b.Events[i].Body)
		if err != nil {
			d.w.broken("the history can't be read: " + err.Error())
			return
		}
		for j := range *events {
			d.event(b.Events[i].ID, &(*events)[j])
		}
	}
}

func (d *durable) execution(row *store.Execution) {
	if row.Start == nil {
		return
	}
	start, err := machine.Decode[machine.Start](row.Start)
	switch {
	case err != nil:
		d.w.broken("an execution can't be read: " + err.Error())
	case start.Name == "swept" && start.Map == nil:
		d.id, d.status = row.ID, machine.Running
	case !start.Lock:
		if start.Map != nil && start.Map.Item != nil {
			d.items[row.ID] = start.Map.Item.Index + 1
		}
	}
}

func (d *durable) event(id store.ID, e *machine.Event) {
	if choice, is := d.left[eventKey{id, e.Prev}]; is {
		delete(d.left, eventKey{id, e.Prev})
		d.chose(choice, e.State, d.itemOf(id, e.Prev))
	}
	d.events[eventKey{id, e.ID}] = happened{e.Type, e.Prev, e.State, e.Index}
	d.remark(e)
	switch e.Type {
	case machine.ParallelStateSucceeded, machine.MapStateSucceeded:
		d.over(id, e, true)
	case machine.ParallelStateFailed, machine.MapStateFailed:
		d.over(id, e, false)
	case machine.ChoiceStateExited:
		d.left[eventKey{id, e.ID}] = e.State
	case machine.ExecutionSucceeded:
		d.ends(id, machine.Succeeded, e)
	case machine.ExecutionFailed:
		d.ends(id, machine.Failed, e)
	case machine.ExecutionTimedOut:
		d.ends(id, machine.TimedOut, e)
	case machine.ExecutionAborted:
		d.ends(id, machine.Aborted, e)
	case machine.SagaHeld:
		d.w.attend(id, e)
	}
}

// remark notes that a state was entered of which a Choice will hear.
func (d *durable) remark(e *machine.Event) {
	for i := range d.w.saga.tells {
		if t := &d.w.saga.tells[i]; e.Type == machine.PassStateEntered && slices.Contains(t.States, e.State) {
			d.told[t.Choice] = true
		}
	}
}

// over notes how the Parallel, Map or Saga ended that an event speaks of: that
// whose Entered is the first on the way back that nothing has left since.
func (d *durable) over(id store.ID, e *machine.Event, well bool) {
	within, exited := 0, false
	for at := e.Prev; at != 0; {
		h := d.events[eventKey{id, at}]
		switch h.kind {
		case machine.ParallelStateExited, machine.MapStateExited:
			within++
		case machine.ParallelStateFailed, machine.MapStateFailed:
			if !exited { // else its Exited was counted
				within++
			}
		case machine.ParallelStateEntered, machine.MapStateEntered:
			if within == 0 {
				d.came[eventKey{id, at}] = well
				d.w.joined(eventKey{id, at}, d.w.runs.States[h.state], well)
				return
			}
			within--
		}
		exited = h.kind == machine.ParallelStateExited || h.kind == machine.MapStateExited
		at = h.prev
	}
}

func (d *durable) ends(id store.ID, s machine.Status, e *machine.Event) {
	if id != d.id {
		d.ended[id] = s
		return
	}
	d.status = s
	if e.Error != nil {
		d.error = *e.Error
	}
}

// chose notes where a Choice went, of an item or of none.
func (d *durable) chose(choice, next string, item int) {
	d.entered[choice]++
	for way, target := range d.w.saga.targets[choice] {
		if target == next {
			d.chosen = append(d.chosen, choosing{choice, d.entered[choice], way, len(d.w.met), d.w.wanted(choice, way, item)})
			delete(d.told, choice)
			d.w.refused(choice, next)
			d.w.settled(choice, next)
			return
		}
	}
}

// place is a place around a step: a thread, and which entry of a state it was at.
type place struct {
	frame   machine.FrameID
	entry   uint32
	entered int64 // the event of that
	scoped  bool  // the thread is that of a Saga state
	item    bool  // … of an item
}

// lineage is where a step stood: the threads around it from the machine's own
// on.
type lineage []place

// lineageOf is that of an entry of a state, and the item that it is of: of a Map
// in a Map they are counted through; nil where no thread stands there.
func (d *durable) lineageOf(id store.ID, entry uint32) (line lineage, item int) {
	for key, f := range d.frames {
		if key.id != id || f.Entry != entry {
			continue
		}
		count := 1
		for {
			line = append(lineage{{f.ID, f.Entry, f.EnteredEvent, f.Kind == machine.Scoped, f.Kind == machine.Item}}, line...)
			if f.Kind == machine.Item {
				item, count = item+f.Index*count, count*d.w.saga.mostItems()
			}
			if f.Kind == machine.Root || f.Kind == machine.Aside {
				break
			}
			f = d.frames[frameKey{id, f.Parent}]
			if f == nil {
				break
			}
		}
		if child := d.items[id]; child > 0 {
			item, count = item+(child-1)*count, 0
		}
		if count == 1 {
			return line, 0
		}
		return line, item + 1
	}
	return nil, 0
}

// itemOf is the item that an event is of, counted as lineageOf does; 0: of none.
func (d *durable) itemOf(id store.ID, at int64) int {
	item, count, over := 0, 1, 0
	for at != 0 {
		h := d.events[eventKey{id, at}]
		switch {
		case h.kind == machine.MapStateExited:
			over++
		case h.kind == machine.MapStateEntered && over > 0:
			over--
		case h.kind == machine.MapIterationStarted && over == 0:
			item, count = item+h.index*count, count*d.w.saga.mostItems()
		}
		at = h.prev
	}
	if child := d.items[id]; child > 0 {
		return item + (child-1)*count + 1
	}
	if count == 1 {
		return 0
	}
	return item + 1
}

// before reports whether a step was done before another of the same sequence:
// where their ways part, it is the earlier one. Steps of two branches are in no
// order.
func (a lineage) before(b lineage) bool {
	for i := range a {
		if i == len(b) || a[i].frame != b[i].frame {
			return false
		}
		if a[i].entry != b[i].entry {
			return a[i].entry < b[i].entry
		}
	}
	return false
}

// holds reports whether a step stands in the item of another one, or in a Map
// within that.
func (a lineage) holds(b lineage) bool {
	for _, at := range slices.Backward(a) {
		if at.item {
			return slices.ContainsFunc(b, func(p place) bool { return p.frame == at.frame })
		}
	}
	return false
}
