package clockwork

import (
	"context"
	"log/slog"
	"strings"
)

// Watchdog is a log in which errors must not happen: it takes each one, with its
// attributes, to whoever keeps it. It is used by one goroutine at a time.
type Watchdog struct{ Broken func(what string) }

// Enabled takes errors alone.
func (d Watchdog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

// WithAttrs is the same log.
func (d Watchdog) WithAttrs([]slog.Attr) slog.Handler { return d }

// WithGroup is the same log.
func (d Watchdog) WithGroup(string) slog.Handler { return d }

// Handle takes an error on.
func (d Watchdog) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(", " + a.String())
		return true
	})
	d.Broken("the engine logs an error: " + b.String())
	return nil
}
