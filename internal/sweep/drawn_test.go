package sweep

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var (
	drawn     = flag.Int("sweep.drawn", 20, "how many sagas TestDrawn draws")
	drawnFrom = flag.Uint64("sweep.from", 0, "the first of their seeds")
)

// TestDrawn holds proof and sweep against each other, of sagas in the extension
// that are drawn by chance.
func TestDrawn(t *testing.T) {
	proofs, sweeps := 0, 0
	for seed := *drawnFrom; seed < *drawnFrom+uint64(*drawn); seed++ {
		text := draw(seed)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Log(text)
				}
			}()
			a := compare(t, program(t, []byte(text)), Input{Definition: []byte(text)})
			proofs, sweeps = proofs+a.proof, sweeps+a.sweep
		})
	}
	t.Logf("%d sagas: %d findings of the proof, %d of the sweep", *drawn, proofs, sweeps)
	if proofs == 0 || sweeps == 0 {
		t.Error("the draw is one-sided")
	}
}

// drawing is a saga being drawn.
type drawing struct {
	*rand.Rand
	names int
	pivot bool // there is one by now
}

// draw draws a small saga: a flow of steps, Choices, Parallels, Maps and Sagas.
func draw(seed uint64) string {
	d := &drawing{Rand: rand.New(rand.NewPCG(seed, 11))}
	options := d.one("", "", "", `"OnCompensationFailure": "Continue"`, `"OnStop": "Abort"`)
	return fmt.Sprintf(`{"Saga": {%s}, %s}`, options, d.flow(0, true))
}

func (d *drawing) one(all ...string) string { return all[d.IntN(len(all))] }

func (d *drawing) name(kind string) string {
	d.names++
	return fmt.Sprintf("%s%d", kind, d.names)
}

// flow draws the states of a flow: its StartAt and its States.
func (d *drawing) flow(depth int, pivots bool) string {
	count := 1 + d.IntN(2)
	if depth == 0 {
		count = 2 + d.IntN(3)
	}
	names := make([]string, count)
	for i := range names {
		names[i] = d.name("S")
	}
	var states []string
	fail := ""
	for i, name := range names {
		end, next := `"End": true`, ""
		if i+1 < count {
			next = names[i+1]
			end = fmt.Sprintf(`"Next": %q`, next)
		}
		if d.IntN(3) == 0 && fail == "" {
			fail = d.name("Failed")
		}
		targets := []string{}
		if next != "" {
			targets = append(targets, next)
		}
		if fail != "" {
			targets = append(targets, fail)
		}
		state := ""
		switch kind := d.IntN(12); {
		case kind == 0 && depth < 2:
			state = fmt.Sprintf(`"Type": "Parallel", "ResultPath": null, "Branches": [{%s}, {%s}]%s%s, %s`, d.flow(depth+1, false), d.flow(depth+1, false), d.retry(), d.caught(targets), end)
		case kind == 1 && depth < 2:
			state = fmt.Sprintf(`"Type": "Map", "ResultPath": null, "ItemProcessor": {%s}%s%s, %s`, d.flow(depth+1, false), d.retry(), d.caught(targets), end)
		case (kind == 2 || kind == 3) && depth < 2:
			state = fmt.Sprintf(`"Type": "Saga", "ResultPath": null, %s%s%s, %s`, d.flow(depth+1, pivots), d.retry(), d.caught(targets), end)
		case kind == 4 && next != "" && fail != "":
			state = fmt.Sprintf(`"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": true, "Next": %q}], "Default": %q`, fail, next)
		default:
			state = d.task(name, pivots, depth == 0 && i+1 == count) + d.retry() + d.caught(targets) + ", " + end
		}
		states = append(states, fmt.Sprintf(`%q: {%s}`, name, state))
	}
	text := strings.Join(states, ",\n")
	if fail != "" && strings.Contains(text, `"`+fail+`"`) {
		text += fmt.Sprintf(",\n%q: {\"Type\": \"Fail\", \"Error\": %q}", fail, d.one("Bad", "Worse"))
	}
	return fmt.Sprintf(`"StartAt": %q, "States": {%s}`, names[0], text)
}

func function(name string) string {
	return "arn:aws:lambda:us-east-1:123456789012:function:" + strings.ToLower(name)
}

// task draws a step.
func (d *drawing) task(name string, pivots, last bool) string {
	text := fmt.Sprintf(`"Type": "Task", "Resource": %q, "ResultPath": null`, function("do"+name))
	if d.IntN(5) == 0 {
		text += `, "TimeoutSeconds": 5`
	}
	if d.IntN(6) == 0 {
		text += `, "KnownFailed": ["Bad"]`
	}
	if d.IntN(8) == 0 {
		text += `, "OnUnknown": "Hold"`
	}
	if d.IntN(8) == 0 {
		text += fmt.Sprintf(`, "Query": {"Resource": %q}`, function("ask"+name))
	}
	switch {
	case pivots && !d.pivot && (last || d.IntN(6) == 0):
		d.pivot = true
		return text + `, "Pivot": true`
	case d.pivot || d.IntN(6) == 0:
		return text
	}
	text += fmt.Sprintf(`, "Compensate": {"Resource": %q%s}`, function("back"+name), d.one("", "", `, "Retry": []`))
	if d.IntN(6) == 0 {
		text += fmt.Sprintf(`, "Confirm": {"Resource": %q}`, function("keep"+name))
	}
	return text
}

func (d *drawing) retry() string {
	switch d.IntN(6) {
	case 0:
		return `, "Retry": [{"ErrorEquals": ["Lambda.Unknown"], "MaxAttempts": 1}]`
	case 1:
		return `, "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]`
	}
	return ""
}

func (d *drawing) caught(targets []string) string {
	if len(targets) == 0 || d.IntN(2) == 0 {
		return ""
	}
	return fmt.Sprintf(`, "Catch": [{"ErrorEquals": [%s], "ResultPath": null, "Next": %q}]`, d.one(`"States.ALL"`, `"Bad"`, `"Lambda.Unknown"`), d.one(targets...))
}
