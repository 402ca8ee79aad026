package cli_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/server"
)

// TestBench loads a real server with few sagas, and with ones that fail.
func TestBench(t *testing.T) {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s, err := server.New(server.Config{Service: newHouse(t), Region: "us-east-1", Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	bench := func(flags ...string) (code int, stdout, stderr string) {
		var out, errors bytes.Buffer
		code = cli.Run(t.Context(), append([]string{"bench", "--endpoint", web.URL, "--duration", "200ms", "--warmup", "10ms"}, flags...), cli.Tools{
			Stdout: &out, Stderr: &errors,
			Connect: func(endpoint, region string) (api.Service, error) {
				return client.New(client.Config{Endpoint: endpoint, Region: region})
			},
		})
		return code, out.String(), errors.String()
	}

	code, stdout, stderr := bench("--json", "--steps", "2", "--concurrency", "1,4")
	var rows []struct {
		Concurrency int     `json:"concurrency"`
		Steps       int     `json:"steps"`
		Sagas       int64   `json:"sagas"`
		Errors      int64   `json:"errors"`
		PerSecond   float64 `json:"sagas_per_second"`
		P50         float64 `json:"p50_ms"`
		P99         float64 `json:"p99_ms"`
		MiB         float64 `json:"server_resident_mib"`
		Metrics     bool    `json:"server_metrics"`
	}
	if err := json.Unmarshal([]byte(stdout), &rows); err != nil || code != cli.ExitYes || len(rows) != 2 {
		t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	for i, row := range rows {
		if row.Concurrency != []int{1, 4}[i] || row.Steps != 2 || row.Sagas == 0 || row.Errors != 0 || row.PerSecond <= 0 ||
			row.P50 <= 0 || row.P99 < row.P50 || row.MiB <= 0 || !row.Metrics {
			t.Errorf("measured %+v", row)
		}
	}

	code, stdout, _ = bench("--steps", "1", "--concurrency", "2")
	if lines := strings.Split(stdout, "\n"); code != cli.ExitYes || len(lines) != 3 || !strings.HasPrefix(lines[0], "CLIENTS") || !strings.HasPrefix(lines[1], "2 ") {
		t.Errorf("exit %d\n%s", code, stdout)
	}

	for _, scenario := range []string{"undone", "undone-by-catch", "express"} {
		if code, stdout, stderr = bench("--scenario", scenario, "--failing", "Broken", "--concurrency", "2"); code != cli.ExitYes {
			t.Errorf("%s: exit %d\n%s%s", scenario, code, stdout, stderr)
		}
	}
	code, stdout, stderr = bench("--scenario", "undone", "--failing", "Bench", "--concurrency", "1")
	if code != cli.ExitNo || !strings.Contains(stderr, "ended SUCCEEDED") {
		t.Errorf("sagas that do not fail: exit %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, stderr = bench("--steps", "1", "--concurrency", "1", "--payload", "300000")
	if code != cli.ExitNo || !strings.Contains(stderr, "first error: ValidationException") {
		t.Errorf("sagas that can't start: exit %d\n%s%s", code, stdout, stderr)
	}
}
