package aws

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

func TestMessages(t *testing.T) {
	c := newCloud(t)
	c.answer = `{"MD5OfMessageBody":"m","MessageId":"i"}`
	got, err := do(t, c.open(t, true), "sqs:sendMessage", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/1/q","MessageBody":{"a":[1]}}`)
	if err != nil || !strings.HasPrefix(got, `{"MD5OfMessageBody":"m","MessageId":"i","SdkHttpMetadata":{"AllHttpHeaders":{`) || !strings.HasSuffix(got, `"SdkResponseMetadata":{"RequestId":"r-1"}}`) {
		t.Errorf("got %s, %v", got, err)
	}
	if c.body != `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/1/q","MessageBody":"{\"a\":[1]}"}` || c.request.Header.Get("X-Amz-Target") != "AmazonSQS.SendMessage" {
		t.Errorf("sent %s %v", c.body, c.request.Header)
	}

	_, err = do(t, c.open(t, false), "sqs:sendMessage", `{"QueueUrl":"https://h/1/q","MessageBody":"x","MessageAttributes":{"Backstep-State":{"DataType":"String","StringValue":"mine"},"a":{"DataType":"Number","StringValue":"1"}}}`)
	told := value.Checked(c.body).Decode().Get("MessageAttributes")
	if err != nil || told.Get("Idempotency-Key").Get("StringValue").AsString() != "aaaa-3" || told.Get("Backstep-State").Get("StringValue").AsString() != "mine" || told.Len() > 10 {
		t.Errorf("sent %s, %v", c.body, err)
	}
	var many strings.Builder
	for _, name := range "abcdefghi" {
		many.WriteString(`"` + string(name) + `":{"DataType":"String","StringValue":"v"},`)
	}
	_, err = do(t, c.open(t, false), "sqs:sendMessage", `{"QueueUrl":"https://h/1/q","MessageBody":"x","MessageAttributes":{`+strings.TrimRight(many.String(), ",")+`}}`)
	told = value.Checked(c.body).Decode().Get("MessageAttributes")
	if err != nil || told.Len() != 10 || !told.Has("Idempotency-Key") {
		t.Errorf("sent %s, %v", c.body, err)
	}

	_, err = do(t, c.open(t, false), "sqs:sendMessage", `{"QueueUrl":"http://no-such-queue","MessageBody":"x"}`)
	if got := failed(t, err); got.Name != "SQS.SdkClientException" || got.Cause != "Unable to execute HTTP request: no-such-queue: Name or service not known" {
		t.Errorf("got %+v", got)
	}
}

func TestOptimisedErrors(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, true)
	for _, test := range []struct{ resource, request, query, answer, name, cause string }{
		{"sqs:sendMessage", `{"QueueUrl":"http://h/1/q"}`, "MissingParameter;Sender", `{"__type":"com.amazonaws.sqs#MissingParameter","message":"The request must contain the parameter MessageBody."}`,
			"SQS.AmazonSQSException", "The request must contain the parameter MessageBody. (Service: AmazonSQS; Status Code: 400; Error Code: MissingParameter; Request ID: r-1; Proxy: null)"},
		{"sqs:sendMessage", `{"QueueUrl":"http://h/1/q"}`, "AWS.SimpleQueueService.NonExistentQueue;Sender", `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}`,
			"SQS.QueueDoesNotExistException", "The specified queue does not exist. (Service: AmazonSQS; Status Code: 400; Error Code: AWS.SimpleQueueService.NonExistentQueue; Request ID: r-1; Proxy: null)"},
		{"dynamodb:putItem", `{"TableName":"t","Item":null}`, "", `{"__type":"com.amazon.coral.validate#ValidationException","message":"1 validation error detected: Value null at 'item' failed to satisfy constraint: Member must not be null"}`,
			"DynamoDB.AmazonDynamoDBException", "1 validation error detected: Value null at 'item' failed to satisfy constraint: Member must not be null (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ValidationException; Request ID: r-1; Proxy: null)"},
		{"dynamodb:getItem", `{"TableName":"t"}`, "", `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"Requested resource not found"}`,
			"DynamoDB.ResourceNotFoundException", "Requested resource not found (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ResourceNotFoundException; Request ID: r-1; Proxy: null)"},
		{"ecs:runTask", `{}`, "", `{"__type":"ClusterNotFoundException","message":"Cluster not found."}`,
			"ECS.ClusterNotFoundException", "Cluster not found. (Service: AmazonECS; Status Code: 400; Error Code: ClusterNotFoundException; Request ID: r-1; Proxy: null)"},
		{"elasticmapreduce:terminateCluster", `{"ClusterId":"j"}`, "", `{"__type":"ThrottlingException","message":"Rate exceeded"}`,
			"EMR.AmazonElasticMapReduceException", "Rate exceeded (Service: AmazonElasticMapReduce; Status Code: 400; Error Code: ThrottlingException; Request ID: r-1; Proxy: null)"},
	} {
		c.status, c.answer = 400, test.answer
		c.header["X-Amzn-Query-Error"] = test.query
		_, err := do(t, r, test.resource, test.request)
		if got := failed(t, err); got.Name != test.name || got.Cause != test.cause || got.Effect != integration.EffectNone {
			t.Errorf("%s: got %+v, want %s: %s", test.resource, got, test.name, test.cause)
		}
	}
}

func TestEvents(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, false)
	c.answer = `{"Entries":[{"EventId":"1"}],"FailedEntryCount":0}`
	got, err := do(t, r, "events:putEvents", `{"Entries":[{"Detail":{"a":1},"DetailType":"d","Source":"s","Resources":["r"]},{"Detail":"{}","DetailType":"d"}]}`)
	if err != nil || got != c.answer {
		t.Errorf("got %s, %v", got, err)
	}
	const resources = `"arn:aws:states:us-east-1:123456789012:stateMachine:Order","arn:aws:states:us-east-1:123456789012:execution:Order:one"]`
	want := `{"Entries":[{"Detail":"{\"a\":1}","DetailType":"d","Source":"s","Resources":["r",` + resources + `},{"Detail":"{}","DetailType":"d","Resources":[` + resources + `}]}`
	if c.body != want {
		t.Errorf("sent %s, want %s", c.body, want)
	}
	c.answer = `{"Entries":[{"EventId":"1"},{"ErrorCode":"MalformedDetail","ErrorMessage":"Detail is malformed."}],"FailedEntryCount":1}`
	_, err = do(t, r, "events:putEvents", `{"Entries":[{},{}]}`)
	if got := failed(t, err); got.Name != "EventBridge.FailedEntry" || got.Cause != c.answer {
		t.Errorf("got %+v", got)
	}
	for _, request := range []string{`{"Entries":1}`, `{"Entries":[1]}`, `{"Entries":[{"Resources":{}}]}`} {
		_, err = do(t, r, "events:putEvents", request)
		if got := failed(t, err); got.Name != "States.Runtime" {
			t.Errorf("%s: got %+v", request, got)
		}
	}
	if got := machineOf("arn:aws:states:us-east-1:123456789012:express:Order:one:uuid"); got != "arn:aws:states:us-east-1:123456789012:stateMachine:Order" {
		t.Errorf("machine %s", got)
	}
}

// TestOptimisedResults: results as the first generation of the SDK has them.
func TestOptimisedResults(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, true)
	for _, test := range []struct{ resource, request, answer, sent, want string }{
		{"dynamodb:getItem", `{"TableName":"t","Key":{"id":{"BOOL":true}}}`, `{"Item":{"b":{"BOOL":true}}}`,
			`{"TableName":"t","Key":{"id":{"BOOL":true}}}`, `{"Item":{"b":{"BOOL":true}}}`},
		{"glue:startJobRun", `{"JobName":"j"}`, `{"JobRunId":"r"}`, `{"JobName":"j"}`, `{"JobName":"j","JobRunId":"r"}`},
		{"ecs:runTask", `{"TaskDefinition":"d","ClientToken":"t"}`, `{"tasks":[{"taskArn":"a","createdAt":1554917530.155}],"failures":[]}`,
			`{"taskDefinition":"d","clientToken":"t"}`, `{"Failures":[],"Tasks":[{"Attachments":[],"Attributes":[],"Containers":[],"CreatedAt":1554917530155,"InferenceAccelerators":[],"Tags":[],"TaskArn":"a"}]}`},
		{"elasticmapreduce:createCluster", `{"Name":"n","Instances":{"KeepJobFlowAliveWhenNoSteps":true}}`, `{"JobFlowId":"j-1","ClusterArn":"c"}`,
			`{"Name":"n","Instances":{"KeepJobFlowAliveWhenNoSteps":true}}`, `{"ClusterId":"j-1","ClusterArn":"c"}`},
		{"elasticmapreduce:addStep", `{"ClusterId":"j-1","Step":{"Name":"s"}}`, `{"StepIds":["s-1"]}`, `{"JobFlowId":"j-1","Steps":[{"Name":"s"}]}`, `{"StepId":"s-1"}`},
		{"elasticmapreduce:cancelStep", `{"ClusterId":"j-1","StepId":"s-1"}`, `{"CancelStepsInfoList":[{"StepId":"s-1","Status":"SUBMITTED"}]}`,
			`{"ClusterId":"j-1","StepIds":["s-1"]}`, `{"CancelStepsInfo":{"StepId":"s-1","Status":"SUBMITTED"}}`},
		{"elasticmapreduce:terminateCluster", `{"ClusterId":"j-1"}`, ``, `{"JobFlowIds":["j-1"]}`, `{}`},
		{"elasticmapreduce:setClusterTerminationProtection", `{"ClusterId":"j-1","TerminationProtected":true}`, `{}`,
			`{"JobFlowIds":["j-1"],"TerminationProtected":true}`, `{}`},
		{"bedrock:invokeModel", `{"ModelId":"m","Body":{"prompt":"p"},"ContentType":"application/json"}`, `{"completion":"c"}`,
			`{"prompt":"p"}`, `{"Body":{"completion":"c"}}`},
		{"codebuild:startBuild", `{"ProjectName":"p","IdempotencyToken":"t"}`, `{"build":{"arn":"a","startTime":1.5}}`,
			`{"projectName":"p","idempotencyToken":"t"}`, `{"Build":{"Arn":"a","StartTime":1500}}`},
		{"emr-serverless:startApplication", `{"ApplicationId":"a"}`, `{}`, ``, `{"ApplicationId":"a"}`},
		{"sagemaker:createModel", `{"ModelName":"m"}`, `{"ModelArn":"a"}`, `{"ModelName":"m"}`, `{"ModelArn":"a"}`},
	} {
		c.answer = test.answer
		got, err := do(t, r, test.resource, test.request)
		if err != nil {
			t.Errorf("%s: %v", test.resource, err)
			continue
		}
		result := value.NewBuilder(4)
		for name, v := range value.Checked(got).Decode().Members() {
			if !strings.HasPrefix(name, "Sdk") && name != "ContentType" {
				result.Set(name, v)
			}
		}
		if !strings.Contains(got, `"SdkResponseMetadata":{"RequestId":"r-1"}`) || !value.Equal(result.Object(), value.Checked(test.want).Decode()) {
			t.Errorf("%s: got %s, want %s", test.resource, got, test.want)
		}
		if c.body != test.sent {
			t.Errorf("%s: sent %s, want %s", test.resource, c.body, test.sent)
		}
	}
}

// TestModifyByName: the parts of a cluster are found by their names, on
// whatever page of its list they are.
func TestModifyByName(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, true)
	const group, fleet = "elasticmapreduce:modifyInstanceGroupByName", "elasticmapreduce:modifyInstanceFleetByName"
	for _, test := range []struct {
		resource, request string
		answers, sent     []string
	}{
		{group, `{"ClusterId":"j-1","InstanceGroupName":"MyCoreGroup","InstanceGroup":{"InstanceCount":8}}`,
			[]string{`{"InstanceGroups":[{"Id":"ig-1","Name":"Other"}],"Marker":"m"}`, `{"InstanceGroups":[{"Id":"ig-2","Name":"MyCoreGroup"}]}`},
			[]string{`{"ClusterId":"j-1"}`, `{"ClusterId":"j-1","Marker":"m"}`, `{"ClusterId":"j-1","InstanceGroups":[{"InstanceCount":8,"InstanceGroupId":"ig-2"}]}`}},
		{fleet, `{"ClusterId":"j-1","InstanceFleetName":"MyCoreFleet","InstanceFleet":{"TargetOnDemandCapacity":8,"TargetSpotCapacity":0}}`,
			[]string{`{"InstanceFleets":[{"Id":"if-1","Name":"MyCoreFleet"},{"Id":"if-2"}]}`},
			[]string{`{"ClusterId":"j-1"}`, `{"ClusterId":"j-1","InstanceFleet":{"TargetOnDemandCapacity":8,"TargetSpotCapacity":0,"InstanceFleetId":"if-1"}}`}},
	} {
		c.first, c.answer, c.sent = test.answers, "", nil
		if _, err := do(t, r, test.resource, test.request); err != nil || !slices.Equal(c.sent, test.sent) {
			t.Errorf("%s: %v, sent %q", test.resource, err, c.sent)
		}
	}
	for request, want := range map[string]string{
		`{"ClusterId":"j-1","InstanceFleet":{}}`:                                                 "States.Runtime",
		`{"ClusterId":"j-1","InstanceFleetName":"a"}`:                                            "States.Runtime",
		`{"ClusterId":"j-1","InstanceFleetName":"a","InstanceFleet":{"InstanceFleetId":"if-1"}}`: "States.Runtime",
		`{"ClusterId":"j-1","InstanceFleetName":"a","InstanceFleet":{}}`:                         "EMR.InvalidRequestException",
		`{"ClusterId":"j-1","InstanceFleetName":"twice","InstanceFleet":{}}`:                     "EMR.InvalidRequestException",
	} {
		c.answer, c.sent = `{"InstanceFleets":[{"Id":"1","Name":"twice"},{"Id":"2","Name":"twice"}]}`, nil
		_, err := do(t, r, fleet, request)
		if got := failed(t, err); got.Name != want || got.Effect != integration.EffectNone || len(c.sent) > 1 {
			t.Errorf("%s: %+v, sent %q", request, got, c.sent)
		}
	}
	c.status, c.answer = 400, `{"__type":"InvalidRequestException","message":"Cluster id 'j-1' is not valid."}`
	if _, err := do(t, r, fleet, `{"ClusterId":"j-1","InstanceFleetName":"a","InstanceFleet":{}}`); failed(t, err).Name != "EMR.InvalidRequestException" {
		t.Error(err)
	}
	c.status, c.answer = 200, strings.Repeat("x", maxAnswer+1) // of a list: nothing was modified
	if _, err := do(t, r, fleet, `{"ClusterId":"j-1","InstanceFleetName":"a","InstanceFleet":{}}`); failed(t, err).Name != "States.DataLimitExceeded" || failed(t, err).Effect != integration.EffectNone {
		t.Error(err)
	}
}

// TestEveryActionIsThere: what the table of optimised integrations calls is in
// the models.
func TestEveryActionIsThere(t *testing.T) {
	c := newCatalog(models)
	for _, s := range optimisedServices {
		for name, a := range s.actions {
			if _, o, err := c.operation(a.model, a.operation); o == nil || err != nil {
				t.Errorf("%s:%s: %v", s.name, name, err)
			}
		}
	}
}

const api = "abc123.execute-api.us-east-1.amazonaws.com"

func TestGateway(t *testing.T) {
	c := newCloud(t)
	r := c.open(t, true)
	c.answer = `{"ok":[true]}`
	got, err := do(t, r, "apigateway:invoke", `{"ApiEndpoint":"`+api+`","Method":"POST","Stage":"prod","Path":"/orders/a b","QueryParameters":{"q":["1","x y"]},"Headers":{"Colour":["blue"]},"RequestBody":{"a":1,"b":null,"c":[null,2]},"AuthType":"IAM_ROLE"}`)
	result := value.Checked(got).Decode()
	if err != nil || result.Get("ResponseBody").Text().String() != `{"ok":[true]}` || result.Get("StatusText").AsString() != "OK" || result.Get("Headers").Get("Content-Length").Kind() != value.Array {
		t.Errorf("got %s, %v", got, err)
	}
	if c.request.Host != api || c.request.RequestURI != "/prod/orders/a%20b?q=1&q=x%20y" || c.body != `{"a":1,"c":[2]}` ||
		c.request.Header.Get("Colour") != "blue" || !strings.Contains(c.request.Header.Get("Authorization"), "/execute-api/") || c.request.Header.Get("Idempotency-Key") != "" {
		t.Errorf("sent %s %s %s %v", c.request.Host, c.request.RequestURI, c.body, c.request.Header)
	}
	c.answer = "no JSON"
	got, err = do(t, c.open(t, false), "apigateway:invoke", `{"ApiEndpoint":"`+api+`","Method":"GET","AllowNullValues":true,"RequestBody":{"b":null}}`)
	if err != nil || value.Checked(got).Decode().Get("ResponseBody").AsString() != "no JSON" || c.body != `{"b":null}` || c.request.Header.Get("Authorization") != "" || c.request.Header.Get("Idempotency-Key") != "aaaa-3" {
		t.Errorf("got %s, %v, sent %s %v", got, err, c.body, c.request.Header)
	}
	c.status, c.answer = 403, `{"message":"Missing Authentication Token"}`
	_, err = do(t, r, "apigateway:invoke", `{"ApiEndpoint":"`+api+`","Method":"GET"}`)
	if got := failed(t, err); got.Name != "ApiGateway.403" || got.Cause != c.answer || got.Effect != integration.EffectNone {
		t.Errorf("got %+v", got)
	}
	c.status, c.answer = 200, strings.Repeat("x", integration.MaxResult)
	_, err = do(t, r, "apigateway:invoke", `{"ApiEndpoint":"`+api+`","Method":"GET"}`)
	if got := failed(t, err); got.Name != "States.DataLimitExceeded" || got.Effect != integration.EffectDone {
		t.Errorf("got %+v", got)
	}
	c.status, c.answer = 500, strings.Repeat("x", integration.MaxResult+1)
	_, err = do(t, r, "apigateway:invoke", `{"ApiEndpoint":"`+api+`","Method":"GET"}`)
	if got := failed(t, err); got.Name != "ApiGateway.500" || got.Effect != integration.EffectUnknown {
		t.Errorf("got %+v", got)
	}
	c.status = 200
	c.answer = "\xff"
	_, err = do(t, r, "apigateway:invoke", `{"ApiEndpoint":"`+api+`","Method":"GET"}`)
	if got := failed(t, err); got.Name != "ApiGateway.SdkClientException" {
		t.Errorf("got %+v", got)
	}
}

func TestGatewayRefuses(t *testing.T) {
	c := newCloud(t)
	named := c.open(t, false)
	h := New(Config{Region: "us-east-1"})
	r := new(integration.Registry)
	h.Register(r)
	const invalid = "The value of the field '%' has an invalid format"
	for request, problem := range map[string]string{
		`1`:                             "The parameters are not an object",
		`{"Endpoint":"x"}`:              "The field 'Endpoint' is not supported by Step Functions",
		`{"Method":"GET"}`:              "The field 'ApiEndpoint' is required but was missing",
		`{"ApiEndpoint":"` + api + `"}`: "The field 'Method' is required but was missing",
		`{"ApiEndpoint":"` + api + `","Method":"TRACE"}`:                            strings.Replace(invalid, "%", "Method", 1),
		`{"ApiEndpoint":"` + api + `","Method":"GET","Headers":{"a":"b"}}`:          strings.Replace(invalid, "%", "Headers", 1),
		`{"ApiEndpoint":"` + api + `","Method":"GET","Headers":{"host":["b"]}}`:     strings.Replace(invalid, "%", "Headers", 1),
		`{"ApiEndpoint":"` + api + `","Method":"GET","Headers":{"x-amz-a":["b"]}}`:  strings.Replace(invalid, "%", "Headers", 1),
		`{"ApiEndpoint":"` + api + `","Method":"GET","QueryParameters":[]}`:         strings.Replace(invalid, "%", "QueryParameters", 1),
		`{"ApiEndpoint":"` + api + `","Method":"GET","AuthType":"OTHER"}`:           strings.Replace(invalid, "%", "AuthType", 1),
		`{"ApiEndpoint":"169.254.169.254","Method":"GET"}`:                          strings.Replace(invalid, "%", "ApiEndpoint", 1),
		`{"ApiEndpoint":"` + api + `.evil.example","Method":"GET"}`:                 strings.Replace(invalid, "%", "ApiEndpoint", 1),
		`{"ApiEndpoint":"evil.example/` + url.PathEscape(api) + `","Method":"GET"}`: strings.Replace(invalid, "%", "ApiEndpoint", 1),
	} {
		for _, registry := range []*integration.Registry{r, named} {
			if registry == named && strings.Contains(problem, "'ApiEndpoint' has") {
				continue // the endpoint that is named gets every call
			}
			_, err := do(t, registry, "apigateway:invoke", request)
			if got := failed(t, err); got.Name != "States.Runtime" || !strings.HasSuffix(got.Cause, ": ["+problem+"]") || got.Effect != integration.EffectNone {
				t.Errorf("%s: got %+v, want %s", request, got, problem)
			}
		}
	}
	if c.calls > 0 {
		t.Errorf("%d calls were made", c.calls)
	}
}
