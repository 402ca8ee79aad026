"""boto3 at a Backstep server.

The environment names the server (BACKSTEP_URL) and the desk that its machines
call (DESK_URL); AWS's own variables name the key. It ends with 0 when all that
is asserted holds.
"""

import json
import os
import pathlib
import threading
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

HERE = pathlib.Path(__file__).parent
ROLE = "arn:aws:iam::123456789012:role/backstep"
PATIENCE = 50  # seconds


def connect(**key):
    # A synchronous start goes to the host "sync-" + the endpoint's, which is no
    # name of a loopback address: the prefix is left away.
    config = Config(inject_host_prefix=False, read_timeout=PATIENCE)
    return boto3.client("stepfunctions", endpoint_url=os.environ["BACKSTEP_URL"], config=config, **key)


sfn = connect()
called = set()
sfn.meta.events.register("before-call.stepfunctions", lambda model, **_: called.add(model.name))


def definition(name):
    return (HERE / f"{name}.asl.json").read_text()


def create(name, what, kind="STANDARD"):
    made = sfn.create_state_machine(name=name, definition=definition(what), roleArn=ROLE, type=kind)
    return made["stateMachineArn"]


def start(machine, name):
    order = json.dumps({"order": name})
    return sfn.start_execution(stateMachineArn=machine, name=name, input=order)["executionArn"]


def ended(execution):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        seen = sfn.describe_execution(executionArn=execution)
        if seen["status"] != "RUNNING":
            return seen
        time.sleep(0.01)
    raise AssertionError(f"{execution} still runs after {PATIENCE} s")


def token_of(order):
    with urllib.request.urlopen(f"{os.environ['DESK_URL']}/token?order={order}", timeout=PATIENCE) as answer:
        return answer.read().decode()


def refused(error, call, **arguments):
    try:
        answer = call(**arguments)
    except error:
        return
    raise AssertionError(f"{arguments} is answered with {answer}, not with {error.__name__}")


def orders():
    machine = create("order", "order")
    good, bad = start(machine, "good"), start(machine, "bad")
    seen = ended(good)
    assert seen["status"] == "SUCCEEDED" and json.loads(seen["output"]) == {"order": "good", "booked": True}, seen
    assert seen["startDate"] <= seen["stopDate"], seen
    pages = list(sfn.get_paginator("get_execution_history").paginate(executionArn=good, PaginationConfig={"PageSize": 2}))
    events = [event for page in pages for event in page["events"]]
    assert len(pages) == 4 and [event["id"] for event in events] == list(range(1, 8)), pages
    assert [event["type"] for event in events] == [
        "ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted",
        "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded",
    ], events
    seen = ended(bad)
    assert seen["status"] == "FAILED" and seen["error"] == "OrderRefused", seen
    listed = sfn.get_paginator("list_executions").paginate(stateMachineArn=machine, PaginationConfig={"PageSize": 1})
    assert sorted(e["name"] for page in listed for e in page["executions"]) == ["bad", "good"]
    return machine


def express():
    machine = create("quick", "order", "EXPRESS")
    seen = sfn.start_sync_execution(stateMachineArn=machine, input='{"order": "now"}')
    assert seen["status"] == "SUCCEEDED" and json.loads(seen["output"])["booked"], seen
    seen = sfn.start_sync_execution(stateMachineArn=machine, input='{"order": "bad"}')
    assert seen["status"] == "FAILED" and seen["error"] == "OrderRefused", seen


def approvals():
    machine = create("approval", "approval")
    yes, no, stopped = (start(machine, name) for name in ("yes", "no", "stopped"))
    token = token_of("yes")
    sfn.send_task_heartbeat(taskToken=token)
    refused(sfn.exceptions.InvalidOutput, sfn.send_task_success, taskToken=token, output='{"by"')
    sfn.send_task_success(taskToken=token, output='{"by": "Ada"}')
    seen = ended(yes)
    assert seen["status"] == "SUCCEEDED" and json.loads(seen["output"]) == {"by": "Ada"}, seen
    sfn.send_task_failure(taskToken=token_of("no"), error="Refused", cause="too dear")
    seen = ended(no)
    assert (seen["status"], seen["error"], seen["cause"]) == ("FAILED", "Refused", "too dear"), seen
    token = token_of("stopped")
    sfn.stop_execution(executionArn=stopped, error="Changed", cause="my mind")
    seen = ended(stopped)
    assert (seen["status"], seen["error"], seen["cause"]) == ("ABORTED", "Changed", "my mind"), seen
    refused(sfn.exceptions.TaskTimedOut, sfn.send_task_success, taskToken=token, output="{}")


def activity():
    packers = sfn.create_activity(name="packers")["activityArn"]

    def work():
        task = sfn.get_activity_task(activityArn=packers, workerName="Grace")
        sfn.send_task_heartbeat(taskToken=task["taskToken"])
        sfn.send_task_success(taskToken=task["taskToken"], output=json.dumps({"packed": json.loads(task["input"])}))

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    seen = ended(start(create("packing", "packing"), "ring"))
    assert seen["status"] == "SUCCEEDED" and json.loads(seen["output"]) == {"packed": {"order": "ring"}}, seen
    worker.join(PATIENCE)


def errors(machine):
    e = sfn.exceptions
    broken = '{"StartAt": "Nowhere", "States": {"A": {"Type": "Pass", "End": true}}}'
    refused(e.ExecutionAlreadyExists, sfn.start_execution, stateMachineArn=machine, name="good", input="{}")
    refused(e.StateMachineDoesNotExist, sfn.start_execution, stateMachineArn=machine + "-absent")
    refused(e.InvalidExecutionInput, sfn.start_execution, stateMachineArn=machine, input='{"order"')
    refused(e.InvalidArn, sfn.start_execution, stateMachineArn="order")
    refused(e.InvalidName, sfn.start_execution, stateMachineArn=machine, name="x y")
    refused(e.InvalidDefinition, sfn.create_state_machine, name="broken", definition=broken, roleArn=ROLE)
    refused(e.StateMachineAlreadyExists, sfn.create_state_machine, name="order", definition=definition("approval"), roleArn=ROLE)
    refused(e.ExecutionDoesNotExist, sfn.describe_execution, executionArn=machine.replace("stateMachine", "execution") + ":absent")
    refused(e.StateMachineTypeNotSupported, sfn.start_sync_execution, stateMachineArn=machine)
    refused(e.InvalidToken, sfn.send_task_success, taskToken="x", output="{}")
    refused(e.ActivityDoesNotExist, sfn.get_activity_task, activityArn=machine.replace("stateMachine:order", "activity:absent"))


def catalogue(machine):
    seen = sfn.describe_state_machine(stateMachineArn=machine)
    assert seen["status"] == "ACTIVE" and seen["definition"] == definition("order"), seen
    updated = sfn.update_state_machine(stateMachineArn=machine, tracingConfiguration={"enabled": True})
    seen = sfn.describe_state_machine(stateMachineArn=machine)
    assert updated["updateDate"] >= seen["creationDate"] and seen["tracingConfiguration"] == {"enabled": True}, seen
    sfn.tag_resource(resourceArn=machine, tags=[{"key": "team", "value": "shop"}, {"key": "cost", "value": "7"}])
    sfn.untag_resource(resourceArn=machine, tagKeys=["team"])
    assert sfn.list_tags_for_resource(resourceArn=machine)["tags"] == [{"key": "cost", "value": "7"}]
    execution = machine.replace("stateMachine", "execution") + ":good"
    assert sfn.describe_state_machine_for_execution(executionArn=execution)["stateMachineArn"] == machine

    painters = sfn.create_activity(name="painters")["activityArn"]
    assert sfn.describe_activity(activityArn=painters)["name"] == "painters"
    listed = sfn.get_paginator("list_activities").paginate(PaginationConfig={"PageSize": 1})
    assert [a["name"] for page in listed for a in page["activities"]] == ["packers", "painters"]
    sfn.delete_activity(activityArn=painters)
    refused(sfn.exceptions.ActivityDoesNotExist, sfn.describe_activity, activityArn=painters)

    sfn.delete_state_machine(stateMachineArn=create("gone", "order"))
    listed = sfn.get_paginator("list_state_machines").paginate(PaginationConfig={"PageSize": 2})
    assert sorted(m["name"] for page in listed for m in page["stateMachines"]) == ["approval", "order", "packing", "quick"]


def gathering():
    """A map run is watched, and lets more of its children run at once."""
    machine = create("gathering", "gathering")
    execution = sfn.start_execution(stateMachineArn=machine, input='{"orders": ["g1", "g2"]}')["executionArn"]
    first = token_of("g1")
    run = sfn.list_map_runs(executionArn=execution)["mapRuns"][0]["mapRunArn"]
    sfn.update_map_run(mapRunArn=run, maxConcurrency=2)
    for token in (first, token_of("g2")):
        sfn.send_task_success(taskToken=token, output="1")
    seen = ended(execution)
    assert seen["status"] == "SUCCEEDED" and json.loads(seen["output"]) == [1, 1], seen
    seen = sfn.describe_map_run(mapRunArn=run)
    assert seen["status"] == "SUCCEEDED" and seen["itemCounts"]["succeeded"] == 2 and seen["maxConcurrency"] == 2, seen


def absent(machine):
    """What is asked for is not there: an error of the API, and none of the server's."""
    run = machine.replace("stateMachine:order", "mapRun:order/all:1")
    execution = machine.replace("stateMachine", "execution") + ":absent"
    for call, arguments in (
        (sfn.describe_map_run, {"mapRunArn": run}),
        (sfn.list_map_runs, {"executionArn": execution}),
        (sfn.update_map_run, {"mapRunArn": run, "maxConcurrency": 1}),
    ):
        try:
            answer = call(**arguments)
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, error
        else:
            raise AssertionError(f"{arguments} is answered with {answer}")


def sagas():
    """The events of a saga, which boto3 does not know, are in no client's way."""
    undone = start(create("saga", "saga"), "good")
    seen = ended(undone)
    assert seen["status"] == "FAILED" and seen["error"] == "OrderRefused", seen
    pages = sfn.get_paginator("get_execution_history").paginate(executionArn=undone, PaginationConfig={"PageSize": 3})
    events = [event for page in pages for event in page["events"]]
    assert [event["id"] for event in events] == list(range(1, 17)), events
    assert [event["type"] for event in events][9:] == [
        "TaskFailed", "SagaAborting", "TaskScheduled", "TaskStarted", "TaskSucceeded", "SagaEnded", "ExecutionFailed",
    ], events


def foreign_keys():
    for key, secret in ((os.environ["AWS_ACCESS_KEY_ID"], "wrong"), ("AKIDUNKNOWN", os.environ["AWS_SECRET_ACCESS_KEY"])):
        stranger = connect(aws_access_key_id=key, aws_secret_access_key=secret)
        try:
            answer = stranger.list_state_machines()
        except ClientError as error:
            assert error.response["Error"]["Code"] == "InvalidSignatureException", error
        else:
            raise AssertionError(f"{key} is answered with {answer}")


if __name__ == "__main__":
    made = orders()
    express()
    approvals()
    activity()
    errors(made)
    catalogue(made)
    gathering()
    absent(made)
    sagas()
    # What Debian's boto3 does not know, the other clients call.
    known = set(sfn.meta.service_model.operation_names)
    newer = {name for name in known if "Alias" in name or "Version" in name}
    newer |= {"RedriveExecution", "TestState", "ValidateStateMachineDefinition"}
    assert known - newer <= called, known - newer - called
    foreign_keys()
