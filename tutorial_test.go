package backstep

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

var tutorial = regexp.MustCompile("(?ms)^```sh tutorial\n(.*?)^```$(?:\n\n```text prints\n(.*?)^```$)?")

// TestTutorial goes through docs/saga.md from an empty folder: its blocks marked
// "sh tutorial" are one shell's, in which no command may fail. All that a block
// prints stands in the block marked "text prints" behind it, line for line, and
// nothing is printed where there is none. "…" in such a line stands for anything.
func TestTutorial(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and runs sagas with it, which takes its time")
	}
	for _, program := range []string{"bash", "jq", "curl", "python3"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("the tutorial needs what is not installed: " + err.Error())
		}
	}
	text, err := os.ReadFile("docs/saga.md")
	if err != nil {
		t.Fatal(err)
	}
	const end = "--- the block has ended ---\n"
	blocks := tutorial.FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 20 || len(blocks) != strings.Count(string(text), "```sh") {
		t.Fatalf("docs/saga.md has %d blocks of commands that are run, of %d", len(blocks), strings.Count(string(text), "```sh"))
	}
	var script strings.Builder
	for _, b := range blocks {
		script.WriteString(b[1] + "echo '" + strings.TrimSpace(end) + "'\n")
	}
	out, failed := walkThrough(t, script.String())
	printed := strings.Split(out, end)
	for i, b := range blocks {
		if i == len(printed)-1 {
			t.Fatalf("these commands ended it, by %v:\n%sThey printed\n%s", failed, b[1], printed[i])
		}
		if !shown(b[2]).MatchString(printed[i]) {
			t.Errorf("the commands\n%sprint\n%sand not, as docs/saga.md has it,\n%s", b[1], printed[i], b[2])
		}
	}
	if failed != nil {
		t.Errorf("the tutorial's shell ended by %v", failed)
	}
}

// walkThrough runs a script as one shell, in an empty folder, at addresses of its
// own, and ends all that it leaves running.
func walkThrough(t *testing.T, script string) (string, error) {
	t.Helper()
	programs, dir := t.TempDir(), t.TempDir()
	if out, err := exec.Command("go", "build", "-trimpath", "-o", programs+"/", "./cmd/backstep").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	_, port, _ := strings.Cut(freeAddress(t), ":")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	command := shell(ctx, dir, freeAddress(t), "set -e\n"+strings.ReplaceAll(script, "9000", port))
	command.Env = append(command.Env, "PATH="+programs+":"+os.Getenv("PATH"))
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	command.Stdout, command.Stderr = output, output
	failed := command.Run()
	syscall.Kill(-command.Process.Pid, syscall.SIGKILL) // what it has left in the background
	text, err := os.ReadFile(output.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text), failed
}

// shown matches a text that is as a block has it.
func shown(block string) *regexp.Regexp {
	var pattern strings.Builder
	for line := range strings.Lines(block) {
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(strings.TrimRight(line, "\n")), "…", ".*") + "\n")
	}
	return regexp.MustCompile("^" + pattern.String() + "$")
}
