package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/cli"
)

// TestExportsAreProven: what is exported is held to the properties of what it was
// written from, by proof and sweep: each definition of testdata/exports.txtar, of
// which nothing is found, and the sagas of the examples, of which no more is found
// than that a Retry may do something twice where no key is sent. One with an inline
// Map is swept with an input, as is one whose name says that data decides.
func TestExportsAreProven(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/exports.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		t.Run(f.Name, func(t *testing.T) { provenExport(t, f.Data) })
	}
	files, err := filepath.Glob("../../examples/*/*.asl.json")
	if err != nil {
		t.Fatal(err)
	}
	exported := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		program, _, err := read(text)
		if err != nil {
			t.Fatal(err)
		}
		if program.HasSagas() && !strings.Contains(string(text), "SemanticLock") {
			exported++
			t.Run(filepath.Base(file), func(t *testing.T) { provenExport(t, text, "SAGA015", "done twice") })
		}
	}
	if exported < 4 {
		t.Errorf("%d examples were exported", exported)
	}
}

// provenExport exports a saga, and has it proven and swept. Findings of some kinds
// are what the export warned of.
func provenExport(t *testing.T, text []byte, warned ...string) {
	e, err := exportSaga(text, "arn:aws:sns:us-east-1:123456789012:holds")
	if err != nil || len(e.Refused) > 0 {
		t.Fatalf("refused: %+v, %v", e, err)
	}
	d, _ := asl.ParseJSON([]byte(e.Definition))
	if wrong := asl.Render(asl.Check(d, asl.Rules{Distributed: true, Strict: true, Serves: asl.OnAWS})); wrong != "" {
		t.Fatal(wrong)
	}
	proof, err := prover{}.Prove(cli.ProofInput{Definition: []byte(e.Definition), Sidecar: []byte(e.Sidecar)})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range proof.Findings {
		if !slices.Contains(warned, f.Rule) {
			t.Errorf("%s at %s: %s\n  %v", f.Rule, f.State, f.Message, f.Path)
		}
	}
	in := cli.SweepInput{Definition: []byte(e.Definition), Sidecar: []byte(e.Sidecar)}
	swept, err := sweepSaga(context.Background(), in)
	if err == nil && (len(swept.ByData) > 0 || strings.HasSuffix(t.Name(), "by_data")) {
		in.Input = `[{"n": 1}, {"n": 2}]`
		swept, err = sweepSaga(context.Background(), in)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range swept.Findings {
		if !slices.Contains(warned, f.Kind) {
			t.Errorf("%s: %s\n  %s\n  %s", f.Kind, f.Message, strings.Join(f.Faults, "; "), strings.Join(f.Calls, " → "))
		}
	}
	if swept.Reached != swept.Points || swept.Worlds < 10 {
		t.Errorf("%d of %d points in %d worlds", swept.Reached, swept.Points, swept.Worlds)
	}
}
