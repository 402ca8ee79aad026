// Command bench measures a server beside the limits of the machine it runs on,
// in one run: five-step sagas over functions by URL and over hosted programs,
// and over the least that a server of sagas can be, at several numbers of
// clients; a synced append; an HTTP exchange between two processes. It knows the
// server by its command line alone.
//
// Read main.go, then limits.go (what the machine can do), functions.go (what
// the sagas call), bare.go (the least), table.go.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	var b bench
	flag.StringVar(&b.backstep, "backstep", "bin/backstep", "the server's binary")
	flag.StringVar(&b.before, "before", "", "another binary of the server, to be measured beside it")
	flag.StringVar(&b.samples, "samples", "", "folder for all samples as Go's benchmarks print them, a file before.txt and an after.txt, for benchstat")
	flag.StringVar(&b.clients, "clients", "1,16,128", "clients at once")
	flag.DurationVar(&b.duration, "duration", 8*time.Second, "how long each row is measured")
	flag.IntVar(&b.rounds, "rounds", 1, "how often each row is measured, in turn; the table has the medians")
	flag.IntVar(&b.steps, "steps", 5, "steps of a saga")
	flag.StringVar(&b.postgres, "postgres", "", "let the server keep its data in this database instead of a folder")
	flag.StringVar(&b.dir, "dir", "", "folder for the data, on the disk to be measured; a new one where none is given")
	role := flag.String("role", "", "what this process is: functions, program or bare; empty: the measurement")
	listen := flag.String("listen", "", "of bare: its address")
	function := flag.String("function", "", "of bare: the URL that each step calls")
	flag.Parse()
	var err error
	switch *role {
	case "":
		err = b.run()
	case "functions":
		err = serveFunctions(os.Stdout)
	case "program":
		err = runProgram(os.Getenv("AWS_LAMBDA_RUNTIME_API"))
	case "bare":
		err = serveBare(*listen, b.dir, *function, b.steps)
	default:
		log.Fatalf("-role %q: there are functions, program and bare", *role)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// bench is one measurement.
type bench struct {
	backstep, before, samples, clients, postgres, dir string
	duration                                          time.Duration
	steps, rounds                                     int
}

// contestant is a server under load.
type contestant struct {
	name, endpoint, function string
}

// row is what `backstep bench --json` prints of one number of clients.
type row struct {
	Concurrency int     `json:"concurrency"`
	PerSecond   float64 `json:"sagas_per_second"`
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	Errors      int64   `json:"errors"`
	CPU         float64 `json:"server_cpu_seconds_per_1000"`
	MiB         float64 `json:"server_resident_mib"`
}

func (b *bench) run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "backstep-bench-")
		if err != nil {
			return err
		}
		b.dir = dir
		defer os.RemoveAll(dir)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	functions, err := startFunctions(ctx, self)
	if err != nil {
		return err
	}
	defer functions.stop()
	limits, err := measureLimits(ctx, b.dir, functions.url)
	if err != nil {
		return err
	}
	endpoint, server, err := b.serve(ctx, self, functions.url, b.backstep, "data")
	if err != nil {
		return err
	}
	defer server.stop()
	least, bare, err := b.serveLeast(ctx, self, functions.url)
	if err != nil {
		return err
	}
	defer bare.stop()
	contestants := []contestant{{"the least", least, "none"}, {"URL", endpoint, "BenchURL"}, {"hosted", endpoint, "BenchHosted"}}
	if b.before != "" {
		older, server, err := b.serve(ctx, self, functions.url, b.before, "before")
		if err != nil {
			return err
		}
		defer server.stop()
		contestants = append(contestants, contestant{"URL, before", older, "BenchURL"}, contestant{"hosted, before", older, "BenchHosted"})
	}
	results := map[string][]row{}
	busy := cpuOfAll()
	began := time.Now()
	for range b.rounds {
		for _, clients := range strings.Split(b.clients, ",") {
			for _, c := range contestants {
				rows, err := b.load(ctx, c, clients)
				if err != nil {
					return err
				}
				results[c.name+" | "+clients] = append(results[c.name+" | "+clients], rows...)
			}
		}
	}
	var lines []string
	for _, c := range contestants {
		for _, clients := range strings.Split(b.clients, ",") {
			lines = append(lines, c.name+" | "+clients)
		}
	}
	printTable(os.Stdout, limits, lines, results, (cpuOfAll()-busy)/time.Since(began).Seconds())
	if b.samples == "" {
		return nil
	}
	return writeSamples(b.samples, lines, results)
}

// process is a child of ours.
type process struct {
	cmd *exec.Cmd
	url string
}

func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
}

// serve starts the server with one function by URL and one of sixteen hosted programs.
func (b *bench) serve(ctx context.Context, self, functions, binary, data string) (endpoint string, p *process, err error) {
	config := filepath.Join(b.dir, "backstep.yaml")
	text := fmt.Sprintf("functions:\n  BenchURL: {url: %q, concurrency: 256}\n  BenchHosted: {command: [%q, -role, program], concurrency: 16}\nhttp: {allow: [127.0.0.0/8]}\n", functions, self)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", nil, err
	}
	listen, err := freeAddress()
	if err != nil {
		return "", nil, err
	}
	args := []string{"serve", "--listen", listen, "--config", config, "--log-level", "warn"}
	if b.postgres != "" {
		args = append(args, "--postgres", b.postgres)
	} else {
		args = append(args, "--data", filepath.Join(b.dir, data))
	}
	return start(ctx, listen, binary, args...)
}

// serveLeast starts the least that a server of sagas can be.
func (b *bench) serveLeast(ctx context.Context, self, functions string) (endpoint string, p *process, err error) {
	listen, err := freeAddress()
	if err != nil {
		return "", nil, err
	}
	return start(ctx, listen, self, "-role", "bare", "-listen", listen, "-dir", filepath.Join(b.dir, "least"),
		"-function", functions, "-steps", fmt.Sprint(b.steps))
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// start starts a server and waits until it is ready.
func start(ctx context.Context, listen, program string, args ...string) (endpoint string, p *process, err error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("%w: build it first: make build", err)
	}
	p = &process{cmd: cmd}
	endpoint = "http://" + listen
	for range 500 {
		if resp, err := http.Get(endpoint + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return endpoint, p, nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	p.stop()
	return "", nil, fmt.Errorf("%s was not ready within 10 s", program)
}

// load runs the load generator against a contestant.
func (b *bench) load(ctx context.Context, c contestant, clients string) ([]row, error) {
	cmd := exec.CommandContext(ctx, b.backstep, "bench", "--json", "--endpoint", c.endpoint, "--function", c.function,
		"--concurrency", clients, "--duration", b.duration.String(), "--steps", fmt.Sprint(b.steps))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		return nil, fmt.Errorf("backstep bench: %w", err)
	}
	var rows []row
	return rows, json.Unmarshal(out, &rows)
}
