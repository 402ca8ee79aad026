package integration

import (
	"context"
	"net/http"
)

// Meter is who counts what a call takes, and hears how it found the other side. It
// comes with the call's context. One call asks it at a time.
type Meter interface {
	// Room is asked before more of an answer is read into memory than
	// [FreeAnswer] bytes, for so many bytes beyond. It waits until there is room, or
	// the context ends.
	Room(ctx context.Context, bytes int) error
	// Found hears whether the other side was well. It was not where it could not be
	// reached, broke off, took too long, or said that it has failed or is too busy,
	// which is no word on the call itself.
	Found(well bool)
}

// FreeAnswer is how many bytes of an answer are read without asking for room.
const FreeAnswer = 32 << 10

type meterKey struct{}

// WithMeter is a context whose calls are counted.
func WithMeter(ctx context.Context, m Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

// unmetered counts nothing.
type unmetered struct{}

func (unmetered) Room(context.Context, int) error { return nil }
func (unmetered) Found(bool)                      {}

// MeterOf is who counts a call, for a handler that sends nothing by a [Client].
func MeterOf(ctx context.Context) Meter {
	if m, ok := ctx.Value(meterKey{}).(Meter); ok {
		return m
	}
	return unmetered{}
}

// isWell reports whether a status is that of a service that does its work.
func isWell(status int) bool {
	return status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout
}
