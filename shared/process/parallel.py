import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from time import monotonic
from typing import TypeVar

T = TypeVar("T")


async def for_each(
    items: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_a_time: int
) -> None:
    """Do the work of each item in this order, with `at_a_time` workers.

    An error stops the worker that met it. It is raised once all others have ended, so that nothing
    still runs when this returns.
    """
    todo = iter(items)
    results = await asyncio.gather(
        *(_work(todo, work) for _ in range(at_a_time)), return_exceptions=True
    )
    for result in results:
        if result is not None:
            raise result


def within(seconds: float, items: Iterable[T]) -> Iterator[T]:
    """The items, until this much time has passed since the first was asked for."""
    end = monotonic() + seconds
    for item in items:
        if monotonic() >= end:
            return
        yield item


async def _work(todo: Iterator[T], work: Callable[[T], Awaitable[None]]) -> None:
    for item in todo:
        await work(item)
