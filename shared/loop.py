import asyncio
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

R = TypeVar("R")


@cache
def event_loop() -> asyncio.AbstractEventLoop:
    """The one loop of this process, so that connections survive between invocations."""
    return asyncio.new_event_loop()


def adopt_loop() -> None:
    """Make the process's loop the calling thread's current one."""
    asyncio.set_event_loop(event_loop())


def run(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine to its end on the process's loop."""
    return event_loop().run_until_complete(coroutine)
