package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/prove"
	"github.com/backstep/backstep/internal/sweep"
	"github.com/backstep/backstep/internal/value"
)

// sweepSaga lets the command line sweep a definition.
func sweepSaga(ctx context.Context, in cli.SweepInput) (*cli.Swept, error) {
	debug.SetGCPercent(400) // a world is small, and its garbage is most of what there is
	asked := sweep.Input{Definition: in.Definition, Pairs: in.Pairs, Seed: in.Seed, Budget: in.Budget, Progress: in.Progress, Answers: map[string]value.Text{}}
	var err error
	if in.Sidecar != nil {
		if asked.Sidecar, err = prove.ParseSidecar(string(in.Sidecar)); err != nil {
			return nil, fmt.Errorf("its sidecar: %w", err)
		}
	}
	if in.Input != "" {
		if asked.Input, err = value.Check(in.Input); err != nil {
			return nil, fmt.Errorf("the input: %w", err)
		}
	}
	for state, answer := range in.Answers {
		if asked.Answers[state], err = value.Check(answer); err != nil {
			return nil, fmt.Errorf("the answer of %s: %w", state, err)
		}
	}
	if in.Script != nil {
		asked.Script = &prove.Script{}
		for _, f := range in.Script.Faults {
			asked.Script.Faults = append(asked.Script.Faults, prove.Fault(f))
		}
		for _, a := range in.Script.Assume {
			asked.Script.Assume = append(asked.Script.Assume, prove.Assumption(a))
		}
	}
	var unread error
	asked.Nested = allNested(in.Nested, asked.Sidecar, &unread)
	r, err := sweep.Sweep(ctx, asked)
	if err = errors.Join(unread, err); err != nil {
		return nil, err
	}
	told := &cli.Swept{Worlds: r.Worlds, Paths: r.Paths, Points: r.Points, Reached: r.Reached, Unmet: r.Unmet, Pairs: r.Pairs, Proposed: r.Proposed, ByData: r.ByData, Cut: r.Cut}
	told.Findings, told.Accepted = toldSwept(r.Findings), toldSwept(r.Accepted)
	return told, nil
}

func toldSwept(all []sweep.Finding) []cli.SweepFinding {
	var told []cli.SweepFinding
	for _, f := range all {
		told = append(told, cli.SweepFinding{Kind: string(f.Kind), Step: f.Step, Item: f.Item, At: f.At, Message: f.Message,
			Faults: f.Faults, Calls: f.Calls, Status: f.Status, Seed: f.Seed, More: f.More, Because: f.Because})
	}
	return told
}
