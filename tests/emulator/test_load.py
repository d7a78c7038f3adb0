"""Many people at once: slower, but nothing is refused and no more processes run than help."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from lampwork.invocation.streamed_call import StreamedCall
from lampwork.invocation.timed_call import IntegrationTimeout, call
from lampwork.runtime.admission.machine import Machine
from tests.emulator.fakes import FakeInvoker
from tests.emulator.runtime_fixtures import function, running

USERS = 20
COMPUTES = """
    def handler(event, context):
        sum(range(100_000))
"""
WAITS = """
    import os, time

    def handler(event, context):
        print(event)
        while not os.path.exists("release"):
            time.sleep(0.01)
        return os.getpid()
"""
RELEASES = """
    import pathlib

    def handler(event, context):
        pathlib.Path("release").touch()
"""


async def test_twenty_users_of_six_functions_get_no_more_environments_than_cores_can_serve(
    tmp_path: Path,
) -> None:
    names = [f"app{number}" for number in range(6)]
    most = 0

    async with running(*(function(tmp_path, COMPUTES, name=name) for name in names)) as run:

        async def ask(name: str) -> None:
            nonlocal most
            await run.result(name)
            most = max(most, sum(pool.size for pool in run.functions._pools.values()))

        async def user() -> None:
            for _ in range(3):
                await asyncio.gather(*map(ask, names))

        await asyncio.gather(*(user() for _ in range(USERS)))

    # One of each, and one more than there are cores. On a busy machine one may seem to wait that
    # only waits for its memory.
    assert most <= Machine().cores + 1 + 2 * len(names) - 1


async def test_requests_that_wait_are_not_limited_to_cores(tmp_path: Path) -> None:
    """As when each asks a service far away."""
    wanted = 3 * Machine().cores + 4

    async with running(function(tmp_path, WAITS, timeout_seconds=60)) as run:
        requests = [asyncio.create_task(run.result(event=str(n))) for n in range(wanted)]
        for number in range(wanted):
            await run.printed(str(number))
        (tmp_path / "release").touch()
        pids = await asyncio.gather(*requests)

    assert len(set(pids)) == wanted


async def test_a_function_for_which_others_wait_is_not_kept_waiting(tmp_path: Path) -> None:
    busy = [f"busy{number}" for number in range((os.cpu_count() or 1) + 1)]
    computes = (
        "import os\ndef handler(event, context):\n    while not os.path.exists('release'): pass"
    )

    async with running(
        *(function(tmp_path, computes, name=name, timeout_seconds=60) for name in busy),
        function(tmp_path, WAITS, name="waits", timeout_seconds=60),
        function(tmp_path, RELEASES, name="releases"),
    ) as run:
        computing = [asyncio.create_task(run.invoke(name)) for name in (*busy, *busy)]
        waiting = asyncio.create_task(run.invoke("waits", "begun"))
        await run.printed("begun")
        await run.invoke("releases")

        for ended in await asyncio.gather(waiting, *computing):
            assert ended.function_error is None


async def test_a_request_whose_caller_has_given_up_before_it_began_does_not_run(
    tmp_path: Path,
) -> None:
    app = function(tmp_path, WAITS, timeout_seconds=60)

    async with running(app, max_environments=1, queue_seconds=0.1) as run:
        first = asyncio.create_task(run.invoke(event="first"))
        await run.printed("first")
        left = asyncio.create_task(run.invoke(event="left"))
        await asyncio.sleep(0)
        left.cancel()
        pool = run.functions._pools[app.logical_id]
        while pool.has_waiting:
            await asyncio.sleep(0.01)
        (tmp_path / "release").touch()
        await first
        await run.invoke(event="last")

    assert [line for _, line in run.lines if line in {"first", "left", "last"}] == ["first", "last"]


# What a gateway waits for


class Jumping(asyncio.SelectorEventLoop):
    """A loop whose clock is set forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


class InLine(FakeInvoker):
    """Where a request waits for an environment for 40 s and then runs for 40 s."""

    async def invoke(self, function, payload, *, on_begin=None, **more):
        loop = asyncio.get_running_loop()
        loop.ahead += 40  # type: ignore[attr-defined]
        if on_begin:
            on_begin()
        loop.ahead += 40  # type: ignore[attr-defined]
        for _ in range(3):  # what is due by now has its turn
            await asyncio.sleep(0)
        return await super().invoke(function, payload, **more)


async def called(invoker: InLine, seconds: float) -> bytes:
    return (await call(invoker, "work", {}, seconds)).payload


async def streamed(invoker: InLine, seconds: float) -> bytes:
    whole = await StreamedCall(invoker, "work", b"{}", seconds=seconds).begun()
    assert whole is not None
    return whole.payload


@pytest.mark.parametrize("ask", [called, streamed])
def test_the_time_in_line_is_not_taken_from_that_of_the_function(
    ask: Callable[[InLine, float], Coroutine[Any, Any, bytes]],
) -> None:
    with asyncio.Runner(loop_factory=Jumping) as runner:
        assert runner.run(ask(InLine(work=lambda event: "done"), 60)) == b'"done"'


@pytest.mark.parametrize("ask", [called, streamed])
def test_a_function_that_takes_too_long_after_its_time_in_line_is_answered_as_late(
    ask: Callable[[InLine, float], Coroutine[Any, Any, bytes]],
) -> None:
    with asyncio.Runner(loop_factory=Jumping) as runner, pytest.raises(IntegrationTimeout):
        runner.run(ask(InLine(work=lambda event: "done"), 39))
