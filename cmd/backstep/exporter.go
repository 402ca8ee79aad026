package main

import (
	"errors"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/lower"
	"github.com/backstep/backstep/internal/prove"
)

// exportSaga lets the command line write a saga in plain ASL.
func exportSaga(text []byte, hold string) (*cli.Exported, error) {
	program, at, err := read(text)
	if err != nil {
		return nil, err
	}
	definition, _ := asl.Parse(text)
	e, err := lower.Export(definition, program, lower.Options{Hold: hold})
	var refused *lower.Refusal
	if errors.As(err, &refused) {
		return &cli.Exported{Refused: exportNotices(refused.Reasons, at)}, nil
	}
	return &cli.Exported{Definition: e.Definition, Sidecar: sidecar(&e.Sidecar).Text(), Warnings: exportNotices(e.Warnings, at)}, nil
}

func exportNotices(all []lower.Notice, at map[string]asl.Position) []cli.ExportNotice {
	var told []cli.ExportNotice
	for _, n := range all {
		told = append(told, cli.ExportNotice{Rule: n.Rule, State: n.State, Message: n.Message, Line: at[n.State].Line, Column: at[n.State].Column})
	}
	return told
}

// sidecar is an export's sidecar as the prover has it.
func sidecar(s *lower.Sidecar) *prove.Sidecar {
	p := &prove.Sidecar{Pivot: s.Pivot, NoEffect: s.NoEffect, Decides: s.Decides}
	for _, c := range s.Compensates {
		p.Compensates = append(p.Compensates, prove.Compensation{State: c.State, Steps: c.Steps})
	}
	for _, f := range s.Settles {
		p.Settles = append(p.Settles, prove.Settling(f))
	}
	for _, t := range s.Tells {
		p.Tells = append(p.Tells, prove.Telling(t))
	}
	for _, k := range s.KnownFailed {
		if p.KnownFailed == nil {
			p.KnownFailed = map[string][]string{}
		}
		p.KnownFailed[k.State] = k.Errors
	}
	for _, a := range s.Accepted {
		p.Accepted = append(p.Accepted, prove.Acceptance{Rule: a.Rule, State: a.State, Severity: prove.Severity(a.Severity), Because: a.Because})
	}
	return p
}
