package participant

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Call is what Backstep tells with each call.
type Call struct {
	Key        string    // the idempotency key: the same whenever the call is sent again; a query has none
	Operation  Operation // what the call is to its saga
	ForwardKey string    // of the forward call that this one belongs to; a forward call has none

	// Subject is what the step is about, as the service says it, from what stands in
	// the request: the order and the line of it, say. It is the same for the step's
	// forward call, its undo and its confirm, and whenever one of them is sent again.
	// "": not told. Backstep does not know it.
	Subject string

	// State is the name of the step's state, the same for all of its calls; "": not told.
	State string

	// For logs and traces; empty where the way that the call came has no room for them.
	Execution     string // ARN
	Attempt       int    // which send of the step this is, from 1; 0 where not told
	CorrelationID string // the execution's trace header, or its ARN
	TraceParent   string // W3C's trace context
}

// Operation is what a call is to its saga.
type Operation string

// The operations.
const (
	Forward    Operation = "forward"    // do the step
	Compensate Operation = "compensate" // undo it, or do nothing where it has not been done
	Confirm    Operation = "confirm"    // the saga ends well: make the step final
	Query      Operation = "query"      // tell what became of the step
)

// The names under which a call tells of itself: HTTP headers, attributes of a
// message, members of a Lambda client context's "custom".
const (
	HeaderKey         = "Idempotency-Key"
	HeaderOperation   = "Backstep-Operation"
	HeaderForwardKey  = "Backstep-Forward-Key"
	HeaderExecution   = "Backstep-Execution"
	HeaderState       = "Backstep-State"
	HeaderAttempt     = "Backstep-Attempt"
	HeaderCorrelation = "X-Correlation-Id"
	HeaderTraceParent = "traceparent"
)

// MaxKey is how many characters a key has at most: 64 of the step id, and what
// stands behind it.
const MaxKey = 96

// ErrCall: what came with a call is not what Backstep sends. Nothing was done.
var ErrCall = errors.New("not a call of Backstep")

// CallFromRequest reads a call from a request's headers. Its error is an
// [ErrCall] that names the header and says what is wrong with it.
func CallFromRequest(r *http.Request) (Call, error) {
	return readCall(r.Header.Values)
}

// CallFromAttributes reads a call from the attributes or headers of a message,
// or from the "custom" map of a Lambda client context, whatever the case of
// their names. Its error is an [ErrCall] that names the attribute and says what
// is wrong with it.
func CallFromAttributes(attributes map[string]string) (Call, error) {
	return readCall(func(name string) []string {
		var values []string
		for given, value := range attributes {
			if strings.EqualFold(given, name) {
				values = append(values, value)
			}
		}
		return values
	})
}

// readCall reads a call by its names' values.
func readCall(values func(name string) []string) (Call, error) {
	var problem error
	get := func(name string) string {
		switch all := values(name); len(all) {
		case 0:
			return ""
		case 1:
			return all[0]
		default:
			problem = errors.Join(problem, badCall(name, "it stands there %d times", len(all)))
			return ""
		}
	}
	c := Call{
		Key:           get(HeaderKey),
		Operation:     Operation(get(HeaderOperation)),
		ForwardKey:    get(HeaderForwardKey),
		Execution:     decoded(get(HeaderExecution)),
		State:         decoded(get(HeaderState)),
		CorrelationID: decoded(get(HeaderCorrelation)),
		TraceParent:   get(HeaderTraceParent),
	}
	if c.Operation == Query {
		c.Key = "" // one that a definition sets all the same says nothing
	}
	if attempt := get(HeaderAttempt); attempt != "" {
		n, err := strconv.Atoi(attempt)
		if err != nil || n < 1 {
			problem = errors.Join(problem, badCall(HeaderAttempt, "%q is no number from 1 on", cut(attempt)))
		}
		c.Attempt = n
	}
	if err := errors.Join(problem, c.check()); err != nil {
		return Call{}, err
	}
	return c, nil
}

// decoded is a value without the percent-encoding in which it travels.
func decoded(value string) string {
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value // of the definition's own making
}

// keys have the step id, then what the call is to its step, then the number of
// the request that an operator has edited.
var keys = regexp.MustCompile(`^([A-Za-z0-9_-]{1,64})(?::(?:(compensate)(?:-[1-9][0-9]{0,3})?|(confirm)))?(?:~[1-9][0-9]{0,3})?$`)

// check says what is wrong with a call.
func (c Call) check() error {
	switch c.Operation {
	case Forward, Compensate, Confirm:
		if err := c.checkKey(); err != nil {
			return err
		}
	case Query:
		if c.Key != "" {
			return badCall(HeaderKey, "a query has none, and this one has %q", cut(c.Key))
		}
	case "":
		return badCall(HeaderOperation, "it is missing; it is one of forward, compensate, confirm, query")
	default:
		return badCall(HeaderOperation, "%q is none of forward, compensate, confirm, query", cut(string(c.Operation)))
	}
	return c.checkForwardKey()
}

func (c Call) checkKey() error {
	if c.Key == "" {
		return badCall(HeaderKey, "it is missing; without it nobody can tell a repeat from a new call")
	}
	parts := keys.FindStringSubmatch(c.Key)
	if parts == nil {
		return badCall(HeaderKey, "%q is not of the form STEP, STEP:compensate or STEP:confirm, with STEP of 1 to 64 characters of A-Z a-z 0-9 _ -", cut(c.Key))
	}
	named := Operation(parts[2] + parts[3])
	if named == "" {
		named = Forward
	}
	if named != c.Operation {
		return badCall(HeaderKey, "%q is the key of another operation than %s", c.Key, c.Operation)
	}
	return nil
}

func (c Call) checkForwardKey() error {
	if c.ForwardKey == "" {
		if c.Operation == Forward {
			return nil
		}
		return badCall(HeaderForwardKey, "it is missing; a call of the operation %s has one", c.Operation)
	}
	if parts := keys.FindStringSubmatch(c.ForwardKey); parts == nil || parts[2]+parts[3] != "" {
		return badCall(HeaderForwardKey, "%q is not of the form STEP, with 1 to 64 characters of A-Z a-z 0-9 _ -", cut(c.ForwardKey))
	}
	if c.Key != "" && step(c.Key) != step(c.ForwardKey) {
		return badCall(HeaderForwardKey, "%q is of another step than the key %q", c.ForwardKey, c.Key)
	}
	return nil
}

// Step is the id of the step that the call belongs to: what all of the step's
// keys begin with. It is "" where the call has neither key.
func (c Call) Step() string {
	if c.ForwardKey != "" {
		return step(c.ForwardKey)
	}
	return step(c.Key)
}

func step(key string) string {
	if end := strings.IndexAny(key, ":~"); end >= 0 {
		return key[:end]
	}
	return key
}

func badCall(name, problem string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrCall, name, fmt.Sprintf(problem, args...))
}

// cut is what an error tells of a text that may be of any length.
func cut(text string) string {
	if len(text) > 2*MaxKey {
		return text[:2*MaxKey] + "…"
	}
	return text
}
