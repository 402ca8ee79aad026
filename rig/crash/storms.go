package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/backstep/backstep/rig/bar"
	"github.com/backstep/backstep/rig/host"
)

// writesASecond is the floor of what a cluster in trouble acknowledges.
const writesASecond = 5

func (c *cluster) writesLeast() int64 { return int64(c.config.lasts.Seconds() * writesASecond) }

func (c *cluster) tell(w io.Writer) {
	fmt.Fprintf(w, "trouble            %s: %s; seed %d\n", c.config.shape, counts(c.befell), c.config.seed)
	fmt.Fprintf(w, "takeover           %d, %s at most (bound %s)\n", len(c.takeovers), ms(bar.Quantile(c.takeovers, 1)), takeoverMost)
	if c.versions != nil {
		c.versions.tell(w)
	}
	fmt.Fprintf(w, "zombies            %d of their writes refused\n", c.zombies)
	fmt.Fprintf(w, "acknowledged       %d changes (floor %d), %d reads\n", c.journal.written.Load(), c.writesLeast(), c.journal.read.Load())
}

func (c *cluster) judge(t *tally) {
	if n := c.journal.written.Load(); n < c.writesLeast() {
		c.fault("%d changes were acknowledged, the floor is %d", n, c.writesLeast())
	}
	if len(c.befell) == 0 {
		c.fault("nothing befell the cluster")
	}
	if most := bar.Quantile(c.takeovers, 1); most > takeoverMost {
		c.fault("shards were nobody's for %s, which may be %s", ms(most), takeoverMost)
	}
	if c.versions != nil {
		for _, what := range c.versions.lacking() {
			c.fault("%s", what)
		}
	}
	if c.drains() {
		for v, outcomes := range t.outcomes {
			if n := outcomes[lost] + outcomes[unsent]; n > 0 {
				c.fault("%d calls (%s) failed although they were made three times", n, v)
			}
		}
	}
}

// storms has a cluster in trouble of one shape so many times, each on a database
// of its own, and tells whether all held. name is that of the hosts, of which the
// first is this process's.
func storms(ctx context.Context, c config, runs int, name string, out io.Writer) (bool, error) {
	var err error
	if c.site, err = enterSite(ctx, name, c.dir); err != nil {
		return false, err
	}
	defer c.site.pair.Close()
	held, zombies := true, int64(0)
	var takeovers []time.Duration
	base := c.dir
	for n := 1; n <= runs && ctx.Err() == nil; n++ {
		c.name, c.dir = fmt.Sprint("run", n), filepath.Join(base, fmt.Sprint("run", n))
		fmt.Fprintf(out, "run %d of %d\n", n, runs)
		r, err := newRig(c)
		if err != nil {
			return false, err
		}
		ok, err := r.whole(ctx, out)
		if err != nil {
			return false, err
		}
		held = held && ok
		trouble := r.subject.(*cluster)
		zombies += trouble.zombies
		takeovers = append(takeovers, trouble.takeovers...)
		c.seed++
	}
	fmt.Fprintf(out, "\n%d runs of %s under %q: %d writes of zombies refused", runs, c.lasts, c.shape, zombies)
	if len(takeovers) > 0 {
		fmt.Fprintf(out, "; %d takeovers, p50 %s, at most %s", len(takeovers), ms(bar.Quantile(takeovers, 0.5)), ms(bar.Quantile(takeovers, 1)))
	}
	fmt.Fprintln(out)
	if zombies == 0 && c.shape == "pause" {
		fmt.Fprintln(out, "FAIL: no write of a zombie was refused: the trouble did not bite")
		held = false
	}
	fmt.Fprintln(out, map[bool]string{true: "PASS", false: "FAIL"}[held])
	return held, ctx.Err()
}

// onSite makes the hosts, and runs this program once more on the first of them.
func onSite(ctx context.Context, out io.Writer) (bool, error) {
	if err := host.Missing(); err != nil {
		return false, err
	}
	name := fmt.Sprint("rig", os.Getpid())
	network, err := host.Open(name)
	if err != nil {
		return false, err
	}
	defer network.Close()
	for _, h := range siteHosts {
		if _, err := network.Add(h); err != nil {
			return false, err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	cmd := network.Hosts()[0].Command(ctx, self, append([]string{"-site", name}, os.Args[1:]...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	err = cmd.Run()
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 1 {
		return false, nil
	}
	return err == nil, err
}
