package main

import (
	"testing"

	"github.com/backstep/backstep/internal/config"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/integration/lambda"
)

// What limits.services says of a function or a connection holds beside what that has
// of its own: of each kind the narrower of the two.
func TestLimitsOfOnePlaceMeet(t *testing.T) {
	registry := new(integration.Registry)
	registry.Add("lambda", "invoke", nil, integration.RequestResponse)
	registry.Add("http", "invoke", nil, integration.RequestResponse)
	rate := config.Rate{PerSecond: 5, Burst: 2}
	c := config.Default()
	c.Functions = map[string]config.Function{
		"Charge": {Command: []string{"charge"}},
		"Ship":   {URL: "http://127.0.0.1:1", Concurrency: 64, Rate: config.Rate{PerSecond: 50, Burst: 9}},
		"Mail":   {URL: "http://127.0.0.1:1"},
	}
	c.Connections = map[string]config.Connection{
		"arn:aws:events:us-east-1:123456789012:connection/Bank/0c1d": {TaskLimit: config.TaskLimit{Concurrency: 3}},
	}
	c.Limits.Services = map[string]config.TaskLimit{
		"lambda:Charge": {Rate: rate}, "lambda:Ship": {Concurrency: 8, Rate: rate}, "http:Bank": {Concurrency: 10, Rate: rate},
	}
	got, err := taskLimits(c, registry)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]engine.TaskLimit{
		"lambda:Charge": {Concurrency: lambda.DefaultProcesses, PerSecond: 5, Burst: 2},
		"lambda:Ship":   {Concurrency: 8, PerSecond: 5, Burst: 2},
		"http:Bank":     {Concurrency: 3, PerSecond: 5, Burst: 2},
	} {
		if got[name] != want {
			t.Errorf("%s: %+v, want %+v", name, got[name], want)
		}
	}
	if len(got) != 3 {
		t.Errorf("limits %+v", got)
	}
}
