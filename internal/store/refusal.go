package store

import "errors"

// The reasons for which a store refuses to open, by errors.Is. The error around
// them says which place it is about and what to do; nothing was written there.
var (
	// ErrForeign: what lies there was not made by this program.
	ErrForeign = errors.New("not a Backstep store")
	// ErrNewer: a newer version of this program has written there.
	ErrNewer = errors.New("written by a newer version of Backstep")
	// ErrInUse: another process holds it.
	ErrInUse = errors.New("in use by another process")
	// ErrUnsafe: it would acknowledge what it may lose.
	ErrUnsafe = errors.New("not durable as it is set up")
	// ErrIncomplete: what was to fill it has not come to its end.
	ErrIncomplete = errors.New("incomplete")
	// ErrOccupied: it was to be made there, and something is there already.
	ErrOccupied = errors.New("not empty")
	// ErrDamaged: what was written there is gone or altered.
	ErrDamaged = errors.New("damaged")
)
