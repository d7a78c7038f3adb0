import asyncio
import logging

from lampwork.errors import FunctionNotFound, Throttled, TooManyEnvironments
from lampwork.invocation import Invoker

logger = logging.getLogger(__name__)

# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
RETRY_AFTER_SECONDS = (60.0, 120.0)
THROTTLE_FIRST_SECONDS = 1.0
THROTTLE_LONGEST_SECONDS = 300.0
MAX_EVENT_AGE_SECONDS = 6 * 60 * 60.0


class EventInvocations:
    """Functions invoked without waiting: tried again when they fail, as Lambda does.

    `time_scale` shortens the pauses: 0.1 makes a minute six seconds.
    """

    def __init__(self, invoker: Invoker, *, time_scale: float = 1) -> None:
        self._invoker = invoker
        self._time_scale = time_scale
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, function: str, payload: bytes) -> None:
        task = asyncio.ensure_future(self._run(function, payload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Give up what is not done; a laptop keeps no queue of events over a restart."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, function: str, payload: bytes) -> None:
        for pause in (*RETRY_AFTER_SECONDS, None):
            if await self._succeeds(function, payload):
                return
            if pause is not None:
                await asyncio.sleep(pause * self._time_scale)
        logger.error("an event was given up", extra={"function": function})

    async def _succeeds(self, function: str, payload: bytes) -> bool:
        """One try. Being throttled is none: it waits, longer each time."""
        pause, waited = THROTTLE_FIRST_SECONDS, 0.0
        while waited < MAX_EVENT_AGE_SECONDS:
            try:
                return (await self._invoker.invoke(function, payload)).function_error is None
            except FunctionNotFound:
                return False
            except (Throttled, TooManyEnvironments):
                await asyncio.sleep(pause * self._time_scale)
                waited += pause
                pause = min(pause * 2, THROTTLE_LONGEST_SECONDS)
        return False
