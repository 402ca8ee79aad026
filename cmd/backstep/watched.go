package main

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/embedded"
	"github.com/backstep/backstep/internal/store/postgres"
)

// lateMetrics show whether the engine keeps up, and takes starts.
type lateMetrics struct{ engine *engine.Engine }

var (
	descReady     = describe("ready", "1 while starts are taken; /readyz says why they are not.")
	descLateTimer = describe("oldest_due_timer_seconds", "How late the oldest timer is that is due and has not fired.")
	descLateWork  = describe("oldest_waiting_work_seconds", "How long the call or turn has waited for its place that waits longest.")
	descOrphans   = prometheus.NewDesc("backstep_orphans", "What was found to wait for nothing, or to belong to nobody, since the process began.", []string{"kind"}, nil)
	descRetries   = prometheus.NewDesc("backstep_task_retries_total", "Further attempts of tasks, by service and by the function, connection or host that they went to.", []string{"service", "target"}, nil)
)

// Describe tells what Collect will.
func (m lateMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range [...]*prometheus.Desc{descReady, descLateTimer, descLateWork, descOrphans, descRetries} {
		ch <- d
	}
}

// Collect asks the engine.
func (m lateMetrics) Collect(ch chan<- prometheus.Metric) {
	ready := 0.0
	if m.engine.Ready() {
		ready = 1
	}
	timer, work := m.engine.Late()
	ch <- prometheus.MustNewConstMetric(descReady, prometheus.GaugeValue, ready)
	ch <- prometheus.MustNewConstMetric(descLateTimer, prometheus.GaugeValue, timer.Seconds())
	ch <- prometheus.MustNewConstMetric(descLateWork, prometheus.GaugeValue, work.Seconds())
	found := m.engine.Orphans()
	for kind, n := range map[string]*atomic.Int64{
		"execution": &found.Executions, "job": &found.Jobs, "task": &found.Tasks, "forgotten": &found.Forgotten,
	} {
		ch <- prometheus.MustNewConstMetric(descOrphans, prometheus.GaugeValue, float64(n.Load()), kind)
	}
	for to, n := range m.engine.Retries() {
		ch <- prometheus.MustNewConstMetric(descRetries, prometheus.CounterValue, float64(n), to[0], to[1])
	}
}

// storeMetrics are what the store tells of itself.
func storeMetrics(s store.Store) prometheus.Collector {
	switch s := s.(type) {
	case *embedded.Store:
		return folderMetrics{s}
	case *postgres.Store:
		return databaseMetrics{s}
	}
	return prometheus.NewRegistry()
}

// folderMetrics show how the data folder's disk does.
type folderMetrics struct{ store *embedded.Store }

var (
	descSync   = describe("store_sync_seconds", "Syncs of the data folder's log: one for all commits that wait.")
	descFailed = describe("store_disk_failures_total", "Writes and syncs of the data folder that failed. The first ends the process.")
	descLogged = describe("store_logged_bytes_total", "Bytes written to the data folder's log.")
	descFlush  = describe("store_flushed_bytes_total", "Bytes written to the data folder's tables out of memory.")
	descMerged = describe("store_merged_bytes_total", "Bytes written to the data folder's tables out of other tables.")
	descOnDisk = describe("store_bytes", "Bytes that the data folder's files take.")
	descFree   = describe("store_disk_free_bytes", "Bytes that are free on the data folder's disk.")
	descDisk   = describe("store_disk_bytes", "Bytes of the data folder's disk.")
)

// Describe tells what Collect will.
func (m folderMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range [...]*prometheus.Desc{descSync, descFailed, descLogged, descFlush, descMerged, descOnDisk, descFree, descDisk} {
		ch <- d
	}
}

// Collect asks the store. How large a disk is that does not tell, is not told.
func (m folderMetrics) Collect(ch chan<- prometheus.Metric) {
	all := m.store.Metrics()
	buckets, syncs := make(map[float64]uint64, len(all.Syncs)), uint64(0)
	for i, n := range all.Syncs {
		if syncs += n; i < len(embedded.SyncBounds) {
			buckets[embedded.SyncBounds[i].Seconds()] = syncs
		}
	}
	ch <- prometheus.MustNewConstHistogram(descSync, syncs, all.SyncTime.Seconds(), buckets)
	counter := func(d *prometheus.Desc, n uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n))
	}
	counter(descFailed, all.Failed)
	counter(descLogged, all.Logged)
	counter(descFlush, all.Flush)
	counter(descMerged, all.Merged)
	ch <- prometheus.MustNewConstMetric(descOnDisk, prometheus.GaugeValue, float64(all.OnDisk))
	if all.Disk > 0 {
		ch <- prometheus.MustNewConstMetric(descFree, prometheus.GaugeValue, float64(all.Free))
		ch <- prometheus.MustNewConstMetric(descDisk, prometheus.GaugeValue, float64(all.Disk))
	}
}

// databaseMetrics show how the sessions with PostgreSQL do.
type databaseMetrics struct{ store *postgres.Store }

var (
	descSessions = describe("postgres_sessions", "Sessions with PostgreSQL, but for those that commit.")
	descBusy     = describe("postgres_sessions_busy", "Of them, those that are at work.")
	descOpened   = describe("postgres_sessions_opened_total", "Sessions that were opened.")
	descLost     = describe("postgres_sessions_lost_total", "Sessions that broke, as they do when PostgreSQL stops or fails over.")
)

// Describe tells what Collect will.
func (m databaseMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range [...]*prometheus.Desc{descSessions, descBusy, descOpened, descLost} {
		ch <- d
	}
}

// Collect asks the store.
func (m databaseMetrics) Collect(ch chan<- prometheus.Metric) {
	all := m.store.Metrics()
	ch <- prometheus.MustNewConstMetric(descSessions, prometheus.GaugeValue, float64(all.Sessions))
	ch <- prometheus.MustNewConstMetric(descBusy, prometheus.GaugeValue, float64(all.Busy))
	ch <- prometheus.MustNewConstMetric(descOpened, prometheus.CounterValue, float64(all.Opened))
	ch <- prometheus.MustNewConstMetric(descLost, prometheus.CounterValue, float64(all.Lost))
}
