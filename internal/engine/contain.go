package engine

import (
	"fmt"
	"runtime/debug"

	"github.com/backstep/backstep/internal/store"
)

// contain, deferred, keeps a panic in what is done for an execution from ending the
// process, and so from ending it again after each restart: that execution is
// quarantined with the panic as its reason, all others go on. What the runtime itself
// ends a process for (a map written by two at once, a stack or a heap that is
// exhausted) nobody can recover from; depth, steps and bytes are bounded where
// programs and texts are read, so that no input comes to that.
func (e *Engine) contain(id store.ID) {
	if p := recover(); p != nil {
		e.poisoned(id, &brokenError{what: fmt.Sprint(p), stack: debug.Stack()})
	}
}

// poisoned quarantines an execution that broke what is done for it.
func (e *Engine) poisoned(id store.ID, broken *brokenError) {
	defer func() {
		if p := recover(); p != nil {
			e.cfg.Log.Error("an execution that breaks what is done for it can't be quarantined", "execution", id, "reason", p, "stack", string(debug.Stack()))
		}
	}()
	e.cfg.Log.Error("what is done for an execution panicked", "execution", id, "reason", broken.what, "stack", string(broken.stack))
	s := e.shardOf(id)
	if s == nil {
		return
	}
	r := s.hold(id)
	defer s.release(r)
	if err := e.awaken(s, r); err != nil {
		e.cfg.Log.Error("it can't be quarantined now", "execution", id, "error", err)
		return
	}
	_ = e.quarantine(s, r, broken) // which tells
}
