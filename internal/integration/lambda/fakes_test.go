package lambda

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/integration"
)

// fakes starts the fake AWS services of the shared recordings and answers with
// their address.
func fakes(t *testing.T) string {
	t.Helper()
	shared := os.Getenv("BACKSTEP_SHARED")
	if shared == "" {
		shared = "../../../../shared"
	}
	folder, _ := filepath.Abs(filepath.Join(shared, "conformance"))
	if _, err := os.Stat(filepath.Join(folder, "fakes.py")); errors.Is(err, fs.ErrNotExist) {
		t.Skip("no fake AWS services: " + folder + "/fakes.py is missing (BACKSTEP_SHARED)")
	}
	const script = `
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import fakes
world = fakes.World()
world.fns = {"echo": "id_function", "raise": "raise_exception", "large": "large_output_string"}
server = fakes.serve(world, 0)
print(server.server_address[1], flush=True)
sys.stdin.read()
`
	command := exec.Command("python3", "-c", script, folder)
	stdin, _ := command.StdinPipe()
	stdout, _ := command.StdoutPipe()
	if err := command.Start(); err != nil {
		t.Skip("no python3: " + err.Error())
	}
	t.Cleanup(func() { stdin.Close(); command.Wait() })
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port)
}

func TestAgainstFakeLambda(t *testing.T) {
	h := New(Config{Endpoint: fakes(t), Region: region, Account: account, Logger: quiet})
	arn := "arn:aws:lambda:us-east-1:123456789012:function:"
	tests := []struct {
		task         integration.Task
		want         string
		fails, cause string
		effect       integration.Effect
	}{
		{task: invoke(`{"FunctionName":"echo","Payload":{"n":[1,null]}}`), want: `{"ExecutedVersion":"$LATEST","Payload":{"n": [1, null]},"SdkHttpMetadata":{"AllHttpHeaders":{`},
		{task: invoke(`{"FunctionName":"` + arn + `echo","Payload":true}`), want: `{"ExecutedVersion":"$LATEST","Payload":true,`},
		{task: invoke(`{"FunctionName":"echo","InvocationType":"Event"}`), want: `{"ExecutedVersion":"$LATEST","Payload":"",`},
		{task: direct(arn+"echo", `{"b":1,"a":2}`), want: `{"b": 1, "a": 2}`},
		{task: direct(arn+"raise", `{}`), fails: "Exception", cause: `{"errorMessage": "Some exception was raised.", "errorType": "Exception", "requestId": "`, effect: integration.EffectNamed},
		{task: invoke(`{"FunctionName":"large","Payload":1}`), fails: "States.DataLimitExceeded", cause: "The state/task 'lambda' returned a result", effect: integration.EffectDone},
		{task: direct(arn+"large", `1`), fails: "States.DataLimitExceeded", cause: "The state/task '" + arn + "large' returned a result", effect: integration.EffectDone},
		{task: invoke(`{"FunctionName":"no_such"}`), fails: "Lambda.ResourceNotFoundException", cause: "Function not found: " + arn + "no_such (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; Request ID: ", effect: integration.EffectNone},
	}
	for _, test := range tests {
		got, err := h.Call(t.Context(), test.task)
		if test.fails == "" {
			if err != nil || !strings.HasPrefix(got.String(), test.want) {
				t.Errorf("%s: got %s, %v, want %s…", test.task.Request, got, err, test.want)
			}
			continue
		}
		failed := failure(t, err)
		if failed.Name != test.fails || !strings.HasPrefix(failed.Cause, test.cause) || failed.Effect != test.effect {
			t.Errorf("%s: got %+v, want %s: %s…, effect %d", test.task.Request, failed, test.fails, test.cause, test.effect)
		}
	}
}

func direct(arn, payload string) integration.Task {
	t := task(payload)
	t.Resource = arn
	return t
}
