package main

import (
	"fmt"
	"strings"
	"sync"
)

// barrier is what the shop's services remember of the calls that they got: one
// effect for each key, an undo of what was never done, and no effect after its
// undo. It is package participant's rule, kept in the rig's own memory, and it
// notes what no server may ask.
type barrier struct {
	mu      sync.Mutex
	effects map[string]*effect // by forward key
	wrong   []string
}

// effect is the account of one step.
type effect struct {
	answer    answer // to the last forward call; "": none came yet. A no may be a yes another day
	done      bool   // it was done, and counted
	times     int    // how often, which must be once
	undone    bool   // it was taken back, or can't be done any more
	undoneBy  string // the key that did so, without a person's edition
	byHand    bool   // a person did it, or took it back
	confirmed bool
	execution string
	state     string
}

func newBarrier() *barrier { return &barrier{effects: map[string]*effect{}} }

// of is the account of a forward key.
func (b *barrier) of(key string) *effect {
	e := b.effects[key]
	if e == nil {
		e = &effect{}
		b.effects[key] = e
	}
	return e
}

// decide answers a call. Declines and closed are what chance has drawn: the
// service would say no to an order, or to an undo.
func (b *barrier) decide(e entry, declines, closed bool) (a answer, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e.Asked {
	case "compensate":
		return b.undo(b.of(e.Forward), e, closed)
	case "confirm":
		of := b.of(e.Forward)
		if !of.done || of.undone {
			b.say("%s is confirmed, and is not done", e.Forward)
		}
		first, of.confirmed = !of.confirmed, true
		return done, first
	case "query":
		of := b.of(e.Forward)
		if of.done && !of.undone {
			return done, false
		}
		of.undone = true // who was told that it did not happen relies on that
		return nothing, false
	}
	return b.forward(b.of(e.Key), e, declines)
}

func (b *barrier) forward(of *effect, e entry, declines bool) (answer, bool) {
	of.execution, of.state = e.Execution, e.State
	switch {
	case of.answer == done || of.answer == refused:
		return of.answer, false
	case of.undone:
		of.answer = refused
	case of.done: // a person did it
		of.answer = done
	case declines:
		of.answer = declined
	default:
		of.answer, of.done = done, true
		of.times++
	}
	return of.answer, true
}

func (b *barrier) undo(of *effect, e entry, closed bool) (answer, bool) {
	key, _, _ := strings.Cut(e.Key, "~")
	switch {
	case of.confirmed:
		b.say("%s is undone after it was confirmed", e.Forward)
	case of.undoneBy != "" && of.undoneBy != key && !of.byHand:
		b.say("%s is undone by %s, and by %s before", e.Forward, key, of.undoneBy)
	case of.undoneBy != "":
		return done, false
	case closed:
		return shut, false
	}
	first := of.done && !of.undone
	of.undone, of.undoneBy = true, key
	if first {
		return done, true
	}
	return nothing, false
}

func (b *barrier) say(format string, args ...any) {
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

// settle is a person's work: what a step did is taken back by other means, or it
// can't be done any more.
func (b *barrier) settle(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.of(key)
	of.undone, of.byHand = true, true
}

// fulfil is a person's work, too: the step is done by other means, unless that is
// too late. It tells whether it is done.
func (b *barrier) fulfil(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.of(key)
	if of.undone {
		return false
	}
	if !of.done {
		of.done, of.byHand = true, true
	}
	return true
}

// stands reports whether a step's effect is there.
func (e *effect) stands() bool { return e.done && !e.undone }
