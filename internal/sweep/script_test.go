package sweep

import (
	"maps"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/prove"
	"github.com/backstep/backstep/internal/value"
)

var functions = regexp.MustCompile(`\bfn:(\w+)`)

// TestScripts holds proof and sweep against each other, of the definitions in
// the proof's own scripts.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("../prove/testdata/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	all, proofs := 0, 0
	kinds := map[Kind]bool{}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sections := map[string]string{}
		for _, f := range archive.Files {
			sections[f.Name] = functions.ReplaceAllString(string(f.Data), "arn:aws:lambda:us-east-1:123456789012:function:$1")
		}
		for _, f := range archive.Files {
			name, is := strings.CutSuffix(f.Name, ".yaml")
			if !is {
				continue
			}
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar")+"/"+name, func(t *testing.T) {
				in := scriptInput(t, name, sections)
				a := compare(t, program(t, in.Definition), in)
				all, proofs = all+1, proofs+a.confirmed
				maps.Copy(kinds, a.kinds)
			})
		}
	}
	for _, kind := range []Kind{left, givenUp, undoneTwice, undoneNever, outOfOrder, undoneAndWell, doneAndFailed, afterPivot, notTakenBack, doneTwice, neverEnds, heldForGood} {
		if !kinds[kind] {
			t.Errorf("nothing was found guilty of: %s", kind)
		}
	}
	t.Logf("%d definitions, %d findings confirmed", all, proofs)
}

// scriptInput is a definition of a script with what stands beside it. Where its
// data decides, name.input and name.answers hold what it runs with.
func scriptInput(t *testing.T, name string, sections map[string]string) Input {
	t.Helper()
	in := Input{Definition: []byte(sections[name+".yaml"])}
	var err error
	if text, ok := sections[name+".saga"]; ok {
		if in.Sidecar, err = prove.ParseSidecar(text); err != nil {
			t.Fatal(err)
		}
	}
	if text, ok := sections[name+".input"]; ok {
		in.Input = value.Checked(text)
	}
	if text, ok := sections[name+".answers"]; ok {
		in.Answers = map[string]value.Text{}
		for state, answer := range value.Checked(text).Decode().Members() {
			in.Answers[state] = answer.Text()
		}
	}
	in.Nested = func(arn string) *asl.Program {
		if text, ok := sections[name+".nested/"+arn[strings.LastIndexByte(arn, ':')+1:]]; ok {
			return program(t, []byte(text))
		}
		return nil
	}
	return in
}

// TestUnusableScripts: what a definition does not have can't be struck.
func TestUnusableScripts(t *testing.T) {
	for _, c := range []struct {
		script prove.Script
		input  string
		says   string
	}{
		{script: prove.Script{Faults: []prove.Fault{{State: "Nowhere", Fault: "Bad"}}}, says: `the script names "Nowhere", which the definition does not have`},
		{script: prove.Script{Faults: []prove.Fault{{State: "ReserveStock", Fault: "Bad", Operation: "forget"}}}, says: "the script strikes the forget of ReserveStock, which the definition does not have"},
		{script: prove.Script{Faults: []prove.Fault{{State: "NotifyCustomer", Fault: "Bad", Operation: "compensate"}}}, says: "the script strikes the compensate of NotifyCustomer, which the definition does not have"},
		{script: prove.Script{Assume: []prove.Assumption{{State: "ReserveStock", Choice: "Nowhere"}}}, says: "the script assumes that ReserveStock goes to Nowhere, which it can't"},
		{script: prove.Script{Faults: []prove.Fault{{State: "ReserveStock", Fault: "States.Runtime", Effect: "before"}}}, input: "{}", says: "leave the input out"},
	} {
		in := Input{Definition: order(t), Script: &c.script}
		if c.input != "" {
			in.Input = value.Checked(c.input)
		}
		if _, err := Sweep(t.Context(), in); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c.script, err)
		}
	}
}
