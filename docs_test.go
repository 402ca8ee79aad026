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
)

// pages are the documents that people read.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	paths := []string{"README.md", "ARCHITECTURE.md", "examples/order/README.md"}
	err := filepath.WalkDir("docs", func(path string, d fs.DirEntry, err error) error {
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
			default:
				t.Errorf("%s: a block of kind %q, which nobody checks", path, b[2])
			}
		}
	}
	if seen["config"] < 3 || seen["asl"] < 5 {
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
		diagnostics = append(diagnostics, asl.Check(definition, asl.Rules{Serves: asl.OnAWS})...)
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
