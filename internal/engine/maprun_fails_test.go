package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/value"
)

// A run that fails writes what it has, and what it never began, before its Map
// hears of it: items of its input, or items that are still to be read.
func TestMapRunFailsAndWrites(t *testing.T) {
	for _, items := range []string{"", reads} {
		for n := 0; n < 40; n++ {
			kept, failures := &shelf{objects: map[string]string{}}, 0
			reader := &pages{most: 6, fails: func(string) error {
				if failures++; failures%2 == 1 {
					return fmt.Errorf("for a time")
				}
				return nil
			}}
			r := newRig(t, func(ctx context.Context, task integration.Task) (value.Text, error) {
				if n, _ := task.Request.Decode().Get("n").AsInt(); n == 3 {
					return value.Text{}, integration.NewError("Three", "is bad", integration.EffectNone)
				}
				return task.Request, nil
			}, func(c *Config) { c.Objects, c.Items = kept, reader })
			id := r.start(r.define(strings.Replace(each("STANDARD", items+writes), `"MaxConcurrency":2`, `"MaxConcurrency":1`, 1)), "a", `[1,2,3,4,5,6]`).ID
			crashed := r.through(n)
			if h := r.head(id); h.Status != machine.Failed || *h.Error != "States.ExceedToleratedFailureThreshold" {
				t.Fatalf("crash at %d: %s", n, story(r.history(id)))
			}
			var names []string
			for key, text := range kept.objects {
				name := key[strings.LastIndexByte(key, '/')+1:]
				names = append(names, name)
				want, known := map[string]string{"SUCCEEDED_0.json": `[1,2]`, "PENDING_0.json": `[` + notBegun("4") + `,` + notBegun("5") + `,` + notBegun("6") + `]`}[name]
				if known && text != want {
					t.Errorf("crash at %d: %s is %s", n, name, text)
				}
			}
			slices.Sort(names)
			if want := []string{"FAILED_0.json", "PENDING_0.json", "SUCCEEDED_0.json", "manifest.json"}; !slices.Equal(names, want) {
				t.Errorf("crash at %d: written %v", n, names)
			}
			r.tidy()
			if n > 0 && !crashed {
				break
			}
		}
	}
}

// What is under way when a run fails is in its files: standard children as stopped
// for that, express ones by what they came to; over a crash at any commit.
func TestMapRunFailsWhileChildrenAreUnderWay(t *testing.T) {
	definition := func(kind string) string {
		return fmt.Sprintf(`{"StartAt":"Each","States":{"Each":{"Type":"Map","Label":"Ours","MaxConcurrency":2,%s"End":true,
			"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"%s"},"StartAt":"Which","States":{
				"Which":{"Type":"Choice","Choices":[{"Variable":"$","NumericEquals":1,"Next":"Bad"}],"Default":"Later"},
				"Bad":{"Type":"Fail"},"Later":{"Type":"Wait","Seconds":30,"End":true}}}}}}`, writes, kind)
	}
	for _, kind := range []string{"STANDARD", "EXPRESS"} {
		for n := 0; n < 60; n++ {
			kept := &shelf{objects: map[string]string{}}
			r := newRig(t, echo, func(c *Config) { c.Objects = kept })
			id := r.start(r.define(definition(kind)), "a", `[2,1,3]`).ID
			crashed := r.through(n)
			run := r.runs(id)[0]
			u, stopped := r.head(run).Run, kind == "STANDARD"
			if h := r.head(id); h.Status != machine.Failed || u.Items.Failed != 1 || u.Items.Running != 0 || u.Items.Written != 3 || u.Executions.Written != 3 {
				t.Fatalf("%s, crash at %d: %s, %+v", kind, n, story(r.history(id)), u)
			}
			for key, text := range kept.objects {
				aborted := strings.Contains(text, `"Cause":"The map run execution [arn:aws:states:us-east-1:123456789012:mapRun:`) &&
					strings.Contains(text, `] which was managing this resource was aborted","ExecutionArn"`) && strings.Contains(text, `"Status":"ABORTED"`)
				if strings.Contains(key, "FAILED") && !crashed && aborted != stopped {
					t.Errorf("%s: %s", kind, text)
				}
			}
			if !crashed && (u.Items.Succeeded == 1) == stopped {
				t.Errorf("%s: %+v", kind, u.Items)
			}
			r.tidy()
			if n > 0 && !crashed {
				break
			}
		}
	}
}

// through lets a minute pass with a crash at commit n, and another after it. It
// reports whether it came to that.
func (r *rig) through(n int) (crashed bool) {
	session := r.session
	session.CrashIn(n, n%2 == 0)
	r.pass(time.Minute)
	if crashed = session.Crashed(); crashed {
		r.open()
		r.pass(time.Minute)
	}
	session.CrashIn(0, false)
	return crashed
}

func notBegun(input string) string {
	return `{"Input":"` + input + `","InputDetails":{"Included":true},"Status":"PENDING"}`
}
