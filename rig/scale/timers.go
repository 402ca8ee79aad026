package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/rig/bar"
)

// The bars of timers.
const (
	steadyRate  = 1000 // timers a second
	lateMost    = 1000 // ms, p99 of these
	burstMost   = 60   // s until all are fired that are due in the same second
	callsMost   = 500  // ms, p99 of calls meanwhile
	probesEvery = 20 * time.Millisecond
)

// timers measures timers due evenly, by the thousand in each second.
func (r *rig) timers(ctx context.Context) error {
	return r.withServer(ctx, func(s *server) error { return r.steady(ctx, s, r.n) })
}

// burst measures timers due in the same second.
func (r *rig) burst(ctx context.Context) error {
	return r.withServer(ctx, func(s *server) error { return r.atOnce(ctx, s, r.n, false) })
}

// away measures as many that came due while the server was down.
func (r *rig) away(ctx context.Context) error {
	return r.withServer(ctx, func(s *server) error { return r.atOnce(ctx, s, r.n, true) })
}

// withServer has a server over an empty store.
func (r *rig) withServer(ctx context.Context, measure func(*server) error) error {
	dir, err := os.MkdirTemp(r.dir, "data-")
	if err != nil {
		return err
	}
	s, err := serve(ctx, r.backstep, dir, r.configuration("", "0s"))
	if err != nil {
		return err
	}
	defer func() { s.End(syscall.SIGKILL) }()
	return measure(s)
}

// wait starts n executions that wait; each one's name is its due time, UTC ms, and
// its number.
func (r *rig) wait(ctx context.Context, s *server, machine string, n int, due func(i int) time.Time) error {
	began := time.Now()
	err := r.fill(ctx, s, 0, n, func(ctx context.Context, i int) error {
		at := due(i).UTC()
		return s.begin(ctx, machine, fmt.Sprintf("%d-%d", at.UnixMilli(), i), `{"at":"`+at.Format("2006-01-02T15:04:05.000Z")+`"}`)
	})
	if err == nil && time.Now().After(due(0)) {
		err = fmt.Errorf("%d starts took %s: they are not there when they come due", n, time.Since(began))
	}
	return err
}

// room is how long so many starts may take, until the first timer is due.
func room(n int) time.Duration { return 10*time.Second + time.Duration(n)*time.Second/1800 }

// steady has timers due evenly.
func (r *rig) steady(ctx context.Context, s *server, n int) error {
	machine, err := s.machine(ctx, "Steady", waiting)
	if err != nil {
		return err
	}
	begin := time.Now().Add(room(n))
	if err := r.wait(ctx, s, machine, n, func(i int) time.Time { return begin.Add(time.Duration(i) * time.Second / steadyRate) }); err != nil {
		return err
	}
	pause(ctx, time.Until(begin))
	cpu := s.CPU()
	probes := r.probe(ctx, s)
	pause(ctx, time.Until(begin.Add(time.Duration(n)*time.Second/steadyRate)))
	if err := s.drained(ctx, machine); err != nil {
		return err
	}
	calls, err := probes()
	if err != nil {
		return err
	}
	late, err := s.lateness(ctx, machine, n)
	if err != nil {
		return err
	}
	r.bars.Note(fmt.Sprintf("timers: %d, %d in each second: late, p50", n, steadyRate), bar.Milliseconds(bar.Quantile(late, 0.5)), "ms")
	r.bars.Most("timers: late, p99", bar.Milliseconds(bar.Quantile(late, 0.99)), lateMost, "ms")
	r.bars.Note("timers: processor per 1,000, calls included", 1000*(s.CPU()-cpu)/float64(n), "s")
	r.bars.Most("timers: calls meanwhile, p99", bar.Milliseconds(bar.Quantile(calls, 0.99)), callsMost, "ms")
	return nil
}

// atOnce has timers due in one second; away has the server down when they come due,
// and counts from when it is there again.
func (r *rig) atOnce(ctx context.Context, s *server, n int, away bool) error {
	machine, err := s.machine(ctx, "AtOnce", waiting)
	if err != nil {
		return err
	}
	begin := time.Now().Add(room(n))
	if err := r.wait(ctx, s, machine, n, func(i int) time.Time { return begin.Add(time.Duration(i) * time.Second / time.Duration(n)) }); err != nil {
		return err
	}
	row := "burst"
	if away {
		row = "away"
		s.End(syscall.SIGKILL)
		pause(ctx, time.Until(begin.Add(2*time.Second)))
		begin = time.Now()
		if err := s.start(ctx, r.configuration("", "0s")); err != nil {
			return err
		}
		r.bars.Most(row+": restart to ready", s.Ready.Seconds(), readyMost, "s")
	}
	pause(ctx, time.Until(begin))
	cpu := s.CPU()
	probes := r.probe(ctx, s)
	if err := s.drained(ctx, machine); err != nil {
		return err
	}
	took := time.Since(begin)
	calls, err := probes()
	if err != nil {
		return err
	}
	late, err := s.lateness(ctx, machine, n)
	if err != nil {
		return err
	}
	_, most := s.Memory()
	r.bars.Note(row+": timers that were due in the same second", float64(n), "")
	r.bars.Most(row+": all fired within", took.Seconds(), burstMost, "s")
	r.bars.Note(row+": late, p50", bar.Milliseconds(bar.Quantile(late, 0.5))/1000, "s")
	r.bars.Note(row+": processor per 1,000, calls included", 1000*(s.CPU()-cpu)/float64(n), "s")
	r.bars.Note(row+": calls meanwhile, p50", bar.Milliseconds(bar.Quantile(calls, 0.5)), "ms")
	r.bars.Most(row+": calls meanwhile, p99", bar.Milliseconds(bar.Quantile(calls, 0.99)), callsMost, "ms")
	r.bars.Note(row+": resident at the most so far", most, "MiB")
	return nil
}

// lateness is how late each execution of a machine ended, by its name: all of n
// must have succeeded.
func (s *server) lateness(ctx context.Context, machine string, n int) (late []time.Duration, err error) {
	in := api.ListExecutionsInput{StateMachineArn: &machine, StatusFilter: api.ExecutionStatusSucceeded, MaxResults: 1000}
	for {
		list, err := s.ListExecutions(ctx, &in)
		if err != nil {
			return nil, err
		}
		for _, e := range list.Executions {
			text, _, _ := strings.Cut(e.Name, "-")
			due, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, err
			}
			if int64(*e.StopDate) < due {
				return nil, fmt.Errorf("%s ended at %s, too early", e.ExecutionArn, e.StopDate)
			}
			late = append(late, time.Duration(int64(*e.StopDate)-due)*time.Millisecond)
		}
		if in.NextToken = list.NextToken; in.NextToken == nil {
			break
		}
	}
	if len(late) != n {
		return nil, fmt.Errorf("%d timers fired, not %d", len(late), n)
	}
	return late, nil
}
