package lambda

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/backstep/backstep/internal/integration"
)

// fleet runs one hosted program: as many processes as there is work for, up to
// its concurrency. A process takes one invocation at a time; invocations wait
// for one in the order in which they came.
type fleet struct {
	name    string
	program Function
	region  string
	account string
	strict  bool
	log     *slog.Logger

	mu        sync.Mutex
	processes map[*process]bool // alive; true once it has asked for work
	booting   int               // those that have not asked for work yet
	idle      []*process        // waiting for work, the one used last at the end
	waiting   []*turn           // work waiting for a process
	failures  int               // starts that failed since one went well
	retryAt   time.Time         // no start before
	retry     *time.Timer       // that looks again then
	closed    bool
	calm      chan struct{}  // closed when closed and no invocation is left
	running   sync.WaitGroup // the goroutines of processes
}

// turn is an invocation on its way through the fleet. Its fields but result
// belong to the fleet's lock.
type turn struct {
	in       *invocation
	deadline time.Time // of the caller, zero for none
	process  *process  // that has it, nil while it waits
	result   chan *outcome
}

// Waits of a fleet.
const (
	backoffFirst = 100 * time.Millisecond // after a start that failed, doubling
	backoffMost  = 10 * time.Second
	idleMost     = 5 * time.Minute // a process without work is ended
	bootMost     = 30 * time.Second
	termGrace    = 2 * time.Second // from SIGTERM to SIGKILL
)

func newFleet(name string, f Function, c Config) *fleet {
	if f.Concurrency == 0 {
		f.Concurrency = DefaultProcesses
	}
	if f.Timeout == 0 {
		f.Timeout = defaultTimeout
	}
	return &fleet{
		name: name, program: f, region: c.Region, account: c.Account, strict: c.StrictAWS,
		log:       c.Logger.With("function", name),
		processes: make(map[*process]bool),
		calm:      make(chan struct{}),
	}
}

// invoke waits for a process and for its answer. When ctx ends first, a process
// that has the invocation is killed: nothing of it goes on unseen.
func (f *fleet) invoke(ctx context.Context, in *invocation) (*outcome, error) {
	if in.kind == "DryRun" {
		return &outcome{status: 204}, nil
	}
	t := &turn{in: in, result: make(chan *outcome, 1)}
	t.deadline, _ = ctx.Deadline()
	to, open := f.enter(t)
	if !open {
		return nil, fmt.Errorf("the program is being stopped: %w", context.Canceled)
	}
	to.hand(t)
	select {
	case out := <-t.result:
		return f.answer(out, in)
	case <-ctx.Done():
		if out := f.abandon(t); out != nil {
			return f.answer(out, in)
		}
		return nil, ctx.Err()
	}
}

// answer makes an outcome of an invocation what the invoker's caller gets. An
// asynchronous invocation is accepted, whatever its function answered: it has
// been run to its end all the same, so that none accepted is ever lost.
func (f *fleet) answer(out *outcome, in *invocation) (*outcome, error) {
	if out == nil {
		return nil, context.Canceled
	}
	if out.unsent != nil {
		return nil, out.unsent
	}
	if in.kind == "Event" {
		if out.failed {
			f.log.Warn("asynchronous invocation failed", "request", in.id, "error", out.payload)
		}
		return &outcome{status: 202}, nil
	}
	return out, nil
}

// enter lets a turn in, while the fleet is open. It answers with the line on
// which the turn is to be handed over, nil where no process is idle: then the
// turn waits for one.
func (f *fleet) enter(t *turn) (to *line, open bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, false
	}
	if to = f.assign(t); to == nil {
		f.waiting = append(f.waiting, t)
		f.grow()
	}
	return to, true
}

// assign gives a turn to the idle process that was used last, and answers with
// the line on which it asks; nil where none is idle.
func (f *fleet) assign(t *turn) *line {
	n := len(f.idle)
	if n == 0 {
		return nil
	}
	p := f.idle[n-1]
	f.idle = f.idle[:n-1]
	to := p.asks
	p.asks = nil
	p.rest.Stop()
	f.give(p, t)
	return to
}

// give makes a turn a process's own. It has yet to hear of it.
func (f *fleet) give(p *process, t *turn) {
	t.process, p.turn, p.told = p, t, false
}

// grow starts processes while there is work without one, unless the last start
// failed a moment ago.
func (f *fleet) grow() {
	if f.booting >= len(f.waiting) || len(f.processes) >= f.program.Concurrency {
		return
	}
	if wait := time.Until(f.retryAt); wait > 0 {
		if f.retry == nil {
			f.retry = time.AfterFunc(wait, f.regrow)
		}
		return
	}
	for f.booting < len(f.waiting) && len(f.processes) < f.program.Concurrency {
		p := newProcess(f)
		f.processes[p] = false
		f.booting++
		f.running.Go(p.run)
	}
}

func (f *fleet) regrow() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.retry = nil
	f.grow()
}

// ready takes a process that asks for work on a line. It answers with the turn
// that waits longest, nil for none: then the process is idle. It reports false
// where the process may not ask.
func (f *fleet) ready(p *process, on *line) (t *turn, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	began, alive := f.processes[p]
	if p.asks != nil || p.turn != nil || !alive {
		return nil, false
	}
	if !began {
		f.processes[p] = true
		f.booting--
		f.failures, f.retryAt = 0, time.Time{}
		p.boot.Stop()
	}
	if len(f.waiting) > 0 {
		t := f.waiting[0]
		f.waiting = f.waiting[1:]
		f.give(p, t)
		return t, true
	}
	p.asks = on
	f.idle = append(f.idle, p)
	p.rest.Reset(idleMost)
	return nil, true
}

// leaves notes that a process asks no more on a line. It reports whether it
// did.
func (f *fleet) leaves(p *process, on *line) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.asks != on {
		return false
	}
	f.retire(p)
	return true
}

// retire makes an idle process one that does not ask.
func (f *fleet) retire(p *process) {
	p.asks = nil
	p.rest.Stop()
	f.idle = slices.DeleteFunc(f.idle, func(i *process) bool { return i == p })
}

// told notes that a process has been told of its turn. Where it ended
// meanwhile, it may have heard of it.
func (f *fleet) told(p *process, t *turn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.turn != t {
		return
	}
	p.told = true
	if p.exit != nil {
		f.lost(p)
	}
}

// untold takes a turn back from a process that could not be told of it, and
// answers with the line of another that gets it; nil where it waits again,
// before all others, or nobody waits for it any more.
func (f *fleet) untold(p *process, t *turn) *line {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.turn != t {
		return nil
	}
	p.limit.Stop()
	t.process, p.turn = nil, nil
	if f.closed {
		t.result <- nil
		f.settled()
		return nil
	}
	to := f.assign(t)
	if to == nil {
		f.waiting = slices.Insert(f.waiting, 0, t)
		f.grow()
	}
	return to
}

// clock starts the clock of the turn that a process is about to get, and
// answers when it runs out. It reports false where nobody waits for the turn
// any more.
func (f *fleet) clock(p *process, t *turn) (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.turn != t {
		return time.Time{}, false
	}
	p.due = time.Now().Add(f.program.Timeout)
	p.limit.Reset(f.program.Timeout)
	if !t.deadline.IsZero() && t.deadline.Before(p.due) {
		return t.deadline, true
	}
	return p.due, true
}

// overdue ends the turn of a process that takes too long, and the process.
func (f *fleet) overdue(p *process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.turn == nil || time.Now().Before(p.due) {
		return
	}
	message := "Error: Task timed out after " + seconds(f.program.Timeout) + " seconds"
	f.finish(p, platformError(p.turn.in, "Sandbox.Timedout", message))
	p.signal(syscall.SIGKILL)
}

// rested ends a process that had no work for a while.
func (f *fleet) rested(p *process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.asks != nil {
		f.retire(p)
		p.terminate()
	}
}

// settle answers the turn of that request that a process has. It reports false
// where the process has no such turn.
func (f *fleet) settle(p *process, id string, out *outcome) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := p.turn
	if t == nil || t.in.id != id {
		return false
	}
	f.finish(p, out)
	return true
}

// finish takes the turn from a process and answers it.
func (f *fleet) finish(p *process, out *outcome) {
	t := p.turn
	p.turn = nil
	p.limit.Stop()
	if t.in.logTail {
		out.logs = p.output.tailOf()
	}
	t.result <- out
	f.settled()
}

// settled tells who closes the fleet that nothing is left to wait for.
func (f *fleet) settled() {
	if !f.closed || len(f.waiting) > 0 {
		return
	}
	for p := range f.processes {
		if p.turn != nil {
			return
		}
	}
	select {
	case <-f.calm:
	default:
		close(f.calm)
	}
}

// abandon takes back a turn whose caller waits no more, and kills the process
// that has it. The outcome is one that came at the last moment, nil for none.
func (f *fleet) abandon(t *turn) *outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case out := <-t.result:
		return out
	default:
	}
	if p := t.process; p != nil {
		p.turn = nil
		p.limit.Stop()
		p.signal(syscall.SIGKILL)
	}
	f.waiting = slices.DeleteFunc(f.waiting, func(w *turn) bool { return w == t })
	f.settled()
	return nil
}

// gone takes leave of a process that has ended. The turn that it was told of
// fails; where it never asked for work, so does one that waits.
func (f *fleet) gone(p *process, end exit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	began := f.processes[p]
	delete(f.processes, p)
	f.retire(p)
	p.exit = &end
	if p.turn != nil && p.told {
		f.lost(p)
	}
	if !began {
		f.booting--
		f.failures++
		f.log.Warn("the program does not start", "error", end.String(), "failures", f.failures)
		f.retryAt = time.Now().Add(min(backoffFirst<<min(f.failures-1, 10), backoffMost))
		f.fail(end)
	}
	f.settled()
	f.grow()
}

// lost fails the turn of a process that has ended.
func (f *fleet) lost(p *process) {
	out := p.exit.failure(p.turn.in)
	f.log.Warn("the program ended within an invocation", "request", p.turn.in.id, "error", out.payload)
	f.finish(p, out)
}

// fail answers turns that wait with the failure of a start: none where another
// process works, the one that waits longest where others are starting, else all
// of them. None of them was sent.
func (f *fleet) fail(end exit) {
	n := len(f.waiting)
	switch {
	case len(f.processes) > f.booting:
		n = 0
	case f.booting > 0:
		n = min(n, 1)
	}
	for _, t := range f.waiting[:n] {
		failed := end.failure(t.in).functionError()
		failed.Effect = integration.EffectNone
		t.result <- &outcome{unsent: failed}
	}
	f.waiting = f.waiting[n:]
}

// close waits until the invocations under way have ended, or ctx has; then it
// ends all processes.
func (f *fleet) close(ctx context.Context) {
	f.mu.Lock()
	f.closed = true
	f.settled()
	f.mu.Unlock()
	select {
	case <-f.calm:
	case <-ctx.Done():
	}
	f.mu.Lock()
	for _, t := range f.waiting {
		t.result <- nil
	}
	f.waiting = nil
	if f.retry != nil {
		f.retry.Stop()
	}
	for p := range f.processes {
		p.terminate()
	}
	f.mu.Unlock()
	f.running.Wait()
}
