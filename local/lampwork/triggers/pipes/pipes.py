from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from lampwork.stack.entry_points import EntryPoint
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import (
    CloudResource,
    Function,
    Pipe,
    QueueTrigger,
    Stack,
    StreamTrigger,
    Trigger,
)
from lampwork.template.resource import Template
from lampwork.template.streams.pipes import read_pipes
from lampwork.template.streams.streams import reader
from lampwork.triggers.mappings.reading import ReadingSource
from lampwork.triggers.mappings.sqs_client import SqsClient
from lampwork.triggers.mappings.sqs_poller import QueuePoller
from lampwork.triggers.mappings.stream_reader import StreamReader
from lampwork.triggers.pipes.flow import PipeFlow
from lampwork.triggers.source import RunningSource, Source, SourceContext, Unserved

NOT_SERVED: Final = "The template's pipes are not served: add 'aws' to services."


class PipeSource(Source):
    """Pipes of EventBridge, from queues and streams."""

    trigger = Pipe

    def read(self, template: Template, functions: FunctionNames) -> Iterable[Pipe]:
        return read_pipes(template, functions)

    def resources(self, triggers: Sequence[Trigger]) -> Iterable[CloudResource]:
        for each in triggers:
            if isinstance(each, Pipe) and isinstance(each.reads, StreamTrigger):
                yield reader(each.reads)

    def entry_points(self, stack: Stack, intervals: Mapping[str, float]) -> Iterator[EntryPoint]:
        for each in stack.triggers_of(Pipe):
            yield "pipe", _name(each), each.target.rpartition(":")[2]

    def open(self, context: SourceContext) -> RunningSource:
        if context.aws is None:
            return Unserved(Pipe, NOT_SERVED, context.say)
        return Pipes(context, SqsClient(context.aws.url, context.region), context.aws.url)


class Pipes(ReadingSource[Pipe]):
    """Reads the sources of pipes as the mappings of functions are read."""

    def __init__(self, context: SourceContext, client: SqsClient, endpoint: str) -> None:
        super().__init__(Pipe, client, context.aws_has_loaded)
        self._context = context
        self._endpoint = endpoint

    def _open(self, trigger: Pipe, stack: Stack) -> QueuePoller | StreamReader:
        context = self._context
        flow = PipeFlow(trigger, context.invoker, context.events, self._endpoint, context.region)
        if isinstance(trigger.reads, QueueTrigger):
            poller = QueuePoller(trigger.reads, flow, self._client, _nothing)
            poller.start()
            return poller
        stands_for = Function(trigger.logical_id, trigger.name, "", Path(), region=context.region)
        outlet = context.events.outlet
        return StreamReader(
            trigger.reads, stands_for, flow, outlet, self._client, context.time_scale
        )


def _name(pipe: Pipe) -> str:
    """The name of its queue or stream."""
    reads = pipe.reads
    return reads.stream if isinstance(reads, StreamTrigger) else reads.queue_arn.rpartition(":")[2]


async def _nothing() -> None:
    """The template's queues are created once, with all its resources."""
