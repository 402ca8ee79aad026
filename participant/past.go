package participant

// past is what a step's calls were answered until now, a row for each key. The
// first row of a step has the step id as its key: it is the one that is locked, and
// has no outcome until the forward call of that key has one.
type past []row

type row struct {
	key       string
	operation Operation
	outcome   outcome
	answer    Answer
}

// outcome is what became of a call.
type outcome string

const (
	outcomeNone      outcome = ""
	outcomeSucceeded outcome = "succeeded" // its effect took place
	outcomeRefused   outcome = "refused"   // a forward call, and it has no effect
	outcomeVoid      outcome = "void"      // an undo, and there was nothing to undo
	outcomeFailed    outcome = "failed"    // a query, which was told that the step has failed
)

// told is a row's answer to a call that comes after it.
func (r *row) told() Answer {
	answer := r.answer
	answer.Repeated = true
	answer.Refused = r.outcome == outcomeRefused
	answer.Void = r.outcome == outcomeVoid
	return answer
}

// answerTo is the row that answers a call: of the call's own key, else of another
// key under which the operation was done. A step is done once, and undone once,
// whatever an operator or an alternative asks for under new keys.
func (p past) answerTo(c Call) *row {
	for i := range p {
		if p[i].key == c.Key && p[i].outcome != outcomeNone {
			return &p[i]
		}
	}
	return p.done(c.Operation)
}

// done is the row under which an operation was done, or nil.
func (p past) done(o Operation) *row {
	for i := range p {
		if p[i].operation == o && (p[i].outcome == outcomeSucceeded || p[i].outcome == outcomeVoid) {
			return &p[i]
		}
	}
	return nil
}

func (p past) did(o Operation) bool { return p.done(o) != nil }

// refuses says why a call must not have an effect any more, or nil.
func (p past) refuses(c Call) error {
	over := p.did(Compensate) || p.toldFailed()
	switch {
	case c.Operation == Forward && over, c.Operation == Confirm && over:
		return ErrHanging
	case c.Operation == Confirm && !p.did(Forward):
		return ErrNothingToConfirm
	}
	return nil
}

// toldFailed reports whether a query was told that the step has failed: it must
// never be done from then on.
func (p past) toldFailed() bool {
	for _, r := range p {
		if r.outcome == outcomeFailed {
			return true
		}
	}
	return false
}
