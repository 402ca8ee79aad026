// These tests run the program as a process of its own and meet it as the
// outside does: clients that are not ours speak to it over HTTP, and whoever
// starts it wrongly reads what it says.
//
// Read server_test.go (the process, and the desk that its machines call), then
// a file per client, map_test.go, keys_test.go, found_test.go, report_test.go, limits_test.go, then what goes wrong: drain_test.go,
// interrupt_test.go, misuse_test.go, function_test.go and disk_test.go.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the path of the server, built once for all tests.
var program string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "backstep")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "backstep")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// patience is how long a test waits for what must happen, on a machine that has
// much else to do.
const patience = 50 * time.Second

// await asks until the answer is yes.
func await(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !yes(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// transcript is what a process has written so far.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// command is the program with arguments, in an environment that says nothing
// of its own beyond what is given.
func command(t *testing.T, env []string, args ...string) (*exec.Cmd, *transcript) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	c, said := exec.CommandContext(ctx, program, args...), new(transcript)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	c.Dir, c.Stderr = t.TempDir(), said
	return c, said
}

// node is a server that runs.
type node struct {
	url     string
	data    string
	process *exec.Cmd
	said    *transcript
	asked   sync.Once // to end
	ended   sync.Once
}

var serves = regexp.MustCompile(`msg="backstep serves".* address=(\S+)`)

// serveChild is a server with a configuration and a new data folder.
func serveChild(t *testing.T, configuration string, env ...string) *node {
	t.Helper()
	return serveFrom(t, filepath.Join(t.TempDir(), "data"), configuration, env...)
}

// serveFrom starts a server on a data folder, in an environment, waits until it
// takes starts, and stops it when the test ends.
func serveFrom(t *testing.T, data, configuration string, env ...string) *node {
	t.Helper()
	return serveOn(t, "--data", data, configuration, env...)
}

// serveOn is serveFrom on the store that a flag names.
func serveOn(t *testing.T, flag, data, configuration string, env ...string) *node {
	t.Helper()
	n := &node{data: data}
	n.process, n.said = command(t, env, "serve", "--listen", "127.0.0.1:0", flag, n.data, "--config", configFile(t, configuration))
	if err := n.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.stop(t) })
	await(t, "the server to be ready", func() bool {
		found := serves.FindStringSubmatch(n.said.String())
		if found == nil {
			return false
		}
		n.url = "http://" + found[1]
		answer, err := http.Get(n.url + "/readyz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return n
}

// terminate asks the server to end. Asked twice it would end at once.
func (n *node) terminate(t *testing.T) {
	t.Helper()
	n.asked.Do(func() {
		if err := n.process.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("SIGTERM: %v", err)
		}
	})
}

// stop waits for the server's end, which must go well.
func (n *node) stop(t *testing.T) {
	t.Helper()
	n.terminate(t)
	n.ended.Do(func() {
		hung := time.AfterFunc(patience, func() { n.process.Process.Kill() })
		defer hung.Stop()
		if err := n.process.Wait(); err != nil {
			t.Errorf("after SIGTERM the server ended with %v; it said\n%s", err, n.said)
		}
	})
}

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backstep.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// definition is one of the machines that all clients run.
func definition(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".asl.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// desk is the function that the machines call. It books an order, refuses one
// whose name begins with "bad", takes its time over one whose name begins with
// "held", and keeps the token of one that is to be approved until somebody asks
// for it at /token?order=NAME.
type desk struct {
	url     string
	held    chan string   // orders that wait for release
	release chan struct{} // closed by who lets them go on
	mu      sync.Mutex
	tokens  map[string]chan string
}

func openDesk(t *testing.T) *desk {
	d := &desk{held: make(chan string, 16), release: make(chan struct{}), tokens: map[string]chan string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /invoke", d.invoke)
	mux.HandleFunc("GET /token", d.tell)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

func (d *desk) configuration() string {
	return "functions:\n  Desk: {url: \"" + d.url + "/invoke\"}\n"
}

// token holds the token of an order, once there is one.
func (d *desk) token(order string) chan string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tokens[order] == nil {
		d.tokens[order] = make(chan string, 16)
	}
	return d.tokens[order]
}

func (d *desk) invoke(w http.ResponseWriter, r *http.Request) {
	var in struct{ Order, Token string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if strings.HasPrefix(in.Order, "held") {
		d.held <- in.Order
		select {
		case <-d.release:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case in.Token != "":
		d.token(in.Order) <- in.Token
		fmt.Fprint(w, `{}`)
	case strings.HasPrefix(in.Order, "bad"):
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		fmt.Fprint(w, `{"errorType": "OrderRefused", "errorMessage": "no seats left"}`)
	default:
		json.NewEncoder(w).Encode(map[string]any{"order": in.Order, "booked": true})
	}
}

func (d *desk) tell(w http.ResponseWriter, r *http.Request) {
	select {
	case token := <-d.token(r.FormValue("order")):
		fmt.Fprint(w, token)
	case <-r.Context().Done():
	}
}

// await is the token of an order that is to be approved.
func (d *desk) await(t *testing.T, order string) string {
	t.Helper()
	select {
	case token := <-d.token(order):
		return token
	case <-time.After(patience):
		t.Fatalf("waited %v for the token of %s", patience, order)
		return ""
	}
}
