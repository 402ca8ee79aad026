package prove

import "testing"

// TestRemaining: a sidecar keeps what a definition in the extension does not say
// itself, of states that are there.
func TestRemaining(t *testing.T) {
	before := sidecarOf(t, `{"Comment": "of an order", "Compensates": {"UndoA": "A", "UndoB": ["B", "Gone"]}, "Pivot": ["A", "Late"], "NoEffect": ["Ask", "Gone"],
		"KnownFailed": {"A": ["Busy"], "Late": ["Busy"], "Gone": []}, "Refusals": [{"Choice": "Sure", "Next": "No", "Step": "A"}, {"Choice": "Sure", "Next": "Gone", "Step": "A"}],
		"Accepted": [{"Rule": "SAGA009", "Because": "so"}, {"Rule": "SAGA001", "State": "Gone", "Because": "so"}]}`)
	p := scriptProgram(t, "StartAt: In\nStates: "+`{In: {Type: Saga, StartAt: A, States: {A: {Type: Task, Resource: "fn:a", Next: Ask}, Ask: {Type: Task, Resource: "fn:ask", Next: Sure},
		Sure: {Type: Choice, Choices: [{Variable: "$.no", BooleanEquals: true, Next: No}], Default: B}, No: {Type: Fail},
		B: {Type: Task, Resource: "fn:b", Catch: [{ErrorEquals: [States.ALL], Next: UndoB}], End: true}, UndoB: {Type: Task, Resource: "fn:undoB", Next: No}}, Next: Late},
		Late: {Type: Task, Resource: "fn:late", End: true}}`)
	const want = `{
  "Comment": "of an order",
  "Compensates": {
    "UndoB": "B"
  },
  "Pivot": "Late",
  "NoEffect": ["Ask"],
  "KnownFailed": {
    "Late": ["Busy"]
  },
  "Refusals": [
    {"Choice":"Sure","Next":"No","Step":"A"}
  ],
  "Accepted": [
    {"Rule":"SAGA009","Because":"so"}
  ]
}
`
	rest := before.Remaining(p)
	if rest.Text() != want {
		t.Errorf("%s", rest.Text())
	}
	if err := rest.check(p); err != nil {
		t.Error(err)
	}
	if rest := sidecarOf(t, `{"Compensates": {"UndoA": "A"}}`).Remaining(p); rest != nil {
		t.Errorf("%s is left of nothing", rest.Text())
	}
}
