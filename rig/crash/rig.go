package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// config is what a run is told.
type config struct {
	backstep string        // the server's binary
	before   string        // an earlier one, where a cluster is upgraded; else ""
	dropfs   string        // the binary of the file system that the data folder is to lie on; "": a folder of dir
	dir      string        // data, books and log
	faults   []fault       // of the cycles, one after the other and again; none: drawn
	cycles   int           // faults that count
	clients  int           // callers at once
	seed     uint64        // of faults and loads
	saga     bool          // the sagas are those in the extension
	ready    time.Duration // how long a server may take until it takes starts
	settle   time.Duration // how long all may take to end after the last fault
	progress io.Writer

	site  *site         // where the cluster is; nil: one server, which is killed
	shape string        // of the cluster's trouble
	lasts time.Duration // how long it has it
	name  string        // of its database
}

// Floors and bounds of a run.
const (
	writesLeast = 50               // changes acknowledged in a cycle
	writesWait  = 30 * time.Second // for so many
)

// subject is what is under test: one server (lone), or several over one database
// (cluster).
type subject interface {
	clients() (load, checker *client.Client, err error) // of whoever asks for sagas, and of who checks them
	begin(context.Context) error                        // starts it for the first time
	suffer(context.Context) error                       // is harmed, until it was enough
	end(context.Context)                                // ends well; what goes otherwise is a fault of the run
	drop()                                              // ends without a word, after a run that failed
	logs() []string                                     // its files
	tell(io.Writer)                                     // prints what it went through
	judge(*tally)                                       // adds what makes the run invalid or wrong
}

// rig is one run: what is under test, and all that stays when it is harmed.
type rig struct {
	config       config
	chance       *chance
	subject      subject
	participants *participants
	shop         *shop     // in the place of the participants where the sagas are in the extension, else nil
	operator     *operator // likewise
	journal      *journal
	client       *client.Client
	reader       *client.Client // the checker's
	load         *load
	worked       sync.WaitGroup

	settled time.Duration
	running []string // executions that did not end

	mu     sync.Mutex
	faults []string // of the run itself
}

func newRig(c config) (*rig, error) {
	r := &rig{config: c, chance: newChance(c.seed, 1)}
	tokens := &completer{chance: newChance(c.seed, 2)}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, err
	}
	if _, err := os.Stat(r.journalFile()); err == nil {
		return nil, fmt.Errorf("%s has the books of another run: take another folder", c.dir)
	}
	var err error
	if r.participants, err = newParticipants(r.ledgerFile(), newChance(c.seed, 3), tokens); err != nil {
		return nil, err
	}
	if c.saga {
		if r.shop, err = newShop(r.ledgerFile(), newChance(c.seed, 4)); err != nil {
			return nil, err
		}
	}
	if err := r.place(); err != nil {
		return nil, err
	}
	if r.journal, err = openJournal(r.journalFile(), r.client); err != nil {
		return nil, err
	}
	tokens.journal = r.journal
	r.load = &load{journal: r.journal, seed: c.seed, draw: drawSaga}
	if c.saga {
		r.load.draw = drawShopSaga
		r.operator = &operator{journal: r.journal, shop: r.shop, chance: newChance(c.seed, 5), seen: map[string]bool{}}
	}
	return r, nil
}

// place makes what is under test, and clients of it.
func (r *rig) place() error {
	here := "127.0.0.1"
	if r.config.site != nil {
		here = r.config.site.here.Address
	}
	url, functions, err := r.listen(here)
	if err != nil {
		return err
	}
	if r.config.site != nil {
		r.subject, err = newCluster(r, url, functions)
	} else {
		r.subject, err = newLone(r, url, functions)
	}
	if err == nil {
		r.client, r.reader, err = r.subject.clients()
	}
	return err
}

// listen opens whom the sagas ask at an address of this host, and tells where and
// what for.
func (r *rig) listen(here string) (url string, functions []string, err error) {
	if r.shop != nil {
		url, err = r.shop.listen(here)
		return url, shopFunctions(), err
	}
	for _, o := range operations {
		functions = append(functions, o.name)
	}
	url, err = r.participants.listen(here)
	return url, functions, err
}

// machines are the names and definitions of the state machines under test.
func (r *rig) machines() [][2]string {
	var all [][2]string
	if r.config.saga {
		for _, name := range sagaNames() {
			all = append(all, [2]string{name, shopDefinition(name)})
		}
		return all
	}
	for _, way := range ways {
		for _, s := range way {
			all = append(all, [2]string{s.name, s.definition()})
		}
	}
	return all
}

// calls are how many of the sagas' calls are under way, and were made in all.
func (r *rig) calls() (flying, made int64) {
	if r.shop != nil {
		return r.shop.flying.Load(), r.shop.calls.Load()
	}
	return r.participants.flying.Load(), r.participants.calls.Load()
}

func (r *rig) ledgerFile() string  { return filepath.Join(r.config.dir, "ledger.jsonl") }
func (r *rig) journalFile() string { return filepath.Join(r.config.dir, "journal.jsonl") }

// run harms what is under test while it works, lets everything end, and leaves it up
// for the check.
func (r *rig) run(ctx context.Context) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	working, rest := context.WithCancel(ctx)
	defer rest()
	worker := (&bench{Client: r.client, journal: r.journal, tasks: map[string]request{}}).worker(r.participants)
	r.worked.Go(func() {
		if err := worker.Run(working); err != nil {
			r.fault("the worker gave up: %v", err)
		}
	})
	r.load.run(r.config.clients)
	if r.operator != nil {
		r.operator.run()
	}
	if err := r.subject.suffer(ctx); err != nil {
		return err
	}
	r.load.end()
	r.participants.calm.Store(true)
	if r.shop != nil {
		r.shop.calm.Store(true)
	}
	r.settle(ctx)
	if r.operator != nil {
		r.operator.end()
	}
	rest()
	r.worked.Wait()
	r.participants.tokens.end()
	return ctx.Err()
}

// open starts what is under test and creates what the load needs.
func (r *rig) open(ctx context.Context) error {
	if err := r.subject.begin(ctx); err != nil {
		return err
	}
	r.journal.createActivity(activityName)
	for _, m := range r.machines() {
		if err := r.journal.createMachine(m[0], m[1]); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until nothing runs any more.
func (r *rig) settle(ctx context.Context) {
	began := time.Now()
	for {
		running, err := r.stillRunning(ctx)
		r.running, r.settled = running, time.Since(began)
		switch {
		case err == nil && len(running) == 0 || ctx.Err() != nil:
			return
		case r.settled > r.config.settle && err != nil:
			r.fault("what runs can't be listed: %v", err)
			return
		case r.settled > r.config.settle:
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (r *rig) stillRunning(ctx context.Context) ([]string, error) {
	var running []string
	for _, m := range r.machines() {
		arn := machineArn(m[0])
		for e, err := range client.Executions(ctx, r.reader, api.ListExecutionsInput{
			StateMachineArn: &arn, StatusFilter: api.ExecutionStatusRunning, MaxResults: 1000,
		}) {
			if err != nil {
				return nil, err
			}
			running = append(running, e.ExecutionArn)
		}
	}
	if r.config.saga { // one that has ended may be being undone
		for _, status := range []api.SagaStatus{api.SagaStatusAborting, api.SagaStatusOnHold} {
			for s, err := range client.Sagas(ctx, r.reader, api.ListSagasInput{StatusFilter: status, MaxResults: 1000}) {
				if err != nil {
					return nil, err
				}
				running = append(running, s.ExecutionArn)
			}
		}
	}
	return running, nil
}

// close ends what is under test well, and whom the sagas ask.
func (r *rig) close(ctx context.Context) {
	r.subject.end(ctx)
	r.release()
}

// abandon ends all without a word, after a run that failed.
func (r *rig) abandon() {
	r.load.over.Store(true)
	if r.operator != nil {
		r.operator.over.Store(true)
	}
	r.participants.tokens.over.Store(true)
	r.subject.drop()
	r.release()
}

func (r *rig) release() {
	r.participants.close()
	if r.shop != nil {
		r.shop.close()
	}
	r.client.Close()
	r.reader.Close()
}

func (r *rig) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, strings.TrimSpace(fmt.Sprintf(format, args...)))
}
