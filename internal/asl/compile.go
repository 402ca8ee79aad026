package asl

import (
	"strings"
	"unicode/utf8"

	"github.com/backstep/backstep/internal/value"
)

// Bounds of a definition. MaxBytes is the service's quota; the others keep
// hostile definitions from costing more than their size.
const (
	MaxBytes       = 1 << 20 // of a definition's text
	MaxNesting     = 32      // Parallels, Maps and choice rules within one another
	MaxNameLength  = 80      // characters of a state's name
	MaxDiagnostics = 1000    // kept of one definition
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
	diagnostics []Diagnostic
}

// scope is a flow being compiled: the names that its transitions may use.
type scope struct {
	flow   *Flow
	states map[string]*State
	nodes  []*node // of flow.States
	outer  *scope
	depth  int
	apart  bool // the processor of a distributed Map, which sees no outer variables
}

// Compile makes the Program of a definition. It refuses what [Check] refuses;
// the error is a *[Refusal].
func Compile(d *Definition, rules Rules) (*Program, error) {
	c := compile(d, rules)
	for _, problem := range c.diagnostics {
		if problem.Severity == Error {
			return nil, &Refusal{c.diagnostics}
		}
	}
	return c.program, nil
}

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
		c.refuse(SchemaValidationFailed, d.root, "The definition is longer than "+itoa(limit)+" bytes")
		return c
	}
	c.machine(d.root)
	return c
}

// refuse notes an error at a node.
func (c *compiler) refuse(code Code, n *node, message string) {
	c.note(refusal(code, message, n))
}

func (c *compiler) note(d *Diagnostic) {
	if len(c.diagnostics) < MaxDiagnostics {
		c.diagnostics = append(c.diagnostics, *d)
	}
}

// schema notes a SCHEMA_VALIDATION_FAILED.
func (c *compiler) schema(n *node, message string) { c.refuse(SchemaValidationFailed, n, message) }

// warn notes a warning at a node.
func (c *compiler) warn(code Code, n *node, message string) {
	d := refusal(code, message, n)
	d.Severity = Warning
	c.note(d)
}

// machine compiles the definition's root.
func (c *compiler) machine(root *node) {
	c.supported(root, machineFields)
	c.program.Comment = c.comment(root)
	c.language, _ = c.queryLanguage(root, JSONPath)
	if version := root.get("Version"); version != nil && version.text() != "1.0" {
		c.oneOf(version, "1.0")
	}
	if n := root.get("TimeoutSeconds"); n != nil {
		c.program.TimeoutSeconds, _ = c.integer(n, 1, MaxSeconds)
	}
	c.program.Flow = c.flow(root, nil, 0, false)
	c.checkVariables()
}

// flow compiles a StartAt with its States.
func (c *compiler) flow(n *node, owner *State, index int, apart bool) *Flow {
	f := &Flow{Owner: owner, Index: index}
	states, start := n.get("States"), n.get("StartAt")
	var missing []string
	if states == nil {
		missing = append(missing, "States")
	}
	if start == nil {
		missing = append(missing, "StartAt")
	}
	c.required(n, missing)
	s := &scope{flow: f, states: make(map[string]*State), outer: c.scope, apart: apart}
	if c.scope != nil {
		s.depth = c.scope.depth + 1
	}
	if s.depth > MaxNesting {
		c.refuse(TooDeeplyNested, n, "The states are nested too deeply")
		return f
	}
	c.scope = s
	defer func() { c.scope = s.outer }()
	if states != nil && c.object(states) {
		c.declare(states)
		for i, state := range f.States {
			c.state(state, s.nodes[i])
		}
	}
	if start != nil {
		f.Start = c.target(start)
	}
	if states != nil && start != nil {
		c.checkFlow(n)
	}
	return f
}

// declare makes the states of a flow known by their names, before any of them
// is compiled.
func (c *compiler) declare(states *node) {
	if len(states.items) == 0 {
		c.schema(states, "Value cannot be empty")
	}
	s := c.scope
	s.flow.States = make([]*State, 0, len(states.items))
	for _, n := range states.items {
		state := &State{Name: n.name, Flow: s.flow, Place: n.place()}
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
		c.refuse(InvalidStateName, n, "The state name exceeds "+itoa(MaxNameLength)+" characters: "+n.name)
	}
}

// state compiles one state: what all have, then what its type has.
func (c *compiler) state(s *State, n *node) {
	if !c.object(n) {
		return
	}
	t := n.get("Type")
	if t == nil {
		c.required(n, []string{"Type"})
		return
	}
	s.Type = Type(t.text())
	k, ok := kindOf(s.Type)
	if !ok {
		c.schema(t, "The field 'Type' should have one of these values: ["+typeNames+"]")
		return
	}
	var downgraded bool
	s.Language, downgraded = c.queryLanguage(n, c.language)
	if downgraded {
		c.schema(n, "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine")
	}
	c.stateFields(s, n, k, downgraded)
	s.Comment = c.comment(n)
	c.transition(s, n, k)
	c.inputOutput(s, n)
	if a := n.get("Assign"); a != nil && k.has("Assign") {
		s.Assign = c.assignment(s, a, "Assign")
	}
	k.build(c, s, n)
}

// transition reads Next and End.
func (c *compiler) transition(s *State, n *node, k kind) {
	if !k.has("Next") {
		return
	}
	next, end := n.get("Next"), n.get("End")
	ends := false
	if end != nil {
		ends, _ = c.boolean(end)
	}
	switch {
	case next != nil && ends:
		c.atMostOne(n, "Next", "End")
	case next == nil && !ends:
		c.schema(n, "One of these fields is required: [Next, End]")
	}
	if next != nil {
		s.Next = c.target(next)
	}
}

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
			s.Output = c.query(o, "Output")
		}
		if a := n.get("Arguments"); a != nil {
			s.Parameters = c.query(a, "Arguments")
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

// queryLanguage is the language that an object declares, or else inherits.
// Downgraded is true for JSONPath in a machine of JSONata.
func (c *compiler) queryLanguage(n *node, inherited Language) (l Language, downgraded bool) {
	declared := n.get("QueryLanguage")
	if declared == nil {
		return inherited, false
	}
	name, ok := c.string(declared)
	if !ok {
		return inherited, false
	}
	if name != "JSONPath" && name != "JSONata" {
		c.oneOf(declared, "JSONPath", "JSONata")
	}
	if strings.EqualFold(name, "JSONata") {
		return JSONata, false
	}
	return JSONPath, inherited == JSONata && strings.EqualFold(name, "JSONPath")
}

func (c *compiler) comment(n *node) string {
	if comment := n.get("Comment"); comment != nil && comment.kind != value.Null {
		text, _ := c.string(comment)
		return text
	}
	return ""
}
