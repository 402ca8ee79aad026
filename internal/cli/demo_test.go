package cli_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/internal/cli"
	"github.com/backstep/backstep/internal/server"
	"github.com/backstep/backstep/internal/store/embedded"
)

// serving makes the test's program a server, for verbs that start one.
const serving = "BACKSTEP_TEST_SERVES"

func TestMain(m *testing.M) {
	if os.Getenv(serving) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Run(ctx, os.Args[1:], cli.Tools{Stdout: os.Stdout, Stderr: os.Stderr, Serve: serve}))
}

// serve serves a house over the embedded store until ctx ends.
func serve(ctx context.Context, flags cli.Serve) error {
	s, err := embedded.Open(flags.Data, embedded.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	turning, still := context.WithCancel(context.Background())
	house, ended, err := open(turning, s)
	if err != nil {
		still()
		return err
	}
	defer func() {
		still()
		<-ended
	}()
	web, err := server.New(server.Config{Service: house, Region: "us-east-1"})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", flags.Listen)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { web.Drain(context.Background()) })
	return web.Serve(listener)
}

// example is a small order saga, and a ledger that knows what came of it.
const example = `
-- backstep.yaml --
-- bin/orders --
-- bin/payments --
-- bin/inventory --
-- bin/ledger --
#!/bin/sh
echo '{"1": {"debit": 4200}, "2": {"debit": 1000, "refund": 1000}, "3": {"debit": 700, "refund": 0}}'
-- order.asl.json --
{"StartAt":"Check","States":{
  "Check":{"Type":"Pass","Next":"Pay"},
  "Pay":{"Type":"Pass","Next":"Rest"},
  "Rest":{"Type":"Wait","Seconds":2,"Next":"Ship"},
  "Ship":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload.$":"$"},
    "Catch":[{"ErrorEquals":["States.ALL"],"Next":"Undo"}],"End":true},
  "Undo":{"Type":"Fail","Error":"Undone"}}}
-- scenarios.json --
[
  {"title":"It is shipped","input":{"order_id":"1"},"path":["Check","Pay","Rest","Ship"],"status":"SUCCEEDED","debit":4200},
  {"title":"It is undone","input":{"order_id":"2","fail":"Lost"},"path":["Check","Pay","Rest","Ship","Undo"],"status":"FAILED","debit":1000,"refund":1000},
  {"title":"Its undo fails","input":{"order_id":"3","fail":"Lost"},"path":["Check","Pay","Rest","Ship","Undo"],"status":"FAILED","debit":700},
  {"title":"Nobody pays","input":{"order_id":"4","fail":"Lost"},"path":["Check","Pay","Rest","Ship","Undo"],"status":"FAILED"}
]
`

const report = `    ORDER           PATH (✗ failed)                     STATUS     MONEY
ok  It is shipped   Check → Pay → Rest → Ship           SUCCEEDED  42.00 charged
ok  It is undone    Check → Pay → Rest → Ship ✗ → Undo  FAILED     10.00 charged, given back
ok  Its undo fails  Check → Pay → Rest → Ship ✗ → Undo  FAILED     7.00 owed: a person was told
ok  Nobody pays     Check → Pay → Rest → Ship ✗ → Undo  FAILED     nothing charged
`

// TestDemo runs the demo on a server in a process of its own: as it is, killed
// in the middle, left up, and with an order that goes wrong.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range txtar.Parse([]byte(example)).Files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(serving, "1")
	for _, name := range []string{"DATA", "POSTGRES", "KEEP", "KILL"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0") // the demo must find another port
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	demo := func(flags ...string) (code int, stdout, stderr string) {
		var out, errors bytes.Buffer
		program, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		code = cli.Run(t.Context(), append([]string{"demo", dir, "--listen", taken.Addr().String()}, flags...), cli.Tools{
			Stdout: &out, Stderr: &errors, Program: program,
			Connect: func(endpoint, region string) (api.Service, error) {
				return client.New(client.Config{Endpoint: endpoint, Region: region})
			},
		})
		return code, out.String(), errors.String()
	}

	killed := regexp.MustCompile(`was killed \(SIGKILL\) with [1-4] orders under way`)
	if code, stdout, stderr := demo("--kill"); code != cli.ExitYes || stdout != report || !killed.MatchString(stderr) {
		t.Errorf("killed: exit %d\n%s%s", code, stdout, stderr)
	}

	code, stdout, stderr := demo("--keep", "--data", filepath.Join(t.TempDir(), "kept"))
	pid := regexp.MustCompile(`stop it: kill (\d+)`).FindStringSubmatch(stdout)
	if code != cli.ExitYes || !strings.HasPrefix(stdout, report) || pid == nil {
		t.Fatalf("kept: exit %d\n%s%s", code, stdout, stderr)
	}
	n, _ := strconv.Atoi(pid[1])
	if err := syscall.Kill(n, syscall.SIGTERM); err != nil {
		t.Error(err)
	}

	wrong, err := os.ReadFile(filepath.Join(dir, "scenarios.json"))
	if err != nil {
		t.Fatal(err)
	}
	wrong = bytes.ReplaceAll(wrong, []byte(`"debit":4200`), []byte(`"debit":4201`))
	if err := os.WriteFile(filepath.Join(dir, "scenarios.json"), wrong, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := demo(); code != cli.ExitNo || !strings.Contains(stdout, "WRONG  It is shipped") || !strings.Contains(stderr, "1 of 4 orders did not end as they must") {
		t.Errorf("wrong: exit %d\n%s%s", code, stdout, stderr)
	}

	if code, _, stderr := demo("--data", filepath.Join(dir, "order.asl.json")); code != cli.ExitRefused || !strings.Contains(stderr, "not a directory") {
		t.Errorf("a data folder that is a file: exit %d\n%s", code, stderr)
	}
}

// TestInterrupted: a verb that waits ends with its context, and says so.
func TestInterrupted(t *testing.T) {
	house := newHouse(t)
	sleep := `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}`
	if _, err := house.CreateStateMachine(t.Context(), &api.CreateStateMachineInput{Name: "Sleep", Definition: sleep, RoleArn: "arn:aws:iam::123456789012:role/test"}); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, interrupt)
	var stdout, stderr bytes.Buffer
	code := cli.Run(ctx, []string{"start", "Sleep", "--wait"}, cli.Tools{
		Stdout: &stdout, Stderr: &stderr,
		Connect: func(string, string) (api.Service, error) { return house, nil },
	})
	if code != cli.ExitRefused || !strings.HasSuffix(stderr.String(), "backstep: interrupted\n") {
		t.Errorf("exit %d\n%s%s", code, stdout.String(), stderr.String())
	}
}
