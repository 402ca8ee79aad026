package jsonata

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/value"
)

var update = flag.Bool("update", false, "write what the expressions give into testdata")

// TestExpressions runs testdata/*.txt. A file begins with lines that set the
// stage ("level: aws", "input: …", "vars: …", any of which may come again); then
// each case is an expression of one or more lines and its outcome: "= JSON",
// "= undefined", "= function" or "! CODE: message @TOKEN".
func TestExpressions(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runFile(t, file) })
	}
}

// theatre is what the expressions of a file are evaluated with.
type theatre struct {
	level Level
	env   Env
}

func runFile(t *testing.T, file string) {
	st := theatre{level: Reference}
	var out strings.Builder
	var source []string
	for _, line := range strings.Split(strings.TrimSuffix(readFile(t, file), "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "= ") || strings.HasPrefix(line, "! "):
			expression := strings.Join(source, "\n")
			got := st.outcome(expression)
			if got != line && !*update {
				t.Errorf("%s\n got %s\nwant %s", expression, got, line)
			}
			line, source = got, nil
		case len(source) == 0 && (line == "" || line[0] == '#' || st.set(t, line)):
		default:
			source = append(source, line)
		}
		out.WriteString(line + "\n")
	}
	if source != nil {
		t.Errorf("no outcome: %s", source)
	}
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// set takes a line that sets the stage.
func (s *theatre) set(t *testing.T, line string) bool {
	name, text, _ := strings.Cut(line, ": ")
	switch name {
	case "level":
		s.level = map[string]Level{"aws": AWS, "reference": Reference}[text]
	case "input":
		s.env.Input = value.Value{}
		if text != "none" {
			s.env.Input = decode(t, text)
		}
	case "vars":
		s.env.Vars = bindings{decode(t, text)}
	default:
		return false
	}
	return true
}

func (s *theatre) outcome(source string) string {
	e, err := Compile(source, s.level)
	if err != nil {
		return describe(err)
	}
	seed := lcg(7)
	env := s.env
	env.Now, env.Chance = 1_700_000_000_123, &seed
	v, err := e.Eval(env)
	switch {
	case errors.Is(err, ErrFunction):
		return "= function"
	case err != nil:
		return describe(err)
	case v.IsAbsent():
		return "= undefined"
	}
	return "= " + v.Text().String()
}

func describe(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return "! " + err.Error()
	}
	return strings.TrimRight("! "+e.Error()+" @"+strings.TrimSpace(e.Token), " @")
}
