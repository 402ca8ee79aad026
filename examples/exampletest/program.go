// Package exampletest runs the examples for their tests: a real server, built from the
// tree, a wire between it and an example's services that can lose what goes over it, and
// the commands of an example's README. It knows nothing of what the examples do.
//
// Read program.go (what is built), stage.go (a server and its services), wire.go, saga.go
// (what is asked of a saga), then readme.go.
package exampletest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen, on a machine that has much
// else to do.
const patience = time.Minute

// programs is the folder of what was built for the tests of a binary.
var programs string

// Run builds Backstep and the example in whose folder the tests run, and runs them;
// TestMain calls it.
func Run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "backstep-example")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	programs = folder
	for _, b := range []struct{ at, what string }{{"../..", "./cmd/backstep"}, {".", "."}} {
		build := exec.Command("go", "build", "-trimpath", "-o", programs+"/", b.what)
		build.Dir = b.at
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// Program is the path of one of the programs: backstep, or the example's.
func Program(name string) string {
	return filepath.Join(programs, name)
}

// Await asks until the answer is yes.
func Await(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !yes(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}
