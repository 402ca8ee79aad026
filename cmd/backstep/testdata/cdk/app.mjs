// A stack of the AWS CDK: an order goes through Choice, Parallel, Map, a
// DistributedMap, a nested execution, Catch and Retry. Its template is printed.

import { App, Duration, Stack } from "aws-cdk-lib";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as s3 from "aws-cdk-lib/aws-s3";
import * as sfn from "aws-cdk-lib/aws-stepfunctions";
import * as tasks from "aws-cdk-lib/aws-stepfunctions-tasks";

const context = { "@aws-cdk/aws-stepfunctions:useDistributedMapResultWriterV2": true };
const app = new App({ analyticsReporting: false, outdir: process.argv[2], context });
const stack = new Stack(app, "Orders");

const desk = new lambda.Function(stack, "Desk", {
  functionName: "Desk",
  runtime: lambda.Runtime.NODEJS_22_X,
  handler: "index.handler",
  code: lambda.Code.fromInline("exports.handler = async (order) => ({ ...order, booked: true });"),
});
const parcels = new s3.Bucket(stack, "Parcels", { bucketName: "parcels" });

const ask = (id, payload, more = {}) =>
  new tasks.LambdaInvoke(stack, id, { lambdaFunction: desk, payload: sfn.TaskInput.fromObject(payload), ...more });

const receipt = new sfn.StateMachine(stack, "Receipt", {
  stateMachineName: "receipt",
  queryLanguage: sfn.QueryLanguage.JSONATA,
  definitionBody: sfn.DefinitionBody.fromChainable(
    tasks.LambdaInvoke.jsonata(stack, "Print", {
      lambdaFunction: desk,
      payload: sfn.TaskInput.fromObject({ order: "{% $uppercase($states.input.order) %}" }),
      outputs: "{% $states.result.Payload.order %}",
      assign: { printed: "{% $states.result.Payload.booked %}" },
    }).next(sfn.Pass.jsonata(stack, "Sign", { outputs: { receipt: "{% $states.input %}", printed: "{% $printed %}" } })),
  ),
});

// Two things at once. An order that is refused is undone.
const undo = new sfn.Pass(stack, "Undo", { parameters: { "undone.$": "$.refused.Error" } });
const reserve = new sfn.Parallel(stack, "Reserve", { resultPath: "$.reserved" })
  .branch(ask("Book", { order: sfn.JsonPath.stringAt("$.order") }, { payloadResponseOnly: true }))
  .branch(
    new sfn.Wait(stack, "Breathe", { time: sfn.WaitTime.duration(Duration.seconds(0)) }).next(
      new sfn.Pass(stack, "Count", { parameters: { "items.$": "States.ArrayLength($.items)" } }),
    ),
  );
reserve.addCatch(undo.next(new sfn.Fail(stack, "Refused", { errorPath: "$.undone", cause: "the desk did not want it" })), {
  errors: ["OrderRefused"],
  resultPath: "$.refused",
});

// Each item by itself. What can't be packed is left out.
const pack = ask("Pack", { order: sfn.JsonPath.stringAt("$.item"), index: sfn.JsonPath.numberAt("$.index") }, { outputPath: "$.Payload" });
pack.addRetry({ errors: ["OrderRefused"], maxAttempts: 1, interval: Duration.seconds(1), jitterStrategy: sfn.JitterType.FULL, maxDelay: Duration.seconds(2) });
pack.addCatch(new sfn.Pass(stack, "LeaveOut", { resultPath: sfn.JsonPath.DISCARD }), { errors: [sfn.Errors.ALL], resultPath: "$.error" });
const packing = new sfn.Map(stack, "Packing", {
  itemsPath: "$.items",
  itemSelector: { item: sfn.JsonPath.stringAt("$$.Map.Item.Value"), index: sfn.JsonPath.numberAt("$$.Map.Item.Index") },
  maxConcurrency: 2,
  resultPath: "$.packed",
}).itemProcessor(pack);

// All parcels of a file, by express children, and what came of them to the bucket.
const shipping = new sfn.DistributedMap(stack, "Shipping", {
  label: "parcels",
  mapExecutionType: sfn.StateMachineType.EXPRESS,
  itemReader: new sfn.S3JsonItemReader({ bucket: parcels, key: sfn.JsonPath.stringAt("$.file") }),
  itemBatcher: new sfn.ItemBatcher({ maxItemsPerBatch: 2, batchInput: { carrier: "post" } }),
  resultWriterV2: new sfn.ResultWriterV2({ bucket: parcels, prefix: "shipped" }),
  toleratedFailurePercentage: 10,
  resultPath: "$.shipped",
}).itemProcessor(ask("Ship", { order: sfn.JsonPath.stringAt("$.Items[0].parcel") }));

const print = new tasks.StepFunctionsStartExecution(stack, "PrintReceipt", {
  stateMachine: receipt,
  integrationPattern: sfn.IntegrationPattern.RUN_JOB,
  input: sfn.TaskInput.fromObject({ order: sfn.JsonPath.stringAt("$.order") }),
  resultSelector: { "receipt.$": "$.Output.receipt" },
  resultPath: "$.print",
});

new sfn.StateMachine(stack, "Order", {
  stateMachineName: "order",
  timeout: Duration.minutes(5),
  comment: "An order",
  definitionBody: sfn.DefinitionBody.fromChainable(
    new sfn.Choice(stack, "AnythingToDo")
      .when(
        sfn.Condition.and(sfn.Condition.isPresent("$.items[0]"), sfn.Condition.not(sfn.Condition.stringEquals("$.order", ""))),
        reserve.next(packing).next(shipping).next(print).next(new sfn.Succeed(stack, "Done")),
      )
      .otherwise(new sfn.Fail(stack, "Empty", { error: "OrderEmpty", cause: "nothing to do" })),
  ),
});

const { template } = app.synth().getStackByName(stack.stackName);
console.log(JSON.stringify(template, null, 2));
