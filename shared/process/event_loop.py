import asyncio
from collections.abc import Coroutine
from concurrent.futures import wait
from functools import cache
from typing import Any, TypeVar

R = TypeVar("R")

INTERRUPT_CHECK_SECONDS = 0.2


@cache
def event_loop() -> asyncio.AbstractEventLoop:
    """The one loop of this process, so that connections survive between invocations."""
    return asyncio.new_event_loop()


def adopt_loop() -> None:
    """Make the process's loop the current loop of the calling thread."""
    asyncio.set_event_loop(event_loop())


def run(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine to its end on the process's loop.

    In a worker the loop runs in a thread of its own and serves every thread that calls this.
    """
    loop = event_loop()
    return _run_there(loop, coroutine) if loop.is_running() else loop.run_until_complete(coroutine)


def _run_there(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, R]) -> R:
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        # A thread asleep on a lock would not see the exception that ends it at its time limit.
        while not wait((future,), timeout=INTERRUPT_CHECK_SECONDS).done:
            pass
        return future.result()
    finally:
        future.cancel()
