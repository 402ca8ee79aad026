package service_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/server"
	"github.com/backstep/backstep/internal/service"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

const (
	account = "123456789012"
	region  = "us-east-1"
	role    = "arn:aws:iam::123456789012:role/test"
)

// house is a service over a store in memory, with the engine running.
type house struct {
	store   store.Store
	service *service.Service
	calls   atomic.Int64
	tokens  chan string // of callback tasks, as their handler got them
	reports reports
	steps   steps
	close   func()
}

// Call is the handler of lambda:invoke: it answers the payload, or fails as the
// payload asks.
func (h *house) Call(ctx context.Context, t integration.Task) (value.Text, error) {
	h.calls.Add(1)
	if t.Pattern == integration.WaitForTaskToken {
		h.tokens <- t.Token
	}
	request := t.Request.Decode()
	payload := request.Get("Payload")
	if err := h.steps.take(payload.Get("step").AsString(), t); err != nil {
		return value.Text{}, err
	}
	if name := payload.Get("fail").AsString(); name != "" {
		return value.Text{}, &integration.Error{Name: name, Cause: "as asked", Effect: integration.EffectNamed}
	}
	return value.NewObject(value.Member{Name: "Payload", Value: payload}, value.Member{Name: "StatusCode", Value: value.NewInt(200)}).Text(), nil
}

func newHouse(t *testing.T) *house {
	t.Helper()
	return houseOn(t, storetest.NewMemory(storetest.MemoryOptions{}).Open())
}

// houseOn is a house on a store, which it closes.
func houseOn(t *testing.T, s store.Store) *house {
	t.Helper()
	h := &house{store: s, tokens: make(chan string, 16)}
	registry := new(integration.Registry)
	registry.Add("lambda", "*", h, integration.RequestResponse, integration.WaitForTaskToken)
	catalog := service.NewCatalog(h.store, registry)
	ctx, cancel := context.WithCancel(context.Background())
	e, err := engine.Open(ctx, engine.Config{Store: h.store, Registry: registry, Machines: catalog.Machine, Tell: h.reports.teller(catalog), Notices: []string{"hook"}, Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	h.close = sync.OnceFunc(func() {
		cancel()
		<-done
		h.store.Close()
	})
	t.Cleanup(h.close)
	for !e.Ready() {
		time.Sleep(time.Millisecond)
	}
	uuids := atomic.Int64{}
	h.service = service.New(service.Config{
		Store: h.store, Engine: e, Catalog: catalog, Account: account, Region: region, Now: time.Now,
		NewUUID: func() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", uuids.Add(1)) },
	})
	return h
}

// ways are the ways to a service: itself, and client → server → service.
func ways(t *testing.T, h *house) map[string]api.Service {
	t.Helper()
	s, err := server.New(server.Config{Service: h.service, Region: region})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(s)
	web.Listener.Close()
	if web.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	web.Start()
	t.Cleanup(web.Close)
	c, err := client.New(client.Config{Endpoint: web.URL, Region: region})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]api.Service{"service": h.service, "client": c}
}

func ptr[T any](v T) *T { return &v }

// name makes names differ between the ways of one test.
func name(t *testing.T, base string) string {
	_, way, _ := strings.Cut(strings.ReplaceAll(t.Name(), " ", ""), "/")
	return base + "-" + strings.NewReplacer("/", "-", "'", "").Replace(way)
}

func create(t *testing.T, svc api.Service, machine, definition string) string {
	t.Helper()
	out, err := svc.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{Name: machine, Definition: definition, RoleArn: role})
	if err != nil {
		t.Fatal(err)
	}
	return out.StateMachineArn
}

func start(t *testing.T, svc api.Service, machine, execution, input string) string {
	t.Helper()
	out, err := svc.StartExecution(t.Context(), &api.StartExecutionInput{StateMachineArn: machine, Name: &execution, Input: &input})
	if err != nil {
		t.Fatal(err)
	}
	return out.ExecutionArn
}

func await(t *testing.T, svc api.Service, arn string) *api.WaitExecutionOutput {
	t.Helper()
	out, err := svc.WaitExecution(t.Context(), &api.WaitExecutionInput{ExecutionArn: arn, TimeoutSeconds: ptr(int32(20))})
	if err != nil {
		t.Fatal(err)
	}
	if !out.Status.Ended() {
		t.Fatalf("%s has not ended: %s", arn, out.Status)
	}
	return out
}

// refused wants an error of that code, with that in its message.
func refused(t *testing.T, err error, code, message string) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, message) {
		t.Errorf("got %v, want %s: …%s…", err, code, message)
	}
}
