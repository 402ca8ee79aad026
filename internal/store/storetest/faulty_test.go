package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/store"
)

// TestEveryMethodHasItsFaults: no method of the contract is forgotten by Calls,
// and none passes the wrapper without its plan being asked.
func TestEveryMethodHasItsFaults(t *testing.T) {
	calls := map[string]Call{}
	for _, c := range Calls() {
		calls[c.Method] = c
	}
	contract := reflect.TypeFor[store.Store]()
	if len(calls) != contract.NumMethod() {
		t.Errorf("%d calls for %d methods", len(calls), contract.NumMethod())
	}
	for i := range contract.NumMethod() {
		method := contract.Method(i).Name
		c, there := calls[method]
		if !there {
			t.Errorf("%s is missing in Calls", method)
			continue
		}
		if c.Endless != (method == "Identity" || method == "Watch" || method == "Close") {
			t.Errorf("%s: Endless %v", method, c.Endless)
		}
		var asked []string
		f := NewFaulty(NewMemory(MemoryOptions{}).Open(), func(called string, _ *store.Batch) Fault {
			asked = append(asked, called)
			return Fault{}
		})
		if err := c.Do(t.Context(), f, everything(1)); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", method, err)
		}
		if fmt.Sprint(asked) != fmt.Sprint([]string{method}) {
			t.Errorf("%s asks the plan for %v", method, asked)
		}
	}
}

// TestFaults: every method with each of its faults, at its second call.
func TestFaults(t *testing.T) {
	for _, c := range Calls() {
		for _, fault := range Faults(c.Method) {
			t.Run(c.Method+" "+fault.Name, func(t *testing.T) {
				inner := NewMemory(MemoryOptions{}).Open()
				waited := 0
				f := fault.Fault
				f.Wait = func() { waited++ }
				s := NewFaulty(inner, Nth(c.Method, 2, f))
				first := c.Do(t.Context(), s, &store.Batch{})
				err := c.Do(t.Context(), s, everything(1))
				if first != nil && !errors.Is(first, store.ErrNotFound) {
					t.Errorf("the first call: %v", first)
				}
				if waited != 1 {
					t.Errorf("waited %d times", waited)
				}
				if c.Method != "Watch" && !errors.Is(err, f.Err) {
					t.Errorf("%v, want %v", err, f.Err)
				}
				if c.Method == "Commit" {
					h := &house{T: t, ctx: t.Context(), s: inner}
					h.holds(1, f.Done)
				}
			})
		}
	}
}

// TestUnknownButRefused: a commit whose expectation fails is no unknown one.
func TestUnknownButRefused(t *testing.T) {
	s := NewFaulty(NewMemory(MemoryOptions{}).Open(), Nth("Commit", 1, Fault{Err: store.ErrUnknown, Done: true}))
	err := s.Commit(t.Context(), &store.Batch{ExpectJobs: []store.JobKey{{Number: 1}}})
	if !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
}

func TestDeafWatch(t *testing.T) {
	s := NewFaulty(NewMemory(MemoryOptions{}).Open(), Nth("Watch", 1, Fault{Err: ErrPlain}))
	deaf, hearing := s.Watch(t.Context()), s.Watch(t.Context())
	if err := s.Commit(t.Context(), everything(1)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-hearing:
	case <-time.After(10 * time.Second):
		t.Fatal("the second watch hears nothing")
	}
	select {
	case hint := <-deaf:
		t.Fatalf("the deaf watch hears %v", hint)
	default:
	}
}
