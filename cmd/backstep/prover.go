package main

import (
	"errors"
	"fmt"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/prove"
)

// prover lets the command line prove definitions.
type prover struct{}

// Rules are all rules.
func (prover) Rules() []cli.ProofRule {
	var all []cli.ProofRule
	for _, r := range prove.Rules() {
		all = append(all, cli.ProofRule{ID: r.ID, Name: r.Name, Severity: string(r.Severity), Title: r.Title, Help: r.Help, Fix: r.Fix})
	}
	return all
}

// Propose is a sidecar by the names of a definition.
func (prover) Propose(text []byte) (string, int, error) {
	program, _, err := read(text)
	if err != nil {
		return "", 0, err
	}
	s := prove.Propose(program)
	return s.Text(), len(s.Compensates), nil
}

// Prove proves a definition.
func (prover) Prove(in cli.ProofInput) (*cli.Proof, error) {
	program, at, err := read(in.Definition)
	if err != nil {
		return nil, err
	}
	proof := prove.Input{Program: program}
	if in.Sidecar != nil {
		if proof.Sidecar, err = prove.ParseSidecar(string(in.Sidecar)); err != nil {
			return nil, fmt.Errorf("its sidecar: %w", err)
		}
	}
	var unread error
	proof.Nested = allNested(in.Nested, proof.Sidecar, &unread)
	report, err := prove.Prove(proof)
	if err != nil {
		return nil, fmt.Errorf("its sidecar: %w", err)
	}
	return told(report, at), unread
}

// allNested reads nested state machines, each once, and adds to an error those that
// can't be read.
func allNested(by func(arn, file string) ([]byte, error), s *prove.Sidecar, unread *error) func(arn string) *asl.Program {
	known := map[string]*asl.Program{}
	return func(arn string) *asl.Program {
		p, asked := known[arn]
		if !asked {
			var err error
			p, err = nested(by, s, arn)
			*unread = errors.Join(*unread, err)
			known[arn] = p
		}
		return p
	}
}

// nested reads a nested state machine, nil where it is not known.
func nested(by func(arn, file string) ([]byte, error), s *prove.Sidecar, arn string) (*asl.Program, error) {
	file := ""
	if s != nil {
		file = s.Nested[arn]
	}
	text, err := by(arn, file)
	if text == nil || err != nil {
		return nil, err
	}
	p, _, err := read(text)
	if err != nil {
		return nil, fmt.Errorf("the nested %s: %w", arn, err)
	}
	return p, nil
}

// read compiles a definition, whatever a server of ours is told to serve.
func read(text []byte) (*asl.Program, map[string]asl.Position, error) {
	definition, diagnostics := asl.Parse(text)
	if definition == nil {
		return nil, nil, fmt.Errorf("it is no definition: %v", diagnostics[0])
	}
	p, err := asl.Compile(definition, asl.Rules{Distributed: true, Serves: asl.OnAWS, Foreign: true})
	if err != nil {
		return nil, nil, fmt.Errorf("it is not valid (see backstep validate): %w", err)
	}
	return p, definition.Positions(), nil
}

// told is a report as the command line has it.
func told(r *prove.Report, at map[string]asl.Position) *cli.Proof {
	p := &cli.Proof{Kind: string(r.Kind), States: r.States, Steps: r.Steps, Paths: r.Paths, More: r.More, Assumed: r.Assumed,
		Proposed: r.Proposed, Nothing: r.Kind == prove.NoSaga && len(r.Findings) == 0}
	for _, f := range r.Findings {
		p.Findings = append(p.Findings, toldFinding(f, at))
	}
	for _, f := range r.Accepted {
		p.Accepted = append(p.Accepted, toldFinding(f, at))
	}
	for _, u := range r.Undecided {
		p.Undecided = append(p.Undecided, cli.ProofPlace(u))
	}
	for _, pair := range r.Pairs {
		p.Pairs = append(p.Pairs, cli.ProofPair(pair))
	}
	return p
}

func toldFinding(f prove.Finding, at map[string]asl.Position) cli.ProofFinding {
	told := cli.ProofFinding{Rule: f.Rule, Severity: string(f.Severity), State: f.State, Step: f.Step, Place: f.Place,
		Line: at[f.State].Line, Column: at[f.State].Column, Message: f.Message, Fix: f.Fix, Because: f.Because}
	for _, m := range f.Path {
		told.Path = append(told.Path, cli.ProofMove{State: m.State, Way: m.Way, Line: at[m.State].Line, Column: at[m.State].Column})
	}
	if len(f.Path) > 0 {
		told.Script = &cli.ProofScript{Faults: []cli.ProofFault{}}
		for _, x := range f.Script.Faults {
			told.Script.Faults = append(told.Script.Faults, cli.ProofFault(x))
		}
		for _, a := range f.Script.Assume {
			told.Script.Assume = append(told.Script.Assume, cli.ProofAssume(a))
		}
	}
	return told
}
