package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// config is what a run is told.
type config struct {
	backstep string        // the server's binary
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

// rig is one run: the server that is killed, and all that stays.
type rig struct {
	config       config
	chance       *chance
	server       *server  // nil: there is a cluster
	disk         *disk    // that the data folder lies on; nil: the machine's own
	cluster      *cluster // nil: there is a server
	participants *participants
	shop         *shop     // in the place of the participants where the sagas are in the extension, else nil
	operator     *operator // likewise
	journal      *journal
	client       *client.Client
	reader       *client.Client // the checker's
	load         *load
	worked       sync.WaitGroup

	counted, uncounted int
	done               map[fault]int
	disks              diskTally
	killed, recovering int
	asked              int // kills during a recovery while a request waited
	leastWrites        int64
	recoveries         []time.Duration // of those that were let come up
	settled            time.Duration
	zombies            int64    // writes of theirs that were refused
	running            []string // executions that did not end

	mu     sync.Mutex
	faults []string // of the run itself
}

func newRig(c config) (*rig, error) {
	r := &rig{config: c, chance: newChance(c.seed, 1), leastWrites: -1, done: map[fault]int{}}
	tokens := &completer{chance: newChance(c.seed, 2)}
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

// place makes what is under test, and a client of it.
func (r *rig) place() error {
	here := "127.0.0.1"
	if r.config.site != nil {
		here = r.config.site.here.Address
	}
	url, functions, err := r.listen(here)
	if err != nil {
		return err
	}
	to := client.Config{Region: region, Attempts: 1}
	if r.config.site != nil {
		c := r.config
		r.cluster, err = newCluster(context.Background(), c.site, c.backstep, c.dir, c.name, url, functions, newChance(c.seed, 6))
		if err != nil {
			return err
		}
		to.Endpoint, to.Credentials = r.cluster.url, credentials()
		if r.reader, err = client.New(client.Config{Region: region, Endpoint: to.Endpoint, Credentials: to.Credentials}); err != nil {
			return err
		}
		if c.shape == "restart" {
			to.Attempts = 3 // as AWS's clients make by themselves: they hide a restart
		}
	} else {
		if err := r.placeServer(url, functions); err != nil {
			return err
		}
		to.Endpoint = r.server.endpoint()
	}
	if r.client, err = client.New(to); r.reader == nil {
		r.reader = r.client
	}
	return err
}

// placeServer makes the server, and the disk that its data lie on.
func (r *rig) placeServer(participants string, functions []string) (err error) {
	c := r.config
	home := c.dir
	if c.dropfs != "" {
		home = filepath.Join(c.dir, "disk")
		if r.disk, err = mountDisk(c.dropfs, home); err != nil {
			return err
		}
	}
	r.server, err = newServer(c.backstep, c.dir, filepath.Join(home, "data"), participants, functions)
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

// run kills the server again and again under load, lets everything end, and
// leaves the server up for the check.
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
	if err := r.trouble(ctx); err != nil {
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
	if r.cluster != nil {
		refused, err := r.cluster.site.pair.Errors(fenced)
		if err != nil {
			return err
		}
		r.zombies = refused - r.cluster.refused
	}
	return ctx.Err()
}

// trouble is what is under test goes through, until it was enough.
func (r *rig) trouble(ctx context.Context) error {
	if r.cluster != nil {
		return r.cluster.storm(ctx, r.config.shape, r.config.lasts, r.chance)
	}
	for r.counted < r.config.cycles && ctx.Err() == nil {
		if err := r.cycle(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// begin starts what is under test for the first time.
func (r *rig) begin(ctx context.Context) error {
	if r.cluster != nil {
		return r.cluster.start(ctx)
	}
	if err := r.server.spawn(); err != nil {
		return fmt.Errorf("%w: build it first: make build", err)
	}
	_, err := r.server.awaitReady(ctx)
	return err
}

// open starts what is under test and creates what the load needs.
func (r *rig) open(ctx context.Context) error {
	if err := r.begin(ctx); err != nil {
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

// cycle is one fault under load and the way back. It counts when at the moment at
// which the server ends a request of the API and a call of a task are under way.
func (r *rig) cycle(ctx context.Context) error {
	r.journal.cycle.Store(int64(r.counted))
	before := r.journal.written.Load()
	r.chance.sleep(50*time.Millisecond, 500*time.Millisecond)
	if err := r.awaitWrites(ctx, before+writesLeast); err != nil {
		return err
	}
	what := r.drawFault()
	if err := r.do(ctx, what); err != nil {
		return err
	}
	underway, err := r.finish(what)
	if err != nil {
		return err
	}
	r.done[what]++
	if what == dropped || what == unsync {
		if err := r.lose(); err != nil {
			return err
		}
	}
	writes := r.journal.written.Load() - before
	if underway {
		r.counted++
		if r.leastWrites < 0 || writes < r.leastWrites {
			r.leastWrites = writes
		}
	} else {
		r.uncounted++
	}
	if r.counted%10 == 0 {
		_, made := r.calls()
		fmt.Fprintf(r.config.progress, "%d cycles, %d changes acknowledged, %d task calls\n", r.counted, r.journal.written.Load(), made)
	}
	return r.restart(ctx, what == dropped)
}

// finish ends the server after a fault, and reports whether a request of the API and
// a call of a task were under way. A server that has ended by itself is an error,
// unless the fault is one that ends it.
func (r *rig) finish(what fault) (underway bool, err error) {
	if !r.server.alive() && slices.Contains(mayEnd, what) {
		return true, nil
	}
	requests := r.journal.flying.Load()
	calls, _ := r.calls()
	return requests > 0 && calls > 0, r.kill()
}

func (r *rig) kill() error {
	if err := r.server.kill(); err != nil {
		return err
	}
	r.killed++
	return nil
}

// awaitWrites lets the load work until so many changes are acknowledged.
func (r *rig) awaitWrites(ctx context.Context, least int64) error {
	for began := time.Now(); r.journal.written.Load() < least; time.Sleep(5 * time.Millisecond) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !r.server.alive():
			return r.server.ended()
		case time.Since(began) > writesWait:
			return fmt.Errorf("only %d of %d changes acknowledged within %s", r.journal.written.Load(), least, writesWait)
		}
	}
	return nil
}

// restart brings the server back on the same data folder. One in four is killed
// on its way, as soon as a request waits for it, and started again; where power was
// lost, it is lost again.
func (r *rig) restart(ctx context.Context, lost bool) error {
	if err := r.server.spawn(); err != nil {
		return err
	}
	if r.chance.percent(25) {
		r.chance.sleep(0, r.fastestRecovery())
		for r.journal.flying.Load() == 0 && time.Since(r.server.spawned) < r.fastestRecovery() {
			time.Sleep(100 * time.Microsecond)
		}
		if r.journal.flying.Load() > 0 {
			r.asked++
		}
		if err := r.kill(); err != nil {
			return err
		}
		r.recovering++
		if lost {
			if err := r.lose(); err != nil {
				return err
			}
		}
		if err := r.server.spawn(); err != nil {
			return err
		}
	}
	took, err := r.server.awaitReady(ctx)
	if err != nil {
		return err
	}
	r.recoveries = append(r.recoveries, took)
	return nil
}

// fastestRecovery is as long as a server that was started is not ready yet.
func (r *rig) fastestRecovery() time.Duration {
	if len(r.recoveries) == 0 {
		return 50 * time.Millisecond
	}
	return slices.Min(r.recoveries)
}

func quantile(of []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(len(sorted)*percent/100, len(sorted)-1)]
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

// close ends what is under test well. A server's folder is opened once more.
func (r *rig) close(ctx context.Context) {
	defer r.client.Close()
	defer r.participants.close()
	if r.cluster != nil {
		if len(r.running) > 0 {
			r.cluster.expose()
		} else if err := r.cluster.stop(); err != nil {
			r.fault("%v", err)
		}
		r.cluster.close()
		return
	}
	if err := r.server.stop(); err != nil {
		r.fault("%v", err)
	} else if err := r.server.spawn(); err != nil {
		r.fault("%v", err)
	} else if _, err := r.server.awaitReady(ctx); err != nil {
		r.fault("the data folder does not open again: %v", err)
	} else if err := r.server.stop(); err != nil {
		r.fault("%v", err)
	}
	if r.disk != nil {
		if err := r.disk.close(); err != nil {
			r.fault("the disk: %v", err)
		}
	}
}

// abandon ends what is under test without a word, after a run that failed.
func (r *rig) abandon() {
	r.load.over.Store(true)
	if r.operator != nil {
		r.operator.over.Store(true)
	}
	r.participants.tokens.over.Store(true)
	if r.cluster != nil {
		r.cluster.expose()
		r.cluster.close()
	} else if r.server.cmd != nil && r.server.cmd.Process != nil {
		r.server.cmd.Process.Kill()
		<-r.server.exited
	}
	if r.disk != nil {
		r.disk.close()
	}
	r.participants.close()
}

func (r *rig) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, strings.TrimSpace(fmt.Sprintf(format, args...)))
}
