"""All sources of a stack together: one that fails does not keep the others from their work."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from lampwork.errors import StartError
from lampwork.metrics.metrics import Metrics
from lampwork.stack.model import Stack
from lampwork.triggers.asynchronous.invocations import EventInvocations
from lampwork.triggers.running_sources import RunningSources
from lampwork.triggers.source import RunningSource, Source, SourceContext
from tests.emulator.fakes import FakeInvoker

FIRST, SECOND = Stack(functions={}), Stack(functions={}, files=(Path("second"),))


class Recorded(RunningSource, Source):
    """A source that records what it is told. It refuses as often as `refusals` says."""

    def __init__(self, refusals: int = 0) -> None:
        self.served: list[Stack] = []
        self.stopped = False
        self._refusals = refusals

    def open(self, context: SourceContext) -> RunningSource:
        return self

    async def start(self, stack: Stack) -> None:
        await self.update(stack)

    async def update(self, stack: Stack) -> None:
        if self._refusals:
            self._refusals -= 1
            raise StartError("The queues are unavailable.")
        await asyncio.sleep(0)
        self.served.append(stack)

    async def stop(self) -> None:
        self.stopped = True


def running(sources: Iterable[Source], messages: list[str]) -> RunningSources:
    invoker = FakeInvoker()
    events = EventInvocations(invoker, {})
    return RunningSources(
        sources, SourceContext(invoker, events, "us-east-1", Metrics(), messages.append)
    )


async def becomes(expected: list[Stack], source: Recorded) -> None:
    async with asyncio.timeout(10):
        while source.served != expected:
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lampwork.triggers.running_sources.TRY_AGAIN_SECONDS", 0)


async def test_a_source_that_cannot_start_is_reported_once_and_started_when_it_can():
    messages: list[str] = []
    late, ready = Recorded(refusals=3), Recorded()
    sources = running([late, ready], messages)

    sources.start(FIRST)
    await becomes([FIRST], ready)
    await becomes([FIRST], late)
    await sources.stop()

    assert messages == ["The queues are unavailable. Trying again."]
    assert late.stopped
    assert ready.stopped


async def test_a_source_that_has_not_started_yet_starts_with_the_newest_stack():
    late = Recorded(refusals=1)
    sources = running([late], [])

    sources.start(FIRST)
    await sources.update(SECOND)
    await becomes([SECOND], late)
    await sources.stop()


async def test_a_source_that_cannot_go_on_does_not_keep_the_others_from_it():
    failing, other = Recorded(), Recorded()
    sources = running([failing, other], [])
    sources.start(FIRST)
    await becomes([FIRST], failing)
    await becomes([FIRST], other)
    failing._refusals = 1

    with pytest.raises(StartError, match="unavailable"):
        await sources.update(SECOND)

    assert other.served == [FIRST, SECOND]
    await sources.stop()
