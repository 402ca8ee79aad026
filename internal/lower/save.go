package lower

import (
	"fmt"

	"github.com/backstep/backstep/internal/asl"
	"github.com/backstep/backstep/internal/value"
)

// saving reports whether a state of the block takes a save point.
func (b *block) saving(s *asl.State) bool {
	return b.role == whole && s.Step != nil && s.Step.SavePoint && !b.after[s]
}

// savePoint writes how a save point is taken: an entry among what is owed, with
// what its state is entered with.
func (b *block) savePoint(s *asl.State) {
	entry := fmt.Sprintf("{'SavePoint': %s, 'Tries': 0, 'Input': $states.input, 'Variables': %s, 'Then': $%s}", quoted(s.Name), variables(b.names), b.owed)
	b.add(b.entry[s.Name], b.made(asl.Pass, "What goes wrong from here on is undone, and tried again from here.",
		"Assign", object(b.owed, query(entry)), "Next", b.back[s.Name]))
}

// backToSavePoint writes how a scope goes back to its last save point, which is on
// top of what is owed, and gives the rules for it. Where it does not, the save
// point is passed over.
func (b *block) backToSavePoint(dispatch string) []value.Value {
	top := "$" + b.owed
	is := "$exists(" + top + ".SavePoint)"
	over := b.name("Pass over a Save Point")
	pass := object(b.owed, query(top+".Then"))
	if len(b.saves) == 0 { // they were of a scope that has ended well
		b.add(over, b.made(asl.Pass, "", "Assign", pass, "Next", dispatch))
		return []value.Value{object("Condition", query(is), "Next", over)}
	}
	b.add(over, b.made(asl.Pass, "From here on all is undone.", "Assign", merged(pass, object(b.final, true)), "Next", dispatch))
	wait, again := b.name("Wait before Another Try"), b.name("Go On from the Save Point")
	b.add(wait, b.made(asl.Wait, "", "Seconds", query("$ceil($random() * $min([$power(2, "+top+".Tries), 300]))"), "Next", again))
	assign := value.NewBuilder(len(b.names) + 1)
	assign.Set(b.owed, value.NewString(query("$merge(["+top+", {'Tries': "+top+".Tries + 1}])")))
	for _, name := range b.names {
		was := top + ".Variables." + name
		assign.Set(name, value.NewString(query("$exists("+was+") ? "+was+" : $exists($"+name+") ? $"+name+" : null")))
	}
	b.add(again, b.made(asl.Pass, "", "Assign", assign.Object(), "Output", query(top+".Input"), "Next", b.whichSavePoint()))
	going := is + " and $" + b.final + " = false and " + fmt.Sprintf("%s.Tries < %d", top, b.scope.MaxForwardAttempts)
	if b.scopeContinues() {
		going += " and $" + b.failed + " = false"
	}
	return []value.Value{object("Condition", query(going), "Next", wait), object("Condition", query(is), "Next", over)}
}

// whichSavePoint is the state that is entered again.
func (b *block) whichSavePoint() string {
	if len(b.saves) == 1 {
		return b.back[b.saves[0].Name]
	}
	name := b.name("Which Save Point?")
	var rules []value.Value
	for _, s := range b.saves[1:] {
		rules = append(rules, object("Condition", query("$"+b.owed+".SavePoint = "+quoted(s.Name)), "Next", b.back[s.Name]))
	}
	b.add(name, b.made(asl.Choice, "", "Choices", list(rules...), "Default", b.back[b.saves[0].Name]))
	return name
}

// atOnce has a failure undo the whole scope, whatever save points there are.
func (b *block) atOnce(s *asl.State, assign value.Value) value.Value {
	if len(b.saves) > 0 {
		return merged(assign, object(b.final, true))
	}
	for at := b.outer; at != nil && at.role != plain; at = at.outer {
		if len(at.saves) > 0 {
			b.refuse(s, "a failure of its own can't be told from others by a scope around with save points; let it fail in that scope itself")
		}
	}
	return assign
}
