package cli

import (
	"fmt"
	"io"
	"os"
)

// Validate checks definitions.
type Validate struct {
	Files   []string `arg:"" name:"file" help:"Definitions in JSON or YAML; - is standard input."`
	Express bool     `help:"Check them as EXPRESS state machines."`
	Strict  bool     `name:"strict-aws" help:"Refuse what AWS would refuse, YAML among it."`
}

// Help is the long help of validate.
func (Validate) Help() string {
	return `Exit 0 when all are valid, 1 when one is not, 2 when one can't be read.

Examples:
  backstep validate order.asl.json
  backstep validate --json states/*.yaml`
}

// checked is a file with its findings, as --json prints it.
type checked struct {
	File     string    `json:"file"`
	Valid    bool      `json:"valid"`
	Findings []Finding `json:"findings"`
}

// Run checks every file, then tells.
func (v *Validate) Run(s *session) error {
	var all []checked
	bad := false
	for _, file := range v.Files {
		text, err := s.readDefinition(file)
		if err != nil {
			return &UsageError{err}
		}
		c := s.check(file, text, v.Express, v.Strict)
		bad = bad || !c.Valid
		all = append(all, c)
	}
	if err := s.printChecked(all); err != nil {
		return err
	}
	if bad {
		return errNo
	}
	return nil
}

// check checks a definition.
func (s *session) check(file string, text []byte, express, strict bool) checked {
	c := checked{File: file, Valid: true, Findings: []Finding{}}
	for _, f := range s.Tools.Validate(text, express, strict) {
		if f.Location == "" && f.Line == 0 { // AWS gives what is wrong with the whole no place
			f.Location, f.Line, f.Column = "/", 1, 1
		}
		c.Findings = append(c.Findings, f)
		c.Valid = c.Valid && f.Severity != "ERROR"
	}
	return c
}

func (s *session) readDefinition(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(s.Stdin)
	}
	return os.ReadFile(file)
}

func (s *session) printChecked(all []checked) error {
	if s.JSON {
		return s.printJSON(all)
	}
	for _, c := range all {
		if len(c.Findings) == 0 {
			fmt.Fprintf(s.Stdout, "%s: valid\n", c.File)
		}
		printFindings(s.Stdout, c)
	}
	return nil
}

// printFindings prints findings as compilers do.
func printFindings(w io.Writer, c checked) {
	for _, f := range c.Findings {
		where, place := c.File, ""
		if f.Line > 0 {
			where = fmt.Sprintf("%s:%d:%d", c.File, f.Line, f.Column)
		}
		if f.Location != "" {
			place = " (" + f.Location + ")"
		}
		fmt.Fprintf(w, "%s: %s %s: %s%s\n", where, f.Severity, f.Code, f.Message, place)
	}
}
