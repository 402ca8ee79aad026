package prove

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/asl"
)

// TestSidecarIsRefused: what is wrong with a sidecar is told, by its own form and
// by the definition that it is for.
func TestSidecarIsRefused(t *testing.T) {
	p := compile(t, `{"StartAt": "A", "States": {
		"A": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:a", "Next": "C"},
		"C": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": true, "Next": "U"}], "Default": "P"},
		"U": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:u", "End": true},
		"P": {"Type": "Parallel", "Branches": [{"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:b", "End": true}}},
			{"StartAt": "D", "States": {"D": {"Type": "Pass", "End": true}}}], "End": true}}}`)
	for _, c := range []struct{ sidecar, want string }{
		{``, "a value should stand"},
		{`{"Compensates": {"U": "A"}`, "should stand here"},
		{`[]`, "the sidecar must be an object, and is of type array"},
		{`{"compensates": {}}`, `the sidecar has no member "compensates"`},
		{`{"Compensates": {"U": "A"}, "Compensates": {}}`, `"Compensates" stands twice`},
		{`{"Compensates": {"U": "A", "U": "B"}}`, `"U" stands twice`},
		{`{"Compensates": []}`, "Compensates must be an object, and is of type array"},
		{`{"Compensates": {"U": 1}}`, "Compensates.U must be an array, and is of type number"},
		{`{"Compensates": {"U": []}}`, "Compensates.U names nothing"},
		{`{"Compensates": {"U": ["A", 1]}}`, "Compensates.U[1] must be a text, and is of type number"},
		{`{"Comment": 1}`, "Comment must be a text, and is of type number"},
		{`{"NoEffect": "A"}`, "NoEffect must be an array, and is of type string"},
		{`{"Refusals": [{"Choice": "C", "Next": "U"}]}`, "Refusals[0]: Step is required"},
		{`{"Refusals": [{"Choice": "C", "Next": "U", "Step": "A", "Why": ""}]}`, `Refusals[0] has no member "Why"`},
		{`{"Accepted": [{"Rule": "SAGA021", "Because": "x"}]}`, `Accepted[0]: there is no rule "SAGA021"`},
		{`{"Accepted": [{"Rule": "SAGA009", "Because": " "}]}`, "Accepted[0]: Because has to say why"},
		{`{"Compensates": {"Undo": "A"}}`, `Compensates: the definition has no state "Undo"`},
		{`{"Compensates": {"U": "P"}}`, `Compensates.U: "P" is a Parallel, not a Task`},
		{`{"Compensates": {"U": "U"}}`, `Compensates: "U" can't undo itself`},
		{`{"Compensates": {"U": "A", "A": "B"}}`, `Compensates: "A" is a step and undoes another one, too`},
		{`{"Pivot": "B"}`, `Pivot: "B" stands beneath "P", whose other branches or items may still go back; put the pivot after it`},
		{`{"Tells": [{"Choice": "C", "States": ["A"]}]}`, "Tells[0]: Choice, Next and States are required"},
		{`{"Tells": [{"Choice": "C", "Next": "B", "States": "D"}]}`, `Tells: "C" is no Choice that leads to "B"`},
		{`{"Tells": [{"Choice": "C", "Next": "U", "States": ["X"]}]}`, `Tells: the definition has no state "X"`},
		{`{"Tells": [{"Choice": "C", "Next": "U", "States": ["D"], "Why": 1}]}`, `Tells[0] has no member "Why"`},
		{`{"Settles": [{"Choice": "C", "Next": "U", "Step": "A"}]}`, "Settles[0]: Outcome is required"},
		{`{"Settles": [{"Choice": "C", "Next": "U", "Step": "A", "Outcome": "UNKNOWN"}]}`, `Settles[0]: Outcome is "SUCCEEDED" or "FAILED"`},
		{`{"Settles": [{"Choice": "C", "Next": "B", "Step": "A", "Outcome": "FAILED"}]}`, `Settles: "C" is no Choice that leads to "B"`},
		{`{"Settles": [{"Choice": "C", "Next": "U", "Step": "C", "Outcome": "FAILED"}]}`, `Settles: "C" is a Choice, not a Task`},
		{`{"Pivot": "X"}`, `Pivot: the definition has no state "X"`},
		{`{"Irrevocable": ["C"]}`, `Irrevocable: "C" is a Choice, not a Task`},
		{`{"Compensates": {"U": "A"}, "NoEffect": ["U"]}`, `NoEffect: "U" undoes a step, and so has an effect`},
		{`{"KnownFailed": {"X": ["E"]}}`, `KnownFailed: the definition has no state "X"`},
		{`{"Refusals": [{"Choice": "X", "Next": "U", "Step": "A"}]}`, `Refusals: the definition has no state "X"`},
		{`{"Refusals": [{"Choice": "A", "Next": "C", "Step": "A"}]}`, `Refusals: "A" is no Choice that leads to "C"`},
		{`{"Refusals": [{"Choice": "C", "Next": "B", "Step": "A"}]}`, `Refusals: "C" is no Choice that leads to "B"`},
		{`{"Pivot": "A"}`, `Pivot: "A" stands in a saga scope; give it "Pivot": true itself`},
		{`{"KnownFailed": {"A": ["E"]}}`, `KnownFailed: "A" stands in a saga scope; give it KnownFailed itself`},
		{`{"Accepted": [{"Rule": "SAGA009", "State": "X", "Because": "x"}]}`, `Accepted: the definition has no state "X"`},
	} {
		s, err := ParseSidecar(c.sidecar)
		if strings.Contains(c.want, "saga scope") {
			p = compile(t, `{"Saga": {}, "StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:a", "End": true}}}`)
		}
		if err == nil {
			_, err = Prove(Input{Program: p, Sidecar: s})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, not %s", c.sidecar, err, c.want)
		}
	}
}

// TestSidecarTextIsRead: what is written is read as it was.
func TestSidecarTextIsRead(t *testing.T) {
	text := `{
  "Comment": "read before use",
  "Compensates": {
    "Refund": "Charge",
    "Release": ["Reserve","Hold"]
  },
  "Pivot": "Ship",
  "Irrevocable": ["Mail"],
  "NoEffect": ["Check","Look"],
  "KnownFailed": {
    "Charge": ["CardDeclined"]
  },
  "Refusals": [
    {"Choice":"Free?","Next":"Sorry","Step":"Hold"}
  ],
  "Settles": [
    {"Choice":"Free?","Next":"Sorry","Step":"Hold","Outcome":"FAILED"},
    {"Choice":"Free?","Next":"Good","Step":"Hold","Outcome":"SUCCEEDED"}
  ],
  "Tells": [
    {"Choice":"Well?","Next":"Good","States":["Told","Told 2"]},
    {"Choice":"Done?","Next":"Good","States":"Told"}
  ],
  "Nested": {
    "arn:aws:states:us-east-1:123456789012:stateMachine:Child": "child.asl.json"
  },
  "Accepted": [
    {"Rule":"SAGA009","Because":"nobody stops it"},
    {"Rule":"SAGA016","State":"Ship","Because":"the truck always answers"}
  ]
}
`
	if got := sidecarOf(t, text).Text(); got != text {
		t.Errorf("written:\n%s\nread from:\n%s", got, text)
	}
}

// TestKnownFailedReplacesWhatNamesTell: with a list, an error that is not in it
// leaves the outcome unknown.
func TestKnownFailedReplacesWhatNamesTell(t *testing.T) {
	p := compile(t, `{"StartAt": "Charge", "States": {
		"Charge": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:charge", "ResultPath": null,
			"Catch": [{"ErrorEquals": ["CardDeclined", "Broken"], "ResultPath": null, "Next": "Failed"}, {"ErrorEquals": ["States.ALL"], "ResultPath": null, "Next": "Refund"}], "End": true},
		"Refund": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:refund", "ResultPath": null, "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 99999999}], "Next": "Failed"},
		"Failed": {"Type": "Fail"}}}`)
	for _, c := range []struct{ known, want string }{
		{``, ""},
		{`, "KnownFailed": {"Charge": ["CardDeclined", "Broken"]}`, ""},
		{`, "KnownFailed": {"Charge": ["CardDeclined"]}`, "Broken"},
		{`, "KnownFailed": {"Charge": []}`, "CardDeclined or Broken"},
	} {
		r, err := Prove(Input{Program: p, Sidecar: sidecarOf(t, `{"Compensates": {"Refund": "Charge"}, "Accepted": [{"Rule": "SAGA009", "Because": "x"}]`+c.known+`}`)})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(r.Findings) > 0 {
			_, rest, _ := strings.Cut(r.Findings[0].Message, "ends by ")
			got, _, _ = strings.Cut(rest, ", and is")
		}
		if got != c.want {
			t.Errorf("%s: unknown is %q, not %q", c.known, got, c.want)
		}
	}
}

// TestEffects: what the name of an error tells of a call's effect.
func TestEffects(t *testing.T) {
	lambda, http, table := resource("arn:aws:states:::lambda:invoke"), resource("arn:aws:states:::http:invoke"), resource("arn:aws:states:::dynamodb:putItem")
	activity := resource("arn:aws:states:us-east-1:123456789012:activity:a")
	for _, c := range []struct {
		call  *call
		name  string
		known []string
		want  effect
	}{
		{lambda, "CardDeclined", nil, refused},
		{lambda, "CardDeclined", []string{"CardDeclined"}, noEffect},
		{lambda, "TypeError", []string{"CardDeclined"}, unknown},
		{lambda, "TypeError", []string{}, unknown},
		{lambda, "Lambda.Unknown", nil, unknown},
		{lambda, "Lambda.TooManyRequestsException", nil, noEffect},
		{lambda, "Lambda.ServiceException", nil, unknown},
		{lambda, "Sandbox.Timedout", nil, unknown},
		{lambda, "States.Timeout", nil, unknown},
		{lambda, "States.Permissions", nil, noEffect},
		{activity, "NoStock", nil, refused},
		{http, "States.Http.StatusCode.404", nil, noEffect},
		{http, "States.Http.StatusCode.429", nil, noEffect},
		{http, "States.Http.StatusCode.408", nil, unknown},
		{http, "States.Http.StatusCode.503", nil, unknown},
		{http, "States.Http.Socket", nil, unknown},
		{http, "Whatever", nil, unknown},
		{table, "DynamoDB.ConditionalCheckFailedException", nil, noEffect},
		{table, "DynamoDB.ThrottlingException", nil, noEffect},
		{table, "DynamoDB.InternalServerErrorException", nil, unknown},
	} {
		if got := c.call.effectOf(c.name, c.known); got != c.want {
			t.Errorf("%s of %s, known %v: %d, not %d", c.name, c.call.resource.Text, c.known, got, c.want)
		}
	}
}

func resource(text string) *call {
	r, _ := asl.ParseResource(text)
	c := newCall(&r, nil)
	return &c
}

// TestProposals: which names are taken to undo which.
func TestProposals(t *testing.T) {
	for _, c := range []struct{ undo, step string }{
		{"ReleaseInventory", "ReserveInventory"}, {"RefundPayment", "ChargePayment"}, {"PaymentRefund", "ProcessPayment"}, {"Credit", "Debit"},
		{"DeleteOrder", "CreateOrder"}, {"CancelOrder", "CreateOrder"}, {"Unlock", "Lock"}, {"Release Lock", "Aquire Lock"}, {"CancelHotelState", "BookHotelState"},
		{"Deallocate room", "Allocate room"}, {"Stop-Cluster", "Start-Cluster"}, {"InventoryRollback", "UpdateInventory"}, {"Roll Back Stock", "Take Stock"},
		{"BookFlightStepCompensation", "BookFlightStep"}, {"UndoA1", "A1"}, {"RestockItem", "PickItem"},
	} {
		if newName(c.undo).matches(newName(c.step)) == 0 {
			t.Errorf("%s is not taken to undo %s", c.undo, c.step)
		}
	}
	for _, c := range []struct{ undo, step string }{
		{"ReleaseInventory", "ReserveFlight"}, {"RefundPayment", "ReserveInventory"}, {"CancelHotel", "BookFlight"}, {"NotifyCustomer", "ChargeCustomer"},
		{"UndoA2", "B1"}, {"Release a car", "Reserve a room"}, {"Ship", "Pack"},
	} {
		if n := newName(c.undo).matches(newName(c.step)); n > 0 {
			t.Errorf("%s is taken to undo %s, by %d", c.undo, c.step, n)
		}
	}
}

// TestProposalsOfALargeMachine: thousands of states are paired up in a moment.
func TestProposalsOfALargeMachine(t *testing.T) {
	definition, sidecar := large(5000, true)
	p, s := compile(t, definition), sidecarOf(t, sidecar)
	begin := time.Now()
	got := Propose(p)
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	if len(got.Compensates) != len(s.Compensates) {
		t.Fatalf("%d pairs are proposed, not %d", len(got.Compensates), len(s.Compensates))
	}
	for _, c := range got.Compensates {
		if len(c.Steps) != 1 || c.State != "Undo"+c.Steps[0] {
			t.Fatalf("%s is taken to undo %v", c.State, c.Steps)
		}
	}
}

// TestBoundIsTold: what a bound cuts off is not called proven.
func TestBoundIsTold(t *testing.T) {
	definition, sidecar := large(100, true)
	in := Input{Program: compile(t, definition), Sidecar: sidecarOf(t, sidecar)}
	r, err := Prove(in)
	if err != nil || !r.Proven() {
		t.Fatalf("%v: %+v", err, r)
	}
	in.Edges = 500
	r, err = Prove(in)
	if err != nil || r.Proven() || len(r.Undecided) != 1 || r.Undecided[0].Why != "the bound on the paths to walk was reached" {
		t.Errorf("%v: %+v", err, r.Undecided)
	}
}

// TestBesideOneAnother: a step and its compensation in branches side by side are
// told to be beyond what is looked at.
func TestBesideOneAnother(t *testing.T) {
	p := compile(t, `{"StartAt": "P", "States": {"P": {"Type": "Parallel", "Branches": [
		{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:a", "End": true}}},
		{"StartAt": "U", "States": {"U": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:u", "End": true}}}], "End": true}}}`)
	for _, pair := range []string{`{"U": "A"}`, `{"A": "U"}`} {
		r, err := Prove(Input{Program: p, Sidecar: sidecarOf(t, `{"Compensates": `+pair+`}`)})
		if err != nil || len(r.Undecided) != 1 || r.Undecided[0].State != "P" {
			t.Errorf("%s: %v: %+v", pair, err, r.Undecided)
		}
	}
}

// TestManyFindings: a report holds 1,000 findings and counts the rest.
func TestManyFindings(t *testing.T) {
	definition, sidecar := large(500, false)
	r, err := Prove(Input{Program: compile(t, definition), Sidecar: sidecarOf(t, sidecar)})
	if err != nil || len(r.Findings) > maxFindings || r.More < 1000 {
		t.Errorf("%v: %d findings and %d more", err, len(r.Findings), r.More)
	}
}

// TestNestedParallels: ten Parallels within one another, of ten branches each,
// end within the bound and with a verdict.
func TestNestedParallels(t *testing.T) {
	for _, retried := range []bool{false, true} {
		definition, sidecar := nested(retried)
		begin := time.Now()
		r, err := Prove(Input{Program: compile(t, definition), Sidecar: sidecarOf(t, sidecar)})
		if err != nil || len(r.Undecided) > 0 || len(r.Findings) == 0 {
			t.Errorf("%v: %d findings, undecided %v", err, len(r.Findings), r.Undecided)
		}
		if took := time.Since(begin); took > 20*time.Second { // a second, on a quiet machine: make verify-scale
			t.Errorf("it took %v", took)
		}
	}
}

// TestLargeMachine: a saga of 500 states is proven within a second and 200 MiB.
func TestLargeMachine(t *testing.T) {
	for _, complete := range []bool{true, false} {
		definition, sidecar := large(500, complete)
		p, s := compile(t, definition), sidecarOf(t, sidecar)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		r, err := Prove(Input{Program: p, Sidecar: s})
		took := time.Since(begin)
		runtime.ReadMemStats(&after)
		if err != nil || r.Proven() != complete {
			t.Errorf("complete %v: %v, %d findings, undecided %v", complete, err, len(r.Findings), r.Undecided)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 200<<20 {
			t.Errorf("it allocated %d MiB in all", allocated>>20)
		}
		if took > 5*time.Second { // the bound is one second on a quiet machine: make verify-scale
			t.Errorf("it took %v", took)
		}
	}
}
