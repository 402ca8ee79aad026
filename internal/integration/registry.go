package integration

import (
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/value"
)

// Registry finds the handler of a resource. It is filled before the engine
// starts and not changed afterwards; look-ups may be made by many at once.
type Registry struct {
	kinds []kind
	mocks Mocks
}

type kind struct {
	service, action string // action "*": all of the service
	patterns        []Pattern
	handler         Handler
}

// Chooser is a [Handler] that does not do every action of the services it was
// added for, and says itself which. It is asked by many at once.
type Chooser interface {
	Chooses(service, action string) bool
}

// Add lets handler serve an action of a service ("*": all actions) in the
// patterns given. What was added first is found first.
func (r *Registry) Add(service, action string, handler Handler, patterns ...Pattern) {
	r.kinds = append(r.kinds, kind{service, action, patterns, handler})
}

// Find is the handler of an action of a service, nil where nobody serves it in
// that pattern.
func (r *Registry) Find(service, action string, p Pattern) Handler {
	for _, k := range r.kinds {
		if k.service != service && !(strings.HasSuffix(k.service, ":*") && strings.HasPrefix(service, k.service[:len(k.service)-1])) {
			continue
		}
		if k.action != action && k.action != "*" {
			continue
		}
		if chooser, ok := k.handler.(Chooser); ok && !chooser.Chooses(service, action) {
			continue
		}
		if slices.Contains(k.patterns, p) {
			return k.handler
		}
	}
	return nil
}

// Targeter is a [Handler] whose service leads to many: it tells which one of them a
// call goes to, "" where it can't tell. The calls of one have bounds of their own.
// It is asked by many at once, for every call, and must be quick.
type Targeter interface {
	Target(action, resource string, request value.Text) string
}

// Target is which one a call of a service goes to; "": the service leads to one
// alone.
func (r *Registry) Target(service, action, resource string, request value.Text) string {
	for i := range r.kinds {
		if r.kinds[i].service == service {
			if t, ok := r.kinds[i].handler.(Targeter); ok {
				return t.Target(action, resource, request)
			}
			return ""
		}
	}
	return ""
}

// Several is a [Handler] of services that end with ":*": it tells which ones there are,
// each in full.
type Several interface {
	Services() ([]string, error)
}

// Services are the names of all services that somebody serves, sorted: "http",
// "aws-sdk:s3".
func (r *Registry) Services() ([]string, error) {
	var all []string
	for _, k := range r.kinds {
		several, ok := k.handler.(Several)
		if !ok {
			all = append(all, k.service)
			continue
		}
		names, err := several.Services()
		if err != nil {
			return nil, err
		}
		all = append(all, names...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// Leads reports whether a service leads to many, so that a name is one of them when
// that of the service and a colon stand before it: "http:api.example.com".
func (r *Registry) Leads(service string) bool {
	return slices.ContainsFunc(r.kinds, func(k kind) bool {
		_, is := k.handler.(Targeter)
		return is && k.service == service
	})
}

// Mocks answer in the place of handlers in executions that run a test case. They
// are asked by many at once.
type Mocks interface {
	// Mock is what answers for the task's state, nil: its handler does. The answer
	// ends the task, whatever its pattern.
	Mock(t Task) Handler
}

// Front puts mocks in front of the handlers.
func (r *Registry) Front(m Mocks) { r.mocks = m }

// Mock is what answers in the place of the task's handler; nil: nothing does.
func (r *Registry) Mock(t Task) Handler {
	if r.mocks == nil || t.TestCase.Name == "" {
		return nil
	}
	return r.mocks.Mock(t)
}

// Serves reports whether somebody serves an action of a service in that
// pattern: what a definition's resource is checked against.
func (r *Registry) Serves(service, action string, p Pattern) bool {
	return r.Find(service, action, p) != nil
}
