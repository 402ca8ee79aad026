package asl

import "github.com/backstep/backstep/internal/value"

// Position is where something begins in a definition's text.
type Position struct {
	Line   int // from 1
	Column int // in characters, from 1
}

// Positions tells where each state begins, by its name. Of states of one name,
// which [Check] refuses, the first counts.
func (d *Definition) Positions() map[string]Position {
	all := make(map[string]Position)
	d.root.positions(all)
	return all
}

// positions notes the states of a flow, and of the flows within them.
func (n *node) positions(all map[string]Position) {
	states := n.get("States")
	if states == nil || states.kind != value.Object {
		return
	}
	for _, s := range states.items {
		if _, known := all[s.name]; !known {
			all[s.name] = Position{int(s.line), int(s.column)}
		}
		s.positions(all) // of a Saga
		for _, name := range []string{"ItemProcessor", "Iterator"} {
			s.get(name).positions(all)
		}
		if branches := s.get("Branches"); branches != nil && branches.kind == value.Array {
			for _, b := range branches.items {
				b.positions(all)
			}
		}
	}
}

// Value is the definition as the JSON that it stands for, whatever it is written
// in.
func (d *Definition) Value() value.Value { return d.root.value() }
