package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// IndexSagas lists the executions that have sagas: of a machine, the children of
// its distributed Maps among them, of all machines under "", and each of these
// by where the sagas stand, as [SagaValue].
const IndexSagas = "sagas"

// SagaValue is the index value of the executions of a machine, or of all
// machines where its name is "", whose sagas stand so.
func SagaValue(machineName, status string) string { return machineName + ":" + status }

// lend reads what the machine asks for beside what is in memory.
func (e *Engine) lend(r *resident, asked *machine.Recall) error {
	if asked.All {
		rows, err := e.sagaLog(e.ctx, r.id)
		if err == nil {
			r.x.LendLog(rows)
		}
		return err
	}
	var rows []*machine.Undo
	for _, number := range asked.Undos {
		found, err := e.cfg.Store.Undos(e.ctx, r.id, number, 1)
		if err != nil {
			return fmt.Errorf("row %d of the saga log of execution %s: %w", number, r.id, err)
		}
		if len(found) == 0 || found[0].Number != number {
			return &brokenError{what: fmt.Sprintf("row %d of the saga log is missing", number)}
		}
		row, err := machine.DecodeUndo(found[0].Body)
		if err != nil {
			return fmt.Errorf("row %d of the saga log of execution %s: %w", number, r.id, err)
		}
		rows = append(rows, row)
	}
	texts := make(map[machine.Ref]value.Text, len(asked.Payloads))
	for _, ref := range asked.Payloads {
		text, err := Texts(e.ctx, e.cfg.Store, r.id, []uint32{uint32(ref)})
		if err != nil {
			return fmt.Errorf("payload %d of execution %s: %w", ref, r.id, err)
		}
		texts[ref] = value.Checked(text[0])
	}
	r.x.Lend(rows, texts)
	return nil
}

// sagaLog reads all rows of an execution's saga log, by number.
func (e *Engine) sagaLog(ctx context.Context, id store.ID) ([]*machine.Undo, error) {
	var all []*machine.Undo
	for from := uint32(0); ; {
		page, err := e.cfg.Store.Undos(ctx, id, from, e.cfg.Limits.Page)
		if err != nil {
			return nil, fmt.Errorf("saga log of execution %s: %w", id, err)
		}
		for i := range page {
			row, err := machine.DecodeUndo(page[i].Body)
			if err != nil {
				return nil, fmt.Errorf("row %d of the saga log of execution %s: %w", page[i].Number, id, err)
			}
			all = append(all, row)
		}
		if len(page) < e.cfg.Limits.Page {
			return all, nil
		}
		from = page[len(page)-1].Number + 1
	}
}

// saga keeps the lists of executions by where their sagas stand.
func (w *writer) saga(s *machine.Start, id store.ID, was, is string) {
	eachSagaList(s, id, func(k store.IndexKey) {
		name := k.Value
		if was == "" {
			w.b.Index = append(w.b.Index, store.Index{IndexKey: k})
		} else {
			k.Value = SagaValue(name, was)
			w.b.DropIndex = append(w.b.DropIndex, k)
		}
		k.Value = SagaValue(name, is)
		w.b.Index = append(w.b.Index, store.Index{IndexKey: k})
	})
}

// eachSagaList visits the lists by sagas that an execution is in, its place in
// each.
func eachSagaList(s *machine.Start, id store.ID, visit func(k store.IndexKey)) {
	of, _, _ := strings.Cut(s.Machine, "/") // without the label of the Map that it is a child of
	for _, name := range [...]string{"", of} {
		visit(store.IndexKey{Tenant: Tenant(s.Account, s.Region), Index: IndexSagas, Value: name, Start: s.At, ID: id})
	}
}

// Saga is all that is known of an execution's sagas at one moment.
type Saga struct {
	Standing
	Execution   *machine.Execution // of its payloads none is at hand
	Frames      []*machine.Frame   // of an execution that goes on, by number
	Program     *asl.Program       // nil where its definition is refused by now
	Quarantined string             // why it is, or ""
	Log         []*machine.Undo    // by number: steps in the order in which they were started, then sagas
}

// Saga reads an execution with its saga log, or ErrNotFound.
func (e *Engine) Saga(ctx context.Context, id store.ID) (*Saga, error) {
	for tries := 1; ; tries++ {
		s, err := e.Holding(ctx, id)
		if err != nil {
			return nil, err
		}
		if s.Log, err = e.sagaLog(ctx, id); err != nil {
			return nil, err
		}
		_, now, err := e.Execution(ctx, id)
		if err != nil {
			return nil, err
		}
		if tries == maxTries || now.LastJob == s.Head.LastJob && now.LastEvent == s.Head.LastEvent {
			return s, nil
		}
	}
}

// Holding is Saga without the log.
func (e *Engine) Holding(ctx context.Context, id store.ID) (*Saga, error) {
	loaded, err := e.cfg.Store.Load(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("load execution %s: %w", id, err)
	}
	x, held, err := readExecution(&loaded)
	if err != nil {
		return nil, err
	}
	program, err := e.cfg.Programs(ctx, x.Start.Definition)
	var refusal *asl.Refusal
	if err != nil && !errors.As(err, &refusal) {
		return nil, fmt.Errorf("execution %s: %w", id, err)
	}
	return &Saga{
		Standing: Standing{Start: x.Start, Head: x.Head}, Execution: x, Frames: inOrder(x.Frames), Program: program, Quarantined: held,
	}, nil
}

// inOrder are the rows of a map in the order of their numbers.
func inOrder[K ~uint32, V any](rows map[K]*V) []*V {
	all := make([]*V, 0, len(rows))
	for _, number := range slices.Sorted(maps.Keys(rows)) {
		all = append(all, rows[number])
	}
	return all
}

// Resolve takes a person's decision about a hold, or about a saga, to its
// execution, and returns once that is durable. One that does not fit, or comes
// after another, is a *SagaError.
func (e *Engine) Resolve(ctx context.Context, id store.ID, decided machine.Resolution) error {
	done, err := e.turn(id, machine.Message{Kind: machine.Resolve, Resolution: &decided}, nil)
	if err == nil && !done.changed {
		return &SagaError{"There is no such hold any more, or it can not be resolved in that way"}
	}
	return err
}

// Compensate undoes the sagas of an execution: of one that runs as Stop does, of
// one that has ended by its saga log. It returns once the plan is durable; what
// is undone already, or being undone, stays so. A saga that can't go back is a
// *SagaError.
func (e *Engine) Compensate(ctx context.Context, id store.ID) error {
	reason := ""
	look := func(r *resident) bool {
		reason = r.x.Uncompensable()
		return reason == ""
	}
	if _, err := e.turn(id, machine.Message{Kind: machine.CompensateSagas}, &rider{before: look}); err != nil {
		return err
	}
	if reason != "" {
		return &SagaError{reason}
	}
	return nil
}
