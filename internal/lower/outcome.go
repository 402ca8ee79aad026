package lower

import (
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
)

// fate is what an error's name tells of a step's effect.
type fate uint8

const (
	failedFate  fate = iota // it had none
	unknownFate             // nobody knows
	openFate                // it depends on the error, or on what was retried before
)

// interpreters are how the names of errors begin that no participant gave.
var interpreters = []string{"States.", "Lambda.", "Runtime.", "Sandbox."}

// harmless are errors by which a service says that it did nothing: an answer 4xx
// but 408, or a call that was never sent. Other names of AWS's tell too little,
// and count as unknown.
var harmless = []string{"States.Permissions", "Lambda.TooManyRequestsException", "Lambda.ResourceNotFoundException",
	"Lambda.InvalidParameterValueException", "Lambda.InvalidRequestContentException", "Lambda.RequestTooLargeException",
	"States.Http.StatusCode.400", "States.Http.StatusCode.401", "States.Http.StatusCode.403", "States.Http.StatusCode.404",
	"States.Http.StatusCode.409", "States.Http.StatusCode.422", "States.Http.StatusCode.429"}

// named reports whether the participant itself names the errors of a call.
func named(r *asl.Resource) bool {
	return r.Service == "lambda" || r.Kind == asl.LambdaARN || r.Kind == asl.Activity || r.Pattern == asl.WaitForTaskToken
}

// isWild reports whether a name stands for others.
func isWild(name string) bool { return name == "States.ALL" || name == "States.TaskFailed" }

// fateByName is what an error says of one attempt.
func fateByName(r *asl.Resource, known []string, name string) fate {
	switch {
	case slices.Contains(harmless, name):
		return failedFate
	case known != nil && slices.Contains(known, name):
		return failedFate
	case known != nil && isWild(name) && len(known) > 0, known == nil && isWild(name):
		return openFate
	case known != nil, !named(r):
		return unknownFate
	case slices.ContainsFunc(interpreters, func(p string) bool { return strings.HasPrefix(name, p) }):
		return unknownFate
	}
	return failedFate
}

// fateOf is what it says of a step that one of these names takes it.
func fateOf(s *asl.State, names []string) fate {
	r, known := &s.Task.Resource, s.Step.KnownFailed
	f := fateByName(r, known, names[0])
	for _, name := range names[1:] {
		if fateByName(r, known, name) != f {
			return openFate
		}
	}
	if f == failedFate && retriesUnknown(s.Retry, r, known) {
		return openFate
	}
	return f
}

// retriesUnknown reports whether an attempt may have been retried that left the
// effect open.
func retriesUnknown(retry []asl.Retrier, to *asl.Resource, known []string) bool {
	return slices.ContainsFunc(retry, func(r asl.Retrier) bool {
		return r.MaxAttempts > 0 && slices.ContainsFunc(r.ErrorEquals, func(name string) bool { return fateByName(to, known, name) != failedFate })
	})
}

// doubt is an expression that is true where the effect of a call is unknown: by
// the error's name.
func doubt(r *asl.Resource, known []string, err string) string {
	var names []string
	for _, name := range append(harmlessOf(r), known...) {
		names = append(names, quoted(name))
	}
	text := "$not(" + err + " in " + listed(names) + ")"
	if known == nil && named(r) {
		text = "$contains($string(" + err + "), /^(States|Lambda|Runtime|Sandbox)\\./) and " + text
	}
	return text
}

// harmlessOf are the harmless errors of a call.
func harmlessOf(r *asl.Resource) []string {
	var names []string
	for _, name := range harmless {
		if prefix, _, _ := strings.Cut(name, "."); name == "States.Permissions" || prefix == "Lambda" && named(r) || strings.HasPrefix(name, "States.Http.") && r.Service == "http" {
			names = append(names, name)
		}
	}
	return names
}

// doubtOf is the same of a step: by how often it was tried before, too.
func doubtOf(s *asl.State, err, retries string) string {
	known := s.Step.KnownFailed
	text := doubt(&s.Task.Resource, known, err)
	if retriesUnknown(s.Retry, &s.Task.Resource, known) {
		text = retries + " > 0 or (" + text + ")"
	}
	return text
}
