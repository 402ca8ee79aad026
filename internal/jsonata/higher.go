package jsonata

func mapItems(c call) datum {
	d, f := c.arg(0), c.arg(1)
	if d.absent() {
		return d
	}
	var found []datum
	for i := range d.len() {
		if r := c.callItem(f, d.at(i), num(float64(i)), d); !r.absent() {
			found = c.push(found, r)
		}
	}
	return list(sequence, found...)
}

func filterItems(c call) datum {
	d, f := c.arg(0), c.arg(1)
	if d.absent() {
		return d
	}
	var found []datum
	for i := range d.len() {
		if c.truth(c.callItem(f, d.at(i), num(float64(i)), d)) {
			found = c.push(found, d.at(i))
		}
	}
	return list(sequence, found...)
}

// singleItem is the one item for which the function is true.
func singleItem(c call) datum {
	d, f := c.arg(0), c.arg(1)
	if d.absent() {
		return d
	}
	var found datum
	matches := 0
	for i := range d.len() {
		c.step(1)
		if !f.absent() && !c.truth(c.callItem(f, d.at(i), num(float64(i)), d)) {
			continue
		}
		if matches++; matches > 1 {
			c.fail("D3138")
		}
		found = d.at(i)
	}
	if matches == 0 {
		c.fail("D3139")
	}
	return found
}

// reduce folds the items into one value, from left to right.
func reduce(c call) datum {
	d, f, result := c.arg(0), c.arg(1), c.arg(2)
	if d.absent() {
		return d
	}
	if f.function().arity < 2 {
		c.fail("D3050")
	}
	i := 0
	if result.absent() && d.len() > 0 {
		result, i = d.at(0), 1
	}
	for ; i < d.len(); i++ {
		result = c.callItem(f, result, d.at(i), num(float64(i)), d)
	}
	return result
}

// sift is the object of those members for which the function is true.
func sift(c call) datum {
	d, f := c.arg(0), c.arg(1)
	o := newObject(0)
	for i := range d.len() {
		if c.truth(c.callItem(f, d.at(i), str(d.name(i)), d)) {
			c.items(1)
			o.set(d.name(i), d.at(i))
		}
	}
	if len(o.items) == 0 {
		return datum{}
	}
	return from(o)
}

func each(c call) datum {
	d, f := c.arg(0), c.arg(1)
	var found []datum
	for i := range d.len() {
		if r := c.callItem(f, d.at(i), str(d.name(i)), d); !r.absent() {
			found = c.push(found, r)
		}
	}
	return list(sequence, found...)
}

// evalText compiles a string and evaluates it.
func evalText(c call) (result datum) {
	if c.arg(0).absent() {
		return datum{}
	}
	input := c.input
	if d := c.arg(1); !d.absent() {
		input = d
		if d.isArray() && !d.has(sequence) {
			input = list(sequence|outerWrapper, d)
		}
	}
	root := c.compile(c.text(0))
	defer c.recode("D3121")
	return c.eval(root, input, c.frame)
}

func (c call) compile(source string) *node {
	c.write(len(source) * bytesPerNode)
	defer c.recode("D3120")
	root := finishTree(parse(source), c.library)
	root.walk(func(n *node) {
		if n.pattern != nil {
			c.step(n.pattern.size)
		}
	})
	return root
}

// recode gives an error, but not that of a budget, another code.
func (c call) recode(code string) {
	switch r := recover().(type) {
	case nil:
	case *Error:
		if r.Code == codeSpent || r.Code == codeMemory {
			panic(r)
		}
		c.fail(code, r.Message)
	default:
		panic(r)
	}
}
