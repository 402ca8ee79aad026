package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/service"
)

// engineMetrics shows the engine's counters at /metrics.
type engineMetrics struct{ engine *engine.Engine }

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("backstep_"+name, help, nil, nil)
}

var (
	descExecutions = prometheus.NewDesc("backstep_executions_total", "Standard executions by what became of them.", []string{"status"}, nil)

	counters = []struct {
		desc  *prometheus.Desc
		value func(*engine.Metrics) *atomic.Int64
	}{
		{describe("turns_total", "Messages decided."), func(m *engine.Metrics) *atomic.Int64 { return &m.Turns }},
		{describe("commits_total", "Batches made durable."), func(m *engine.Metrics) *atomic.Int64 { return &m.Commits }},
		{describe("commits_unknown_total", "Commits whose outcome had to be read."), func(m *engine.Metrics) *atomic.Int64 { return &m.Unknown }},
		{describe("execution_loads_total", "Executions read from the store."), func(m *engine.Metrics) *atomic.Int64 { return &m.Loads }},
		{describe("task_calls_total", "Calls made to integrations."), func(m *engine.Metrics) *atomic.Int64 { return &m.Calls }},
		{describe("executions_quarantined_total", "Executions held because they could not be decided."), func(m *engine.Metrics) *atomic.Int64 { return &m.Quarantined }},
		{describe("stale_writes_refused_total", "Writes that the store refused because their shard was another node's by then."), func(m *engine.Metrics) *atomic.Int64 { return &m.StaleWrites }},
		{describe("messages_left_total", "Messages of other nodes that can not be heard for now: of a newer version, or for a quarantined execution."), func(m *engine.Metrics) *atomic.Int64 { return &m.MailLeft }},
		{describe("leases_lost_total", "Shards lost to another node."), func(m *engine.Metrics) *atomic.Int64 { return &m.LeasesLost }},
		{describe("leases_taken_total", "Shards taken over from another node."), func(m *engine.Metrics) *atomic.Int64 { return &m.LeasesTaken }},
		{describe("histories_long_total", "Histories of standard executions that came to 80 % of the events that they may have."), func(m *engine.Metrics) *atomic.Int64 { return &m.LongHistories }},
	}
	statuses = []struct {
		name  string
		value func(*engine.Metrics) *atomic.Int64
	}{
		{"started", func(m *engine.Metrics) *atomic.Int64 { return &m.Started }},
		{"succeeded", func(m *engine.Metrics) *atomic.Int64 { return &m.Succeeded }},
		{"failed", func(m *engine.Metrics) *atomic.Int64 { return &m.Failed }},
		{"timed_out", func(m *engine.Metrics) *atomic.Int64 { return &m.TimedOut }},
		{"aborted", func(m *engine.Metrics) *atomic.Int64 { return &m.Aborted }},
	}
	gauges = []struct {
		desc  *prometheus.Desc
		value func(*engine.Engine) float64
	}{
		{describe("express_running", "Express executions that are running."), func(e *engine.Engine) float64 { return float64(e.Metrics().Express.Load()) }},
		{describe("waiters", "Callers that wait for an execution."), func(e *engine.Engine) float64 { return float64(e.Metrics().Waiters.Load()) }},
		{describe("work_under_way", "Calls and turns under way."), func(e *engine.Engine) float64 { return float64(e.Load().Under) }},
		{describe("work_waiting", "Calls and turns that wait for their place."), func(e *engine.Engine) float64 { return float64(e.Load().Waiting) }},
		{describe("executions_cached", "Executions in memory."), func(e *engine.Engine) float64 { return float64(e.Load().Cached) }},
		{describe("cache_bytes", "About how many bytes they take."), func(e *engine.Engine) float64 { return float64(e.Load().Bytes) }},
		{describe("timers_held", "Timers in memory; the rest is an index on disk."), func(e *engine.Engine) float64 { return float64(e.Load().Alarms) }},
		{describe("shards_owned", "Shards whose lease is this node's."), func(e *engine.Engine) float64 { return float64(e.Load().Shards) }},
	}
)

// Describe tells what Collect will.
func (m engineMetrics) Describe(ch chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(m, ch)
}

// Collect reads the counters.
func (m engineMetrics) Collect(ch chan<- prometheus.Metric) {
	all := m.engine.Metrics()
	for _, c := range counters {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(c.value(all).Load()))
	}
	for _, s := range statuses {
		ch <- prometheus.MustNewConstMetric(descExecutions, prometheus.CounterValue, float64(s.value(all).Load()), s.name)
	}
	for _, g := range gauges {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(m.engine))
	}
}

// reportMetrics shows what became of log events and status changes.
type reportMetrics struct{ reports *reports }

var (
	descLogsWritten    = describe("log_events_written_total", "Log events that their destination took.")
	descLogsDropped    = describe("log_events_dropped_total", "Log events that are lost: there was no room for them, or their destination did not take them.")
	descChangesWritten = describe("status_events_written_total", "Status changes that their destination took.")
	descChangesDropped = describe("status_events_dropped_total", "Status changes that are lost, as log events may be.")
)

// Describe tells what Collect will.
func (m reportMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range [...]*prometheus.Desc{descLogsWritten, descLogsDropped, descChangesWritten, descChangesDropped} {
		ch <- d
	}
}

// Collect reads the queues; one that is not there has lost nothing.
func (m reportMetrics) Collect(ch chan<- prometheus.Metric) {
	var logs, changes struct{ written, dropped int64 }
	if q := m.reports.logs; q != nil {
		logs.written, logs.dropped = q.Written(), q.Dropped()
	}
	if q := m.reports.changes; q != nil {
		changes.written, changes.dropped = q.Written(), q.Dropped()
	}
	count := func(d *prometheus.Desc, n int64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n))
	}
	count(descLogsWritten, logs.written)
	count(descLogsDropped, logs.dropped)
	count(descChangesWritten, changes.written)
	count(descChangesDropped, changes.dropped)
}

// noticeMetrics shows how people were told of holds.
type noticeMetrics struct{ notices *notices }

var descNotices = prometheus.NewDesc("backstep_hold_notices_total", "Messages about holds by their way, and by what became of them.", []string{"channel", "result"}, nil)

// Describe tells what Collect will.
func (m noticeMetrics) Describe(ch chan<- *prometheus.Desc) { ch <- descNotices }

// Collect reads the notifiers of the ways that there are.
func (m noticeMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, way := range m.notices.names() {
		n := m.notices.notifiers[way]
		ch <- prometheus.MustNewConstMetric(descNotices, prometheus.CounterValue, float64(n.Told()), way, "told")
		ch <- prometheus.MustNewConstMetric(descNotices, prometheus.CounterValue, float64(n.Failed()), way, "failed")
	}
}

// heldMetrics shows what waits for a person.
type heldMetrics struct{ service *service.Service }

var (
	descOnHold      = prometheus.NewDesc("backstep_executions_on_hold", "Executions of which a call waits for a person, by state machine; at most 10000 are counted.", []string{"machine"}, nil)
	descQuarantined = describe("executions_quarantined", "Executions that are quarantined; at most 10000 are counted.")
)

// scrapePatience is how long a scrape waits for the store.
const scrapePatience = 5 * time.Second

// Describe tells what Collect will.
func (m heldMetrics) Describe(ch chan<- *prometheus.Desc) { ch <- descOnHold; ch <- descQuarantined }

// Collect counts them by the store's lists. Where the store does not answer it tells
// nothing of them: all other metrics are needed then.
func (m heldMetrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
	defer cancel()
	onHold, quarantined, err := m.service.Held(ctx)
	if err != nil {
		return
	}
	for machine, n := range onHold {
		ch <- prometheus.MustNewConstMetric(descOnHold, prometheus.GaugeValue, float64(n), machine)
	}
	ch <- prometheus.MustNewConstMetric(descQuarantined, prometheus.GaugeValue, float64(quarantined))
}
