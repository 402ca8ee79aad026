package machine

import (
	"encoding/binary"
	"math"
)

// append adds what a start has beyond others to its record.
func (m *MapStart) append(b []byte) []byte {
	b = appendText(b, m.State)
	b = appendFlag(b, m.Item != nil)
	if it := m.Item; it != nil {
		b = binary.AppendUvarint(b, uint64(it.Index))
		b = binary.AppendUvarint(b, uint64(it.Count))
		b = append(b, 0, 0, 0) // the item's key and value, and whether it is a batch: children once saw them
	}
	return b
}

func (r *reader) mapStart() *MapStart {
	m := &MapStart{State: r.text()}
	if r.flag() {
		m.Item = &itemStart{Index: r.number(), Count: r.number()}
		_, _, _ = r.maybe(), r.text(), r.flag()
	}
	return m
}

// append adds where a map run stands to its head's record.
func (u *Run) append(b []byte) []byte {
	for _, n := range [...]int64{int64(u.MaxConcurrency), u.ToleratedCount, int64(math.Float64bits(u.ToleratedPercentage))} {
		b = binary.AppendVarint(b, n)
	}
	for _, n := range u.numbers() {
		b = binary.AppendUvarint(b, uint64(*n))
	}
	b = appendText(b, u.Cursor)
	b = appendFlag(b, u.Over)
	b = appendFlag(b, u.Failing)
	for _, n := range u.redriveNumbers() {
		b = binary.AppendUvarint(b, uint64(*n))
	}
	return b
}

// numbers are the counts of the run, in the order of its record.
func (u *Run) numbers() []*int {
	all := []*int{&u.Read, &u.Begun, &u.Taken, &u.Children, &u.Bytes, &u.Writes}
	for _, c := range []*counts{&u.Items, &u.Executions} {
		all = append(all, &c.Running, &c.Succeeded, &c.Failed, &c.TimedOut, &c.Aborted, &c.Written)
	}
	return all
}

// redriveNumbers are the counts that redrives need, in the order of the record.
func (u *Run) redriveNumbers() []*int {
	return []*int{&u.Lost, &u.Again, &u.Until, &u.Items.Pending, &u.Items.Permanent, &u.Executions.Pending, &u.Executions.Permanent}
}

// run reads where a map run stands from a head of that format.
func (r *reader) run(format uint64) *Run {
	u := &Run{MaxConcurrency: int(r.int64()), ToleratedCount: r.int64(), ToleratedPercentage: math.Float64frombits(uint64(r.int64()))}
	if math.IsNaN(u.ToleratedPercentage) {
		r.fail()
	}
	for _, n := range u.numbers() {
		*n = r.number()
	}
	u.Cursor = r.text()
	u.Over = r.flag()
	u.Failing = r.flag()
	if format > plainHead {
		for _, n := range u.redriveNumbers() {
			*n = r.number()
		}
	}
	return u
}

// appendLost adds lost children to a frame's record.
func appendLost(b []byte, all []lost) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, l := range all {
		for _, n := range [...]uint32{l.Entry, l.Attempt, uint32(l.Request), l.Items, uint32(l.As)} {
			b = binary.AppendUvarint(b, uint64(n))
		}
	}
	return b
}

func (r *reader) lost() (all []lost) {
	for range r.length() {
		all = append(all, lost{Entry: r.uint32(), Attempt: r.uint32(), Request: Ref(r.uint32()), Items: r.uint32(), As: Status(r.upTo(uint8(Aborted)))})
	}
	return all
}
