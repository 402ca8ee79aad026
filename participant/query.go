package participant

import (
	"context"
	"encoding/json"
	"fmt"
)

// Fate is what became of a step, in the shape in which a state's "Query" wants it.
type Fate struct {
	Outcome string          `json:"Outcome"`          // Succeeded, Failed or Unknown
	Output  json.RawMessage `json:"Output,omitempty"` // of a step that succeeded: the body it was answered with, as JSON or as a string
}

// The outcomes of a step.
const (
	Succeeded = "SUCCEEDED" // it was done, and has not been undone
	Failed    = "FAILED"    // it has not been done, and never will be
	Unknown   = "UNKNOWN"   // it was done, and undone since
)

// Query tells what became of the forward call that the call names. It waits for one
// that is under way. What it says stays true: where the step has not been done, it
// leaves a mark in the same transaction, and a forward call that comes later is
// refused by [ErrHanging], under whichever key of the step. Of a step that was another
// one it tells nothing: [ErrKeyReused].
//
// An error says that the service can't tell now.
func (b *Barrier) Query(ctx context.Context, c Call) (Fate, error) {
	if c.Operation != Query {
		return Fate{}, badCall(HeaderOperation, "%q is no query", cut(string(c.Operation)))
	}
	if err := c.check(); err != nil {
		return Fate{}, err
	}
	tx, p, err := b.begin(ctx, c)
	if err != nil {
		return Fate{}, err
	}
	defer tx.Rollback()
	if err := p.reused(c); err != nil {
		return Fate{}, err
	}
	switch done := p.done(Forward); {
	case done != nil && p.did(Compensate):
		return Fate{Outcome: Unknown}, nil
	case done != nil:
		return Fate{Succeeded, output(done.answer.Body)}, nil
	case p.toldFailed():
		return Fate{Outcome: Failed}, nil
	}
	mark := Call{Key: c.Step() + ":query", Operation: Query, ForwardKey: c.ForwardKey, State: c.State, Subject: c.Subject}
	if _, err := b.keep(ctx, tx, mark, outcomeFailed, Answer{}); err != nil {
		return Fate{}, err
	}
	if err := tx.Commit(); err != nil {
		return Fate{}, fmt.Errorf("commit of the mark that step %s has failed: %w", c.Step(), err)
	}
	return Fate{Outcome: Failed}, nil
}

// output is a body as JSON.
func output(body []byte) json.RawMessage {
	if json.Valid(body) {
		return body
	}
	text, err := json.Marshal(string(body))
	if err != nil {
		return nil // a string always has its JSON
	}
	return text
}
