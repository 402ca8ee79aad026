package service

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/store"
)

// rules are what a definition is held against here.
func (c *Catalog) rules(kind api.StateMachineType) asl.Rules {
	return asl.Rules{Distributed: true, Strict: c.StrictAWS, Express: kind == api.StateMachineTypeExpress, Serves: c.serves}
}

// serves says what a Task may name: what the registry has a handler for, and
// what the engine does itself; all that AWS has where it can be mocked.
func (c *Catalog) serves(service, action string, p asl.Pattern) bool {
	return service == "states" || c.Mocked && asl.OnAWS(service, action, p) || c.registry.Serves(service, action, integration.Pattern(p))
}

// compile reads a definition and refuses one that can't run here.
func (c *Catalog) compile(text string, kind api.StateMachineType) (*asl.Program, error) {
	parse := asl.Parse
	if c.StrictAWS {
		parse = asl.ParseJSON
	}
	definition, diagnostics := parse([]byte(text))
	if message := asl.Render(diagnostics); message != "" {
		return nil, api.Errorf(api.CodeInvalidDefinition, "%s", message)
	}
	p, err := asl.Compile(definition, c.rules(kind))
	var refusal *asl.Refusal
	if errors.As(err, &refusal) {
		return nil, api.Errorf(api.CodeInvalidDefinition, "%s", refusal.Error())
	}
	return p, err
}

// definition is a definition's text by its hash.
func (c *Catalog) definition(ctx context.Context, hash store.Hash) (string, error) {
	text, err := c.store.Definition(ctx, hash)
	return string(text), err
}

// variables are the variables that each state of a definition reads; nil where
// none does.
func variables(text string) map[string][]string {
	definition, _ := asl.Parse([]byte(text))
	program, err := asl.Compile(definition, asl.Rules{Distributed: true})
	if err != nil {
		return nil
	}
	references := program.VariableReferences()
	if len(references) == 0 {
		return nil
	}
	return references
}

func hashOf(text string) store.Hash { return sha256.Sum256([]byte(text)) }

// maxDiagnostics is how much is said about a definition at once.
const maxDiagnostics = 100

// ValidateStateMachineDefinition says whether a definition could be created.
func (s *Service) ValidateStateMachineDefinition(ctx context.Context, in *api.ValidateStateMachineDefinitionInput) (*api.ValidateStateMachineDefinitionOutput, error) {
	definition, diagnostics := asl.Parse([]byte(in.Definition))
	if asl.Render(diagnostics) == "" {
		rules := s.Catalog.rules(in.Type)
		diagnostics = append(diagnostics, asl.Check(definition, rules)...)
		if p, err := asl.Compile(definition, rules); err == nil {
			found, err := s.unproven(ctx, p)
			if err != nil {
				return nil, refuse(err)
			}
			diagnostics = append(diagnostics, found...)
		}
	}
	most := int(in.MaxResults)
	if most == 0 {
		most = maxDiagnostics
	}
	truncated := false
	out := &api.ValidateStateMachineDefinitionOutput{
		Result: api.ValidateStateMachineDefinitionResultCodeOk, Diagnostics: []api.ValidateStateMachineDefinitionDiagnostic{}, Truncated: &truncated,
	}
	for _, d := range diagnostics {
		switch {
		case d.Severity == asl.Error:
			out.Result = api.ValidateStateMachineDefinitionResultCodeFail
		case in.Severity != api.ValidateStateMachineDefinitionSeverityWarning:
			continue
		}
		if len(out.Diagnostics) == most {
			truncated = true
			continue
		}
		out.Diagnostics = append(out.Diagnostics, api.ValidateStateMachineDefinitionDiagnostic{
			Severity: api.ValidateStateMachineDefinitionSeverity(d.Severity), Code: string(d.Code), Message: d.Message, Location: optional(d.Place),
		})
	}
	return out, nil
}
