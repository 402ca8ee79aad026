package sim

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
)

// trace is what happened, as a hash and, if asked for, as text.
type trace struct {
	hash  uint64
	keep  bool
	lines []string
}

// note adds a line.
func (t *trace) note(at int64, what, about string, n int64) {
	t.number(uint64(at))
	t.text(what)
	t.text(about)
	t.number(uint64(n))
	if t.keep {
		t.lines = append(t.lines, strings.TrimSpace(fmt.Sprintf("%9d  %-9s %s %s", at-began, what, about, unless(n, 0))))
	}
}

func unless(n, none int64) string {
	if n == none {
		return ""
	}
	return fmt.Sprint(n)
}

const prime = 0x100000001b3

func (t *trace) number(n uint64) { t.hash = (t.hash ^ n ^ n>>29) * prime }

func (t *trace) text(s string) {
	for i := range len(s) {
		t.hash = (t.hash ^ uint64(s[i])) * prime
	}
	t.number(uint64(len(s)))
}

func (t *trace) bytes(b []byte) {
	for _, c := range b {
		t.hash = (t.hash ^ uint64(c)) * prime
	}
	t.number(uint64(len(b)))
}

func hashOf(b []byte) uint64 {
	var t trace
	t.bytes(b)
	return t.hash
}

// short is an execution as traces name it.
func short(id store.ID) string { return id.String()[20:] }

// dump is all that is known of an execution.
func (w *world) dump(id store.ID) string {
	l := w.book.lives[id]
	if l == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "execution %s of %s: %v, events %d, entries %d\n", l.start.Name, l.start.Machine, l.head.Status, l.head.LastEvent, l.head.Entries)
	for i := range l.events {
		e := &l.events[i]
		fmt.Fprintf(&b, "  %3d ← %3d %8d  %v %s %s\n", i+1, e.prev, e.at-began, e.kind, e.state, e.err)
	}
	for _, f := range l.frameList() {
		fmt.Fprintf(&b, "  frame %d of %d: %s phase %d entry %d job %d join %+v\n", f.ID, f.Parent, f.State, f.Phase, f.Entry, f.Job, f.Join)
	}
	for _, j := range l.jobList() {
		fmt.Fprintf(&b, "  job %d kind %d %s attempt %d send %d due %d deadline %d submitted %v taken %v\n",
			j.ID, j.Kind, j.State, j.Attempt, j.Send, relative(j.Due), relative(j.Deadline), j.Submitted, j.Taken)
	}
	if m := w.byARN[l.start.MachineARN()]; m != nil {
		b.WriteString("definition: " + m.text + "\n")
	}
	return b.String()
}

// waiting is what all that goes on waits for, and who is there to do it.
func (w *world) waiting() string {
	var b strings.Builder
	for s := range store.Shard(w.plan.shards) {
		if l, there := w.book.leases[s]; there {
			mail, _ := w.reader.Messages(context.Background(), s, 1000)
			fmt.Fprintf(&b, "shard %d is %s's until %d, epoch %d, with %d messages in its inbox\n", s, l.Node, relative(l.Expires), l.Epoch, len(mail))
		}
	}
	for _, n := range w.nodes {
		if p := n.process; p != nil {
			fmt.Fprintf(&b, "node %s runs %s: %d errands, stands still: %v, no way to the database: %v\n", n.name(), p.name, p.errands, p.stands(), n.link)
		} else {
			fmt.Fprintf(&b, "node %s is down, for good: %v\n", n.name(), n.gone)
		}
	}
	for _, l := range w.book.order {
		for _, j := range l.jobList() {
			fmt.Fprintf(&b, "%s in shard %d waits for job %d kind %d of %s, made %d, due %d, deadline %d\n",
				short(l.id), l.id.Shard(), j.ID, j.Kind, j.State, relative(j.Made), relative(j.Due), relative(j.Deadline))
		}
	}
	return b.String()
}

func relative(at int64) int64 {
	if at == store.Never {
		return -1
	}
	return at - began
}

func (l *life) frameList() []*machine.Frame {
	var all []*machine.Frame
	for _, f := range l.frames {
		all = append(all, f)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
	return all
}

func (l *life) jobList() []*machine.Job {
	var all []*machine.Job
	for _, j := range l.jobs {
		all = append(all, j)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
	return all
}
