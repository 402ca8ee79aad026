package exampletest

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/backstep/backstep/client"
)

// ServicesAddress is where the services of every example listen by their
// configuration, in the place of which a test has its [Wire].
const ServicesAddress = "127.0.0.1:9010"

// Stage is a server that runs, with an example's configuration.
type Stage struct {
	Client  *client.Client
	Address string // of the server

	args   []string
	server *exec.Cmd
	log    bytes.Buffer
}

// Open starts a server with the backstep.yaml of the folder in which the tests run,
// whose services are at the address given. The server ends with the test.
func Open(t *testing.T, services string) *Stage {
	t.Helper()
	text, err := os.ReadFile("backstep.yaml")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	config := filepath.Join(folder, "backstep.yaml")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(string(text), ServicesAddress, services)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Stage{Address: FreeAddress(t)}
	s.args = []string{"serve", "--listen", s.Address, "--data", filepath.Join(folder, "store"), "--config", config}
	if s.Client, err = client.New(client.Config{Endpoint: "http://" + s.Address}); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	t.Cleanup(func() {
		s.server.Process.Signal(syscall.SIGTERM)
		if err := s.server.Wait(); err != nil {
			t.Errorf("the server ended with %v; it said\n%s", err, s.log.String())
		}
	})
	return s
}

func (s *Stage) start(t *testing.T) {
	t.Helper()
	s.server = exec.Command(Program("backstep"), s.args...)
	s.server.Stderr = &s.log
	if err := s.server.Start(); err != nil {
		t.Fatal(err)
	}
	Await(t, "the server to be ready", func() bool {
		answer, err := http.Get("http://" + s.Address + "/readyz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// Crash kills the server, and starts it again over what it had stored.
func (s *Stage) Crash(t *testing.T) {
	t.Helper()
	if err := s.server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.server.Wait()
	s.start(t)
}

// FreeAddress is one that nobody listens at.
func FreeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
