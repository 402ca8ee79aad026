package main

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/embedded"
	"github.com/backstep/backstep/internal/store/postgres"
)

var (
	ready       = gauge("ready", "1 while starts are taken; /readyz says why they are not.")
	latestTimer = gauge("oldest_due_timer_seconds", "How late the oldest timer is that is due and has not fired.")
	oldestWork  = gauge("oldest_waiting_work_seconds", "How long the call or turn has waited for its place that waits longest.")
	orphans     = gauge("orphans", "What was found to wait for nothing, or to belong to nobody, since the process began.", "kind")
	taskRetries = counter("task_retries_total", "Further attempts of tasks, by service and by the function, connection or host that they went to.", "service", "target")
)

// lateMetrics show whether the engine keeps up, and takes starts.
func lateMetrics(e *engine.Engine) collector {
	return collector{[]metric{ready, latestTimer, oldestWork, orphans, taskRetries}, func(show func(prometheus.Metric)) {
		yes := 0.0
		if e.Ready() {
			yes = 1
		}
		show(ready.of(yes))
		timer, work := e.Late()
		show(latestTimer.of(timer.Seconds()))
		show(oldestWork.of(work.Seconds()))
		found := e.Orphans()
		for kind, n := range map[string]*atomic.Int64{
			"execution": &found.Executions, "job": &found.Jobs, "task": &found.Tasks, "forgotten": &found.Forgotten,
		} {
			show(orphans.of(float64(n.Load()), kind))
		}
		for to, n := range e.Retries() {
			show(taskRetries.of(float64(n), to[0], to[1]))
		}
	}}
}

// storeMetrics are what the store tells of itself.
func storeMetrics(s store.Store) prometheus.Collector {
	switch s := s.(type) {
	case *embedded.Store:
		return folderMetrics(s)
	case *postgres.Store:
		return databaseMetrics(s)
	}
	return prometheus.NewRegistry()
}

var (
	syncSeconds  = gauge("store_sync_seconds", "Syncs of the data folder's log: one for all commits that wait.") // shown as a histogram
	diskFailures = counter("store_disk_failures_total", "Writes and syncs of the data folder that failed. The first ends the process.")
	bytesLogged  = counter("store_logged_bytes_total", "Bytes written to the data folder's log.")
	bytesFlushed = counter("store_flushed_bytes_total", "Bytes written to the data folder's tables out of memory.")
	bytesMerged  = counter("store_merged_bytes_total", "Bytes written to the data folder's tables out of other tables.")
	bytesOnDisk  = gauge("store_bytes", "Bytes that the data folder's files take.")
	diskFree     = gauge("store_disk_free_bytes", "Bytes that are free on the data folder's disk.")
	diskSize     = gauge("store_disk_bytes", "Bytes of the data folder's disk.")
)

// folderMetrics show how the data folder's disk does. How large a disk is that does not
// tell, is not told.
func folderMetrics(s *embedded.Store) collector {
	all := []metric{syncSeconds, diskFailures, bytesLogged, bytesFlushed, bytesMerged, bytesOnDisk, diskFree, diskSize}
	return collector{all, func(show func(prometheus.Metric)) {
		m := s.Metrics()
		buckets, syncs := make(map[float64]uint64, len(m.Syncs)), uint64(0)
		for i, n := range m.Syncs {
			if syncs += n; i < len(embedded.SyncBounds) {
				buckets[embedded.SyncBounds[i].Seconds()] = syncs
			}
		}
		show(prometheus.MustNewConstHistogram(syncSeconds.desc, syncs, m.SyncTime.Seconds(), buckets))
		show(diskFailures.of(float64(m.Failed)))
		show(bytesLogged.of(float64(m.Logged)))
		show(bytesFlushed.of(float64(m.Flush)))
		show(bytesMerged.of(float64(m.Merged)))
		show(bytesOnDisk.of(float64(m.OnDisk)))
		if m.Disk > 0 {
			show(diskFree.of(float64(m.Free)))
			show(diskSize.of(float64(m.Disk)))
		}
	}}
}

var (
	sessions       = gauge("postgres_sessions", "Sessions with PostgreSQL, but for those that commit.")
	sessionsBusy   = gauge("postgres_sessions_busy", "Of them, those that are at work.")
	sessionsOpened = counter("postgres_sessions_opened_total", "Sessions that were opened.")
	sessionsLost   = counter("postgres_sessions_lost_total", "Sessions that broke, as they do when PostgreSQL stops or fails over.")
)

// databaseMetrics show how the sessions with PostgreSQL do.
func databaseMetrics(s *postgres.Store) collector {
	return collector{[]metric{sessions, sessionsBusy, sessionsOpened, sessionsLost}, func(show func(prometheus.Metric)) {
		m := s.Metrics()
		show(sessions.of(float64(m.Sessions)))
		show(sessionsBusy.of(float64(m.Busy)))
		show(sessionsOpened.of(float64(m.Opened)))
		show(sessionsLost.of(float64(m.Lost)))
	}}
}
