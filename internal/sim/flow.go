package sim

import (
	"fmt"
	"strconv"
	"strings"
)

// flow makes a StartAt with its States: a chain whose states may leap ahead,
// never back. First is the text of a state to begin with, "" for none.
func (g *generator) flow(depth int, first string) string {
	k := g.c.between(1, max(1, 5-depth))
	names := make([]string, 0, k+2)
	if first != "" {
		names = append(names, g.name())
	}
	for range k {
		names = append(names, g.name())
	}
	f := &flow{g: g, depth: depth, fails: g.name()}
	states := make([]string, 0, len(names)+1)
	for i, name := range names {
		f.later = names[i+1:]
		var text string
		switch {
		case i == 0 && first != "":
			text = fmt.Sprintf(first, names[1])
		case len(f.later) == 0 && i > 0 && g.c.once(4):
			text = `{"Type":"Succeed"}`
		default:
			text = f.state()
		}
		states = append(states, strconv.Quote(name)+":"+text)
	}
	if f.mayFail {
		states = append(states, strconv.Quote(f.fails)+`:{"Type":"Fail","Error":"E.Chosen","Cause":"a path that fails"}`)
	}
	return `"StartAt":` + strconv.Quote(names[0]) + `,"States":{` + strings.Join(states, ",\n") + `}`
}

func (g *generator) name() string {
	g.names++
	return "S" + strconv.Itoa(g.names)
}

// flow is a chain of states under way.
type flow struct {
	g       *generator
	depth   int
	later   []string // states that come after this one
	fails   string
	mayFail bool
}

// state makes one state of a random type.
func (f *flow) state() string {
	g := f.g
	g.budget--
	jsonata := g.c.once(3)
	roll := g.c.IntN(100)
	switch {
	case roll < 40 || g.budget <= 0 && roll < 60:
		return f.task(jsonata)
	case roll < 50 || g.budget <= 0 && roll < 80:
		return f.pass(jsonata)
	case roll < 60 || g.budget <= 0:
		return f.wait(jsonata)
	case roll < 74 && len(f.later) > 0:
		return f.choice(jsonata)
	case f.depth >= 4:
		return f.task(jsonata)
	case roll < 88:
		return f.parallel(jsonata)
	}
	return f.mapping(jsonata)
}

// onward is how a state ends: its Next, or End.
func (f *flow) onward() string {
	if len(f.later) == 0 {
		return `"End":true`
	}
	return `"Next":` + strconv.Quote(f.later[0])
}

// ahead is a random later state.
func (f *flow) ahead() string { return strconv.Quote(pick(f.g.c, f.later...)) }

// begin is how every state begins.
func begin(kind string, jsonata bool) string {
	if jsonata {
		return `{"Type":"` + kind + `","QueryLanguage":"JSONata",`
	}
	return `{"Type":"` + kind + `",`
}

// retries and catchers of a state that may fail. Most are caught, so that most
// executions end well.
func (f *flow) mishaps(jsonata bool) string {
	g := f.g
	var b strings.Builder
	if g.c.share(650) {
		fmt.Fprintf(&b, `"Retry":[{"ErrorEquals":[%s],"IntervalSeconds":%d,"MaxAttempts":%d,"BackoffRate":%s`,
			pick(g.c, `"E.Soft","States.Timeout"`, `"States.ALL"`, `"E.Soft","E.Hard","States.TaskFailed"`),
			g.c.between(1, 5), g.c.between(0, 4), pick(g.c, "1", "1.5", "2"))
		if g.c.once(3) {
			b.WriteString(`,"MaxDelaySeconds":20,"JitterStrategy":"FULL"`)
		}
		b.WriteString(`}],`)
	}
	if len(f.later) > 0 && g.c.share(930) {
		fmt.Fprintf(&b, `"Catch":[{"ErrorEquals":["States.ALL"],"Next":%s`, f.ahead())
		if jsonata {
			b.WriteString(`,"Output":"{% $merge([$states.input, {'error': $states.errorOutput}]) %}"`)
		} else {
			b.WriteString(`,"ResultPath":"$.error"`)
		}
		b.WriteString(`}],`)
	}
	return b.String()
}

func (f *flow) pass(jsonata bool) string {
	g := f.g
	text := begin("Pass", jsonata)
	switch {
	case jsonata && g.variable && g.c.once(2):
		text += `"Output":"{% $merge([$states.input, {'p': $b.deep.v + $a}]) %}",`
	case jsonata:
		text += `"Output":"{% $merge([$states.input, {'n': ($states.input.n + 1) % 6}]) %}",`
	case g.c.once(2):
		text += `"Parameters":{"s.$":"States.Format('{}-{}', $.n, $.last.v)"},"ResultPath":"$.p",`
	default:
		text += `"Result":{"fixed":[1,{"a":null}]},"ResultPath":"$.p",`
	}
	return text + f.onward() + `}`
}

func (f *flow) wait(jsonata bool) string {
	g := f.g
	text := begin("Wait", jsonata)
	switch {
	case jsonata:
		text += `"Seconds":"{% $states.input.n %}",`
	case g.c.once(6):
		text += `"Timestamp":"2027-01-15T08:00:30Z",` // half a minute after the world begins
	case g.c.once(3):
		text += `"SecondsPath":"$.n",`
	case g.c.once(20):
		text += `"Seconds":3000,`
	default:
		text += fmt.Sprintf(`"Seconds":%d,`, g.c.between(0, 25))
	}
	return text + f.onward() + `}`
}

func (f *flow) choice(jsonata bool) string {
	g := f.g
	to := f.ahead()
	if g.c.once(12) {
		to, f.mayFail = strconv.Quote(f.fails), true
	}
	at := g.c.between(3, 8)
	var rule string
	switch {
	case jsonata:
		rule = fmt.Sprintf(`{"Condition":"{%% $states.input.last.v > %d %%}","Next":%s}`, at, to)
	case g.variable && g.c.once(2):
		rule = fmt.Sprintf(`{"Variable":"$a","NumericGreaterThan":%d,"Next":%s}`, at-2, to)
	case g.c.once(2):
		rule = fmt.Sprintf(`{"And":[{"Variable":"$.last.v","IsPresent":true},{"Not":{"Variable":"$.last.v","NumericLessThan":%d}}],"Next":%s}`, at, to)
	default:
		rule = fmt.Sprintf(`{"Variable":"$.last.v","NumericGreaterThan":%d,"Next":%s}`, at, to)
	}
	return begin("Choice", jsonata) + `"Choices":[` + rule + `],"Default":` + strconv.Quote(f.later[0]) + `}`
}

func (f *flow) parallel(jsonata bool) string {
	g := f.g
	k := g.c.between(2, 3)
	if g.c.once(6) {
		k = g.c.between(5, 7)
	}
	branches := make([]string, k)
	for i := range branches {
		branches[i] = `{` + g.flow(f.depth+1, "") + `}`
	}
	text := begin("Parallel", jsonata) + f.mishaps(jsonata)
	switch {
	case jsonata:
		text += `"Output":"{% $merge([$states.input, {'p': $count($states.result)}]) %}",`
	case g.c.once(2):
		text += `"ResultSelector":{"first.$":"$[0].n","count.$":"States.ArrayLength($)"},"ResultPath":"$.p",`
	default:
		text += `"ResultPath":null,`
	}
	return text + `"Branches":[` + strings.Join(branches, ",\n") + `],` + f.onward() + `}`
}

func (f *flow) mapping(jsonata bool) string {
	g := f.g
	text := begin("Map", jsonata) + f.mishaps(jsonata)
	if jsonata {
		text += `"Items":"{% $states.input.items %}","ItemSelector":{"n":"{% $states.context.Map.Item.Index % 6 %}","items":"{% $states.input.few %}","few":[1],"last":"{% $states.input.last %}"},` +
			`"Output":"{% $merge([$states.input, {'m': $count($states.result)}]) %}",`
	} else {
		text += `"ItemsPath":"$.items","ItemSelector":{"n.$":"$$.Map.Item.Index","items.$":"$.few","few":[1],"last.$":"$.last"},` +
			pick(g.c, `"ResultPath":null,`, `"ResultSelector":{"count.$":"States.ArrayLength($)"},"ResultPath":"$.m",`)
	}
	if g.c.once(2) {
		text += fmt.Sprintf(`"MaxConcurrency":%d,`, g.c.between(1, 4))
	}
	if !g.express && g.c.once(3) {
		return text + f.distributed() + f.onward() + `}`
	}
	return text + `"ItemProcessor":{` + g.flow(f.depth+1, "") + `},` + f.onward() + `}`
}

// distributed makes what a distributed Map has of its own. Its children see no
// variables.
func (f *flow) distributed() string {
	g := f.g
	visible, express := g.variable, g.express
	g.variable = false
	defer func() { g.variable, g.express = visible, express }()
	text := ""
	if g.c.once(3) {
		text = fmt.Sprintf(`"ToleratedFailurePercentage":%d,`, pick(g.c, 20, 50, 100))
	}
	run := "STANDARD"
	if g.express = g.c.once(3); g.express {
		run = "EXPRESS"
	}
	return text + `"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"` + run + `"},` + g.flow(f.depth+1, "") + `},`
}
