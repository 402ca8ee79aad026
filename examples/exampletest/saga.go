package exampletest

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
)

// Create makes a state machine of a definition.
func (s *Stage) Create(t *testing.T, name, file string) {
	t.Helper()
	definition, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Client.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{
		Name: name, Definition: string(definition), RoleArn: "arn:aws:iam::123456789012:role/demo",
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Start starts an execution.
func (s *Stage) Start(t *testing.T, machine, name string, input any) {
	t.Helper()
	text, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	in := string(text)
	_, err = s.Client.StartExecution(t.Context(), &api.StartExecutionInput{
		StateMachineArn: "arn:aws:states:us-east-1:123456789012:stateMachine:" + machine, Name: &name, Input: &in,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// End waits for an execution's end, and gives its status with the error, if it has one:
// "FAILED CardDeclined".
func (s *Stage) End(t *testing.T, machine, name string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	end, err := client.Await(ctx, s.Client, "arn:aws:states:us-east-1:123456789012:execution:"+machine+":"+name)
	if err != nil {
		t.Fatal(err)
	}
	status := string(end.Status)
	if end.Error != nil {
		status += " " + *end.Error
	}
	return status
}

// Run starts an execution and waits for its end.
func (s *Stage) Run(t *testing.T, machine, name string, input any) string {
	t.Helper()
	s.Start(t, machine, name, input)
	return s.End(t, machine, name)
}

// Do runs the command line with arguments, which must go well, and gives what it prints.
func (s *Stage) Do(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.try(args...)
	if err != nil {
		t.Fatalf("backstep %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (s *Stage) try(args ...string) (string, error) {
	command := exec.Command(Program("backstep"), args...)
	command.Env = append(os.Environ(), "BACKSTEP_ENDPOINT=http://"+s.Address)
	out, err := command.CombinedOutput()
	return string(out), err
}

// line is a row of a saga's log.
type line struct {
	StateName, Operation, Status string
	StartDate                    float64
}

// Saga is the status of an execution's saga, and its log as lines in the order in which
// the calls began: "Charge compensate COMPENSATED".
func (s *Stage) Saga(t *testing.T, execution string) (status string, log []string) {
	t.Helper()
	out, err := s.try("saga", "show", execution, "--json") // exit 1: it has not ended well
	var saga struct {
		SagaStatus string
		Log        []line
	}
	if json.Unmarshal([]byte(out), &saga) != nil {
		t.Fatalf("saga show: %v\n%s", err, out)
	}
	slices.SortStableFunc(saga.Log, func(a, b line) int { return cmp.Compare(a.StartDate, b.StartDate) })
	for _, l := range saga.Log {
		log = append(log, fmt.Sprintf("%s %s %s", l.StateName, l.Operation, l.Status))
	}
	return saga.SagaStatus, log
}

// Held waits until an execution has a hold, and gives its number.
func (s *Stage) Held(t *testing.T, machine, name string) string {
	t.Helper()
	var number string
	Await(t, "a hold of "+name, func() bool {
		var holds []struct{ ExecutionArn, HoldId string }
		if err := json.Unmarshal([]byte(s.Do(t, "hold", "list", machine, "--json")), &holds); err != nil {
			t.Fatal(err)
		}
		for _, h := range holds {
			if strings.HasSuffix(h.ExecutionArn, ":"+name) {
				number = h.HoldId
			}
		}
		return number != ""
	})
	return number
}

// Proven has backstep verify prove a definition.
func Proven(t *testing.T, file string) {
	t.Helper()
	out, err := exec.Command(Program("backstep"), "verify", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "proven") {
		t.Errorf("backstep verify %s: %v\n%s", file, err, out)
	}
}

// Row is the one row that a query gives, its values with a space between.
func Row(t *testing.T, db *sql.DB, query string, args ...any) string {
	t.Helper()
	rows, err := db.Query(query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil || !rows.Next() {
		t.Fatalf("%s: no row, %v", query, rows.Err())
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(fmt.Sprintln(values...))
}
