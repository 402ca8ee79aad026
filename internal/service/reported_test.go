package service

import (
	"strings"
	"testing"

	"github.com/backstep/backstep/api"
)

// Variables that are too long together are left out of what is logged.
func TestVariablesThatAreTooLong(t *testing.T) {
	for size, told := range map[int]bool{maxReported/2 - 100: true, maxReported/2 + 1: false} {
		e := api.HistoryEvent{Id: 2, StateExitedEventDetails: &api.StateExitedEventDetails{
			Name: "S", AssignedVariables: map[string]string{"a": strings.Repeat("x", size), "b": strings.Repeat("y", size)},
			AssignedVariablesDetails: &api.AssignedVariablesDetails{},
		}}
		d := detailsOf(&e).(*api.StateExitedEventDetails)
		if (d.AssignedVariables != nil) != told || d.AssignedVariablesDetails.Truncated == told || d.Name != "S" {
			t.Errorf("of two of %d bytes: %d are told, truncated %v", size, len(d.AssignedVariables), d.AssignedVariablesDetails.Truncated)
		}
	}
	if d := detailsOf(&api.HistoryEvent{Id: 2}); encodeReport(d) != "{}" {
		t.Errorf("no details are %v", d)
	}
}

// What is told of a text takes no more than maxReported bytes as a JSON string,
// whatever it consists of, and is not cut more than it must be.
func TestReported(t *testing.T) {
	for _, c := range []string{"a", `"`, "\\", "\n", "\b", "\x01", "ä", "\u2028", "\u2029", "\u2027", "😀", "<&>"} {
		given := strings.Repeat(c, maxReported+1)
		text, cut := reported(given)
		told := len(encodeReport(text)) - 2
		if !cut || told > maxReported || told <= maxReported-len(encodeReport(c)) {
			t.Errorf("%q: %d bytes are told, cut %v", c, told, cut)
		}
		if short, cut := reported(c); short != c || cut {
			t.Errorf("%q is told as %q, cut %v", c, short, cut)
		}
	}
}
