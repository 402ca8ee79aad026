package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Verify proves that every failure path of a saga undoes what was done.
type Verify struct {
	Files   []string          `arg:"" name:"file" help:"Definitions in JSON or YAML; - is standard input."`
	Pairs   string            `help:"The sidecar that names the pairs, instead of NAME.saga.json beside the definition." placeholder:"FILE"`
	Propose bool              `help:"Write NAME.saga.json with the pairs that names suggest, for you to confirm."`
	Force   bool              `help:"Let --propose replace a file that is there."`
	Nested  map[string]string `help:"The file of a nested state machine's definition; those in the same folder are found by their names." placeholder:"ARN=FILE" mapsep:"none"`
	Rule    []string          `help:"Tell of these rules alone." placeholder:"SAGA001"`
	Ignore  []string          `help:"Leave findings of these rules out; they are counted." placeholder:"SAGA016"`
	Sarif   bool              `help:"Print SARIF 2.1.0, for code scanning."`
}

// Help is the long help of verify.
func (Verify) Help() string {
	return `It walks every way in which a state can fail, before its effect and after it. In
plain ASL the pairs of step and compensation come from a sidecar, NAME.saga.json.

Exit 0 when all are proven, 1 when there are findings or something is not
decided, 2 when a definition can't be read.

Examples:
  backstep verify order.asl.json
  backstep verify --propose order.asl.json
  backstep verify --ignore SAGA009 --sarif states/*.asl.json > saga.sarif`
}

// Prover proves definitions.
type Prover interface {
	// Prove proves one. Its error tells why the definition, its sidecar or a
	// nested one can't be read.
	Prove(ProofInput) (*Proof, error)
	// Propose is a sidecar for a definition, and how many pairs it has.
	Propose(definition []byte) (sidecar string, pairs int, err error)
	// Rules are all rules.
	Rules() []ProofRule
}

// ProofInput is a definition to be proven.
type ProofInput struct {
	Definition []byte
	Sidecar    []byte // nil: none
	// Nested is the definition of a nested state machine, nil where it is not
	// known. file is its file as the sidecar names it, or "".
	Nested func(arn, file string) ([]byte, error)
}

// ProofRule is a rule as tools show it.
type ProofRule struct{ ID, Name, Severity, Title, Help, Fix string }

// Proof is what came of a proof.
type Proof struct {
	Kind      string         `json:"kind"`
	States    int            `json:"states"`
	Steps     int            `json:"steps"`
	Paths     int            `json:"failurePaths"`
	Findings  []ProofFinding `json:"findings"`
	More      int            `json:"moreFindings,omitempty"` // that are not listed
	Accepted  []ProofFinding `json:"accepted,omitempty"`
	Undecided []ProofPlace   `json:"undecided,omitempty"`
	Assumed   []string       `json:"assumed,omitempty"`
	Pairs     []ProofPair    `json:"pairs,omitempty"`
	Proposed  bool           `json:"proposed,omitempty"` // the pairs, by names, and nobody has confirmed them
	Nothing   bool           `json:"-"`                  // there is nothing to prove
	Ignored   map[string]int `json:"ignored,omitempty"`  // by rule
	Proven    bool           `json:"proven"`
	passed    bool           // nothing is left to be done, but for what is ignored
}

// ProofFinding is a rule that does not hold.
type ProofFinding struct {
	Rule     string       `json:"rule"`
	Severity string       `json:"severity"` // error, warning
	State    string       `json:"state"`
	Step     string       `json:"step,omitempty"`
	Place    string       `json:"location"`
	Line     int          `json:"line"`
	Column   int          `json:"column"`
	Message  string       `json:"message"`
	Fix      string       `json:"fix"`
	Path     []ProofMove  `json:"path,omitempty"`
	Script   *ProofScript `json:"script,omitempty"`
	Because  string       `json:"because,omitempty"` // of an accepted one
}

// ProofMove is one step of a finding's path.
type ProofMove struct {
	State  string `json:"state,omitempty"`
	Way    string `json:"way,omitempty"`
	Line   int    `json:"-"`
	Column int    `json:"-"`
}

// ProofScript makes an execution take the path; docs/verify.md tells its form.
type ProofScript struct {
	Faults []ProofFault  `json:"faults"`
	Assume []ProofAssume `json:"assume,omitempty"`
}

// ProofFault is a failure that a script injects.
type ProofFault struct {
	State   string `json:"state"`
	Entry   int    `json:"entry,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
	Item    int    `json:"item,omitempty"`
	Fault   string `json:"fault"`
	Effect  string `json:"effect"`

	Operation string `json:"operation,omitempty"` // "compensate" or "query": of that body of the step
}

// ProofAssume is what a script takes a Choice to decide.
type ProofAssume struct {
	State  string `json:"state"`
	Entry  int    `json:"entry,omitempty"`
	Choice string `json:"choice"`
}

// ProofPlace is a state, and something about it.
type ProofPlace struct {
	State string `json:"state"`
	Why   string `json:"why"`
}

// ProofPair is a step and the states that undo it.
type ProofPair struct {
	Step  string   `json:"step"`
	Undos []string `json:"compensations"`
}

// proved is a file with its proof, as --json prints it.
type proved struct {
	File string `json:"file"`
	*Proof
}

// Run proves every file, then tells.
func (v *Verify) Run(s *session) error {
	if v.Sarif && s.JSON {
		return usagef("--sarif and --json are two forms; choose one")
	}
	if err := v.checkRules(s.Prover.Rules()); err != nil {
		return err
	}
	if v.Propose {
		return v.propose(s)
	}
	if v.Pairs != "" && len(v.Files) > 1 {
		return usagef("--pairs is for one definition, and there are %d", len(v.Files))
	}
	var all []proved
	failed := false
	for _, file := range v.Files {
		p, err := v.prove(s, file)
		if err != nil {
			return &UsageError{fmt.Errorf("%s: %w", file, err)}
		}
		v.choose(p)
		failed = failed || !p.passed
		all = append(all, proved{file, p})
	}
	if err := v.print(s, all); err != nil {
		return err
	}
	if failed {
		return errNo
	}
	return nil
}

// checkRules refuses rules that there are not.
func (v *Verify) checkRules(rules []ProofRule) error {
	for _, id := range slices.Concat(v.Rule, v.Ignore) {
		if !slices.ContainsFunc(rules, func(r ProofRule) bool { return r.ID == id }) {
			return usagef("there is no rule %s", id)
		}
	}
	return nil
}

// sidecarOf is the name of a definition's sidecar.
func sidecarOf(file string) string {
	for _, ending := range []string{".asl.json", ".asl.yaml", ".asl.yml", ".json", ".yaml", ".yml"} {
		if name, ok := strings.CutSuffix(file, ending); ok {
			return name + ".saga.json"
		}
	}
	return file + ".saga.json"
}

func (v *Verify) prove(s *session, file string) (*Proof, error) {
	text, err := s.readDefinition(file)
	if err != nil {
		return nil, bare(err)
	}
	in := ProofInput{Definition: text, Nested: func(arn, named string) ([]byte, error) { return nested(v.Nested, file, arn, named) }}
	switch {
	case v.Pairs != "":
		in.Sidecar, err = os.ReadFile(v.Pairs)
	case file != "-":
		in.Sidecar, err = os.ReadFile(sidecarOf(file))
		if errors.Is(err, fs.ErrNotExist) {
			in.Sidecar, err = nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return s.Prover.Prove(in)
}

// bare is an error without the name of its file.
func bare(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// nested finds the definition of a nested state machine: where a flag or the
// sidecar says, or in the same folder by its name.
func nested(given map[string]string, file, arn, named string) ([]byte, error) {
	name := arn[strings.LastIndexByte(arn, ':')+1:]
	for _, key := range []string{arn, name} {
		if f := given[key]; f != "" {
			return os.ReadFile(f)
		}
	}
	dir := filepath.Dir(file)
	if named != "" {
		return os.ReadFile(filepath.Join(dir, filepath.FromSlash(named)))
	}
	if file == "-" || name == "" || strings.ContainsAny(name, `/\`) {
		return nil, nil
	}
	for _, ending := range []string{".asl.json", ".asl.yaml", ".asl.yml", ".json", ".yaml", ".yml"} {
		text, err := os.ReadFile(filepath.Join(dir, name+ending))
		if !errors.Is(err, fs.ErrNotExist) {
			return text, err
		}
	}
	return nil, nil
}

// propose writes a sidecar for every definition.
func (v *Verify) propose(s *session) error {
	for _, file := range v.Files {
		if file == "-" {
			return usagef("--propose needs the name of a file")
		}
		text, err := s.readDefinition(file)
		if err != nil {
			return &UsageError{err}
		}
		sidecar, pairs, err := s.Prover.Propose(text)
		if err != nil {
			return &UsageError{fmt.Errorf("%s: %w", file, err)}
		}
		to := sidecarOf(file)
		flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
		if v.Force {
			flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
		}
		f, err := os.OpenFile(to, flags, 0o644)
		if errors.Is(err, fs.ErrExist) {
			return usagef("%s is there already (--force replaces it)", to)
		}
		if err != nil {
			return &UsageError{err}
		}
		_, err = f.WriteString(sidecar)
		if err := errors.Join(err, f.Close()); err != nil {
			return &UsageError{err}
		}
		fmt.Fprintf(s.Stdout, "%s: %s proposed; read it before you trust it\n", to, count(pairs, "pair"))
	}
	return nil
}

// choose leaves out what --rule and --ignore say, and counts it.
func (v *Verify) choose(p *Proof) {
	ignored := func(f ProofFinding) bool {
		return slices.Contains(v.Ignore, f.Rule) || len(v.Rule) > 0 && !slices.Contains(v.Rule, f.Rule)
	}
	for _, f := range p.Findings {
		if ignored(f) {
			if p.Ignored == nil {
				p.Ignored = map[string]int{}
			}
			p.Ignored[f.Rule]++
		}
	}
	p.Findings = slices.DeleteFunc(p.Findings, ignored)
	if p.Findings == nil {
		p.Findings = []ProofFinding{}
	}
	p.passed = len(p.Findings)+p.More+len(p.Undecided) == 0 && !p.Proposed
	p.Proven = p.passed && !p.Nothing && len(p.Ignored) == 0
}

func (v *Verify) print(s *session, all []proved) error {
	switch {
	case v.Sarif:
		return s.printJSON(sarifOf(s.Version, s.Prover.Rules(), all))
	case s.JSON:
		return s.printJSON(all)
	}
	for _, p := range all {
		for _, f := range p.Findings {
			s.printProofFinding(p.File, f)
		}
		s.printVerdict(p)
	}
	return nil
}

// maxMoves is how many moves of a path are shown.
const maxMoves = 16

func (s *session) printProofFinding(file string, f ProofFinding) {
	fmt.Fprintf(s.Stdout, "%s:%d:%d: %s %s: %s (%s)\n", file, f.Line, f.Column, f.Severity, f.Rule, f.Message, f.Place)
	var moves []string
	for i, m := range f.Path {
		if left := len(f.Path) - maxMoves; left > 0 && i >= maxMoves/2 && i < maxMoves/2+left {
			if i == maxMoves/2 {
				moves = append(moves, fmt.Sprintf("… %d more …", left))
			}
			continue
		}
		moves = append(moves, strings.TrimSpace(m.State+" "+m.Way))
	}
	if len(moves) > 0 {
		fmt.Fprintf(s.Stdout, "    %s\n", strings.Join(moves, " → "))
	}
	fmt.Fprintf(s.Stdout, "    fix: %s\n", f.Fix)
}

// printVerdict prints what came of a file, and what that rests on.
func (s *session) printVerdict(p proved) {
	of := fmt.Sprintf("%s, %s, %s", count(p.States, "state"), count(p.Steps, "step"), count(p.Paths, "failure path"))
	switch total := len(p.Findings) + p.More; {
	case total > 0:
		fmt.Fprintf(s.Stdout, "%s: %s in %s\n", p.File, count(total, "finding"), of)
	case p.Nothing:
		fmt.Fprintf(s.Stdout, "%s: nothing to prove: no step has a compensation\n", p.File)
	case p.Proven:
		fmt.Fprintf(s.Stdout, "%s: proven: %s\n", p.File, of)
	case p.passed:
		fmt.Fprintf(s.Stdout, "%s: no findings but those ignored: %s\n", p.File, of)
	default:
		fmt.Fprintf(s.Stdout, "%s: no findings, but not proven: %s\n", p.File, of)
	}
	if p.More > 0 {
		fmt.Fprintf(s.Stdout, "  not listed: %d findings more\n", p.More)
	}
	if p.Proposed {
		var pairs []string
		for _, pair := range p.Pairs {
			pairs = append(pairs, strings.Join(pair.Undos, " and ")+" undoes "+pair.Step)
		}
		fmt.Fprintf(s.Stdout, "  not confirmed: %s, by their names; --propose writes that down for you to read\n", strings.Join(pairs, ", "))
	}
	for _, u := range p.Undecided {
		fmt.Fprintf(s.Stdout, "  not decided here: %s: %s\n", u.State, u.Why)
	}
	for _, a := range p.Assumed {
		fmt.Fprintf(s.Stdout, "  assumed: %s\n", a)
	}
	for i, f := range p.Accepted {
		if i == 0 || f.Rule != p.Accepted[i-1].Rule || f.State != p.Accepted[i-1].State {
			fmt.Fprintf(s.Stdout, "  accepted: %s at %s: %s\n", f.Rule, f.State, f.Because)
		}
	}
	for _, rule := range sortedRules(p.Ignored) {
		fmt.Fprintf(s.Stdout, "  ignored: %s of %s\n", count(p.Ignored[rule], "finding"), rule)
	}
}

func sortedRules(m map[string]int) []string {
	var all []string
	for rule := range m {
		all = append(all, rule)
	}
	slices.Sort(all)
	return all
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
