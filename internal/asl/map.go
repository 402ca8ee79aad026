package asl

// mapping reads what a Map has of its own.
func (c *compiler) mapping(s *State, n *node) {
	s.Retry, s.Catch = c.retries(n), c.catchers(s, n)
	s.Map = &MapFields{MaxConcurrency: c.quantity(s, n, "MaxConcurrency", bounds{0, MaxSeconds, true})}
	c.items(s, n)
	processor := c.processor(n)
	if processor == nil || !c.object(processor) {
		return
	}
	c.supported(processor, processorFields)
	if config := processor.get("ProcessorConfig"); config != nil && c.object(config) {
		c.processorConfig(s.Map, config)
	}
	c.distributed(s, n)
	s.Map.Processor = c.flow(processor, s, 0, s.Map.Distributed)
}

// items reads what a Map goes through and what each item becomes.
func (c *compiler) items(s *State, n *node) {
	m := s.Map
	c.atMostOne(n, "ItemSelector", "Parameters")
	if s.Language == JSONata {
		if items := n.get("Items"); items != nil {
			m.Items = c.query(items, "Items")
		}
		if selector := n.get("ItemSelector"); selector != nil {
			m.ItemSelector = c.query(selector, "ItemSelector")
		}
		return
	}
	if p := n.get("ItemsPath"); p != nil {
		m.ItemsPath = c.selection(p)
	}
	for _, name := range []string{"Parameters", "ItemSelector"} {
		if selector := n.get(name); selector != nil {
			m.ItemSelector = c.payload(selector)
		}
	}
}

// processor is the flow that each item goes through.
func (c *compiler) processor(n *node) *node {
	c.atMostOne(n, "ItemProcessor", "Iterator")
	if p := n.get("ItemProcessor"); p != nil {
		return p
	}
	if p := n.get("Iterator"); p != nil {
		return p
	}
	c.required(n, []string{"ItemProcessor"})
	return nil
}

func (c *compiler) processorConfig(m *MapFields, n *node) {
	c.supported(n, configFields)
	if mode := n.get("Mode"); mode != nil {
		m.Distributed = c.choose(mode, "INLINE", "DISTRIBUTED") == "DISTRIBUTED"
	}
	if t := n.get("ExecutionType"); t != nil {
		m.Express = c.choose(t, "STANDARD", "EXPRESS") == "EXPRESS"
	} else if m.Distributed {
		c.required(n, []string{"ExecutionType"})
	}
}

// distributed reads the fields of a distributed Map.
func (c *compiler) distributed(s *State, n *node) {
	s.Map.ToleratedFailureCount = c.quantity(s, n, "ToleratedFailureCount", bounds{0, 1 << 53, true})
	s.Map.ToleratedFailurePercentage = c.quantity(s, n, "ToleratedFailurePercentage", bounds{0, 100, false})
}
