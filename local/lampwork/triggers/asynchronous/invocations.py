import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from lampwork.clock import CLOCK
from lampwork.errors import (
    FunctionNotFound,
    LampworkError,
    RecursiveInvocation,
    Throttled,
    TooManyEnvironments,
)
from lampwork.events.dead_letters import Attributes, text_attributes
from lampwork.invocation.cause import Cause, caused_by
from lampwork.invocation.port import Invocation, Invoker
from lampwork.stack.function_names import FunctionNames, invoked_as
from lampwork.stack.model import EventConfig, Function
from lampwork.timestamps import iso_milliseconds

logger = logging.getLogger(__name__)

# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
RETRY_AFTER_SECONDS: Final = (60.0, 120.0)
THROTTLE_FIRST_SECONDS: Final = 1.0
THROTTLE_LONGEST_SECONDS: Final = 300.0

SUCCESS: Final = "Success"
EXHAUSTED: Final = "RetriesExhausted"
TOO_OLD: Final = "EventAgeExceeded"
NEVER_RUNS: Final = "ZeroReservedConcurrency"

# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
LONGEST_ERROR_MESSAGE: Final = 1024

Finished = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Event:
    """One asynchronous invocation. All its tries have the same request id.

    `name` is the function's for the invoker, with its alias or version if the caller named one.
    `received` is in seconds since 1970. `invocations` counts the tries, `last` is the latest one.
    `trace_header` is that of the request that caused it; it has led to `recursion` if Lambda stops
    the event for that.
    """

    function: Function
    name: str
    payload: bytes
    request_id: str
    received: float
    trace_header: str | None = None
    invocations: int = 0
    last: Invocation | None = None
    recursion: RecursiveInvocation | None = None

    @property
    def failure(self) -> str | None:
        if self.recursion is not None:
            return str(self.recursion)
        if self.last is None:
            return "it could not be invoked"
        return self.last.failure


class Outlet:
    """Where finished events go. This one drops them; `Destinations` sends them."""

    async def send_record(self, destination: str, record: Mapping[str, Any]) -> None:
        """Send the record of an invocation to a destination, given by its ARN."""

    async def send_dead_letter(self, queue: str, text: str, attributes: Attributes) -> None:
        """Send an event that could not be processed to a dead-letter queue or topic, given by its
        ARN. `text` is the event in JSON."""


class EventInvocations:
    """Asynchronous invocations: as in Lambda, a function that fails is tried again, and the end is
    reported to the destinations of the function's configuration.

    `time_scale` shortens the pauses: 0.1 makes a minute six seconds.
    """

    def __init__(
        self, invoker: Invoker, functions: Mapping[str, Function], *, time_scale: float = 1
    ) -> None:
        self.outlet = Outlet()
        self._invoker = invoker
        self._time_scale = time_scale
        self._tasks: set[asyncio.Task[None]] = set()
        # Those that wait for their next try, with their request ids.
        self._resting: dict[asyncio.Task[None], str] = {}
        self._first_tries: set[asyncio.Future[str | None]] = set()
        self.update(functions)

    def update(self, functions: Mapping[str, Function]) -> None:
        self._functions = FunctionNames(functions)

    def knows(self, function: str) -> bool:
        return self._functions.called(function) is not None

    def submit(
        self,
        function: str,
        payload: bytes,
        *,
        request_id: str | None = None,
        trace_header: str | None = None,
        cause: Cause | None = None,
        finished: Finished | None = None,
    ) -> asyncio.Future[str | None]:
        """Invoke a function, given by logical id, name or ARN. `cause` is what its event does not
        say.

        Returns a future of the first try: None if it succeeded, else why it failed. It does not
        wait for further tries. `finished` is called after the last try, but not if `stop` comes
        first.
        """
        first: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._first_tries.add(first)
        first.add_done_callback(self._first_tries.discard)
        number = request_id or str(uuid.uuid4())
        with caused_by(cause):  # for all its tries: a task keeps the context in which it begins
            task = asyncio.ensure_future(
                self._run(function, payload, number, trace_header, first, finished)
            )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return first

    async def tried(self) -> None:
        """Wait until each event has been tried once, also those that come meanwhile."""
        while self._first_tries:
            await asyncio.wait(self._first_tries)

    @property
    def under_way(self) -> int:
        """How many events are to be tried or told now, and wait for nothing."""
        return len(self._tasks) - len(self._resting)

    @property
    def resting(self) -> Collection[str]:
        """The request ids of those that wait for their next try."""
        return self._resting.values()

    async def forget(self) -> None:
        """Give those up that wait for their next try, and tell nobody."""
        await self._cancel(list(self._resting))

    async def stop(self) -> None:
        """Cancel the invocations that are not finished."""
        await self._cancel(list(self._tasks))

    async def _cancel(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(
        self,
        name: str,
        payload: bytes,
        request_id: str,
        trace_header: str | None,
        first: asyncio.Future[str | None],
        finished: Finished | None,
    ) -> None:
        try:
            if function := self._functions.called(name):
                target = invoked_as(name, function)
                event = Event(function, target, payload, request_id, CLOCK.time(), trace_header)
                condition = await self._try_until_done(event, first)
                await self._tell(event, condition)
            else:
                _resolve(first, f"there is no function {name!r}")
        finally:
            _resolve(first, "stopped")
        if finished is not None:
            await finished()

    async def _try_until_done(self, event: Event, first: asyncio.Future[str | None]) -> str:
        config = event.function.on_event
        if event.function.reserved_concurrency == 0:
            return NEVER_RUNS
        while True:
            if not await self._invoke(event, config):
                return TOO_OLD
            failure = event.failure
            _resolve(first, failure)
            if failure is None:
                return SUCCESS
            if event.recursion is not None or event.invocations > config.retries:
                return EXHAUSTED
            pause = RETRY_AFTER_SECONDS[event.invocations - 1]
            if self._age(event) + pause > config.maximum_age_seconds:
                return TOO_OLD
            await self._rest(event, pause)

    async def _rest(self, event: Event, seconds: float) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._resting[task] = event.request_id
        try:
            await CLOCK.sleep(seconds * self._time_scale)
        finally:
            del self._resting[task]

    async def _invoke(self, event: Event, config: EventConfig) -> bool:
        """Try once. A throttled try does not count: it is repeated after a pause, which grows each
        time. Returns False if the event becomes too old before."""
        pause = THROTTLE_FIRST_SECONDS
        while self._age(event) < config.maximum_age_seconds:
            try:
                event.last = await self._invoker.invoke(
                    event.name,
                    event.payload,
                    request_id=event.request_id,
                    trace_header=event.trace_header,
                )
            except RecursiveInvocation as error:
                event.recursion = error
                return True
            except (Throttled, TooManyEnvironments):
                await self._rest(event, pause)
                pause = min(pause * 2, THROTTLE_LONGEST_SECONDS)
                continue
            except (FunctionNotFound, LampworkError):
                event.last = None
            event.invocations += 1
            return True
        return False

    def _age(self, event: Event) -> float:
        return (CLOCK.time() - event.received) / self._time_scale

    async def _tell(self, event: Event, condition: str) -> None:
        config = event.function.on_event
        succeeded = condition == SUCCESS
        if not succeeded:
            logger.error(
                "an event was given up",
                extra={"function": event.function.name, "reason": event.failure or condition},
            )
        if destination := config.on_success if succeeded else config.on_failure:
            await self.outlet.send_record(destination, record_of(event, condition))
        if config.dead_letter and not succeeded:
            await self.outlet.send_dead_letter(
                config.dead_letter, event.payload.decode(), _attributes(event)
            )


def record_of(event: Event, condition: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"""
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso_milliseconds(),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": f"{event.function.arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": event.invocations,
        },
        "requestPayload": json.loads(event.payload),
    }
    if event.last is not None:
        context = {"statusCode": 200, "executedVersion": "$LATEST"}
        if event.last.function_error:
            context["functionError"] = event.last.function_error
        record["responseContext"] = context
        record["responsePayload"] = json.loads(event.last.payload or b"null")
    return record


def _attributes(event: Event) -> Attributes:
    """https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_destinations.snapshot.json"""
    told = event.last.error_message if event.last else event.failure
    message = (told or "")[:LONGEST_ERROR_MESSAGE] or "not invoked"
    status = "200" if event.last else "400" if event.recursion else "429"
    code = {"DataType": "Number", "StringValue": status}
    named = text_attributes({"RequestID": event.request_id, "ErrorMessage": message})
    return {**named, "ErrorCode": code}


def _resolve(future: asyncio.Future[str | None], value: str | None) -> None:
    if not future.done():
        future.set_result(value)
