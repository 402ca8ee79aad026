package dbtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/participant"
)

// TestWithBackstepItself has a real server start an execution that an outbox asks for,
// call a service behind a barrier, and be told the end of the task by the outbox again.
func TestWithBackstepItself(t *testing.T) {
	d := newDatabase(t, participant.SQLite)
	b, o := participant.NewBarrier(d.DB, d.dialect), participant.NewOutbox(d.DB, d.dialect)
	calls := make(chan participant.Call, 10)
	service := httptest.NewServer(b.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := participant.CallFrom(r.Context())
		calls <- c
		var in struct{ Token string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		tx := participant.TxFrom(r.Context())
		if err := d.write(r.Context(), tx, c); err != nil {
			t.Error(err)
		}
		if err := o.Record(r.Context(), tx, c.Key, participant.TaskSuccess{TaskToken: in.Token, Output: `{"paid":true}`}); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, `{}`)
	})))
	defer service.Close()
	c := startBackstep(t, fmt.Sprintf("functions:\n  Charge: {url: %q}\n", service.URL))

	machine, err := c.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{
		Name: "Order", RoleArn: "arn:aws:iam::123456789012:role/x",
		Definition: `{"StartAt": "Bücher", "States": {"Bücher": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
			"TimeoutSeconds": 30, "End": true, "Parameters": {"FunctionName": "Charge", "Payload": {"token.$": "$$.Task.Token"}}}}}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	start := participant.StartExecution{StateMachineArn: machine.StateMachineArn, Name: "order-1", Input: `{"order": 1.0}`}
	record(t, d, o, "order-1", start)
	r := &participant.Relay{Outbox: o, Send: c.Send}
	pass(t, r)
	execution := "arn:aws:states:us-east-1:123456789012:execution:Order:order-1"
	got := <-calls
	eventually(t, func() bool { return d.lines(t, got.Key, participant.Forward) == 1 })
	pass(t, r)
	end, err := client.Await(t.Context(), c, execution)
	if err != nil || end.Status != api.ExecutionStatusSucceeded || *end.Output != `{"paid":true}` {
		t.Fatalf("%+v, %v", end, err)
	}
	if got.Operation != participant.Forward || got.Execution != execution || got.State != "Bücher" || got.Attempt != 1 || got.TraceParent == "" || got.CorrelationID != execution {
		t.Errorf("the call was %+v", got)
	}

	// The same start again is the same one, though it has ended, and a completion whose mark was lost is known to have
	// been sent. A start with another input is refused.
	other := start
	other.Input = `{"order": 2}`
	record(t, d, o, "order-1", start, other)
	d.exec(t, "UPDATE backstep_outbox SET state = 'waiting', due = 0 WHERE operation = 'SendTaskSuccess'")
	pass(t, r)
	parked, err := o.Parked(t.Context(), 10)
	if err != nil || len(parked) != 1 || d.states(t) != "waiting 0, sent 3, parked 1" {
		t.Errorf("%+v, %v, %s", parked, err, d.states(t))
	}
}

// startBackstep builds Backstep and runs a server.
func startBackstep(t *testing.T, config string) *client.Client {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "backstep")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "./cmd/backstep")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "backstep.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	server := exec.Command(program, "serve", "--listen", address, "--data", filepath.Join(dir, "data"), "--config", filepath.Join(dir, "backstep.yaml"))
	server.Stdout, server.Stderr = io.Discard, os.Stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGTERM)
		server.Wait()
	})
	c, err := client.New(client.Config{Endpoint: "http://" + address})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if resp, err := http.Get("http://" + address + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return c
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the server is not ready")
		}
	}
}
