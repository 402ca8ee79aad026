package cli

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Bench loads a server with sagas, as many clients as asked, each starting one
// and waiting for its end, over and over.
type Bench struct {
	Scenario    string        `help:"What each saga does: its steps; the same, and then all is undone (by Compensate, or wired by Catch); or three Pass states of an express execution." enum:"steps,undone,undone-by-catch,express" default:"steps"`
	Function    string        `help:"The function that every step calls; the server's configuration must have it." default:"Bench"`
	Failing     string        `help:"The function that the last step of an undone saga calls: it fails for good." default:"BenchFailing"`
	Steps       int           `help:"Steps of a saga." default:"5"`
	Concurrency []int         `help:"Clients at once; several are measured one after the other." default:"1,16,128"`
	Duration    time.Duration `help:"How long each is measured." default:"10s"`
	Warmup      time.Duration `help:"How long each runs before it is measured." default:"1s"`
	Payload     int           `help:"Bytes of each saga's input." default:"1024"`
}

// Help is the long help of bench.
func (Bench) Help() string {
	return `The server's CPU and memory are read from its /metrics.

Examples:
  backstep bench --function Bench --concurrency 1,16,128 --duration 10s
  backstep bench --scenario undone --failing Broken --concurrency 128
  backstep bench --json --steps 3`
}

// measured is one row of the result.
type measured struct {
	Scenario      string  `json:"scenario"`
	Concurrency   int     `json:"concurrency"`
	Steps         int     `json:"steps"`
	Sagas         int64   `json:"sagas"`
	Errors        int64   `json:"errors"`
	PerSecond     float64 `json:"sagas_per_second"`
	P50           float64 `json:"p50_ms"`
	P90           float64 `json:"p90_ms"`
	P99           float64 `json:"p99_ms"`
	CPUPer1000    float64 `json:"server_cpu_seconds_per_1000"`
	ServerMiB     float64 `json:"server_resident_mib"`
	FirstError    string  `json:"first_error,omitempty"`
	ServerMetrics bool    `json:"server_metrics"`
}

// Run measures each concurrency in turn.
func (v *Bench) Run(s *session) error {
	if v.Steps < 1 || slices.Min(append([]int{1}, v.Concurrency...)) < 1 || v.Duration <= 0 {
		return usagef("--steps and --concurrency are 1 or more, --duration is longer than 0")
	}
	svc, err := s.service()
	if err != nil {
		return err
	}
	c := course{svc: svc}
	c.machine, err = v.machine(s.ctx, svc)
	if err != nil {
		return err
	}
	rows := [][]string{{"CLIENTS", "SAGAS/S", "P50 MS", "P90 MS", "P99 MS", "ERRORS", "SERVER CPU S/1000", "SERVER MIB"}}
	var all []measured
	failed := int64(0)
	for _, clients := range v.Concurrency {
		m, err := v.measure(s, c.runOf(v), clients)
		if err != nil {
			return err
		}
		all, failed = append(all, m), failed+m.Errors
		rows = append(rows, []string{
			strconv.Itoa(clients), fmt.Sprintf("%.0f", m.PerSecond), fmt.Sprintf("%.1f", m.P50), fmt.Sprintf("%.1f", m.P90), fmt.Sprintf("%.1f", m.P99),
			strconv.FormatInt(m.Errors, 10), fmt.Sprintf("%.2f", m.CPUPer1000), fmt.Sprintf("%.0f", m.ServerMiB),
		})
		if m.FirstError != "" {
			fmt.Fprintln(s.Stderr, "backstep: first error:", m.FirstError)
		}
	}
	if s.JSON {
		err = s.printJSON(all)
	} else {
		table(s.Stdout, rows)
	}
	if err == nil && failed > 0 {
		return errNo
	}
	return err
}

// measure runs the clients for the warm-up and the measured time.
func (v *Bench) measure(s *session, run func(ctx context.Context) error, clients int) (measured, error) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	var counting atomic.Bool
	var mu sync.Mutex
	var latencies []time.Duration
	m := measured{Scenario: v.Scenario, Concurrency: clients, Steps: v.Steps}
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				err := run(ctx)
				took := time.Since(began)
				if ctx.Err() != nil || !counting.Load() {
					continue
				}
				mu.Lock()
				if err != nil {
					m.Errors++
					if m.FirstError == "" {
						m.FirstError = err.Error()
					}
				} else {
					latencies = append(latencies, took)
				}
				mu.Unlock()
			}
		})
	}
	defer all.Wait()
	defer cancel()
	if !pause(ctx, v.Warmup) {
		return m, s.ctx.Err()
	}
	cpu, _, _ := s.usage()
	counting.Store(true)
	began := time.Now()
	if !pause(ctx, v.Duration) {
		return m, s.ctx.Err()
	}
	counting.Store(false)
	seconds := time.Since(began).Seconds()
	cpuAfter, resident, known := s.usage()
	mu.Lock()
	defer mu.Unlock()
	m.Sagas, m.PerSecond, m.ServerMetrics = int64(len(latencies)), float64(len(latencies))/seconds, known
	m.P50, m.P90, m.P99 = quantile(latencies, 0.5), quantile(latencies, 0.9), quantile(latencies, 0.99)
	if m.Sagas > 0 {
		m.CPUPer1000 = (cpuAfter - cpu) / float64(m.Sagas) * 1000
	}
	m.ServerMiB = resident / (1 << 20)
	return m, nil
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// quantile is in milliseconds.
func quantile(latencies []time.Duration, q float64) float64 {
	if len(latencies) == 0 {
		return 0
	}
	slices.Sort(latencies)
	return float64(latencies[int(q*float64(len(latencies)-1))].Microseconds()) / 1000
}

// usage reads the server's CPU seconds and resident bytes from its metrics.
func (s *session) usage() (cpu, resident float64, known bool) {
	resp, err := http.Get(s.Endpoint + "/metrics")
	if err != nil {
		return 0, 0, false
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, number, _ := strings.Cut(lines.Text(), " ")
		switch name {
		case "process_cpu_seconds_total":
			cpu, _ = strconv.ParseFloat(number, 64)
			known = true
		case "process_resident_memory_bytes":
			resident, _ = strconv.ParseFloat(number, 64)
		}
	}
	return cpu, resident, known
}
