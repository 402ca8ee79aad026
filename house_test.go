// Package backstep holds no code of its own: it is the house that the packages
// stand in, and this test is its walls.
package backstep

import (
	"bufio"
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/backstep/backstep/"

// room is one row of the import table: what a package may import of ours, and
// of others. "std" stands for the standard library.
type room struct {
	path   string   // below the module; a trailing /* also takes what lies beneath
	ours   []string // packages of ours; "*" any
	others []string // prefixes of modules; "*" any
	pure   bool     // no clock, chance, goroutine, lock, context, log, file, net
}

var rooms = []room{
	{path: "api"},
	{path: "client", ours: []string{"api"}, others: []string{"github.com/aws/aws-sdk-go-v2/", "github.com/go-json-experiment/json"}},
	{path: "participant"},
	{path: "internal/fuzz"},
	{path: "internal/value", pure: true},
	{path: "internal/jsonpath", ours: []string{"internal/value"}, pure: true},
	{path: "internal/jsonata", ours: []string{"internal/value"}, pure: true},
	{path: "internal/asl", ours: []string{"internal/value", "internal/jsonpath", "internal/jsonata"}, others: []string{"go.yaml.in/yaml/v4"}, pure: true},
	{path: "internal/machine", ours: []string{"internal/asl", "internal/value", "internal/jsonpath", "internal/jsonata"}, pure: true},
	{path: "internal/prove", ours: []string{"internal/asl", "internal/machine", "internal/value"}, pure: true},
	{path: "internal/lower", ours: []string{"internal/asl", "internal/jsonata", "internal/value"}, pure: true},
	{path: "internal/lift", ours: []string{"internal/asl", "internal/jsonata", "internal/value"}, pure: true},
	{path: "internal/graph", ours: []string{"internal/asl", "internal/value"}, pure: true},
	{path: "internal/store"},
	{path: "internal/archive", ours: []string{"internal/store"}},
	{path: "internal/store/storetest", ours: []string{"internal/store"}},
	{path: "internal/store/embedded", ours: []string{"internal/store"}, others: []string{"github.com/cockroachdb/pebble/v2"}},
	{path: "internal/store/postgres/*", ours: []string{"internal/store"}, others: []string{"github.com/jackc/pgx/v5"}},
	{path: "internal/integration", ours: []string{"internal/value"}},
	{path: "internal/integration/items", ours: []string{"internal/integration", "internal/value"}, others: []string{"github.com/klauspost/compress/zstd", "github.com/parquet-go/parquet-go"}},
	{path: "internal/integration/*", ours: []string{"internal/integration", "internal/value"}, others: []string{"github.com/aws/"}},
	{path: "internal/journal", ours: []string{"internal/integration"}},
	{path: "internal/notify", ours: []string{"internal/integration"}, others: []string{"github.com/wneessen/go-mail"}},
	{path: "internal/engine", ours: []string{"internal/machine", "internal/asl", "internal/value", "internal/store", "internal/integration"}},
	{path: "internal/clockwork"},
	{path: "internal/audit", ours: []string{"internal/engine", "internal/machine", "internal/store", "internal/asl", "internal/value"}},
	{path: "internal/sim", ours: []string{"internal/audit", "internal/clockwork", "internal/engine", "internal/machine", "internal/store", "internal/store/storetest", "internal/integration", "internal/asl", "internal/value"}},
	{path: "internal/sweep", ours: []string{"internal/clockwork", "internal/engine", "internal/machine", "internal/store", "internal/store/storetest", "internal/integration", "internal/asl", "internal/prove", "internal/value"}},
	{path: "internal/service", ours: []string{"api", "internal/engine", "internal/machine", "internal/prove", "internal/store", "internal/asl", "internal/value", "internal/integration", "internal/journal", "internal/notify"}},
	{path: "internal/server", ours: []string{"api"}, others: []string{"github.com/go-json-experiment/json", "github.com/aws/aws-sdk-go-v2/aws", "github.com/prometheus/client_golang"}},
	{path: "internal/config", others: []string{"go.yaml.in/yaml/v4"}},
	{path: "internal/cli/*", ours: []string{"api", "internal/cli/drawing"}, others: []string{"github.com/alecthomas/kong", "github.com/go-json-experiment/json", "golang.org/x/term"}},
	{path: "rig/*", ours: []string{"api", "client", "rig/bar", "rig/fiend", "rig/host", "rig/mutant", "rig/process"}, others: []string{"*"}},
	{path: "cmd/backstep", ours: []string{"*"}, others: []string{"*"}},
}

// impure is what a pure room must not import.
var impure = []string{"context", "crypto/rand", "io/fs", "io/ioutil", "log", "log/slog", "math/rand", "math/rand/v2", "net", "net/http", "os", "os/exec", "path/filepath", "sync", "sync/atomic", "syscall", "time"}

// mayUseTime are pure rooms that may import "time" for its calendar; their
// sources are searched for the clock itself.
var mayUseTime = []string{"internal/jsonata", "internal/machine", "internal/asl"}

// clockCalls read the clock or wait.
var clockCalls = []string{"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc", "time.Tick", "time.NewTimer", "time.NewTicker"}

// source is one Go file of ours.
type source struct {
	path, dir string
	file      *ast.File
	fset      *token.FileSet
	lines     int
	test      bool
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || isModule(path)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{
			path: path, dir: filepath.ToSlash(filepath.Dir(path)), file: file, fset: fset,
			lines: bytes.Count(text, []byte("\n")), test: strings.HasSuffix(path, "_test.go"),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// isModule reports whether a folder is a module of its own, such as an example.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func roomOf(dir string) *room {
	for i := range rooms {
		r := &rooms[i]
		if base, ok := strings.CutSuffix(r.path, "/*"); r.path == dir || ok && (dir == base || strings.HasPrefix(dir, base+"/")) {
			return r
		}
	}
	return nil
}

func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// TestWalls holds the import table: who may import whom.
func TestWalls(t *testing.T) {
	for _, s := range sources(t) {
		if s.dir == "." || s.test {
			continue
		}
		r := roomOf(s.dir)
		if r == nil {
			t.Errorf("%s: the package has no row in the import table", s.path)
			continue
		}
		for _, spec := range s.file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if spec.Name != nil && spec.Name.Name == "_" && path != "embed" {
				t.Errorf("%s: blank import of %s", s.path, path)
			}
			if why := r.refuses(s.dir, path); why != "" {
				t.Errorf("%s: %s must not import %s: %s", s.path, s.dir, path, why)
			}
		}
	}
}

func (r *room) refuses(dir, path string) string {
	if ours, ok := strings.CutPrefix(path, module); ok {
		if slices.Contains(r.ours, "*") || slices.Contains(r.ours, ours) || r.path != dir && ours == strings.TrimSuffix(r.path, "/*") {
			return ""
		}
		return "the table does not let it"
	}
	if isStandard(path) {
		if r.pure && slices.Contains(impure, path) && !(path == "time" && slices.Contains(mayUseTime, dir)) {
			return "it is a pure room"
		}
		return ""
	}
	for _, other := range r.others {
		if other == "*" || path == other || strings.HasPrefix(path, strings.TrimSuffix(other, "/")+"/") {
			return ""
		}
	}
	return "the table names no such module"
}

// TestPurity: in a pure room nothing starts a goroutine, selects, or reads the
// clock.
func TestPurity(t *testing.T) {
	for _, s := range sources(t) {
		r := roomOf(s.dir)
		if r == nil || !r.pure || s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt, *ast.SelectStmt, *ast.SendStmt:
				t.Errorf("%s: concurrency in a pure room", s.fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && slices.Contains(clockCalls, x.Name+"."+n.Sel.Name) {
					t.Errorf("%s: the clock in a pure room", s.fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

// TestOneYAML: the YAML library is known to one file of the language.
func TestOneYAML(t *testing.T) {
	for _, s := range sources(t) {
		for _, spec := range s.file.Imports {
			if strings.Contains(spec.Path.Value, "go.yaml.in/yaml") && s.dir == "internal/asl" && filepath.Base(s.path) != "yaml.go" && !s.test {
				t.Errorf("%s imports the YAML library; yaml.go alone may", s.path)
			}
		}
	}
}

// TestOnlyRunStartsGoroutines: in the engine the loop alone starts goroutines,
// so that the simulator can turn the handle itself.
func TestOnlyRunStartsGoroutines(t *testing.T) {
	for _, s := range sources(t) {
		if s.dir != "internal/engine" || s.test || filepath.Base(s.path) == "run.go" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if _, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s: a goroutine started outside run.go", s.fset.Position(n.Pos()))
			}
			return true
		})
	}
}

const (
	maxFileLines = 600
	maxFuncLines = 100
	maxExported  = 60
)

// TestSizes: files, functions and packages stay small enough to be read.
// Tables of rows and generated text are excepted.
func TestSizes(t *testing.T) {
	exported := map[string]int{}
	for _, s := range sources(t) {
		if s.lines > maxFileLines && !ast.IsGenerated(s.file) {
			t.Errorf("%s has %d lines, over %d", s.path, s.lines, maxFileLines)
		}
		for _, decl := range s.file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if ok {
				if n := s.fset.Position(fn.End()).Line - s.fset.Position(fn.Pos()).Line + 1; n > maxFuncLines {
					t.Errorf("%s: %s has %d lines, over %d", s.path, fn.Name.Name, n, maxFuncLines)
				}
			}
			if !s.test {
				exported[s.dir] += exportedIn(decl)
			}
		}
	}
	for dir, n := range exported {
		if n > maxExported && dir != "api" {
			t.Errorf("%s exports %d names, over %d", dir, n, maxExported)
		}
	}
}

// exportedIn counts the exported names of a declaration, methods excepted; the
// values of one constant block count as one.
func exportedIn(decl ast.Decl) int {
	n := 0
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && d.Name.IsExported() {
			n++
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() {
					n++
				}
			case *ast.ValueSpec:
				if spec.Names[0].IsExported() {
					n++
				}
			}
		}
		if d.Tok == token.CONST && n > 1 {
			n = 1
		}
	}
	return n
}

// TestPackageComments: every package says what it is for.
func TestPackageComments(t *testing.T) {
	comment := map[string]bool{}
	for _, s := range sources(t) {
		if s.test && s.dir != "." {
			continue
		}
		comment[s.dir] = comment[s.dir] || s.file.Doc != nil
	}
	for dir, has := range comment {
		if !has {
			t.Errorf("%s: no package comment", dir)
		}
	}
}

// badNames say nothing of what a package is for.
var badNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "types", "manager", "base", "shared"}

// TestNames: packages have a subject; nothing registers itself.
func TestNames(t *testing.T) {
	for _, s := range sources(t) {
		if slices.Contains(badNames, s.file.Name.Name) {
			t.Errorf("%s: a package with no subject", s.path)
		}
		if s.test {
			continue
		}
		for _, decl := range s.file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: an init function", s.path)
			}
		}
	}
}

// TestRequirements: each direct dependency has its reason in docs/adr.
func TestRequirements(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	reasons := &strings.Builder{}
	adrs, _ := filepath.Glob("docs/adr/*.md")
	for _, adr := range adrs {
		text, err := os.ReadFile(adr)
		if err != nil {
			t.Fatal(err)
		}
		reasons.Write(text)
	}
	lines := bufio.NewScanner(bytes.NewReader(mod))
	required := false
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		required = required && line != ")" || strings.HasPrefix(line, "require")
		name, _, ok := strings.Cut(strings.TrimPrefix(line, "require "), " v")
		if required && ok && !strings.Contains(line, "// indirect") && !strings.Contains(reasons.String(), name) {
			t.Errorf("%s: no ADR says why it is there", name)
		}
	}
}

// TestPipesFail: a target whose command goes through a filter fails when the command
// does, and not only when the filter does.
func TestPipesFail(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("no make: ", err)
	}
	probe := exec.Command("make", "--silent", "--eval", "probe: ; @false | true", "probe")
	probe.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") })
	if out, err := probe.CombinedOutput(); err == nil {
		t.Errorf("what fails before a filter does not fail: %s", out)
	}
}

// TestMapOfTheHouse: ARCHITECTURE.md names every package.
func TestMapOfTheHouse(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range sources(t) {
		if s.test || s.dir == "." || seen[s.dir] {
			continue
		}
		seen[s.dir] = true
		if !bytes.Contains(text, []byte(s.dir)) {
			t.Errorf("ARCHITECTURE.md does not name %s", s.dir)
		}
	}
}
