// Package service is api.Service over the engine and the store: names, limits,
// idempotency, pages and history. It decides what a caller may ask and how it
// is answered. It refuses to know how requests travel (server does) and how
// executions run (engine and machine do).
//
// Read service.go, then catalog.go (state machines as documents), machine.go,
// settings.go and definition.go (what may be created), version.go, alias.go, execution.go,
// why.go and whyline.go (what they wait for), search.go (executions by what they are found by) with where.go and join.go,
// redrive.go, maprun.go, history.go, saga.go, hold.go, resolve.go and preview.go
// (what people see of sagas and decide about them), activity.go, tag.go, page.go
// (next tokens), teststate.go and trial.go (one state alone), deletion.go (what
// goes on after a DeleteStateMachine), retention.go (what becomes of old
// executions), audit.go (what waits for nothing), report.go (who is told of what executions do) with logevent.go and
// statuschange.go, and notifier.go (who is told that sagas wait for him).
package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// Config is all that a service is given.
type Config struct {
	Store   store.Store
	Engine  *engine.Engine
	Catalog *Catalog
	Models  Models                                     // what TestState's mocked results are held against; nil: nothing
	Reader  func(object string) integration.ItemReader // of what TestState's Maps have read; nil: that must be JSON
	Mocks   Mocks                                      // test cases that executions may run; nil: none may
	Account string                                     // whose ARNs are served
	Region  string
	Now     func() time.Time
	NewUUID func() string // a version 4 UUID
	Log     *slog.Logger  // nil: discards

	// LogGroup tells whether there is a log group of that name. It may be called by
	// many at once; nil: any may be there.
	LogGroup func(ctx context.Context, name string) (bool, error)

	Proof Proof // of sagas, as state machines are created

	MaxInput  int           // bytes of an execution's input; 0: machine.AWSLimits'
	Retention time.Duration // how long executions are kept once they have ended; 0: for ever
}

// Service is the service. Its methods may be called by many at once.
type Service struct {
	Config
	tenant string
	logs   chan struct{} // a place for each saga log that is in memory
}

var _ api.Service = (*Service)(nil)

// New makes a service of parts that are open.
func New(cfg Config) *Service {
	if cfg.MaxInput == 0 {
		cfg.MaxInput = machine.AWSLimits().Payload
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{Config: cfg, tenant: engine.Tenant(cfg.Account, cfg.Region), logs: make(chan struct{}, logsAtOnce)}
}

// ours parses an ARN of the kinds given, and refuses one of another account or
// region as one of something that does not exist.
func (s *Service) ours(text string, missing func(string) *api.Error, kinds ...api.ARNKind) (api.ARN, error) {
	arn, err := api.ParseARN(text)
	if err != nil {
		return arn, err
	}
	for _, kind := range kinds {
		if arn.Kind == kind {
			if arn.Account != s.Account || arn.Region != s.Region {
				return arn, missing(text)
			}
			return arn, nil
		}
	}
	return arn, api.InvalidArn("Resource type not valid in this context: " + string(arn.Kind))
}

// arn puts an ARN of ours together.
func (s *Service) arn(a api.ARN) string {
	a.Partition, a.Account, a.Region = "aws", s.Account, s.Region
	return a.String()
}

// refuse turns what the engine refuses into what the API has for it. Anything
// else stays as it is: a fault.
func refuse(err error) error {
	var of *engine.SagaError
	switch {
	case errors.As(err, &of):
		return api.Validation("%s", of.Reason)
	case err == nil:
		return nil
	case errors.Is(err, engine.ErrNotReady):
		return api.Errorf(api.CodeServiceUnavailable, "The server does not take work right now. Try again.")
	case errors.Is(err, engine.ErrBusy):
		return api.Errorf(api.CodeThrottling, "Rate exceeded")
	case errors.Is(err, engine.ErrTooManyPollers):
		return api.Errorf(api.CodeActivityWorkerLimitExceeded, "Too many workers poll this activity.")
	case errors.Is(err, engine.ErrInvalidToken):
		return api.InvalidToken("Invalid token")
	case errors.Is(err, engine.ErrTaskTimedOut):
		return api.TaskTimedOut()
	case errors.Is(err, engine.ErrTaskDoesNotExist):
		return api.Errorf(api.CodeTaskDoesNotExist, "Task does not exist")
	case errors.Is(err, store.ErrUnknown), errors.Is(err, engine.ErrUnanswered):
		return api.Errorf(api.CodeServiceUnavailable, "The outcome of the call is not known. Ask again.")
	}
	return err
}

// refuseOf is refuse for what is done with an execution: one that was found may be
// gone by then.
func refuseOf(arn string, err error) error {
	if errors.Is(err, engine.ErrNotFound) {
		return api.ExecutionDoesNotExist(arn)
	}
	return refuse(err)
}

// meanwhile is an error of reading what an execution refers to: of one that retention
// has dropped since it was found it says so.
func (s *Service) meanwhile(ctx context.Context, id store.ID, arn string, err error) error {
	if errors.Is(err, store.ErrNotFound) && s.gone(ctx, id) {
		return api.ExecutionDoesNotExist(arn)
	}
	return err
}

// gone reports whether an execution that was there is not any more.
func (s *Service) gone(ctx context.Context, id store.ID) bool {
	_, _, err := s.Engine.Execution(ctx, id)
	return errors.Is(err, engine.ErrNotFound)
}

// now is the time as the API shows it.
func (s *Service) now() api.Timestamp { return api.TimestampOf(s.Now()) }

// optional is nil for an empty text.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// given is a text that may be absent, "" then.
func given(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// commitDoc writes one document, where nobody else has written it since it was
// read at revision rev.
func (s *Service) commitDoc(ctx context.Context, doc store.Doc, rev uint64) error {
	doc.Rev = rev + 1
	return s.Store.Commit(ctx, &store.Batch{
		ExpectDocs: []store.ExpectDoc{{DocKey: doc.DocKey, Rev: rev}},
		Docs:       []store.Doc{doc},
	})
}
