package backstep

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFaultsAreBroughtAbout: the table of faults has each once, and each test and
// target that it names is there.
func TestFaultsAreBroughtAbout(t *testing.T) {
	text, err := os.ReadFile("docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	tests := namesOfTests(t)
	target, test := regexp.MustCompile("`make ([a-z-]+)"), regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	named := 0
	for _, m := range target.FindAllStringSubmatch(string(text), -1) {
		named++
		if !strings.Contains(string(makefile), "\n"+m[1]+":") {
			t.Errorf("there is no target %s", m[1])
		}
	}
	for _, m := range test.FindAllStringSubmatch(string(text), -1) {
		named++
		if !tests[m[1]] {
			t.Errorf("there is no test %s", m[1])
		}
	}
	if named < 60 {
		t.Errorf("only %d tests and targets are named", named)
	}
	for n := 1; n <= 35; n++ {
		rows := regexp.MustCompile(fmt.Sprintf(`(?m)^\| F%d \| .*$`, n)).FindAllString(string(text), -1)
		if len(rows) != 1 {
			t.Errorf("F%d has %d rows", n, len(rows))
		} else if !target.MatchString(rows[0]) && !test.MatchString(rows[0]) {
			t.Errorf("nothing brings F%d about", n)
		}
	}
}

// namesOfTests are those of all tests, of every module.
func namesOfTests(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllStringSubmatch(string(text), -1) {
			all[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
