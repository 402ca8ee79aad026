package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/cli/drawing"
)

// graph draws a state machine, or what became of an execution.
type graph struct {
	What      string `arg:"" name:"file|execution" help:"A definition in JSON or YAML, - is standard input; or an execution, by its ARN or as MACHINE:NAME."`
	Format    string `help:"svg, a picture; or mermaid, a flowchart for what shows Markdown." enum:"svg,mermaid" default:"svg"`
	Output    string `short:"o" help:"The file to write; by itself the drawing is printed." placeholder:"FILE"`
	Force     bool   `help:"Replace a file that is there."`
	Direction string `help:"Where it goes: TD, down, or LR, to the right." enum:"TD,LR" default:"TD"`
	Anyway    bool   `help:"Draw what can be understood of a definition that is not valid, such as one with placeholders."`
}

// Help is the long help of graph.
func (graph) Help() string {
	return `An execution is drawn on the definition that it runs, with what became of each
state, the way that it took, how far a Map has come, and what was undone. With
--json the drawing is printed as boxes and lines with their coordinates.

Exit 0 when it is drawn, 1 when the definition is not valid, 2 when a file can't
be read or written.

Examples:
  backstep graph order.asl.json > order.svg
  backstep graph order.asl.json --format mermaid
  backstep graph order.asl.json --direction LR -o order.svg --force
  backstep graph Order:1001 -o 1001.svg`
}

// Run draws.
func (v *graph) Run(s *session) error {
	d := drawing.Drawing{Format: v.Format, Direction: v.Direction}
	if s.JSON {
		d.Format = "json"
	}
	isFile, err := v.isFile()
	switch {
	case err != nil:
		return &UsageError{err}
	case isFile:
		err = v.readFile(s, &d)
	default:
		err = v.readExecution(s, &d)
	}
	if err != nil {
		return err
	}
	picture, err := s.Tools.Graph(d)
	if err != nil {
		return &UsageError{fmt.Errorf("%s: %w", v.What, err)}
	}
	if v.Output == "" {
		_, err := fmt.Fprint(s.Stdout, picture)
		return err
	}
	if err := writeNew(v.Output, picture, v.Force); err != nil {
		return &UsageError{err}
	}
	return nil
}

// isFile tells whether a file is named. One that is there is taken before an
// execution of that name.
func (v *graph) isFile() (bool, error) {
	if v.What == "-" {
		return true, nil
	}
	if strings.HasPrefix(v.What, "arn:") {
		return false, nil
	}
	_, err := os.Stat(v.What)
	if err == nil {
		return true, nil
	}
	machine, execution, ok := strings.Cut(v.What, ":")
	machine, _, _ = strings.Cut(machine, "/")
	if ok && api.ValidName(machine) && api.ValidName(execution) {
		return false, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("%s: there is no such file, and an execution is named by its ARN or as MACHINE:NAME", v.What)
	}
	return false, fmt.Errorf("%s: %w", v.What, bare(err))
}

// readFile reads a definition, and refuses one that is not valid as validate does.
func (v *graph) readFile(s *session, d *drawing.Drawing) error {
	text, err := s.readDefinition(v.What)
	if err != nil {
		return &UsageError{fmt.Errorf("%s: %w", v.What, bare(err))}
	}
	d.Definition = text
	if v.What != "-" {
		d.Title, _, _ = strings.Cut(filepath.Base(v.What), ".")
	}
	c := s.check(v.What, text, false, false)
	if c.Valid {
		return nil
	}
	printFindings(s.Stderr, c)
	if v.Anyway {
		return nil
	}
	return errNo
}

// readExecution reads what an execution runs, and what became of it.
func (v *graph) readExecution(s *session, d *drawing.Drawing) error {
	svc, arn, err := s.execution(v.What)
	if err != nil {
		return err
	}
	machine, err := svc.DescribeStateMachineForExecution(s.ctx, &api.DescribeStateMachineForExecutionInput{ExecutionArn: arn})
	if err != nil {
		return err
	}
	d.Definition, d.Title = []byte(machine.Definition), executionName(arn)
	d.Trail, err = s.trail(svc, arn)
	return err
}
