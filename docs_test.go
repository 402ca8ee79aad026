package backstep

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/config"
	"github.com/backstep/backstep/internal/prove"
)

// pages are the documents that people read.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	paths := []string{"README.md", "ARCHITECTURE.md"}
	examples, err := filepath.Glob("examples/*/README.md")
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	paths = append(paths, examples...)
	err = filepath.WalkDir("docs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = string(text)
	}
	return all
}

var (
	block = regexp.MustCompile("(?ms)^```(\\w+) (\\w+)\n(.*?)^```$")
	link  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// TestExamples holds the documents' examples against the code: a block marked
// "yaml config" is a configuration, one marked "json asl" or "yaml asl" a
// definition.
func TestExamples(t *testing.T) {
	seen := map[string]int{}
	for path, text := range pages(t) {
		for _, b := range block.FindAllStringSubmatch(text, -1) {
			seen[b[2]]++
			switch b[2] {
			case "config":
				checkConfig(t, path, b[3])
			case "asl":
				checkDefinition(t, path, b[3])
			case "postgresql", "mysql", "sqlite", "all", "barrier", "try":
				continue // the tests in participant/dbtest do
			case "run", "serve":
				continue // TestDocumentsCommands does
			case "tutorial":
				continue // TestTutorial does
			case "example", "prints":
				continue // the tests of the examples and TestTutorial do
			default:
				t.Errorf("%s: a block of kind %q, which nobody checks", path, b[2])
			}
		}
	}
	if seen["config"] < 3 || seen["asl"] < 5 || seen["run"] < 5 {
		t.Errorf("too few examples were found: %v", seen)
	}
}

func checkConfig(t *testing.T, path, text string) {
	file := filepath.Join(t.TempDir(), "backstep.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) (string, bool) {
		if strings.HasPrefix(name, "AWS_") {
			return "", false
		}
		return "value-of-" + name, true
	}
	if _, err := config.Load(file, lookup); err != nil {
		t.Errorf("%s: %v\n%s", path, err, text)
	}
}

func checkDefinition(t *testing.T, path, text string) {
	definition, diagnostics := asl.Parse([]byte(text))
	if asl.Render(diagnostics) == "" {
		diagnostics = append(diagnostics, asl.Check(definition, asl.Rules{Distributed: true, Serves: asl.OnAWS})...)
	}
	if len(diagnostics) > 0 {
		t.Errorf("%s: %s\n%s", path, asl.Render(diagnostics), text)
	}
}

// TestLinks: every relative link leads to a file.
func TestLinks(t *testing.T) {
	for path, text := range pages(t) {
		for _, l := range link.FindAllStringSubmatch(text, -1) {
			u, err := url.Parse(l[1])
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if u.Scheme != "" || u.Path == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), u.Path)); err != nil {
				t.Errorf("%s links to %s: %v", path, l[1], err)
			}
		}
	}
}

// TestMetricsAreExplained: each metric of ours is in the table of the manual,
// and no other is.
func TestMetricsAreExplained(t *testing.T) {
	named := func(path string, names ...*regexp.Regexp) map[string]bool {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]bool{}
		for _, name := range names {
			for _, found := range name.FindAllStringSubmatch(string(text), -1) {
				all["backstep_"+found[1]] = true
			}
		}
		return all
	}
	whole := regexp.MustCompile(`"backstep_(\w+)"`)
	made := regexp.MustCompile(`(?:counter|gauge)\("(\w+)"`)
	metrics := named("cmd/backstep/metrics.go", made)
	for _, more := range [...]map[string]bool{named("cmd/backstep/watched.go", made), named("internal/server/metrics.go", whole)} {
		for name := range more {
			metrics[name] = true
		}
	}
	explained := named("docs/operations.md", regexp.MustCompile("`backstep_(\\w+)"))
	for name := range metrics {
		if !explained[name] {
			t.Errorf("docs/operations.md does not tell of %s", name)
		}
	}
	for name := range explained {
		if !metrics[name] {
			t.Errorf("docs/operations.md tells of %s, which there is not", name)
		}
	}
	if len(metrics) < 10 {
		t.Errorf("too few metrics were found: %v", metrics)
	}
}

// TestRulesAreExplained: each rule that verify proves has its chapter in the
// manual, with a fix.
func TestRulesAreExplained(t *testing.T) {
	text, err := os.ReadFile("docs/verify.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range prove.Rules() {
		_, chapter, found := strings.Cut(string(text), "\n### "+r.ID+" "+strings.ToLower(r.Title[:1])+r.Title[1:]+"\n")
		chapter, _, _ = strings.Cut(chapter, "\n###")
		if !found || !strings.Contains(chapter, "**Fix:**") {
			t.Errorf("docs/verify.md has no chapter of %s, %s, with a fix", r.ID, r.Title)
		}
	}
}

// TestVerbsAreExplained: each verb of the command line has its place in the
// manual.
func TestVerbsAreExplained(t *testing.T) {
	help, err := os.ReadFile("internal/cli/testdata/help.txtar")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := strings.Join(regexp.MustCompile(`(?m)^## .*$`).FindAllString(string(text), -1), " ")
	verbs := regexp.MustCompile(`(?m)^-- \$ (\w+) --help --$`).FindAllStringSubmatch(string(help), -1)
	for _, verb := range verbs {
		if !strings.Contains(headings+" ", " "+verb[1]+" ") {
			t.Errorf("docs/cli.md has no heading for %s", verb[1])
		}
	}
	if len(verbs) < 5 {
		t.Errorf("too few verbs were found: %v", verbs)
	}
}
