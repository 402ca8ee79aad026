package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

const functionARN = "arn:aws:lambda:us-east-1:123456789012:function:"

// drawing is a saga being drawn, within what can be exported: steps with Retry and
// Catch, with all that a step may have, Choices, a loop, a Fail, save points, a
// pivot, joins within joins, in either query language.
type drawing struct {
	*rand.Rand
	query bool // the language is JSONata
	timed bool // undos come at times that are no chance, and may be too late
	n     int
	pivot int // the state that is one; n: none; -1: the scope only goes forward
	steps int // within joins
	save  bool
	inner bool // the pivot stands in an inner scope
}

// exportable draws a saga.
func exportable(c *rand.Rand) string {
	d := &drawing{Rand: c, query: c.IntN(2) == 0, timed: c.IntN(4) == 0, n: 2 + c.IntN(6)}
	d.pivot = d.n
	if c.IntN(3) == 0 {
		d.pivot = 1 + c.IntN(d.n)
		d.inner = c.IntN(3) == 0
	}
	var options []string
	switch roll := c.IntN(16); {
	case roll == 0:
		d.pivot, options = -1, append(options, `"Recovery":"Forward"`)
	case roll < 5 && !d.timed:
		d.save, options = true, append(options, fmt.Sprintf(`"Recovery":"ToSavePoint","MaxForwardAttempts":%d`, 1+c.IntN(2)))
	}
	if c.IntN(4) == 0 {
		options = append(options, `"OnCompensationFailure":"Continue"`)
	}
	var states []string
	for i := range d.n {
		states = append(states, fmt.Sprintf("%q: %s", d.name(i), d.state(i)))
	}
	text := strings.Join(states, ",\n")
	if d.save && !strings.Contains(text, `"SavePoint"`) {
		states = append(states, fmt.Sprintf(`"Last": {"Type":"Task","Resource":"%sLast",%s"SavePoint":true,"Next":"Done"}`, functionARN, d.sent("$n")))
		text = strings.ReplaceAll(strings.Join(states[:d.n], ",\n"), `"Done"`, `"Last"`) + ",\n" + states[d.n]
	}
	text += `,"Done": {"Type":"Succeed"}`
	if strings.Contains(text, `"Next":"Bad"`) {
		text += `,"Bad": {"Type":"Fail","Error":"Chosen","Cause":"as it was to be"}`
	}
	head := `"StartAt":"` + d.name(0) + `"`
	if d.query {
		head = `"QueryLanguage":"JSONata","StartAt":"First"`
		text += `,"First": {"Type":"Pass","Assign":{"n":0},"Next":"` + d.name(0) + `"}`
	}
	return `{"Saga":{` + strings.Join(options, ",") + `},` + head + `,"States":{` + text + `}}`
}

func (d *drawing) name(i int) string {
	switch {
	case i >= d.n:
		return "Done"
	case i == d.pivot && !d.inner:
		return "Pivot"
	}
	return fmt.Sprintf("S%d", i)
}

// once is true one time in n.
func (d *drawing) once(n int) bool { return d.IntN(n) == 0 }

// of is one of these.
func (d *drawing) of(texts ...string) string { return texts[d.IntN(len(texts))] }

// sent is what a Task sends and how it leaves its state's input as it is. n is an
// expression for the number by which its effects are told apart.
func (d *drawing) sent(n string) string {
	if d.query {
		return `"Arguments":{"n":"{% ` + n + ` %}"},"Output":"{% $states.input %}",`
	}
	return `"ResultPath":null,`
}

// state draws the state at a place.
func (d *drawing) state(i int) string {
	forward := i > d.pivot
	switch roll := d.IntN(12); {
	case i == d.pivot && d.inner:
		return d.innerPivot(i)
	case roll == 0 && i > 0 && !forward && i != d.pivot:
		rule := `{"Variable":"$.kind","NumericGreaterThan":4,"Next":"Bad"}`
		if d.query {
			rule = `{"Condition":"{% $states.input.kind > 4 %}","Next":"Bad"}`
		}
		return fmt.Sprintf(`{"Type":"Choice","Choices":[%s],"Default":%q}`, rule, d.name(i+1))
	case roll == 1 && i > 0 && !forward && i != d.pivot:
		rule := `{"Variable":"$.kind","NumericLessThan":8,"Next":%q}`
		if d.query {
			rule = `{"Condition":"{%% $states.input.kind < 8 %%}","Next":%q}`
		}
		return fmt.Sprintf(`{"Type":"Choice","Choices":[`+rule+`]}`, d.name(i+1))
	case roll == 2 && d.query && i > 0 && !forward && i != d.pivot:
		return fmt.Sprintf(`{"Type":"Choice","Choices":[{"Condition":"{%% $n < %d %%}","Assign":{"n":"{%% $n + 1 %%}"},"Next":%q}],"Default":%q}`, d.IntN(3), d.name(d.IntN(i)), d.name(i+1))
	case roll < 6 && i != d.pivot:
		return d.join(fmt.Sprintf("S%d", i), d.name(i+1), forward, 0)
	}
	return d.task(i)
}

// innerPivot draws a scope that can't go back once it has ended.
func (d *drawing) innerPivot(i int) string {
	at := fmt.Sprintf("S%d", i)
	text := `{"Type":"Saga","StartAt":"` + at + `a","States":{` + d.step(at+"a", "Pivot", false) + `,"Pivot":{"Type":"Task","Resource":"` + functionARN + `Pivot",` + d.sent("$states.input.n") + `"Pivot":true,`
	if d.once(2) {
		text += `"Next":"` + at + `b"},` + d.step(at+"b", "", true)
	} else {
		text += `"End":true}`
	}
	return text + `},` + d.left(true, 0) + `"Next":"` + d.name(i+1) + `"}`
}

// left is what a join makes of its input and result.
func (d *drawing) left(scope bool, depth int) string {
	if !d.query {
		return `"ResultPath":null,`
	}
	text := d.of(`"Output":"{% $states.input %}",`, `"Output":"{% $merge([$states.input, {'last': $states.result}]) %}",`)
	if scope {
		text += `"Arguments":{"n":"{% ` + number(depth) + ` %}"},`
	}
	return text
}

// number is an expression for the number by which effects of a join are told apart.
func number(depth int) string {
	if depth == 0 {
		return "$n"
	}
	return "$states.input.n"
}

// step draws a step within a join, by name: next is the state behind it, or "".
func (d *drawing) step(name, next string, forward bool) string {
	text := `{"Type":"Task","Resource":"` + functionARN + name + `",` + d.sent("$states.input.n")
	if !forward {
		text += `"Compensate":` + d.body("undo", name, "$states.input.n") + `,`
		if d.once(4) {
			text += `"Confirm":` + d.body("confirm", name, "$states.input.n") + `,`
		}
		if d.once(4) {
			text += `"Query":` + d.asking(name, "$states.input.n") + `,`
		}
	}
	if next == "" {
		return fmt.Sprintf(`%q: %s"End":true}`, name, text)
	}
	return fmt.Sprintf(`%q: %s"Next":%q}`, name, text, next)
}

// body draws a call that a step may need later.
func (d *drawing) body(what, name, n string) string {
	text := `{"Resource":"` + functionARN + what + name + `"`
	switch {
	case d.query:
		text += `,"Arguments":{"input":"{% {'n': ` + n + `} %}","result":"{% $exists($states.result) ? $states.result : null %}"}`
	case d.once(3):
		text += `,"Parameters":{"input.$":"$.input"}`
	}
	if d.timed {
		text += `,"Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":3,"MaxAttempts":4,"BackoffRate":1}]`
	}
	return text + `}`
}

// asking draws a Query.
func (d *drawing) asking(name, n string) string {
	text := `{"Resource":"` + functionARN + `ask` + name + `"`
	if d.query {
		text += `,"Arguments":{"input":"{% {'n': ` + n + `} %}"}`
	}
	return text + `,"Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":1,"MaxAttempts":1}]}`
}

// flow draws the states within a join: one or two, among which may be another one.
func (d *drawing) flow(forward bool, depth int) string {
	k := 1 + d.IntN(2)
	names := make([]string, k+1)
	for j := range k {
		names[j] = fmt.Sprintf("J%d", d.steps)
		d.steps++
	}
	var states []string
	for j := range k {
		if depth < 2 && d.once(5) {
			inner := d.join(names[j], names[j+1], forward, depth+1)
			if names[j+1] == "" {
				inner = strings.Replace(inner, `"Next":""`, `"End":true`, 1)
			}
			states = append(states, fmt.Sprintf("%q: %s", names[j], inner))
			continue
		}
		states = append(states, d.step(names[j], names[j+1], forward))
	}
	return `"StartAt":"` + names[0] + `","States":{` + strings.Join(states, ",\n") + `}`
}

// join draws a Parallel, a Map or an inner Saga. What only goes forward takes its
// failures itself, or has none.
func (d *drawing) join(name, next string, forward bool, depth int) string {
	caught := d.once(3)
	ahead := forward && !caught
	text, scope := "", false
	kind := d.IntN(3)
	if d.timed { // siblings of what failed take their time in an export
		kind = 2
	}
	switch kind {
	case 0:
		text = `{"Type":"Parallel","Branches":[{` + d.flow(ahead, depth) + `},{` + d.flow(ahead, depth) + `}],`
		scope = true
	case 1:
		text = `{"Type":"Map","ItemsPath":"$.items","ItemSelector":{"n.$":"States.Format('{}.{}', $.n, $$.Map.Item.Value)","items":[4,5]},`
		if d.query {
			text = `{"Type":"Map","Items":"{% $exists($states.input.items) ? $states.input.items : [6] %}","ItemSelector":{"n":"{% ` + number(depth) + ` * 10 + $states.context.Map.Item.Value %}"},`
		}
		text += `"ItemProcessor":{` + d.flow(ahead, depth) + `},`
	default:
		text, scope = `{"Type":"Saga",`, true
		if d.once(4) && !forward {
			text += `"Recovery":"Forward",`
			text += `"StartAt":"J` + fmt.Sprint(d.steps) + `","States":{` + d.step(fmt.Sprintf("J%d", d.steps), "", false) + `},`
			d.steps++
			break
		}
		text += d.flow(ahead, depth) + `,`
		if d.once(2) && !forward {
			text += `"Retry":[{"ErrorEquals":["Soft","Lambda.Unknown"],"MaxAttempts":2}],`
		}
	}
	given := d.left(scope, depth)
	if caught && !strings.Contains(given, "merge") && next != "" {
		more := `"ResultPath":null`
		if d.query {
			more = `"Output":"{% $states.input %}"`
		}
		text += `"Catch":[{"ErrorEquals":["States.ALL"],` + more + `,"Next":"` + next + `"}],`
	} else if forward && caught {
		return d.join(name, next, forward, depth)
	}
	return text + given + `"Next":"` + next + `"}`
}

// task draws a step that stands in the scope itself.
func (d *drawing) task(i int) string {
	name := d.name(i)
	text := `{"Type":"Task","Resource":"` + functionARN + name + `",`
	if d.query {
		text += d.sent("$n")
	} else {
		text += `"ResultPath":` + d.of(`null`, `"$.last"`) + `,`
	}
	asks, tried := d.once(5), d.of(`"Soft"`, `"States.Timeout"`, `"States.ALL"`, `"Lambda.Unknown","Soft"`)
	if asks || d.timed { // what a Retry leaves open would be asked about, or undone in vain, which takes time
		tried = d.of(`"Soft"`, `"States.Timeout"`)
	}
	if d.once(2) && i != d.pivot {
		text += `"Retry":[{"ErrorEquals":[` + tried + fmt.Sprintf(`],"IntervalSeconds":1,"MaxAttempts":%d}],`, d.IntN(3))
	}
	switch {
	case i == d.pivot:
		text += `"Pivot":true,`
		if d.once(3) {
			text += `"Query":` + d.asking(name, "$n") + `,`
		}
		if d.once(3) {
			text += d.caught(`"Business"`, `"States.ALL"`)
		}
	case i > d.pivot:
		if d.once(4) {
			text += `"KnownFailed":["Business"],`
		}
		if d.once(5) {
			text += `"Compensate":` + d.body("undo", name, "$n") + `,"Confirm":` + d.body("confirm", name, "$n") + `,`
		}
	default:
		text += d.backwards(name, asks)
		if d.once(3) {
			to := d.name(i + 1)
			if d.once(2) || i+1 > d.pivot {
				to = "Bad"
			}
			text += strings.Replace(d.caught(`"Business"`, `"States.ALL"`, `"Lambda.Unknown"`, `"Soft","States.Timeout"`), `"Bad"`, fmt.Sprintf("%q", to), 1)
		}
	}
	return text + `"Next":"` + d.name(i+1) + `"}`
}

// caught draws a Catch that leads to the Fail.
func (d *drawing) caught(names ...string) string {
	more := `"ResultPath":"$.error"`
	if d.query {
		more = `"Output":"{% $states.input %}"`
	}
	return `"Catch":[{"ErrorEquals":[` + d.of(names...) + `],` + more + `,"Next":"Bad"}],`
}

// backwards draws what a step before the pivot may have.
func (d *drawing) backwards(name string, asks bool) string {
	text := ""
	if d.IntN(5) > 0 {
		undo := d.body("undo", name, "$n")
		if d.once(3) {
			undo = strings.Replace(undo, `{"Resource"`, `{"Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":1,"MaxAttempts":`+d.of("0", "1")+`}],"Resource"`, 1)
			if d.timed {
				undo = d.body("undo", name, "$n")
			}
		}
		if d.once(4) {
			undo = "[" + undo + "," + d.body("undo2", name, "$n") + "]"
		}
		text += `"Compensate":` + undo + `,`
		if d.once(4) {
			text += `"Confirm":` + d.body("confirm", name, "$n") + `,`
		}
		if d.timed && d.once(3) {
			text += fmt.Sprintf(`"CompensateWithin":%d,`, 1+d.IntN(4))
		}
	}
	if d.once(4) {
		text += `"KnownFailed":["Business"],`
	}
	if d.once(4) {
		text += `"Query":` + d.asking(name, "$n") + `,`
	}
	if asks {
		text += `"OnUnknown":"Hold",`
	}
	if d.save && d.once(3) {
		text += `"SavePoint":true,`
	}
	return text
}
