package main

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// load is the clients. Each makes one call after the other: starts of orders,
// among them the same again and others under a used name, stops, and looks at
// what goes on. They go on while the server is away.
type load struct {
	journal *journal
	seed    uint64
	draw    func(*chance) (name, definition string) // of a state machine
	over    atomic.Bool
	clients sync.WaitGroup

	mu      sync.Mutex
	started []*call // acknowledged starts, the latest at the end
}

// recentMost is how far back the clients look for an order to do something
// with: most of these still run.
const recentMost = 150

func (l *load) run(clients int) {
	for n := range clients {
		l.clients.Go(func() {
			chance := newChance(l.seed, uint64(n)+100)
			for i := 0; !l.over.Load(); i++ {
				l.one(chance, fmt.Sprintf("order-%d-%d", n, i))
				chance.sleep(time.Millisecond, 12*time.Millisecond)
			}
		})
	}
}

// end lets the clients finish what they are at.
func (l *load) end() {
	l.over.Store(true)
	l.clients.Wait()
}

// one makes one call. name is for a new order.
func (l *load) one(chance *chance, name string) {
	is := chance.below(100)
	recent := l.recent(chance)
	switch {
	case is < 3:
		l.journal.createActivity("activity-" + name)
	case is < 4:
		_, definition := l.draw(chance)
		l.journal.createMachine("Machine-"+name, definition)
	case is < 62 || recent == nil:
		l.order(chance, name)
	case is < 66:
		l.journal.start(recent.Machine, recent.Name, recent.Input, recent)
	case is < 69:
		l.journal.start(recent.Machine, recent.Name, input(recent.Name, -1), recent)
	case is < 74:
		l.journal.stop(recent.Execution)
	case is < 87:
		l.journal.describe(recent.Execution)
	default:
		l.journal.history(recent.Execution, []int32{0, 7, 1000}[chance.below(3)])
	}
}

// order starts a new order. Where no answer comes the client may ask again, as
// a client should, or leave it at that.
func (l *load) order(chance *chance, name string) {
	machine, _ := l.draw(chance)
	in := input(name, 1+chance.below(100_000))
	for {
		c := l.journal.start(machine, name, in, nil)
		switch {
		case c.Outcome == acknowledged:
			l.remember(c)
			return
		case c.Outcome != lost || chance.percent(50):
			return
		}
		chance.sleep(10*time.Millisecond, 100*time.Millisecond)
	}
}

// sagaAmong draws a way of doing the steps, then a saga that does them so.
func sagaAmong(chance *chance) saga {
	way := ways[chance.below(len(ways))]
	return way[chance.below(len(way))]
}

// drawSaga draws a plain saga's machine, drawShopSaga one in the saga extension.
func drawSaga(chance *chance) (name, definition string) {
	s := sagaAmong(chance)
	return s.name, s.definition()
}

func drawShopSaga(chance *chance) (name, definition string) {
	all := startedSagas()
	name = all[chance.below(len(all))]
	return name, shopDefinition(name)
}

// input is the input of an order's saga.
func input(order string, amount int) string {
	return fmt.Sprintf(`{"order": %q, "amount": %d}`, order, amount)
}

func amountOf(input string) int64 {
	var r request
	if err := json.Unmarshal([]byte(input), &r); err != nil {
		panic(err)
	}
	return r.Amount
}

func (l *load) remember(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started = append(l.started, c)
}

// recent is a late acknowledged start; nil where there is none.
func (l *load) recent(chance *chance) *call {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.started) == 0 {
		return nil
	}
	return l.started[len(l.started)-1-chance.below(min(recentMost, len(l.started)))]
}
