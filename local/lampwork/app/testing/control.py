"""What `lampwork.testing` asks of the emulator, over HTTP with JSON."""

import asyncio
import json
import math
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from lampwork.app.project.project import Project
from lampwork.app.testing.idleness import Idleness
from lampwork.app.testing.invocations import Fault, WatchedFunctions
from lampwork.clock import CLOCK
from lampwork.companions.aws import EmbeddedAws
from lampwork.errors import LampworkError
from lampwork.front.server import Front
from lampwork.http.internal_paths import TESTING
from lampwork.http.request import Request
from lampwork.http.responses import Response, json_message
from lampwork.triggers.asynchronous.invocations import EventInvocations
from lampwork.triggers.running_sources import RunningSources

JSON: Final = [("content-type", "application/json")]
# How long a reset waits for functions that still run.
RESET_SECONDS: Final = 30
# Added to a due moment, so that rounding leaves none before it.
JUST_AFTER: Final = 0.002

Asked = Mapping[str, Any]


class TestControl:
    """Serves the paths below /_lampwork/testing/, each of which takes and returns JSON."""

    __test__ = False  # no test of pytest's

    def __init__(self, project: Project, functions: WatchedFunctions) -> None:
        self._project = project
        self._functions = functions
        self._paths: Mapping[str, Callable[[Asked], Awaitable[Any]]] = {
            "about": self._about,
            "messages": self._messages,
            "invocations": self._invocations,
            "idle": self._idle,
            "reset": self._reset,
            "fail": self._fail,
            "advance": self._advance,
        }

    def look_into(self, events: EventInvocations, sources: RunningSources, front: Front) -> None:
        """Before it is asked: what triggers functions."""
        self._events = events
        self._sources = sources
        self._front = front
        self._idleness = Idleness(self._functions, events, sources, front, self._aws)

    async def serve(self, request: Request) -> Response:
        answer = self._paths.get(request.path.removeprefix(TESTING))
        if answer is None:
            return json_message(404, "Not Found")
        try:
            answered = await answer(json.loads(request.body or b"{}"))
        except LampworkError as error:
            return Response(409, JSON, json.dumps({"message": f"{error}"}).encode())
        return Response(200, JSON, json.dumps(answered).encode())

    @property
    def _aws(self) -> EmbeddedAws | None:
        return self._project.services.aws

    async def _about(self, asked: Asked) -> Any:
        """The region, the address of the embedded AWS, and each resource of the template by its
        logical id, with its type and physical id. The names in the first stack win. What there is
        now is what a reset brings back."""
        resources: dict[str, tuple[str, str]] = {}
        for stack in self._project.stack.deployed:
            for each in stack.resources:
                resources.setdefault(each.logical_id, (each.type, each.physical_id))
        if self._aws is not None and self._aws.has_started:
            await self._ask_aws("baseline", {})
        return {
            "region": self._project.config.region,
            "aws": self._project.services.aws_url,
            "resources": resources,
            "functions": list(self._project.stack.functions),
        }

    async def _messages(self, asked: Asked) -> Any:
        return await self._ask_aws("messages", asked)

    async def _invocations(self, asked: Asked) -> Any:
        return self._functions.noted(asked.get("function"))

    async def _idle(self, asked: Asked) -> Any:
        return await self._idleness.reached(asked["seconds"])

    async def _reset(self, asked: Asked) -> Any:
        """Forget what tests have left: what waits first, so that nothing new begins from it."""
        self._functions.forget()
        await self._front.close_sockets()
        began = None
        while began != self._functions.begun:  # what has run meanwhile may have written something
            began = None if self._functions.running else self._functions.begun
            await self._events.forget()
            await self._empty_aws()
            CLOCK.back_to_now()
            # After that, since a queue may have been read just before.
            await self._sources.begin_anew()
            if busy := await self._idleness.reached(RESET_SECONDS):
                raise LampworkError(f"What a test has begun goes on: {', '.join(busy)}.")
        self._front.update(self._project.stack)
        self._functions.forget()
        return {}

    async def _empty_aws(self) -> None:
        if self._aws is not None and self._aws.has_started:
            await self._ask_aws("reset", {})

    async def _fail(self, asked: Asked) -> Any:
        self._functions.fail_next(asked["function"], Fault(**asked["fault"]), asked["times"])
        return {}

    async def _advance(self, asked: Asked) -> Any:
        """Move the time from one thing that is due to the next, and let each be done before time
        goes on, as it would."""
        left, limit = asked["seconds"], time.monotonic() + asked["within"]
        while True:
            within = limit - time.monotonic()
            busy = await self._idleness.reached(within, with_executions=False)
            if busy or (left > 0 and within < 0):
                done = asked["seconds"] - left
                busy = busy or ["too much is due"]
                raise LampworkError(f"The time was moved by {done:.0f} s only: {'; '.join(busy)}.")
            if left <= 0:
                return {}
            step = min(left, await self._next_due())
            CLOCK.advance(step)
            if self._aws is not None and self._aws.has_started:
                await self._ask_aws("advance", {"seconds": step})
            left -= step

    async def _next_due(self) -> float:
        due = [CLOCK.next_due()]
        if self._aws is not None and self._aws.has_started:
            due.append(await self._ask_aws("due", {}))
        return min((each for each in due if each is not None), default=math.inf) + JUST_AFTER

    async def _ask_aws(self, what: str, asked: object) -> Any:
        if self._aws is None:
            raise LampworkError("This needs the embedded AWS: add 'aws' to services.")
        return json.loads(await self._aws.ask(TESTING + what, asked))


async def until_input_ends() -> None:
    """Wait until the test that has started this process is gone, which closes the pipe."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    class Input(asyncio.Protocol):
        def connection_lost(self, error: Exception | None) -> None:
            ended.set()

    transport, _ = await loop.connect_read_pipe(Input, sys.stdin)
    try:
        await ended.wait()
    finally:
        transport.close()
