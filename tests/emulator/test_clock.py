"""The time that a test can move."""

import asyncio
from datetime import timedelta

import pytest

from lampwork.clock import Clock


async def test_what_waits_is_called_in_its_order_when_the_time_is_moved() -> None:
    clock, called = Clock(), list[int]()
    for hours in (3, 1, 2, 5):
        clock.call_later(hours * 3600, lambda hours=hours: called.append(hours))  # type: ignore[misc]

    clock.advance(4 * 3600)

    assert called == [1, 2, 3]
    assert clock.next_due() == pytest.approx(3600, abs=60)


async def test_a_cancelled_call_does_not_come() -> None:
    clock, called = Clock(), list[int]()
    clock.call_later(60, lambda: called.append(1)).cancel()

    clock.advance(61)

    assert called == []
    assert clock.next_due() is None


async def test_who_sleeps_wakes_when_the_time_is_moved() -> None:
    clock, hour = Clock(), timedelta(hours=1)
    asleep = asyncio.create_task(clock.sleep(hour.total_seconds()))
    until = asyncio.create_task(clock.sleep_until(clock.now() + hour))
    await asyncio.sleep(0)

    clock.advance(3601)

    await asyncio.gather(asleep, until)
    assert clock.next_due() is None


async def test_the_time_since_1970_goes_back_and_the_other_does_not() -> None:
    clock = Clock()
    day, began = clock.time(), clock.monotonic()
    clock.advance(86_400)
    assert clock.time() >= day + 86_400

    clock.back_to_now()

    assert clock.time() < day + 86_400
    assert clock.monotonic() >= began + 86_400
