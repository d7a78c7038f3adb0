import asyncio

import pytest

from lampwork.concurrency import unless


class Failed(Exception):
    pass


async def fail_at(begun: asyncio.Event) -> None:
    await begun.wait()
    raise Failed("meanwhile")


async def test_a_failure_of_the_background_task_ends_the_work_and_is_raised():
    begun = asyncio.Event()
    ended = False

    async def work() -> None:
        nonlocal ended
        async with unless(fail_at(begun)):
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended = True

    with pytest.raises(Failed, match="meanwhile"):
        await work()

    assert ended


async def test_a_failure_of_the_work_is_raised_unchanged():
    with pytest.raises(KeyError):
        async with unless(asyncio.Event().wait()):
            raise KeyError


async def test_work_without_a_failure_is_not_delayed():
    done = False

    async with asyncio.timeout(10), unless(asyncio.Event().wait()):
        done = True

    assert done


async def test_the_work_can_be_cancelled():
    async def work() -> None:
        async with unless(asyncio.Event().wait()):
            begun.set()
            await asyncio.Event().wait()

    begun = asyncio.Event()
    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
