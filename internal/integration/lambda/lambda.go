// Package lambda does the tasks that are functions: lambda:invoke, and a
// function's ARN as a state's Resource. A function is one of three things, by
// configuration: a program that Backstep hosts by the Lambda Runtime API, a URL
// that answers as Lambda's Invoke does, or a function of a Lambda endpoint.
//
// It refuses to know what a function does, and never sends an invocation twice
// of its own accord.
//
// Read lambda.go (the handler), request.go and answer.go (in and out), then
// remote.go (URL and endpoint), fleet.go (the processes of a hosted program),
// process.go (one of them), line.go, plain.go and runtimeapi.go (how it is
// spoken to) and output.go.
package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// Config is what a handler is made of.
type Config struct {
	Functions map[string]Function // by name
	Endpoint  string              // URL of a Lambda endpoint for all other functions; "" for none
	Signer    Signer              // of requests to the endpoint; nil: unsigned
	StrictAWS bool                // participants are told nothing that AWS does not tell
	Region    string
	Account   string
	Logger    *slog.Logger // nil: slog.Default()
}

// Function is one function: a URL, or a command.
type Function struct {
	URL     string
	Command []string          // a program of the Lambda Runtime API, and its arguments
	Dir     string            // where the command is run, and where its relative path begins; "": Backstep's own
	Env     map[string]string // added to the little that a program gets by itself
	// Concurrency is the number of processes of a program at most; 0 means 4,
	// and further invocations wait. Of a URL it is the number of connections
	// kept; 0 means 256, and further invocations have one of their own.
	Concurrency int
	// Timeout ends an invocation of a program, and the process with it; 0
	// means 15 minutes, the most that Lambda knows.
	Timeout time.Duration
}

// DefaultProcesses is how many processes a program has at most where nothing is
// said.
const DefaultProcesses = 4

const (
	defaultTimeout = 15 * time.Minute
	poolSize       = 256 // connections kept to one host
)

// Signer signs a request of that body for an AWS service.
type Signer interface {
	Sign(r *http.Request, body []byte, service string) error
}

// Handler invokes functions. It may be used by many at once.
type Handler struct {
	functions map[string]invoker
	endpoint  invoker // nil: none
	strict    bool
	region    string
	account   string
}

// invoker is one way to run a function. Its error is a failure to run it; what
// the function itself answers, errors among it, is an outcome.
type invoker interface {
	invoke(ctx context.Context, in *invocation) (*outcome, error)
	close(ctx context.Context)
}

// New is a handler of the functions configured. Programs are started when they
// are first needed.
func New(c Config) *Handler {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	h := &Handler{functions: make(map[string]invoker), strict: c.StrictAWS, region: c.Region, account: c.Account}
	for name, f := range c.Functions {
		if f.URL != "" {
			h.functions[name] = newURL(f, c.StrictAWS)
		} else {
			h.functions[name] = newFleet(name, f, c)
		}
	}
	if c.Endpoint != "" {
		h.endpoint = newEndpoint(c)
	}
	return h
}

// Call invokes a function and answers with its payload, for lambda:invoke
// within what Lambda tells of the invocation.
func (h *Handler) Call(ctx context.Context, t integration.Task) (value.Text, error) {
	in, err := h.read(t)
	if err != nil {
		return value.Text{}, err
	}
	f, known := h.functions[in.function.name]
	if !known {
		f = h.endpoint
	}
	if f == nil {
		return value.Text{}, notFound(in)
	}
	out, err := f.invoke(ctx, in)
	if err != nil {
		return value.Text{}, h.failure(in, err)
	}
	return out.result(in)
}

// failure is an invoker's error as the caller is told it.
func (h *Handler) failure(in *invocation, err error) error {
	var failed *integration.Error
	if errors.As(err, &failed) {
		return failed
	}
	return fmt.Errorf("function %s: %w", in.function.name, err)
}

// Target is the function's name.
func (h *Handler) Target(action, resource string, request value.Text) string {
	if action != "" {
		resource = request.Member("FunctionName").Decode().AsString()
	}
	return functionName(resource)
}

func notFound(in *invocation) *integration.Error {
	return serviceError(http.StatusNotFound, "ResourceNotFoundException",
		"Function not found: "+in.function.arn+":"+in.function.qualifierOrLatest(), in.id, integration.EffectNone)
}

// Close ends what was started: it waits for the invocations under way until
// ctx ends, then the programs get SIGTERM and, a little later, SIGKILL.
// Invocations from then on are told that the context was canceled.
func (h *Handler) Close(ctx context.Context) {
	var closing sync.WaitGroup
	for _, f := range h.functions {
		closing.Go(func() { f.close(ctx) })
	}
	if h.endpoint != nil {
		closing.Go(func() { h.endpoint.close(ctx) })
	}
	closing.Wait()
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) }
