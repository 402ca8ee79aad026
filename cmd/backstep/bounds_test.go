package main

import (
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/config"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/integration/aws"
	httptask "github.com/backstep/backstep/internal/integration/http"
	"github.com/backstep/backstep/internal/integration/lambda"
)

// What limits.services says of a function or a connection holds beside what that has
// of its own: of each kind the narrower of the two.
func TestLimitsOfOnePlaceMeet(t *testing.T) {
	registry := new(integration.Registry)
	registry.Add("lambda", "invoke", &lambda.Handler{}, integration.RequestResponse)
	registry.Add("http", "invoke", &httptask.Handler{}, integration.RequestResponse)
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

// A limit that would hold for nothing is refused, with what was perhaps meant.
func TestLimitsOfNoService(t *testing.T) {
	registry := new(integration.Registry)
	registry.Add("lambda", "invoke", &lambda.Handler{}, integration.RequestResponse)
	registry.Add("http", "invoke", &httptask.Handler{}, integration.RequestResponse)
	aws.New(aws.Config{Region: "us-east-1"}).Register(registry)
	for name, want := range map[string]string{
		"http": "", "http:api.example.com": "", "lambda:Charge": "", "sqs": "", "aws-sdk:dynamodb": "", "aws-sdk:sqs": "",
		"lamda":                "no task calls such a service; did you mean lambda?",
		"lamda:Charge":         "no task calls such a service; did you mean lambda:Charge?",
		"HTTP:api.example.com": "no task calls such a service; did you mean http:api.example.com?",
		"lambda:Chrage":        "there is no such function; did you mean lambda:Charge?",
		"lambda:":              "did you mean lambda?",
		"aws-sdk:dynamdb":      "no task calls such a service; did you mean aws-sdk:dynamodb?",
		"aws-sdk":              "no task calls such a service",
		"sqs:orders":           "no call is bounded by that name; did you mean sqs?",
		"a service of my own":  "no task calls such a service; there are lambda, http",
	} {
		c := config.Default()
		c.Functions = map[string]config.Function{"Charge": {URL: "http://127.0.0.1:1"}, "Ship": {URL: "http://127.0.0.1:1"}}
		c.Limits.Services = map[string]config.TaskLimit{name: {Concurrency: 1}}
		_, err := taskLimits(c, registry)
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), "limits.services."+name+": ") || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	// Functions that stand nowhere here may stand at an endpoint of Lambda's.
	c := config.Default()
	c.Endpoints.Lambda = "http://127.0.0.1:1"
	c.Limits.Services = map[string]config.TaskLimit{"lambda:Elsewhere": {Concurrency: 1}}
	if _, err := taskLimits(c, registry); err != nil {
		t.Error(err)
	}
}
