package cli

import (
	"errors"
	"fmt"
	"time"
)

// fsck reads all that a store holds, and tells what is wrong with it.
type fsck struct {
	Place
}

// Help is the long help of fsck.
func (fsck) Help() string {
	return `Every record is read and decoded, and held to the others: histories have no gap,
whoever waits waits for something that is there, lists, names, queues and timers
lead to what is there, and back. Nothing is written. A data folder must not be in
use; a database may be, and is read as it stood at one moment.

Exit 0 when all is well, 1 when something is wrong, 2 when the store can't be
opened.

Examples:
  backstep fsck --data ./data
  backstep fsck --postgres postgres://backstep@localhost/backstep --json`
}

// Fault is something that is wrong with a store.
type Fault struct {
	Place string `json:"place"`
	What  string `json:"what"`
	Do    string `json:"do"`
}

// Run looks at the store.
func (v *fsck) Run(s *session) error {
	if v.Data == "" && v.Postgres == "" {
		return usagef("name the store by --data DIR or --postgres DSN")
	}
	found, kept := 0, []Fault{} // to be printed as JSON
	var last Fault
	shown := s.meter()
	counts, err := s.Keeper.Fsck(s.ctx, v.Place, func(f Fault) {
		if found++; s.JSON {
			kept = append(kept, f)
			return
		}
		shown.clear()
		f.print(s, last)
		last = f
	}, func(executions, events int) { shown.show("%d executions, %d events", executions, events) })
	shown.clear()
	if last.Do != "" {
		fmt.Fprintf(s.Stdout, "→ %s\n", last.Do)
	}
	if s.JSON && (err == nil || found > 0) {
		err = errors.Join(err, s.printJSON(map[string]any{"faults": kept, "counts": counts}))
	}
	if err != nil {
		return err
	}
	if !s.JSON {
		fmt.Fprintf(s.Stdout, "%s: %d executions (%d running, %d quarantined), %d events, %d payloads, %d jobs, %d rows of lists, %d state machines' documents; %s\n",
			v.Place, counts["executions"], counts["running"], counts["quarantined"], counts["events"], counts["payloads"], counts["jobs"], counts["listed"], counts["documents"], wrongs(found))
	}
	if found > 0 {
		return errNo
	}
	return nil
}

// print tells a fault behind another one, of which it repeats nothing.
func (f Fault) print(s *session, last Fault) {
	if f.Do != last.Do && last.Do != "" {
		fmt.Fprintf(s.Stdout, "→ %s\n", last.Do)
	}
	if f.Place != last.Place {
		fmt.Fprintln(s.Stdout, f.Place)
	}
	if f.What != "" {
		fmt.Fprintln(s.Stdout, "  "+f.What)
	}
}

func wrongs(n int) string {
	switch n {
	case 0:
		return "nothing is wrong"
	case 1:
		return "1 thing is wrong"
	}
	return fmt.Sprintf("%d things are wrong", n)
}

// meter shows how far something is, where somebody looks: several times a second
// at most, in one line that goes away.
type meter struct {
	s    *session
	last time.Time
}

func (s *session) meter() *meter { return &meter{s: s} }

func (p *meter) show(format string, args ...any) {
	if !p.s.Watched || time.Since(p.last) < 200*time.Millisecond {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.s.Stderr, "\r%s\x1b[K", fmt.Sprintf(format, args...))
}

func (p *meter) clear() {
	if p.s.Watched && !p.last.IsZero() {
		fmt.Fprint(p.s.Stderr, "\r\x1b[K")
	}
}
