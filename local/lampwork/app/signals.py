import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import uvloop

T = TypeVar("T")

ENDING: Final = (signal.SIGINT, signal.SIGTERM)


def run_until_signalled(work: Coroutine[Any, Any, T]) -> T | None:
    """Run the work and return its result. Ctrl-C or SIGTERM cancels it; then the result is None."""
    try:
        return uvloop.run(_until_signalled(work))
    except asyncio.CancelledError:
        return None


async def _until_signalled(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for number in ENDING:
        # A shell that starts a program in the background sets SIGINT to be ignored; handle it even
        # then.
        loop.add_signal_handler(number, _cancel_once, task)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # ignored under nohup: keep it so
        loop.add_signal_handler(signal.SIGHUP, _cancel_once, task)
    return await task


def _cancel_once(task: asyncio.Task[Any]) -> None:
    # `make` forwards a SIGTERM that its process group has already received. The second signal must
    # not interrupt the clean-up that the first one began.
    if not task.cancelling():
        task.cancel()
