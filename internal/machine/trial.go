package machine

import (
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// Trial is what one state is tried out with, alone: what stands for the world
// around it, and who is shown what it makes on its way.
type Trial struct {
	State   string      // its name; what it leads to is not shown
	Context value.Value // stands for the context object

	// Mocked says that Failure, or else Result, stands for the work of a Task, a
	// Parallel or a Map.
	Mocked  bool
	Result  value.Text
	Failure *Failure
	Lost    int64 // how many of a Map's iterations failed
	// Read is what a Map's ItemReader, its expressions evaluated, has read: an array
	// or an object. nil: the Map goes through what it has.
	Read func(reader value.Value) (value.Value, *Failure)

	Show   func(stage string, v value.Text) // each as often as it is reached: the last counts
	Failed func(Failure)                    // the state's work failed, whatever becomes of that
}

// The stages that are shown, by their names in the API's InspectionData, and
// what its errorDetails tell.
const (
	AfterInputPath             = "afterInputPath"
	AfterParameters            = "afterParameters"
	AfterArguments             = "afterArguments"
	AfterItemsPath             = "afterItemsPath"
	AfterItemsPointer          = "afterItemsPointer"
	AfterItemSelector          = "afterItemSelector"
	AfterItemBatcher           = "afterItemBatcher"
	WorkResult                 = "result"
	AfterResultSelector        = "afterResultSelector"
	AfterResultPath            = "afterResultPath"
	MaxConcurrency             = "maxConcurrency"
	ToleratedFailureCount      = "toleratedFailureCount"
	ToleratedFailurePercentage = "toleratedFailurePercentage"
	IterationCount             = "iterationCount" // the API has none
	RetryIndex                 = "retryIndex"
	RetryBackoff               = "retryBackoffIntervalSeconds"
	CatchIndex                 = "catchIndex"
)

// OnTrial is an execution in which one state of the program, that of the name,
// is about to do its work, with so many attempts behind it as the retries used
// tell. It goes on by the message that Fired the job 1.
func (s Start) OnTrial(state string, input value.Text, variables []value.Member, retries []uint32) *Execution {
	h := Head{Status: Running, Now: s.At, LastEvent: 2, Entries: 1, LastPayload: 1, LastJob: 1, Input: 1}
	root := &Frame{State: state, Phase: Retrying, Input: 1, Entry: 1, Entered: s.At, EnteredEvent: 2, Job: 1, effort: effort{Prev: 2, Retries: retries}}
	texts := map[Ref]value.Text{1: input}
	for _, v := range variables {
		h.LastPayload++
		texts[h.LastPayload] = v.Value.Text()
		h.Variables += texts[h.LastPayload].Len()
		root.Variables = append(root.Variables, binding{v.Name, h.LastPayload})
	}
	x := Restore(s, h, []*Frame{root}, []*Job{{ID: 1, Kind: Timer, State: state, Entry: 1, Due: s.At}})
	x.Payloads = texts
	return x
}

// show tells who tries the state out what it has made.
func (sc *scope) show(at string, d datum) {
	tr := sc.turn.env.Trial
	switch {
	case tr == nil || tr.State != sc.state.Name:
	case d.ref != 0:
		tr.Show(at, sc.turn.text(d.ref))
	default:
		tr.Show(at, sc.turn.look(&d).Text())
	}
}

func (sc *scope) showInt(at string, n int64) {
	if sc.turn.env.Trial != nil {
		sc.show(at, datum{tree: value.NewInt(n)})
	}
}

// mock is what stands for the state's work; nil: nothing does.
func (t *turn) mock() *Trial {
	if t.env.Trial == nil || !t.env.Trial.Mocked {
		return nil
	}
	return t.env.Trial
}

// mocked ends the state's work by what stands for it.
func (t *turn) mocked(sc *scope, m *Trial) *fault {
	if m.Failure != nil {
		fl := given(m.Failure)
		fl.fatal = fl.Error != nil && *fl.Error == errRuntime
		fl.timeout = fl.Error != nil && *fl.Error == errTimeout
		return fl
	}
	t.complete(sc.frame, sc.state, datum{ref: t.payload(m.Result, value.Value{})})
	return nil
}

// readMap is what a Map's ItemReader has read.
func (t *turn) readMap(sc *scope, m *Trial) (items datum, fl *fault) {
	if fl := sc.narrow(); fl != nil {
		return items, fl
	}
	var reader value.Value
	if s := sc.state; s.Map.ItemReader != nil {
		if reader, fl = sc.part(s.Map.ItemReader); fl != nil {
			return items, fl
		}
	}
	read, failed := m.Read(reader)
	if failed != nil {
		return items, given(failed)
	}
	items = datum{tree: read}
	if reader.Get("ReaderConfig").Has("ItemsPointer") {
		sc.show(AfterItemsPointer, items)
	}
	return items, nil
}

// mockedMap ends a Map's work by what stands for it, with all that comes before
// its iterations shown.
func (t *turn) mockedMap(sc *scope, m *Trial, items datum) *fault {
	s := sc.state
	most, _, fl := sc.integer(&s.Map.MaxConcurrency, 0)
	if fl != nil {
		return fl
	}
	sc.showInt(MaxConcurrency, most)
	if s.Language == asl.JSONPath {
		sc.show(AfterItemsPath, items)
	}
	made, fl := t.selected(sc, items)
	if fl != nil {
		return fl
	}
	if s.Map.ItemSelector != nil {
		sc.show(AfterItemSelector, datum{tree: value.NewArray(made)})
	}
	if s.Map.ItemBatcher != nil {
		batcher, fl := sc.part(s.Map.ItemBatcher)
		if fl != nil {
			return fl
		}
		made = batches(batcher, made, t.env.Limits.Payload)
		sc.show(AfterItemBatcher, datum{tree: value.NewArray(made)})
	}
	count := int64(len(made))
	sc.showInt(IterationCount, count)
	tolerates, fl := sc.tolerates(m.Lost, count)
	if fl != nil {
		return fl
	}
	if m.Failure == nil && !tolerates {
		return newFault(errThreshold, "The specified tolerated failure threshold was exceeded")
	}
	return t.mocked(sc, m)
}

// tolerates reports whether a Map goes on although so many of its iterations failed:
// one that says nothing of it does.
func (sc *scope) tolerates(lost, iterations int64) (bool, *fault) {
	fields := sc.state.Map
	most, counted, fl := sc.tolerated(&fields.ToleratedFailureCount)
	if fl != nil {
		return false, fl
	}
	if counted {
		sc.showInt(ToleratedFailureCount, int64(most))
	}
	percent, shared, fl := sc.tolerated(&fields.ToleratedFailurePercentage)
	if fl != nil {
		return false, fl
	}
	if shared {
		sc.show(ToleratedFailurePercentage, datum{tree: value.NewFloat(percent)})
	}
	return (!counted || float64(lost) <= most) && (!shared || float64(lost)*100 <= percent*float64(iterations)), nil
}

// selected is what each item is as its iteration's input: what the ItemSelector
// makes of it, if there is one.
func (t *turn) selected(sc *scope, items datum) ([]value.Value, *fault) {
	all := t.look(&items)
	made := make([]value.Value, all.Len())
	for i := range made {
		it := item{index: i, value: all.At(i)}
		if all.Kind() == value.Object {
			it.key, it.keyed = all.NameAt(i), true
		}
		in, fl := t.selectItem(sc.frame, sc.state, &it, sc.before)
		if fl != nil {
			return nil, fl
		}
		made[i] = t.look(&in)
	}
	return made, nil
}
