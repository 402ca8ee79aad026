package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/graph"
)

// large are machines of so many states, of shapes that cost much: a line, a saga
// that is wired by hand, a fan, everything behind one another and all to one.
func large(n int) map[string]string {
	states := func(state func(i int) string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"Step number %d":{%s},`, i, state(i))
		}
		return `{"StartAt":"Step number 0","States":{` + b.String() + `"Done":{"Type":"Succeed"},"Failed":{"Type":"Fail"}}}`
	}
	next := func(i int) string {
		if i == n-1 {
			return "Done"
		}
		return fmt.Sprintf("Step number %d", i+1)
	}
	const task = `"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:f"`
	return map[string]string{
		"line": states(func(i int) string { return fmt.Sprintf(`"Type":"Pass","Next":%q`, next(i)) }),
		"catch": states(func(i int) string {
			return fmt.Sprintf(task+`,"Next":%q,"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Failed"}]`, next(i))
		}),
		"saga": states(func(i int) string { // half of them undo the other half
			switch half := n / 2; {
			case i == half-1:
				return fmt.Sprintf(task+`,"Next":"Done","Catch":[{"ErrorEquals":["States.ALL"],"Next":"Step number %d"}]`, half)
			case i < half:
				return fmt.Sprintf(task+`,"Next":%q,"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Step number %d"}]`, next(i), 2*half-1-i)
			case i == n-1:
				return task + `,"Next":"Failed"`
			}
			return fmt.Sprintf(task+`,"Next":%q`, next(i))
		}),
		"fan": states(func(i int) string {
			if i > 0 {
				return `"Type":"Pass","Next":"Done"`
			}
			var rules []string
			for k := 1; k < n; k++ {
				rules = append(rules, fmt.Sprintf(`{"Variable":"$.x","NumericEquals":%d,"Next":"Step number %d"}`, k, k))
			}
			return `"Type":"Choice","Choices":[` + strings.Join(rules, ",") + `],"Default":"Failed"`
		}),
		"loops": states(func(i int) string {
			return fmt.Sprintf(`"Type":"Choice","Choices":[{"Variable":"$.x","NumericEquals":1,"Next":"Step number %d"},{"Variable":"$.x","NumericEquals":2,"Next":"Failed"}],"Default":%q`, i/2, next(i))
		}),
		"mesh": states(func(i int) string {
			return fmt.Sprintf(`"Type":"Choice","Choices":[{"Variable":"$.x","NumericEquals":1,"Next":"Step number %d"},{"Variable":"$.x","NumericEquals":2,"Next":"Step number %d"}],"Default":%q`, i*7%n, (i*i+3)%n, next(i))
		}),
	}
}

// TestLarge lays out what is large, without a fault.
func TestLarge(t *testing.T) {
	for name, text := range large(260) {
		if found := faults(drawn(t, text, graph.Down)); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
}

// BenchmarkLayout is how long the layout of 500 states takes.
func BenchmarkLayout(b *testing.B) {
	for name, text := range large(500) {
		p := outline(b, text)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				graph.Of(p, "").Layout(graph.Down)
			}
		})
	}
}
