// Command backstep is the server and its command line. This package builds the
// parts and runs them; it is the only one that knows everyone, and holds no
// logic.
//
// Read main.go (the command line), serve.go (the parts of a server and the order
// in which they start and stop), report.go (where logs and events go),
// notices.go (who is told of holds), metrics.go and watched.go (what /metrics shows),
// bounds.go and memory.go, keep.go, fsck.go and migrator.go (what is done to stores),
// teststate.go, prover.go, sweeper.go, exporter.go, importer.go, drawer.go.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	return cli.Run(ctx, args, cli.Tools{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Terminal: isTerminal(os.Stdout), Interactive: isInteractive(os.Stdin), Watched: isTerminal(os.Stderr),
		Version: version(), Program: program,
		Connect: func(endpoint, region string) (api.Service, error) {
			return client.New(client.Config{Endpoint: endpoint, Region: region})
		},
		Serve:     serve,
		Validate:  validate,
		TestState: testState,
		Prover:    prover{},
		Sweep:     sweepSaga,
		Export:    exportSaga,
		Import:    importSaga,
		Graph:     draw,
		Migrate:   migrate,
		Keeper:    keeper{},
	})
}

func isInteractive(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func isTerminal(f *os.File) bool {
	return isInteractive(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// version is that of the module, or of the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

// validate checks a definition against all that AWS has, whatever a server of
// ours is told to serve. Only strictly does it refuse what the language has and
// AWS has not: sagas, YAML, fields of our own, and resources of services that are
// not AWS's.
func validate(text []byte, express, strict bool) []cli.Finding {
	parse := asl.Parse
	if strict {
		parse = asl.ParseJSON
	}
	definition, diagnostics := parse(text)
	if asl.Render(diagnostics) == "" {
		diagnostics = append(diagnostics, asl.Check(definition, asl.Rules{Express: express, Distributed: true, Strict: strict, Serves: asl.OnAWS, Foreign: !strict})...)
	}
	var findings []cli.Finding
	for _, d := range diagnostics {
		findings = append(findings, cli.Finding{
			Severity: string(d.Severity), Code: string(d.Code), Message: d.Message, Location: d.Place, Line: d.Line, Column: d.Column,
		})
	}
	return findings
}
