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
	return r.verdict(w, a, "I1 I2 I3 I4 I6 I8 I9")
}

// reportRun prints the kills and what the clients asked.
func (r *rig) reportRun(w io.Writer, t *tally) {
	defer func() {
		for _, v := range slices.Sorted(maps.Keys(t.outcomes)) {
			fmt.Fprintf(w, "  %-16s %s\n", v, counts(t.outcomes[v]))
		}
	}()
	if r.cluster != nil {
		r.reportCluster(w)
		return
	}
	fmt.Fprintf(w, "cycles             %d counted, %d repeated for want of a request and a task call in flight; seed %d\n", r.counted, r.uncounted, r.config.seed)
	fmt.Fprintf(w, "faults             %s\n", counts(r.done))
	r.reportDisk(w)
	fmt.Fprintf(w, "kills              %d, %d of them during a recovery (%d while a request waited)\n", r.killed, r.recovering, r.asked)
	fmt.Fprintf(w, "recovery           p50 %s, p99 %s, max %s from the process's start until it is ready (bound %s)\n", ms(quantile(r.recoveries, 50)), ms(quantile(r.recoveries, 99)), ms(quantile(r.recoveries, 100)), r.config.ready)
	fmt.Fprintf(w, "acknowledged       %d changes, %d a cycle at least (floor %d), %d reads\n", r.journal.written.Load(), r.leastWrites, writesLeast, r.journal.read.Load())
}

// reportCluster prints what the cluster went through.
func (r *rig) reportCluster(w io.Writer) {
	c := r.cluster
	fmt.Fprintf(w, "trouble            %s: %s; seed %d\n", r.config.shape, counts(c.faults), r.config.seed)
	fmt.Fprintf(w, "takeover           %d, %s at most (bound %s)\n", len(c.takeovers), ms(c.most()), takeoverMost)
	fmt.Fprintf(w, "zombies            %d of their writes refused\n", r.zombies)
	fmt.Fprintf(w, "acknowledged       %d changes (floor %d), %d reads\n", r.journal.written.Load(), r.leastOf(), r.journal.read.Load())
}

// reportDisk prints what the faults of the disk came to.
func (r *rig) reportDisk(w io.Writer) {
	d := &r.disks
	if d.drops > 0 {
		fmt.Fprintf(w, "  power lost       %d times: %d pages and %d names that were not synced are forgotten\n", d.drops, d.pages, d.names)
	}
	if d.refused+d.ended > 0 {
		back := time.Duration(0)
		if len(d.back) > 0 {
			back = slices.Max(d.back)
		}
		fmt.Fprintf(w, "  full disk        %d refused, acknowledged again %s after there was room at the latest (bound %s); %d ended by an error\n", d.refused, ms(back), backMost, d.ended)
	}
	if len(d.exits) > 0 {
		fmt.Fprintf(w, "  failed syncs     %d, %d of them while it started: ended after p50 %s, max %s (bound %s); the last acknowledgement was heard %s after one (bound %s)\n",
			d.unsynced, d.starting, ms(quantile(d.exits, 50)), ms(slices.Max(d.exits)), exitMost, ms(d.late), wireMost)
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

// judge adds what makes a run invalid or wrong beside what the audit found.
func (r *rig) judge(a *audit) {
	t := &a.tally
	if len(r.running) > 0 {
		a.say("I9", a.orders[r.running[0]], "%d executions still ran after %s, this one among them", len(r.running), r.config.settle)
	}
	if t.debited-t.refunded != t.paid+t.stopped {
		a.say("I8", nil, "the sums do not balance")
	}
	if r.cluster != nil {
		r.judgeCluster(t)
	} else if r.leastWrites < writesLeast {
		r.fault("a cycle had %d changes acknowledged, the floor is %d", r.leastWrites, writesLeast)
	}
	if len(r.recoveries) > 0 && quantile(r.recoveries, 99) > r.config.ready {
		r.fault("of a hundred recoveries one takes %s, which may take %s", ms(quantile(r.recoveries, 99)), r.config.ready)
	}
	if n := r.logged()["quarantined"]; n > 0 {
		r.fault("the server quarantined %d executions; see %s", n, strings.Join(r.logFiles(), ", "))
	}
	for what, seen := range map[string]int{
		"orders that succeeded": t.statuses["SUCCEEDED"], "orders that were undone": t.statuses["FAILED"], "orders that were stopped": t.statuses["ABORTED"],
		"completions accepted": t.accepted, "histories read on the way": t.extended, "calls made again": t.resent,
	} {
		if seen == 0 {
			r.fault("there were no %s: the run proves nothing about them", what)
		}
	}
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

// logFiles are the logs of what is under test.
func (r *rig) logFiles() (files []string) {
	if r.cluster == nil {
		return []string{r.server.logFile()}
	}
	for _, n := range r.cluster.nodes {
		files = append(files, n.logFile())
	}
	return files
}

// logged counts the lines of the server's log by their level, and the
// executions that it quarantined.
func (r *rig) logged() map[string]int {
	counts := map[string]int{}
	var text []byte
	for _, file := range r.logFiles() {
		more, err := os.ReadFile(file)
		if err == nil {
			text = append(text, more...)
		}
	}
	for line := range strings.Lines(string(text)) {
		if _, after, ok := strings.Cut(line, "level="); ok {
			level, _, _ := strings.Cut(after, " ")
			counts[level]++
		}
		if strings.Contains(line, "quarantined") {
			counts["quarantined"]++
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
