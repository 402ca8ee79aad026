package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// IndexSagas lists the executions that have sagas: of a machine, of all machines
// under "", and each of these by where the sagas stand, as [SagaValue]. Of the
// children of map runs it has only those that wait for a person. The rows of those
// that do, of all machines, have the machine's name as their body.
const IndexSagas = "sagas"

// SagaValue is the index value of the executions of a machine, or of all
// machines where its name is "", whose sagas stand so.
func SagaValue(machineName, status string) string { return machineName + ":" + status }

// lend reads what the machine asks for beside what is in memory.
func (e *Engine) lend(r *resident, d *machine.Delta) error {
	asked := &d.Recall
	if asked.All {
		rows, err := e.sagaLog(e.ctx, r.id)
		if err == nil {
			r.x.LendLog(rows)
		}
		return err
	}
	var rows []*machine.Undo
	for _, number := range asked.Undos {
		found, err := e.rowsBefore(r.id, number)
		if err != nil {
			return err
		}
		rows = append(rows, found...)
	}
	numbers := make([]uint32, len(asked.Payloads))
	for i, ref := range asked.Payloads {
		numbers[i] = uint32(ref)
	}
	texts := make(map[machine.Ref]value.Text, len(numbers))
	if len(numbers) > 0 {
		all, err := Texts(e.ctx, e.cfg.Store, r.id, numbers)
		if err != nil {
			return err
		}
		for i, ref := range asked.Payloads {
			texts[ref] = value.Checked(all[i])
		}
	}
	r.x.Lend(rows, texts)
	return nil
}

// rowsAtOnce is how many rows of a saga log are read where one is asked for: what
// is undone next is mostly the one before.
const rowsAtOnce = 8

// rowsBefore reads a row of a saga log with some of those before it.
func (e *Engine) rowsBefore(id store.ID, number uint32) ([]*machine.Undo, error) {
	first := number - min(number-1, rowsAtOnce-1)
	found, err := e.cfg.Store.Undos(e.ctx, id, first, int(number-first)+1)
	if err != nil {
		return nil, fmt.Errorf("row %d of the saga log of execution %s: %w", number, id, err)
	}
	var rows []*machine.Undo
	for i := range found {
		if found[i].Number > number {
			break
		}
		row, err := machine.Decode[machine.Undo](found[i].Body)
		if err != nil {
			return nil, fmt.Errorf("row %d of the saga log of execution %s: %w", found[i].Number, id, err)
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 || rows[len(rows)-1].Number != number {
		return nil, &brokenError{what: fmt.Sprintf("row %d of the saga log is missing", number)}
	}
	return rows, nil
}

// sagaLog reads all rows of an execution's saga log, by number.
func (e *Engine) sagaLog(ctx context.Context, id store.ID) (all []*machine.Undo, err error) {
	err = e.walkLog(ctx, id, 0, math.MaxUint32, e.cfg.Limits.Page, func(row *machine.Undo) bool {
		all = append(all, row)
		return true
	})
	return all, err
}

// saga keeps the lists of executions by where their sagas stand.
func (w *writer) saga(s *machine.Start, id store.ID, was, is string) {
	before, after := sagaLists(s, id, was), sagaLists(s, id, is)
	for _, k := range after {
		if slices.Contains(before, k) {
			continue
		}
		row := store.Index{IndexKey: k}
		if k.Value == SagaValue("", machine.SagaOnHold.String()) {
			row.Body = []byte(unlabelled(s.Machine))
		}
		w.b.Index = append(w.b.Index, row)
	}
	for _, k := range before {
		if !slices.Contains(after, k) {
			w.b.DropIndex = append(w.b.DropIndex, k)
		}
	}
}

// sagaLists are the places in lists of an execution whose sagas stand so. Children
// of a map run, which may be very many, are only listed where a person is waited
// for, with the machine that the Map is of.
func sagaLists(s *machine.Start, id store.ID, status string) []store.IndexKey {
	child := s.Map != nil
	if status == "" || child && status != machine.SagaOnHold.String() {
		return nil
	}
	var all []store.IndexKey
	for _, name := range [...]string{"", unlabelled(s.Machine)} {
		k := store.IndexKey{Tenant: Tenant(s.Account, s.Region), Index: IndexSagas, Start: s.At, ID: id}
		if !child {
			k.Value = name
			all = append(all, k)
		}
		k.Value = SagaValue(name, status)
		all = append(all, k)
	}
	return all
}

// unlabelled is the name of a machine without the label of the Map that it is of.
func unlabelled(machineName string) string {
	of, _, _ := strings.Cut(machineName, "/")
	return of
}

// Saga is all that is known of an execution's sagas at one moment.
type Saga struct {
	Standing
	Execution   *machine.Execution // of its payloads none is at hand
	Frames      []*machine.Frame   // of an execution that goes on, by number
	Program     *asl.Program       // nil where its definition is refused by now
	Quarantined string             // why it is, or ""
	Marked      bool               // it stands in [IndexQuarantined], too: it was quarantined, and can't just not be read
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
	if errors.Is(err, ErrNotFound) {
		return nil, err
	}
	if x == nil {
		return nil, fmt.Errorf("execution %s: %w", id, err)
	}
	program, err := e.cfg.Programs(ctx, x.Start.Definition)
	var refusal *asl.Refusal
	if err != nil && !errors.As(err, &refusal) {
		return nil, fmt.Errorf("execution %s: %w", id, err)
	}
	return &Saga{
		Standing: Standing{Start: x.Start, Head: x.Head}, Execution: x, Frames: inOrder(x.Frames), Program: program, Quarantined: held,
		Marked: hasJob(&loaded, heldMark),
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
	err := e.resolveFor(id, decided, nil)
	if !e.again(err) {
		return err
	}
	told, err := e.askFirst(ctx, id, resolution(orderResolve, decided))
	if err != nil {
		return err
	}
	return told.err()
}

func (e *Engine) resolveFor(id store.ID, decided machine.Resolution, by *ordered) error {
	done, err := e.turn(id, machine.Message{Kind: machine.Resolve, Resolution: &decided}, &rider{asked: true, order: by})
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
	err := e.compensateFor(id, nil)
	if !e.again(err) {
		return err
	}
	told, err := e.askFirst(ctx, id, order{What: orderCompensate})
	if err != nil {
		return err
	}
	return told.err()
}

func (e *Engine) compensateFor(id store.ID, by *ordered) error {
	reason := ""
	look := func(r *resident) bool {
		reason = r.x.Uncompensable()
		return reason == ""
	}
	if _, err := e.turn(id, machine.Message{Kind: machine.CompensateSagas}, &rider{before: look, asked: true, order: by}); err != nil {
		return err
	}
	if reason != "" {
		return &SagaError{reason}
	}
	return nil
}
