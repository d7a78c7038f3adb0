"""What a definition in Amazon States Language asks for and nobody does here."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lampwork.template.resource import Resource

# Services that work here, by the names that Step Functions has for them.
# https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html
OPTIMIZED: Final = frozenset(("apigateway", "dynamodb", "events", "lambda", "sns", "sqs", "states"))
# https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
BY_SDK: Final = frozenset(
    (
        "apigateway",
        "cloudformation",
        "cloudwatch",
        "cloudwatchlogs",
        "cognitoidentity",
        "cognitoidentityprovider",
        "dynamodb",
        "eventbridge",
        "iam",
        "kinesis",
        "kms",
        "lambda",
        "resourcegroupstaggingapi",
        "s3",
        "scheduler",
        "secretsmanager",
        "sfn",
        "sns",
        "sqs",
        "ssm",
        "sts",
    )
)
INTEGRATION: Final = re.compile(r"arn:[^:]*:states:[^:]*:[^:]*:(?:(aws-sdk):)?([^:]+):([^:].*)")
OWN_ARNS: Final = frozenset(("activity", "stateMachine"))
# https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html
READ: Final = frozenset(("CSV", "JSON"))
UNREAD: Final = ("CSVDelimiter", "ItemsPointer", "ManifestType", "Transformation")

Gap = tuple[str, str, str]
"""What is missing, what comes of it, and the state that asks for it."""


def name_gaps(machine: Resource, definition: str) -> None:
    """Record what a state machine will not do here, each once with the states that ask for it."""
    states: dict[tuple[str, str], list[str]] = {}
    for what, outcome, state in _gaps(json.loads(definition)):
        states.setdefault((what, outcome), []).append(state)
    for (what, outcome), names in states.items():
        machine.ignore(what, f"{outcome} ({', '.join(map(str, dict.fromkeys(names)))})")


def _gaps(value: Any) -> Iterator[Gap]:
    """Those of all states in a part of a definition."""
    if isinstance(value, list):
        for each in value:
            yield from _gaps(each)
    if not isinstance(value, dict):
        return
    if isinstance(states := value.get("States"), dict) and "StartAt" in value:
        for name, state in states.items():
            if isinstance(state, dict):
                yield from _of_state(name, state)
    for each in value.values():
        yield from _gaps(each)


def _of_state(name: str, state: Mapping[str, Any]) -> Iterator[Gap]:
    match state.get("Type"):
        case "Task" if called := _not_run(state.get("Resource")):
            yield f"task {called}", "nothing here runs it, so its states fail", name
        case "Map":
            yield from _of_map(name, state)


def _not_run(resource: object) -> str | None:
    """The integration that a task's Resource names, if its service does not work here."""
    found = INTEGRATION.fullmatch(resource) if isinstance(resource, str) else None
    if found is None or found[2] in OWN_ARNS:
        return None
    if found[2].lower() in (BY_SDK if found[1] else OPTIMIZED):
        return None
    return f"{'aws-sdk:' if found[1] else ''}{found[2]}:{found[3]}"


def _of_map(name: str, state: Mapping[str, Any]) -> Iterator[Gap]:
    reader, writer = state.get("ItemReader"), state.get("ResultWriter")
    if isinstance(reader, dict) and isinstance(config := reader.get("ReaderConfig"), dict):
        kind = config.get("InputType")
        if kind is not None and kind not in READ:
            yield f"ItemReader of {kind}", "such files are not read, so its states fail", name
        for field in UNREAD:
            if field in config:
                yield f"{field} of an ItemReader", "files are read without it", name
    if isinstance(writer, dict):
        if "Resource" in writer:
            yield "ResultWriter", "it writes its manifest alone, without files of results", name
        if "WriterConfig" in writer:
            yield "WriterConfig of a ResultWriter", "results stay as they are", name
