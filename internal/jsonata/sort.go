package jsonata

// sort puts the items, or tuples, in the order of a step's terms.
func (e *evaluation) sort(step *node, items datum, env *frame) datum {
	flags := sequence
	if items.has(tuples) {
		flags |= tuples
	}
	if items.len() < 2 {
		return list(flags, e.all(items)...)
	}
	in := func(d datum) (datum, *frame) {
		if d.kind() == tupleKind {
			return d.items[0], d.frame(env)
		}
		return d, env
	}
	sorted := e.mergeSort(e.all(items), func(a, b datum) bool {
		for _, t := range step.terms {
			context, inner := in(a)
			x := e.eval(t.expression, context, inner)
			context, inner = in(b)
			c := e.compareTerms(step, x, e.eval(t.expression, context, inner), t.descending)
			if c != 0 {
				return c > 0
			}
		}
		return false
	})
	if flags&tuples == 0 {
		flags = 0 // sorted, it stays a list
	}
	return list(flags, sorted...)
}

// compareTerms orders what two items have for a term; what has nothing comes
// last.
func (e *evaluation) compareTerms(step *node, a, b datum, descending bool) int {
	switch {
	case a.absent() && b.absent():
		return 0
	case a.absent():
		return 1
	case b.absent():
		return -1
	}
	if !(a.isNumber() || a.isString()) || !(b.isNumber() || b.isString()) {
		e.fail(step, "T2008")
	}
	if a.kind() != b.kind() {
		e.fail(step, "T2007", e.quote(a), e.quote(b))
	}
	c := e.order(a, b)
	if descending {
		return -c
	}
	return c
}

// mergeSort is the items in order: swap tells whether a must stand behind b.
func (e *evaluation) mergeSort(items []datum, swap func(a, b datum) bool) []datum {
	out := append(e.room(nil, len(items)), items...)
	spare := e.room(nil, len(items))[:len(items)]
	e.mergeInto(out, spare, swap)
	return out
}

func (e *evaluation) mergeInto(items, spare []datum, swap func(a, b datum) bool) {
	if len(items) < 2 {
		return
	}
	middle := len(items) / 2
	e.mergeInto(items[:middle], spare[:middle], swap)
	e.mergeInto(items[middle:], spare[middle:], swap)
	copy(spare, items)
	left, right := spare[:middle], spare[middle:]
	for i := range items {
		switch {
		case len(left) == 0:
			items[i], right = right[0], right[1:]
		case len(right) > 0:
			e.step(1)
			if swap(left[0], right[0]) {
				items[i], right = right[0], right[1:]
				continue
			}
			fallthrough
		default:
			items[i], left = left[0], left[1:]
		}
	}
}

func sortItems(c call) datum {
	d, f := c.arg(0), c.arg(1)
	if d.absent() || d.len() <= 1 {
		return d
	}
	if f.absent() {
		if !isNumbers(d) && !isStrings(d) {
			c.fail("D3070")
		}
		return list(0, c.mergeSort(c.all(d), func(a, b datum) bool { return c.order(a, b) > 0 })...)
	}
	return list(0, c.mergeSort(c.all(d), func(a, b datum) bool { return c.truth(c.apply(f, a, b)) })...)
}
