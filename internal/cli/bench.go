package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstep/backstep/api"
)

// Bench loads a server with sagas, as many clients as asked, each starting one
// and waiting for its end, over and over.
type Bench struct {
	Function    string        `help:"The function that every step calls; the server's configuration must have it." default:"Bench"`
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
  backstep bench --json --steps 3`
}

// measured is one row of the result.
type measured struct {
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
	machine, err := v.machine(s.ctx, svc)
	if err != nil {
		return err
	}
	rows := [][]string{{"CLIENTS", "SAGAS/S", "P50 MS", "P90 MS", "P99 MS", "ERRORS", "SERVER CPU S/1000", "SERVER MIB"}}
	var all []measured
	failed := int64(0)
	for _, clients := range v.Concurrency {
		m, err := v.measure(s, svc, machine, clients)
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

// machine makes the state machine of the measurement: steps in a row, each
// handing its function's answer on.
func (v *Bench) machine(ctx context.Context, svc api.Service) (string, error) {
	states := map[string]any{}
	for i := range v.Steps {
		state := map[string]any{
			"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "TimeoutSeconds": 60,
			"Arguments": map[string]any{"FunctionName": v.Function, "Payload": "{% $states.input %}"},
			"Output":    "{% $states.result.Payload %}",
		}
		if i+1 < v.Steps {
			state["Next"] = fmt.Sprintf("Step%d", i+2)
		} else {
			state["End"] = true
		}
		states[fmt.Sprintf("Step%d", i+1)] = state
	}
	definition, err := json.Marshal(map[string]any{"QueryLanguage": "JSONata", "StartAt": "Step1", "States": states})
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("bench-%d-%s", v.Steps, time.Now().UTC().Format("20060102-150405"))
	out, err := svc.CreateStateMachine(ctx, &api.CreateStateMachineInput{Name: name, Definition: string(definition), RoleArn: "arn:aws:iam::123456789012:role/bench"})
	if err != nil {
		return "", err
	}
	return out.StateMachineArn, nil
}

// measure runs the clients for the warm-up and the measured time.
func (v *Bench) measure(s *session, svc api.Service, machine string, clients int) (measured, error) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	var counting atomic.Bool
	var mu sync.Mutex
	var latencies []time.Duration
	m := measured{Concurrency: clients, Steps: v.Steps}
	input := fmt.Sprintf(`{"padding":%q}`, strings.Repeat("x", max(0, v.Payload-14)))
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				err := saga(ctx, svc, machine, input)
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

// saga starts one and waits for its end.
func saga(ctx context.Context, svc api.Service, machine, input string) error {
	out, err := svc.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: machine, Input: &input})
	if err != nil {
		return err
	}
	for {
		end, err := svc.WaitExecution(ctx, &api.WaitExecutionInput{ExecutionArn: out.ExecutionArn})
		switch {
		case err != nil:
			return err
		case end.Status == api.ExecutionStatusSucceeded:
			return nil
		case end.Status.Ended():
			return fmt.Errorf("%s ended %s: %s %s", out.ExecutionArn, end.Status, text(end.Error), text(end.Cause))
		}
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
