package jsonata

// group makes an object: of each pair, for each item of the input, a member
// whose value is computed over all the items of the same name.
func (e *evaluation) group(n *node, input datum, env *frame) datum {
	items := input
	if !input.isArray() {
		items = list(sequence, input)
	} else if input.len() == 0 {
		items = list(sequence, datum{})
	}
	if items.len() == 1 && !input.has(tuples) {
		return e.object(n, items.at(0), env)
	}
	groups := &grouping{at: map[string]int{}}
	for i := range items.len() {
		item := items.at(i)
		context, inner := item, env
		if item.kind() == tupleKind {
			context, inner = item.items[0], item.frame(env)
		}
		for p, pair := range n.pairs {
			if name, ok := e.key(n, pair[0], context, inner); ok {
				e.gatherGroup(n, groups, name, p, item)
			}
		}
	}
	return e.members(n, groups, input.has(tuples), env)
}

// members computes the value of each group.
func (e *evaluation) members(n *node, groups *grouping, streaming bool, env *frame) datum {
	result := newObject(len(groups.list))
	for _, g := range groups.list {
		context, inner := g.context(), env
		if streaming && context.kind() == arrayKind {
			context = e.merged(context.items)
		}
		if context.kind() == tupleKind {
			inner, context = context.frame(env), context.items[0]
		}
		if d := e.eval(n.pairs[g.pair][1], context, inner); !d.absent() {
			e.items(1)
			result.set(g.name, d)
		}
	}
	return from(result)
}

// object makes an object of one item: no group has more than it.
func (e *evaluation) object(n *node, item datum, env *frame) datum {
	e.items(len(n.pairs))
	names := newObject(len(n.pairs)) // each name, and which pair gives its value
	for i, pair := range n.pairs {
		name, ok := e.key(n, pair[0], item, env)
		if !ok {
			continue
		}
		if _, again := names.find(name); again {
			e.fail(n, "D1009", name)
		}
		names.set(name, num(float64(i)))
	}
	result := newObject(len(names.items))
	for i, pair := range names.items {
		if d := e.eval(n.pairs[int(pair.number())][1], item, env); !d.absent() {
			result.set(names.named.names[i], d)
		}
	}
	return from(result)
}

// key evaluates the name of a member; ok is false where there is none.
func (e *evaluation) key(n, name *node, context datum, env *frame) (key string, ok bool) {
	d := e.eval(name, context, env)
	if !d.absent() && !d.isString() {
		e.fail(n, "T1003", e.quote(d))
	}
	return d.string(), !d.absent()
}

// grouping is the items of each name, in the order in which the names came.
type grouping struct {
	at   map[string]int
	list []groupOf
}

type groupOf struct {
	name  string
	pair  int   // which of the pairs named it
	alone datum // its first item, as long as it is the only one
	items []datum
}

// context is what the value of a group is computed over.
func (g *groupOf) context() datum {
	if g.items == nil {
		return g.alone
	}
	return list(0, g.items...)
}

func (e *evaluation) gatherGroup(n *node, groups *grouping, name string, pair int, item datum) {
	i, ok := groups.at[name]
	if !ok {
		e.items(4)
		groups.at[name] = len(groups.list)
		groups.list = append(groups.list, groupOf{name: name, pair: pair, alone: item})
		return
	}
	g := &groups.list[i]
	if g.pair != pair {
		e.fail(n, "D1009", name)
	}
	if g.items == nil {
		g.items = e.gatherAny(nil, g.alone)
	}
	g.items = e.gatherAny(g.items, item)
}

// gatherAny adds d, or its items where it is an array; nothing where it is
// undefined.
func (e *evaluation) gatherAny(items []datum, d datum) []datum {
	switch {
	case d.absent():
		return items
	case d.isArray():
		return e.pushAll(items, d)
	}
	return e.push(items, d)
}
