import asyncio
from collections.abc import Coroutine
from typing import Any


async def run_all(*work: Coroutine[Any, Any, object]) -> None:
    """Do all at once; the first to fail ends the others and is what is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
