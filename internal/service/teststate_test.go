package service_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/integration/aws"
	"github.com/backstep/backstep/internal/integration/items"
	"github.com/backstep/backstep/internal/service"
	"github.com/backstep/backstep/internal/value"
)

var update = flag.Bool("update", false, "write what the trials expect anew")

// function is every task of the trials: it answers its payload, fails as that
// asks, or never answers.
func function(ctx context.Context, t integration.Task) (value.Text, error) {
	payload := t.Request.Decode().Get("Payload")
	if payload.Get("hang").AsBool() {
		<-ctx.Done()
		return value.Text{}, ctx.Err()
	}
	if name := payload.Get("fail").AsString(); name != "" {
		return value.Text{}, &integration.Error{Name: name, Cause: "as asked", Effect: integration.EffectNamed}
	}
	return value.NewObject(value.Member{Name: "Payload", Value: payload}).Text(), nil
}

// bank is every HTTP service of the trials.
func bank(_ context.Context, t integration.Task) (value.Text, error) {
	r, err := http.NewRequest("POST", "https://bank.test/debit", nil)
	if err != nil {
		return value.Text{}, err
	}
	r.Header = http.Header{"X-Key": {"canary"}, "Accept": {"a", "b"}}
	t.Watch(integration.Exchange{Request: r, Body: "{}", Secrets: []string{"X-Key"}, Answer: &integration.Answer{
		Status: 200, Reason: "OK", Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte("done"),
	}})
	return value.Checked(`{"StatusCode":200}`), nil
}

type called func(context.Context, integration.Task) (value.Text, error)

func (c called) Call(ctx context.Context, t integration.Task) (value.Text, error) { return c(ctx, t) }

func newTester() *service.Tester {
	registry := new(integration.Registry)
	registry.Add("lambda", "invoke", called(function), integration.RequestResponse)
	registry.Add("http", "invoke", called(bank), integration.RequestResponse)
	uuids := 0
	return &service.Tester{
		Registry: registry, Models: aws.New(aws.Config{}), Reader: func(object string) integration.ItemReader { return items.NewReader(items.Text(object)) },
		Account: account, Region: region,
		Now: func() time.Time { return time.UnixMilli(1_800_000_000_000) },
		NewUUID: func() string {
			uuids++
			return fmt.Sprintf("00000000-0000-4000-8000-%012d", uuids)
		},
	}
}

// TestTrials runs testdata/teststate.txtar. A section is a request, named by
// what it shows; its answer, or the error, stands in it behind a line of "=".
// What definition and input hold is JSON there, not a text.
func TestTrials(t *testing.T) {
	const path = "testdata/teststate.txtar"
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range archive.Files {
		request, want, _ := strings.Cut(string(f.Data), "=\n")
		got := try(t, request)
		if got != want && !*update {
			t.Errorf("%s:\n%s\nwant\n%s", f.Name, got, want)
		}
		archive.Files[i].Data = []byte(request + "=\n" + got)
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// try tries one request, and tells the answer as text.
func try(t *testing.T, request string) string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(request), &members); err != nil {
		t.Fatal(request, err)
	}
	for _, name := range []string{"definition", "input", "variables", "context"} {
		if text, there := members[name]; there && text[0] != '"' {
			members[name], _ = json.Marshal(string(text))
		}
	}
	whole, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	in := new(api.TestStateInput)
	if err := json.Unmarshal(whole, in); err != nil {
		t.Fatal(err)
	}
	out, err := newTester().TestState(t.Context(), in)
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// testState tries a state out as callers do.
func testState(t *testing.T, h *house, svc api.Service) {
	calls := h.calls.Load()
	out, err := svc.TestState(t.Context(), &api.TestStateInput{
		Definition: failing, StateName: ptr("T"), RoleArn: ptr(role), Input: ptr(`{"x":1}`), InspectionLevel: api.InspectionLevelDebug,
	})
	if err != nil || out.Status != api.TestExecutionStatusSucceeded || *out.Output != `{"Payload":{"x":1},"StatusCode":200}` || *out.InspectionData.Result != *out.Output {
		t.Errorf("%+v, %v", out, err)
	}
	if n := h.calls.Load() - calls; n != 1 {
		t.Errorf("the task was called %d times", n)
	}
	_, err = svc.TestState(t.Context(), &api.TestStateInput{Definition: failing, StateName: ptr("Nobody")})
	refused(t, err, api.CodeValidation, "State not found in definition")
}

// A step is tried out for itself, in whichever scope it stands; a scope is not.
func TestStateOfASaga(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct{ definition, state string }{{order, "Charge"}, {trip, "Hotel"}, {trip, "Visa"}, {trip, "Wait"}} {
		out, err := h.service.TestState(t.Context(), &api.TestStateInput{Definition: c.definition, StateName: &c.state, Mock: &api.MockInput{Result: ptr(`{"Payload":{}}`)}})
		if err != nil || out.Status != api.TestExecutionStatusSucceeded {
			t.Errorf("%s: %+v, %v", c.state, out, err)
		}
	}
	_, err := h.service.TestState(t.Context(), &api.TestStateInput{Definition: trip, StateName: ptr("Inner"), Mock: &api.MockInput{Result: ptr(`{}`)}})
	refused(t, err, api.CodeInvalidDefinition, "does not support Saga states")
}
