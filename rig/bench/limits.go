package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/backstep/backstep/rig/bar"
)

// limits is what the machine itself can do.
type limits struct {
	sync     time.Duration // median of an append of 4 KiB and fdatasync
	exchange time.Duration // median of one HTTP exchange between two processes
	echoes   float64       // such exchanges a second with 128 clients
	postgres float64       // transactions a second of pgbench; 0: there is no database
}

const (
	limitTime   = 3 * time.Second
	echoClients = 128
)

func (b *bench) measureLimits(ctx context.Context) (l limits, err error) {
	if l.sync, err = measureSync(b.dir); err != nil {
		return l, err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: echoClients}}
	defer client.CloseIdleConnections()
	if l.exchange, err = measureExchange(ctx, client, b.functions); err != nil {
		return l, err
	}
	l.echoes = measureEchoes(ctx, client, b.functions)
	if b.postgres != "" {
		l.postgres, err = measurePostgres(ctx, b.postgres)
	}
	return l, err
}

func measureSync(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "synced"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, 4096)
	var took []time.Duration
	for began := time.Now(); time.Since(began) < limitTime; {
		at := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		took = append(took, time.Since(at))
	}
	return bar.Quantile(took, 0.5), nil
}

func measureExchange(ctx context.Context, client *http.Client, url string) (time.Duration, error) {
	var took []time.Duration
	for began := time.Now(); time.Since(began) < limitTime; {
		at := time.Now()
		if err := exchange(ctx, client, url); err != nil {
			return 0, err
		}
		took = append(took, time.Since(at))
	}
	return bar.Quantile(took, 0.5), nil
}

func measureEchoes(ctx context.Context, client *http.Client, url string) float64 {
	var n atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range echoClients {
		all.Go(func() {
			for time.Since(began) < limitTime && exchange(ctx, client, url) == nil {
				n.Add(1)
			}
		})
	}
	all.Wait()
	return float64(n.Load()) / time.Since(began).Seconds()
}

func exchange(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(answer))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
