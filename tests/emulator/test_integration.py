"""How long a gateway waits for a function."""

import asyncio

import pytest

from lampwork.invocation.timed_call import IntegrationTimeout, call
from tests.emulator.fakes import FakeInvoker


async def forever(event: object) -> None:
    await asyncio.Event().wait()


async def test_a_caller_does_not_wait_for_a_function_that_takes_too_long() -> None:
    invoker = FakeInvoker(slow=forever, quick=lambda event: event)

    with pytest.raises(IntegrationTimeout):
        await call(invoker, "slow", {}, 0.01)

    caller = asyncio.current_task()
    assert caller is not None
    assert not caller.cancelling()
    assert (await call(invoker, "quick", {}, 5)).payload == b"{}"


async def test_a_cancelled_caller_gets_no_timeout_error() -> None:
    invoker = FakeInvoker(slow=forever)
    calling = asyncio.create_task(call(invoker, "slow", {}, 5))
    await invoker.event("slow")

    calling.cancel()

    with pytest.raises(asyncio.CancelledError):
        await calling


async def test_an_answer_in_time_leaves_no_limit_behind() -> None:
    await call(FakeInvoker(quick=lambda event: event), "quick", {}, 0.02)

    await asyncio.sleep(0.05)
