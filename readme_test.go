package backstep

import (
	"context"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDocumentsCommands does what the README's chapter of the next five minutes
// says, then what the other documents' blocks marked "sh run" do, with the
// programs of this tree, in a folder and at a port of its own; a block marked "sh
// serve" is the server of those behind it in its document.
func TestDocumentsCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("builds everything and runs the AWS CLI, which takes its time")
	}
	for _, program := range []string{"bash", "aws", "jq", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("the documents' commands need what is not installed: " + err.Error())
		}
	}
	all := pages(t)
	_, chapter, _ := strings.Cut(all["README.md"], "\n## The next five minutes")
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	shells := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(chapter, -1)
	if len(shells) != 3 {
		t.Fatalf("the chapter has %d blocks of commands, not those for the server, the AWS CLI and Backstep's own command line", len(shells))
	}
	dir, address := clone(t), freeAddress(t)
	startServer(t, dir, address, shells[0][1])
	nextFiveMinutes(t, dir, address, shells[1][1]+shells[2][1])
	for _, path := range slices.Sorted(maps.Keys(all)) {
		commandsOf(t, dir, address, path, all[path])
	}
}

// startServer runs the block that does so, until the test has ended.
func startServer(t *testing.T, dir, address, block string) {
	t.Helper()
	block = regexp.MustCompile(`(?m)^((?:\w+=\S+ )*)((?:bin/)?backstep serve)`).ReplaceAllString(block, "exec env $1$2")
	server := shell(context.Background(), dir, address, "set -e\n"+block)
	log, err := os.CreateTemp(dir, "server.*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	server.Stderr = log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil {
			t.Errorf("the server ended by %v", err)
		}
	})
	awaitReady(t, address)
}

// nextFiveMinutes looks at what comes of the README's commands.
func nextFiveMinutes(t *testing.T, dir, address, script string) {
	t.Helper()
	out, failed := runCommands(t, dir, address, script)
	for _, want := range []string{
		`"stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:Order"`, // created
		`"executionArn": "arn:aws:states:us-east-1:123456789012:execution:Order:order-1001"`,
		`"name": "order-1001"`, // described
		`"type": "ExecutionStarted"`,
		"FAILED OrderFailed: ", // awaited
		"order-1002  FAILED",   // listed
		"→ ReserveInventory ✗ → ReleaseInventory → ProcessRefund → UpdateOrderStatus → OrderFailed", // shown
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in what came of the README's commands:\n%s", want, out)
		}
	}
	if len(failed) != 1 || !strings.HasPrefix(failed[0], "exit 1 of bin/backstep start Order --name order-1002 --wait") {
		t.Errorf("the README's commands failed with %q; one alone must, the start of an order that fails:\n%s", failed, out)
	}
}

var (
	runnable   = regexp.MustCompile("(?ms)^```sh (run|serve)\n(.*?)^```$")
	definition = regexp.MustCompile("(?ms)^```json asl\n([^`]*?)^```\n\nWith the definition in `([^`]+)`")
)

// commandsOf runs a document's blocks marked "sh run", none of which may fail,
// beside the definitions that it names files for: with the server at that address,
// or with the last that a block of its own has started.
func commandsOf(t *testing.T, dir, address, path, text string) {
	t.Helper()
	for _, d := range definition.FindAllStringSubmatch(text, -1) {
		if err := os.WriteFile(filepath.Join(dir, d[2]), []byte(d[1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range runnable.FindAllStringSubmatch(text, -1) {
		if b[1] == "serve" {
			address = freeAddress(t)
			startServer(t, dir, address, b[2])
			continue
		}
		if out, failed := runCommands(t, dir, address, b[2]); len(failed) > 0 {
			t.Errorf("%s: the commands failed with %q:\n%s", path, failed, out)
		}
	}
}

// runCommands runs a script as somebody types it, on after a command that fails,
// and gives what it prints and the commands that failed.
func runCommands(t *testing.T, dir, address, script string) (out string, failed []string) {
	t.Helper()
	script = "shopt -s expand_aliases\nset -o pipefail\ntrap 'echo \"exit $? of $BASH_COMMAND\"' ERR\n" + script
	text, _ := shell(t.Context(), dir, address, script).CombinedOutput()
	return string(text), regexp.MustCompile(`(?m)^exit .*$`).FindAllString(string(text), -1)
}

// clone is a folder with what the README's commands need of this tree, built.
func clone(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	example := filepath.Join(dir, "examples", "order")
	if err := os.MkdirAll(example, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"backstep.yaml", "order.asl.json", "order.saga.json", "scenarios.json"} {
		text, err := os.ReadFile(filepath.Join("examples/order", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(example, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "examples", "mocks"), os.DirFS("examples/mocks")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"examples/order-saga/order.asl.json", "examples/trip/trip.asl.json"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for at, args := range map[string][]string{
		".":              {"build", "-trimpath", "-o", filepath.Join(dir, "bin") + "/", "./cmd/backstep"},
		"examples/order": {"build", "-trimpath", "-o", filepath.Join(example, "bin") + "/", "./orders", "./payments", "./inventory"},
	} {
		build := exec.Command("go", args...)
		build.Dir = at
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	return dir
}

// shell runs a script in a folder, the server's address in the place of the
// README's.
func shell(ctx context.Context, dir, address, script string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-c", strings.ReplaceAll(script, "127.0.0.1:8083", address))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "BACKSTEP_LISTEN="+address, "BACKSTEP_ENDPOINT=http://"+address, "AWS_PAGER=", "AWS_DEFAULT_OUTPUT=json")
	return cmd
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// awaitReady waits until a server takes starts.
func awaitReady(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if resp, err := http.Get("http://" + address + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
	}
	t.Fatal("the server is not ready")
}
