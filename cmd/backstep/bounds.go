package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"

	"github.com/backstep/backstep/internal/config"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/integration/lambda"
)

// limitsOf are the engine's limits, as far as the configuration sets them.
func limitsOf(c *config.Config) engine.Limits {
	l := engine.DefaultLimits()
	override(&l.Calls, c.Limits.Calls)
	override(&l.CallsPerMachine, c.Limits.MachineCalls)
	override(&l.CallBytes, c.Limits.CallMemory)
	override(&l.Waiting, c.Limits.Waiting)
	override(&l.Age, c.Limits.Age)
	override(&l.Starts, c.Limits.Starts)
	override(&l.Express, c.Limits.Express)
	override(&l.CachedBytes, c.Limits.Memory)
	return l
}

// taskLimits are the limits of services, and of the functions and connections that
// they lead to.
func taskLimits(c *config.Config, registry *integration.Registry) (map[string]engine.TaskLimit, error) {
	all := make(map[string]engine.TaskLimit)
	services, err := registry.Services()
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Limits.Services)) {
		if why := unlimited(c, registry, services, name); why != "" {
			return nil, fmt.Errorf("limits.services.%s: %s", name, why)
		}
		l := c.Limits.Services[name]
		all[name] = taskLimit(l.Concurrency, l.Rate)
	}
	for name, f := range c.Functions {
		concurrency := f.Concurrency
		if len(f.Command) > 0 {
			concurrency = cmp.Or(concurrency, lambda.DefaultProcesses)
		}
		narrow(all, "lambda:"+name, taskLimit(concurrency, f.Rate))
	}
	for name, n := range c.Connections {
		if _, after, isARN := strings.Cut(name, ":connection/"); isARN {
			name, _, _ = strings.Cut(after, "/")
		}
		narrow(all, "http:"+name, taskLimit(n.Concurrency, n.Rate))
	}
	return all, nil
}

// unlimited says why a name in limits.services would bound nothing, "" where it would.
func unlimited(c *config.Config, registry *integration.Registry, services []string, name string) string {
	service, of, one := strings.Cut(name, ":")
	if slices.Contains(services, name) {
		return ""
	}
	if one && of != "" && registry.Leads(service) {
		if service != "lambda" || c.Endpoints.Lambda != "" || c.Functions[of].URL != "" || len(c.Functions[of].Command) > 0 {
			return ""
		}
		return "there is no such function" + meant("lambda:", config.Nearest(of, slices.Sorted(maps.Keys(c.Functions))))
	}
	if one && slices.Contains(services, service) {
		return "no call is bounded by that name" + meant("", service)
	}
	if near := config.Nearest(service, services); one && registry.Leads(near) {
		return "no task calls such a service" + meant(near+":", of)
	}
	if near := config.Nearest(name, services); near != "" {
		return "no task calls such a service" + meant("", near)
	}
	return "no task calls such a service; there are lambda, http, sns, aws-sdk:dynamodb …, and one of those that a service leads to, such as http:api.example.com"
}

// meant asks whether a name was meant, if there is one.
func meant(before, name string) string {
	if name == "" {
		return ""
	}
	return "; did you mean " + before + name + "?"
}

// narrow has a limit hold beside what limits.services says of the same, the narrower
// of the two of each kind.
func narrow(all map[string]engine.TaskLimit, name string, by engine.TaskLimit) {
	l := all[name]
	if l.Concurrency == 0 || by.Concurrency != 0 && by.Concurrency < l.Concurrency {
		l.Concurrency = by.Concurrency
	}
	if l.PerSecond == 0 || by.PerSecond != 0 && by.PerSecond < l.PerSecond {
		l.PerSecond, l.Burst = by.PerSecond, by.Burst
	}
	if l != (engine.TaskLimit{}) {
		all[name] = l
	}
}

func taskLimit(concurrency int, r config.Rate) engine.TaskLimit {
	return engine.TaskLimit{Concurrency: concurrency, PerSecond: float64(r.PerSecond), Burst: r.Burst}
}

// connectionsOf is how many connections may be open to the API: as many as its
// calls and polls need and some more, and at most half of the files that the process
// may have open, so that the store and the calls of tasks have theirs.
func connectionsOf(c *config.Config) int {
	if n := c.Limits.Connections; n > 0 {
		return n
	}
	n := cmp.Or(c.Limits.Requests, 1024) + cmp.Or(c.Limits.Polls, 10_000) + 1024
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil {
		n = int(min(uint64(n), max(16, uint64(files.Cur)/2)))
	}
	return n
}
