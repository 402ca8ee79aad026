package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sweep lets a saga meet every fault.
type Sweep struct {
	File    string            `arg:"" help:"A definition in JSON or YAML; - is standard input."`
	Sidecar string            `help:"The sidecar that names the pairs, instead of NAME.saga.json beside the definition." placeholder:"FILE"`
	Input   string            `help:"JSON, or @FILE: sweep it with its data. By itself the flow alone is swept." placeholder:"JSON"`
	Answers string            `help:"With --input: what Tasks answer, a JSON object by state. By themselves they answer with their request." placeholder:"FILE"`
	Pairs   bool              `help:"Two faults at once, too."`
	Seed    string            `help:"One world alone, by the seed that a finding prints." placeholder:"SEED"`
	Script  string            `help:"The worlds of a fault script alone: one, or all that verify --json prints; - is standard input." placeholder:"FILE"`
	Nested  map[string]string `help:"The file of a nested state machine's definition; those in the same folder are found by their names." placeholder:"ARN=FILE" mapsep:"none"`
	Budget  time.Duration     `help:"Begin no more worlds after that time." placeholder:"30s"`
}

// Help is the long help of sweep.
func (Sweep) Help() string {
	return `The engine runs the saga once for every fault at every point: business errors,
errors and timeouts before and after the effect, requests that come twice or too
late, stops, the end of its time, and its own death at every write. A ledger of
effects judges: each undone once, in order, nothing left. No server, no waiting.

Exit 0 when nothing is found, 1 when something is, 2 when a file can't be read.

Examples:
  backstep sweep order.asl.json
  backstep sweep --pairs --budget 30s order.asl.json
  backstep sweep order.asl.json --seed c2.1.0.1.3
  backstep verify --json order.asl.json | backstep sweep order.asl.json --script -`
}

// SweepInput is what is to be swept.
type SweepInput struct {
	Definition []byte
	Sidecar    []byte            // nil: none
	Input      string            // "": the flow alone
	Answers    map[string]string // by state
	Pairs      bool
	Seed       string
	Script     *ProofScript

	// Nested is the definition of a nested state machine, as [ProofInput] has it.
	Nested func(arn, file string) ([]byte, error)

	Budget   time.Duration
	Progress func(done, all int)
}

// Swept is what came of a sweep.
type Swept struct {
	Worlds   int            `json:"worlds"`
	Paths    int            `json:"paths,omitempty"` // of worlds in which nothing goes wrong
	Points   int            `json:"faultPoints"`
	Reached  int            `json:"reached"`
	Unmet    []string       `json:"neverCalled,omitempty"`
	Pairs    []string       `json:"pairs,omitempty"`
	Proposed bool           `json:"proposed,omitempty"` // the pairs, by names
	ByData   []string       `json:"byData,omitempty"`   // Choices that can't be swept without data
	Cut      bool           `json:"cut,omitempty"`      // the budget was spent before the end
	Findings []SweepFinding `json:"findings"`
	Accepted []SweepFinding `json:"accepted,omitempty"` // that the sidecar takes on
}

// SweepFinding is a world that ended as none may.
type SweepFinding struct {
	Kind    string   `json:"kind"`
	Step    string   `json:"step,omitempty"`
	Item    int      `json:"item,omitempty"`
	At      string   `json:"at,omitempty"` // the state whose call went wrong
	Message string   `json:"message"`
	Faults  []string `json:"faults"`
	Calls   []string `json:"calls"`
	Status  string   `json:"status"`
	Seed    string   `json:"seed,omitempty"`
	Command string   `json:"command"`           // that repeats it
	More    int      `json:"more,omitempty"`    // faults at the same place with the same end
	Because string   `json:"because,omitempty"` // of an accepted one
}

// swept is a sweep as --json prints it.
type swept struct {
	File string `json:"file"`
	Of   string `json:"of,omitempty"` // the finding of verify whose script it is
	*Swept
}

// scriptCase is a fault script, and whose it is.
type scriptCase struct {
	of     string
	script *ProofScript
}

// Run sweeps.
func (v *Sweep) Run(s *session) error {
	if v.Script != "" && (v.Seed != "" || v.Pairs) || v.Seed != "" && v.Pairs {
		return usagef("choose one of --script, --seed and --pairs")
	}
	if v.Answers != "" && v.Input == "" {
		return usagef("--answers needs --input")
	}
	if v.Script == "-" && v.File == "-" {
		return usagef("only one of the definition and the script can be standard input")
	}
	in, err := v.input(s)
	if err != nil {
		return &UsageError{fmt.Errorf("%s: %w", v.File, bare(err))}
	}
	cases := []scriptCase{{}}
	if v.Script != "" {
		if cases, err = v.scripts(s); err != nil {
			return &UsageError{fmt.Errorf("%s: %w", v.Script, bare(err))}
		}
	}
	var all []swept
	found := false
	for _, c := range cases {
		in.Script = c.script
		r, err := s.Sweep(s.ctx, *in)
		s.clearSweepProgress()
		if err != nil {
			return &UsageError{fmt.Errorf("%s: %w", v.File, err)}
		}
		for _, list := range [][]SweepFinding{r.Findings, r.Accepted} {
			for i := range list {
				list[i].Command = v.command(list[i].Seed)
			}
		}
		found = found || len(r.Findings) > 0
		all = append(all, swept{v.File, c.of, r})
	}
	if err := v.print(s, all); err != nil {
		return err
	}
	if found {
		return errNo
	}
	return s.ctx.Err() // what was cut off by hand is no answer
}

// input reads what the flags name.
func (v *Sweep) input(s *session) (*SweepInput, error) {
	text, err := s.readDefinition(v.File)
	if err != nil {
		return nil, err
	}
	in := &SweepInput{Definition: text, Pairs: v.Pairs, Seed: v.Seed, Budget: v.Budget, Progress: s.sweepProgress()}
	in.Nested = func(arn, named string) ([]byte, error) { return nested(v.Nested, v.File, arn, named) }
	sidecar := v.Sidecar
	if sidecar == "" && v.File != "-" {
		sidecar = sidecarOf(v.File)
	}
	if sidecar != "" {
		in.Sidecar, err = os.ReadFile(sidecar)
		if v.Sidecar == "" && errors.Is(err, fs.ErrNotExist) {
			in.Sidecar, err = nil, nil
		}
	}
	if err == nil && v.Input != "" {
		in.Input, err = s.readInput(v.Input)
	}
	if err == nil && v.Answers != "" {
		in.Answers, err = readAnswers(v.Answers)
	}
	return in, err
}

func readAnswers(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	answers := make(map[string]string, len(all))
	for state, answer := range all {
		answers[state] = string(answer)
	}
	return answers, nil
}

// scripts reads a fault script, a finding with one, or all findings of a proof.
func (v *Sweep) scripts(s *session) ([]scriptCase, error) {
	var text []byte
	var err error
	if v.Script == "-" {
		text, err = io.ReadAll(s.Stdin)
	} else {
		text, err = os.ReadFile(v.Script)
	}
	if err != nil {
		return nil, err
	}
	var proofs []proved
	if json.Unmarshal(text, &proofs) == nil && len(proofs) > 0 {
		var all []scriptCase
		for _, p := range proofs {
			for i := range p.Findings {
				if f := &p.Findings[i]; f.Script != nil {
					all = append(all, scriptCase{of(f), f.Script})
				}
			}
		}
		if len(all) == 0 {
			return nil, errors.New("no finding in it has a fault script")
		}
		return all, nil
	}
	var one struct {
		ProofScript
		Script *ProofScript `json:"script"`
	}
	if err := json.Unmarshal(text, &one); err != nil {
		return nil, err
	}
	if one.Script == nil {
		one.Script = &one.ProofScript
	}
	if len(one.Script.Faults)+len(one.Script.Assume) == 0 {
		return nil, errors.New("it has neither faults nor assume")
	}
	return []scriptCase{{"", one.Script}}, nil
}

// of names a finding of verify.
func of(f *ProofFinding) string {
	name := f.Rule + " at " + f.State
	if f.Step != "" && f.Step != f.State {
		name += " of " + f.Step
	}
	return name
}

// command is what repeats a finding.
func (v *Sweep) command(seed string) string {
	words := []string{"backstep", "sweep", v.File}
	for _, flag := range [][2]string{{"--sidecar", v.Sidecar}, {"--input", v.Input}, {"--answers", v.Answers}} {
		if flag[1] != "" {
			words = append(words, flag[0], flag[1])
		}
	}
	for _, arn := range slices.Sorted(maps.Keys(v.Nested)) {
		words = append(words, "--nested", arn+"="+v.Nested[arn])
	}
	if seed == "" {
		words = append(words, "--script", v.Script)
	} else {
		words = append(words, "--seed", seed)
	}
	for i, w := range words {
		words[i] = shellWord(w)
	}
	return strings.Join(words, " ")
}

// shellWord is a word as a shell reads it.
func shellWord(word string) string {
	if word != "" && strings.IndexFunc(word, func(r rune) bool {
		return !strings.ContainsRune("./:=@_-,+%", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// print tells of all sweeps.
func (v *Sweep) print(s *session, all []swept) error {
	if s.JSON {
		for i := range all {
			if all[i].Findings == nil {
				all[i].Findings = []SweepFinding{}
			}
		}
		return s.printJSON(all)
	}
	for i := range all {
		v.tell(s, &all[i])
	}
	return nil
}

func (v *Sweep) tell(s *session, r *swept) {
	for i := range r.Findings {
		f := &r.Findings[i]
		fmt.Fprintf(s.Stdout, "%s: %s %s\n", r.File, s.paint(red, f.Kind+":"), f.Message)
		for _, fault := range f.Faults {
			fmt.Fprintf(s.Stdout, "    %s\n", fault)
		}
		fmt.Fprintf(s.Stdout, "    calls: %s\n", strings.Join(shortened(f.Calls), " → "))
		more := ""
		switch {
		case f.More == 1:
			more = " (another fault there does the same)"
		case f.More > 1:
			more = fmt.Sprintf(" (%d other faults there do the same)", f.More)
		}
		fmt.Fprintf(s.Stdout, "    again: %s%s\n", f.Command, more)
	}
	name := r.File
	if r.Of != "" {
		name += ": " + r.Of
	}
	switch n := len(r.Findings); {
	case r.Of != "" && n > 0:
		name += ": " + s.paint(red, "confirmed")
	case n == 1:
		name += ": " + s.paint(red, "1 finding")
	case n > 1:
		name += ": " + s.paint(red, strconv.Itoa(n)+" findings")
	default:
		name += ": " + s.paint(green, "nothing found")
	}
	worlds := "1 world"
	if r.Worlds != 1 {
		worlds = fmt.Sprintf("%d worlds", r.Worlds)
	}
	fmt.Fprintf(s.Stdout, "%s in %s, %d of %d fault points reached\n", name, worlds, r.Reached, r.Points)
	accepted := map[string]int{}
	for i := range r.Accepted {
		accepted[r.Accepted[i].Because]++
	}
	for _, because := range slices.Sorted(maps.Keys(accepted)) {
		fmt.Fprintf(s.Stdout, "  accepted: %d, as %s\n", accepted[because], because)
	}
	if len(r.Unmet) > 0 {
		fmt.Fprintf(s.Stdout, "  never called: %s\n", strings.Join(r.Unmet, ", "))
	}
	if r.Proposed && len(r.Pairs) > 0 {
		fmt.Fprintf(s.Stdout, "  not confirmed: %s, by their names (verify --propose)\n", strings.Join(r.Pairs, "; "))
	}
	if len(r.ByData) > 0 {
		fmt.Fprintf(s.Stdout, "  decided by data: %s; sweep it with --input, or what is found of items may be no fault of theirs\n", strings.Join(r.ByData, ", "))
	}
	switch {
	case r.Cut && s.ctx.Err() != nil:
		fmt.Fprintln(s.Stdout, "  cut off: it was interrupted")
	case r.Cut:
		fmt.Fprintf(s.Stdout, "  cut off: %s were not enough for all\n", v.Budget)
	}
}

// shortened leaves out calls in the middle where there are many.
func shortened(calls []string) []string {
	const most = 24
	if len(calls) <= most {
		return calls
	}
	return append(append(calls[:most/2:most/2], fmt.Sprintf("… (%d more)", len(calls)-most)), calls[len(calls)-most/2:]...)
}

// progress shows how far a sweep is where somebody looks; nil: nobody does.
func (s *session) sweepProgress() func(done, all int) {
	if !s.Watched {
		return nil
	}
	return func(done, all int) { fmt.Fprintf(s.Stderr, "\r%d of %d worlds\x1b[K", done, all) }
}

func (s *session) clearSweepProgress() {
	if s.Watched {
		fmt.Fprint(s.Stderr, "\r\x1b[K")
	}
}

// Sweeper sweeps a saga. Its error tells why a definition, a sidecar, a seed or a
// script can't be used.
type Sweeper func(context.Context, SweepInput) (*Swept, error)
