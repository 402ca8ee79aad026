package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backstep/backstep/internal/engine"
	"github.com/backstep/backstep/internal/service"
)

// metric is one that /metrics shows, once for each set of its labels.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func counter(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("backstep_"+name, help, labels, nil), prometheus.CounterValue}
}

func gauge(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("backstep_"+name, help, labels, nil), prometheus.GaugeValue}
}

// of is the metric's value now.
func (m metric) of(value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
}

// collector shows metrics, whose values are read at each scrape. One that is not shown
// then is absent.
type collector struct {
	metrics []metric
	read    func(show func(prometheus.Metric))
}

// Describe tells what Collect may show.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		ch <- m.desc
	}
}

// Collect reads them.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	c.read(func(m prometheus.Metric) { ch <- m })
}

var (
	executions = counter("executions_total", "Standard executions by what became of them.", "status")

	counters = []struct {
		metric
		value func(*engine.Metrics) *atomic.Int64
	}{
		{counter("turns_total", "Messages decided."), func(m *engine.Metrics) *atomic.Int64 { return &m.Turns }},
		{counter("commits_total", "Batches made durable."), func(m *engine.Metrics) *atomic.Int64 { return &m.Commits }},
		{counter("commits_unknown_total", "Commits whose outcome had to be read."), func(m *engine.Metrics) *atomic.Int64 { return &m.Unknown }},
		{counter("execution_loads_total", "Executions read from the store."), func(m *engine.Metrics) *atomic.Int64 { return &m.Loads }},
		{counter("task_calls_total", "Calls made to integrations."), func(m *engine.Metrics) *atomic.Int64 { return &m.Calls }},
		{counter("executions_quarantined_total", "Executions held because they could not be decided."), func(m *engine.Metrics) *atomic.Int64 { return &m.Quarantined }},
		{counter("stale_writes_refused_total", "Writes that the store refused because their shard was another node's by then."), func(m *engine.Metrics) *atomic.Int64 { return &m.StaleWrites }},
		{counter("messages_left_total", "Messages of other nodes that can not be heard for now: of a newer version, or for a quarantined execution."), func(m *engine.Metrics) *atomic.Int64 { return &m.MailLeft }},
		{counter("leases_lost_total", "Shards lost to another node."), func(m *engine.Metrics) *atomic.Int64 { return &m.LeasesLost }},
		{counter("leases_taken_total", "Shards taken over from another node."), func(m *engine.Metrics) *atomic.Int64 { return &m.LeasesTaken }},
		{counter("histories_long_total", "Histories of standard executions that came to 80 % of the events that they may have."), func(m *engine.Metrics) *atomic.Int64 { return &m.LongHistories }},
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
		metric
		value func(*engine.Engine) float64
	}{
		{gauge("express_running", "Express executions that are running."), func(e *engine.Engine) float64 { return float64(e.Metrics().Express.Load()) }},
		{gauge("waiters", "Callers that wait for an execution."), func(e *engine.Engine) float64 { return float64(e.Metrics().Waiters.Load()) }},
		{gauge("work_under_way", "Calls and turns under way."), func(e *engine.Engine) float64 { return float64(e.Load().Under) }},
		{gauge("work_waiting", "Calls and turns that wait for their place."), func(e *engine.Engine) float64 { return float64(e.Load().Waiting) }},
		{gauge("executions_cached", "Executions in memory."), func(e *engine.Engine) float64 { return float64(e.Load().Cached) }},
		{gauge("cache_bytes", "About how many bytes they take."), func(e *engine.Engine) float64 { return float64(e.Load().Bytes) }},
		{gauge("timers_held", "Timers in memory; the rest is an index on disk."), func(e *engine.Engine) float64 { return float64(e.Load().Alarms) }},
		{gauge("shards_owned", "Shards whose lease is this node's."), func(e *engine.Engine) float64 { return float64(e.Load().Shards) }},
	}
)

// engineMetrics show the engine's counters.
func engineMetrics(e *engine.Engine) collector {
	c := collector{metrics: []metric{executions}}
	for _, of := range counters {
		c.metrics = append(c.metrics, of.metric)
	}
	for _, of := range gauges {
		c.metrics = append(c.metrics, of.metric)
	}
	c.read = func(show func(prometheus.Metric)) {
		all := e.Metrics()
		for _, of := range counters {
			show(of.of(float64(of.value(all).Load())))
		}
		for _, s := range statuses {
			show(executions.of(float64(s.value(all).Load()), s.name))
		}
		for _, of := range gauges {
			show(of.of(of.value(e)))
		}
	}
	return c
}

var (
	logsWritten    = counter("log_events_written_total", "Log events that their destination took.")
	logsDropped    = counter("log_events_dropped_total", "Log events that are lost: there was no room for them, or their destination did not take them.")
	changesWritten = counter("status_events_written_total", "Status changes that their destination took.")
	changesDropped = counter("status_events_dropped_total", "Status changes that are lost, as log events may be.")
)

// reportMetrics show what became of log events and status changes. A queue that is
// not there has lost nothing.
func reportMetrics(r *reports) collector {
	return collector{[]metric{logsWritten, logsDropped, changesWritten, changesDropped}, func(show func(prometheus.Metric)) {
		var logs, changes struct{ written, dropped int64 }
		if q := r.logs; q != nil {
			logs.written, logs.dropped = q.Written(), q.Dropped()
		}
		if q := r.changes; q != nil {
			changes.written, changes.dropped = q.Written(), q.Dropped()
		}
		show(logsWritten.of(float64(logs.written)))
		show(logsDropped.of(float64(logs.dropped)))
		show(changesWritten.of(float64(changes.written)))
		show(changesDropped.of(float64(changes.dropped)))
	}}
}

var holdNotices = counter("hold_notices_total", "Messages about holds by their way, and by what became of them.", "channel", "result")

// noticeMetrics show how people were told of holds, by the ways that there are.
func noticeMetrics(n *notices) collector {
	return collector{[]metric{holdNotices}, func(show func(prometheus.Metric)) {
		for _, way := range n.names() {
			one := n.notifiers[way]
			show(holdNotices.of(float64(one.Told()), way, "told"))
			show(holdNotices.of(float64(one.Failed()), way, "failed"))
		}
	}}
}

var (
	onHold      = gauge("executions_on_hold", "Executions of which a call waits for a person, by state machine; at most 10000 are counted.", "machine")
	quarantined = gauge("executions_quarantined", "Executions that are quarantined; at most 10000 are counted.")
)

// scrapePatience is how long a scrape waits for the store.
const scrapePatience = 5 * time.Second

// heldMetrics show what waits for a person, by the store's lists. Where the store does
// not answer they tell nothing of that: all other metrics are needed then.
func heldMetrics(s *service.Service) collector {
	return collector{[]metric{onHold, quarantined}, func(show func(prometheus.Metric)) {
		ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
		defer cancel()
		held, n, err := s.Held(ctx)
		if err != nil {
			return
		}
		for machine, n := range held {
			show(onHold.of(float64(n), machine))
		}
		show(quarantined.of(float64(n)))
	}}
}
