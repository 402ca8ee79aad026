package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/lift"
)

// TestImportedByChance wires sagas by chance, with data that takes every way there
// is, and imports them. Each request of a compensation is what the wired saga sends.
func TestImportedByChance(t *testing.T) {
	sagas, converted, tails, faults, undone, compared, waits := 0, 0, 0, 0, 0, 0, 0
	for seed := range *equivalent {
		w := wiring{c: rand.New(rand.NewPCG(seed, 66)), query: seed%2 == 0}
		text, sidecar, answers := w.saga()
		d, p := compileText(t, text, false)
		o := lift.Options{}
		for i := range w.n {
			o.Compensates = append(o.Compensates, lift.Pair{State: fmt.Sprintf("U%d", i), Steps: []string{fmt.Sprintf("S%d", i)}})
		}
		i, err := lift.Import(d, p, o)
		if err != nil {
			t.Fatal(err)
		}
		sagas++
		if i.Converted == 0 {
			continue
		}
		converted += i.Converted
		tails += strings.Count(i.Definition, `"Type": "Saga"`)
		c := newComparison(t, text, sidecar, answers, true)
		c.withoutFault()
		f, u := c.withFaults()
		faults, undone, compared, waits = faults+f, undone+u, compared+c.compared, waits+c.waits
		if t.Failed() {
			t.Fatalf("seed %d:\n%s\nas\n%s", seed, text, i.Definition)
		}
	}
	t.Logf("%d sagas, %d of their pairs converted, %d with a scope of their own, %d faults, %d undos, %d requests compared; %d wait for a person", sagas, converted, tails, faults, undone, compared, waits)
	if converted < int(*equivalent)/8 || compared < int(*equivalent)/8 || tails == 0 {
		t.Error("too little was converted")
	}
}

// wiring makes a saga that is wired by hand.
type wiring struct {
	c     *rand.Rand
	query bool
	n     int  // steps
	tidy  bool // its data stays where it is
}

func (w *wiring) one(of ...string) string { return of[w.c.IntN(len(of))] }

// saga is a definition, its sidecar, and what its functions answer.
func (w *wiring) saga() (text, sidecar, run string) {
	w.n, w.tidy = 2+w.c.IntN(3), w.c.IntN(2) == 0
	var states, pairs, answers []string
	add := func(name, body string) { states = append(states, fmt.Sprintf("%q: {%s}", name, body)) }
	add("First", w.first())
	end := w.one("Failed", "Failed", "Tell")
	undone := w.c.IntN(w.n + 1) // the first undo of the last step's Catch: its own, or an earlier one's
	for i := range w.n {
		next, back := fmt.Sprintf(`"Next": "S%d"`, i+1), i-1
		if w.c.IntN(4) == 0 {
			back = i // its own compensation, too
		}
		if i == w.n-1 {
			next, back = `"End": true`, min(i, undone)
		}
		to := end
		if back >= 0 {
			to = fmt.Sprintf("N%d", back)
		}
		add(fmt.Sprintf("S%d", i), fmt.Sprintf(`"Type": "Task", "Resource": "%ss%d", %s "Catch": [{"ErrorEquals": ["States.ALL"], %s "Next": %q}], %s`, functionARN, i, w.step(i), w.caught(), to, next))
		after := end
		if i > 0 {
			after = fmt.Sprintf("N%d", i-1)
		}
		add(fmt.Sprintf("N%d", i), fmt.Sprintf(`"Type": "Pass", %s "Next": "U%d"`, w.note(i), i))
		add(fmt.Sprintf("U%d", i), fmt.Sprintf(`"Type": "Task", "Resource": "%su%d", %s "Next": %q`, functionARN, i, w.undo(i), after))
		pairs = append(pairs, fmt.Sprintf(`"U%d": "S%d"`, i, i))
		answers = append(answers, fmt.Sprintf(`"s%d": {"v": "v%d", "w": {"x": [%d, {"y": "y%d"}]}}`, i, i, i, i))
	}
	add("Tell", fmt.Sprintf(`"Type": "Task", "Resource": "%stell", %s %s`, functionARN, w.tell(), w.one(`"Next": "Failed"`, `"End": true`)))
	add("Failed", w.one(`"Type": "Fail", "Error": "Failed"`, `"Type": "Fail", "Error": "Failed"`, `"Type": "Succeed"`, `"Type": "Pass", "End": true`))
	head := ""
	if w.query {
		head = `"QueryLanguage": "JSONata", `
	}
	flow := `"StartAt": "First", "States": {` + strings.Join(w.entered(states), ",\n") + `}`
	input := `{"id": 7, "order": {"lines": [{"sku": "a"}, {"sku": "b"}], "who": "me"}}`
	if w.c.IntN(4) == 0 { // an item of it
		flow, input = `"StartAt": "Each", "States": {"Each": {"Type": "Map", "ItemProcessor": {`+flow+`}, "End": true}}`, `[`+input+`]`
	}
	return `{` + head + flow + `}`, `{"Compensates": {` + strings.Join(pairs, ", ") + `}}`,
		`{"input": ` + input + `, "answers": {` + strings.Join(answers, ", ") + `}}`
}

// entered leaves states out until each is led to.
func (w *wiring) entered(states []string) []string {
	for {
		all := strings.Join(states, "")
		kept := slices.DeleteFunc(slices.Clone(states), func(s string) bool {
			name, _, _ := strings.Cut(s[1:], `"`)
			return name != "First" && !strings.Contains(all, fmt.Sprintf(`"Next": %q`, name))
		})
		if len(kept) == len(states) {
			return kept
		}
		states = kept
	}
}

func (w *wiring) first() string {
	if w.query {
		return `"Type": "Pass", "Assign": {"a": "{% $states.input.id %}", "b": {"k": [1, "two"]}, "e": "none"}, "Next": "S0"`
	}
	return `"Type": "Pass", "Assign": {"a.$": "$.id", "b": {"k": [1, "two"]}, "e": "none"}, "Next": "S0"`
}

// step is what a step does with its data.
func (w *wiring) step(i int) string {
	if w.query {
		return w.one(``, `"Arguments": {"a": "{% $a %}"},`) +
			w.one(`"Output": "{% $states.input %}",`, `"Output": "{% $merge([$states.input, {'r': $states.result}]) %}",`, `"Output": {"id": "{% $states.input.id %}", "order": "{% $states.input.order %}", "last": "{% $states.result.v %}"},`) +
			w.one(``, fmt.Sprintf(`"Assign": {"v%d": "{%% $states.result.v %%}", "a": "{%% $states.input.id %%}"},`, i), `"Assign": {"b": {"k": ["{% $states.result.w.x[1].y %}", "{% $a & '!' %}"]}},`, `"Assign": {"r": "{% $states.result %}"},`)
	}
	return w.one(``, `"Parameters": {"a.$": "$.id", "all.$": "$"},`) +
		w.one(``, ``, `"ResultSelector": {"v.$": "$.v", "x.$": "$.w.x"},`) +
		w.one(`"ResultPath": null,`, `"ResultPath": null,`, `"ResultPath": "$.r",`, fmt.Sprintf(`"ResultPath": "$.s%d",`, i), `"ResultPath": "$.order.last",`) +
		w.one(``, ``, fmt.Sprintf(`"Assign": {"v%d.$": "$.v"},`, i), `"Assign": {"b": {"k": [1, {"of.$": "$.v"}]}, "a.$": "States.Format('{}-{}', $.v, $a)"},`)
}

// caught is what a Catch notes.
func (w *wiring) caught() string {
	switch {
	case w.tidy && w.query:
		return `"Output": "{% $merge([$states.input, {'error': $states.errorOutput}]) %}",` + w.one(`"Assign": {"e": "{% $states.errorOutput.Error %}"},`, ``)
	case w.tidy:
		return `"ResultPath": "$.error",`
	}
	if w.query {
		return w.one(`"Output": "{% $states.input %}",`, `"Output": "{% $states.input %}",`, `"Output": "{% $merge([$states.input, {'error': $states.errorOutput}]) %}",`, ``) +
			w.one(`"Assign": {"e": "{% $states.errorOutput.Error %}"},`, `"Assign": {"e": "{% $states.errorOutput %}"},`, ``)
	}
	return w.one(`"ResultPath": "$.error",`, `"ResultPath": "$.error",`, `"ResultPath": null,`, ``) + w.one(`"Assign": {"e.$": "$.Cause"},`, ``)
}

// note is what a Pass on the way back does.
func (w *wiring) note(i int) string {
	if w.tidy {
		return ``
	}
	if w.query {
		return w.one(``, ``, fmt.Sprintf(`"Assign": {"n%d": "{%% $a & $string($b.k[0]) %%}"},`, i), `"Output": "{% $merge([$states.input, {'note': $a}]) %}",`)
	}
	return w.one(``, ``, `"Parameters": {"of.$": "$.id", "text.$": "States.Format('{}: {}', $.id, $a)"}, "ResultPath": "$.note",`, `"Result": {"at": [1, 2]}, "ResultPath": "$.note",`, `"Parameters": {"id.$": "$.id", "order.$": "$.order", "note": {"of.$": "$$.Execution.Name"}},`)
}

// tell is what a Task is asked that all ways back lead to.
func (w *wiring) tell() string {
	if w.query {
		return w.one(`"Arguments": "{% $states.input.id %}",`, `"Arguments": "{% $a %}",`, `"Arguments": {"e": "{% $e %}"},`, `"Arguments": "{% $states.input %}",`)
	}
	return w.one(`"Parameters": {"id.$": "$.id"},`, `"Parameters": {"a.$": "$a"},`, `"Parameters": {"e.$": "$.error.Error"},`, ``)
}

// undo is what a compensation is asked, and what it does with its data.
func (w *wiring) undo(i int) string {
	if w.query {
		reads := []string{`{% $states.input.id %}`, `{% $a %}`, `{% $b.k[0] %}`, `{% $b %}`, `{% $e %}`, `{% $exists($r) ? $r.v : 'none' %}`, `{% $states.input.order.lines.sku %}`, `{% $states.input %}`,
			`{% $states.input.r.w.x[0] %}`, `{% $string($states.input.last) & $a %}`, `{% $map($states.input.order.lines, function($l) { $l.sku & $a }) %}`, `{% $exists($states.input.error) ? $states.input.error.Error : 'none' %}`, `{% $states.context.Execution.Name %}`}
		arguments := fmt.Sprintf(`"Arguments": {"x": %q, "y": %q, "z": [1, %q]},`, w.one(reads...), w.one(reads...), w.one(reads...))
		if w.tidy {
			return arguments + `"Output": "{% $states.input %}",`
		}
		return w.one(arguments, arguments, `"Arguments": "{% $states.input %}",`, ``) + w.one(`"Output": "{% $states.input %}",`, `"Output": "{% $states.input %}",`, `"Output": "{% $states.input %}", "Assign": {"r": "{% $states.result %}"},`, ``)
	}
	reads := []string{`$.id`, `$.order.who`, `$a`, `$b.k[0]`, `$b`, `$e`, `$.order.lines[*].sku`, `$.order.lines[1].sku`, `$`, fmt.Sprintf(`$.s%d.v`, i), `$.r.v`, `$.r`, `$.order`, `$.order.last.v`,
		`States.Format('{} of {}', $.id, $a)`, `States.Array($.id, 'x', $b.k[1])`, `States.JsonToString($.order)`, `$.error.Error`, `$.error`, `$$.Execution.Name`}
	parameters := fmt.Sprintf(`"Parameters": {"x.$": %q, "y": {"z.$": %q}, "fixed": [1, {"a": null}]},`, w.one(reads...), w.one(reads...))
	if w.tidy {
		return parameters + `"ResultPath": null,`
	}
	return w.one(parameters, parameters, parameters, ``) + w.one(`"ResultPath": null,`, `"ResultPath": null,`, `"ResultPath": null,`, fmt.Sprintf(`"ResultPath": "$.u%d",`, i), ``)
}
