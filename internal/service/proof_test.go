package service_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/service"
)

// A saga that is not proven is taken and told of, or refused, as the server is
// set; one that is proven, and what is no saga, is taken without a word.
func TestProofOnCreate(t *testing.T) {
	proven := `{"Saga":{},"StartAt":"Charge","States":{` + task("Charge", "charge", "refund", `"Next":"Pack"`) + `,` + task("Pack", "pack", "unpack", `"Next":"Ship"`) + `,
		"Ship":{"Type":"Task",` + call("ship") + `,"Pivot":true,"End":true}}}`
	leaky := strings.Replace(proven, `"Compensate":`+once("unpack")+",", "", 1)
	const rule = "SAGA001"
	h := newHouse(t)
	ctx := t.Context()
	s := func(p service.Proof, log *bytes.Buffer) *service.Service {
		c := h.service.Config
		c.Proof, c.Log = p, slog.New(slog.NewTextHandler(log, nil))
		return service.New(c)
	}
	for _, c := range []struct {
		name, definition string
		proof            service.Proof
		refused, warned  bool
	}{
		{"off", leaky, service.Proof{}, false, false},
		{"warn", leaky, service.Proof{Level: service.ProofWarn}, false, true},
		{"warnProven", proven, service.Proof{Level: service.ProofWarn}, false, false},
		{"warnPlain", `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}`, service.Proof{Level: service.ProofWarn}, false, false},
		{"refuse", leaky, service.Proof{Level: service.ProofRefuse}, true, false},
		{"refuseProven", proven, service.Proof{Level: service.ProofRefuse}, false, false},
		{"refuseIgnored", leaky, service.Proof{Level: service.ProofRefuse, Ignore: []string{rule}}, false, false},
		{"refuseOther", leaky, service.Proof{Level: service.ProofRefuse, Ignore: []string{"SAGA002"}}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			svc := s(c.proof, &log)
			_, err := svc.CreateStateMachine(ctx, &api.CreateStateMachineInput{Name: c.name, Definition: c.definition, RoleArn: role})
			if c.refused {
				refused(t, err, api.CodeInvalidDefinition, "Invalid State Machine Definition: '"+rule+": ")
			} else if err != nil {
				t.Errorf("it is refused: %v", err)
			}
			if warned := strings.Contains(log.String(), rule); warned != c.warned {
				t.Errorf("the log has %q", &log)
			}
			valid, err := svc.ValidateStateMachineDefinition(ctx, &api.ValidateStateMachineDefinitionInput{Definition: c.definition, Severity: api.ValidateStateMachineDefinitionSeverityWarning})
			if err != nil {
				t.Fatal(err)
			}
			told := slices.ContainsFunc(valid.Diagnostics, func(d api.ValidateStateMachineDefinitionDiagnostic) bool {
				return d.Code == rule && *d.Location == "/States/Pack"
			})
			if told != (c.refused || c.warned) || (valid.Result == api.ValidateStateMachineDefinitionResultCodeFail) != c.refused {
				t.Errorf("who validates hears %s, %v", valid.Result, valid.Diagnostics)
			}
		})
	}
	machine := create(t, h.service, "Updated", proven)
	_, err := s(service.Proof{Level: service.ProofRefuse}, new(bytes.Buffer)).UpdateStateMachine(ctx, &api.UpdateStateMachineInput{StateMachineArn: machine, Definition: &leaky})
	refused(t, err, api.CodeInvalidDefinition, rule)
	now, err := h.service.DescribeStateMachine(ctx, &api.DescribeStateMachineInput{StateMachineArn: machine})
	if err != nil || now.Definition != proven {
		t.Errorf("what was refused has changed it: %v", err)
	}
}

// A nested state machine is looked up: one that can be undone, one that can't, one
// that is not here.
func TestProofOfNested(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	create(t, h.service, "Child", order)
	create(t, h.service, "Plain", `{"StartAt":"S","States":{"S":{"Type":"Task",`+call("s")+`,"End":true}}}`)
	c := h.service.Config
	c.Proof = service.Proof{Level: service.ProofRefuse}
	svc := service.New(c)
	of := func(child string) string {
		return `{"Saga":{},"StartAt":"Nest","States":{"Nest":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync","TimeoutSeconds":60,
			"Parameters":{"StateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:` + child + `"},
			"Compensate":{"Resource":"arn:aws:states:::backstep:compensateExecution"},"Next":"Ship"},"Ship":{"Type":"Task",` + call("ship") + `,"Pivot":true,"End":true}}}`
	}
	for child, want := range map[string]string{"Child": "", "Plain": "SAGA019", "Missing": "SAGA019"} {
		_, err := svc.CreateStateMachine(ctx, &api.CreateStateMachineInput{Name: "Of" + child, Definition: of(child), RoleArn: role})
		if want != "" {
			refused(t, err, api.CodeInvalidDefinition, want)
		} else if err != nil {
			t.Errorf("%s: %v", child, err)
		}
	}
}
