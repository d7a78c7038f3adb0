import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


async def run_all(*work: Coroutine[Any, Any, object]) -> None:
    """Run all of it at once. The first failure cancels the rest and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


@asynccontextmanager
async def unless(failing: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Do what is done within; if `failing` fails meanwhile, end that and raise the failure."""
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(failing)
            yield
            task.cancel()
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
