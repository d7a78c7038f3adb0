"""What a definition asks for and nobody does here is named, with the states that ask for it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.stacks import read_text


def gaps(folder: Path, **states: dict[str, Any]) -> list[tuple[str, str]]:
    definition = {"StartAt": next(iter(states)), "States": states}
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"Definition": definition}}
    stack = read_text(folder, json.dumps({"Resources": {"Flow": machine}}), "template.json")
    assert {each.logical_id for each in stack.ignored} <= {"Flow"}
    return [(each.type, each.reason) for each in stack.ignored]


def task(resource: str) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "End": True}


# https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html
@pytest.mark.parametrize(
    "called",
    [
        "athena:startQueryExecution.sync",
        "batch:submitJob.sync",
        "ecs:runTask.waitForTaskToken",
        "http:invoke",
        "aws-sdk:bedrockruntime:invokeModel",
    ],
)
def test_a_task_of_a_service_that_is_not_here_is_named(tmp_path: Path, called: str) -> None:
    resource = task(f"arn:aws:states:::{called}")
    found = gaps(tmp_path, First=resource, Second=resource)

    assert found == [(f"task {called}", "nothing here runs it, so its states fail (First, Second)")]


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "arn:aws:states:::states:startExecution.sync:2",
        "arn:aws:states:::aws-sdk:secretsmanager:getSecretValue",
        "arn:aws:states:::aws-sdk:dynamoDb:query",
        "arn:aws:states:us-east-1:000000000000:activity:worker",
        "arn:aws:lambda:us-east-1:000000000000:function:work",
    ],
)
def test_a_task_that_runs_here_is_not_named(tmp_path: Path, resource: str) -> None:
    assert gaps(tmp_path, Only=task(resource)) == []


# https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html
# https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
def test_what_a_map_does_with_files_and_nobody_does_here_is_named(tmp_path: Path) -> None:
    inner = {"StartAt": "Ask", "States": {"Ask": task("arn:aws:states:::http:invoke")}}
    each = {
        "Type": "Map",
        "ItemReader": {"ReaderConfig": {"InputType": "PARQUET", "ItemsPointer": "/a"}},
        "ItemProcessor": inner,
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "WriterConfig": {"Transformation": "FLATTEN"},
        },
        "End": True,
    }

    assert [type for type, _ in gaps(tmp_path, Each=each)] == [
        "ItemReader of PARQUET",
        "ItemsPointer of an ItemReader",
        "ResultWriter",
        "WriterConfig of a ResultWriter",
        "task http:invoke",
    ]
