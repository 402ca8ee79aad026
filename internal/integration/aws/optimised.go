package aws

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// service is what the optimised integrations of one service do: which actions
// they call, and what becomes of parameters and results.
type service struct {
	name     string // "sqs"
	words    words
	patterns []integration.Pattern
	actions  map[string]action
	metadata bool // results carry what is told of the answer
}

// action is one action of a service.
type action struct {
	model, operation string // of the SDK
	// Before makes the call's parameters of the task's; nil: they are the same.
	before change
	// After makes the result of the service's; nil: it is the same.
	after func(t integration.Task, out value.Value) (value.Value, error)
}

// change makes the parameters of a call that is about to be sent.
type change = func(ctx context.Context, c *call, params value.Value) (value.Value, error)

// plain are actions of the same name in one model.
func plain(model string, names ...string) map[string]action {
	all := make(map[string]action, len(names))
	for _, name := range names {
		all[name] = action{model: model, operation: name}
	}
	return all
}

// and is two tables of actions in one.
func and(a, b map[string]action) map[string]action {
	maps.Copy(a, b)
	return a
}

var (
	once     = []integration.Pattern{integration.RequestResponse}
	callback = []integration.Pattern{integration.RequestResponse, integration.WaitForTaskToken}
)

// optimisedServices are the services that have optimised integrations. Errors
// are named as the first generation of AWS's SDK for Java names them.
var optimisedServices = []service{
	{"sqs", words{false, "SQS", "AmazonSQS", "AmazonSQSException"}, callback, map[string]action{"sendMessage": {"sqs", "sendMessage", message, nil}}, true},
	{"dynamodb", words{false, "DynamoDB", "AmazonDynamoDBv2", "AmazonDynamoDBException"}, once,
		plain("dynamodb", "getItem", "putItem", "updateItem", "deleteItem"), true},
	{"events", words{false, "EventBridge", "AmazonEventBridge", "AmazonEventBridgeException"}, callback,
		map[string]action{"putEvents": {"eventbridge", "putEvents", entries, allTaken}}, false},
	{"athena", words{false, "Athena", "AmazonAthena", "AmazonAthenaException"}, once,
		plain("athena", "startQueryExecution", "stopQueryExecution", "getQueryExecution", "getQueryResults"), true},
	{"batch", words{false, "Batch", "AWSBatch", "AWSBatchException"}, once, plain("batch", "submitJob"), true},
	{"bedrock", words{false, "Bedrock", "AmazonBedrock", "AmazonBedrockException"}, callback, map[string]action{
		"invokeModel":                 {"bedrockruntime", "invokeModel", nil, modelAnswer},
		"createModelCustomizationJob": {model: "bedrock", operation: "createModelCustomizationJob"}}, true},
	{"codebuild", words{false, "CodeBuild", "AWSCodeBuild", "AWSCodeBuildException"}, once, and(
		plain("codebuild", "stopBuild", "batchDeleteBuilds", "batchGetReports", "stopBuildBatch", "deleteBuildBatch"), map[string]action{
			"startBuild":      {"codebuild", "startBuild", idempotent, nil},
			"startBuildBatch": {"codebuild", "startBuildBatch", idempotent, nil},
			"retryBuildBatch": {"codebuild", "retryBuildBatch", idempotent, nil}}), true},
	{"databrew", words{false, "DataBrew", "AWSGlueDataBrew", "AWSGlueDataBrewException"}, once, plain("databrew", "startJobRun"), true},
	{"ecs", words{false, "ECS", "AmazonECS", "AmazonECSException"}, callback,
		map[string]action{"runTask": {"ecs", "runTask", oneTask, allPlaced}}, true},
	{"eks", words{false, "EKS", "AmazonEKS", "AmazonEKSException"}, once,
		plain("eks", "createCluster", "deleteCluster", "createNodegroup", "deleteNodegroup", "createFargateProfile", "deleteFargateProfile"), true},
	{"elasticmapreduce", words{false, "EMR", "AmazonElasticMapReduce", "AmazonElasticMapReduceException"}, once, emrActions, true},
	{"emr-containers", words{false, "EMRContainers", "AmazonEMRContainers", "AmazonEMRContainersException"}, once,
		plain("emrcontainers", "createVirtualCluster", "deleteVirtualCluster", "startJobRun"), true},
	{"emr-serverless", words{false, "EMRServerless", "AWSEMRServerless", "AWSEMRServerlessException"}, once,
		and(plain("emrserverless", "createApplication", "startJobRun", "cancelJobRun"), map[string]action{
			"startApplication":  {"emrserverless", "startApplication", nil, also("ApplicationId")},
			"stopApplication":   {"emrserverless", "stopApplication", nil, also("ApplicationId")},
			"deleteApplication": {"emrserverless", "deleteApplication", nil, also("ApplicationId")}}), true},
	{"glue", words{false, "Glue", "AWSGlue", "AWSGlueException"}, once,
		map[string]action{"startJobRun": {"glue", "startJobRun", nil, also("JobName")}}, true},
	{"mediaconvert", words{false, "MediaConvert", "AWSMediaConvert", "AWSMediaConvertException"}, once, plain("mediaconvert", "createJob"), true},
	{"sagemaker", words{false, "SageMaker", "AmazonSageMaker", "AmazonSageMakerException"}, once,
		plain("sagemaker", "createTrainingJob", "createTransformJob", "createHyperParameterTuningJob", "createLabelingJob",
			"createProcessingJob", "createModel", "createEndpointConfig", "createEndpoint", "updateEndpoint"), true},
}

// optimised does the tasks of a service's optimised integrations.
type optimised struct {
	client  *client
	service *service
}

// Call calls the action's operation and answers with what the service answered.
func (h *optimised) Call(ctx context.Context, t integration.Task) (value.Text, error) {
	a := h.service.actions[t.Action]
	c, err := h.call(t, a.model, a.operation)
	if err != nil {
		return value.Text{}, err
	}
	params := t.Request.Decode()
	if a.before != nil {
		if params, err = a.before(ctx, c, params); err != nil {
			return value.Text{}, err
		}
	}
	out, meta, err := c.do(ctx, params)
	if err != nil {
		return value.Text{}, err
	}
	result := out.Object()
	if a.after != nil {
		if result, err = a.after(t, result); err != nil {
			return value.Text{}, err
		}
	}
	if h.service.metadata {
		result = described(result, meta)
	}
	return c.result(result)
}

// call is a call of an operation for a task.
func (h *optimised) call(t integration.Task, service, operation string) (*call, error) {
	m, o, err := h.client.catalog.operation(service, operation)
	if err != nil {
		return nil, err
	}
	c := &call{client: h.client, task: t, model: m, operation: o, style: optimisedStyle, words: h.service.words}
	if h.service.name == "ecs" || h.service.name == "elasticmapreduce" {
		c.style = listedStyle
	}
	return c, nil
}

// described is a result with what is told of its answer, in the order of names
// as all results are.
func described(result value.Value, meta integration.Metadata) value.Value {
	told := value.NewBuilder(2)
	meta.Set(told)
	members := make([]value.Member, 0, result.Len()+2)
	for _, from := range []value.Value{result, told.Object()} {
		for name, v := range from.Members() {
			members = append(members, value.Member{Name: name, Value: v})
		}
	}
	slices.SortStableFunc(members, func(a, b value.Member) int { return strings.Compare(a.Name, b.Name) })
	return value.NewObject(members...)
}

// message is the parameters of a message to a queue. What receivers are told
// goes along as attributes, as far as a message takes them; those that the
// definition sets win.
func message(_ context.Context, c *call, params value.Value) (value.Value, error) {
	if u, err := url.Parse(params.Get("QueueUrl").AsString()); err == nil && strings.Trim(u.Path, "/") == "" && u.Host != "" {
		// The SDK takes the host from the queue's URL, and one without a path is no
		// more than a host.
		return params, integration.NewError("SQS.SdkClientException",
			"Unable to execute HTTP request: "+u.Host+": Name or service not known", integration.EffectNone)
	}
	const most = 10 // attributes of a message
	given := params.Get("MessageAttributes")
	if c.client.strict || given.Kind() != value.Object && !given.IsAbsent() {
		return params, nil
	}
	all := value.NewBuilder(most)
	for name, v := range given.Members() {
		all.Set(name, v)
	}
	for _, header := range c.task.Headers() {
		if all.Len() < most && all.Get(header.Name).IsAbsent() {
			all.Set(header.Name, value.NewObject(
				value.Member{Name: "DataType", Value: value.NewString("String")},
				value.Member{Name: "StringValue", Value: value.NewString(header.Value)}))
		}
	}
	return params.With("MessageAttributes", all.Object()), nil
}

// entries is the parameters of events: each names the state machine and the
// execution among its resources.
func entries(_ context.Context, c *call, params value.Value) (value.Value, error) {
	t := c.task
	given := params.Get("Entries")
	if given.Kind() != value.Array {
		return params, nil
	}
	made := make([]value.Value, given.Len())
	for i, entry := range given.Items() {
		made[i] = entry
		resources := entry.Get("Resources")
		if entry.Kind() != value.Object || resources.Kind() != value.Array && !resources.IsAbsent() {
			continue
		}
		all := append([]value.Value(nil), resources.Items()...)
		all = append(all, value.NewString(machineOf(t.Execution)), value.NewString(t.Execution))
		made[i] = entry.With("Resources", value.NewArray(all))
	}
	return params.With("Entries", value.NewArray(made)), nil
}

// machineOf is the ARN of an execution's state machine.
func machineOf(execution string) string {
	part := strings.Split(execution, ":")
	if len(part) < 7 {
		return execution
	}
	part[5] = "stateMachine"
	return strings.Join(part[:7], ":")
}

// allTaken fails where a bus did not take all events.
func allTaken(_ integration.Task, out value.Value) (value.Value, error) {
	if n, _ := out.Get("FailedEntryCount").AsInt(); n > 0 {
		return out, integration.NewError("EventBridge.FailedEntry", out.Text().String(), integration.EffectUnknown)
	}
	return out, nil
}

// modelAnswer is a model's answer with its body as JSON, where it is JSON.
func modelAnswer(_ integration.Task, out value.Value) (value.Value, error) {
	if text, err := value.Check(out.Get("Body").AsString()); err == nil {
		out = out.With("Body", text.Decode())
	}
	return out, nil
}
