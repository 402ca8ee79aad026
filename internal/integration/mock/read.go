package mock

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// maxFile bounds a file in bytes.
const maxFile = 64 << 20

// Read reads a file. The error tells all that is wrong with it, a line each.
func Read(path string) (*Config, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("mock configuration: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("mock configuration: %w", err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("mock configuration: %s is longer than %d bytes", path, maxFile)
	}
	c, problems := parse(string(text))
	for i := range problems {
		problems[i] = path + ": " + problems[i]
	}
	if len(problems) > 0 {
		return nil, errors.New(strings.Join(problems, "\n"))
	}
	return c, nil
}

// reader reads a file, and goes on after a mistake, to tell of all of them.
type reader struct{ problems []string }

func (r *reader) problem(path, format string, args ...any) {
	r.problems = append(r.problems, path+" "+fmt.Sprintf(format, args...))
}

// parse reads a configuration's text.
func parse(text string) (*Config, []string) {
	checked, err := value.Check(text)
	if err != nil {
		return nil, []string{"is no JSON: " + err.Error()}
	}
	r := &reader{}
	c := &Config{machines: map[string]map[string]testCase{}}
	root := r.object(checked.Decode(), "the configuration", "StateMachines", "MockedResponses")
	known := map[string]*responses{}
	for name, v := range r.object(root.Get("MockedResponses"), "MockedResponses").Members() {
		known[name] = r.responses(name, v)
	}
	for name, v := range r.object(root.Get("StateMachines"), "StateMachines").Members() {
		path := "StateMachines." + name
		cases := map[string]testCase{}
		machine := r.object(v, path, "TestCases")
		for caseName, v := range r.object(machine.Get("TestCases"), path+".TestCases").Members() {
			cases[caseName] = r.testCase(path+".TestCases."+caseName, v, known)
		}
		c.machines[name] = cases
	}
	return c, r.problems
}

// object is v where it is an object, of these members if any are named.
func (r *reader) object(v value.Value, path string, members ...string) value.Value {
	switch v.Kind() {
	case value.Absent:
		r.problem(path, "is missing")
		return v
	case value.Object:
	default:
		r.problem(path, "must be an object")
		return value.Value{}
	}
	for name := range v.Members() {
		if len(members) > 0 && !slices.Contains(members, name) {
			r.problem(path, "has an unknown member %s; there are %s", name, strings.Join(members, ", "))
		}
	}
	return v
}

// testCase reads which response each state has.
func (r *reader) testCase(path string, v value.Value, known map[string]*responses) testCase {
	states := testCase{}
	for state, name := range r.object(v, path).Members() {
		of, there := known[name.AsString()]
		switch {
		case name.Kind() != value.String:
			r.problem(path+"."+state, "must be the name of a mocked response")
		case !there:
			r.problem(path+"."+state, "names the mocked response %s, which is not among MockedResponses", name.AsString())
		}
		states[state] = of
	}
	return states
}

// numbered is how a response names its invocations: "0", "1-2".
var numbered = regexp.MustCompile(`^(\d{1,9})(?:-(\d{1,9}))?$`)

// responses reads a mocked response: its invocations are numbered from 0,
// without gaps, each of them once. One without any fails whoever is answered by
// it.
func (r *reader) responses(name string, v value.Value) *responses {
	path := "MockedResponses." + name
	type entry struct {
		key   string
		first int
		span
	}
	var all []entry
	for key, v := range r.object(v, path).Members() {
		bounds := numbered.FindStringSubmatch(key)
		if bounds == nil {
			r.problem(path, "has the key %q, which is neither a number of an invocation (\"0\") nor a range of them (\"1-2\")", key)
			continue
		}
		e := entry{key: key, span: r.response(path+"."+key, v)}
		e.first, _ = strconv.Atoi(bounds[1])
		if e.last = e.first; bounds[2] != "" {
			e.last, _ = strconv.Atoi(bounds[2])
		}
		if e.last < e.first {
			r.problem(path, "has the range %q, which ends before it begins", key)
			continue
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last)) })
	of, next := &responses{name: name}, 0
	for i, e := range all {
		switch {
		case e.first < next:
			r.problem(path, "answers invocation %d twice: by %q and by %q", e.first, all[i-1].key, e.key)
		case e.first > next:
			r.problem(path, "has no answer to invocation %d; the next is %q", next, e.key)
		}
		next = e.last + 1
		of.spans = append(of.spans, e.span)
	}
	return of
}

// response reads what answers: a Return, which may be anything, or a Throw.
func (r *reader) response(path string, v value.Value) (s span) {
	v = r.object(v, path, "Return", "Throw")
	switch result, thrown := v.Get("Return"), v.Get("Throw"); {
	case v.IsAbsent():
	case result.IsAbsent() == thrown.IsAbsent():
		r.problem(path, "must have either a Return or a Throw")
	case !result.IsAbsent():
		s.result = result.Text()
	default:
		thrown = r.object(thrown, path+".Throw", "Error", "Cause")
		name, cause := thrown.Get("Error"), thrown.Get("Cause")
		if name.Kind() != value.String || cause.Kind() != value.String && !cause.IsAbsent() {
			r.problem(path+".Throw", "must have an Error and a Cause that are strings")
		}
		s.failed = integration.NewError(name.AsString(), cause.AsString(), integration.EffectNamed)
	}
	return s
}
