package jsonata

import "math"

func count(c call) datum { return num(float64(c.arg(0).len())) }

func appendTo(c call) datum {
	a, b := c.arg(0), c.arg(1)
	switch {
	case a.absent():
		return b
	case b.absent():
		return a
	}
	return list(0, c.gatherAny(c.gatherAny(nil, a), b)...)
}

func reverse(c call) datum {
	d := c.arg(0)
	if d.absent() || d.len() <= 1 {
		return d
	}
	items := c.room(nil, d.len())
	for i := d.len() - 1; i >= 0; i-- {
		items = append(items, d.at(i))
	}
	return list(0, items...)
}

func shuffle(c call) datum {
	d := c.arg(0)
	if d.absent() || d.len() <= 1 {
		return d
	}
	items := c.room(nil, d.len())
	for i := range d.len() {
		j := int(c.fraction() * float64(i+1))
		items = append(items, datum{})
		items[i] = items[j]
		items[j] = d.at(i)
	}
	return list(0, items...)
}

// distinct keeps the first of each that are equal.
func distinct(c call) datum {
	d := c.arg(0)
	if !d.isArray() || d.len() <= 1 {
		return d
	}
	c.items(d.len())
	var kept []datum
	seen := make(map[uint64][]datum, d.len())
	for i := range d.len() {
		item := d.at(i)
		h := c.hash(item)
		if !c.among(seen[h], item) {
			seen[h] = append(seen[h], item)
			kept = c.push(kept, item)
		}
	}
	if d.has(sequence) {
		return list(sequence, kept...)
	}
	return list(0, kept...)
}

func (c call) among(items []datum, d datum) bool {
	for _, item := range items {
		if c.equal(item, d) {
			return true
		}
	}
	return false
}

// hash is the same for data that are equal.
func (c call) hash(d datum) uint64 {
	c.step(1)
	h := uint64(d.kind()) + 1
	switch d.kind() {
	case boolKind:
		if d.isTrue() {
			h += 0x100
		}
	case numberKind:
		h = mix(h, math.Float64bits(d.number()+0)) // no -0
	case stringKind:
		h = c.hashText(h, d.string())
	case arrayKind:
		for i := range d.len() {
			h = mix(h, c.hash(d.at(i)))
		}
	case objectKind:
		for i := range d.len() {
			h += mix(c.hashText(1, d.name(i)), c.hash(d.at(i))) // in any order
		}
	}
	return h
}

func (c call) hashText(h uint64, s string) uint64 {
	c.read(len(s))
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return h
}

func mix(a, b uint64) uint64 {
	h := (a ^ b) * 0x9e3779b97f4a7c15
	return h ^ h>>29
}

func zip(c call) datum {
	n := -1
	for _, d := range c.args {
		if n < 0 || d.len() < n {
			n = d.len()
		}
	}
	c.step(max(n, 0) * len(c.args))
	rows := c.room(nil, max(n, 0))
	for i := range n {
		cells := c.room(nil, len(c.args))
		for _, d := range c.args {
			cells = append(cells, d.at(i))
		}
		rows = append(rows, list(0, cells...))
	}
	return list(0, rows...)
}
