package asl

import "math"

// MaxDelay is the longest MaxDelaySeconds: 366 days.
const MaxDelay = 31_622_400

// retries reads a Retry.
func (c *compiler) retries(n *node) []Retrier {
	list := n.get("Retry")
	if list == nil || !c.array(list) {
		return nil
	}
	retriers := make([]Retrier, 0, len(list.items))
	for i, item := range list.items {
		if c.object(item) {
			retriers = append(retriers, c.retrier(item, i == len(list.items)-1))
		}
	}
	return retriers
}

func (c *compiler) retrier(n *node, last bool) Retrier {
	c.supported(n, retrierFields)
	r := Retrier{
		ErrorEquals:     c.errorNames(n, last),
		IntervalSeconds: c.orElse(n, "IntervalSeconds", 1, 1, MaxSeconds),
		MaxAttempts:     c.orElse(n, "MaxAttempts", 3, 0, MaxSeconds),
		MaxDelaySeconds: c.orElse(n, "MaxDelaySeconds", 0, 1, MaxDelay),
		BackoffRate:     2,
	}
	if b := n.get("BackoffRate"); b != nil {
		r.BackoffRate, _ = c.number(b, 1, math.MaxFloat64)
	}
	if j := n.get("JitterStrategy"); j != nil {
		r.FullJitter = c.choose(j, "FULL", "NONE") == "FULL"
	}
	return r
}

// orElse reads a whole number, or gives the default of an absent one.
func (c *compiler) orElse(n *node, name string, otherwise, least, most int64) int64 {
	if f := n.get(name); f != nil {
		otherwise, _ = c.integer(f, least, most)
	}
	return otherwise
}

// choose reads a string that must be one of those allowed.
func (c *compiler) choose(n *node, allowed ...string) string {
	text, ok := c.string(n)
	if !ok {
		return ""
	}
	for _, a := range allowed {
		if text == a {
			return text
		}
	}
	c.oneOf(n, allowed...)
	return ""
}

// errorNames reads an ErrorEquals. States.ALL stands alone, and in the last
// entry of its list.
func (c *compiler) errorNames(n *node, last bool) []string {
	list := n.get("ErrorEquals")
	if list == nil {
		c.required(n, []string{"ErrorEquals"})
		return nil
	}
	if !c.array(list) {
		return nil
	}
	if len(list.items) == 0 {
		c.schema(list, "Value cannot be empty")
	}
	names := make([]string, 0, len(list.items))
	for _, item := range list.items {
		name, _ := c.string(item)
		names = append(names, name)
		if name == "States.ALL" && (!last || len(list.items) > 1) {
			c.schema(list, "'States.ALL' must stand alone and in the last entry")
		}
	}
	return names
}

// catchers reads a Catch.
func (c *compiler) catchers(s *State, n *node) []Catcher {
	list := n.get("Catch")
	if list == nil || !c.array(list) {
		return nil
	}
	catchers := make([]Catcher, 0, len(list.items))
	for i, item := range list.items {
		if c.object(item) {
			catchers = append(catchers, c.catcher(s, item, i, i == len(list.items)-1))
		}
	}
	return catchers
}

func (c *compiler) catcher(s *State, n *node, index int, last bool) Catcher {
	c.stateFields(s, n, kind{fields: catcherFields}, false)
	location := "Catch[" + itoa(index) + "]/"
	k := Catcher{ErrorEquals: c.errorNames(n, last)}
	if next := n.get("Next"); next != nil {
		k.Next = c.target(next)
	} else {
		c.required(n, []string{"Next"})
	}
	if s.Language == JSONPath {
		k.ResultPath = c.destination(n.get("ResultPath"))
	} else if o := n.get("Output"); o != nil {
		k.Output = c.query(o, location+"Output")
	}
	if a := n.get("Assign"); a != nil {
		k.Assign = c.assignment(s, a, location+"Assign")
	}
	return k
}
