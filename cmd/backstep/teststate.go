package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/integration/items"
	"github.com/backstep/backstep/internal/service"
)

// readerOf reads the items of an object with this text.
func readerOf(object string) integration.ItemReader {
	return items.NewReader(items.Text(object))
}

// testState tries one state out without a server: with the integrations of the
// configuration, and no store.
func testState(ctx context.Context, flags cli.TestState, in *api.TestStateInput) (*api.TestStateOutput, error) {
	c, err := settings(cli.Serve{Config: flags.Config, Region: flags.Region, Account: flags.Account})
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	h := &house{config: c, log: slog.New(slog.DiscardHandler)}
	defer h.closeTasks(ctx)
	registry, err := h.integrations(ctx)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	role := "arn:aws:iam::" + c.Account + ":role/backstep"
	in.RoleArn = &role
	t := service.Tester{Registry: registry, Strict: c.StrictAWS, Models: h.aws, Reader: readerOf, Account: c.Account, Region: c.Region, Now: time.Now, NewUUID: newUUID}
	return t.TestState(ctx, in)
}
