package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// report prints what a run came to, and tells whether all held.
func (r *rig) report(w io.Writer, a *audit) bool {
	t := &a.tally
	r.reportRun(w, t)
	fmt.Fprintf(w, "orders             %d: %s; %d never came to be\n", t.executions, counts(t.statuses), t.absent)
	fmt.Fprintf(w, "histories          %d events; %d read on the way, %d of them before the end\n", t.events, t.samples, t.extended)
	fmt.Fprintf(w, "steps              %d scheduled, %d of them over before a call; %d keys; %d calls, %.2f a key\n", t.scheduled, t.uncalled, t.keys, t.raw, float64(t.raw)/float64(max(t.keys, 1)))
	fmt.Fprintf(w, "participants       %s\n", counts(t.answers))
	fmt.Fprintf(w, "  faults           %s\n", counts(t.modes))
	fmt.Fprintf(w, "completions        %d sent, %d accepted, %d too late\n", t.completions, t.accepted, t.lateRefused)
	fmt.Fprintf(w, "end                nothing runs %s after the last fault (bound %s)\n", ms(r.settled), r.config.settle)
	fmt.Fprintf(w, "money              %d debited - %d refunded = %d paid by orders that succeeded + %d held of orders that were stopped\n", t.debited, t.refunded, t.paid, t.stopped)
	fmt.Fprintf(w, "server's log       %s\n", counts(r.logged()))
	fmt.Fprintf(w, "orders off: %d\n", t.off)
	r.judge(a)
	r.judgeOrders(a)
	return r.verdict(w, a, "I1 I2 I3 I4 I6 I8 I9")
}

// reportRun prints what was gone through, and what the clients asked.
func (r *rig) reportRun(w io.Writer, t *tally) {
	r.subject.tell(w)
	for _, v := range slices.Sorted(maps.Keys(t.outcomes)) {
		fmt.Fprintf(w, "  %-16s %s\n", v, counts(t.outcomes[v]))
	}
}

// verdict prints what was found, and tells whether nothing was.
func (r *rig) verdict(w io.Writer, a *audit, invariants string) bool {
	printFindings(w, a)
	for _, fault := range r.faults {
		fmt.Fprintf(w, "FAULT %s\n", fault)
	}
	if len(a.found)+len(r.faults) > 0 {
		fmt.Fprintf(w, "FAIL: %d findings, %d faults of the run\n", len(a.found), len(r.faults))
		return false
	}
	fmt.Fprintf(w, "PASS: %s hold\n", invariants)
	return true
}

// judge adds what makes any run invalid or wrong beside what the audit found.
func (r *rig) judge(a *audit) {
	r.judgeEnd(a)
	r.subject.judge(&a.tally)
}

// judgeEnd: all has ended, and the server took nothing for broken.
func (r *rig) judgeEnd(a *audit) {
	if len(r.running) > 0 {
		first := r.running[0]
		a.say("I9", a.orders[first], "%d executions still ran after %s, %s among them", len(r.running), r.config.settle, first)
	}
	logged := r.logged()
	for what, said := range map[string]string{"quarantined": "quarantined an execution", "panicked": "panicked"} {
		if n := logged[what]; n > 0 {
			r.fault("the server %s %d times; see %s", said, n, strings.Join(r.subject.logs(), ", "))
		}
	}
}

// wantSeen: what a run is to prove something about must have been in it.
func (r *rig) wantSeen(all map[string]int) {
	for what, seen := range all {
		if seen == 0 {
			r.fault("there were no %s: the run proves nothing about them", what)
		}
	}
}

// judgeOrders is judge for orders in plain ASL.
func (r *rig) judgeOrders(a *audit) {
	t := &a.tally
	a.checkSums()
	r.wantSeen(map[string]int{
		"orders that succeeded": t.statuses["SUCCEEDED"], "orders that were undone": t.statuses["FAILED"], "orders that were stopped": t.statuses["ABORTED"],
		"completions accepted": t.accepted, "histories read on the way": t.extended, "calls made again": t.resent,
	})
	if paid := t.statuses["SUCCEEDED"] * 100; paid < 30*t.executions {
		r.fault("only %d of %d orders succeeded", t.statuses["SUCCEEDED"], t.executions)
	}
}

// shownMost is how many findings are shown with all that is known of them.
const shownMost = 5

func printFindings(w io.Writer, a *audit) {
	shown := map[*order]bool{}
	silent := 0
	for _, f := range a.found {
		name := ""
		if f.order != nil {
			name = " " + f.order.execution
		}
		if len(shown) >= shownMost && f.order != nil && !shown[f.order] {
			silent++
			continue
		}
		fmt.Fprintf(w, "%s%s: %s\n", f.invariant, name, f.what)
		if f.order != nil && !shown[f.order] {
			shown[f.order] = true
			printOrder(w, f.order)
		}
	}
	if silent > 0 {
		fmt.Fprintf(w, "and %d findings of other orders\n", silent)
	}
}

// printOrder prints an order's calls, history and ledger, in that order.
func printOrder(w io.Writer, o *order) {
	for _, c := range slices.Concat(o.starts, o.calls) {
		fmt.Fprintf(w, "    %s call %-6d %-9s %s %s %s\n", clock(c.Sent), c.N, c.Verb, c.Outcome, c.State, c.Receipt)
	}
	for i, e := range o.events {
		state := ""
		if o.path != nil { // else it could not be read to its end
			state = o.path.states[i+1]
		}
		fmt.Fprintf(w, "    %s event %3d <- %3d %-24s %s\n", clock(int64(e.Timestamp)), e.Id, e.PreviousEventId, e.Type, state)
	}
	for _, e := range o.entries {
		text, err := json.Marshal(e)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(w, "    %s ledger %s\n", clock(e.At), text)
	}
}

func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format("15:04:05.000") }

func ms(d time.Duration) string { return d.Round(time.Millisecond).String() }

// logged counts the lines of the server's log by their level, the executions that it
// quarantined, and its panics.
func (r *rig) logged() map[string]int {
	counts := map[string]int{}
	var text []byte
	for _, file := range r.subject.logs() {
		more, err := os.ReadFile(file)
		if err != nil {
			r.fault("the server's log can't be read: %v", err)
		}
		text = append(text, more...)
	}
	for line := range strings.Lines(string(text)) {
		if _, after, ok := strings.Cut(line, "level="); ok {
			level, _, _ := strings.Cut(after, " ")
			counts[level]++
		}
		if strings.Contains(line, "quarantined") {
			counts["quarantined"]++
		}
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
			counts["panicked"]++
		}
	}
	return counts
}

// counts prints counts by name, the greatest first.
func counts[Name ~string](of map[Name]int) string {
	names := slices.SortedFunc(maps.Keys(of), func(x, y Name) int {
		if d := of[y] - of[x]; d != 0 {
			return d
		}
		return strings.Compare(string(x), string(y))
	})
	var all []string
	for _, name := range names {
		shown := string(name)
		if shown == "" {
			shown = "none"
		}
		all = append(all, fmt.Sprintf("%s %d", shown, of[name]))
	}
	return strings.Join(all, ", ")
}
