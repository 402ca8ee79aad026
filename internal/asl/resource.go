package asl

import (
	"regexp"
	"slices"
	"strings"
)

// functionName is a function in an ARN, with or without its version or alias.
var functionName = regexp.MustCompile(`^[A-Za-z0-9_.\-]+(:(\$LATEST|[A-Za-z0-9_\-]+))?$`)

// resource reads a Task's Resource and refuses what nobody serves.
func (c *compiler) resource(n *node) Resource {
	text, ok := c.string(n)
	if !ok {
		return Resource{}
	}
	r, ok := ParseResource(text)
	switch {
	case ok && c.rules.Foreign && !c.serves(r) && !integratedByAWS(r.Service):
		c.warn(InvalidResource, n, "The resource provided "+text+" is not one of AWS's")
	case !ok || !c.serves(r):
		c.unrecognized(n, text)
	case c.scope.express:
		c.express(n, r)
	}
	return r
}

func (c *compiler) unrecognized(n *node, text string) {
	c.schema(n, "The resource provided "+text+" is not recognized. The value is not a valid resource ARN, "+
		"or the resource is not available in this region.")
}

// express refuses what outlives an Express execution.
func (c *compiler) express(n *node, r Resource) {
	const refused = "Express state machine does not support "
	switch {
	case r.Kind == Activity:
		c.schema(n, refused+"Activity ARN")
	case r.Pattern == WaitForTaskToken:
		c.schema(n, refused+"'.waitForTaskToken' service integration ") // so does AWS write it
	case r.Pattern != RequestResponse:
		c.schema(n, refused+"'.sync' service integration")
	}
}

// patternSuffixes are how resources spell the patterns.
var patternSuffixes = [...]string{"", ".sync", ".sync:2", ".waitForTaskToken"}

// ParseResource reads a Resource: the ARN of a function, of an activity or of
// an integration. Any other name without blanks or brackets is an integration
// of no service.
func ParseResource(text string) (r Resource, ok bool) {
	r = Resource{Text: text}
	if text == "" || strings.ContainsAny(text, " \t\r\n{}<>") {
		return r, false
	}
	part := strings.SplitN(text, ":", 7)
	if len(part) < 7 || part[0] != "arn" {
		return r, true
	}
	switch rest := part[6]; {
	case part[2] == "lambda" && part[5] == "function":
		r.Kind, r.Service = LambdaARN, "lambda"
		return r, functionName.MatchString(rest)
	case part[2] == "states" && part[5] == "activity":
		r.Kind, r.Service = Activity, "states"
		return r, rest != ""
	case part[2] != "states":
		return r, true
	default:
		r.Service, r.Action = part[5], rest
	}
	if r.Service == "aws-sdk" {
		service, action, _ := strings.Cut(r.Action, ":")
		r.Service, r.Action = "aws-sdk:"+service, action
	}
	for p := WaitForTaskToken; p > RequestResponse; p-- {
		if action, found := strings.CutSuffix(r.Action, patternSuffixes[p]); found {
			r.Action, r.Pattern = action, p
			break
		}
	}
	if r.Service == "states" && r.Action == "startExecution" {
		r.Kind = NestedExecution
	}
	return r, r.Action != "" && r.Service != "aws-sdk:"
}

// serves reports whether a resource can run here.
func (c *compiler) serves(r Resource) bool {
	switch {
	case c.rules.Serves == nil || r.Kind == Activity || r.Kind == NestedExecution:
		return true
	case r.Kind == LambdaARN:
		return c.rules.Serves("lambda", "invoke", RequestResponse)
	}
	return c.rules.Serves(r.Service, r.Action, r.Pattern)
}

// OnAWS is the [Rules].Serves of AWS: any action of its SDK, answered at once
// or by token, and the service's own integrations.
func OnAWS(service, action string, p Pattern) bool {
	if strings.HasPrefix(service, "aws-sdk:") {
		return p == RequestResponse || p == WaitForTaskToken
	}
	i := slices.IndexFunc(optimized, func(row integrated) bool { return row.service == service })
	return i >= 0 && strings.Contains(optimized[i].patterns, patternLetters[p:p+1]) &&
		slices.Contains(strings.Fields(optimized[i].actions), action)
}

// integratedByAWS reports whether AWS has integrations with a service.
func integratedByAWS(service string) bool {
	return strings.HasPrefix(service, "aws-sdk:") ||
		slices.ContainsFunc(optimized, func(row integrated) bool { return row.service == service })
}

// patternLetters name the patterns in the table, in their order.
const patternLetters = "rs2t"

// integrated is a service and what of it tasks can ask for.
type integrated struct{ service, patterns, actions string }

// optimized is the table of the service's own integrations.
var optimized = []integrated{
	{"apigateway", "rt", "invoke"},
	{"athena", "rs", "startQueryExecution stopQueryExecution getQueryExecution getQueryResults"},
	{"batch", "rs2", "submitJob"},
	{"bedrock", "rst", "invokeModel createModelCustomizationJob"},
	{"codebuild", "rs", "startBuild stopBuild batchDeleteBuilds batchGetReports startBuildBatch stopBuildBatch " +
		"retryBuildBatch deleteBuildBatch"},
	{"databrew", "rs", "startJobRun"},
	{"dynamodb", "r", "getItem putItem updateItem deleteItem"},
	{"ecs", "rst", "runTask"},
	{"eks", "rst", "call runJob createCluster deleteCluster createNodegroup deleteNodegroup createFargateProfile " +
		"deleteFargateProfile"},
	{"elasticmapreduce", "rs", "createCluster terminateCluster addStep cancelStep setClusterTerminationProtection " +
		"modifyInstanceFleetByName modifyInstanceGroupByName"},
	{"emr-containers", "rs", "createVirtualCluster deleteVirtualCluster startJobRun"},
	{"emr-serverless", "rs", "createApplication startApplication stopApplication deleteApplication startJobRun " +
		"cancelJobRun"},
	{"events", "rt", "putEvents"},
	{"glue", "rs", "startJobRun"},
	{"http", "r", "invoke"},
	{"lambda", "rt", "invoke"},
	{"mediaconvert", "rs", "createJob"},
	{"sagemaker", "rs", "createTrainingJob createTransformJob createHyperParameterTuningJob createLabelingJob " +
		"createProcessingJob createModel createEndpointConfig createEndpoint updateEndpoint"},
	{"sns", "rt", "publish"},
	{"sqs", "rt", "sendMessage"},
}
