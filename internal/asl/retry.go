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
	var retriers []Retrier
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

// errorNames reads an ErrorEquals. States.ALL stands alone, and in the last
// entry of its list.
func (c *compiler) errorNames(n *node, last bool) []string {
	list := n.get("ErrorEquals")
	if list == nil {
		c.required(n, "ErrorEquals")
		return nil
	}
	var names []string
	for _, item := range c.list(list) {
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
	var catchers []Catcher
	for i, item := range list.items {
		if c.object(item) {
			catchers = append(catchers, c.catcher(s, item, i == len(list.items)-1))
		}
	}
	return catchers
}

func (c *compiler) catcher(s *State, n *node, last bool) Catcher {
	c.stateFields(s, n, kind{fields: catcherFields}, false)
	c.state.caught = true
	defer func() { c.state.caught = false }()
	k := Catcher{ErrorEquals: c.errorNames(n, last)}
	c.required(n, "Next")
	if next := n.get("Next"); next != nil {
		k.Next = c.target(next)
	}
	if s.Language == JSONPath {
		k.ResultPath = c.destination(n.get("ResultPath"))
	} else if o := n.get("Output"); o != nil {
		k.Output = c.query(o)
	}
	if a := n.get("Assign"); a != nil {
		k.Assign = c.assignment(s, a, true)
	}
	return k
}
