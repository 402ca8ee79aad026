package prove

import (
	"fmt"
	"strings"
	"testing"

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
	for _, states := range []int{250, 500, 1000, 2500, 5000} {
		for _, complete := range []bool{true, false} {
			definition, sidecar := large(states, complete)
			p, s := compile(b, definition), sidecarOf(b, sidecar)
			b.Run(fmt.Sprintf("%d-%v", states, complete), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r, err := Prove(Input{Program: p, Sidecar: s})
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(float64(len(r.Findings)+r.More), "findings")
					b.ReportMetric(float64(r.Steps), "steps")
					b.ReportMetric(float64(len(p.Order)), "states")
				}
			})
		}
	}
}
