package lift_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/lift"
)

// TestLong imports a saga of many steps, each with its answer beside those of the
// others and its Catch to the chain of all compensations before it: what is known is
// followed once, not once for each way there is.
func TestLong(t *testing.T) {
	const n = 150
	var states []string
	var o lift.Options
	for i := range n {
		next, back := fmt.Sprintf(`"Next": "S%d"`, i+1), "Failed"
		if i == n-1 {
			next = `"End": true`
		}
		if i > 0 {
			back = fmt.Sprintf("U%d", i-1)
		}
		states = append(states, fmt.Sprintf(`"S%d": {"Type": "Task", "Resource": "fn:s%d", "ResultPath": "$.s%d", "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": %q}], %s}`, i, i, i, back, next))
		if i < n-1 {
			states = append(states, fmt.Sprintf(`"U%d": {"Type": "Task", "Resource": "fn:u%d", "Parameters": {"id.$": "$.s%d.id"}, "ResultPath": null, "Next": %q}`, i, i, i, back))
			o.Compensates = append(o.Compensates, lift.Pair{State: fmt.Sprintf("U%d", i), Steps: []string{fmt.Sprintf("S%d", i)}})
		}
	}
	d, p := compiled(t, `{"StartAt": "S0", "States": {`+strings.Join(states, ",\n")+`, "Failed": {"Type": "Fail"}}}`)
	i, err := lift.Import(d, p, o)
	if err != nil || i.Converted != n-1 {
		t.Fatalf("%d converted, %v", i.Converted, err)
	}
	if got := strings.Count(i.Definition, `"id.$": "$.result.id"`); got != n-1 {
		t.Errorf("%d requests read the result of their step", got)
	}
}
