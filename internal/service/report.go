package service

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/journal"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// Reporter tells others what executions do: log events where their machine's
// loggingConfiguration asks for them, and changes of their statuses. Like the
// catalog it is apart from the service, because the engine calls it. It may be
// used by many at once.
type Reporter struct {
	config  ReporterConfig
	nowhere sync.Once
}

// ReporterConfig is what a reporter is given. Log and Change take what is to be
// told and must not wait.
type ReporterConfig struct {
	Catalog *Catalog
	Log     func(journal.LogEvent)     // nil: log events go nowhere
	Change  func(journal.StatusChange) // nil: nobody hears of statuses
	Logger  *slog.Logger               // nil: discards
}

// NewReporter makes a reporter.
func NewReporter(c ReporterConfig) *Reporter {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Reporter{config: c}
}

// Tell tells of a turn, as engine's Config.Tell.
func (r *Reporter) Tell(t *engine.Telling) {
	if r.config.Change != nil && !t.Start.Express && !t.Start.IsRun() {
		for _, change := range statusChanges(t) {
			r.config.Change(change)
		}
	}
	if len(t.Events) > 0 {
		r.log(t)
	}
}

// log tells of a turn's events as far as the level of what runs takes them.
func (r *Reporter) log(t *engine.Telling) {
	from := originOf(t.Start)
	s := r.config.Catalog.logging(from)
	if s.level == api.LogLevelOff {
		return
	}
	if r.config.Log == nil {
		r.nowhere.Do(func() {
			r.config.Logger.Warn("a state machine logs, and nothing takes its log events: the configuration's logs says where they go", "machine", t.Start.MachineARN())
		})
		return
	}
	var taken []machine.Event
	for _, e := range t.Events {
		if takes(s.level, &e) {
			taken = append(taken, e)
		}
	}
	if len(taken) == 0 {
		return
	}
	w := newLogWriter(t, taken, s.data)
	for i := range taken {
		r.config.Log(journal.LogEvent{Group: s.group, Machine: from.machine, At: taken[i].At, Text: w.text(&taken[i])})
	}
}

// logSetting is how an origin logs, until it is to be read again.
type logSetting struct {
	level api.LogLevel
	data  bool
	group string
	until time.Time
}

// The freshness of what is known of logging: what another node changed is seen
// after logFresh; what can't be read within logTime is not logged.
const (
	logFresh = 5 * time.Second
	logTime  = time.Second
)

// logging is how executions of an origin log: as the version says that they
// were started by, or else as their state machine says by now. A version that is
// gone leaves it to its state machine. What is not there, and what the store
// does not tell of at once, logs nothing.
func (c *Catalog) logging(o origin) logSetting {
	now := time.Now()
	c.mu.Lock()
	s, known := c.logs[o]
	read := c.changes
	c.mu.Unlock()
	if known && now.Before(s.until) {
		return s
	}
	ctx, cancel := context.WithTimeout(context.Background(), logTime)
	defer cancel()
	r, err := c.revision(ctx, o)
	if errors.Is(err, store.ErrNotFound) && o.version != "" {
		r, err = c.revision(ctx, origin{account: o.account, region: o.region, machine: o.machine})
	}
	switch {
	case err == nil:
		s = settingOf(r.Logging)
	case errors.Is(err, store.ErrNotFound) || !known:
		s = settingOf(nil)
	}
	s.until = now.Add(logFresh)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes != read { // what was read may be what was before
		return s
	}
	if len(c.logs) >= keepDocs {
		clear(c.logs)
	}
	c.logs[o] = s
	return s
}

// forget has a state machine read again by who asks next. A version never
// changes.
func (c *Catalog) forget(o origin) {
	c.mu.Lock()
	delete(c.logs, o)
	c.changes++
	c.mu.Unlock()
}

func settingOf(c *api.LoggingConfiguration) logSetting {
	s := logSetting{level: api.LogLevelOff}
	if c == nil || c.Level == "" || len(c.Destinations) == 0 {
		return s
	}
	if g := c.Destinations[0].CloudWatchLogsLogGroup; g != nil && g.LogGroupArn != nil {
		s = logSetting{level: c.Level, data: c.IncludeExecutionData, group: groupOf(*g.LogGroupArn)}
	}
	return s
}

// groupOf is the name in a log group's ARN, such as
// arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/orders:*.
func groupOf(arn string) string {
	_, name, found := strings.Cut(arn, ":log-group:")
	if !found {
		return arn
	}
	return strings.TrimSuffix(name, ":*")
}
