"""Durable functions with AWS's own SDK for them, which a function's code imports."""

import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.emulator.lampwork_process import LampworkProcess, SampleProject
from tests.waiting import until

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.11, Timeout: 10, CodeUri: .}
Resources:
  Order:
    Type: AWS::Serverless::Function
    Properties:
      Handler: durable.order
      DurableConfig: {ExecutionTimeout: 3600, RetentionPeriodInDays: 7}
      Events:
        Post: {Type: HttpApi, Properties: {Method: POST, Path: /orders}}
  Price:
    Type: AWS::Serverless::Function
    Properties: {Handler: durable.price}
"""

CODE = """\
import json

from aws_durable_execution_sdk_python import StepContext, durable_execution, durable_step
from aws_durable_execution_sdk_python.config import Duration

tried = []


@durable_step
def reserve(context, item):
    print(f"note: reserve {item}")
    return f"reserved {item}"


@durable_step
def sometimes(context, item):
    print(f"note: try {item}")
    tried.append(item)
    if tried.count(item) < 2:
        raise RuntimeError("busy")
    return "done"


@durable_execution
def order(event, context):
    event = json.loads(event["body"]) if "body" in event else event
    item = event["item"]
    if item == "unicorn":
        raise ValueError("there are no unicorns")
    reserved = context.step(reserve(item))
    context.wait(Duration.from_seconds(60))
    done = context.step(sometimes(item))
    price = context.invoke("local-Price", {"item": item}, name="price")
    approved = None
    if event.get("asks"):
        callback = context.create_callback("approval")
        print(f"note: callback {callback.callback_id}")
        approved = callback.result()
    return {"reserved": reserved, "tried": done, "price": price, "approved": approved}


def price(event, context):
    return len(event["item"])
"""


class Project:
    def __init__(self, folder: Path) -> None:
        self.sample = SampleProject.create(folder)
        (folder / "template.yaml").write_text(TEMPLATE)
        (folder / "durable.py").write_text(CODE)
        self.before = 0
        self.up()

    def up(self) -> LampworkProcess:
        self.process = self.sample.up("--time-scale", "0.01", "--no-reload")
        self.origin = self.process.origin()
        return self.process

    @property
    def client(self) -> Any:
        options: dict[str, Any] = {"endpoint_url": self.origin, "region_name": "us-east-1"}
        return boto3.client(
            "lambda", aws_access_key_id="test", aws_secret_access_key="test", **options
        )

    def invoke(self, item: str, **options: Any) -> tuple[Any, str]:
        """The function's answer, and the ARN of its execution."""
        answer = self.client.invoke(
            FunctionName="Order", Payload=json.dumps({"item": item} | options)
        )
        return json.loads(answer["Payload"].read()), answer["DurableExecutionArn"]

    def begin(self, item: str) -> str:
        """Begin an execution that asks for approval; returns the callback's id once it does."""
        payload = json.dumps({"item": item, "asks": True})
        begun = self.client.invoke(FunctionName="Order", InvocationType="Event", Payload=payload)
        until(lambda: bool(self.callbacks()))
        assert begun["DurableExecutionArn"] == self.executions()[-1]["DurableExecutionArn"]
        return self.callbacks()[-1]

    def callbacks(self) -> list[str]:
        return [text.removeprefix("callback ") for text in self.notes() if "callback" in text]

    def notes(self) -> list[str]:
        """What the function has printed since the last test began."""
        lines = [line for process in self.sample.started for line in process.output]
        return [
            line.partition("note: ")[2].strip() for line in lines[self.before :] if "note: " in line
        ]

    def history(self, execution: str, **options: Any) -> list[Any]:
        pages = self.client.get_paginator("get_durable_execution_history").paginate(
            DurableExecutionArn=execution, **options
        )
        return [event for page in pages for event in page["Events"]]

    def executions(self) -> list[Any]:
        listed = self.client.list_durable_executions_by_function(FunctionName="Order")
        return list(listed["DurableExecutions"])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("durable"))
    yield project
    project.sample.close()


@pytest.fixture(autouse=True)
def no_notes(project: Project) -> None:
    project.before = sum(len(process.output) for process in project.sample.started)


def test_each_step_runs_once_however_often_the_function_is_invoked(project: Project):
    answer, execution = project.invoke("lamp")

    assert answer == {
        "reserved": "reserved lamp",
        "tried": "done",
        "price": 4,
        "approved": None,
    }
    until(lambda: project.notes() == ["reserve lamp", "try lamp", "try lamp"])
    described = project.client.get_durable_execution(DurableExecutionArn=execution)
    assert described["Status"] == "SUCCEEDED"
    assert json.loads(described["InputPayload"]) == {"item": "lamp"}
    assert json.loads(described["Result"]) == answer


def test_the_history_of_an_execution_tells_each_step(project: Project):
    """The order is that of the histories beside aws-durable-execution-sdk-js's examples."""
    _, execution = project.invoke("sofa")
    events = project.history(execution)

    story = [
        "ExecutionStarted",
        "StepStarted reserve",
        "StepSucceeded reserve",
        "WaitStarted",
        "WaitSucceeded",
        "StepStarted sometimes",
        "StepFailed sometimes",
        "StepStarted sometimes",
        "StepSucceeded sometimes",
        "ChainedInvokeStarted price",
        "ChainedInvokeSucceeded price",
        "ExecutionSucceeded",
    ]
    told = [event for event in events if event["EventType"] != "InvocationCompleted"]
    assert [
        (
            event["EventType"]
            if event["EventType"].startswith("Execution") or "Name" not in event
            else f"{event['EventType']} {event['Name']}"
        )
        for event in told
    ] == story
    # A chained function may be faster than the one that waits for it.
    invoked = [event["EventType"] == "InvocationCompleted" for event in events]
    assert (invoked[4], invoked[8], invoked[-2]) == (True, True, True)
    assert [event["EventId"] for event in events] == list(range(1, len(events) + 1))
    details = {event["EventType"]: event[f"{event['EventType']}Details"] for event in events}
    assert details["ExecutionStarted"] == {
        "Input": {"Payload": '{"item": "sofa"}'},
        "ExecutionTimeout": 3600,
    }
    assert details["WaitStarted"]["Duration"] == 60
    assert details["WaitSucceeded"] == {"Duration": 60}
    failed = details["StepFailed"]
    assert failed["Error"]["Payload"]["ErrorMessage"] == "busy"
    assert failed["RetryDetails"]["CurrentAttempt"] == 1
    assert failed["RetryDetails"]["NextAttemptDelaySeconds"] > 0
    assert details["StepSucceeded"] == {
        "Result": {"Payload": '"done"'},
        "RetryDetails": {"CurrentAttempt": 2},
    }
    assert details["ChainedInvokeStarted"] == {
        "FunctionName": "local-Price",
        "Input": {"Payload": '{"item": "sofa"}'},
    }
    assert json.loads(details["ExecutionSucceeded"]["Result"]["Payload"])["price"] == 4

    assert project.history(execution, MaxItems=3, ReverseOrder=True) == events[::-1]
    bare = project.history(execution, IncludeExecutionData=False)
    assert bare[0]["ExecutionStartedDetails"] == {"Input": {}, "ExecutionTimeout": 3600}
    assert [event["EventType"] for event in bare] == [event["EventType"] for event in events]


def test_the_history_of_a_failed_execution_ends_with_its_error(project: Project):
    _, execution = project.invoke("unicorn")
    invoked, last = project.history(execution)[-2:]

    assert last["EventType"] == "ExecutionFailed"
    error = last["ExecutionFailedDetails"]["Error"]["Payload"]
    assert error["ErrorMessage"] == "there are no unicorns"
    assert invoked["InvocationCompletedDetails"]["Error"]["Payload"] == error


def test_a_page_of_a_history_is_asked_for_rightly(project: Project):
    _, execution = project.invoke("lamp")
    for wrong in ({"MaxItems": 1001}, {"Marker": "next"}):
        with pytest.raises(project.client.exceptions.InvalidParameterValueException):
            project.client.get_durable_execution_history(DurableExecutionArn=execution, **wrong)


def test_an_execution_with_a_name_is_begun_once(project: Project):
    """https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-idempotency.html"""
    named = {"FunctionName": "Order", "DurableExecutionName": "order-7"}
    first = project.client.invoke(**named, Payload=b'{"item": "lamp"}')
    again = project.client.invoke(**named, Payload=b'{"item": "lamp"}')

    assert again["DurableExecutionArn"] == first["DurableExecutionArn"]
    assert "/durable-execution/order-7/" in first["DurableExecutionArn"]
    until(lambda: project.notes() == ["reserve lamp", "try lamp"])
    with pytest.raises(project.client.exceptions.DurableExecutionAlreadyStartedException):
        project.client.invoke(**named, Payload=b'{"item": "chair"}')
    with pytest.raises(ClientError, match="The function is not durable"):
        project.client.invoke(FunctionName="Price", DurableExecutionName="order-8")


def test_lampwork_invoke_names_an_execution(project: Project):
    option = "--durable-execution-name=by-hand"
    result = project.sample.run("invoke", "Order", option, "-e", "-", stdin='{"item": "lamp"}')
    refused = project.sample.run("invoke", "Price", option)

    assert json.loads(result.stdout)["price"] == 4, result.stderr
    assert "by-hand" in {each["DurableExecutionName"] for each in project.executions()}
    assert "The function is not durable" in refused.stderr


def test_an_error_of_the_code_ends_the_execution(project: Project):
    answer, execution = project.invoke("unicorn")

    assert answer["errorType"] == "ValueError"
    assert answer["errorMessage"] == "there are no unicorns"
    described = project.client.get_durable_execution(DurableExecutionArn=execution)
    assert described["Status"] == "FAILED"
    failed = "FAILED after"
    until(lambda: any(failed in line and "unicorns" in line for line in project.process.output))


def test_a_request_waits_for_the_end_of_its_execution(project: Project):

    request = urllib.request.Request(
        f"{project.origin}/orders",
        data=b'{"item": "desk"}',
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        assert json.loads(response.read())["price"] == 4


def test_an_execution_waits_for_its_callback(project: Project):
    callback = project.begin("bed")
    project.client.send_durable_execution_callback_heartbeat(CallbackId=callback)
    project.client.send_durable_execution_callback_success(CallbackId=callback, Result=b'"yes"')

    until(lambda: project.executions()[-1]["Status"] == "SUCCEEDED")
    execution = project.executions()[-1]["DurableExecutionArn"]
    described = project.client.get_durable_execution(DurableExecutionArn=execution)
    assert json.loads(described["Result"])["approved"] == '"yes"'
    with pytest.raises(project.client.exceptions.CallbackTimeoutException):
        project.client.send_durable_execution_callback_success(CallbackId=callback)


def test_a_stopped_execution_ends(project: Project):
    project.begin("chair")
    execution = project.executions()[-1]["DurableExecutionArn"]
    project.client.stop_durable_execution(DurableExecutionArn=execution)

    described = project.client.get_durable_execution(DurableExecutionArn=execution)
    assert described["Status"] == "STOPPED"
    kinds = [event["EventType"] for event in project.history(execution)]
    assert "CallbackStarted" in kinds
    assert kinds[-1] == "ExecutionStopped"


def test_an_execution_goes_on_after_a_kill(project: Project):
    callback = project.begin("shelf")
    project.process.stop(signal.SIGKILL)
    project.up()
    project.client.send_durable_execution_callback_success(CallbackId=callback, Result=b'"yes"')

    until(lambda: all(each["Status"] != "RUNNING" for each in project.executions()))
    assert project.notes().count("reserve shelf") == 1


def test_an_execution_that_does_not_exist_is_not_found(project: Project):
    arn = "arn:aws:lambda:us-east-1:000000000000:function:local-Order:$LATEST"
    with pytest.raises(project.client.exceptions.ResourceNotFoundException):
        project.client.get_durable_execution(DurableExecutionArn=f"{arn}/durable-execution/a/b")


def test_an_invocation_alone_runs_a_durable_function_to_its_end(tmp_path: Path):
    sample = SampleProject.create(tmp_path)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "durable.py").write_text(CODE.replace("from_seconds(60)", "from_seconds(1)"))

    option = "--durable-execution-name=by-hand"
    result = sample.run("invoke", "Order", option, "-e", "-", stdin='{"item": "lamp"}')
    refused = sample.run("invoke", "Price", option)

    assert json.loads(result.stdout)["price"] == 4, result.stderr
    assert "durable execution by-hand started" in result.stderr
    assert "Price has no DurableConfig: it has no executions to name." in refused.stderr
