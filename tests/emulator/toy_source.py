"""An event source that Lampwork does not have, and the command `lampwork` with it. A new source
needs only a module like this one and a line in the registry.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lampwork.stack.entry_points import EntryPoint
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import Stack
from lampwork.template.resource import Template
from lampwork.triggers import registry
from lampwork.triggers.samples import Option, Sample, Service
from lampwork.triggers.source import RunningSource, Source, SourceContext


@dataclass(frozen=True, slots=True)
class Bell:
    """Rings a function again and again, with a word."""

    function: str
    word: str


def make_ring(*, word: str) -> dict[str, Any]:
    return {"bell": word}


class BellSource(Source):
    trigger = Bell
    samples = (
        Sample(
            (Service("bells", "Bells."),), "ring", "A ring.", make_ring, (Option("word", "ding"),)
        ),
    )

    def read(self, template: Template, functions: FunctionNames) -> Iterable[Bell]:
        for resource in template.of_type("Toy::Bell"):
            resource.claim()
            if function := functions.find(resource.get("Function")):
                yield Bell(function.logical_id, resource.required("Word"))

    def entry_points(self, stack: Stack, intervals: Mapping[str, float]) -> Iterator[EntryPoint]:
        for bell in stack.triggers_of(Bell):
            yield "bell", bell.word, bell.function

    def open(self, context: SourceContext) -> RunningSource:
        return Bells(context)


class Bells(RunningSource):
    def __init__(self, context: SourceContext) -> None:
        self._events = context.events
        self._say = context.say
        self._bells: tuple[Bell, ...] = ()
        self._rings = 0
        self._ringing: asyncio.Task[None] | None = None
        context.metrics.watch("bell_rings", "Rings of bells.", (), lambda: [((), self._rings)])

    async def start(self, stack: Stack) -> None:
        await self.update(stack)
        self._ringing = asyncio.create_task(self._ring())

    async def update(self, stack: Stack) -> None:
        self._bells = stack.triggers_of(Bell)

    async def stop(self) -> None:
        if self._ringing is not None:
            self._ringing.cancel()
        self._say("The bells are silent.")

    async def _ring(self) -> None:
        while True:
            for bell in self._bells:
                self._rings += 1
                self._events.submit(bell.function, json.dumps(make_ring(word=bell.word)).encode())
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    registry.SOURCES = (*registry.SOURCES, BellSource())  # type: ignore[misc]

    from lampwork.cli import main

    main()
