package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// peerRow is what the other systems' measurement writes of one row. Its work is
// ours: five steps that answer about 1 kB, or the fifth fails and four
// compensations run.
type peerRow struct {
	Run       string  `json:"run"`
	Peer      string  `json:"peer"`
	Scenario  string  `json:"scen"`
	Clients   int     `json:"conc"`
	Errors    int64   `json:"errs"`
	PerSecond float64 `json:"sagas_s"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	CPU       float64 `json:"srv_cpu_s_per_1k"`
	MiB       float64 `json:"srv_rss_mb"`
}

// measurePeers runs the other systems' own measurement, and adds its rows.
func (b *bench) measurePeers(ctx context.Context, n int) error {
	run := fmt.Sprintf("round%d-%d", n+1, time.Now().Unix())
	seconds := strconv.Itoa(max(1, int(b.duration.Seconds())))
	args := append([]string{"-r", run, "-d", seconds}, strings.Fields(b.stages)...)
	cmd := exec.CommandContext(ctx, filepath.Join(b.peers, "bench.sh"), args...)
	cmd.Dir, cmd.Stderr = b.peers, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("measure other systems: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(b.peers, "results", "results.jsonl"))
	if err != nil {
		return err
	}
	for l := range bytes.Lines(text) {
		var r peerRow
		if json.Unmarshal(l, &r) != nil || r.Run != run || r.Scenario == "" {
			continue
		}
		scenario := steps
		if r.Scenario == "comp" {
			scenario = undone
		}
		b.results.add(line{r.Peer, scenario, r.Clients}, row{r.Clients, r.PerSecond, r.P50, r.P99, r.Errors, r.CPU, r.MiB})
	}
	return nil
}
