package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/integration/aws"
	httptask "github.com/backstep/backstep/internal/integration/http"
	"github.com/backstep/backstep/internal/integration/lambda"
	"github.com/backstep/backstep/internal/value"
	"github.com/backstep/backstep/rig/fiend"
)

// outcome is how a call ended: a result, an error's name and what is known of its
// effect, or its time.
func outcome(output value.Text, err error) string {
	var failed *integration.Error
	switch {
	case err == nil:
		return "result"
	case errors.As(err, &failed):
		return failed.Name + " " + [...]string{"unknown", "none", "named", "done"}[failed.Effect]
	case errors.Is(err, context.DeadlineExceeded):
		return "its time"
	}
	return err.Error()
}

// callers are the ways to call a fiend in a mode.
func callers(t *testing.T, f *fiend.Server) map[string]func(ctx context.Context, mode string) (value.Text, error) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	functions := map[string]lambda.Function{}
	for _, m := range fiend.Modes {
		functions[m.Name] = lambda.Function{URL: f.URL(m.Name)}
	}
	l := lambda.New(lambda.Config{Functions: functions, Region: "us-east-1", Account: "123456789012"})
	h, err := httptask.New(httptask.Config{Allow: []string{"127.0.0.0/8"}, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	var endpoint string
	a := aws.New(aws.Config{Region: "us-east-1", Lookup: func(name string) (string, bool) {
		if name == "AWS_ENDPOINT_URL_DYNAMODB" {
			return endpoint, true
		}
		return os.LookupEnv(name)
	}})
	registry := new(integration.Registry)
	a.Register(registry)
	t.Cleanup(func() { l.Close(t.Context()); h.Close(); a.Close() })
	task := func(service, action, request string) integration.Task {
		return integration.Task{Resource: "arn:aws:states:::" + service + ":" + action, Service: service, Action: action, Request: value.Checked(request), StepID: "s-1", Attempt: 1}
	}
	return map[string]func(context.Context, string) (value.Text, error){
		"lambda": func(ctx context.Context, mode string) (value.Text, error) {
			return l.Call(ctx, task("lambda", "invoke", fmt.Sprintf(`{"FunctionName":%q,"Payload":{}}`, mode)))
		},
		"http": func(ctx context.Context, mode string) (value.Text, error) {
			return h.Call(ctx, task("http", "invoke", fmt.Sprintf(`{"ApiEndpoint":%q,"Method":"POST","RequestBody":{}}`, f.URL(mode))))
		},
		"aws": func(ctx context.Context, mode string) (value.Text, error) {
			endpoint = f.URL(mode)
			return registry.Find("aws-sdk:dynamodb", "listTables", integration.RequestResponse).Call(ctx, task("aws-sdk:dynamodb", "listTables", `{}`))
		},
	}
}

// Whatever a service does, a call of it ends as the documents say, with what is known
// of its effect, and reads no more than it may.
func TestHostileServices(t *testing.T) {
	want := map[string]string{}
	for line := range strings.Lines(hostileOutcomes) {
		mode, rest, _ := strings.Cut(strings.TrimSpace(line), " | ")
		want[mode] = rest
	}
	for _, m := range fiend.Modes {
		t.Run(m.Name, func(t *testing.T) {
			// A fiend and callers of its own: none meets a connection that another mode spoilt.
			f, err := fiend.Listen()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			ways := callers(t, f)
			var got []string
			for _, caller := range []string{"lambda", "http", "aws"} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				got = append(got, outcome(ways[caller](ctx, m.Name)))
				cancel()
			}
			if told := strings.Join(got, " | "); told != want[m.Name] {
				t.Errorf("%s\nwant %s", told, want[m.Name])
			}
		})
	}
}

// By mode: what a function by URL, http:invoke and a call of AWS end with.
const hostileOutcomes = `never | its time | its time | its time
drip | its time | its time | its time
stuck | its time | its time | its time
reset | Lambda.SdkClientException unknown | States.Http.Socket unknown | DynamoDb.SdkClientException unknown
half-close | Lambda.SdkClientException unknown | States.Http.Socket unknown | DynamoDb.SdkClientException unknown
continue | Lambda.SdkClientException unknown | States.Http.Socket unknown | DynamoDb.SdkClientException unknown
endless-body | States.DataLimitExceeded done | States.DataLimitExceeded done | States.DataLimitExceeded done
endless-head | Lambda.SdkClientException unknown | States.Http.Socket unknown | DynamoDb.SdkClientException unknown
gzip-bomb | result | States.Runtime unknown | DynamoDb.SdkClientException unknown
redirect | Lambda.AWSLambdaException unknown | States.Http.StatusCode.302 unknown | DynamoDb.DynamoDbException unknown
too-long | Lambda.SdkClientException unknown | States.Http.Socket unknown | DynamoDb.SdkClientException unknown
too-short | result | result | result
busy | Lambda.TooManyRequestsException none | States.Http.StatusCode.429 none | DynamoDb.DynamoDbException none
failing | Lambda.ServiceException unknown | States.Http.StatusCode.503 unknown | DynamoDb.DynamoDbException unknown
early-close | Lambda.SdkClientException unknown | States.Http.Socket unknown | DynamoDb.SdkClientException unknown
garbage | Lambda.SdkClientException unknown | States.Http.Socket unknown | DynamoDb.SdkClientException unknown
huge | States.DataLimitExceeded done | States.DataLimitExceeded done | States.DataLimitExceeded done
tls-stall | its time | its time | its time`
