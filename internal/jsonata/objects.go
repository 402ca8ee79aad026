package jsonata

func exists(c call) datum { return boolean(!c.arg(0).absent()) }

func toBoolean(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	return boolean(c.arg(0).kind() != functionKind && c.truth(c.arg(0)))
}

func not(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	return boolean(c.arg(0).kind() == functionKind || !c.truth(c.arg(0)))
}

// typeNames is what $type calls the kinds.
var typeNames = [...]string{
	nullKind: "null", boolKind: "boolean", numberKind: "number", stringKind: "string", arrayKind: "array",
	objectKind: "object", functionKind: "function",
}

func typeOf(c call) datum {
	if c.arg(0).absent() {
		return datum{}
	}
	return str(typeNames[c.arg(0).kind()])
}

// raise is $error: it fails with what its caller says.
func raise(c call) datum {
	message := "$error() function evaluated"
	if d := c.arg(0); !d.absent() {
		message = d.string()
	}
	c.fail("D3137", message)
	return datum{}
}

func assert(c call) datum {
	if !c.truth(c.arg(0)) {
		message := "$assert() statement failed"
		if d := c.arg(1); !d.absent() {
			message = d.string()
		}
		c.fail("D3141", message)
	}
	return datum{}
}

// keys is the names of an object's members, or those of all objects of an
// array, each once.
func keys(c call) datum {
	names := newObject(0)
	c.keysOf(c.arg(0), names)
	found := c.room(nil, len(names.items))
	for _, name := range names.named.names {
		found = append(found, str(name))
	}
	return list(sequence, found...)
}

func (c call) keysOf(d datum, names *made) {
	switch d.kind() {
	case arrayKind:
		c.step(d.len())
		for i := range d.len() {
			c.keysOf(d.at(i), names)
		}
	case objectKind:
		c.items(d.len())
		for i := range d.len() {
			names.set(d.name(i), null())
		}
	}
}

func lookupName(c call) datum {
	if c.arg(1).absent() {
		return datum{}
	}
	return c.lookup(c.arg(0), c.text(1))
}

// spread is an object of one member for each member; of an array, an array.
func spread(c call) datum {
	switch d := c.arg(0); d.is {
	case objectKind:
		return list(sequence, c.spreadTo(nil, d)...)
	case arrayKind:
		if d.len() == 0 {
			return datum{}
		}
		return list(0, c.spreadTo(nil, d)...)
	default:
		return d
	}
}

func (c call) spreadTo(found []datum, d datum) []datum {
	switch d.kind() {
	case arrayKind:
		c.step(d.len())
		for i := range d.len() {
			found = c.spreadTo(found, d.at(i))
		}
	case objectKind:
		for i := range d.len() {
			c.items(1)
			o := newObject(1)
			o.set(d.name(i), d.at(i))
			found = c.push(found, from(o))
		}
	default:
		found = c.gatherAny(found, d)
	}
	return found
}

// merge is one object of the members of many, the last of a name counting.
func merge(c call) datum {
	d := c.arg(0)
	if d.absent() {
		return d
	}
	o := newObject(0)
	for i := range d.len() {
		item := d.at(i)
		c.items(item.len())
		for j := range item.len() {
			o.set(item.name(j), item.at(j))
		}
	}
	return from(o)
}

func cloneOf(c call) datum { return c.clone(c.arg(0)) }

// clone is a copy of d that shares nothing with it that can be changed.
func (e *evaluation) clone(d datum) datum {
	switch d.kind() {
	case arrayKind:
		items := e.room(nil, d.len())
		for i := range d.len() {
			items = append(items, e.clone(d.at(i)))
		}
		return list(0, items...)
	case objectKind:
		e.items(d.len())
		o := newObject(d.len())
		for i := range d.len() {
			o.set(d.name(i), e.clone(d.at(i)))
		}
		return from(o)
	case functionKind:
		return str("")
	}
	return d
}

// transform makes the function |pattern|update,delete|: a copy of its argument
// in which all that the pattern finds is changed.
func (e *evaluation) transform(n *node, env *frame) datum {
	e.take(4 * bytesPerNode)
	f := &function{arity: 1, signature: transformSignature}
	f.call = func(c call) datum {
		d := c.arg(0)
		if d.absent() {
			return d
		}
		d = c.clone(d)
		for _, found := range c.itemsOf(c.eval(n.left, d, env)) {
			c.change(n, found, env)
		}
		return d
	}
	return f.datum()
}

var transformSignature = parseSignature("(oa):o", 0)

// itemsOf is the items of an array, or d itself as the only one.
func (e *evaluation) itemsOf(d datum) []datum {
	switch {
	case d.absent():
		return nil
	case d.isArray():
		return e.all(d)
	}
	return []datum{d}
}

// change updates one object that a transform's pattern found. What is no
// object of the copy stays as it is.
func (e *evaluation) change(n *node, found datum, env *frame) {
	object := found.made != nil && found.kind() == objectKind
	update := e.eval(n.list[0], found, env)
	if !update.absent() {
		if update.kind() != objectKind {
			e.fail(n.list[0], "T2011", e.quote(update))
		}
		for i := range update.len() {
			if object {
				e.items(1)
				found.set(update.name(i), update.at(i))
			}
		}
	}
	if len(n.list) < 2 {
		return
	}
	for _, name := range e.itemsOf(e.deletions(n, found, env)) {
		if object {
			e.step(found.len())
			found.drop(name.string())
		}
	}
}

func (e *evaluation) deletions(n *node, found datum, env *frame) datum {
	d := e.eval(n.list[1], found, env)
	if !d.absent() && !d.isString() && !isStrings(d) {
		e.fail(n.list[1], "T2012", e.quote(d))
	}
	return d
}
