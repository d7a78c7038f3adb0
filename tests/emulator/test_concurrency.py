import asyncio

import pytest

from lampwork.concurrency import unless


class Failed(Exception):
    pass


async def fail_at(begun: asyncio.Event) -> None:
    await begun.wait()
    raise Failed("meanwhile")


async def test_a_failure_meanwhile_ends_what_is_done_and_is_what_is_raised():
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


async def test_the_failure_of_what_is_done_is_raised_as_it_is():
    with pytest.raises(KeyError):
        async with unless(asyncio.Event().wait()):
            raise KeyError


async def test_what_is_done_without_a_failure_is_not_held_up():
    done = False

    async with asyncio.timeout(10), unless(asyncio.Event().wait()):
        done = True

    assert done


async def test_what_is_done_can_be_cancelled():
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
