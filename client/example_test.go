package client_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"os/signal"
	"syscall"
	"time"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/client"
	"github.com/backstep/backstep/internal/server"
)

// newExampleServer stands in for a server that runs elsewhere: its executions succeed at once.
func newExampleServer() *httptest.Server {
	s, err := server.New(server.Config{Service: script(func(_ context.Context, _ string, in any) (any, error) {
		switch in := in.(type) {
		case *api.StartExecutionInput:
			if *in.Name == "taken" {
				return nil, api.ExecutionAlreadyExists("arn:aws:states:us-east-1:123456789012:execution:order:taken")
			}
			return &api.StartExecutionOutput{ExecutionArn: "arn:aws:states:us-east-1:123456789012:execution:order:" + *in.Name}, nil
		case *api.WaitExecutionInput:
			output := `{"paid":true}`
			return &api.WaitExecutionOutput{DescribeExecutionOutput: api.DescribeExecutionOutput{Status: api.ExecutionStatusSucceeded, Output: &output}}, nil
		}
		return inPages(context.Background(), "", in)
	})})
	if err != nil {
		panic(err)
	}
	return httptest.NewServer(s)
}

const orderMachine = "arn:aws:states:us-east-1:123456789012:stateMachine:order"

// Start a saga under a name of your own, and wait for its end.
func ExampleClient() {
	running := newExampleServer()
	defer running.Close()

	c, err := client.New(client.Config{Endpoint: running.URL})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	ctx := context.Background()
	name, input := "order-17", `{"amount":12}`
	started, err := c.StartExecution(ctx, &api.StartExecutionInput{StateMachineArn: orderMachine, Name: &name, Input: &input})
	if err != nil {
		log.Fatal(err)
	}
	end, err := client.Await(ctx, c, started.ExecutionArn)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(started.ExecutionArn, end.Status, *end.Output)
	// Output: arn:aws:states:us-east-1:123456789012:execution:order:order-17 SUCCEEDED {"paid":true}
}

// Tell errors apart by their code.
func ExampleClient_errors() {
	running := newExampleServer()
	defer running.Close()

	c, err := client.New(client.Config{Endpoint: running.URL})
	if err != nil {
		log.Fatal(err)
	}
	name := "taken"
	_, err = c.StartExecution(context.Background(), &api.StartExecutionInput{StateMachineArn: orderMachine, Name: &name})
	switch api.CodeOf(err) {
	case api.CodeExecutionAlreadyExists:
		fmt.Println("this order is known")
	case "":
		fmt.Println("the server was not reached:", err)
	default:
		fmt.Println("refused:", err)
	}
	// Output: this order is known
}

// Walk through a history, page by page behind the scenes.
func ExampleHistory() {
	running := newExampleServer()
	defer running.Close()

	c, err := client.New(client.Config{Endpoint: running.URL})
	if err != nil {
		log.Fatal(err)
	}
	last := int64(0)
	for event, err := range client.History(context.Background(), c, api.GetExecutionHistoryInput{ExecutionArn: "arn"}) {
		if err != nil {
			log.Fatal(err)
		}
		last = event.Id
	}
	fmt.Println(last, "events")
	// Output: 7 events
}

// Work at an activity, four tasks at once, until the process is asked to stop; tasks under way are finished.
func ExampleWorker() {
	c, err := client.New(client.Config{})
	if err != nil {
		log.Fatal(err)
	}
	w := &client.Worker{
		Service:     c,
		ActivityArn: "arn:aws:states:us-east-1:123456789012:activity:pack",
		Concurrency: 4,
		Heartbeat:   10 * time.Second,
		Handle: func(ctx context.Context, input string) (string, error) {
			if input == "{}" {
				return "", &client.TaskFailure{Name: "NothingToPack", Cause: "the order has no items"}
			}
			return `{"packed":true}`, nil
		},
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := w.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
