package mutant

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const planted = `name: two and two are five
breaks: arithmetic
file: sum.go
<<<<
	return a + b
====
	return a + b + 1
>>>>
`

// plant writes a module of one package and a mutant of it.
func plant(t *testing.T, text string) (root string, m Mutant, err error) {
	t.Helper()
	root = t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module sums\n\ngo 1.26\n",
		"sum.go":  "package main\n\nfunc sum(a, b int) int {\n\treturn a + b\n}\n",
		"main.go": "package main\n\nfunc main() { println(sum(2, 2)) }\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m, err = Parse("planted.txt", text)
	return root, m, err
}

func TestAPlantedBugIsBuilt(t *testing.T) {
	root, m, err := plant(t, planted)
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := m.Overlay(root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ args, want string }{{"run .", "4"}, {"run -overlay " + overlay + " .", "5"}} {
		command := exec.Command("go", strings.Fields(row.args)...)
		command.Dir = root
		command.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOTOOLCHAIN=local")
		out, err := command.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != row.want {
			t.Errorf("go %s: %s%v, want %s", row.args, out, err, row.want)
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "sum.go"))
	if err != nil || strings.Contains(string(text), "+ 1") {
		t.Errorf("the source was touched: %s, %v", text, err)
	}
	read, err := os.ReadFile(overlay)
	var parsed struct{ Replace map[string]string }
	if err != nil || json.Unmarshal(read, &parsed) != nil || len(parsed.Replace) != 1 {
		t.Errorf("overlay %s, %v", read, err)
	}
}

func TestAMutantThatDoesNotStandIsRefused(t *testing.T) {
	for _, row := range []struct{ name, old, new, want string }{
		{"gone", "return a + b", "return a - b", "0 times"},
		{"no such file", "sum.go", "sums.go", "no such file"},
		{"no name", "name: two", "", "none of name"},
		{"no change", planted[strings.Index(planted, "file:"):], "", "a change"},
		{"never closed", ">>>>", "", "needs its file"},
	} {
		root, m, err := plant(t, strings.Replace(planted, row.old, row.new, 1))
		if err == nil {
			_, err = m.Overlay(root, t.TempDir())
		}
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.txt", "a.txt", "notes.md"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(planted), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, err := Load(dir)
	if err != nil || len(all) != 2 || filepath.Base(all[0].File) != "a.txt" || all[1].Changes[0].New != "\treturn a + b + 1\n" {
		t.Errorf("%+v, %v", all, err)
	}
}
