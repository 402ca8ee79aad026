package store

import "context"

// Filling is a store that was made with a given Identity, to be filled with what
// another one holds. Until Filled has returned nil, its place is refused with
// [ErrIncomplete] by whoever opens it.
type Filling interface {
	Store
	// Filled says that the store is complete, durably.
	Filled(ctx context.Context) error
}

// A page of a dump ends with the row that makes it reach one of these.
const (
	pageRows  = 512
	pageBytes = 1 << 20
)

// Pages collects the rows of a dump and hands them on in pages. It belongs to one
// goroutine.
type Pages struct {
	Batch
	Visit func(*Batch) error

	rows, bytes int
}

// Added says that a row was added to the Batch, whose bodies have so many bytes.
// The page is handed on when it is full.
func (p *Pages) Added(bytes int) error {
	p.rows++
	if p.bytes += bytes; p.rows < pageRows && p.bytes < pageBytes {
		return nil
	}
	return p.End()
}

// End hands on what was collected, if there is anything.
func (p *Pages) End() error {
	if p.rows == 0 {
		return nil
	}
	err := p.Visit(&p.Batch)
	b := &p.Batch
	*b = Batch{
		Docs: b.Docs[:0], Definitions: b.Definitions[:0], Names: b.Names[:0], Executions: b.Executions[:0], Frames: b.Frames[:0],
		Jobs: b.Jobs[:0], Undos: b.Undos[:0], Events: b.Events[:0], Payloads: b.Payloads[:0],
		Messages: b.Messages[:0], Queue: b.Queue[:0], Index: b.Index[:0], Leases: b.Leases[:0],
	}
	p.rows, p.bytes = 0, 0
	return err
}
