// The AWS SDK for JavaScript at a Backstep server: it calls each operation that
// the SDK has.
//
// The environment names the server (BACKSTEP_URL) and the desk that its
// machines call (DESK_URL); AWS's own variables name the key. It ends with 0
// when all that is asserted holds.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as sfn from "@aws-sdk/client-sfn";

const { BACKSTEP_URL, DESK_URL, DEFINITIONS } = process.env;
const ROLE = "arn:aws:iam::123456789012:role/backstep";
const PATIENCE = 50_000; // ms

// A synchronous start goes to the host "sync-" + the endpoint's, which is no
// name of a loopback address: the prefix is left away.
const client = new sfn.SFNClient({ endpoint: BACKSTEP_URL, region: "us-east-1", disableHostPrefix: true });
const called = new Set();

async function call(operation, input = {}) {
  called.add(operation);
  return client.send(new sfn[operation + "Command"](input));
}

async function refused(error, operation, input) {
  await assert.rejects(call(operation, input), (e) => {
    assert.ok(e instanceof sfn[error], `${operation} is refused with ${e}, not with ${error}`);
    return true;
  });
}

const definition = (name) => readFileSync(`${DEFINITIONS}/${name}.asl.json`, "utf8");
const passing = (result) => JSON.stringify({ StartAt: "P", States: { P: { Type: "Pass", Result: result, End: true } } });

async function create(name, text, more = {}) {
  return (await call("CreateStateMachine", { name, definition: text, roleArn: ROLE, ...more })).stateMachineArn;
}

async function start(stateMachineArn, name) {
  return (await call("StartExecution", { stateMachineArn, name, input: JSON.stringify({ order: name }) })).executionArn;
}

async function ended(executionArn) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await new Promise((done) => setTimeout(done, 10))) {
    const seen = await call("DescribeExecution", { executionArn });
    if (seen.status !== "RUNNING") return seen;
  }
  throw new Error(`${executionArn} still runs after ${PATIENCE} ms`);
}

async function tokenOf(order) {
  return (await fetch(`${DESK_URL}/token?order=${order}`)).text();
}

async function all(paginate, input, member) {
  const items = [];
  for await (const page of paginate({ client, pageSize: 2 }, input)) items.push(...page[member]);
  return items;
}

async function machines() {
  const made = await call("ValidateStateMachineDefinition", { definition: passing(1) });
  assert.deepEqual([made.result, made.diagnostics], ["OK", []]);
  const order = await create("order", definition("order"), { tags: [{ key: "team", value: "shop" }] });
  assert.equal((await call("DescribeStateMachine", { stateMachineArn: order })).status, "ACTIVE");
  assert.ok((await call("UpdateStateMachine", { stateMachineArn: order, tracingConfiguration: { enabled: true } })).revisionId);
  await call("TagResource", { resourceArn: order, tags: [{ key: "cost", value: "7" }] });
  await call("UntagResource", { resourceArn: order, tagKeys: ["team"] });
  assert.deepEqual((await call("ListTagsForResource", { resourceArn: order })).tags, [{ key: "cost", value: "7" }]);
  called.add("ListStateMachines");
  assert.deepEqual((await all(sfn.paginateListStateMachines, {}, "stateMachines")).map((m) => m.name), ["order"]);
  await refused("StateMachineDoesNotExist", "DescribeStateMachine", { stateMachineArn: order + "-absent" });
  await refused("InvalidDefinition", "CreateStateMachine", { name: "broken", definition: "{}", roleArn: ROLE });
  return order;
}

async function executions(order) {
  const good = await start(order, "good");
  const bad = await start(order, "bad");
  const seen = await ended(good);
  assert.deepEqual([seen.status, JSON.parse(seen.output)], ["SUCCEEDED", { order: "good", booked: true }]);
  assert.ok(seen.startDate instanceof Date && seen.stopDate >= seen.startDate);
  assert.equal((await ended(bad)).error, "OrderRefused");
  called.add("GetExecutionHistory").add("ListExecutions");
  const events = await all(sfn.paginateGetExecutionHistory, { executionArn: good }, "events");
  assert.deepEqual(events.map((e) => e.id), [1, 2, 3, 4, 5, 6, 7]);
  const listed = await all(sfn.paginateListExecutions, { stateMachineArn: order }, "executions");
  assert.deepEqual(listed.map((x) => x.name).sort(), ["bad", "good"]);
  assert.equal((await call("DescribeStateMachineForExecution", { executionArn: good })).name, "order");
  await refused("ExecutionAlreadyExists", "StartExecution", { stateMachineArn: order, name: "good", input: "{}" });
  const quick = await create("quick", definition("order"), { type: "EXPRESS" });
  const now = await call("StartSyncExecution", { stateMachineArn: quick, input: '{"order": "now"}' });
  assert.deepEqual([now.status, JSON.parse(now.output).booked], ["SUCCEEDED", true]);
}

async function tokens() {
  const approval = await create("approval", definition("approval"));
  const [yes, no, stopped] = [await start(approval, "yes"), await start(approval, "no"), await start(approval, "stopped")];
  const taskToken = await tokenOf("yes");
  await call("SendTaskHeartbeat", { taskToken });
  await refused("InvalidOutput", "SendTaskSuccess", { taskToken, output: '{"by"' });
  await call("SendTaskSuccess", { taskToken, output: '{"by": "Ada"}' });
  assert.equal((await ended(yes)).status, "SUCCEEDED");
  await call("SendTaskFailure", { taskToken: await tokenOf("no"), error: "Refused", cause: "too dear" });
  assert.equal((await ended(no)).error, "Refused");
  const late = await tokenOf("stopped");
  await call("StopExecution", { executionArn: stopped, error: "Changed" });
  assert.equal((await ended(stopped)).status, "ABORTED");
  await refused("TaskTimedOut", "SendTaskSuccess", { taskToken: late, output: "{}" });
}

async function activities() {
  const { activityArn } = await call("CreateActivity", { name: "packers" });
  assert.equal((await call("DescribeActivity", { activityArn })).name, "packers");
  assert.equal((await call("ListActivities")).activities.length, 1);
  const ring = await start(await create("packing", definition("packing")), "ring");
  const task = await call("GetActivityTask", { activityArn, workerName: "Grace" });
  await call("SendTaskSuccess", { taskToken: task.taskToken, output: JSON.stringify({ packed: JSON.parse(task.input) }) });
  assert.equal((await ended(ring)).output, '{"packed":{"order":"ring"}}');
  await call("DeleteActivity", { activityArn });
  await refused("ActivityDoesNotExist", "DescribeActivity", { activityArn });
}

async function versions() {
  const machine = await create("echo", passing(1), { publish: true, versionDescription: "first" });
  const second = await call("UpdateStateMachine", { stateMachineArn: machine, definition: passing(2) });
  await refused("ConflictException", "PublishStateMachineVersion", { stateMachineArn: machine, revisionId: "INITIAL" });
  const version = await call("PublishStateMachineVersion", { stateMachineArn: machine, revisionId: second.revisionId });
  assert.equal(version.stateMachineVersionArn, machine + ":2");
  const listed = await call("ListStateMachineVersions", { stateMachineArn: machine });
  assert.deepEqual(listed.stateMachineVersions.map((v) => v.stateMachineVersionArn), [machine + ":2", machine + ":1"]);

  const routingConfiguration = [{ stateMachineVersionArn: machine + ":1", weight: 100 }];
  const { stateMachineAliasArn } = await call("CreateStateMachineAlias", { name: "live", routingConfiguration });
  assert.equal((await ended(await start(stateMachineAliasArn, "one"))).output, "1");
  await refused("ConflictException", "DeleteStateMachineVersion", { stateMachineVersionArn: machine + ":1" });
  routingConfiguration[0].stateMachineVersionArn = machine + ":2";
  await call("UpdateStateMachineAlias", { stateMachineAliasArn, routingConfiguration });
  assert.deepEqual((await call("DescribeStateMachineAlias", { stateMachineAliasArn })).routingConfiguration, routingConfiguration);
  assert.equal((await ended(await start(stateMachineAliasArn, "two"))).stateMachineVersionArn, machine + ":2");
  assert.equal((await call("ListStateMachineAliases", { stateMachineArn: machine + ":2" })).stateMachineAliases.length, 1);
  await call("DeleteStateMachineVersion", { stateMachineVersionArn: machine + ":1" });
  await call("DeleteStateMachineAlias", { stateMachineAliasArn });
  await refused("ResourceNotFound", "DescribeStateMachineAlias", { stateMachineAliasArn });
  await call("DeleteStateMachine", { stateMachineArn: machine });
}

// A map run is watched, and lets more of its children run at once.
async function mapRuns() {
  const gathering = await create("gathering", definition("gathering"));
  const input = JSON.stringify({ orders: ["g1", "g2"] });
  const { executionArn } = await call("StartExecution", { stateMachineArn: gathering, name: "one", input });
  const first = await tokenOf("g1");
  const [{ mapRunArn }] = (await call("ListMapRuns", { executionArn })).mapRuns;
  await call("UpdateMapRun", { mapRunArn, maxConcurrency: 2 });
  for (const taskToken of [first, await tokenOf("g2")]) await call("SendTaskSuccess", { taskToken, output: "1" });
  assert.equal((await ended(executionArn)).output, "[1,1]");
  const run = await call("DescribeMapRun", { mapRunArn });
  assert.deepEqual([run.status, run.maxConcurrency, run.itemCounts.succeeded], ["SUCCEEDED", 2, 2]);
}

// What has failed goes on where it failed.
async function redriven() {
  const executionArn = await start(await create("again", definition("approval")), "again");
  await call("SendTaskFailure", { taskToken: await tokenOf("again"), error: "Refused" });
  assert.equal((await ended(executionArn)).redriveStatus, "REDRIVABLE");
  assert.ok((await call("RedriveExecution", { executionArn })).redriveDate instanceof Date);
  await call("SendTaskSuccess", { taskToken: await tokenOf("again"), output: "1" });
  const seen = await ended(executionArn);
  assert.deepEqual([seen.status, seen.redriveCount], ["SUCCEEDED", 1]);
}

async function oneState() {
  const state = JSON.stringify({ Type: "Pass", Parameters: { "sum.$": "States.MathAdd($.a, 1)" }, Next: "More" });
  const tried = await call("TestState", { definition: state, roleArn: ROLE, input: '{"a": 41}' });
  assert.deepEqual([tried.status, tried.output, tried.nextState], ["SUCCEEDED", '{"sum":42}', "More"]);
}

// What is not there is refused by an error of the API, and none of the server's.
async function absent(order) {
  const mapRunArn = order.replace("stateMachine:order", "mapRun:order/all:1");
  const executionArn = order.replace("stateMachine:order", "execution:order:absent");
  await refused("ResourceNotFound", "DescribeMapRun", { mapRunArn });
  await refused("ResourceNotFound", "UpdateMapRun", { mapRunArn, maxConcurrency: 1 });
  await refused("ExecutionDoesNotExist", "ListMapRuns", { executionArn });
  await refused("ExecutionDoesNotExist", "RedriveExecution", { executionArn });
  await refused("InvalidDefinition", "TestState", { definition: "{}", roleArn: ROLE });
}

// The events of a saga, which the SDK does not know, are in no client's way.
async function sagas() {
  const undone = await start(await create("saga", definition("saga")), "good");
  assert.equal((await ended(undone)).error, "OrderRefused");
  const events = await all(sfn.paginateGetExecutionHistory, { executionArn: undone }, "events");
  assert.deepEqual(events.slice(9).map((e) => e.type), [
    "TaskFailed", "SagaAborting", "TaskScheduled", "TaskStarted", "TaskSucceeded", "SagaEnded", "ExecutionFailed",
  ]);
}

const order = await machines();
await executions(order);
await tokens();
await activities();
await versions();
await mapRuns();
await redriven();
await oneState();
await absent(order);
await sagas();

const known = Object.keys(sfn).filter((name) => name.endsWith("Command") && name !== "$Command").map((name) => name.slice(0, -"Command".length));
assert.deepEqual(known.filter((operation) => !called.has(operation)), [], "operations that were not called");
assert.equal(known.length, called.size);
