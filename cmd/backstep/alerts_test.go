package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/machine"
	"github.com/backstep/backstep/internal/service"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/embedded"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/backstep/backstep/internal/value"
)

// watched is an engine under a clock that the test sets, with all that a server shows
// of it.
type watched struct {
	t        *testing.T
	now      atomic.Int64
	fails    atomic.Bool
	store    store.Store
	engine   *engine.Engine
	service  *service.Service
	gatherer *prometheus.Registry
	side     []func()
}

func (w *watched) Now() int64 { return w.now.Load() }

// Call is every task.
func (w *watched) Call(context.Context, integration.Task) (value.Text, error) {
	if w.fails.Load() {
		return value.Text{}, integration.NewError("Down", "as asked", integration.EffectUnknown)
	}
	return value.Checked(`{}`), nil
}

func watch(t *testing.T, s store.Store, exclusive bool) *watched {
	t.Helper()
	w := &watched{t: t, store: s, gatherer: prometheus.NewRegistry()}
	w.now.Store(1_800_000_000_000)
	registry := new(integration.Registry)
	registry.Add("lambda", "*", w, integration.RequestResponse)
	catalog := service.NewCatalog(s, registry)
	quotas := machine.AWSLimits()
	quotas.Events = 200
	var err error
	w.engine, err = engine.Open(t.Context(), engine.Config{Store: s, Registry: registry, Machines: catalog.Machine, Exclusive: exclusive, Clock: w,
		Quotas: quotas, Limits: engine.Limits{CallsPerKind: 1}, Spawn: func(f func()) { w.side = append(w.side, f) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.engine.Close)
	w.service = service.New(service.Config{Store: s, Engine: w.engine, Catalog: catalog, Account: "123456789012", Region: "us-east-1", Now: time.Now, NewUUID: newUUID})
	w.gatherer.MustRegister(engineMetrics(w.engine), lateMetrics(w.engine), storeMetrics(s), heldMetrics(w.service))
	w.turn()
	return w
}

// turn does what is due, and all that follows from it.
func (w *watched) turn() {
	for range 1000 {
		_ = w.engine.Renew(w.Now()) // a store that does not answer is one of the faults
		w.engine.Fire(w.Now())
		if len(w.side) == 0 {
			return
		}
		f := w.side[0]
		w.side = w.side[1:]
		f()
	}
}

func (w *watched) scrape() scrape {
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(w.gatherer, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	return readScrape(w.t, answer.Body.String())
}

func (w *watched) start(name, definition string) string {
	w.t.Helper()
	m, err := w.service.CreateStateMachine(w.t.Context(), &api.CreateStateMachineInput{Name: name, Definition: definition, RoleArn: "arn:aws:iam::123456789012:role/r"})
	if err != nil {
		w.t.Fatal(err)
	}
	x, err := w.service.StartExecution(w.t.Context(), &api.StartExecutionInput{StateMachineArn: m.StateMachineArn})
	if err != nil {
		w.t.Fatal(err)
	}
	return x.ExecutionArn
}

const call = `{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"}`

// slow is a disk whose syncs take their time, or fail, and that has so much room.
type slow struct {
	vfs.FS
	fails atomic.Bool
	pause time.Duration
	free  uint64
}

func (d *slow) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return &slowFile{f, d}, err
}

func (d *slow) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free, TotalBytes: 1 << 30}, nil
}

type slowFile struct {
	vfs.File
	disk *slow
}

func (f *slowFile) SyncData() error { return f.sync(f.File.SyncData) }
func (f *slowFile) Sync() error     { return f.sync(f.File.Sync) }

func (f *slowFile) sync(do func() error) error {
	if time.Sleep(f.disk.pause); f.disk.fails.Load() {
		return errors.New("the disk failed, as asked")
	}
	return do()
}

func memory() store.Store { return storetest.NewMemory(storetest.MemoryOptions{Shards: 2}).Open() }

// faults are what each alert is for: what is done between two scrapes.
var faults = map[string]func(t *testing.T) seen{
	"BackstepTimersLate": func(t *testing.T) seen {
		w := watch(t, memory(), true)
		w.start("M", `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":10,"End":true}}}`)
		before := w.scrape()
		w.now.Add(16_000)
		return seen{before, w.scrape(), 16}
	},
	"BackstepNotReady": func(t *testing.T) seen {
		w := watch(t, memory(), true)
		before := w.scrape()
		w.now.Add(2001)
		return seen{before, w.scrape(), 2}
	},
	"BackstepWorkWaits": func(t *testing.T) seen {
		w := watch(t, memory(), true)
		before := w.scrape()
		w.start("M", `{"StartAt":"A","States":{"A":`+call+`,"End":true}}}`)
		w.start("N", `{"StartAt":"A","States":{"A":`+call+`,"End":true}}}`)
		w.now.Add(31_000)
		return seen{before, w.scrape(), 31}
	},
	"BackstepRetries": func(t *testing.T) seen {
		w := watch(t, memory(), true)
		w.fails.Store(true)
		w.start("M", `{"StartAt":"A","States":{"A":`+call+`,"Retry":[{"ErrorEquals":["Down"],"IntervalSeconds":1,"BackoffRate":1,"MaxAttempts":900}],"End":true}}}`)
		before := w.scrape()
		for range 30 {
			w.now.Add(2000)
			w.turn()
		}
		return seen{before, w.scrape(), 10} // as a flock of them would in that time
	},
	"BackstepHistoriesLong": func(t *testing.T) seen {
		w := watch(t, memory(), true)
		before := w.scrape()
		w.start("M", `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Choice","Choices":[{"Variable":"$.over","IsPresent":true,"Next":"C"}],"Default":"A"},"C":{"Type":"Succeed"}}}`)
		w.turn()
		return seen{before, w.scrape(), 1}
	},
	"BackstepHolds": func(t *testing.T) seen {
		w := watch(t, memory(), true)
		w.fails.Store(true)
		before := w.scrape()
		w.start("M", `{"Saga":{},"StartAt":"A","States":{"A":`+call+`,"OnUnknown":"Hold","End":true}}}`)
		w.turn()
		return seen{before, w.scrape(), 1}
	},
	"BackstepQuarantined": func(t *testing.T) seen { return orphaned(t) },
	"BackstepOrphans":     func(t *testing.T) seen { return orphaned(t) },
	"BackstepTakeovers": func(t *testing.T) seen {
		_, b := takenOver(t)
		return b
	},
	"BackstepStaleWrites": func(t *testing.T) seen {
		a, _ := takenOver(t)
		return a
	},
	"BackstepDiskSlow": func(t *testing.T) seen {
		return onDisk(t, &slow{FS: vfs.NewMem(), pause: 120 * time.Millisecond, free: 900 << 20})
	},
	"BackstepDiskFilling": func(t *testing.T) seen { return onDisk(t, &slow{FS: vfs.NewMem(), free: 100 << 20}) },
	"BackstepDiskFailed": func(t *testing.T) seen {
		d := &slow{FS: vfs.NewMem(), free: 900 << 20}
		return onDisk(t, d, func() { d.fails.Store(true) })
	},
	"BackstepBackupOld": func(t *testing.T) seen { // of three nodes one has kept the last, a night too long ago; one has kept none
		at := func(hours time.Duration) scrape {
			taken := float64(time.Now().Add(-hours * time.Hour).Unix())
			return scrape{"backstep_last_backup_timestamp_seconds": {`{instance="a"}`: taken - 86_400, `{instance="b"}`: taken, `{instance="c"}`: 0}}
		}
		return seen{at(25), at(27), 7200}
	},
	"BackstepDown": func(t *testing.T) seen { // what Prometheus notes of a server that does not answer
		return seen{scrape{"up": {`{job="backstep"}`: 1}}, scrape{"up": {`{job="backstep"}`: 0}}, 1}
	},
}

// orphaned is a server whose execution has lost its job.
func orphaned(t *testing.T) seen {
	w := watch(t, memory(), true)
	w.start("M", `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":10,"End":true}}}`)
	before := w.scrape()
	for shard := range store.Shard(2) {
		jobs, err := w.store.Jobs(t.Context(), shard, store.Never, nil, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			if err := w.store.Commit(t.Context(), &store.Batch{DropJobs: []store.Job{j}}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.engine.Inspect(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	return seen{before, w.scrape(), 1}
}

// takenOver are two nodes: the first thinks that it has its shards still, and the second
// has them.
func takenOver(t *testing.T) (a, b seen) {
	disk := storetest.NewMemory(storetest.MemoryOptions{Shards: 2})
	first := watch(t, disk.Open(), false)
	first.start("M", `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":5,"End":true}}}`)
	a.before, a.seconds = first.scrape(), 1
	for shard := range store.Shard(2) {
		if err := disk.Open().Commit(t.Context(), &store.Batch{
			ExpectLeases: []store.ExpectLease{{Shard: shard, Epoch: 1}}, Leases: []store.Lease{{Shard: shard, Epoch: 2, Node: "gone"}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	second := watch(t, disk.Open(), false)
	b = seen{scrape{}, second.scrape(), 1}
	first.now.Add(6000) // its lease is good by its own clock
	first.engine.Fire(first.Now())
	for len(first.side) > 0 {
		f := first.side[0]
		first.side = first.side[1:]
		f()
	}
	a.after = first.scrape()
	return a, b
}

// onDisk is a data folder on a disk, and a few commits.
func onDisk(t *testing.T, d *slow, then ...func()) seen {
	s, err := embedded.Open("data", embedded.Options{FS: d})
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, s, true)
	before := w.scrape()
	for _, do := range then {
		do()
	}
	for n := range byte(3) {
		_ = s.Commit(t.Context(), &store.Batch{Definitions: []store.Definition{{Hash: store.Hash{n + 1}, Body: []byte("x")}}})
	}
	return seen{before, w.scrape(), 1}
}

// apart are the alerts whose fault is injected elsewhere: PostgreSQL's lost sessions
// are counted in its store's own test.
var apart = map[string]bool{"BackstepPostgresSessionsLost": true}

// TestAlertsFire: each rule fires by its fault, and had not fired before.
func TestAlertsFire(t *testing.T) {
	manual, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules(t) {
		t.Run(r.Alert, func(t *testing.T) {
			t.Parallel()
			if !strings.HasSuffix(r.Annotations["runbook"], "#"+strings.ToLower(r.Alert)) || !strings.Contains(string(manual), "\n#### "+r.Alert+"\n") {
				t.Errorf("no line says what to do: %v", r.Annotations)
			}
			if apart[r.Alert] {
				return
			}
			fault := faults[r.Alert]
			if fault == nil {
				t.Fatal("no fault is known that it is for")
			}
			s := fault(t)
			if fires, err := s.fires(r.Expr); err != nil || !fires {
				t.Errorf("%s does not fire by its fault (%v)", r.Expr, err)
			}
			if r.Alert == "BackstepDiskFilling" {
				return // its disk is small from the beginning
			}
			calm := seen{s.before, s.before, s.seconds}
			if fires, err := calm.fires(r.Expr); err != nil || fires {
				t.Errorf("%s fires before its fault (%v)", r.Expr, err)
			}
		})
	}
}

// TestNoAlertsInPeace: on a server under a small load, of which a backup was taken, no
// rule fires, and each is about metrics that it shows. Before the backup one does.
func TestNoAlertsInPeace(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	n := serveChild(t, d.configuration())
	before := readScrape(t, metrics(t, n))
	s := &sdk{newClient(n, "any", "any"), t.Context(), d}
	machine := s.create(t, "order", "order", "STANDARD")
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		s.ended(t, s.start(t, machine, name, `{"order": "`+name+`"}`))
	}
	well(t, "backup", filepath.Join(t.TempDir(), "peace"), "--endpoint", n.url)
	after := readScrape(t, metrics(t, n))
	for _, one := range [...]scrape{before, after} {
		one["up"] = map[string]float64{`{job="backstep"}`: 1}
		one["backstep_store_disk_free_bytes"] = one["backstep_store_disk_bytes"] // the disk of this machine may be full
	}
	s2 := seen{before, after, 5}
	for _, r := range rules(t) {
		if fires, err := s2.fires(r.Expr); err != nil || fires {
			t.Errorf("%s fires in peace (%v)", r.Alert, err)
		}
		unkept := seen{before, before, 5}
		if fires, err := unkept.fires(r.Expr); r.Alert == "BackstepBackupOld" && (err != nil || !fires) {
			t.Errorf("%s does not fire where none was kept (%v)", r.Alert, err)
		}
		for _, name := range named(r.Expr) {
			sometimes := name == "backstep_executions_on_hold" || name == "backstep_task_retries_total" || strings.HasPrefix(name, "backstep_postgres_")
			if after[name] == nil && !sometimes {
				t.Errorf("%s is about %s, which the server does not show", r.Alert, name)
			}
		}
	}
}
