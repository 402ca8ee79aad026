package aws

import (
	"context"

	"github.com/backstep/backstep/internal/integration"
	"github.com/backstep/backstep/internal/value"
)

// jobs are what the integrations of the pattern .sync begin, by service and
// action. As with AWS, clusters that a task has created go on when nobody waits
// for them any more.
var jobs = map[string]job{
	"athena:startQueryExecution": {
		describe: "getQueryExecution", by: fields{{"QueryExecutionId", answered("QueryExecutionId")}},
		at: "QueryExecution", status: "Status.State", well: "SUCCEEDED", badly: "FAILED CANCELLED", under: "QueryExecution",
		stop: "stopQueryExecution", stopBy: fields{{"QueryExecutionId", answered("QueryExecutionId")}}},
	"batch:submitJob": {
		describe: "describeJobs", by: fields{{"Jobs", one(answered("JobId"))}},
		at: "Jobs.0", status: "Status", well: "SUCCEEDED", badly: "FAILED", second: true,
		stop: "terminateJob", stopBy: fields{{"JobId", answered("JobId")}, {"Reason", said(stopReason)}}},
	"bedrock:createModelCustomizationJob": {
		describe: "getModelCustomizationJob", by: fields{{"JobIdentifier", answered("JobArn")}},
		status: "Status", well: "Completed", badly: "Failed Stopped",
		stop: "stopModelCustomizationJob", stopBy: fields{{"JobIdentifier", answered("JobArn")}}},
	"codebuild:startBuild": {
		describe: "batchGetBuilds", by: fields{{"Ids", one(answered("Build.Id"))}},
		at: "Builds.0", status: "BuildStatus", well: "SUCCEEDED", badly: "FAILED FAULT TIMED_OUT STOPPED", under: "Build",
		stop: "stopBuild", stopBy: fields{{"Id", answered("Build.Id")}}},
	"codebuild:startBuildBatch": buildBatch,
	"codebuild:retryBuildBatch": buildBatch,
	"databrew:startJobRun": {
		describe: "describeJobRun", by: fields{{"Name", asked("Name")}, {"RunId", answered("RunId")}},
		status: "State", well: "SUCCEEDED", badly: "FAILED STOPPED TIMEOUT",
		stop: "stopJobRun", stopBy: fields{{"Name", asked("Name")}, {"RunId", answered("RunId")}}},
	"ecs:runTask": {
		describe: "describeTasks", by: fields{{"Cluster", answered("Tasks.0.ClusterArn")}, {"Tasks", one(answered("Tasks.0.TaskArn"))}},
		at: "Tasks.0", status: "LastStatus", well: "STOPPED", sound: exitedWell,
		stop: "stopTask", stopBy: fields{{"Cluster", answered("Tasks.0.ClusterArn")}, {"Task", answered("Tasks.0.TaskArn")}, {"Reason", said(stopReason)}}},
	"eks:createCluster": {
		describe: "describeCluster", by: fields{{"Name", answered("Cluster.Name")}},
		at: "Cluster", status: "Status", well: "ACTIVE", badly: "FAILED DELETING", under: "Cluster"},
	"eks:deleteCluster": {
		describe: "describeCluster", by: fields{{"Name", answered("Cluster.Name")}},
		at: "Cluster", status: "Status", badly: "FAILED", gone: true, under: "Cluster"},
	"eks:createNodegroup": {
		describe: "describeNodegroup", by: nodegroup, at: "Nodegroup",
		status: "Status", well: "ACTIVE", badly: "CREATE_FAILED DEGRADED DELETING", under: "Nodegroup"},
	"eks:deleteNodegroup": {
		describe: "describeNodegroup", by: nodegroup, at: "Nodegroup", status: "Status", badly: "DELETE_FAILED", gone: true, under: "Nodegroup"},
	"eks:createFargateProfile": {
		describe: "describeFargateProfile", by: profile, at: "FargateProfile",
		status: "Status", well: "ACTIVE", badly: "CREATE_FAILED DELETING", under: "FargateProfile"},
	"eks:deleteFargateProfile": {
		describe: "describeFargateProfile", by: profile, at: "FargateProfile", status: "Status", badly: "DELETE_FAILED", gone: true, under: "FargateProfile"},
	"elasticmapreduce:createCluster": {
		describe: "describeCluster", by: fields{{"ClusterId", answered("ClusterId")}},
		at: "Cluster", status: "Status.State", well: "WAITING", badly: "TERMINATED TERMINATED_WITH_ERRORS",
		under: "Cluster", with: fields{{"ClusterId", answered("ClusterId")}}},
	"elasticmapreduce:terminateCluster": {
		describe: "describeCluster", by: fields{{"ClusterId", asked("ClusterId")}},
		at: "Cluster", status: "Status.State", well: "TERMINATED TERMINATED_WITH_ERRORS",
		under: "Cluster", with: fields{{"ClusterId", asked("ClusterId")}}},
	"elasticmapreduce:addStep": {
		describe: "describeStep", by: fields{{"ClusterId", asked("ClusterId")}, {"StepId", answered("StepId")}},
		at: "Step", status: "Status.State", well: "COMPLETED", badly: "CANCELLED FAILED INTERRUPTED",
		under: "Step", with: fields{{"StepId", answered("StepId")}},
		stop: "cancelSteps", stopBy: fields{{"ClusterId", asked("ClusterId")}, {"StepIds", one(answered("StepId"))}}},
	"emr-containers:startJobRun": {
		describe: "describeJobRun", by: fields{{"Id", answered("Id")}, {"VirtualClusterId", answered("VirtualClusterId")}},
		at: "JobRun", status: "State", well: "COMPLETED", badly: "FAILED CANCELLED",
		stop: "cancelJobRun", stopBy: fields{{"Id", answered("Id")}, {"VirtualClusterId", answered("VirtualClusterId")}}},
	"emr-containers:deleteVirtualCluster": {
		describe: "describeVirtualCluster", by: fields{{"Id", answered("Id")}},
		at: "VirtualCluster", status: "State", well: "TERMINATED", badly: "ARRESTED"},
	"emr-serverless:startJobRun": {
		describe: "getJobRun", by: jobRun, at: "JobRun", status: "State", well: "SUCCESS", badly: "FAILED CANCELLED", stop: "cancelJobRun", stopBy: jobRun},
	"emr-serverless:cancelJobRun": {
		describe: "getJobRun", by: jobRun, at: "JobRun", status: "State", well: "CANCELLED", badly: "SUCCESS FAILED"},
	"emr-serverless:createApplication": {
		describe: "getApplication", by: application, at: "Application",
		status: "State", well: "CREATED STARTING STARTED", badly: "TERMINATED", stop: "deleteApplication", stopBy: application},
	"emr-serverless:startApplication": {
		describe: "getApplication", by: application, at: "Application",
		status: "State", well: "STARTED", badly: "TERMINATED", stop: "stopApplication", stopBy: application},
	"emr-serverless:stopApplication": {
		describe: "getApplication", by: application, at: "Application", status: "State", well: "STOPPED", badly: "TERMINATED"},
	"emr-serverless:deleteApplication": {
		describe: "getApplication", by: application, at: "Application", status: "State", well: "TERMINATED", gone: true},
	"glue:startJobRun": {
		describe: "getJobRun", by: fields{{"JobName", asked("JobName")}, {"RunId", answered("JobRunId")}},
		at: "JobRun", status: "JobRunState", well: "SUCCEEDED", badly: "FAILED STOPPED TIMEOUT ERROR EXPIRED", with: fields{{"JobName", asked("JobName")}},
		stop: "batchStopJobRun", stopBy: fields{{"JobName", asked("JobName")}, {"JobRunIds", one(answered("JobRunId"))}}},
	"mediaconvert:createJob": {
		describe: "getJob", by: fields{{"Id", answered("Job.Id")}},
		at: "Job", status: "Status", well: "COMPLETE", badly: "CANCELED ERROR", under: "Job",
		stop: "cancelJob", stopBy: fields{{"Id", answered("Job.Id")}}},
	"sagemaker:createHyperParameterTuningJob": learning("HyperParameterTuningJob"),
	"sagemaker:createLabelingJob":             learning("LabelingJob"),
	"sagemaker:createProcessingJob":           learning("ProcessingJob"),
	"sagemaker:createTrainingJob":             learning("TrainingJob"),
	"sagemaker:createTransformJob":            learning("TransformJob"),
}

// stopReason is why a service is asked to end a job.
const stopReason = "The task of the execution that waited for it has ended"

var (
	buildBatch = job{
		describe: "batchGetBuildBatches", by: fields{{"Ids", one(answered("BuildBatch.Id"))}},
		at: "BuildBatches.0", status: "BuildBatchStatus", well: "SUCCEEDED", badly: "FAILED FAULT TIMED_OUT STOPPED", under: "BuildBatch",
		stop: "stopBuildBatch", stopBy: fields{{"Id", answered("BuildBatch.Id")}}}
	nodegroup   = fields{{"ClusterName", asked("ClusterName")}, {"NodegroupName", asked("NodegroupName")}}
	profile     = fields{{"ClusterName", asked("ClusterName")}, {"FargateProfileName", asked("FargateProfileName")}}
	application = fields{{"ApplicationId", answered("ApplicationId")}}
	jobRun      = fields{{"ApplicationId", answered("ApplicationId")}, {"JobRunId", answered("JobRunId")}}
)

// learning is a job of SageMaker, which the task itself has named.
func learning(kind string) job {
	name := fields{{kind + "Name", asked(kind + "Name")}}
	return job{describe: "describe" + kind, by: name, status: kind + "Status", well: "Completed", badly: "Failed Stopped", stop: "stop" + kind, stopBy: name}
}

// exitedWell reports whether a task that has stopped did its work: it was
// started, and no container of it failed.
func exitedWell(task value.Value) bool {
	exited := false
	for _, container := range task.Get("Containers").Items() {
		code := container.Get("ExitCode")
		if n, _ := code.AsInt(); n != 0 {
			return false
		}
		exited = exited || !code.IsAbsent()
	}
	return exited && task.Get("StopCode").AsString() != "TaskFailedToStart"
}

// oneTask is the parameters of a task to be run: where it is waited for, it is
// one.
func oneTask(_ context.Context, c *call, params value.Value) (value.Value, error) {
	if n, _ := params.Get("Count").AsInt(); n > 1 && c.task.Pattern == integration.Sync {
		return params, integration.BadParameters(c.task, "The field 'Count' is not supported by Step Functions")
	}
	return params, nil
}

// allPlaced fails where a cluster did not take a task that is waited for.
func allPlaced(t integration.Task, out value.Value) (value.Value, error) {
	if t.Pattern != integration.RequestResponse && out.Get("Failures").Len() > 0 {
		return out, integration.NewError("AmazonECS.Unknown", out.Text().String(), integration.EffectUnknown)
	}
	return out, nil
}

// idempotent is the parameters of a build with a token, which the service's
// description does not say is one.
func idempotent(_ context.Context, c *call, params value.Value) (value.Value, error) {
	if params.Kind() != value.Object || params.Has("IdempotencyToken") || params.Has("idempotencyToken") {
		return params, nil
	}
	return params.With("IdempotencyToken", value.NewString(c.token())), nil
}

// also adds to a result what the task's parameters say.
func also(name string) func(integration.Task, value.Value) (value.Value, error) {
	return func(t integration.Task, out value.Value) (value.Value, error) {
		return out.With(name, asked(name)(&integration.Submission{Task: t})), nil
	}
}
