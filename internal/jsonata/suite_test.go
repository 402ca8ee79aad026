package jsonata

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/value"
)

// sharedDir is the folder of what is tested against but is no part of the
// project; the test is skipped where it is not there.
func sharedDir(t *testing.T, name string) string {
	dir := os.Getenv("BACKSTEP_SHARED")
	if dir == "" {
		root, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for root != filepath.Dir(root) {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared")
	}
	dir = filepath.Join(dir, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED: %s is missing (BACKSTEP_SHARED names its parent)", dir)
	}
	return dir
}

// bindings is an object's members as variables.
type bindings struct{ value.Value }

func (b bindings) Variable(name string) value.Value { return b.Get(name) }

func decode(t *testing.T, s string) value.Value {
	t.Helper()
	text, err := value.Check(s)
	if err != nil {
		t.Fatal(err)
	}
	return text.Decode()
}

// lcg is chance that is the same each time.
type lcg uint64

func (l *lcg) Uint64() uint64 {
	*l = *l*6364136223846793005 + 1442695040888963407
	return uint64(*l) ^ uint64(*l)>>29
}

// TestSuite walks JSONata's public test suite.
func TestSuite(t *testing.T) {
	dir := sharedDir(t, "jsonata-suite")
	files, err := filepath.Glob(filepath.Join(dir, "groups", "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, file := range files {
		group := filepath.Base(filepath.Dir(file))
		if group == "performance" {
			continue
		}
		ran += suiteFile(t, dir, group, file)
	}
	if ran != 1623 {
		t.Errorf("ran %d cases, want 1623", ran)
	}
}

func suiteFile(t *testing.T, dir, group, file string) int {
	cases := []value.Value{decode(t, readFile(t, file))}
	if cases[0].Kind() == value.Array {
		cases = cases[0].Items()
	}
	for i, c := range cases {
		name := fmt.Sprintf("%s/%s#%d", group, filepath.Base(file), i)
		t.Run(name, func(t *testing.T) { suiteCase{c}.run(t, dir, filepath.Dir(file)) })
	}
	return len(cases)
}

// suiteCase is a case of the suite: an expression, what it is evaluated over,
// and a result, undefined or an error.
type suiteCase struct{ value.Value }

func (c suiteCase) run(t *testing.T, dir, folder string) {
	source := c.Get("expr").AsString()
	if file := c.Get("expr-file"); !file.IsAbsent() {
		source = readFile(t, filepath.Join(folder, file.AsString()))
	}
	got, err := c.eval(t, dir, source)
	wanted := c.Get("error")
	if code := c.Get("code"); !code.IsAbsent() {
		wanted = c.Value
	}
	switch {
	case !wanted.IsAbsent():
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("%s\ngot %s, %v; want error %s", source, got.Text(), err, wanted.Text())
		}
		checkError(t, source, e, wanted)
	case err != nil:
		t.Errorf("%s\n%v; want %s", source, err, c.Get("result").Text())
	case !c.Has("result"):
		if !got.IsAbsent() {
			t.Errorf("%s\ngot %s, want undefined", source, got.Text())
		}
	default:
		want := c.Get("result")
		if c.Get("unordered").AsBool() {
			got, want = ordered(got), ordered(want)
		}
		if !value.Equal(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", source, got.Text(), want.Text())
		}
	}
}

// checkError compares the code, the token where one is given, and the messages
// that an expression itself gives.
func checkError(t *testing.T, source string, e *Error, want value.Value) {
	t.Helper()
	token, message := want.Get("token"), want.Get("message")
	if e.Code != want.Get("code").AsString() || !token.IsAbsent() && e.Token != token.AsString() {
		t.Errorf("%s\ngot %v at %q, want %s", source, e, e.Token, want.Text())
	}
	if e.Code == "D3137" || e.Code == "D3141" {
		if e.Message != message.AsString() {
			t.Errorf("%s\ngot message %q, want %s", source, e.Message, want.Text())
		}
	}
}

func ordered(v value.Value) value.Value {
	items := slices.Clone(v.Items())
	slices.SortFunc(items, func(a, b value.Value) int { return strings.Compare(a.Text().String(), b.Text().String()) })
	return value.NewArray(items)
}

// The suite's budget has room for the cases that measure: lists of 200,000
// strings are more than a state machine may take.
const (
	suiteSteps = 3_000_000
	suiteBytes = 256 << 20
)

func (c suiteCase) eval(t *testing.T, dir, source string) (value.Value, error) {
	e, err := Compile(source, Reference)
	if err != nil {
		return value.Value{}, err
	}
	seed := lcg(42)
	depth, _ := c.Get("depth").AsInt()
	env := Env{Now: 1_600_000_000_123, Chance: &seed, Budget: Budget{Steps: suiteSteps, Depth: int(depth), Bytes: suiteBytes}}
	env.Vars = bindings{c.Get("bindings")}
	if name := c.Get("dataset"); name.Kind() == value.String {
		env.Input = decode(t, readFile(t, filepath.Join(dir, "datasets", name.AsString()+".json")))
	}
	if data := c.Get("data"); !data.IsAbsent() {
		env.Input = data
	}
	return e.Eval(env)
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
