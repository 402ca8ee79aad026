package prove

import (
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
)

// fault is an error on its way outward, as the Retry and Catch of states see it.
type fault struct {
	name      string // "": one that none of the lists at hand has
	open      bool   // "" may be any name that a participant gives, those in lists further out too
	timeout   bool   // not matched by States.TaskFailed
	heartbeat bool   // matched by States.HeartbeatTimeout too
	fatal     bool   // neither retried nor caught
	alone     bool   // never retried, and caught by its own name alone
}

// The names that the language itself gives.
const (
	stateTimeout  = "States.Timeout"
	stateRuntime  = "States.Runtime"
	stateQuery    = "States.QueryEvaluationError"
	stateLimit    = "States.DataLimitExceeded"
	stateResult   = "States.ResultPathMatchFailure"
	stateTask     = "States.TaskFailed"
	stateAll      = "States.ALL"
	stateBeat     = "States.HeartbeatTimeout"
	stateTooMany  = "States.ExceedToleratedFailureThreshold"
	stateReader   = "States.ItemReaderFailed"
	stateWriter   = "States.ResultWriterFailed"
	compensations = "Saga.CompensationFailed"
)

// matches reports whether an ErrorEquals takes the fault, as the machine's does.
func (f fault) matches(names []string) bool {
	if f.fatal {
		return false
	}
	return slices.ContainsFunc(names, func(name string) bool {
		switch {
		case f.alone:
			return name == f.name
		case name == stateAll:
			return true
		case name == stateTask:
			return !f.timeout
		case name == stateBeat:
			return f.heartbeat
		}
		return f.name != "" && name == f.name
	})
}

// retrier is the entry of a state's Retry that takes the fault, nil where there
// is none.
func (f fault) retrier(s *asl.State) *asl.Retrier {
	if f.alone {
		return nil
	}
	for i := range s.Retry {
		if f.matches(s.Retry[i].ErrorEquals) {
			return &s.Retry[i]
		}
	}
	return nil
}

// catcher is the entry of a state's Catch that takes the fault, nil where there
// is none.
func (f fault) catcher(s *asl.State) *asl.Catcher {
	for i := range s.Catch {
		if f.matches(s.Catch[i].ErrorEquals) {
			return &s.Catch[i]
		}
	}
	return nil
}

// endless is the MaxAttempts from which a Retry never gives up: the highest
// there is.
const endless = asl.MaxSeconds

// givesUp reports whether a retrier, which may be nil, lets the fault through in
// the end.
func givesUp(r *asl.Retrier) bool { return r == nil || r.MaxAttempts < endless }

// tries is how often a state is tried under a retrier, which may be nil.
func tries(r *asl.Retrier) int64 {
	if r == nil {
		return 1
	}
	return r.MaxAttempts + 1
}

// isReserved reports whether no participant can give the name.
func isReserved(name string) bool {
	for _, prefix := range []string{"States.", "Lambda.", "Runtime.", "Sandbox."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// isWildcard reports whether a name in an ErrorEquals stands for others.
func isWildcard(name string) bool { return name == stateAll || name == stateTask }

// named are the names that a state's Retry and Catch list, in their order,
// without those that stand for others.
func named(s *asl.State) []string {
	var all []string
	add := func(names []string) {
		for _, name := range names {
			if !isWildcard(name) && !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	for i := range s.Retry {
		add(s.Retry[i].ErrorEquals)
	}
	for i := range s.Catch {
		add(s.Catch[i].ErrorEquals)
	}
	return all
}

// effect is what an error tells of the call's effect.
type effect uint8

const (
	noEffect  effect = iota // certainly none
	refused                 // the participant itself named the error: taken for none
	unknown                 // it may have had its effect
	hadEffect               // the call was answered well; the state failed afterwards
)

// refusals4xx are how the names of errors end that services answer with 4xx:
// nothing was done.
var refusals4xx = []string{"TooManyRequestsException", "ThrottlingException", "ThrottledException", "ThroughputExceededException", "LimitExceededException",
	"ValidationException", "AccessDeniedException", "NotFoundException", "ConditionalCheckFailedException", "InvalidParameterValueException",
	"InvalidParameterException", "InvalidRequestContentException", "RequestTooLargeException", "UnsupportedMediaTypeException",
	"ConflictException", "AlreadyExistsException", "InvalidInputException", "BadRequestException", "UnauthorizedException", "ForbiddenException",
	"InvalidArnException", "DoesNotExistException", "KMSAccessDeniedException"}

// effectOf tells what an error of that name says of a call: the rules of the
// saga extension, which plain ASL is held against, too. known are the names
// that the definition or the sidecar calls known failures, nil where it calls
// none so.
func (c *call) effectOf(name string, known []string) effect {
	switch {
	case slices.Contains(known, name):
		return noEffect
	case strings.HasPrefix(name, "States.Http.StatusCode."):
		code := strings.TrimPrefix(name, "States.Http.StatusCode.")
		if strings.HasPrefix(code, "4") && code != "408" {
			return noEffect
		}
		return unknown
	case name == "States.Permissions" || name == "States.ParameterPathFailure" || name == "States.IntrinsicFailure":
		return noEffect
	case strings.Contains(name, ".") && endsInOne(name, refusals4xx):
		return noEffect
	case isReserved(name) || !c.named():
		return unknown
	case known != nil:
		return unknown // what counts as a failure was listed, and this is not in it
	}
	return refused
}

// named reports whether the participant itself gives names to errors.
func (c *call) named() bool {
	return c.resource.Service == "lambda" || c.awaits()
}

func endsInOne(name string, endings []string) bool {
	return slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(name, e) })
}
