package sweep

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/prove"
	"github.com/backstep/backstep/internal/value"
)

func order(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/order.asl.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func program(t *testing.T, text []byte) *asl.Program {
	t.Helper()
	p, _, err := compile(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestOrder: the order saga is proven, and no two faults harm it.
func TestOrder(t *testing.T) {
	proof, err := prove.Prove(prove.Input{Program: program(t, order(t))})
	if err != nil || !proof.Proven() {
		t.Errorf("it is not proven: %v, %v", proof, err)
	}
	begin := time.Now()
	r, err := Sweep(context.Background(), Input{Definition: order(t), Pairs: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		t.Errorf("%s: %s; %s\n  %s", f.Seed, f.Message, strings.Join(f.Faults, "; "), strings.Join(f.Calls, " → "))
	}
	if r.Reached != r.Points || r.Points < 10_000 || len(r.Unmet) > 0 || r.Cut {
		t.Errorf("%d of %d points were reached, %v were never called", r.Reached, r.Points, r.Unmet)
	}
	t.Logf("%d worlds, %d of %d points, %v", r.Worlds, r.Reached, r.Points, time.Since(begin).Round(time.Millisecond))
}

// TestMaimed takes each undo of the order saga away, and lets each two of them
// change places: proof and sweep both find every one.
func TestMaimed(t *testing.T) {
	_, tree, err := compile(order(t))
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, s := range program(t, order(t)).Order {
		if s.Step != nil && s.Step.Compensate != nil {
			steps = append(steps, s.Name)
		}
	}
	variants := map[string]value.Value{}
	for i, a := range steps {
		variants["without "+a] = mapped(tree, func(name string, s *value.Builder) {
			if name == a {
				s.Set("Compensate", value.NewNull())
				s.Set("Confirm", value.NewNull())
			}
		})
		for _, b := range steps[:i] {
			undo := map[string]value.Value{}
			mapped(tree, func(name string, s *value.Builder) { undo[name] = s.Get("Compensate") })
			variants[b+" for "+a] = mapped(tree, func(name string, s *value.Builder) {
				switch name {
				case a:
					s.Set("Compensate", undo[b])
				case b:
					s.Set("Compensate", undo[a])
				}
			})
		}
	}
	if len(variants) < 20 {
		t.Errorf("there are %d variants", len(variants))
	}
	proofs, sweeps := 0, 0
	for name, v := range variants {
		t.Run(name, func(t *testing.T) {
			text := []byte(v.Text().String())
			proof, err := prove.Prove(prove.Input{Program: program(t, text)})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(proof.Findings, func(f prove.Finding) bool { return strings.Contains(name, f.State) }) {
				t.Errorf("the proof does not find it: %v", proof.Findings)
			}
			r, err := Sweep(context.Background(), Input{Definition: text})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Kind == left && strings.Contains(name, f.Step) }) {
				t.Errorf("the sweep does not find it: %v", r.Findings)
			}
			for i := range r.Findings {
				if again := repeated(t, text, &r.Findings[i]); again != "" {
					t.Error(again)
				}
			}
			proofs, sweeps = proofs+len(proof.Findings), sweeps+len(r.Findings)
		})
	}
	t.Logf("%d maimed sagas, each found by both: %d findings of the proof, %d of the sweep", len(variants), proofs, sweeps)
}

// repeated makes the world of a finding again by its seed, and says what is not
// as it was.
func repeated(t *testing.T, text []byte, f *Finding) string {
	r, err := Sweep(context.Background(), Input{Definition: text, Seed: f.Seed})
	if err != nil {
		return fmt.Sprintf("%s: %v", f.Seed, err)
	}
	if !slices.ContainsFunc(r.Findings, func(other Finding) bool {
		return other.Message == f.Message && slices.Equal(other.Calls, f.Calls) && slices.Equal(other.Faults, f.Faults)
	}) {
		return fmt.Sprintf("%s does not repeat %s: %v", f.Seed, f.Message, r.Findings)
	}
	return ""
}

// mapped is a definition with its states changed.
func mapped(v value.Value, change func(string, *value.Builder)) value.Value {
	switch v.Kind() {
	case value.Array:
		var all []value.Value
		for _, item := range v.Items() {
			all = append(all, mapped(item, change))
		}
		return value.NewArray(all)
	case value.Object:
		out := value.NewBuilder(v.Len())
		for name, m := range v.Members() {
			m = mapped(m, change)
			if m.Has("Type") {
				state := value.NewBuilder(m.Len())
				for field, of := range m.Members() {
					state.Set(field, of)
				}
				change(name, state)
				m = without(state.Object())
			}
			out.Set(name, m)
		}
		return out.Object()
	}
	return v
}

// without leaves out what is null.
func without(v value.Value) value.Value {
	out := value.NewBuilder(v.Len())
	for name, m := range v.Members() {
		if m.Kind() != value.Null {
			out.Set(name, m)
		}
	}
	return out.Object()
}
