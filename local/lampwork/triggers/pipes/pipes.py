import asyncio
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


class Pipes(RunningSource):
    """Reads the sources of pipes as the mappings of functions are read."""

    def __init__(self, context: SourceContext, client: SqsClient, endpoint: str) -> None:
        self._context = context
        self._client = client
        self._endpoint = endpoint
        self._connected = False
        self._readers: dict[Pipe, QueuePoller | StreamReader] = {}

    async def start(self, stack: Stack) -> None:
        await self._context.aws_has_loaded()
        await self._take(stack)

    async def update(self, stack: Stack) -> None:
        wanted = stack.triggers_of(Pipe)
        await self._stop([each for each in self._readers if each not in wanted])
        await self._take(stack)

    async def stop(self) -> None:
        """Stop reading. Batches that have begun are delivered again later."""
        await self._stop(tuple(self._readers))
        await self._client.close()

    async def _take(self, stack: Stack) -> None:
        pipes = stack.triggers_of(Pipe)
        if pipes and not self._connected:
            await self._client.connect()
            self._connected = True
        for pipe in pipes:
            if pipe not in self._readers:
                self._readers[pipe] = self._open(pipe)

    def _open(self, pipe: Pipe) -> QueuePoller | StreamReader:
        context = self._context
        flow = PipeFlow(pipe, context.invoker, context.events, self._endpoint, context.region)
        if isinstance(pipe.reads, QueueTrigger):
            poller = QueuePoller(pipe.reads, flow, self._client, _nothing)
            poller.start()
            return poller
        stands_for = Function(pipe.logical_id, pipe.name, "", Path(), region=context.region)
        return StreamReader(
            pipe.reads, stands_for, flow, context.events.outlet, self._client, context.time_scale
        )

    async def _stop(self, pipes: Sequence[Pipe]) -> None:
        await asyncio.gather(*(self._readers.pop(pipe).stop() for pipe in pipes))


def _name(pipe: Pipe) -> str:
    """The name of its queue or stream."""
    reads = pipe.reads
    return reads.stream if isinstance(reads, StreamTrigger) else reads.queue_arn.rpartition(":")[2]


async def _nothing() -> None:
    """The template's queues are created once, with all its resources."""
