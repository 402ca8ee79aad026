package server_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/backstep/backstep/api"
	"github.com/backstep/backstep/internal/server"
)

// newSDK is the AWS SDK's client for a server that asks for signatures.
func newSDK(t *testing.T, f *fake, secret string) *sfn.Client {
	t.Helper()
	_, url := open(t, server.Config{Service: f, Keys: map[string]string{keyID: "right"}, Region: region})
	return sfn.New(sfn.Options{
		BaseEndpoint: aws.String(url),
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider(keyID, secret, ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	})
}

func TestSDKReadsAnswers(t *testing.T) {
	f := newFake()
	stop := api.Timestamp(1_700_000_001_500)
	f.describe = func(_ context.Context, in *api.DescribeExecutionInput) (*api.DescribeExecutionOutput, error) {
		return &api.DescribeExecutionOutput{
			ExecutionArn: in.ExecutionArn, StateMachineArn: machineArn, Status: api.ExecutionStatusSucceeded,
			StartDate: 1_700_000_000_001, StopDate: &stop, Output: aws.String(`{"a":"<ü>"}`), RedriveCount: aws.Int32(0),
			OutputDetails: &api.CloudWatchEventsExecutionDataDetails{Included: true},
		}, nil
	}
	f.history = func(_ context.Context, in *api.GetExecutionHistoryInput) (*api.GetExecutionHistoryOutput, error) {
		page := &api.GetExecutionHistoryOutput{Events: []api.HistoryEvent{{
			Id: 1, Timestamp: 1_700_000_000_001, Type: api.HistoryEventTypeActivityStarted,
			ActivityStartedEventDetails: &api.ActivityStartedEventDetails{},
		}}, NextToken: aws.String("more")}
		if in.NextToken != nil {
			page.NextToken = nil
			page.Events[0] = api.HistoryEvent{
				Id: 2, PreviousEventId: 1, Type: api.HistoryEventTypeTaskStateExited,
				StateExitedEventDetails: &api.StateExitedEventDetails{Name: "Pay", AssignedVariables: map[string]string{"x": "42"}},
			}
		}
		return page, nil
	}
	client, ctx := newSDK(t, f, "right"), context.Background()
	d, err := client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: aws.String(executionArn)})
	if err != nil {
		t.Fatal(err)
	}
	if d.Status != types.ExecutionStatusSucceeded || *d.Output != `{"a":"<ü>"}` || *d.RedriveCount != 0 || !d.OutputDetails.Included {
		t.Errorf("the SDK reads %+v", d)
	}
	if d.StartDate.UnixMilli() != 1_700_000_000_001 || d.StopDate.UnixMilli() != int64(stop) {
		t.Errorf("the SDK reads %v and %v", d.StartDate, d.StopDate)
	}
	var events []types.HistoryEvent
	for pages := sfn.NewGetExecutionHistoryPaginator(client, &sfn.GetExecutionHistoryInput{ExecutionArn: aws.String(executionArn)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, page.Events...)
	}
	if len(events) != 2 || events[0].ActivityStartedEventDetails == nil || events[1].PreviousEventId != 1 ||
		events[1].StateExitedEventDetails.AssignedVariables["x"] != "42" {
		t.Errorf("the SDK reads the history %+v", events)
	}
}

func TestSDKCatchesTypedErrors(t *testing.T) {
	f := newFake()
	client, ctx := newSDK(t, f, "right"), context.Background()
	start := func(answer error) error {
		f.start = func(context.Context, *api.StartExecutionInput) (*api.StartExecutionOutput, error) { return nil, answer }
		_, err := client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: aws.String(machineArn)})
		return err
	}

	var exists *types.ExecutionAlreadyExists
	if err := start(api.ExecutionAlreadyExists(executionArn)); !errors.As(err, &exists) || exists.ErrorMessage() != "Execution Already Exists: '"+executionArn+"'" {
		t.Errorf("ExecutionAlreadyExists comes as %v", err)
	}
	var invalid *types.ValidationException
	if err := start(&api.Error{Code: api.CodeValidation, Message: "m", Reason: api.ReasonLabeledArn}); !errors.As(err, &invalid) ||
		invalid.Reason != types.ValidationExceptionReasonApiDoesNotSupportLabeledArns {
		t.Errorf("ValidationException comes as %v", err)
	}
	var response *smithyhttp.ResponseError
	var named smithy.APIError
	err := start(errors.New("unforeseen"))
	if !errors.As(err, &named) || named.ErrorCode() != "InternalFailure" || named.ErrorFault() == smithy.FaultClient || !errors.As(err, &response) || response.HTTPStatusCode() != 500 {
		t.Errorf("a fault of the server comes as %v", err)
	}

	f.tag = func(context.Context, *api.TagResourceInput) (*api.TagResourceOutput, error) {
		return nil, api.ResourceNotFound("x")
	}
	var missing *types.ResourceNotFound
	if _, err := client.TagResource(ctx, &sfn.TagResourceInput{ResourceArn: aws.String("x"), Tags: []types.Tag{}}); !errors.As(err, &missing) || *missing.ResourceName != "x" {
		t.Errorf("ResourceNotFound comes as %v", err)
	}
	if _, err := client.UpdateMapRun(ctx, &sfn.UpdateMapRunInput{MapRunArn: aws.String("x")}); !errors.As(err, &named) || named.ErrorCode() != "UnknownOperationException" {
		t.Errorf("an operation that is not offered comes as %v", err)
	}
}

func TestSDKRetriesThrottling(t *testing.T) {
	f := newFake()
	var calls atomic.Int32
	f.start = func(context.Context, *api.StartExecutionInput) (*api.StartExecutionOutput, error) {
		if calls.Add(1) < 3 {
			return nil, api.Errorf(api.CodeThrottling, "Rate exceeded")
		}
		return &api.StartExecutionOutput{ExecutionArn: "third"}, nil
	}
	out, err := newSDK(t, f, "right").StartExecution(context.Background(), &sfn.StartExecutionInput{StateMachineArn: aws.String(machineArn)})
	if err != nil || *out.ExecutionArn != "third" {
		t.Errorf("after %d calls: %v, %v", calls.Load(), out, err)
	}
}

func TestSDKWithAWrongSecret(t *testing.T) {
	client := newSDK(t, newFake(), "wrong")
	_, err := client.StartExecution(context.Background(), &sfn.StartExecutionInput{StateMachineArn: aws.String(machineArn)},
		func(o *sfn.Options) { o.RetryMaxAttempts = 1 })
	var named smithy.APIError
	if !errors.As(err, &named) || named.ErrorCode() != "InvalidSignatureException" {
		t.Errorf("a wrong secret gives %v", err)
	}
}

// TestSDKSyncHost holds that the host which the SDK makes for synchronous calls is answered: the SDK puts "sync-" before it, which the
// test's dialer leads to the server.
func TestSDKSyncHost(t *testing.T) {
	f := newFake()
	f.sync = func(context.Context, *api.StartSyncExecutionInput) (*api.StartSyncExecutionOutput, error) {
		return &api.StartSyncExecutionOutput{Status: api.SyncExecutionStatusFailed, Error: aws.String("E"), BillingDetails: &api.BillingDetails{BilledMemoryUsedInMB: 64}}, nil
	}
	_, url := open(t, server.Config{Service: f})
	port := url[len("http://127.0.0.1"):]
	client := sfn.New(sfn.Options{
		BaseEndpoint: aws.String("http://localhost" + port), Region: region, HTTPClient: loopbackClient(),
		Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	})
	out, err := client.StartSyncExecution(context.Background(), &sfn.StartSyncExecutionInput{StateMachineArn: aws.String(machineArn)})
	if err != nil {
		t.Fatal(err)
	}
	if out.Status != types.SyncExecutionStatusFailed || *out.Error != "E" || out.BillingDetails.BilledMemoryUsedInMB != 64 {
		t.Errorf("the SDK reads %+v", out)
	}
}
