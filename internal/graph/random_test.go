package graph_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/backstep/backstep/internal/graph"
)

// machine is a definition drawn by chance: about n states, in flows within flows,
// with loops, errors, compensations and names of every kind.
func machine(r *rand.Rand, n int) string {
	m := maker{Rand: r, left: n}
	top := m.flow(0)
	if m.IntN(2) == 0 {
		top["Saga"] = map[string]any{}
		m.saga = true
	}
	text, err := json.Marshal(top)
	if err != nil {
		panic(err)
	}
	return string(text)
}

type maker struct {
	*rand.Rand
	left, made int
	saga       bool
}

var namesOfChance = []string{"Charge", "ReserveInventoryForTheOrderOfAVeryGoodCustomer", "在庫を確保する", "حجز", "a", "☎🛒👩‍👩‍👧", "x_y-z.1:2", "WITHOUTANYBORDERATALLASITSEEMSTHATGOESONANDONANDONANDON"}

func (m *maker) name() string {
	m.made++
	return fmt.Sprintf("%s %d", namesOfChance[m.IntN(len(namesOfChance))], m.made)
}

func (m *maker) flow(depth int) map[string]any {
	n := 1 + m.IntN(max(1, min(m.left, 12+40*(1-min(depth, 1)))))
	m.left -= n
	names, states := make([]string, n), map[string]any{}
	for i := range names {
		names[i] = m.name()
	}
	for i, name := range names {
		states[name] = m.state(names, i, depth)
	}
	return map[string]any{"StartAt": names[0], "States": states}
}

// state leads on to the next one, and anywhere else besides.
func (m *maker) state(names []string, i, depth int) map[string]any {
	any1 := func() string { return names[m.IntN(len(names))] }
	s := map[string]any{"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f"}
	if i+1 < len(names) && m.IntN(9) > 0 {
		s["Next"] = names[i+1]
	} else {
		s["End"] = true
	}
	switch kind := m.IntN(10); {
	case kind < 3 && len(names) > 1:
		var choices []any
		for range 1 + m.IntN(5) {
			choices = append(choices, map[string]any{"Variable": "$.x", "NumericLessThan": m.IntN(1000), "Next": any1()})
		}
		s = map[string]any{"Type": "Choice", "Choices": choices, "Default": names[min(i+1, len(names)-1)]}
		return s
	case kind == 3 && depth < 3 && m.left > 0:
		branches := []any{m.flow(depth + 1), m.flow(depth + 1)}
		delete(s, "Resource")
		s["Type"], s["Branches"] = "Parallel", branches
	case kind == 4 && depth < 3 && m.left > 0:
		delete(s, "Resource")
		s["Type"], s["ItemProcessor"] = "Map", m.flow(depth+1)
	case kind < 7:
		s["Compensate"] = map[string]any{"Resource": "arn:aws:lambda:us-east-1:123456789012:function:undo"}
	}
	var catches []any
	for range m.IntN(3) {
		catches = append(catches, map[string]any{"ErrorEquals": []string{"Error" + fmt.Sprint(m.IntN(100))}, "Next": any1()})
	}
	if catches != nil {
		s["Catch"] = catches
	}
	return s
}

// TestAnyMachine lays machines of chance out, and finds no fault.
func TestAnyMachine(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		text := machine(r, 5+r.IntN(60))
		for _, d := range []graph.Direction{graph.Down, graph.Right} {
			if found := faults(drawn(t, text, d)); len(found) > 0 {
				t.Fatalf("seed %d, %s: %v\n%s", seed, d, found, text)
			}
		}
	}
}
