package asl

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/value"
)

// mapping reads what a Map has of its own.
func (c *compiler) mapping(s *State, n *node) {
	s.Retry, s.Catch = c.retries(n), c.catchers(s, n)
	s.Map = &MapFields{
		MaxConcurrency:             c.quantity(s, n, "MaxConcurrency", bounds{0, math.MaxInt64, true}),
		ToleratedFailureCount:      c.quantity(s, n, "ToleratedFailureCount", bounds{0, math.MaxInt64, true}),
		ToleratedFailurePercentage: c.quantity(s, n, "ToleratedFailurePercentage", bounds{0, 100, false}),
	}
	c.items(s, n)
	c.label(s.Map, n)
	c.distributed(s, n)
	c.exactlyOne(n, "ItemProcessor", "Iterator")
	processor := n.get("ItemProcessor")
	if processor == nil {
		processor = n.get("Iterator")
	}
	if processor == nil || !c.object(processor) {
		return
	}
	c.supported(processor, processorFields)
	if config := processor.get("ProcessorConfig"); config != nil && c.object(config) {
		c.processorConfig(s.Map, config)
	}
	s.Map.Processor = c.flow(processor, &scope{
		flow:    &Flow{Owner: s},
		apart:   s.Map.Distributed,
		express: s.Map.Express,
	})
	if c.scope.saga != nil && s.Map.Distributed && !s.Map.Express {
		s.Step = &Step{Compensate: []*Body{{Resource: compensateExecution}}}
	}
}

// items reads what a Map goes through and what each item becomes.
func (c *compiler) items(s *State, n *node) {
	m := s.Map
	if s.Language == JSONata {
		if items := n.get("Items"); items != nil {
			m.Items = c.query(items)
		}
		if selector := n.get("ItemSelector"); selector != nil {
			m.ItemSelector = c.query(selector)
		}
		return
	}
	c.atMostOne(n, "ItemSelector", "Parameters")
	if items := n.get("ItemsPath"); items != nil && c.is(items, value.String) {
		m.ItemsPath = c.selection(items)
	}
	for _, name := range []string{"Parameters", "ItemSelector"} {
		if selector := n.get(name); selector != nil {
			m.ItemSelector = c.payload(selector)
		}
	}
}

// label reads a Label, which is part of the name of the map's runs.
func (c *compiler) label(m *MapFields, n *node) {
	l := n.get("Label")
	if l == nil {
		return
	}
	text, ok := c.string(l)
	switch {
	case !ok:
	case text == "" || utf8.RuneCountInString(text) > MaxLabelLength || strings.ContainsFunc(text, forbiddenInNames):
		c.refuse(InvalidLabelName, l, "Invalid label name: "+text)
	case c.labels[text]:
		c.refuse(DuplicateLabelName, l, "Duplicate label name: "+text)
	}
	c.labels[text] = true
	m.Label = text
}

// MaxLabelLength is how many characters a Label can have.
const MaxLabelLength = 40

// forbiddenInNames reports whether a character can't stand in the name of a
// resource.
func forbiddenInNames(r rune) bool {
	return r <= ' ' || r >= 0x7F && r <= 0x9F || strings.ContainsRune("<>{}[]?*\"#%\\^|~`$&,;:/", r)
}

// processorConfig reads how the processor runs.
func (c *compiler) processorConfig(m *MapFields, n *node) {
	c.supported(n, configFields)
	mode, run := n.get("Mode"), n.get("ExecutionType")
	if mode != nil {
		m.Distributed = c.choose(mode, "INLINE", "DISTRIBUTED") == "DISTRIBUTED"
	}
	if run != nil {
		m.Express = c.choose(run, "STANDARD", "EXPRESS") == "EXPRESS" && m.Distributed
	}
	switch {
	case !m.Distributed:
	case c.scope.express:
		c.schema(mode, "Express state machine does not support Map state of Mode 'DISTRIBUTED'")
	case !c.rules.Distributed:
		c.schema(mode, "Map state of Mode 'DISTRIBUTED' is not supported")
	default:
		c.required(n, "ExecutionType")
	}
}
