package asl

import (
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/value"
)

// Bounds of a definition. MaxBytes is the service's quota; the others keep
// hostile definitions from costing more than their size.
const (
	MaxBytes       = 1 << 20 // of a definition's text
	MaxNesting     = 32      // Parallels, Maps and choice rules within one another
	MaxNameLength  = 80      // characters of a state's name
	MaxDiagnostics = 100     // errors that are told of one definition, and as many warnings

	MaxSearchAttributes = 10
	MaxAttributeName    = 64  // characters of a search attribute's name
	MaxAttributeValue   = 256 // characters of the text by which an execution is found
)

// compiler makes a Program of a Definition and notes what is wrong with it.
// What it understood is kept even where the rest is refused, so that one pass
// tells everything.
type compiler struct {
	rules       Rules
	program     *Program
	language    Language // of the machine
	scope       *scope   // of the flow being compiled
	labels      map[string]bool
	assigned    []assigned
	state       *inside // the state being compiled
	diagnostics []Diagnostic
	errors      int
	warnings    int
}

// inside is a state being compiled.
type inside struct {
	node   *node
	reads  map[string]bool // the variables that its expressions name
	caught bool            // in one of its catchers
}

// scope is a flow being compiled: the names that its transitions may use.
type scope struct {
	flow    *Flow
	states  map[string]*State
	nodes   []*node // of flow.States
	outer   *scope
	depth   int
	apart   bool // the processor of a distributed Map, which sees no outer variables
	express bool // runs in an Express execution

	saga    *SagaFields // the innermost scope that its states stand in, or nil
	beneath bool        // a Parallel or Map of that saga is around it
	child   bool        // it is done by children of a distributed Map of that saga
	saves   bool        // a state of it has a SavePoint
}

// Compile makes the Program of a definition. It refuses what [Check] refuses;
// the error is a *[Refusal].
func Compile(d *Definition, rules Rules) (*Program, error) {
	c := compile(d, rules)
	if c.errors > 0 {
		return nil, &Refusal{c.diagnostics}
	}
	return c.program, nil
}

// Outline is what is understood of the definition, be it valid or not, for who only
// looks at it. Of what was refused anything may be missing: a Next, a type's own
// fields, a whole flow, and names may come twice. It can't be run.
func (d *Definition) Outline(rules Rules) *Program { return compile(d, rules).program }

func compile(d *Definition, rules Rules) *compiler {
	c := &compiler{
		rules:   rules,
		program: &Program{States: make(map[string]*State)},
		labels:  make(map[string]bool),
	}
	limit := rules.MaxBytes
	if limit == 0 {
		limit = MaxBytes
	}
	if len(d.Text) > limit {
		c.refuse(SchemaValidationFailed, d.root, "The definition is longer than "+strconv.Itoa(limit)+" bytes")
		return c
	}
	c.machine(d.root)
	return c
}

// refuse notes an error at a node.
func (c *compiler) refuse(code Code, n *node, message string) {
	if c.errors++; c.errors <= MaxDiagnostics {
		c.diagnostics = append(c.diagnostics, *refusal(code, message, n))
	}
}

// schema notes a SCHEMA_VALIDATION_FAILED.
func (c *compiler) schema(n *node, message string) { c.refuse(SchemaValidationFailed, n, message) }

// warn notes a warning at a node.
func (c *compiler) warn(code Code, n *node, message string) {
	if c.warnings++; c.warnings <= MaxDiagnostics {
		d := refusal(code, message, n)
		d.Severity = Warning
		c.diagnostics = append(c.diagnostics, *d)
	}
}

// machine compiles the definition's root.
func (c *compiler) machine(root *node) {
	c.supported(root, machineFields)
	if n := root.get("Saga"); n != nil && c.rules.Strict {
		c.schema(root, "Field 'Saga' is not supported")
	}
	c.program.Comment = c.comment(root)
	c.language = languageOf(root, JSONPath)
	c.checkLanguage(root)
	c.searchAttributes(root)
	if version := root.get("Version"); version != nil {
		c.choose(version, "1.0")
	}
	if n := root.get("TimeoutSeconds"); n != nil {
		c.program.TimeoutSeconds, _ = c.integer(n, 1, MaxSeconds)
	}
	s := &scope{flow: &Flow{}, express: c.rules.Express}
	if c.program.Saga = c.machineSaga(root); c.program.Saga != nil {
		c.sagaFlow(c.program.Saga, root, s)
	} else {
		c.flow(root, s)
	}
	c.program.Flow = s.flow
	c.checkVariables()
}

// flow compiles a StartAt with its States in a scope of its own.
func (c *compiler) flow(n *node, s *scope) *Flow {
	if s.outer = c.scope; s.outer != nil {
		s.depth = s.outer.depth + 1
		s.express = s.express || s.outer.express
		c.inherit(s)
	}
	if s.depth > MaxNesting {
		c.refuse(TooDeeplyNested, n, "The states are nested too deeply")
		return s.flow
	}
	c.scope = s
	defer func() { c.scope = s.outer }()
	states, start := n.get("States"), n.get("StartAt")
	c.required(n, "States", "StartAt")
	if states == nil || !c.object(states) {
		return s.flow
	}
	c.declare(states)
	for i, state := range s.flow.States {
		c.compileState(state, s.nodes[i])
	}
	if start != nil {
		s.flow.Start = c.target(start)
		c.checkFlow(n, start)
	}
	return s.flow
}

// inherit lets a flow know of the saga that it is part of. The children of a
// distributed Map are sagas of their own.
func (c *compiler) inherit(s *scope) {
	around := s.outer
	if around.saga == nil {
		return
	}
	owner := s.flow.Owner
	s.child = around.child || s.apart
	s.beneath = around.beneath || owner.Type == Parallel || owner.Type == Map
	switch {
	case s.express:
	case s.apart:
		s.saga = &SagaFields{Flow: s.flow, Recovery: Backward, MaxForwardAttempts: 1, Continue: around.saga.Continue}
	case s.saga == nil:
		s.saga = around.saga
	}
}

// declare makes the states of a flow known by their names, before any of them
// is compiled.
func (c *compiler) declare(states *node) {
	if len(states.items) == 0 {
		c.schema(states, "Value cannot be empty")
	}
	s := c.scope
	s.states = make(map[string]*State, len(states.items))
	s.flow.States = make([]*State, 0, len(states.items))
	for _, n := range states.items {
		state := &State{Name: n.name, Flow: s.flow, Scope: s.saga, Place: n.place()}
		c.name(n)
		if c.program.States[n.name] != nil {
			c.refuse(DuplicateStateName, n, "Duplicate State name: "+n.name)
		} else {
			c.program.States[n.name] = state
		}
		s.states[n.name] = state
		s.flow.States = append(s.flow.States, state)
		s.nodes = append(s.nodes, n)
		c.program.Order = append(c.program.Order, state)
	}
}

func (c *compiler) name(n *node) {
	switch {
	case n.name == "":
		c.refuse(InvalidStateName, n, "The state name can not be empty")
	case utf8.RuneCountInString(n.name) > MaxNameLength:
		c.refuse(InvalidStateName, n, "The state name exceeds "+strconv.Itoa(MaxNameLength)+" characters: "+n.name)
	}
}

// compileState compiles one state: what all have, then what its type has.
func (c *compiler) compileState(s *State, n *node) {
	if !c.object(n) {
		return
	}
	t := n.get("Type")
	if t == nil {
		c.required(n, "Type")
		return
	}
	s.Type = Type(t.text())
	k, ok := kindOf(s.Type)
	if !ok || s.Type == Saga && c.rules.Strict {
		c.schema(t, "The field 'Type' should have one of these values: ["+allTypes+"]")
		return
	}
	defer func(outer *inside) { c.state = outer }(c.state)
	c.state = &inside{node: n, reads: make(map[string]bool)}
	s.Language = languageOf(n, c.language)
	mixed := s.Language == JSONPath && c.language == JSONata
	if mixed {
		c.schema(n, "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine")
	}
	c.stateFields(s, n, k, mixed)
	c.checkLanguage(n)
	s.Comment = c.comment(n)
	c.transition(s, n, k)
	c.inputOutput(s, n)
	if a := n.get("Assign"); a != nil && k.has("Assign") {
		s.Assign = c.assignment(s, a, false)
	}
	k.build(c, s, n)
	s.Reads = slices.Sorted(maps.Keys(c.state.reads))
}

// transition reads Next and End.
func (c *compiler) transition(s *State, n *node, k kind) {
	if !k.has("Next") {
		return
	}
	next, end := n.get("Next"), n.get("End")
	if end != nil {
		c.is(end, value.Bool)
	}
	if next == nil && !isTrue(end) {
		c.schema(n, "One of these fields is required: [Next, End]")
	}
	if isTrue(end) {
		c.atMostOne(n, "Next", "End")
	}
	if next != nil {
		s.Next = c.target(next)
	}
}

// isTrue reports whether a node, which may be nil, is true.
func isTrue(n *node) bool { return n != nil && n.scalar.AsBool() }

// target is the state that a transition names, in the flow at hand.
func (c *compiler) target(n *node) *State {
	name, ok := c.string(n)
	if !ok {
		return nil
	}
	s := c.scope.states[name]
	if s == nil {
		c.refuse(MissingTransitionTarget, n, "Missing 'Next' target: "+name)
	}
	return s
}

// inputOutput reads the fields that carry data through a state, those of its
// language alone.
func (c *compiler) inputOutput(s *State, n *node) {
	if s.Language == JSONata {
		if o := n.get("Output"); o != nil {
			s.Output = c.query(o)
		}
		if a := n.get("Arguments"); a != nil {
			s.Parameters = c.query(a)
		}
		return
	}
	s.InputPath = c.selection(n.get("InputPath"))
	s.OutputPath = c.selection(n.get("OutputPath"))
	s.ResultPath = c.destination(n.get("ResultPath"))
	if p := n.get("Parameters"); p != nil && s.Type != Map {
		s.Parameters = c.payload(p)
	}
	if r := n.get("ResultSelector"); r != nil {
		s.ResultSelector = c.payload(r)
	}
}

// languageOf is the language that an object declares, or else inherits. What
// is not exactly JSONPath counts as JSONata; so does AWS take it.
func languageOf(n *node, inherited Language) Language {
	declared := n.get("QueryLanguage")
	switch {
	case declared == nil:
		return inherited
	case declared.text() == "JSONPath":
		return JSONPath
	}
	return JSONata
}

func (c *compiler) checkLanguage(n *node) {
	if declared := n.get("QueryLanguage"); declared != nil {
		c.choose(declared, "JSONPath", "JSONata")
	}
}

func (c *compiler) comment(n *node) string {
	if comment := n.get("Comment"); comment != nil && comment.kind != value.Null {
		text, _ := c.string(comment)
		return text
	}
	return ""
}
