// Package cli is the command line: verbs over api.Service. It refuses to know
// how the service is made: what a verb needs beside the service (to serve, to
// validate) comes as a function in [Tools].
//
// Read cli.go (the verbs, exit codes), target.go (how people name things),
// page.go and follow.go (how lists and histories are read), print.go (how
// answers look), then a file per verb. What graph draws is told in package drawing.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/cli/drawing"
)

// The exit codes of every verb.
const (
	ExitYes     = 0 // done; the answer is yes
	ExitNo      = 1 // the answer is no: not valid, not SUCCEEDED
	ExitUsage   = 2 // wrong use, configuration or data folder
	ExitRefused = 3 // the server was not reached, or refused
)

// Tools is the outside as the verbs see it.
type Tools struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Terminal       bool // Stdout is a terminal
	Interactive    bool // Stdin is one: somebody can be asked
	Watched        bool // Stderr is one
	Version        string
	Program        string // path of this program, for verbs that start a server of their own

	// Connect gives the service at an endpoint.
	Connect func(endpoint, region string) (api.Service, error)
	// Serve runs a server until the context ends, and drains it.
	Serve func(context.Context, Serve) error
	// Validate reads a definition and tells what is wrong with it.
	// strict: as AWS would.
	Validate func(text []byte, express, strict bool) []Finding
	// TestState tries one state out. Its error is an *api.Error where the request
	// is refused.
	TestState func(context.Context, TestState, *api.TestStateInput) (*api.TestStateOutput, error)
	// Prover proves definitions.
	Prover Prover
	// Sweep lets a saga meet every fault.
	Sweep Sweeper
	// Export writes a saga in plain ASL.
	Export Exporter
	// Keeper keeps what stores hold.
	Keeper Keeper
	// Graph draws. It takes definitions that are not valid, and refuses only what
	// can't be read at all.
	Graph func(drawing.Drawing) (string, error)
	// Import writes a saga that is wired by hand in the extension.
	Import Importer
	// Migrate brings the store in a PostgreSQL database up to date, or only looks. It
	// tells at which format it was, 0 where there is none, at which it is, and which
	// is the newest. Its error is a UsageError where this version can't use what is there.
	Migrate func(ctx context.Context, dsn string, look bool) (was, is, newest int, err error)
}

// Finding is something wrong with a definition.
type Finding struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	Location string `json:"location"` // JSON pointer
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
}

// UsageError is a mistake of whoever typed the command, wrote the configuration
// or named the data folder.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap is the mistake itself.
func (e *UsageError) Unwrap() error { return e.Err }

// errNo ends a verb whose answer is no and has been told.
var errNo = errors.New("no")

type verbs struct {
	Globals

	Serve      Serve      `cmd:"" help:"Run a server."`
	Demo       Demo       `cmd:"" help:"Run the order saga's seven scenarios on a server of its own."`
	Validate   Validate   `cmd:"" help:"Check definitions without a server."`
	Verify     Verify     `cmd:"" help:"Prove that every failure path of a saga undoes what was done."`
	Sweep      Sweep      `cmd:"" help:"Let a saga meet every fault at every point, and judge what is left."`
	Export     Export     `cmd:"" help:"Write a saga in plain ASL, for AWS."`
	Import     Import     `cmd:"" help:"Write a saga that is wired by hand in the saga extension."`
	Graph      graph      `cmd:"" help:"Draw a state machine, or what became of an execution."`
	TestState  TestState  `cmd:"" help:"Try one state out without a server."`
	Deploy     Deploy     `cmd:"" help:"Create a state machine, or give it another definition."`
	Start      Start      `cmd:"" help:"Start an execution."`
	List       List       `cmd:"" help:"List state machines, or the executions of one."`
	Show       Show       `cmd:"" help:"Show an execution: where it stands and the path it took."`
	Nodes      nodes      `cmd:"" help:"List the nodes that share the server's store."`
	Why        Why        `cmd:"" help:"Tell what an execution waits for."`
	History    History    `cmd:"" help:"Print an execution's events."`
	Histories  histories  `cmd:"" help:"Write executions with their histories, a line of JSON each."`
	Stop       Stop       `cmd:"" help:"Stop an execution."`
	Redrive    Redrive    `cmd:"" help:"Let an execution go on from where it failed."`
	Saga       Saga       `cmd:"" help:"Show, list, preview and undo sagas."`
	Hold       Hold       `cmd:"" help:"List, show and resolve what waits for you."`
	Migrate    migrate    `cmd:"" help:"Bring a PostgreSQL database up to date."`
	Bench      Bench      `cmd:"" help:"Load a server with sagas and measure it."`
	Backup     backup     `cmd:"" help:"Write all that a running server keeps into a file."`
	Restore    restore    `cmd:"" help:"Make a store of a backup."`
	Copy       copies     `cmd:"" help:"Move everything between a data folder and PostgreSQL."`
	Fsck       fsck       `cmd:"" help:"Read all that a store holds, and tell what is wrong with it."`
	Completion Completion `cmd:"" help:"Print a completion script for a shell."`
	Version    Version    `cmd:"" help:"Print the version."`
}

// Globals are the flags that every verb takes.
type Globals struct {
	Endpoint string `help:"Where the server is; http://127.0.0.1:8083 by itself." env:"BACKSTEP_ENDPOINT" default:"http://127.0.0.1:8083" placeholder:"URL"`
	Region   string `help:"The region in ARNs." env:"BACKSTEP_REGION" placeholder:"us-east-1"`
	Account  string `help:"The account in ARNs." env:"BACKSTEP_ACCOUNT" placeholder:"123456789012"`
	JSON     bool   `help:"Print JSON, for machines." name:"json"`
}

// session is one run of one verb.
type session struct {
	Tools
	Globals
	ctx   context.Context
	model *kong.Application
}

// service connects to the server that the flags name.
func (s *session) service() (api.Service, error) {
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usagef("--endpoint %q is no URL such as http://127.0.0.1:8083", s.Endpoint)
	}
	svc, err := s.Connect(strings.TrimSuffix(s.Endpoint, "/"), s.region())
	if err != nil {
		return nil, &UsageError{err}
	}
	return svc, nil
}

func usagef(format string, args ...any) error {
	return &UsageError{fmt.Errorf(format, args...)}
}

const description = `Backstep runs sagas: long-lived transactions across services, durable through
any crash. It speaks the AWS Step Functions API.

Examples:
  backstep serve --data ./data --config backstep.yaml
  backstep validate order.asl.json
  backstep verify order.asl.json
  backstep sweep order.asl.json
  backstep deploy Order order.asl.json
  backstep start Order --input '{"order_id":"1001"}' --wait
  backstep history Order:1001`

// exited is how kong's own wish to end the program (--help) reaches Run.
type exited int

// Run does what args say and gives the exit code.
func Run(ctx context.Context, args []string, tools Tools) (code int) {
	defer func() {
		if e, ok := recover().(exited); ok {
			code = int(e)
		}
	}()
	out := &output{to: tools.Stdout}
	tools.Stdout = out
	var v verbs
	parser, err := kong.New(&v,
		kong.Name("backstep"),
		kong.Description(description),
		kong.Writers(tools.Stdout, tools.Stderr),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
	)
	if err != nil {
		fmt.Fprintln(tools.Stderr, "backstep:", err)
		return ExitUsage
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	verb, err := parser.Parse(args)
	if err != nil {
		said := strings.Replace(err.Error(), `one of "",`, "one of ", 1) // that a flag may be left out is no word to give
		fmt.Fprintf(tools.Stderr, "backstep: %s (see backstep %s)\n", said, strings.TrimSpace(verbOf(parser.Model, args)+" --help"))
		return ExitUsage
	}
	s := &session{Tools: tools, Globals: v.Globals, ctx: ctx, model: parser.Model}
	err = verb.Run(s)
	if out.err != nil && (err == nil || errors.Is(err, errNo) || errors.Is(err, out.err)) {
		fmt.Fprintln(tools.Stderr, "backstep: not all of the output could be written:", oneLine(out.err))
		return ExitUsage
	}
	return s.exit(err)
}

// output is standard output, which keeps the first error in writing to it: a
// script that goes on with half of an answer would be worse than one that ends.
type output struct {
	to  io.Writer
	err error
}

// Write writes on until something fails.
func (o *output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.to.Write(b)
	o.err = err
	return n, err
}

// verbOf is the verb that args begin with, for a hint at its help, or "".
func verbOf(model *kong.Application, args []string) string {
	var words []string
	for node := model.Node; len(words) < len(args); {
		i := slices.IndexFunc(node.Children, func(verb *kong.Node) bool { return verb.Name == args[len(words)] })
		if i < 0 {
			break
		}
		node = node.Children[i]
		words = append(words, node.Name)
	}
	return strings.Join(words, " ")
}

// exit tells an error in one line and gives its exit code.
func (s *session) exit(err error) int {
	var usage *UsageError
	var refused *api.Error
	var unreached *url.Error
	switch {
	case err == nil:
		return ExitYes
	case errors.Is(err, errNo):
		return ExitNo
	case s.ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(s.Stderr, "backstep: interrupted")
		return ExitRefused
	case errors.As(err, &usage):
		fmt.Fprintln(s.Stderr, "backstep:", oneLine(err))
		return ExitUsage
	case errors.As(err, &refused):
		fmt.Fprintf(s.Stderr, "backstep: %s\n", refused)
		return ExitRefused
	case errors.As(err, &unreached):
		fmt.Fprintf(s.Stderr, "backstep: no server at %s: %v (start one: backstep serve --data ./data)\n", s.Endpoint, unreached.Err)
		return ExitRefused
	default:
		fmt.Fprintln(s.Stderr, "backstep:", oneLine(err))
		return ExitRefused
	}
}

// oneLine is the text of an error, whose parts drivers and errors.Join set on
// lines of their own.
func oneLine(err error) string {
	return strings.NewReplacer(":\n\t", ": ", "\n\t", "; ", "\n", "; ").Replace(err.Error())
}

// printJSON prints v as indented JSON.
func (s *session) printJSON(v any) error {
	enc := json.NewEncoder(s.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Version prints the version.
type Version struct{}

// Run prints it.
func (Version) Run(s *session) error {
	if s.JSON {
		return s.printJSON(map[string]string{"version": s.Tools.Version})
	}
	_, err := fmt.Fprintln(s.Stdout, "backstep", s.Tools.Version)
	return err
}

// readInput reads what an --input names: JSON itself, @FILE, or - for standard
// input.
func (s *session) readInput(text string) (string, error) {
	switch {
	case text == "-":
		b, err := io.ReadAll(s.Stdin)
		return string(b), err
	case strings.HasPrefix(text, "@"):
		b, err := os.ReadFile(text[1:])
		if err != nil {
			return "", usagef("%v", err)
		}
		return string(b), nil
	}
	return text, nil
}
