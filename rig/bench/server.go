package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/backstep/backstep/rig/process"
)

func isDSN(data string) bool { return strings.Contains(data, "://") }

// serve starts the server with one function by URL, one of sixteen hosted
// programs, and one that fails. data is a folder within dir, or a database.
func (b *bench) serve(ctx context.Context, dir, binary, data string) (endpoint string, p *process.Process, err error) {
	config := filepath.Join(dir, "backstep.yaml")
	text := fmt.Sprintf("functions:\n  BenchURL: {url: %q, concurrency: 256}\n  BenchFailing: {url: %q, concurrency: 256}\n"+
		"  BenchHosted: {command: [%q, -role, program], concurrency: 16}\nhttp: {allow: [127.0.0.0/8]}\n",
		b.functions, b.functions+failing, b.self)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", nil, err
	}
	args := []string{"serve", "--config", config, "--log-level", "warn"}
	if isDSN(data) {
		args = append(args, "--postgres", data)
	} else {
		args = append(args, "--data", filepath.Join(dir, data))
	}
	return start(ctx, binary, args...)
}

// serveLeast starts the least that a server of sagas can be.
func (b *bench) serveLeast(ctx context.Context, dir string) (endpoint string, p *process.Process, err error) {
	return start(ctx, b.self, "-role", "bare", "-dir", filepath.Join(dir, "least"),
		"-function", b.functions, "-steps", fmt.Sprint(b.steps))
}

// start starts a program that serves at an address which it is told by --listen,
// and waits until it is ready.
func start(ctx context.Context, program string, args ...string) (endpoint string, p *process.Process, err error) {
	listen, err := process.Address()
	if err != nil {
		return "", nil, err
	}
	p, err = process.Start(ctx, listen, program, append(args, "--listen", listen)...)
	return "http://" + listen, p, err
}
