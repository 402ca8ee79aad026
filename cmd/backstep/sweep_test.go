package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/internal/cli"
)

var updateSweep = flag.Bool("update-sweep", false, "rewrite the expectations of testdata/sweep.txtar")

// TestSweep runs testdata/sweep.txtar: a section whose name begins with "$ " is a
// command line and what comes of it, any other one a file. "|" hands on what the
// first one prints.
func TestSweep(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/sweep.txtar")
	if err != nil {
		t.Fatal(err)
	}
	path, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for i, f := range archive.Files {
		line, command := strings.CutPrefix(f.Name, "$ ")
		if !command {
			if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		stdin := []byte(nil)
		first, second, piped := strings.Cut(line, " | ")
		if piped {
			stdin, _ = commanded(t, first, nil)
			line = second
		}
		out, code := commanded(t, line, stdin)
		got := string(out)
		if code != cli.ExitYes {
			got += fmt.Sprintf("exit %d\n", code)
		}
		if got != string(f.Data) && !*updateSweep {
			t.Errorf("%s\n--- got\n%s--- want\n%s", f.Name, got, f.Data)
		}
		archive.Files[i].Data = []byte(got)
	}
	if *updateSweep {
		if err := os.WriteFile(path+"/testdata/sweep.txtar", txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// commanded runs a command line that needs no server, and gives what it prints,
// its errors behind "2> ".
func commanded(t *testing.T, line string, stdin []byte) ([]byte, int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := cli.Run(t.Context(), strings.Fields(line), cli.Tools{
		Stdin: bytes.NewReader(stdin), Stdout: &stdout, Stderr: &stderr, Version: "v1.2.3", Prover: prover{}, Sweep: sweepSaga})
	for line := range strings.Lines(stderr.String()) {
		stdout.WriteString("2> " + line)
	}
	return stdout.Bytes(), code
}
