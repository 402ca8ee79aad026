package asl_test

import (
	"testing"

	"github.com/backstep/backstep/internal/asl"
)

// TestPositions: every state, wherever it stands, is found in the text.
func TestPositions(t *testing.T) {
	d, problems := asl.Parse([]byte(`{"StartAt": "A", "States": {
  "A": {"Type": "Parallel", "Branches": [
    {"StartAt": "B", "States": {"B": {"Type": "Pass", "End": true}}},
    7], "Next": "C"},
  "C": {"Type": "Map", "ItemProcessor": {"StartAt": "D", "States": {
    "D": {"Type": "Map", "Iterator": {"StartAt": "é", "States": {"é": {"Type": "Task", "Parameters": {"States": {"X": {}}}}, "F": {}}}}}}},
  "G": {"Type": "Saga", "StartAt": "H", "States": {
    "H": {"Type": "Pass", "Branches": 1}, "A": {}}}}}`))
	if len(problems) > 0 {
		t.Fatal(asl.Render(problems))
	}
	want := map[string]asl.Position{"A": {2, 8}, "B": {3, 38}, "C": {5, 8}, "D": {6, 10}, "é": {6, 71}, "F": {6, 131}, "G": {7, 8}, "H": {8, 10}}
	got := d.Positions()
	for name, at := range want {
		if got[name] != at {
			t.Errorf("%s stands at %v, not %v", name, got[name], at)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d states, not %d: %v", len(got), len(want), got)
	}
	d, _ = asl.Parse([]byte(`{"States": []}`))
	if got := d.Positions(); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
