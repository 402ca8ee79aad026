package main

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// misuse is a wrong way to start a server, and what is said of it: what is
// wrong, and what to do.
type misuse struct {
	name string
	args []string
	env  []string
	file string // the configuration; "" for none
	want string
	hint string
}

// Whoever starts a server wrongly reads one line, and nothing is changed.
func TestMisuse(t *testing.T) {
	t.Parallel()
	n := serveChild(t, "")
	address := strings.TrimPrefix(n.url, "http://")
	foreign := folder(t, "notes.txt", "mine")
	newer := folder(t, "BACKSTEP", "backstep store, format 99, id 5\n")
	free := "--listen=127.0.0.1:0"
	for _, m := range []misuse{
		{name: "port in use", args: []string{"--listen", address}, want: address + ": bind: address already in use", hint: "name another address by --listen"},
		{name: "folder in use", args: []string{free, "--data", n.data}, want: "is in use by another process", hint: "stop that process or choose another folder"},
		{name: "foreign folder", args: []string{free, "--data", foreign}, want: `is not a Backstep store, it holds "notes.txt"`, hint: "choose an empty folder"},
		{name: "newer folder", args: []string{free, "--data", newer}, want: "its format is 99, this version knows 1", hint: "use the version that wrote it"},
		{name: "unknown key", args: []string{free}, file: "functon: {}\n", want: "backstep.yaml:1: unknown key functon", hint: "did you mean functions?"},
		{name: "missing variable", args: []string{free}, file: "functions:\n  A: {url: \"${NOT_SET}\"}\n", want: "backstep.yaml:2: functions.A.url needs the environment variable NOT_SET", hint: "which is not set"},
		{name: "no such file", args: []string{free, "--config", "absent.yaml"}, want: "absent.yaml", hint: "no such file"},
		{name: "open to all", args: []string{"--listen", "0.0.0.0:0"}, want: "0.0.0.0:0 can be reached from other machines, which needs keys", hint: "without them listen at 127.0.0.1:0"},
		{name: "open to all, by the environment", env: []string{"BACKSTEP_LISTEN=:0"}, want: ":0 can be reached from other machines", hint: "listen at 127.0.0.1:0"},
		{name: "no address", args: []string{"--listen", "here"}, want: `listen: "here" is no host:port`},
		{name: "no DSN", args: []string{free, "--postgres", "over there"}, want: "open PostgreSQL: cannot parse", hint: "--postgres postgres://USER@HOST/DATABASE"},
		{name: "no DSN, with a secret", args: []string{free, "--postgres", "postgres://me:canary@host:port/db"}, want: "invalid port", hint: "--postgres postgres://USER@HOST/DATABASE"},
		{name: "no PostgreSQL", args: []string{free, "--postgres", "postgres://me:canary@127.0.0.1:1/db"}, want: "connection refused", hint: "--postgres postgres://USER@HOST/DATABASE"},
		{name: "a rate of no operation", args: []string{free, "--data", t.TempDir()}, file: "limits: {throttle: {StartExecutions: {per_second: 1, burst: 1}}}\n", want: "StartExecutions, which is no operation"},
		{name: "two stores", args: []string{free, "--data", "x", "--postgres", "y"}, want: "--data and --postgres can't be used together", hint: "see backstep serve --help"},
		{name: "unknown flag", args: []string{"--lisen", address}, want: "unknown flag --lisen", hint: `did you mean "--listen"`},
	} {
		t.Run(m.name, m.run)
	}
	if left := append(names(t, foreign), names(t, newer)...); !slices.Equal(left, []string{"notes.txt", "BACKSTEP"}) {
		t.Errorf("in the refused folders there is now %v", left)
	}
	if answer, err := http.Get(n.url + "/readyz"); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("the server that was there first: %v, %v", answer, err)
	}
}

func (m misuse) run(t *testing.T) {
	args := append([]string{"serve"}, m.args...)
	if m.file != "" {
		args = append(args, "--config", configFile(t, m.file))
	}
	c, said := command(t, m.env, args...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	code, text := exitCode(c), said.String()
	if code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	if !strings.HasPrefix(text, "backstep: ") || strings.Count(text, "\n") != 1 {
		t.Errorf("not one line of the program's: %q", text)
	}
	if !strings.Contains(text, m.want) || !strings.Contains(text, m.hint) {
		t.Errorf("it says %q, want %q and %q", text, m.want, m.hint)
	}
	if strings.Contains(text, "canary") {
		t.Errorf("it tells a secret: %q", text)
	}
	if left := names(t, c.Dir); len(left) != 0 {
		t.Errorf("it left %v behind", left)
	}
}

// An input that is too long is refused in one line that does not repeat it.
func TestInputTooLong(t *testing.T) {
	t.Parallel()
	n := serveChild(t, "")
	s := &sdk{newClient(n, "any", "any"), context.Background(), nil}
	s.create(t, "order", "order", types.StateMachineTypeStandard)
	for size, want := range map[int]string{
		262_145:   "ValidationException: 1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length less than or equal to 262144",
		3_000_000: "RequestEntityTooLargeException: The request's body has more than 2097152 bytes.",
	} {
		c, said := command(t, nil, "start", "order", "--endpoint", n.url, "--input", "-")
		c.Stdin = strings.NewReader(`"` + strings.Repeat("x", size-2) + `"`)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if code := exitCode(c); code != 3 || said.String() != "backstep: "+want+"\n" {
			t.Errorf("%d bytes: exit code %d; it said %.300s", size, code, said)
		}
	}
	if out, err := s.ListExecutions(s.ctx, &sfn.ListExecutionsInput{StateMachineArn: aws.String("arn:aws:states:us-east-1:123456789012:stateMachine:order")}); err != nil || len(out.Executions) != 0 {
		t.Errorf("there are executions: %+v, %v", out, err)
	}
}

// folder is one with a file in it.
func folder(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// names are all files beneath a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if path != "." {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
