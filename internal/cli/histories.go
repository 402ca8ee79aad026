package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/backstep/backstep/api"
)

// histories writes executions with their histories.
type histories struct {
	Machine string `help:"Only executions of this state machine: its name or ARN." placeholder:"MACHINE"`
	Status  string `help:"Only executions of this status: RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED." enum:",RUNNING,SUCCEEDED,FAILED,TIMED_OUT,ABORTED" default:"" placeholder:"STATUS"`
	From    string `help:"Only executions that started then or later: 2026-11-30, 2026-11-30T09:00:00Z, or 24h for so long ago. A date begins in UTC." placeholder:"TIME"`
	To      string `help:"Only executions that started before." placeholder:"TIME"`
	Output  string `short:"o" help:"The file to write; by itself, and for -, standard output." placeholder:"FILE"`
	Force   bool   `help:"Replace a file that is there."`
}

// Help is the long help of histories.
func (histories) Help() string {
	return `One line of JSON per execution: what DescribeExecution says of it, and under
"events" what GetExecutionHistory does. State machines come by name, of each the
newest execution first; children of a distributed Map follow their parent,
whatever their status. Executions of express state machines are not kept. One that
retention drops while it is read has the events until there, and "dropped": true;
one that it drops before has no line, and is counted.

A file is written as FILE.part, synced, and renamed, so that FILE is always whole.
Each export says from which moment on the next one goes on. What is in both has
the same executionArn, and the later line is the newer one.

Exit 0 when all is written, 2 when it can't be written, 3 when the server is not
reached or refuses.

Examples:
  backstep histories -o all.jsonl
  backstep histories --machine Order --status FAILED | jq -r .name
  backstep histories --from 2026-11-29 --to 2026-11-30 -o 2026-11-29.jsonl`
}

// exported is what an export came to.
type exported struct {
	Executions int `json:"executions"`
	Events     int `json:"events"`
	Dropped    int `json:"dropped,omitempty"` // of the executions, while they were read
	Gone       int `json:"gone,omitempty"`    // none of them: listed, and dropped before they were read
	// Next is the From of an export that goes on after this one.
	Next time.Time `json:"next"`
}

// overlap is how much an export repeats of what the one before may have seen: the
// clocks of server and caller may differ, and a start is listed when it is stored.
const overlap = time.Minute

// Run writes them.
func (v *histories) Run(s *session) error {
	svc, err := s.service()
	if err != nil {
		return err
	}
	now := time.Now()
	w := &historian{s: s, svc: svc, status: api.ExecutionStatus(v.Status), to: api.Timestamp(1<<63 - 1), shown: s.meter()}
	if v.From != "" {
		if w.from, err = momentOf("--from", v.From, now); err != nil {
			return err
		}
	}
	if v.To != "" {
		if w.to, err = momentOf("--to", v.To, now); err != nil {
			return err
		}
	}
	if w.from > w.to {
		return usagef("--from %s is after --to %s", v.From, v.To)
	}
	w.sum.Next = now.Add(-overlap).UTC().Truncate(time.Second)
	if v.To != "" && w.to.Time().Before(w.sum.Next) {
		w.sum.Next = w.to.Time()
	}
	if v.Output == "" || v.Output == "-" {
		if err := w.write(s.Stdout, v.Machine); err != nil {
			return err
		}
		return v.tell(s, s.Stderr, "", &w.sum)
	}
	if err := vacant(v.Output, v.Force); err != nil {
		return err
	}
	if _, err := writeSynced(v.Output, func(to io.Writer) (*exported, error) { return &w.sum, w.write(to, v.Machine) }); err != nil {
		return err
	}
	return v.tell(s, s.Stdout, v.Output+": ", &w.sum)
}

// tell tells what was written. Where that is standard output, it goes beside it.
func (v *histories) tell(s *session, to io.Writer, file string, sum *exported) error {
	if s.JSON && file != "" {
		return s.printJSON(sum)
	}
	dropped := ""
	if sum.Dropped > 0 {
		dropped = fmt.Sprintf(" (%d dropped by retention while they were read)", sum.Dropped)
	}
	if sum.Gone > 0 {
		dropped += fmt.Sprintf(" and %d dropped by retention before they were read", sum.Gone)
	}
	_, err := fmt.Fprintf(to, "%s%d executions%s, %d events; the next export goes on with --from %s\n", file, sum.Executions, dropped, sum.Events, sum.Next.Format(time.RFC3339Nano))
	return err
}

// momentOf is the moment that a flag names: a date, a time, or how long ago.
func momentOf(flag, text string, now time.Time) (api.Timestamp, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return api.TimestampOf(now.Add(-ago)), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return api.TimestampOf(t), nil
		}
	}
	return 0, usagef("%s %q is no time such as 2026-11-30, 2026-11-30T09:00:00Z or 24h", flag, text)
}

// historian writes executions, one after the other. It keeps a page of a list, a page
// of a history, and what children are still to come.
type historian struct {
	s        *session
	svc      api.Service
	status   api.ExecutionStatus
	from, to api.Timestamp
	shown    *meter
	sum      exported
}

// write writes those of one state machine, or of all.
func (w *historian) write(to io.Writer, machine string) error {
	defer w.shown.clear()
	out := &output{to: to}
	buffered := bufio.NewWriterSize(out, 64<<10)
	err := w.machines(buffered, machine)
	err = errors.Join(err, buffered.Flush())
	if out.err != nil {
		return &UsageError{out.err}
	}
	return err
}

func (w *historian) machines(to *bufio.Writer, machine string) error {
	if machine != "" {
		return w.machine(to, w.s.machineARN(machine))
	}
	in := &api.ListStateMachinesInput{MaxResults: maxPage}
	for m, err := range pages(func(token *string) ([]api.StateMachineListItem, *string, error) {
		in.NextToken = token
		page, err := w.svc.ListStateMachines(w.s.ctx, in)
		if err != nil {
			return nil, nil, err
		}
		return page.StateMachines, page.NextToken, nil
	}) {
		if err != nil {
			return err
		}
		if m.Type == api.StateMachineTypeExpress {
			continue
		}
		if err := w.machine(to, m.StateMachineArn); err != nil && api.CodeOf(err) != api.CodeStateMachineDoesNotExist {
			return err // one that was deleted meanwhile has none
		}
	}
	return nil
}

// machine writes those of a state machine that started in time.
func (w *historian) machine(to *bufio.Writer, arn string) error {
	for x, err := range w.list(api.ListExecutionsInput{StateMachineArn: &arn, StatusFilter: w.status, MaxResults: maxPage}) {
		switch {
		case err != nil:
			return err
		case x.StartDate < w.from:
			return nil // and so all that come
		case x.StartDate >= w.to:
			continue
		}
		if err := w.family(to, x.ExecutionArn); err != nil {
			return err
		}
	}
	return nil
}

func (w *historian) list(in api.ListExecutionsInput) iter.Seq2[api.ExecutionListItem, error] {
	return pages(func(token *string) ([]api.ExecutionListItem, *string, error) {
		in.NextToken = token
		page, err := w.svc.ListExecutions(w.s.ctx, &in)
		if err != nil {
			return nil, nil, err
		}
		return page.Executions, page.NextToken, nil
	})
}

// family writes an execution, and the children of its distributed Maps.
func (w *historian) family(to *bufio.Writer, arn string) error {
	runs, err := w.execution(to, arn)
	if err != nil {
		return err
	}
	for _, run := range runs {
		for x, err := range w.list(api.ListExecutionsInput{MapRunArn: &run, MaxResults: maxPage}) {
			if api.CodeOf(err) == api.CodeResourceNotFound {
				w.sum.Gone++ // with its children, of which nobody knows how many there were
				break
			}
			if err != nil {
				return err
			}
			if err := w.family(to, x.ExecutionArn); err != nil {
				return err
			}
		}
	}
	return nil
}

// execution writes an execution's line, and tells its map runs. One that retention
// has dropped since it was listed has none, and is counted; one that it drops meanwhile
// has the events that were read, and says so.
func (w *historian) execution(to *bufio.Writer, arn string) (runs []string, err error) {
	about, err := w.svc.DescribeExecution(w.s.ctx, &api.DescribeExecutionInput{ExecutionArn: arn})
	if api.CodeOf(err) == api.CodeExecutionDoesNotExist {
		w.sum.Gone++
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	head, err := json.Marshal(about)
	if err != nil {
		return nil, err
	}
	begun := false
	for e, err := range events(w.s.ctx, w.svc, arn, false) {
		switch {
		case !begun && api.CodeOf(err) == api.CodeExecutionDoesNotExist:
			w.sum.Gone++
			return nil, nil
		case api.CodeOf(err) == api.CodeExecutionDoesNotExist:
			w.sum.Executions++
			w.sum.Dropped++
			_, err := to.WriteString("],\"dropped\":true}\n")
			return runs, err
		case err != nil:
			return nil, err
		case !begun:
			fmt.Fprintf(to, `%s,"events":[`, strings.TrimSuffix(string(head), "}"))
		default:
			to.WriteByte(',')
		}
		begun = true
		text, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		to.Write(text)
		w.sum.Events++
		w.shown.show("%d executions, %d events", w.sum.Executions, w.sum.Events)
		if started := e.MapRunStartedEventDetails; started != nil && started.MapRunArn != nil && !slices.Contains(runs, *started.MapRunArn) {
			runs = append(runs, *started.MapRunArn)
		}
	}
	if !begun {
		return nil, fmt.Errorf("the history of %s is empty", arn)
	}
	w.sum.Executions++
	_, err = to.WriteString("]}\n")
	return runs, err
}
