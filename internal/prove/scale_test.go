package prove

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/asl"
)

// large is a saga in plain ASL of about so many states: blocks of a step, a
// Choice, a step, a Parallel of five and a Map, each with a Catch that leads into
// a chain of compensations which goes back over all of them. complete: every
// failure is caught; else every third state has no Catch.
func large(states int, complete bool) (definition, sidecar string) {
	blocks := max(1, states/20)
	var text, pairs []string
	add := func(format string, args ...any) { text = append(text, fmt.Sprintf(format, args...)) }
	pair := func(name string) { pairs = append(pairs, fmt.Sprintf("%q: %q", "Undo"+name, name)) }
	count := 0
	catch := func(to string) string {
		if count++; !complete && count%3 == 0 && !strings.HasSuffix(to, fmt.Sprintf("M%d", blocks-1)) {
			return ""
		}
		return fmt.Sprintf(`, "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": %q}]`, to)
	}
	task := func(name string) string {
		return fmt.Sprintf(`"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:%s", "TimeoutSeconds": 5, "ResultPath": null`, name)
	}
	const retry = `, "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 99999999}]`
	for i := range blocks {
		next := "Done"
		if i+1 < blocks {
			next = fmt.Sprintf("A%d", i+1)
		}
		before := "Failed"
		if i > 0 {
			before = fmt.Sprintf("UndoM%d", i-1)
		}
		add(`"A%d": {%s%s, "Next": "C%d"}`, i, task(fmt.Sprintf("A%d", i)), catch(fmt.Sprintf("UndoA%d", i)), i)
		add(`"C%d": {"Type": "Choice", "Choices": [{"Variable": "$$.Execution.Name", "StringEquals": "x", "Next": "B%d"}], "Default": "P%d"}`, i, i, i)
		add(`"B%d": {%s%s, "Next": "P%d"}`, i, task(fmt.Sprintf("B%d", i)), catch(fmt.Sprintf("UndoB%d", i)), i)
		var branches, undos []string
		for j := range 5 {
			name := fmt.Sprintf("P%d_%d", i, j)
			pair(name)
			branches = append(branches, fmt.Sprintf(`{"StartAt": %q, "States": {%q: {%s, "End": true}}}`, name, name, task(name)))
			undos = append(undos, fmt.Sprintf(`{"StartAt": %q, "States": {%q: {%s%s, "End": true}}}`, "Undo"+name, "Undo"+name, task("Undo"+name), retry))
		}
		add(`"P%d": {"Type": "Parallel", "ResultPath": null, "Branches": [%s]%s, "Next": "M%d"}`, i, strings.Join(branches, ", "), catch(fmt.Sprintf("UndoP%d", i)), i)
		add(`"M%d": {"Type": "Map", "ResultPath": null, "ItemProcessor": {"StartAt": "I%d", "States": {"I%d": {%s, "End": true}}}%s, "Next": %q}`,
			i, i, i, task(fmt.Sprintf("I%d", i)), catch(fmt.Sprintf("UndoM%d", i)), next)
		for _, name := range []string{fmt.Sprintf("A%d", i), fmt.Sprintf("B%d", i), fmt.Sprintf("I%d", i)} {
			pair(name)
		}
		add(`"UndoM%d": {"Type": "Map", "ResultPath": null, "ItemProcessor": {"StartAt": "UndoI%d", "States": {"UndoI%d": {%s%s, "End": true}}}, "Next": "UndoP%d"}`,
			i, i, i, task(fmt.Sprintf("UndoI%d", i)), retry, i)
		add(`"UndoP%d": {"Type": "Parallel", "ResultPath": null, "Branches": [%s], "Next": "UndoB%d"}`, i, strings.Join(undos, ", "), i)
		add(`"UndoB%d": {%s%s, "Next": "UndoA%d"}`, i, task(fmt.Sprintf("UndoB%d", i)), retry, i)
		add(`"UndoA%d": {%s%s, "Next": %q}`, i, task(fmt.Sprintf("UndoA%d", i)), retry, before)
	}
	add(`"Done": {"Type": "Succeed"}`)
	add(`"Failed": {"Type": "Fail"}`)
	return fmt.Sprintf(`{"StartAt": "A0", "States": {%s}}`, strings.Join(text, ",\n")),
		fmt.Sprintf(`{"Compensates": {%s}, "Accepted": [{"Rule": "SAGA009", "Because": "nobody stops it"}]}`, strings.Join(pairs, ", "))
}

func compile(t testing.TB, definition string) *asl.Program {
	t.Helper()
	d, problems := asl.Parse([]byte(definition))
	if asl.Render(problems) != "" {
		t.Fatal(asl.Render(problems))
	}
	p, err := asl.Compile(d, asl.Rules{Distributed: true, MaxBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sidecarOf(t testing.TB, text string) *Sidecar {
	t.Helper()
	s, err := ParseSidecar(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func BenchmarkProve(b *testing.B) {
	for _, states := range []int{500, 5000} {
		definition, sidecar := large(states, true)
		in := Input{Program: compile(b, definition), Sidecar: sidecarOf(b, sidecar)}
		b.Run(fmt.Sprint(states), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r, err := Prove(in); err != nil || !r.Proven() {
					b.Fatal(err, r.Findings)
				}
			}
		})
	}
}

var scale = flag.Bool("prove.scale", false, "print what proofs of large definitions take")

// TestScaleTable prints what proofs take, the best of three, and holds those of
// 500 states to a second and 200 MiB.
func TestScaleTable(t *testing.T) {
	if !*scale {
		t.Skip("takes a while, and a quiet machine; make verify-scale")
	}
	fmt.Println("| definition | states | steps | findings | undecided | time | allocated |")
	fmt.Println("|---|--:|--:|--:|--:|--:|--:|")
	for _, states := range []int{250, 500, 1000, 2500, 5000} {
		for _, complete := range []bool{true, false} {
			definition, sidecar := large(states, complete)
			name := "without a flaw"
			if !complete {
				name = "every third Catch left out"
			}
			took, allocated := measure(t, name, definition, sidecar)
			if states == 500 && (took > time.Second || allocated > 200<<20) {
				t.Errorf("500 states take %v and %d MiB", took, allocated>>20)
			}
		}
	}
	for _, states := range []int{500, 5000} {
		measure(t, "the saga extension, every third step without Compensate", extension(states), `{}`)
	}
	for _, retried := range []bool{false, true} {
		name := "ten Parallels within one another, ten branches each"
		if retried {
			name += ", each retried"
		}
		definition, sidecar := nested(retried)
		measure(t, name, definition, sidecar)
	}
}

// measure prints a line of the table.
func measure(t *testing.T, name, definition, sidecar string) (took time.Duration, allocated uint64) {
	in := Input{Program: compile(t, definition), Sidecar: sidecarOf(t, sidecar)}
	var r *Report
	took = time.Hour
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		var err error
		if r, err = Prove(in); err != nil {
			t.Fatal(err)
		}
		took = min(took, time.Since(begin))
		runtime.ReadMemStats(&after)
		allocated = after.TotalAlloc - before.TotalAlloc
	}
	fmt.Printf("| %s | %d | %d | %d | %d | %v | %d MiB |\n", name, r.States, r.Steps, len(r.Findings)+r.More, len(r.Undecided), took.Round(time.Millisecond), allocated>>20)
	return took, allocated
}

// extension is a saga of the extension of about so many steps: two in a row, and
// two side by side.
func extension(states int) string {
	task := func(i int, next string) string {
		undo := fmt.Sprintf(`, "Compensate": {"Resource": "arn:aws:lambda:us-east-1:123456789012:function:undo%d"}`, i)
		if i%3 == 0 {
			undo = ""
		}
		return fmt.Sprintf(`"S%d": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:s%d"%s, %s}`, i, i, undo, next)
	}
	var text []string
	for i := 0; i < states; i += 5 {
		text = append(text, task(i, fmt.Sprintf(`"Next": "S%d"`, i+1)), task(i+1, fmt.Sprintf(`"Next": "P%d"`, i)),
			fmt.Sprintf(`"P%d": {"Type": "Parallel", "Branches": [{"StartAt": "S%d", "States": {%s}}, {"StartAt": "S%d", "States": {%s}}], "Next": "S%d"}`,
				i, i+2, task(i+2, `"End": true`), i+3, task(i+3, `"End": true`), i+5))
	}
	text = append(text, fmt.Sprintf(`"S%d": {"Type": "Task", "Resource": "x", "Pivot": true, "End": true}`, states))
	return fmt.Sprintf(`{"Saga": {}, "StartAt": "S0", "States": {%s}}`, strings.Join(text, ",\n"))
}

// nested is ten Parallels within one another, each of ten branches: nine steps
// that undo themselves for one error, and the next Parallel.
func nested(retried bool) (definition, sidecar string) {
	var pairs []string
	const task = `"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f"`
	flow := fmt.Sprintf(`{"StartAt": "Last", "States": {"Last": {%s, "End": true}}}`, task)
	retry := ""
	if retried {
		retry = `, "Retry": [{"ErrorEquals": ["B"], "MaxAttempts": 2}]`
	}
	for depth := range 10 {
		branches := []string{flow}
		for i := range 9 {
			name := fmt.Sprintf("S%d_%d", depth, i)
			pairs = append(pairs, fmt.Sprintf(`"Undo%s": %q`, name, name))
			branches = append(branches, fmt.Sprintf(`{"StartAt": %q, "States": {%q: {%s, "Retry": [{"ErrorEquals": ["States.ALL"]}], "Catch": [{"ErrorEquals": ["A"], "Next": "Undo%s"}], "End": true},
				"Undo%s": {%s, "End": true}}}`, name, name, task, name, name, task))
		}
		flow = fmt.Sprintf(`{"StartAt": "P%d", "States": {"P%d": {"Type": "Parallel", "Branches": [%s]%s, "End": true}}}`, depth, depth, strings.Join(branches, ","), retry)
	}
	return flow, `{"Compensates": {` + strings.Join(pairs, ",") + `}}`
}
