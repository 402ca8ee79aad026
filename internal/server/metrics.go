package server

import (
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/backstep/backstep/api"
)

// metrics counts calls by operation and outcome.
type metrics struct {
	requests *prometheus.CounterVec
	statuses *prometheus.CounterVec
	outcomes map[*route]outcome // resolved once: what nearly every call needs
	handler  http.Handler
}

type outcome struct {
	ok      prometheus.Counter
	seconds prometheus.Observer
}

// newMetrics makes the server's own metrics and shows them together with those given.
func newMetrics(s *Server, others prometheus.Gatherer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backstep_api_requests_total", Help: "Calls answered, by operation and code; the code is OK or that of the error.",
		}, []string{"operation", "code"}),
		statuses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backstep_status_checks_total", Help: "Questions for an execution's status answered at /status, by HTTP status.",
		}, []string{"code"}),
		outcomes: map[*route]outcome{},
	}
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "backstep_api_request_seconds", Help: "Time from a call's first byte to its answer, by operation.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 18),
	}, []string{"operation"})
	inFlight := func(kind string, room chan struct{}) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "backstep_api_in_flight", Help: "Calls under way.", ConstLabels: prometheus.Labels{"kind": kind},
		}, func() float64 { return float64(len(room)) })
	}
	for _, rt := range s.routes {
		m.outcomes[rt] = outcome{ok: m.requests.WithLabelValues(rt.Name, "OK"), seconds: seconds.WithLabelValues(rt.Name)}
	}
	backup := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "backstep_last_backup_timestamp_seconds", Help: "When the last backup was taken that was kept, since 1970; 0 where none was since the process began.",
	}, func() float64 { return float64(s.kept.Load()) / 1000 })
	own := prometheus.NewRegistry()
	own.MustRegister(m.requests, m.statuses, seconds, inFlight("call", s.calls), inFlight("poll", s.polls), backup)
	all := prometheus.Gatherers{own}
	if others != nil {
		all = append(all, others)
	}
	m.handler = promhttp.HandlerFor(all, promhttp.HandlerOpts{})
	return m
}

// observe counts a call. The route is nil where the operation is unknown, the failure where there is none.
func (m *metrics) observe(rt *route, failure *api.Error, took time.Duration) {
	if rt == nil {
		m.requests.WithLabelValues("unknown", failure.Code).Inc()
		return
	}
	o := m.outcomes[rt]
	o.seconds.Observe(took.Seconds())
	if failure == nil {
		o.ok.Inc()
		return
	}
	m.requests.WithLabelValues(rt.Name, failure.Code).Inc()
}

// serveMetrics shows the metrics. They ask for no signature, which no scraper could make; where there are keys, they are for this machine alone.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	peer, _, _ := net.SplitHostPort(r.RemoteAddr)
	if s.verifier != nil && !isLoopback(peer) {
		s.refuse(w, api.Errorf(api.CodeAccessDenied, "Metrics are shown to this machine alone."))
		return
	}
	s.metrics.handler.ServeHTTP(w, r)
}
