package service

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/prove"
	"github.com/backstep/backstep/internal/store"
)

// Proof is what becomes of a state machine whose sagas are not proven when it is
// created or updated. Of plain ASL nothing is asked: which state undoes which is
// said by a file that no request carries.
type Proof struct {
	Level  ProofLevel
	Ignore []string // ids of rules that nobody has to keep
}

// ProofLevel is how much is asked.
type ProofLevel uint8

const (
	ProofOff    ProofLevel = iota // nothing
	ProofWarn                     // it is taken, and what is found is told: to the log, and to who validates
	ProofRefuse                   // it is refused
)

// mostWalked bounds the proof of one request to about a second.
const mostWalked = 10_000_000

// notDecided is the code of a place where the proof could not look.
const notDecided = "SAGA_NOT_DECIDED"

// unproven is what the rules have to say of a definition's sagas, as diagnostics
// of the severity that the setting gives them.
func (s *Service) unproven(ctx context.Context, p *asl.Program) ([]asl.Diagnostic, error) {
	if s.Proof.Level == ProofOff || !p.HasSagas() {
		return nil, nil
	}
	severity := asl.Warning
	if s.Proof.Level == ProofRefuse {
		severity = asl.Error
	}
	var unread error
	report, err := prove.Prove(prove.Input{Program: p, Sidecar: &prove.Sidecar{}, Edges: mostWalked, Nested: func(arn string) *asl.Program {
		nested, err := s.Catalog.nested(ctx, arn)
		unread = errors.Join(unread, err)
		return nested
	}})
	if err = errors.Join(err, unread); err != nil {
		return nil, err
	}
	var all []asl.Diagnostic
	for _, f := range report.Findings {
		if !slices.Contains(s.Proof.Ignore, f.Rule) {
			all = append(all, asl.Diagnostic{Severity: severity, Code: asl.Code(f.Rule), Message: f.Message, Place: f.Place})
		}
	}
	for _, u := range report.Undecided {
		at := ""
		if state := p.States[u.State]; state != nil {
			at = state.Place
		}
		all = append(all, asl.Diagnostic{Severity: severity, Code: notDecided, Message: "It is not decided whether every failure is undone: " + u.Why, Place: at})
	}
	return all, nil
}

// nested is the program of a state machine that another one starts, nil where
// it is not here.
func (c *Catalog) nested(ctx context.Context, text string) (*asl.Program, error) {
	arn, err := api.ParseARN(text)
	if err != nil || !startable(arn) {
		return nil, nil
	}
	anyOf := func([]byte) error { return nil } // an alias may lead to two versions
	m, err := c.starting(ctx, arn, anyOf)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, errDeleting) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	body, err := c.store.Definition(ctx, m.Definition)
	if err != nil {
		return nil, err
	}
	definition, _ := asl.Parse(body)
	return asl.Compile(definition, asl.Rules{Distributed: true, Foreign: true, Serves: asl.OnAWS})
}

// check refuses a definition of that name that can't run here, and one whose sagas
// are not proven, where the setting has it so.
func (s *Service) check(ctx context.Context, name, definition string, kind api.StateMachineType) error {
	p, err := s.Catalog.compile(definition, kind)
	if err != nil {
		return err
	}
	found, err := s.unproven(ctx, p)
	if err != nil {
		return refuse(err)
	}
	if message := asl.Render(found); message != "" {
		return api.Errorf(api.CodeInvalidDefinition, "%s", message)
	}
	if len(found) > 0 {
		told := make([]string, 0, mostTold)
		for _, d := range found[:min(len(found), mostTold)] {
			told = append(told, d.String())
		}
		s.Log.Warn("a saga is not proven: backstep verify tells more", "stateMachine", name, "findings", len(found), "first", strings.Join(told, "; "))
	}
	return nil
}

// mostTold is how many findings the log gets of one definition.
const mostTold = 3
