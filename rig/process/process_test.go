package process

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain is the server too that the tests start.
func TestMain(m *testing.M) {
	if address := os.Getenv("SERVE_AT"); address != "" {
		http.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
		panic(http.ListenAndServe(address, nil))
	}
	os.Exit(m.Run())
}

// A server is started and measured; what it took is known when it has ended, too.
func TestStart(t *testing.T) {
	address, err := Address()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SERVE_AT", address)
	p, err := Start(t.Context(), address, os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer p.End(syscall.SIGKILL)
	now, most := p.Memory()
	if p.Ready <= 0 || now < 1 || most < now || Busy() < 1 {
		t.Errorf("ready after %s, %.1f MiB of %.1f, the machine was busy for %.1f s", p.Ready, now, most, Busy())
	}
	spent := p.CPU()
	p.End(syscall.SIGKILL)
	p.End(syscall.SIGKILL)
	if p.CPU() <= 0 || p.CPU() < spent-1./ticks {
		t.Errorf("it took %g s, and %g s when it has ended", spent, p.CPU())
	}
}

// A server that does not get ready is an error at once where it ends, and is not left
// behind where it does not.
func TestNotReady(t *testing.T) {
	if _, err := Start(t.Context(), "127.0.0.1:1", "false"); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("one that ends: %v", err)
	}
	if _, err := Start(t.Context(), "127.0.0.1:1", filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("one that is not there: %v", err)
	}
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for text := ""; !strings.HasSuffix(text, "\n"); time.Sleep(time.Millisecond) {
			read, _ := os.ReadFile(file)
			text = string(read)
		}
	}()
	if _, err := Start(ctx, "127.0.0.1:1", "sh", "-c", "echo $$ >"+file+"; exec sleep 600"); err == nil {
		t.Error("one that never gets ready is taken for ready")
	}
	text, _ := os.ReadFile(file)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || syscall.Kill(pid, 0) == nil {
		t.Errorf("process %q still runs: %v", text, err)
	}
}

func TestSize(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, bytes := range map[string]int{"a": 3, "below/b": 4} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, bytes), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if n := Size(dir); n != 7 {
		t.Errorf("%d bytes", n)
	}
}
