// Command hostile holds a server to its bars while the services that it calls
// misbehave and its callers ask for more than it can do: each mode of a fiend, five
// hundred calls that hang, a retry storm, and a flood of five times its capacity.
// It knows the server by its API alone.
//
// Read main.go, then modes.go, hung.go, storm.go, flood.go, load.go, server.go. What it is held to is in rig/bar.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/backstep/backstep/rig/bar"
	"github.com/backstep/backstep/rig/fiend"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("hostile: ")
	var r rig
	parts := flag.String("parts", "modes,hung,storm,flood", "what is done, in this order")
	flag.StringVar(&r.backstep, "backstep", "bin/backstep", "the server's binary")
	flag.StringVar(&r.dir, "dir", "", "folder for the data; a new one where none is given")
	flag.IntVar(&r.hung, "hung", 500, "calls that hang at once")
	flag.IntVar(&r.storm, "executions", 10_000, "executions in the retry storm")
	flag.DurationVar(&r.down, "down", time.Minute, "how long the service of the retry storm is down")
	flag.DurationVar(&r.flood, "flood", 20*time.Second, "how long the flood lasts")
	flag.DurationVar(&r.calm, "calm", 10*time.Second, "how long each baseline is measured")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	wanted := strings.Split(*parts, ",")
	for _, part := range wanted {
		if partsOf[part] == nil {
			log.Printf("-parts %q: there are modes, hung, storm and flood", part)
			os.Exit(2)
		}
	}
	if err := r.run(ctx, wanted); err != nil {
		log.Fatal(err)
	}
}

// rig is one run.
type rig struct {
	backstep, dir     string
	hung, storm       int
	down, flood, calm time.Duration
	fiend             *fiend.Server
	bars              bar.Figures
}

// partsOf a run, by their names.
var partsOf = map[string]func(*rig, context.Context, *server) error{
	"modes": (*rig).modes, "hung": (*rig).hang, "storm": (*rig).rage, "flood": (*rig).overrun,
}

func (r *rig) run(ctx context.Context, parts []string) (err error) {
	if r.dir == "" {
		if r.dir, err = os.MkdirTemp("", "backstep-hostile-"); err != nil {
			return err
		}
		defer os.RemoveAll(r.dir)
	}
	if r.fiend, err = fiend.Listen(); err != nil {
		return err
	}
	defer r.fiend.Close()
	for _, part := range parts {
		if err := r.alone(ctx, part); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	return r.bars.Print(os.Stdout)
}

// alone does a part on a server of its own.
func (r *rig) alone(ctx context.Context, part string) error {
	dir, err := os.MkdirTemp(r.dir, part)
	if err != nil {
		return err
	}
	s, err := serve(ctx, r.backstep, dir, r.configuration())
	if err != nil {
		return err
	}
	defer s.End(syscall.SIGKILL)
	return partsOf[part](r, ctx, s)
}

// stormRate is how often the service of the storm may be called a second.
const stormRate = 400

func (r *rig) configuration() string {
	var b strings.Builder
	fmt.Fprintf(&b, "http: {allow: [127.0.0.0/8]}\nfunctions:\n  Good: {url: %q}\n", r.fiend.URL(fiend.Well))
	fmt.Fprintf(&b, "  Storm: {url: %q, rate: {per_second: %d, burst: 50}}\n", r.fiend.URL(fiend.Troubled), stormRate)
	for _, m := range fiend.Modes {
		fmt.Fprintf(&b, "  %s: {url: %q}\n", m.Name, r.fiend.URL(m.Name))
	}
	return b.String()
}

// calls is a definition of so many steps that call a function.
func calls(function string, steps int, more string) string {
	var b strings.Builder
	b.WriteString(`{"StartAt":"S1","States":{`)
	for i := 1; i <= steps; i++ {
		next := fmt.Sprintf(`"Next":"S%d"},`, i+1)
		if i == steps {
			next = `"End":true}`
		}
		fmt.Fprintf(&b, `"S%d":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":%q,"Payload":{}},"ResultSelector":{"ok.$":"$.Payload"},%s%s`, i, function, more, next)
	}
	return b.String() + "}}"
}
