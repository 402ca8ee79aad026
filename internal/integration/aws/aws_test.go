package aws

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// cloud is a server that stands for all of AWS: it keeps the last request and
// gives the answer that it was told.
type cloud struct {
	url     string
	request *http.Request
	body    string
	calls   int

	status int
	header map[string]string
	answer string
	first  []string // what is answered before that
	sent   []string // all bodies
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	c := &cloud{status: 200, header: map[string]string{integration.RequestIDHeader: "r-1"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.request, c.body = r, string(body)
		c.calls++
		c.sent = append(c.sent, c.body)
		for name, v := range c.header {
			w.Header().Set(name, v)
		}
		w.WriteHeader(c.status)
		if len(c.first) > 0 {
			io.WriteString(w, c.first[0])
			c.first = c.first[1:]
			return
		}
		io.WriteString(w, c.answer)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// open is a registry whose tasks call the cloud.
func (c *cloud) open(t *testing.T, strict bool) *integration.Registry {
	t.Helper()
	h := New(Config{Region: "us-east-1", Lookup: environment{"AWS_ENDPOINT_URL": c.url}.lookup, StrictAWS: strict})
	t.Cleanup(h.Close)
	r := new(integration.Registry)
	h.Register(r)
	return r
}

type environment map[string]string

func (e environment) lookup(name string) (string, bool) {
	v, set := e[name]
	return v, set
}

// task is a task of a resource such as "aws-sdk:s3:getObject".
func task(resource, request string) integration.Task {
	at := strings.LastIndexByte(resource, ':')
	return integration.Task{
		Resource: "arn:aws:states:::" + resource, Service: resource[:at], Action: resource[at+1:], Request: value.Checked(request),
		StepID: "aaaa-3", Attempt: 1, Execution: "arn:aws:states:us-east-1:123456789012:execution:Order:one", State: "S",
	}
}

// do calls a task of a registry.
func do(t *testing.T, r *integration.Registry, resource, request string) (string, error) {
	t.Helper()
	call := task(resource, request)
	h := r.Find(call.Service, call.Action, integration.RequestResponse)
	if h == nil {
		t.Fatalf("nobody serves %s", resource)
	}
	text, err := h.Call(t.Context(), call)
	return text.String(), err
}

func failed(t *testing.T, err error) *integration.Error {
	t.Helper()
	var f *integration.Error
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a failure", err)
	}
	return f
}

func TestSDKCalls(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, false)
	for _, test := range []struct{ resource, request, header, answer, sent, want string }{
		{"aws-sdk:dynamodb:getItem", `{"TableName":"t","Key":{"id":{"S":"a"}},"ConsistentRead":true}`, "",
			`{"Item":{"n":{"N":"1"},"b":{"BOOL":true},"z":{"NULL":true},"s":{"SS":["x"]},"m":{"M":{"k":{"B":"AAH/"}}}}}`,
			`{"TableName":"t","Key":{"id":{"S":"a"}},"ConsistentRead":true}`,
			`{"Item":{"n":{"N":"1"},"b":{"Bool":true},"z":{"Nul":true},"s":{"Ss":["x"]},"m":{"M":{"k":{"B":"AAH/"}}}}}`},
		{"aws-sdk:dynamodb:putItem", `{"TableName":"t","Item":{"b":{"Bool":true},"z":{"Nul":true},"s":{"Ss":["x"]}}}`, "", `{}`,
			`{"TableName":"t","Item":{"b":{"BOOL":true},"z":{"NULL":true},"s":{"SS":["x"]}}}`, `{}`},
		{"aws-sdk:secretsmanager:describeSecret", `{"SecretId":"s"}`, "", `{"ARN":"a","CreatedDate":1700000000.123,"Unknown":1}`,
			`{"SecretId":"s"}`, `{"Arn":"a","CreatedDate":"2023-11-14T22:13:20.123Z"}`},
		{"aws-sdk:ecs:listTasks", `{"Cluster":"c","MaxResults":"5"}`, "", `{"taskArns":["a"],"nextToken":null}`,
			`{"cluster":"c","maxResults":5}`, `{"TaskArns":["a"]}`},
		{"aws-sdk:kms:encrypt", `{"KeyId":"k","Plaintext":"text"}`, "", `{"CiphertextBlob":"dGV4dA=="}`,
			`{"KeyId":"k","Plaintext":"dGV4dA=="}`, `{"CiphertextBlob":"text"}`},
		{"aws-sdk:lambda:getFunction", `{"FunctionName":"a b"}`, "GET /2015-03-31/functions/a%20b", `{"Configuration":{"MemorySize":128}}`,
			``, `{"Configuration":{"MemorySize":128}}`},
		{"aws-sdk:rds:describeDBInstances", `{"DbInstanceIdentifier":"d"}`, "",
			`<DescribeDBInstancesResponse><DescribeDBInstancesResult><DBInstances><DBInstance><DBInstanceIdentifier>d</DBInstanceIdentifier><AllocatedStorage>20</AllocatedStorage><MultiAZ>false</MultiAZ></DBInstance></DBInstances></DescribeDBInstancesResult></DescribeDBInstancesResponse>`,
			`Action=DescribeDBInstances&DBInstanceIdentifier=d&Version=2014-10-31`,
			`{"DbInstances":[{"AllocatedStorage":20,"DbInstanceIdentifier":"d","MultiAZ":false}]}`},
		{"aws-sdk:ec2:describeInstances", `{"InstanceIds":["i-1"],"Filters":[{"Name":"n","Values":["v"]}]}`, "",
			`<DescribeInstancesResponse><requestId>r</requestId><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId><launchTime>2026-11-01T00:00:00.000Z</launchTime></item></instancesSet></item></reservationSet></DescribeInstancesResponse>`,
			`Action=DescribeInstances&Filter.1.Name=n&Filter.1.Value.1=v&InstanceId.1=i-1&Version=2016-11-15`,
			`{"Reservations":[{"Instances":[{"InstanceId":"i-1","LaunchTime":"2026-11-01T00:00:00Z"}]}]}`},
	} {
		c.answer = test.answer
		got, err := do(t, r, test.resource, test.request)
		if err != nil || !value.Equal(value.Checked(got).Decode(), value.Checked(test.want).Decode()) {
			t.Errorf("%s: got %s, %v, want %s", test.resource, got, err, test.want)
		}
		if c.body != test.sent || !strings.HasPrefix(c.request.Method+" "+c.request.URL.EscapedPath(), test.header) {
			t.Errorf("%s: sent %s %s %s, want %s", test.resource, c.request.Method, c.request.URL.EscapedPath(), c.body, test.sent)
		}
		if signed := c.request.Header.Get("Authorization"); !strings.Contains(signed, "/us-east-1/") {
			t.Errorf("%s: signed %s", test.resource, signed)
		}
	}
}

func TestSDKErrors(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, false)
	for _, test := range []struct {
		resource, request, answer string
		status                    int
		name, cause               string
		effect                    integration.Effect
	}{
		{"aws-sdk:sfn:sendTaskSuccess", `{"TaskToken":"x","Output":"{}"}`, `{"__type":"InvalidToken","message":"Invalid Token: 'Invalid token'"}`, 400,
			"Sfn.InvalidTokenException", "Invalid Token: 'Invalid token' (Service: Sfn, Status Code: 400, Request ID: r-1)", integration.EffectNone},
		{"aws-sdk:secretsmanager:createSecret", `{"Name":"a b"}`, `{"__type":"ValidationException","message":"Invalid name."}`, 400,
			"SecretsManager.SecretsManagerException", "Invalid name. (Service: SecretsManager, Status Code: 400, Request ID: r-1)", integration.EffectNone},
		{"aws-sdk:dynamodb:putItem", `{"TableName":"t"}`, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"Requested resource not found"}`, 400,
			"DynamoDb.ResourceNotFoundException", "Requested resource not found (Service: DynamoDb, Status Code: 400, Request ID: r-1)", integration.EffectNone},
		{"aws-sdk:s3:listObjects", `{"Bucket":"b"}`, `<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message><RequestId>x</RequestId><HostId>h-1</HostId></Error>`, 404,
			"S3.NoSuchBucketException", "The specified bucket does not exist (Service: S3, Status Code: 404, Request ID: r-1, Extended Request ID: h-1)", integration.EffectNone},
		{"aws-sdk:s3:headObject", `{"Bucket":"b","Key":"k"}`, "", 404,
			"S3.NoSuchKeyException", "Not Found (Service: S3, Status Code: 404, Request ID: r-1)", integration.EffectNone},
		{"aws-sdk:s3:headBucket", `{"Bucket":"b"}`, "", 404,
			"S3.NoSuchBucketException", "Not Found (Service: S3, Status Code: 404, Request ID: r-1)", integration.EffectNone},
		{"aws-sdk:s3:copyObject", `{"Bucket":"b","Key":"k","CopySource":"b/j"}`, `<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>`, 200,
			"S3.S3Exception", "We encountered an internal error. (Service: S3, Status Code: 200, Request ID: r-1)", integration.EffectUnknown},
		{"aws-sdk:rds:deleteDBInstance", `{"DbInstanceIdentifier":"d"}`, `<ErrorResponse><Error><Code>DBInstanceNotFound</Code><Message>DBInstance d not found.</Message></Error></ErrorResponse>`, 404,
			"Rds.DbInstanceNotFoundException", "DBInstance d not found. (Service: Rds, Status Code: 404, Request ID: r-1)", integration.EffectNone},
		{"aws-sdk:ec2:stopInstances", `{"InstanceIds":["i"]}`, `<Response><Errors><Error><Code>InvalidInstanceID.Malformed</Code><Message>bad</Message></Error></Errors></Response>`, 400,
			"Ec2.Ec2Exception", "bad (Service: Ec2, Status Code: 400, Request ID: r-1)", integration.EffectNone},
		{"aws-sdk:glue:getJob", `{"JobName":"j"}`, "overloaded", 503,
			"Glue.GlueException", "Service Unavailable (Service: Glue, Status Code: 503, Request ID: r-1)", integration.EffectUnknown},
		{"aws-sdk:glue:getJob", `{"JobName":"j"}`, "no JSON", 200,
			"Glue.SdkClientException", "Unable to unmarshall response: not JSON at byte 0: no value begins here", integration.EffectUnknown},
		{"aws-sdk:rds:describeEvents", `{}`, "<a><b></a>", 200,
			"Rds.SdkClientException", "Unable to unmarshall response: the answer is no XML: XML syntax error on line 1: element <b> closed by </a>", integration.EffectUnknown},
	} {
		c.answer, c.status = test.answer, test.status
		_, err := do(t, r, test.resource, test.request)
		got := failed(t, err)
		if got.Name != test.name || got.Cause != test.cause || got.Effect != test.effect {
			t.Errorf("%s: got %+v, want %s: %s", test.resource, got, test.name, test.cause)
		}
	}
}

func TestS3(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, false)
	c.answer = "text"
	c.header = map[string]string{"ETag": `"e"`, "X-Amz-Meta-Colour": "blue", "Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT", "Content-Type": "text/plain", "Accept-Ranges": "bytes"}
	got, err := do(t, r, "aws-sdk:s3:getObject", `{"Bucket":"b","Key":"a/../ü +.txt","Range":"bytes=0-9"}`)
	want := `{"AcceptRanges":"bytes","Body":"text","ContentLength":4,"ContentType":"text/plain","ETag":"\"e\"","LastModified":"2023-11-14T22:13:20Z","Metadata":{"colour":"blue"}}`
	if err != nil || !value.Equal(value.Checked(got).Decode(), value.Checked(want).Decode()) {
		t.Errorf("got %s, %v", got, err)
	}
	if c.request.RequestURI != "/b/a/../%C3%BC%20%2B.txt" || c.request.Header.Get("Range") != "bytes=0-9" || len(c.request.Header.Get("X-Amz-Content-Sha256")) != 64 {
		t.Errorf("sent %s %v", c.request.RequestURI, c.request.Header)
	}
	c.answer = "\xff\x00"
	if got, err := do(t, r, "aws-sdk:s3:getObject", `{"Bucket":"b","Key":"k"}`); err != nil || value.Checked(got).Decode().Get("Body").AsString() != "/wA=" {
		t.Errorf("got %s, %v", got, err)
	}
	c.answer = ""
	for body, sent := range map[string]string{`{"a":1}`: `{"a":1}`, `"a"`: `a`, `[1]`: `[1]`, `true`: `true`, `0`: `0`} {
		if _, err := do(t, r, "aws-sdk:s3:putObject", `{"Bucket":"b","Key":"k","Body":`+body+`}`); err != nil || c.body != sent || c.request.Method != "PUT" {
			t.Errorf("sent %s, %v, want %s", c.body, err, sent)
		}
	}
	c.answer = `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-west-1</LocationConstraint>`
	if got, err := do(t, r, "aws-sdk:s3:getBucketLocation", `{"Bucket":"b"}`); err != nil || got != `{"LocationConstraint":"eu-west-1"}` {
		t.Errorf("got %s, %v", got, err)
	}
	c.answer = ""
	if _, err := do(t, r, "aws-sdk:s3:deleteObjects", `{"Bucket":"b","Delete":{"Objects":[{"Key":"k&"}]}}`); err != nil || !strings.Contains(c.body, "<Object><Key>k&amp;</Key></Object>") ||
		c.request.Header.Get("Content-Md5") == "" {
		t.Errorf("sent %s %v, %v", c.body, c.request.Header, err)
	}
}

func TestRefusedBeforeSending(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, false)
	for _, test := range []struct{ resource, request, problem string }{
		{"aws-sdk:dynamodb:getItem", `1`, "The parameters are not an object"},
		{"aws-sdk:dynamodb:getItem", `{"Table":"t"}`, "The field 'Table' is not supported by Step Functions"},
		{"aws-sdk:dynamodb:getItem", `{"TableName":"t","Key":{"id":{"X":"a"}}}`, "The field 'X' is not supported by Step Functions"},
		{"aws-sdk:dynamodb:getItem", `{"TableName":"t","Key":[]}`, "The value of the field 'Key' has an invalid format"},
		{"aws-sdk:dynamodb:getItem", `{"TableName":"t","ConsistentRead":"perhaps"}`, "The value of the field 'ConsistentRead' has an invalid format"},
		{"aws-sdk:dynamodb:query", `{"TableName":"t","Limit":"many"}`, "The value of the field 'Limit' has an invalid format"},
		{"aws-sdk:glue:getJobs", `{"MaxResults":{}}`, "The value of the field 'MaxResults' has an invalid format"},
		{"aws-sdk:s3:getObject", `{"Bucket":"b"}`, "The field 'Key' is required but was missing"},
		{"aws-sdk:s3:getObject", `{"Bucket":"","Key":"k"}`, "The field 'Bucket' is required but was missing"},
		{"aws-sdk:s3:getObject", `{"Bucket":"b","Key":"k","IfModifiedSince":"soon"}`, "The value of the field 'IfModifiedSince' has an invalid format"},
		{"aws-sdk:rds:describeEvents", `{"StartTime":"soon"}`, "The value of the field 'StartTime' has an invalid format"},
		{"aws-sdk:rds:describeEvents", `{"StartTime":1e300}`, "The value of the field 'StartTime' has an invalid format"},
		{"aws-sdk:rds:describeEvents", `{"EventCategories":{}}`, "The value of the field 'EventCategories' has an invalid format"},
		{"aws-sdk:s3control:listJobs", `{"AccountId":"evil.example/"}`, "The value of the field 'AccountId' has an invalid format"},
		{"aws-sdk:s3control:listJobs", `{"AccountId":"evil.example"}`, "The value of the field 'AccountId' has an invalid format"},
		{"aws-sdk:cloudfront:createInvalidation", `{"DistributionId":"d","InvalidationBatch":{"Paths":{"Items":1}}}`, "The value of the field 'Items' has an invalid format"},
	} {
		_, err := do(t, r, test.resource, test.request)
		if got := failed(t, err); got.Name != "States.Runtime" || !strings.HasSuffix(got.Cause, ": ["+test.problem+"]") || got.Effect != integration.EffectNone {
			t.Errorf("%s %s: got %+v, want %s", test.resource, test.request, got, test.problem)
		}
	}
	if c.calls > 0 {
		t.Errorf("%d calls were made", c.calls)
	}
}

func TestServes(t *testing.T) {
	r := newCloud(t).open(t, false)
	for resource, want := range map[string]bool{
		"aws-sdk:dynamodb:putItem":                             true,
		"aws-sdk:dynamodb:PutItem":                             false,
		"aws-sdk:dynamodb:putItems":                            false,
		"aws-sdk:dynamo:putItem":                               false,
		"aws-sdk:simpledb:select":                              false, // no signature of ours
		"aws-sdk:s3:selectObjectContent":                       false, // a stream of events
		"aws-sdk:bedrockruntime:invokeModel":                   true,
		"aws-sdk:bedrockruntime:invokeModelWithResponseStream": false,
		"aws-sdk:cognitoidentityprovider:adminGetUser":         true,
		"aws-sdk:rds:describeDBInstances":                      true,
		"aws-sdk:elasticloadbalancingv2:describeLoadBalancers": true,
		"aws-sdk:sfn:startExecution":                           true,
		"sqs:sendMessage":                                      true,
		"sqs:receiveMessage":                                   false,
		"dynamodb:deleteItem":                                  true,
		"ecs:runTask":                                          true,
		"elasticmapreduce:createCluster":                       true,
		"apigateway:invoke":                                    true,
	} {
		at := strings.LastIndexByte(resource, ':')
		if got := r.Serves(resource[:at], resource[at+1:], integration.RequestResponse); got != want {
			t.Errorf("%s: served %v, want %v", resource, got, want)
		}
	}
	for resource, want := range map[string]bool{"aws-sdk:s3:listBuckets": true, "sqs:sendMessage": true, "dynamodb:getItem": false, "ecs:runTask": true} {
		at := strings.LastIndexByte(resource, ':')
		if got := r.Serves(resource[:at], resource[at+1:], integration.WaitForTaskToken); got != want {
			t.Errorf("%s.waitForTaskToken: served %v, want %v", resource, got, want)
		}
		if got := r.Serves(resource[:at], resource[at+1:], integration.Sync); got != (resource == "ecs:runTask") {
			t.Errorf("%s.sync: served %v", resource, got)
		}
	}
}

func TestTheSameStepHasTheSameToken(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, false)
	c.answer = `{}`
	sent := func(step string, request string) string {
		t.Helper()
		call := task("aws-sdk:ecs:runTask", request)
		call.StepID, call.Attempt = step, c.calls
		if _, err := r.Find(call.Service, call.Action, integration.RequestResponse).Call(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		return value.Checked(c.body).Decode().Get("clientToken").AsString()
	}
	first, again, other, changed := sent("aaaa-1", `{}`), sent("aaaa-1", `{}`), sent("aaaa-2", `{}`), sent("aaaa-1", `{"Group":"g"}`)
	if len(first) != 36 || first != again || first == other || first == changed {
		t.Errorf("tokens %q, %q, %q, %q", first, again, other, changed)
	}
	call := task("aws-sdk:ecs:runTask", `{}`)
	call.StepID, call.Earlier = "aaaa-1", 1
	if _, err := r.Find(call.Service, call.Action, integration.RequestResponse).Call(t.Context(), call); err != nil || strings.Contains(c.body, first) {
		t.Errorf("a job that is over is asked for again: %s, %v", c.body, err)
	}
	if got := sent("aaaa-1", `{"ClientToken":"mine"}`); got != "mine" {
		t.Errorf("token %q in the place of the definition's", got)
	}
}

func TestCallsEndWithTheirContext(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	arrived := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
	}))
	defer server.Close()
	c := &cloud{url: server.URL}
	r := c.open(t, false)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := r.Find("aws-sdk:sqs", "listQueues", integration.RequestResponse).Call(ctx, task("aws-sdk:sqs:listQueues", `{}`))
	var failed *integration.Error
	if !errors.Is(err, context.Canceled) || errors.As(err, &failed) {
		t.Errorf("got %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	c := newCloud(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c.url = gone.URL
	_, err := do(t, c.open(t, false), "aws-sdk:sqs:listQueues", `{}`)
	if got := failed(t, err); got.Name != "Sqs.SdkClientException" || !strings.HasPrefix(got.Cause, "Unable to execute HTTP request: ") || got.Effect != integration.EffectNone {
		t.Errorf("got %+v", got)
	}
	c.url = "http://[bad"
	_, err = do(t, c.open(t, false), "sqs:sendMessage", `{"MessageBody":"x"}`)
	if got := failed(t, err); got.Name != "SQS.SdkClientException" || got.Effect != integration.EffectNone {
		t.Errorf("got %+v", got)
	}
}

func TestTooLarge(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, false)
	for _, size := range []int{integration.MaxResult, maxAnswer + 1} {
		c.answer = strings.Repeat("x", size)
		_, err := do(t, r, "aws-sdk:s3:getObject", `{"Bucket":"b","Key":"k"}`)
		if got := failed(t, err); got.Name != "States.DataLimitExceeded" || got.Effect != integration.EffectDone || !strings.Contains(got.Cause, "'aws-sdk:s3'") {
			t.Errorf("%d bytes: got %+v", size, got)
		}
	}
}

func TestWithoutCredentials(t *testing.T) {
	c := newCloud(t)
	h := New(Config{Region: "us-east-1", Lookup: environment{"AWS_ENDPOINT_URL": c.url}.lookup})
	h.client.signer = func() (*Signer, error) { return nil, errors.New("none found") }
	r := new(integration.Registry)
	h.Register(r)
	_, err := do(t, r, "aws-sdk:sqs:listQueues", `{}`)
	if got := failed(t, err); got.Name != "Sqs.SdkClientException" || got.Cause != "Unable to sign the request: none found" || got.Effect != integration.EffectNone || c.calls > 0 {
		t.Errorf("got %+v after %d calls", got, c.calls)
	}
	c.answer = `{"IdentityId":"i"}`
	if _, err := do(t, r, "aws-sdk:cognitoidentity:getId", `{"IdentityPoolId":"p"}`); err != nil || c.request.Header.Get("Authorization") != "" {
		t.Errorf("signed %v, %v", c.request.Header, err)
	}
}

func TestSelf(t *testing.T) {
	c := newCloud(t)
	h := New(Config{Region: "eu-west-1", Self: Self{URL: c.url + "/", KeyID: "mine", Secret: "s"}})
	r := new(integration.Registry)
	h.Register(r)
	c.answer = `{"executionArn":"e","startDate":1700000000}`
	got, err := do(t, r, "aws-sdk:sfn:startExecution", `{"StateMachineArn":"m","Input":{"a":1}}`)
	if err != nil || got != `{"ExecutionArn":"e","StartDate":"2023-11-14T22:13:20Z"}` {
		t.Errorf("got %s, %v", got, err)
	}
	if c.body != `{"stateMachineArn":"m","input":"{\"a\":1}"}` || !strings.Contains(c.request.Header.Get("Authorization"), "Credential=mine/") {
		t.Errorf("sent %s, %v", c.body, c.request.Header)
	}
}

func TestTrace(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, false)
	c.answer = `{}`
	call := task("aws-sdk:sqs:listQueues", `{}`)
	call.Trace = "Root=1-5759e988-bd862e3fe1be46a994272793"
	if _, err := r.Find(call.Service, call.Action, integration.RequestResponse).Call(t.Context(), call); err != nil || c.request.Header.Get("X-Amzn-Trace-Id") != call.Trace {
		t.Errorf("sent %v, %v", c.request.Header, err)
	}
}

func TestTimes(t *testing.T) {
	at := time.Date(2026, 11, 5, 6, 7, 8, 120e6, time.UTC)
	for _, text := range []string{`"2026-11-05T06:07:08.12Z"`, `"2026-11-05T08:07:08.12+02:00"`, `"2026-11-05T06:07:08.12"`, `1793858828.12`, `"1793858828.12"`} {
		got, ok := parseTime(value.Checked(text).Decode())
		if !ok || !got.Equal(at) {
			t.Errorf("%s: %v, %v", text, got, ok)
		}
	}
	for format, want := range map[string]string{httpFormat: "Thu, 05 Nov 2026 06:07:08 GMT", unixFormat: "1793858828.12", isoFormat: "2026-11-05T06:07:08.120Z"} {
		if got := formatTime(at, format); got != want {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
	}
}
