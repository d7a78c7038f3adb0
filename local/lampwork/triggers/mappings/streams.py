import json
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from lampwork.events.dynamodb_streams import record_of
from lampwork.events.streams import payload_of
from lampwork.invocation.port import Invoker
from lampwork.stack.entry_points import EntryPoint
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import CloudResource, Stack, StreamTrigger, Trigger
from lampwork.template.language.identity import Identity, Place
from lampwork.template.resource import Template
from lampwork.template.streams.streams import read_stream_triggers, readers
from lampwork.triggers.asynchronous.invocations import Outlet
from lampwork.triggers.mappings.reading import ReadingSource
from lampwork.triggers.mappings.sqs_client import SqsClient
from lampwork.triggers.mappings.stream_reader import StreamReader
from lampwork.triggers.samples import REGION, Option, Sample, Service, UnfitOption, json_object
from lampwork.triggers.source import (
    RunningSource,
    Source,
    SourceContext,
    Unserved,
    nothing_to_wait_for,
)

NOT_SERVED: Final = "The template's streams are not served: add 'aws' to services."


def make_update(
    *, table: str, key: str, new: str | None, old: str | None, region: str
) -> dict[str, Any]:
    if new is None and old is None:
        new = json.dumps({key: {"S": "1"}, "message": {"S": "Hello from DynamoDB!"}})
    now = json_object("--new", new) if new else None
    before = json_object("--old", old) if old else None
    item = now or before or {}
    if key not in item:
        raise UnfitOption("--key", f"the item has no attribute {key}.")
    place = Place(region, "", "")
    arn = Identity("Table", "AWS::DynamoDB::Table", table, place).attribute("StreamArn") or ""
    record = record_of(
        {key: item[key]},
        before,
        now,
        view="NEW_AND_OLD_IMAGES",
        sequence=time.time_ns(),
        region=region,
    )
    event: dict[str, Any] = json.loads(payload_of([record], arn))
    return event


class StreamSource(Source):
    """The event source mappings of the streams of the same template: of DynamoDB and of Kinesis."""

    trigger = StreamTrigger
    samples = (
        Sample(
            (Service("dynamodb", "Streams of tables."),),
            "update",
            "An item was changed.",
            make_update,
            (
                Option("table", "MyTable"),
                Option("key", "id", "The name of the key attribute."),
                Option(
                    "new",
                    about="The item after the change, in DynamoDB's JSON; else a removal.",
                ),
                Option("old", about="The item before the change; else an insertion."),
                REGION,
            ),
        ),
    )

    def read(self, template: Template, functions: FunctionNames) -> Iterable[StreamTrigger]:
        return read_stream_triggers(template, functions)

    def resources(self, triggers: Sequence[Trigger]) -> Iterable[CloudResource]:
        return readers(each for each in triggers if isinstance(each, StreamTrigger))

    def entry_points(self, stack: Stack, intervals: Mapping[str, float]) -> Iterator[EntryPoint]:
        for each in stack.triggers_of(StreamTrigger):
            yield "stream", each.stream, each.function

    def open(self, context: SourceContext) -> RunningSource:
        if context.aws is None:
            return Unserved(StreamTrigger, NOT_SERVED, context.say)
        return StreamTriggers(
            context.invoker,
            context.events.outlet,
            SqsClient(context.aws.url, context.region),
            context.aws_has_loaded,
            time_scale=context.time_scale,
        )


class StreamTriggers(ReadingSource[StreamTrigger]):
    """Invokes functions with the records of streams of the embedded AWS, in their order.

    `until_ready` waits until the queues of the streams exist. `time_scale` shortens the pauses
    between tries.
    """

    def __init__(
        self,
        invoker: Invoker,
        outlet: Outlet,
        client: SqsClient,
        until_ready: Callable[[], Awaitable[None]] = nothing_to_wait_for,
        *,
        time_scale: float = 1,
    ) -> None:
        super().__init__(StreamTrigger, client, until_ready)
        self._invoker = invoker
        self._outlet = outlet
        self._time_scale = time_scale

    def _open(self, trigger: StreamTrigger, stack: Stack) -> StreamReader:
        function = stack.functions[trigger.function]
        return StreamReader(
            trigger, function, self._invoker, self._outlet, self._client, self._time_scale
        )
