package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Export writes a saga for another place.
type Export struct {
	File   string `arg:"" help:"A definition in JSON or YAML; - is standard input."`
	Target string `help:"What to write it for: aws, plain ASL for Step Functions." enum:"aws" default:"aws"`
	Output string `short:"o" help:"The file to write, with its sidecar NAME.saga.json beside it; by itself the definition is printed." placeholder:"FILE"`
	Force  bool   `help:"Replace files that are there."`
	Hold   string `help:"Who is asked where software can't go on: an SQS queue's URL, or the ARN of an SNS topic or a Lambda function. It gets a task token." placeholder:"URL|ARN"`
}

// Help is the long help of export.
func (Export) Help() string {
	return `What a scope does by itself becomes states of plain ASL: what is owed is a
variable, a Choice walks it down, one Task undoes each step. What plain ASL can't
say is a warning with the rule that it breaks, on standard error, or refused. The
sidecar lets verify and sweep hold the export to the same properties.

Exit 0 when it is exported, 1 when it is refused, 2 when a file can't be read or
written.

Examples:
  backstep export --target aws order.asl.json
  backstep export --target aws -o order-aws.asl.json order.asl.json
  backstep verify order-aws.asl.json`
}

// Exported is a saga in plain ASL.
type Exported struct {
	Definition string         `json:"definition,omitempty"`
	Sidecar    string         `json:"sidecar,omitempty"`
	Warnings   []ExportNotice `json:"warnings,omitempty"`
	Refused    []ExportNotice `json:"refused,omitempty"`
}

// ExportNotice says something of a state, or of the whole definition.
type ExportNotice struct {
	Rule    string `json:"rule,omitempty"`
	State   string `json:"state,omitempty"`
	Message string `json:"message"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
}

// Exporter writes a saga in plain ASL. Its error is of a definition that can't
// be used; what plain ASL can't say is in the answer.
type Exporter func(definition []byte, hold string) (*Exported, error)

// Run exports.
func (v *Export) Run(s *session) error {
	text, err := s.readDefinition(v.File)
	if err != nil {
		return &UsageError{fmt.Errorf("%s: %w", v.File, bare(err))}
	}
	if v.Hold != "" && !strings.HasPrefix(v.Hold, "https://") && !strings.HasPrefix(v.Hold, "http://") && !strings.HasPrefix(v.Hold, "arn:") {
		return usagef("--hold is an SQS queue's URL, or the ARN of an SNS topic or a Lambda function, not %q", v.Hold)
	}
	e, err := s.Export(text, v.Hold)
	if err != nil {
		return &UsageError{fmt.Errorf("%s: %w", v.File, err)}
	}
	if len(e.Refused) == 0 && v.Output != "" {
		if err := v.write(e); err != nil {
			return &UsageError{err}
		}
	}
	switch {
	case s.JSON:
		if err := s.printJSON(e); err != nil {
			return err
		}
	case len(e.Refused) == 0 && v.Output == "":
		fmt.Fprint(s.Stdout, e.Definition)
	}
	if !s.JSON {
		v.tell(s, "warning", e.Warnings)
		v.tell(s, "refused", e.Refused)
	}
	if len(e.Refused) > 0 {
		return errNo
	}
	return nil
}

// write writes the definition, and its sidecar beside it.
func (v *Export) write(e *Exported) error {
	if err := writeNew(v.Output, e.Definition, v.Force); err != nil {
		return err
	}
	return writeNew(sidecarOf(v.Output), e.Sidecar, v.Force)
}

// writeNew writes a file, which must not be there already unless force says so.
func writeNew(file, text string, force bool) error {
	how := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if !force {
		how |= os.O_EXCL
	}
	f, err := os.OpenFile(file, how, 0o644)
	if os.IsExist(err) {
		return fmt.Errorf("%s is there already; --force replaces it", file)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// tell prints notices as compilers do, on standard error.
func (v *Export) tell(s *session, kind string, all []ExportNotice) {
	for _, n := range all {
		at := v.File
		if n.Line > 0 {
			at = fmt.Sprintf("%s:%d:%d", v.File, n.Line, n.Column)
		}
		rule := ""
		if n.Rule != "" {
			rule = " " + n.Rule
		}
		fmt.Fprintf(s.Stderr, "%s: %s%s: %s\n", at, kind, rule, n.Message)
	}
}
