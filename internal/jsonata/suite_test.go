package jsonata

import (
	"encoding/json"
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

// suiteCase is a case of the public suite.
type suiteCase struct {
	Expr            *string         `json:"expr"`
	ExprFile        string          `json:"expr-file"`
	Dataset         *string         `json:"dataset"`
	Data            json.RawMessage `json:"data"`
	Bindings        json.RawMessage `json:"bindings"`
	Depth           int             `json:"depth"`
	Result          json.RawMessage `json:"result"`
	UndefinedResult bool            `json:"undefinedResult"`
	Code            string          `json:"code"`
	Token           string          `json:"token"`
	Unordered       bool            `json:"unordered"`
	Error           struct {
		Code    string `json:"code"`
		Token   string `json:"token"`
		Message string `json:"message"`
	} `json:"error"`
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
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []suiteCase
	if !strings.HasPrefix(strings.TrimSpace(string(data)), "[") {
		data = append(append([]byte("["), data...), ']')
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for i, c := range cases {
		t.Run(group+"/"+filepath.Base(file)+"#"+string(rune('0'+i%10)), func(t *testing.T) { c.run(t, dir, filepath.Dir(file)) })
	}
	return len(cases)
}

func (c *suiteCase) run(t *testing.T, dir, folder string) {
	source := ""
	if c.Expr != nil {
		source = *c.Expr
	} else {
		text, err := os.ReadFile(filepath.Join(folder, c.ExprFile))
		if err != nil {
			t.Fatal(err)
		}
		source = string(text)
	}
	got, err := c.eval(t, dir, source)
	code, token := c.Code, c.Token
	if code == "" {
		code, token = c.Error.Code, c.Error.Token
	}
	switch {
	case code != "":
		e, ok := err.(*Error)
		if !ok || e.Code != code || token != "" && e.Token != token || c.Error.Message != "" && e.Message != c.Error.Message && !strings.HasPrefix(c.Error.Message, "Malformed") {
			t.Errorf("%s\ngot %s, error %v; want error %s %q %s", source, got.Text(), err, code, token, c.Error.Message)
		}
	case err != nil && err != ErrFunction:
		t.Errorf("%s\n%v; want %s", source, err, c.Result)
	case c.UndefinedResult || c.Result == nil:
		if !got.IsAbsent() {
			t.Errorf("%s\ngot %s, want undefined", source, got.Text())
		}
	default:
		want := decode(t, string(c.Result))
		if c.Unordered {
			got, want = ordered(got), ordered(want)
		}
		if !value.Equal(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", source, got.Text(), want.Text())
		}
	}
}

func ordered(v value.Value) value.Value {
	items := slices.Clone(v.Items())
	slices.SortFunc(items, func(a, b value.Value) int { return strings.Compare(a.Text().String(), b.Text().String()) })
	return value.NewArray(items)
}

func (c *suiteCase) eval(t *testing.T, dir, source string) (value.Value, error) {
	e, err := Compile(source, Reference)
	if err != nil {
		return value.Value{}, err
	}
	seed := lcg(42)
	env := Env{Now: 1_600_000_000_123, Chance: &seed, Budget: Budget{Depth: c.Depth}}
	if c.Bindings != nil {
		env.Vars = bindings{decode(t, string(c.Bindings))}
	}
	if c.Data != nil {
		env.Input = decode(t, string(c.Data))
	} else if c.Dataset != nil {
		text, err := os.ReadFile(filepath.Join(dir, "datasets", *c.Dataset+".json"))
		if err != nil {
			t.Fatal(err)
		}
		env.Input = decode(t, string(text))
	}
	return e.Eval(env)
}
