package sim

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// walk asks the decider alone, without an engine: an execution of one of the
// world's machines goes through random messages, early, late and twice, and of
// every one of them is asked whether Step left what it was given untouched,
// decides the same once more, and decides the same on an execution that was
// read from its records.
type walk struct {
	w     *world
	p     *asl.Program
	env   machine.Env
	x     *machine.Execution
	rows  map[string][]byte
	texts map[machine.Ref]value.Text
	undos map[uint32][]byte // the saga log
	old   []machine.JobID   // closed before
}

// mostMessages bounds a walk.
const mostMessages = 120

func (w *world) walk(m *stateMachine, input string) {
	quotas := machine.AWSLimits()
	quotas.EntriesTurn = pick(w.paths, 2, 500)
	k := &walk{
		w: w, p: m.program, rows: map[string][]byte{}, texts: map[machine.Ref]value.Text{}, undos: map[uint32][]byte{},
		env: machine.Env{Now: began, TokenKey: make([]byte, 32), Limits: quotas},
	}
	k.x = machine.New(machine.Start{
		Account: account, Region: region, Machine: m.name, Name: "walk", Definition: m.hash, Express: m.express, At: began,
		Parent: pick(w.paths, nil, &machine.Parent{Job: 3}),
	})
	k.step(machine.Message{Kind: machine.Begin, Output: value.Checked(input)})
	for n := 0; n < mostMessages && w.out.Violation == nil; n++ {
		switch {
		case k.x.Head.Kept && w.anew.once(2):
			k.step(machine.Message{Kind: machine.Redrive, Token: pick(w.anew, "", "a")})
		case len(k.x.Jobs) > 0:
			k.step(k.message())
		default:
			return
		}
	}
}

// message is what comes next: about an open job mostly.
func (k *walk) message() machine.Message {
	c := k.w.paths
	k.env.Now += c.span(0, 20_000)
	if c.once(60) {
		name := "Stopped"
		return machine.Message{Kind: machine.Stop, Failure: &machine.Failure{Error: &name}}
	}
	open := slices.Sorted(maps.Keys(k.x.Jobs))
	m := machine.Message{Job: open[c.IntN(len(open))]}
	j := k.x.Jobs[m.Job]
	if len(k.old) > 0 && c.once(8) {
		m.Job = k.old[c.IntN(len(k.old))]
	}
	switch {
	case c.once(10):
		m.Kind = machine.MessageKind(c.between(int(machine.JobSucceeded), int(machine.Continue)))
	case j.Kind == machine.Timer:
		m.Kind, k.env.Now = machine.Fired, max(k.env.Now, j.Due-int64(c.IntN(2)))
	case j.Kind == machine.Resume:
		m.Kind = machine.Continue
	case j.Kind == machine.Activity && !j.Taken:
		m.Kind, m.Worker = machine.Taken, "worker"
	case c.once(6):
		m.Kind = machine.JobFailed
	case c.once(4) && !j.Submitted:
		m.Kind = machine.Submitted
	default:
		m.Kind = machine.JobSucceeded
	}
	if m.Kind == machine.JobFailed {
		name, cause := pick(c, "E.Soft", "E.Hard", "States.Timeout"), "a walk"
		m.Failure = &machine.Failure{Error: &name, Cause: &cause}
	}
	m.Output = value.Checked(`{"v":5,"ok":true,"ExecutionArn":"arn"}`)
	return m
}

// step takes one message, three times, and moves on. An invariant that Step finds
// broken is a violation.
func (k *walk) step(m machine.Message) {
	defer func() {
		if broken := recover(); broken != nil {
			k.fail(fmt.Sprint("Step panics: ", broken), m)
		}
	}()
	_, _ = k.w.entropy.Read(k.env.Seed[:])
	d := k.decide(k.x, m)
	decided := imageOf(&d)
	if again := k.decide(k.x, m); !bytes.Equal(decided, imageOf(&again)) {
		k.fail("Step decides otherwise the second time", m)
	}
	if k.x.Head.Status != 0 {
		if read := k.decide(k.restore(), m); !bytes.Equal(decided, imageOf(&read)) {
			k.fail("Step decides otherwise on what was read from its records", m)
		}
	}
	k.keep(&d)
	k.x.Apply(d)
	if k.x.Head.Status != 0 && !k.asRecorded() {
		k.fail("what Apply made is not what the records make", m)
	}
	k.old = append(k.old, d.Closed...)
}

// asRecorded reports whether the execution is what its records make; of payloads it
// may have more in memory than it needs.
func (k *walk) asRecorded() bool {
	read := k.restore()
	for ref, text := range read.Payloads {
		if k.x.Payloads[ref].String() != text.String() {
			return false
		}
	}
	return bytes.Equal(parts(k.x), parts(read))
}

// decide is Step, with what it asks for lent.
func (k *walk) decide(x *machine.Execution, m machine.Message) machine.Delta {
	for {
		before := image(x)
		d := machine.Step(k.env, k.p, x, m)
		if !bytes.Equal(before, image(x)) {
			k.fail("Step changed what it was given", m)
		}
		if d.Recall.IsEmpty() {
			return d
		}
		numbers := d.Recall.Undos
		if d.Recall.All {
			numbers = slices.Sorted(maps.Keys(k.undos))
		}
		var rows []*machine.Undo
		for _, n := range numbers {
			row, err := machine.Decode[machine.Undo](k.undos[n])
			if err != nil {
				k.fail(fmt.Sprintf("row %d of the saga log: %v", n, err), m)
				return machine.Delta{}
			}
			rows = append(rows, row)
		}
		texts := map[machine.Ref]value.Text{}
		for _, ref := range d.Recall.Payloads {
			texts[ref] = k.texts[ref]
		}
		if x.Lend(rows, texts); d.Recall.All {
			x.LendLog(rows)
		}
	}
}

func (k *walk) fail(what string, m machine.Message) {
	k.w.failf("I5", store.ID{}, "%s: message %+v after event %d of %s", what, m, k.x.Head.LastEvent, k.x.Start.Machine)
}

// keep writes a delta's records.
func (k *walk) keep(d *machine.Delta) {
	if d.IsEmpty() {
		return
	}
	k.rows["head"] = machine.Append(nil, d.Head)
	for _, f := range d.Frames {
		k.rows[fmt.Sprint("frame ", f.ID)] = machine.Append(nil, f)
	}
	for _, id := range d.Dropped {
		delete(k.rows, fmt.Sprint("frame ", id))
	}
	for _, j := range d.Jobs {
		k.rows[fmt.Sprint("job ", j.ID)] = machine.Append(nil, j)
	}
	for _, id := range d.Closed {
		delete(k.rows, fmt.Sprint("job ", id))
	}
	for _, u := range d.Undos {
		k.undos[u.Number] = machine.Append(nil, u)
	}
	for i, text := range d.Payloads {
		k.texts[k.x.Head.LastPayload+machine.Ref(i)+1] = text
	}
	record := machine.Append(nil, &d.Events)
	events, err := machine.Decode[machine.Events](record)
	if err != nil || !bytes.Equal(record, machine.Append(nil, events)) {
		k.w.failf("I5", store.ID{}, "events are not what their record says: %v", err)
	}
}

// restore is the execution as its records have it.
func (k *walk) restore() *machine.Execution {
	start, err := machine.Decode[machine.Start](machine.Append(nil, &k.x.Start))
	head, bad := machine.Decode[machine.Head](k.rows["head"])
	if err != nil || bad != nil {
		k.w.failf("I5", store.ID{}, "a record can't be read: %v, %v", err, bad)
	}
	var frames []*machine.Frame
	var jobs []*machine.Job
	for name, row := range k.rows {
		switch name[0] {
		case 'f':
			f, err := machine.Decode[machine.Frame](row)
			frames, bad = append(frames, f), err
		case 'j':
			j, err := machine.Decode[machine.Job](row)
			jobs, bad = append(jobs, j), err
		}
		if bad != nil {
			k.w.failf("I5", store.ID{}, "%s can't be read: %v", name, bad)
		}
	}
	x := machine.Restore(*start, *head, frames, jobs)
	for _, ref := range x.Needs() {
		x.Payloads[ref] = k.texts[ref]
	}
	return x
}

// image is an execution as bytes.
func image(x *machine.Execution) []byte {
	b := parts(x)
	for _, ref := range slices.Sorted(maps.Keys(x.Payloads)) {
		b = append(fmt.Append(b, ref), x.Payloads[ref].String()...)
	}
	return b
}

// parts are all of an execution but its payloads, as bytes.
func parts(x *machine.Execution) []byte {
	b := machine.Append(machine.Append(nil, &x.Start), &x.Head)
	for _, id := range slices.Sorted(maps.Keys(x.Frames)) {
		b = machine.Append(b, x.Frames[id])
	}
	for _, id := range slices.Sorted(maps.Keys(x.Jobs)) {
		b = machine.Append(b, x.Jobs[id])
	}
	return b
}

// imageOf is a delta as bytes.
func imageOf(d *machine.Delta) []byte {
	if d.IsEmpty() {
		return nil
	}
	b := machine.Append(machine.Append(nil, d.Head), &d.Events)
	for _, f := range d.Frames {
		b = machine.Append(b, f)
	}
	for _, j := range d.Jobs {
		b = machine.Append(b, j)
	}
	for _, u := range d.Undos {
		b = machine.Append(b, u)
	}
	for _, text := range d.Payloads {
		b = append(b, text.String()...)
	}
	return fmt.Append(b, d.Dropped, d.Closed)
}
