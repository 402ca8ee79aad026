package exampletest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

var blocks = regexp.MustCompile("(?ms)^```(sh example|text prints)\n(.*?)^```$")

// ReadMe does what the README in the folder in which the tests run says: all blocks marked
// "sh example" as one script, none of whose commands may fail. What it prints must have
// the lines of all blocks marked "text prints", in their order. "…" in such a line stands
// for anything. The script gets the environment given on top of the tests' own.
func ReadMe(t *testing.T, env ...string) {
	t.Helper()
	for _, program := range []string{"bash", "aws", "jq", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("the README's commands need what is not installed: " + err.Error())
		}
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	var lines []string
	for _, b := range blocks.FindAllStringSubmatch(string(text), -1) {
		if b[1] == "sh example" {
			script.WriteString(b[2])
		} else {
			lines = append(lines, strings.Split(strings.TrimSpace(b[2]), "\n")...)
		}
	}
	if script.Len() == 0 || len(lines) == 0 {
		t.Fatal("the README has no commands, or does not tell what they print")
	}
	out := runScript(t, script.String(), env)
	rest := out
	for _, line := range lines {
		pattern := regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(line)), "…", ".*"))
		found := pattern.FindStringIndex(rest)
		if found == nil {
			t.Fatalf("the README's commands do not print %q where they should; they print\n%s", line, out)
		}
		rest = rest[found[1]:]
	}
}

// runScript runs a script in a copy of the tree that has what a README's commands need,
// and ends all that it leaves running.
func runScript(t *testing.T, script string, env []string) string {
	t.Helper()
	tree := t.TempDir()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	example := filepath.Join("examples", filepath.Base(here))
	if err := os.CopyFS(filepath.Join(tree, example), os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(programs, filepath.Join(tree, "bin")); err != nil {
		t.Fatal(err)
	}
	server, services := FreeAddress(t), FreeAddress(t)
	elsewhere := strings.NewReplacer("127.0.0.1:8083", server, ServicesAddress, services)
	config := filepath.Join(tree, example, "backstep.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte(elsewhere.Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-c", "set -eo pipefail\n"+elsewhere.Replace(script))
	command.Dir = tree
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	command.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"), "BACKSTEP_LISTEN="+server, "BACKSTEP_ENDPOINT=http://"+server,
		"AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_DEFAULT_REGION=us-east-1", "AWS_PAGER=", "AWS_DEFAULT_OUTPUT=json")
	command.Env = append(command.Env, env...)
	file, err := os.Create(filepath.Join(tree, "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	command.Stdout, command.Stderr = file, file
	failed := command.Run()
	syscall.Kill(-command.Process.Pid, syscall.SIGKILL) // what it has left in the background
	out, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if failed != nil {
		t.Fatalf("the README's commands: %v\n%s", failed, out)
	}
	return string(out)
}
