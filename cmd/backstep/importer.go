package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/lift"
	"github.com/backstep/backstep/internal/prove"
)

// importSaga lets the command line write a saga that is wired by hand in the
// extension.
func importSaga(in cli.ProofInput, ignoreAnswers []string) (*cli.Imported, error) {
	program, at, err := read(in.Definition)
	if err != nil {
		return nil, err
	}
	definition, _ := asl.Parse(in.Definition)
	side, given := prove.Propose(program), in.Sidecar != nil
	if given {
		if side, err = prove.ParseSidecar(string(in.Sidecar)); err != nil {
			return nil, fmt.Errorf("its sidecar: %w", err)
		}
	}
	out := &cli.Imported{}
	if out.Before, err = (prover{}).Prove(in); err != nil {
		return nil, err
	}
	for _, c := range side.Compensates {
		out.Pairs += len(c.Steps)
		if !given {
			out.Proposed = append(out.Proposed, c.State+" undoes "+strings.Join(c.Steps, " and "))
		}
	}
	o := liftOptions(side)
	for _, name := range ignoreAnswers {
		if program.States[name] == nil {
			return nil, fmt.Errorf("--ignore-answers: the definition has no state %q", name)
		}
	}
	o.IgnoreAnswers = ignoreAnswers
	i, err := lift.Import(definition, program, o)
	if err != nil {
		out.Refused, out.Before = err.Error(), nil
		return out, nil
	}
	out.Definition, out.Converted = i.Definition, i.Converted
	out.Changes, out.Left = importNotices(i.Changes, at), importNotices(i.Left, at)
	if i.Definition == "" {
		return out, nil
	}
	after := cli.ProofInput{Definition: []byte(i.Definition), Nested: in.Nested}
	lifted, _, err := read(after.Definition)
	if err != nil {
		return nil, errors.Join(errors.New("what was imported is not valid, which is a bug of import"), err)
	}
	if rest := side.Remaining(lifted); given && rest != nil {
		out.Sidecar = rest.Text()
		after.Sidecar = []byte(out.Sidecar)
	}
	out.After, err = prover{}.Prove(after)
	return out, err
}

// liftOptions is a sidecar as an import has it.
func liftOptions(s *prove.Sidecar) lift.Options {
	o := lift.Options{Pivot: s.Pivot}
	for _, c := range s.Compensates {
		o.Compensates = append(o.Compensates, lift.Pair(c))
	}
	for _, r := range s.Refusals {
		o.Refusals = append(o.Refusals, lift.Refusal(r))
	}
	for state, names := range s.KnownFailed {
		o.KnownFailed = append(o.KnownFailed, lift.Names{State: state, Errors: slices.Clone(names)})
	}
	return o
}

func importNotices(all []lift.Notice, at map[string]asl.Position) []cli.ImportNotice {
	var told []cli.ImportNotice
	for _, n := range all {
		told = append(told, cli.ImportNotice{State: n.State, Place: n.Place, Message: n.Message, Line: at[n.State].Line, Column: at[n.State].Column})
	}
	return told
}
