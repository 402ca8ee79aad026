package cli_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/service"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// open opens a service over a store, with the engine running until the context
// ends; ended is closed when it has come to rest.
func open(ctx context.Context, s store.Store) (_ *service.Service, ended chan struct{}, err error) {
	registry := new(integration.Registry)
	registry.Add("lambda", "*", new(function), integration.RequestResponse, integration.WaitForTaskToken)
	registry.Add("sns", "*", new(function), integration.RequestResponse)
	catalog := service.NewCatalog(s, registry)
	e, err := engine.Open(ctx, engine.Config{Store: s, Registry: registry, Machines: catalog.Machine, Exclusive: true})
	if err != nil {
		return nil, nil, err
	}
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		e.Run(ctx)
	}()
	for !e.Ready() {
		time.Sleep(time.Millisecond)
	}
	var uuids atomic.Int64
	return service.New(service.Config{
		Store: s, Engine: e, Catalog: catalog, Account: "123456789012", Region: "us-east-1", Now: time.Now, Proof: service.Proof{Level: service.ProofWarn},
		NewUUID: func() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", uuids.Add(1)) },
	}), ended, nil
}

// newHouse is a service over a store in memory, for one test.
func newHouse(t *testing.T) *service.Service {
	t.Helper()
	s := storetest.NewMemory(storetest.MemoryOptions{}).Open()
	ctx, cancel := context.WithCancel(context.Background())
	house, ended, err := open(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		<-ended
		s.Close()
	})
	return house
}

// function is every task: it answers its payload, or fails as that asks, always or
// for the first so many times. The one named Broken fails whatever it is asked.
type function struct {
	mu    sync.Mutex
	calls map[string]int64 // by idempotency key
}

func (f *function) Call(ctx context.Context, t integration.Task) (value.Text, error) {
	payload := t.Request.Decode().Get("Payload")
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = map[string]int64{}
	}
	f.calls[t.StepID]++
	if t.Request.Decode().Get("FunctionName").AsString() == "Broken" {
		return value.Text{}, &integration.Error{Name: "Broken", Cause: "as ever", Effect: integration.EffectNamed}
	}
	times, limited := payload.Get("times").AsInt()
	if name := payload.Get("fail").AsString(); name != "" && (!limited || f.calls[t.StepID] <= times) {
		effect := integration.EffectNamed
		if name == "Lost" {
			effect = integration.EffectUnknown
		}
		return value.Text{}, &integration.Error{Name: name, Cause: "as asked", Effect: effect}
	}
	return value.NewObject(value.Member{Name: "Payload", Value: payload}).Text(), nil
}

// validate checks a definition by the language itself.
func validate(text []byte, express, strict bool) []cli.Finding {
	parse := asl.Parse
	if strict {
		parse = asl.ParseJSON
	}
	definition, diagnostics := parse(text)
	if asl.Render(diagnostics) == "" {
		rules := asl.Rules{Express: express, Distributed: true, Strict: strict, Serves: asl.OnAWS, Foreign: !strict}
		diagnostics = append(diagnostics, asl.Check(definition, rules)...)
	}
	var findings []cli.Finding
	for _, d := range diagnostics {
		findings = append(findings, cli.Finding{
			Severity: string(d.Severity), Code: string(d.Code), Message: d.Message, Location: d.Place, Line: d.Line, Column: d.Column,
		})
	}
	return findings
}

// testState tries a state out with the function that is every task.
func testState(ctx context.Context, _ cli.TestState, in *api.TestStateInput) (*api.TestStateOutput, error) {
	registry := new(integration.Registry)
	registry.Add("lambda", "invoke", new(function), integration.RequestResponse)
	role := "arn:aws:iam::123456789012:role/r"
	in.RoleArn = &role
	t := service.Tester{
		Registry: registry, Account: "123456789012", Region: "us-east-1", Now: time.Now,
		NewUUID: func() string { return "00000000-0000-4000-8000-000000000000" },
	}
	return t.TestState(ctx, in)
}
