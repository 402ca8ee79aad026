package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Import writes a saga that is wired by hand in the extension.
type Import struct {
	File    string   `arg:"" help:"A definition in JSON or YAML; - is standard input."`
	Output  string   `short:"o" help:"The file to write, with what is left of the sidecar beside it; by itself the definition is printed." placeholder:"FILE"`
	Force   bool     `help:"Replace files that are there."`
	Ignore  []string `name:"ignore-answers" help:"States whose answer does not matter to the compensations of others." placeholder:"STATE"`
	Sidecar string   `help:"The sidecar that names the pairs, instead of NAME.saga.json beside the definition." placeholder:"FILE"`
}

// Help is the long help of import.
func (Import) Help() string {
	return `The reverse of export: a saga whose compensations are states behind Catch edges
becomes one of the extension. Each compensation whose data can be followed back to
what its step was given and answered becomes that step's Compensate, and the way
back falls away. What is not certain stays as it is, such as a compensation that
reads what another state answers: --ignore-answers says that this does not matter.
Standard error tells what was changed, what was left and why, and what verify finds
before and after.

The pairs come from the sidecar, NAME.saga.json; without one they are proposed by
names, for you to check (backstep verify --propose writes them down).

Exit 0 when something is converted, 1 when nothing is, 2 when a file can't be read
or written.

Examples:
  backstep import order.asl.json
  backstep import -o order-saga.asl.json order.asl.json
  backstep import --ignore-answers Audit,Price order.asl.json
  backstep verify order-saga.asl.json`
}

// Imported is a saga in the extension.
type Imported struct {
	Definition string         `json:"definition,omitempty"`
	Sidecar    string         `json:"sidecar,omitempty"` // "": none is needed
	Pairs      int            `json:"pairs"`
	Converted  int            `json:"converted"`
	Proposed   []string       `json:"proposed,omitempty"` // pairs by names, that nobody has confirmed
	Refused    string         `json:"refused,omitempty"`  // why there is nothing to import
	Changes    []ImportNotice `json:"changes,omitempty"`
	Left       []ImportNotice `json:"left,omitempty"`
	Before     *Proof         `json:"before,omitempty"`
	After      *Proof         `json:"after,omitempty"`
}

// ImportNotice says something of a state, or of the whole definition.
type ImportNotice struct {
	State   string `json:"state,omitempty"`
	Place   string `json:"location,omitempty"`
	Message string `json:"message"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
}

// Importer writes a saga in the extension. Its error is of a definition or sidecar
// that can't be used.
type Importer func(in ProofInput, ignoreAnswers []string) (*Imported, error)

// Run imports.
func (v *Import) Run(s *session) error {
	in, err := v.input(s)
	if err != nil {
		return err
	}
	i, err := s.Import(in, v.Ignore)
	if err != nil {
		return &UsageError{fmt.Errorf("%s: %w", v.File, err)}
	}
	for _, p := range []*Proof{i.Before, i.After} {
		if p != nil {
			(&Verify{}).choose(p) // all rules
		}
	}
	if i.Converted > 0 && v.Output != "" {
		if err := v.write(i); err != nil {
			return &UsageError{err}
		}
	}
	switch {
	case s.JSON:
		if err := s.printJSON(i); err != nil {
			return err
		}
	default:
		if v.Output == "" {
			fmt.Fprint(s.Stdout, i.Definition)
		}
		v.tell(s, i)
	}
	if i.Converted == 0 {
		return errNo
	}
	return nil
}

// input reads the definition and its sidecar.
func (v *Import) input(s *session) (in ProofInput, err error) {
	text, err := s.readDefinition(v.File)
	if err != nil {
		return in, &UsageError{fmt.Errorf("%s: %w", v.File, bare(err))}
	}
	in = ProofInput{Definition: text, Nested: func(arn, named string) ([]byte, error) { return nested(nil, v.File, arn, named) }}
	switch {
	case v.Sidecar != "":
		if in.Sidecar, err = os.ReadFile(v.Sidecar); err != nil {
			return in, &UsageError{fmt.Errorf("%s: %w", v.Sidecar, bare(err))}
		}
	case v.File != "-":
		if in.Sidecar, err = os.ReadFile(sidecarOf(v.File)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return in, &UsageError{err}
		}
	}
	return in, nil
}

// write writes the definition, and beside it what is left of the sidecar.
func (v *Import) write(i *Imported) error {
	if err := writeNew(v.Output, i.Definition, v.Force); err != nil {
		return err
	}
	if i.Sidecar == "" {
		return nil
	}
	return writeNew(sidecarOf(v.Output), i.Sidecar, v.Force)
}

// tell prints what an import did as compilers do, on standard error.
func (v *Import) tell(s *session, i *Imported) {
	line := func(n ImportNotice, kind string) {
		at, of := v.File, ""
		if n.Line > 0 {
			at, of = fmt.Sprintf("%s:%d:%d", v.File, n.Line, n.Column), n.State+": "
		}
		fmt.Fprintf(s.Stderr, "%s: %s: %s%s\n", at, kind, of, n.Message)
	}
	for _, n := range i.Changes {
		line(n, "changed")
	}
	for _, n := range i.Left {
		line(n, "left")
	}
	if i.Refused != "" {
		fmt.Fprintf(s.Stderr, "%s: refused: %s\n", v.File, i.Refused)
		return
	}
	fmt.Fprintf(s.Stderr, "%s: %d of %s converted\n", v.File, i.Converted, count(i.Pairs, "pair"))
	if len(i.Proposed) > 0 {
		fmt.Fprintf(s.Stderr, "  not confirmed: %s, by their names; check that, or name the pairs in a sidecar\n", strings.Join(i.Proposed, ", "))
	}
	fmt.Fprintf(s.Stderr, "  verify before: %s\n", foundIn(i.Before))
	if i.After != nil {
		fmt.Fprintf(s.Stderr, "  verify after: %s\n", foundIn(i.After))
	}
}

// foundIn is what a proof has found, in a line.
func foundIn(p *Proof) string {
	total := len(p.Findings) + p.More
	switch {
	case p.Proven:
		return "proven"
	case total == 0:
		return "no findings, but not proven"
	}
	times := map[string]int{}
	var rules []string
	for _, f := range p.Findings {
		if times[f.Rule]++; times[f.Rule] == 1 {
			rules = append(rules, f.Rule)
		}
	}
	slices.Sort(rules)
	for i, rule := range rules {
		if n := times[rule]; n > 1 {
			rules[i] = fmt.Sprintf("%s (%d)", rule, n)
		}
	}
	return count(total, "finding") + ", " + strings.Join(rules, ", ")
}
