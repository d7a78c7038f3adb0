import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from shared.singletons import forget_singletons
from tests.e2e.product import Product, processes_of


def act_as_a_worker_of(product: Product, **variables: str) -> None:
    """Give this process the settings of the product's workers, and these in addition."""
    worker = next(each for each in processes_of(product) if "local.worker:deliver" in each.command)
    lines = Path(f"/proc/{worker.pid}/environ").read_text().rstrip("\0").split("\0")
    os.environ.update(dict(line.split("=", 1) for line in lines))
    os.environ.update(variables)
    forget_singletons()


def private_kilobytes(pid: int) -> float:
    """The memory that only this process holds."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("Private_"))


async def open_many(
    opened: AsyncExitStack, open_one: Callable[[], connect], *, number: int, at_a_time: int = 20
) -> list[ClientConnection]:
    """Open sockets, at most `at_a_time` at once. They close with `opened`."""
    free = asyncio.Semaphore(at_a_time)

    async def opening() -> ClientConnection:
        async with free:
            return await opened.enter_async_context(open_one())

    return await asyncio.gather(*(opening() for _ in range(number)))


async def until_open(port: int) -> None:
    """Wait until something listens on the port.

    Raises:
        TimeoutError: nothing did within 30 s.
    """
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
