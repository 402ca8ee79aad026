package lambda

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/backstep/backstep/internal/value"
)

// process is one process of a program, with a Runtime API of its own on a
// loopback port that only it is told: no program answers for another.
type process struct {
	fleet  *fleet
	output *output
	tailed atomic.Bool // who invoked it wants the tail of its output

	// Under the fleet's lock.
	asks *line     // where it waits for work
	turn *turn     // given and not answered
	told bool      // it may know of the turn
	due  time.Time // when the turn is over
	exit *exit     // it has ended

	boot  *time.Timer // to ask for work at all
	rest  *time.Timer // to get work
	limit *time.Timer // to answer

	command *exec.Cmd
	started chan struct{} // closed when command is started, or never will be
	initial atomic.Value  // string: what it reported of its start

	signals sync.Mutex
	ended   bool // and its number may be another's
}

func newProcess(f *fleet) *process {
	p := &process{fleet: f, output: newOutput(f.log), started: make(chan struct{})}
	p.boot = time.AfterFunc(bootMost, func() { p.signal(syscall.SIGKILL) })
	p.rest = time.AfterFunc(idleMost, func() { f.rested(p) })
	p.limit = time.AfterFunc(f.program.Timeout, func() { f.overdue(p) })
	p.rest.Stop()
	p.limit.Stop()
	return p
}

// run is a process's life, from its port to its end.
func (p *process) run() {
	end := p.live()
	p.boot.Stop()
	p.rest.Stop()
	p.limit.Stop()
	p.fleet.gone(p, end)
}

func (p *process) live() exit {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		close(p.started)
		return exit{start: err}
	}
	runtime := p.serve(listener)
	defer runtime.close()
	p.command = p.prepare(listener.Addr().String())
	err = p.command.Start()
	close(p.started)
	if err != nil {
		return exit{start: err}
	}
	err = p.command.Wait()
	p.signal(syscall.SIGKILL) // what it left behind
	p.end()
	p.output.flush()
	runtime.drain()
	initial, _ := p.initial.Load().(string)
	return exit{err: err, init: initial}
}

// prepare is the command with the environment of a function: what Lambda sets,
// the little of Backstep's own that a program can't do without, and what the
// configuration gives.
func (p *process) prepare(address string) *exec.Cmd {
	f := p.fleet
	c := exec.Command(f.program.Command[0], f.program.Command[1:]...)
	c.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + address,
		"AWS_LAMBDA_FUNCTION_NAME=" + f.name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + f.name,
		"AWS_LAMBDA_LOG_STREAM_NAME=$LATEST",
		"AWS_REGION=" + f.region,
		"AWS_DEFAULT_REGION=" + f.region,
		"_HANDLER=bootstrap",
		"TZ=UTC",
	}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG"} {
		if v, ok := os.LookupEnv(name); ok {
			c.Env = append(c.Env, name+"="+v)
		}
	}
	names := make([]string, 0, len(f.program.Env))
	for name := range f.program.Env {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c.Env = append(c.Env, name+"="+f.program.Env[name])
	}
	c.Dir = f.program.Dir
	c.Stdout, c.Stderr = p.output, p.output
	c.SysProcAttr = ownGroup()
	c.WaitDelay = time.Second
	return c
}

// terminate asks the process to end, and kills it a little later.
func (p *process) terminate() {
	p.signal(syscall.SIGTERM)
	time.AfterFunc(termGrace, func() { p.signal(syscall.SIGKILL) })
}

// signal signals the process and all that it started.
func (p *process) signal(s syscall.Signal) {
	<-p.started
	p.signals.Lock()
	defer p.signals.Unlock()
	if !p.ended && p.command != nil && p.command.Process != nil {
		syscall.Kill(-p.command.Process.Pid, s) // ESRCH: they have ended
	}
}

// end notes that the process is no more: from now on nothing is signalled.
func (p *process) end() {
	p.signals.Lock()
	p.ended = true
	p.signals.Unlock()
}

// exit tells how a process ended: that it could not start, what it reported of
// its start, or how it exited.
type exit struct {
	start error
	init  string
	err   error
}

// String tells how the process ended.
func (e exit) String() string {
	switch {
	case e.start != nil:
		return startProblem(e.start)
	case e.init != "":
		return e.init
	case e.err != nil:
		return e.err.Error()
	}
	return "exit status 0"
}

// failure is what an invocation that the process should have answered gets.
func (e exit) failure(in *invocation) *outcome {
	switch {
	case e.start != nil:
		return platformError(in, "Runtime.InvalidEntrypoint", "Error: "+startProblem(e.start))
	case e.init != "":
		return &outcome{failed: true, payload: e.init}
	case e.err != nil:
		return platformError(in, "Runtime.ExitError", "Error: Runtime exited with error: "+e.err.Error())
	}
	return platformError(in, "Runtime.ExitError", "Error: Runtime exited without providing a reason")
}

func startProblem(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return fmt.Sprintf("%s: %v", path.Path, path.Err)
	}
	return strings.TrimPrefix(err.Error(), "exec: ")
}

// platformError is a function's error that Lambda itself gives.
func platformError(in *invocation, name, message string) *outcome {
	payload := value.NewObject(
		value.Member{Name: "errorType", Value: value.NewString(name)},
		value.Member{Name: "errorMessage", Value: value.NewString("RequestId: " + in.id + " " + message)})
	return &outcome{status: http.StatusOK, failed: true, payload: payload.Text().String()}
}
