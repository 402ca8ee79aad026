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

var updateCommands = flag.Bool("update-commands", false, "rewrite the expectations of the scripts of commands in testdata")

// runCommands runs a script of command lines that need no server: a section whose
// name begins with "$ " is one and what comes of it, any other one a file. "|"
// hands on what the first one prints, "<" a file.
func runCommands(t *testing.T, script string) {
	t.Helper()
	archive, err := txtar.ParseFile(script)
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
		got := commanded(t, line)
		if got != string(f.Data) && !*updateCommands {
			t.Errorf("%s\n--- got\n%s--- want\n%s", f.Name, got, f.Data)
		}
		archive.Files[i].Data = []byte(got)
	}
	if *updateCommands {
		if err := os.WriteFile(path+"/"+script, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// commanded is what a command line prints, its errors behind "2> ", and its exit
// code where it is not 0.
func commanded(t *testing.T, line string) string {
	t.Helper()
	var stdin []byte
	if first, second, piped := strings.Cut(line, " | "); piped {
		out, _, _ := runCommand(t, first, nil)
		stdin, line = out, second
	} else if before, file, redirected := strings.Cut(line, " < "); redirected {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		stdin, line = text, before
	}
	out, errs, code := runCommand(t, line, stdin)
	told := string(out)
	for line := range strings.Lines(string(errs)) {
		told += "2> " + line
	}
	if code != cli.ExitYes {
		told += fmt.Sprintf("exit %d\n", code)
	}
	return told
}

func runCommand(t *testing.T, line string, stdin []byte) (out, errs []byte, code int) {
	var stdout, stderr bytes.Buffer
	code = cli.Run(t.Context(), strings.Fields(line), cli.Tools{
		Stdin: bytes.NewReader(stdin), Stdout: &stdout, Stderr: &stderr, Version: "v1.2.3", Prover: prover{}, Sweep: sweepSaga, Export: exportSaga, Import: importSaga})
	return stdout.Bytes(), stderr.Bytes(), code
}

func TestSweep(t *testing.T) { runCommands(t, "testdata/sweep.txtar") }

func TestVerify(t *testing.T) { runCommands(t, "testdata/verify.txtar") }

func TestExport(t *testing.T) { runCommands(t, "testdata/export.txtar") }

func TestImport(t *testing.T) { runCommands(t, "testdata/import.txtar") }
