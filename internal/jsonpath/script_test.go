package jsonpath_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/jsonpath"
	"github.com/backstep/backstep/internal/value"
)

var update = flag.Bool("update", false, "rewrite what the scripts of testdata expect")

// TestScripts runs testdata/*.txt. Each line that begins a line is an
// expression, "set", a reference path and a value, or what there is to reach:
// "input", "context" or "variable" with a value. The indented line after an
// expression is what it gives.
func TestScripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no scripts")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := run(string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want := strings.Split(string(text), "\n")
			for i, line := range strings.Split(got, "\n") {
				if i >= len(want) || line != want[i] {
					t.Fatalf("%s:%d:\n got %s\nwant %s", file, i+1, line, strings.Join(want[i:min(i+1, len(want))], ""))
				}
			}
		})
	}
}

// run is the script with what its lines give.
func run(script string) string {
	var out strings.Builder
	s := &scope{variables: map[string]value.Value{}}
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "    ") {
			continue
		}
		fmt.Fprintln(&out, line)
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "", "#":
		case "input":
			s.input = parse(rest)
		case "context":
			s.context = parse(rest)
		case "variable":
			name, v, _ := strings.Cut(rest, " ")
			s.variables[name] = parse(v)
		case "set":
			fmt.Fprintln(&out, "    "+set(rest, s.input))
		default:
			fmt.Fprintln(&out, "    "+eval(line, s))
		}
	}
	return out.String()
}

func eval(text string, s jsonpath.Scope) string {
	e, err := jsonpath.CompileExpression(text)
	if err != nil {
		return refusal(err)
	}
	v, err := e.Eval(s, &counter{})
	var missing *jsonpath.NotFound
	switch {
	case errors.As(err, &missing) && e.Call() != "":
		return "not found: " + missing.InField("f.$", "…")
	case errors.As(err, &missing):
		return "not found: " + missing.Reason
	case err != nil:
		return "failed: " + err.Error()
	}
	kind := ""
	if p := e.Path(); p != nil && !p.Definite() {
		kind = "all "
	}
	return kind + v.Text().String()
}

func set(text string, root value.Value) string {
	i := strings.LastIndexByte(text, ' ')
	if j := strings.IndexAny(text, " {\""); j > 0 && text[j] != ' ' {
		i = j - 1
	}
	r, err := jsonpath.CompileReference(text[:i])
	if err != nil {
		return refusal(err)
	}
	before := root.Text()
	v, err := r.Set(root, parse(text[i+1:]))
	if root.Text() != before {
		return "the root has changed"
	}
	if err != nil {
		return "failed: " + err.Error()
	}
	return v.Text().String()
}

func refusal(err error) string {
	var bad *jsonpath.SyntaxError
	if !errors.As(err, &bad) {
		return "an error of another type: " + err.Error()
	}
	return fmt.Sprintf("refused at %d: %s", bad.Offset, bad.Reason)
}

// counter is a Chance that counts.
type counter struct{ n uint64 }

func (c *counter) Uint64() uint64 {
	c.n += 0x0123456789ABCDEF
	return c.n
}

// scope is a Scope of given values.
type scope struct {
	input, context value.Value
	variables      map[string]value.Value
}

func (s *scope) Input() value.Value               { return s.input }
func (s *scope) Context() value.Value             { return s.context }
func (s *scope) Variable(name string) value.Value { return s.variables[name] }

func parse(text string) value.Value {
	t, err := value.Check(text)
	if err != nil {
		panic(err.Error() + ": " + text)
	}
	return t.Decode()
}
