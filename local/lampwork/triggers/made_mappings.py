"""Event source mappings that a program makes, changes or deletes at run time.

Their documents are those of Lambda's API, and the words of a refusal those that LocalStack recorded
on AWS: tests/aws/services/lambda_/test_lambda_api.snapshot.json and
tests/aws/services/lambda_/event_source_mapping/.
https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
"""

import json
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from lampwork.events.event_patterns.operators import BadPattern
from lampwork.events.event_patterns.pattern import EventPattern
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import (
    ACCOUNT_ID,
    CloudResource,
    Function,
    QueueTrigger,
    Stack,
    StreamTrigger,
    Trigger,
)
from lampwork.template.streams.streams import queue_name, reader

Document = dict[str, Any]
"""A mapping as the API describes it, with the key `Enabled` in place of `State`."""

KINDS: Final = ("sqs", "kinesis", "dynamodb")
POSITIONS: Final = ("LATEST", "AT_TIMESTAMP", "TRIM_HORIZON")
LARGEST_BATCH_WITHOUT_WINDOW: Final = 10
OF_ALL: Final[Mapping[str, Any]] = {
    "FunctionResponseTypes": [],
    "MaximumBatchingWindowInSeconds": 0,
}
OF_STREAMS: Final[Mapping[str, Any]] = {
    "BatchSize": 100,
    "BisectBatchOnFunctionError": False,
    "DestinationConfig": {"OnFailure": {}},
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "ParallelizationFactor": 1,
    "TumblingWindowInSeconds": 0,
}
# What may be given beside these.
FURTHER: Final = (
    "FilterCriteria",
    "ScalingConfig",
    "StartingPosition",
    "StartingPositionTimestamp",
)
TEMPLATES: Final = uuid.UUID("9b3f3f70-5d0e-4c6d-9a53-6f2b4f0f9e11")


class Refused(Exception):
    """AWS would refuse the call, with this status and the name of this error."""

    def __init__(self, message: str, code: str = "InvalidParameterValueException") -> None:
        super().__init__(message)
        self.code = code
        self.status = {"ResourceNotFoundException": 404, "ResourceConflictException": 409}.get(
            code, 400
        )


class ReaderQueues(Protocol):
    """Where the records of streams wait for mappings: the embedded AWS."""

    async def add_reader(self, resource: CloudResource) -> None:
        """Create the queue of a mapping."""

    async def remove_reader(self, queue: str) -> None:
        """Delete the queue of a mapping."""


class MadeMappings:
    """The mappings of a stack: those of its template, and those that were made.

    Made ones are kept in `file`. A change of one of the template's lasts until the emulator ends.
    `changed` is awaited after each change.
    """

    def __init__(self, file: Path, queues: ReaderQueues | None) -> None:
        self.changed: Callable[[], Awaitable[None]] = _nothing
        self._file = file
        self._queues = queues
        self._made: dict[str, Document] = _read(file)
        self._of_template: dict[str, Trigger] = {}
        self._replaced: set[str] = set()
        self.update(Stack(functions={}))

    def update(self, stack: Stack) -> None:
        """Go on with a new state of the template."""
        self._stack = stack
        self._functions = FunctionNames(stack.functions)
        queues, streams = stack.triggers_of(QueueTrigger), stack.triggers_of(StreamTrigger)
        self._of_template = {_id_of(each, each.queue_arn): each for each in queues}
        self._of_template |= {_id_of(each, each.stream_arn): each for each in streams}

    @property
    def stack(self) -> Stack:
        """The stack with the mappings as they are now."""
        replaced = {id(self._of_template[each]) for each in self._replaced & {*self._of_template}}
        written = (each for each in self._stack.triggers if id(each) not in replaced)
        return replace(self._stack, triggers=(*written, *self._triggers()))

    def list(self, source: str | None, function: str | None) -> Iterator[Document]:
        wanted = self._functions.called(function) if function else None
        for each in self._all().values():
            if source in (None, each["EventSourceArn"]) and (
                function is None or (wanted and each["FunctionArn"].startswith(wanted.arn))
            ):
                yield each

    def get(self, number: str) -> Document:
        if (found := self._all().get(number)) is None:
            raise Refused("The resource you requested does not exist.", "ResourceNotFoundException")
        return found

    async def create(self, given: Mapping[str, Any]) -> Document:
        arn = given.get("EventSourceArn")
        if not arn:
            raise Refused("Unrecognized event source.")
        if _service(arn) not in KINDS:
            raise Refused(f"Lampwork reads no {_service(arn)}: use SQS, Kinesis or DynamoDB here.")
        document = self._checked(given, {}, arn)
        for other in self._all().values():
            if (other["EventSourceArn"], other["FunctionArn"]) == (arn, document["FunctionArn"]):
                raise Refused(_conflict(other), "ResourceConflictException")
        document["UUID"] = str(uuid.uuid4())
        self._made[document["UUID"]] = document
        for trigger in self._triggers():
            if (
                self._queues is not None
                and isinstance(trigger, StreamTrigger)
                and trigger.logical_id == document["UUID"]
            ):
                await self._queues.add_reader(reader(trigger))
        await self._keep()
        return document

    async def change(self, number: str, given: Mapping[str, Any]) -> Document:
        before = self.get(number)
        document = self._checked(given, before, before["EventSourceArn"])
        self._made[number] = {**document, "UUID": number}
        self._replace_template(number)
        await self._keep()
        return self._made[number]

    async def delete(self, number: str) -> Document:
        document = self.get(number)
        self._replace_template(number)
        was_made = self._made.pop(number, None) and number not in self._of_template
        if was_made and self._queues is not None and _service(document["EventSourceArn"]) != "sqs":
            await self._queues.remove_reader(queue_name(number))
        await self._keep()
        return document

    def _all(self) -> dict[str, Document]:
        written = {
            number: _described(trigger, number, self._stack)
            for number, trigger in self._of_template.items()
            if number not in self._replaced
        }
        return written | self._made

    def _replace_template(self, number: str) -> None:
        if number in self._of_template:
            self._replaced.add(number)

    def _checked(self, given: Mapping[str, Any], before: Document, arn: str) -> Document:
        function = self._function(given, before)
        of_stream = _service(arn) != "sqs"
        defaults = {**OF_ALL, **(OF_STREAMS if of_stream else {"BatchSize": 10})}
        document = {
            **defaults,
            **before,
            **{name: given[name] for name in (*defaults, *FURTHER) if given.get(name) is not None},
            "EventSourceArn": arn,
            "FunctionArn": function,
            "Enabled": given.get("Enabled", before.get("Enabled", True)),
            "LastModified": time.time(),
        }
        _check_position(document, of_stream=of_stream)
        _check_filters(document)
        if (
            not of_stream
            and int(document["BatchSize"]) > LARGEST_BATCH_WITHOUT_WINDOW
            and not document["MaximumBatchingWindowInSeconds"]
        ):
            raise Refused(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is"
                " greater than 10"
            )
        return document

    def _function(self, given: Mapping[str, Any], before: Document) -> str:
        named = given.get("FunctionName")
        if named is None and before:
            return str(before["FunctionArn"])
        function = self._functions.called(str(named))
        if function is None:
            raise Refused("Function does not exist")
        return function.arn

    def _triggers(self) -> Iterator[Trigger]:
        for number, document in self._made.items():
            function = self._functions.find(document["FunctionArn"])
            if document["Enabled"] and function is not None:
                yield self._trigger(number, document, function)

    def _trigger(self, number: str, document: Document, function: Function) -> Trigger:
        filters = document.get("FilterCriteria", {}).get("Filters", [])
        common: dict[str, Any] = {
            "function": function.logical_id,
            "batch_size": int(document["BatchSize"]),
            "window_seconds": float(document["MaximumBatchingWindowInSeconds"]),
            "reports_item_failures": "ReportBatchItemFailures" in document["FunctionResponseTypes"],
            "filters": tuple(each["Pattern"] for each in filters),
        }
        if _service(document["EventSourceArn"]) == "sqs":
            most = document.get("ScalingConfig", {}).get("MaximumConcurrency")
            return QueueTrigger(document["EventSourceArn"], maximum_concurrency=most, **common)
        of_template = self._of_template.get(number)
        name = of_template.logical_id if isinstance(of_template, StreamTrigger) else number
        return StreamTrigger(
            logical_id=name,
            stream_arn=document["EventSourceArn"],
            queue=queue_name(name),
            retries=_limit(document["MaximumRetryAttempts"]),
            maximum_age_seconds=_limit(document["MaximumRecordAgeInSeconds"]),
            bisects=document["BisectBatchOnFunctionError"],
            on_failure=document["DestinationConfig"].get("OnFailure", {}).get("Destination"),
            parallel_batches=int(document["ParallelizationFactor"]),
            from_oldest=document.get("StartingPosition") == "TRIM_HORIZON",
            **common,
        )

    async def _keep(self) -> None:
        kept = {key: each for key, each in self._made.items() if key not in self._of_template}
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(kept))
        os.replace(new, self._file)
        await self.changed()


def described(document: Document, state: str | None = None) -> Document:
    """A mapping as the API answers."""
    of_queue = _service(document["EventSourceArn"]) == "sqs"
    shown = {name: value for name, value in document.items() if name != "Enabled"}
    number, region = document["UUID"], document["FunctionArn"].split(":")[3]
    return {
        **shown,
        "EventSourceMappingArn": f"arn:aws:lambda:{region}:{ACCOUNT_ID}"
        f":event-source-mapping:{number}",
        "State": state or ("Enabled" if document["Enabled"] else "Disabled"),
        "StateTransitionReason": "USER_INITIATED" if of_queue else "User action",
        **({} if of_queue else {"LastProcessingResult": "No records processed"}),
    }


def _described(trigger: Trigger, number: str, stack: Stack) -> Document:
    """A mapping of the template as a document."""
    function = stack.functions[trigger.function]
    document: Document = {
        **OF_ALL,
        "UUID": number,
        "FunctionArn": function.arn,
        "Enabled": True,
        "LastModified": time.time(),
    }
    match trigger:
        case QueueTrigger():
            document["EventSourceArn"] = trigger.queue_arn
            if trigger.maximum_concurrency:
                document["ScalingConfig"] = {"MaximumConcurrency": trigger.maximum_concurrency}
        case StreamTrigger():
            document |= {
                **OF_STREAMS,
                "EventSourceArn": trigger.stream_arn,
                "BisectBatchOnFunctionError": trigger.bisects,
                "MaximumRecordAgeInSeconds": int(trigger.maximum_age_seconds or -1),
                "MaximumRetryAttempts": -1 if trigger.retries is None else trigger.retries,
                "ParallelizationFactor": trigger.parallel_batches,
                "StartingPosition": "TRIM_HORIZON" if trigger.from_oldest else "LATEST",
            }
            if trigger.on_failure:
                document["DestinationConfig"] = {"OnFailure": {"Destination": trigger.on_failure}}
    if isinstance(trigger, QueueTrigger | StreamTrigger):
        document["BatchSize"] = trigger.batch_size
        document["MaximumBatchingWindowInSeconds"] = int(trigger.window_seconds)
        if trigger.reports_item_failures:
            document["FunctionResponseTypes"] = ["ReportBatchItemFailures"]
        if trigger.filters:
            patterns = [{"Pattern": each} for each in trigger.filters]
            document["FilterCriteria"] = {"Filters": patterns}
    return document


def _id_of(trigger: Trigger, source: str) -> str:
    return str(uuid.uuid5(TEMPLATES, f"{source} {trigger.function}"))


def _check_position(document: Document, *, of_stream: bool) -> None:
    if not of_stream:
        return
    position = document.get("StartingPosition")
    if position is None:
        raise Refused(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy"
            " constraint: Member must not be null."
        )
    if position not in POSITIONS:
        raise Refused(
            f"1 validation error detected: Value '{position}' at 'startingPosition' failed to"
            " satisfy constraint: Member must satisfy enum value set:"
            f" [{', '.join(POSITIONS)}]",
            "ValidationException",
        )
    if position == "AT_TIMESTAMP" and _service(document["EventSourceArn"]) == "dynamodb":
        raise Refused(f"Unsupported starting position for arn type: {document['EventSourceArn']}")


def _check_filters(document: Document) -> None:
    for each in document.get("FilterCriteria", {}).get("Filters", []):
        try:
            EventPattern.parse(each.get("Pattern") or "")
        except BadPattern as error:
            raise Refused("Invalid filter pattern definition.") from error


def _conflict(other: Document) -> str:
    service = _service(other["EventSourceArn"])
    kind = "SQS arn" if service == "sqs" else "event source arn"
    function = other["FunctionArn"].rpartition(":")[2]
    return (
        f'An event source mapping with {kind} (" {other["EventSourceArn"]} ") and function'
        f' (" {function} ") already exists. Please update or delete the existing mapping with UUID'
        f" {other['UUID']}"
    )


def _service(arn: str) -> str:
    return [*arn.split(":"), "", "", ""][2]


def _limit(given: int) -> int | None:
    return None if given < 0 else given


def _read(file: Path) -> dict[str, Document]:
    if not file.exists():
        return {}
    kept: dict[str, Document] = json.loads(file.read_text())
    return kept


async def _nothing() -> None:
    pass
