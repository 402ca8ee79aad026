package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backstep/backstep/api"
)

// Demo runs the order saga's scenarios on a server of its own.
type Demo struct {
	Dir        string `arg:"" optional:"" help:"The example's folder, its programs built." default:"examples/order" type:"path"`
	Definition string `help:"Another definition of the saga, over the same functions." env:"DEFINITION" type:"path" placeholder:"FILE"`
	Listen     string `help:"Where the server listens; another port is taken when this one is in use." default:"127.0.0.1:8083"`
	Data       string `help:"Folder for the server's and the services' data; a new one where none is given." env:"DATA" type:"path"`
	Postgres   string `help:"Let the server keep its data in this PostgreSQL database." env:"POSTGRES" placeholder:"DSN"`
	Keep       bool   `help:"Leave the server up, and say what to try next." env:"KEEP"`
	Kill       bool   `help:"Kill the server in the middle (SIGKILL), and start it again." env:"KILL"`
}

// Help is the long help of demo.
func (Demo) Help() string {
	return `Seven orders go through the saga: one goes well, the others fail at a step chosen
by their order id, and what they did is undone. The services' own books are read
at the end.`
}

// scenario is an order of the demo and what must come of it.
type scenario struct {
	Title  string          `json:"title"`
	Input  json.RawMessage `json:"input"`
	Path   []string        `json:"path"`
	Status string          `json:"status"`
	Debit  int64           `json:"debit"`  // cents
	Refund int64           `json:"refund"` // cents
}

// account is what the services' books hold of one order.
type account struct {
	Debit  int64 `json:"debit"`
	Refund int64 `json:"refund"`
}

const demoMachine = "Order"

// Run runs it: server up, orders in, ends awaited, books read, server down.
func (v *Demo) Run(s *session) error {
	scenarios, err := v.read()
	if err != nil {
		return err
	}
	if v.Data == "" {
		if v.Data, err = os.MkdirTemp("", "backstep-demo-"); err != nil {
			return err
		}
		if !v.Keep {
			defer os.RemoveAll(v.Data)
		}
	}
	server, err := v.server(s)
	if err != nil {
		return err
	}
	if err := server.start(s.ctx); err != nil {
		return err
	}
	defer func() {
		if !v.Keep {
			server.stop()
		}
	}()
	s.Endpoint = server.endpoint()
	fmt.Fprintf(s.Stderr, "A server runs at %s, its data in %s\n", s.Endpoint, v.Data)
	svc, err := s.service()
	if err != nil {
		return err
	}
	arns, err := v.place(s, svc, scenarios)
	if err != nil {
		return err
	}
	if v.Kill {
		if err := v.kill(s, svc, server, arns); err != nil {
			return err
		}
	}
	wrong, err := v.report(s, svc, scenarios, arns)
	if err != nil {
		return err
	}
	if v.Keep {
		v.next(s, server, arns)
	}
	if wrong > 0 {
		fmt.Fprintf(s.Stderr, "backstep: %d of %d orders did not end as they must\n", wrong, len(scenarios))
		return errNo
	}
	return nil
}

// read reads the example's folder, and says what is missing there.
func (v *Demo) read() ([]scenario, error) {
	if v.Definition == "" {
		v.Definition = filepath.Join(v.Dir, "order.asl.json")
	}
	for _, need := range []string{"backstep.yaml", "bin/orders", "bin/payments", "bin/inventory", "bin/ledger"} {
		if _, err := os.Stat(filepath.Join(v.Dir, need)); err != nil {
			return nil, usagef("%v: run `make demo` in the project's folder, which builds the example", err)
		}
	}
	if _, err := os.Stat(v.Definition); err != nil {
		return nil, usagef("--definition: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(v.Dir, "scenarios.json"))
	if err != nil {
		return nil, &UsageError{err}
	}
	var scenarios []scenario
	if err := json.Unmarshal(text, &scenarios); err != nil {
		return nil, usagef("scenarios.json: %v", err)
	}
	return scenarios, nil
}

func (v *Demo) server(s *session) (*childServer, error) {
	books := filepath.Join(v.Data, "books")
	if err := os.MkdirAll(books, 0o700); err != nil {
		return nil, err
	}
	args := []string{"--config", filepath.Join(v.Dir, "backstep.yaml")}
	if v.Postgres != "" {
		args = append(args, "--postgres", v.Postgres)
	} else {
		args = append(args, "--data", filepath.Join(v.Data, "store"))
	}
	return newChildServer(s.Program, v.Listen, filepath.Join(v.Data, "server.log"), args, "ORDER_DATA="+books)
}

// place makes the state machine and starts an execution for every order.
func (v *Demo) place(s *session, svc api.Service, scenarios []scenario) ([]string, error) {
	definition, err := os.ReadFile(v.Definition)
	if err != nil {
		return nil, &UsageError{err}
	}
	machine, err := svc.CreateStateMachine(s.ctx, &api.CreateStateMachineInput{
		Name: demoMachine, Definition: string(definition), RoleArn: "arn:aws:iam::123456789012:role/demo",
	})
	if err != nil {
		return nil, err
	}
	run := time.Now().UTC().Format("150405")
	var arns []string
	for i, sc := range scenarios {
		name, input := fmt.Sprintf("order-%d-%s", i+1, run), string(sc.Input)
		out, err := svc.StartExecution(s.ctx, &api.StartExecutionInput{StateMachineArn: machine.StateMachineArn, Name: &name, Input: &input})
		if err != nil {
			return nil, err
		}
		arns = append(arns, out.ExecutionArn)
	}
	fmt.Fprintf(s.Stderr, "%d orders are on their way\n", len(arns))
	return arns, nil
}

// kill kills the server as soon as an order is past its first step while others
// are still under way, and starts it again on the same data.
func (v *Demo) kill(s *session, svc api.Service, server *childServer, arns []string) error {
	underway := 0
	for deadline := time.Now().Add(20 * time.Second); ; {
		running, moved := 0, false
		for _, arn := range arns {
			x, err := svc.WaitExecution(s.ctx, &api.WaitExecutionInput{ExecutionArn: arn, TimeoutSeconds: new(int32)})
			if err != nil {
				return err
			}
			if !x.Status.Ended() {
				running++
			}
			moved = moved || x.LastEventId > 5
		}
		if running == 0 {
			return errors.New("every order had ended before the server could be killed; run it again")
		}
		if moved || time.Now().After(deadline) {
			underway = running
			break
		}
	}
	server.kill()
	fmt.Fprintf(s.Stderr, "The server was killed (SIGKILL) with %d orders under way\n", underway)
	if err := server.start(s.ctx); err != nil {
		return err
	}
	fmt.Fprintln(s.Stderr, "It was started again and goes on")
	return nil
}

// report awaits the orders' ends and prints the table; wrong counts the orders
// that did not go as they must.
func (v *Demo) report(s *session, svc api.Service, scenarios []scenario, arns []string) (wrong int, err error) {
	type end struct {
		path   []string
		status api.ExecutionStatus
		err    error
	}
	ends := make([]end, len(arns))
	var all sync.WaitGroup
	for i, arn := range arns {
		all.Go(func() {
			var events []api.HistoryEvent
			x, err := s.follow(svc, arn, 0, func(e api.HistoryEvent) { events = append(events, e) })
			if err != nil {
				ends[i].err = err
				return
			}
			ends[i] = end{path: path(events), status: x.Status}
		})
	}
	all.Wait()
	books, err := v.books(s.ctx)
	if err != nil {
		return 0, err
	}
	rows := [][]string{{"", "ORDER", "PATH (✗ failed)", "STATUS", "MONEY"}}
	for i, sc := range scenarios {
		if ends[i].err != nil {
			return 0, ends[i].err
		}
		var order struct {
			ID string `json:"order_id"`
		}
		if err := json.Unmarshal(sc.Input, &order); err != nil {
			return 0, usagef("scenarios.json: %v", err)
		}
		mark := s.paint(green, "ok")
		if !sc.matches(ends[i].path, ends[i].status, books[order.ID]) {
			mark = s.paint(red, "WRONG")
			wrong++
		}
		rows = append(rows, []string{mark, sc.Title, strings.Join(ends[i].path, " → "), string(ends[i].status), money(books[order.ID], ends[i].status)})
	}
	table(s.Stdout, rows)
	return wrong, nil
}

func (sc scenario) matches(path []string, status api.ExecutionStatus, a account) bool {
	plain := make([]string, len(path))
	for i, name := range path {
		plain[i] = strings.TrimSuffix(name, " ✗")
	}
	return slices.Equal(plain, sc.Path) && string(status) == sc.Status && a.Debit == sc.Debit && a.Refund == sc.Refund
}

// money tells an order's account in words.
func money(a account, status api.ExecutionStatus) string {
	cents := func(c int64) string { return fmt.Sprintf("%d.%02d", c/100, c%100) }
	switch {
	case a.Debit == 0 && a.Refund == 0:
		return "nothing charged"
	case a.Debit == a.Refund:
		return cents(a.Debit) + " charged, given back"
	case status == api.ExecutionStatusSucceeded && a.Refund == 0:
		return cents(a.Debit) + " charged"
	}
	return cents(a.Debit-a.Refund) + " owed: a person was told"
}

// books reads the services' own books.
func (v *Demo) books(ctx context.Context) (map[string]account, error) {
	out, err := exec.CommandContext(ctx, filepath.Join(v.Dir, "bin", "ledger"), filepath.Join(v.Data, "books")).Output()
	if err != nil {
		return nil, fmt.Errorf("read the services' books: %w", err)
	}
	books := map[string]account{}
	return books, json.Unmarshal(out, &books)
}

// next says what to try while the server is up.
func (v *Demo) next(s *session, server *childServer, arns []string) {
	at := ""
	if server.listen != "127.0.0.1:8083" {
		at = " --endpoint " + server.endpoint()
	}
	fmt.Fprintf(s.Stdout, `
The server is still up at %[1]s (stop it: kill %[2]d). Try:
  %[8]s list%[3]s %[4]s
  %[8]s show%[3]s %[5]s
  %[8]s history%[3]s %[5]s
  aws stepfunctions list-executions --endpoint-url %[1]s --region %[6]s --state-machine-arn %[7]s
`, server.endpoint(), server.pid(), at, demoMachine, executionName(arns[len(arns)-1]), s.region(), s.machineARN(demoMachine), s.called())
}

// called is this program as somebody calls it from here, where it may not be in the
// PATH.
func (s *session) called() string {
	here, err := os.Getwd()
	if err != nil {
		return "backstep"
	}
	if path, err := filepath.Rel(here, s.Program); err == nil && filepath.IsLocal(path) && filepath.Base(path) != path {
		return path
	}
	return "backstep"
}
