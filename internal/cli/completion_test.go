package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCompletion has bash read its script, and complete by it.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := run(t, nil, "completion "+shell, false)
		for _, part := range []string{"backstep", "history", "follow", "endpoint"} {
			if !strings.Contains(script, part) {
				t.Errorf("%s: no %s in the script", shell, part)
			}
		}
		program, err := exec.LookPath(shell)
		if err != nil {
			if shell == "bash" {
				t.Fatal(err)
			}
			continue
		}
		file := filepath.Join(t.TempDir(), "backstep."+shell)
		if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(program, "-n", file).CombinedOutput(); err != nil {
			t.Errorf("%s -n: %v\n%s", shell, err, out)
		}
		if shell == "bash" {
			bashCompletes(t, program, file)
		}
	}
}

func bashCompletes(t *testing.T, bash, script string) {
	for _, c := range []struct{ words, want string }{
		{"st", "start stop"},
		{"history --f", "--follow --full"},
		{"validate --e", "--express --endpoint"},
		{"validate backstep.b", "backstep.bash"},
		{"saga s", "show"},
		{"saga list --s", "--status"},
		{"hold resolve --a", "--alternate --abandon --account"},
		{"hold resolve --dry-run backstep.b", "backstep.bash"},
	} {
		words := strings.Fields("backstep " + c.words)
		command := `source "$1"; COMP_WORDS=(` + strings.Join(words, " ") + `); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _backstep; echo "${COMPREPLY[@]}"`
		cmd := exec.Command(bash, "-c", command, "bash", script)
		cmd.Dir = filepath.Dir(script)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		got, want := strings.Fields(string(out)), strings.Fields(c.want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q completes to %v, not %v", c.words, got, want)
		}
	}
}
