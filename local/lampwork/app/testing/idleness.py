import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lampwork.app.testing.invocations import WatchedFunctions
from lampwork.companions.aws import EmbeddedAws
from lampwork.front.server import Front
from lampwork.http.internal_paths import TESTING
from lampwork.triggers.asynchronous.invocations import EventInvocations
from lampwork.triggers.running_sources import RunningSources
from lampwork.triggers.source import ReadQueue

LOOK_AGAIN_SECONDS: Final = 0.01
# Turns of the event loop after which it has read what had come over sockets before.
TURNS: Final = 3


class Idleness:
    """Tells whether anything is queued, running or due in a stack.

    A message is queued until it is deleted, or has failed and waits for its next try. So nothing is
    missed on the way from a queue to its function.
    """

    def __init__(
        self,
        functions: WatchedFunctions,
        events: EventInvocations,
        sources: RunningSources,
        front: Front,
        aws: EmbeddedAws | None,
    ) -> None:
        self._functions = functions
        self._events = events
        self._sources = sources
        self._front = front
        self._aws = aws

    async def reached(self, seconds: float, *, with_executions: bool = True) -> list[str]:
        """Wait until nothing is to be done. Returns what still is after so many seconds. Without
        `with_executions`, those of state machines may run."""
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        while busy := await self._busy(with_executions):
            if clock() > end:
                return busy
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return []

    async def _busy(self, with_executions: bool) -> list[str]:
        for _ in range(TURNS):
            await asyncio.sleep(0)
        begun = self._functions.begun
        busy = [*self._here(), *(await self._in_aws(with_executions))]
        # What has begun meanwhile may have been queued after the queues were looked at.
        if not busy and begun != self._functions.begun:
            return ["something has run just now"]
        return busy or list(self._here())

    def _here(self) -> Iterator[str]:
        for function, number in self._functions.running.items():
            yield f"{function} runs" if number == 1 else f"{function} runs {number} times"
        if (number := self._events.under_way) > 0:
            yield f"{number} events are on their way to functions"
        if (number := self._front.messages_under_way) > 0:
            yield f"{number} messages of sockets are handled"

    async def _in_aws(self, with_executions: bool) -> Sequence[str]:
        if self._aws is None or not self._aws.has_started:
            return ()
        if waiting := self._sources.not_started:
            return [f"{each} has not started" for each in waiting]
        read = {each.name: each for each in self._sources.read_queues()}
        found = json.loads(await self._aws.ask(TESTING + "waiting", list(read)))
        busy = [
            f"{number} messages wait in {name} or are on their way from there"
            for name, messages in found["queues"].items()
            if (number := sum(_busy_messages(read[name], messages)))
        ]
        if with_executions and (number := found["executions"]):
            busy.append(f"{number} executions of state machines run")
        return busy


def _busy_messages(queue: ReadQueue, messages: Sequence[Mapping[str, Any]]) -> Iterator[bool]:
    """Whether each message is yet to be delivered now: those that rest, and in a FIFO queue those
    behind them, are not."""
    resting = [each for each in messages if _rests(queue, each)]
    groups = {each["group"] for each in resting} - {None}
    for each in messages:
        yield not (each in resting or each["group"] in groups)


def _rests(queue: ReadQueue, message: Mapping[str, Any]) -> bool:
    if message["delayed"]:
        return True
    receipts = queue.resting.get(message["id"], 0)
    return bool(message["hidden"] and receipts in (None, message["receive_count"]))
