package sim

import (
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/value"
)

// standing is how a task stood before somebody tried to complete it.
type standing struct {
	visit
	open  bool
	moves int
	early bool // its submission was not noted yet
}

func (w *world) before(tk *task) standing {
	s := standing{visit: w.visits(), open: w.isOpen(tk)}
	if l := w.book.lives[tk.id]; l != nil {
		s.moves = l.moves
	}
	if j := w.job(tk); j != nil {
		s.early = j.Kind == machine.Call && !j.Submitted
	}
	return s
}

// accepted checks a completion that was taken (I4, I1): the attempt was open,
// is no longer, nothing was taken for it before, and history has it.
func (w *world) accepted(tk *task, s standing, output value.Text, failure *machine.Failure) {
	l := w.book.lives[tk.id]
	switch {
	case !s.open:
		w.fail("I4", tk.id, "a completion of "+tk.state+" is taken, and that attempt was over")
		return
	case tk.accepted:
		w.fail("I4", tk.id, "a second completion of "+tk.state+" is taken")
		return
	case w.job(tk) != nil || l.moves == s.moves && !l.isAnswered(tk.job):
		w.fail("I1", tk.id, "a completion of "+tk.state+" is acknowledged, and is not durable")
		return
	}
	tk.accepted = true
	if s.early {
		w.saw(tokenEarly)
	}
	if failure == nil && output.Len() > 0 && !s.torn() && !l.isAnswered(tk.job) && !w.keeps(output) {
		w.fail("I1", tk.id, "a completion of "+tk.state+" is acknowledged, and its output is not kept")
	}
}

// keeps reports whether the last commit kept that text.
func (w *world) keeps(text value.Text) bool {
	return w.book.texts[hashOf([]byte(text.String()))]
}

// lateTold reports whether the last that history tells is an answer that came too
// late.
func (l *life) lateTold() bool {
	n := len(l.events)
	return n > 0 && l.events[n-1].kind == machine.LateTaskResult
}

// refusedCompletion checks a completion that was refused (I4): it changed
// nothing, and was not due.
func (w *world) refusedCompletion(tk *task, s standing, err error) {
	l := w.book.lives[tk.id]
	if l != nil && l.moves == s.moves+1 && !tk.told && l.lateTold() {
		tk.told = true
		w.saw(lateAnswer)
	} else if l != nil && l.moves != s.moves && !s.torn() {
		w.failf("I4", tk.id, "a completion of %s is refused (%v), and changed something", tk.state, err)
		return
	}
	if w.isOpen(tk) {
		w.failf("I4", tk.id, "a completion of %s is refused although it is open: %v", tk.state, err)
		return
	}
	switch {
	case tk.accepted:
		w.saw(doubleRefused)
	case l != nil && l.head.Status.Ended():
		w.saw(lateRefused)
	default:
		w.saw(oldRefused)
	}
}
