import asyncio
import time

import pytest

from shared.dependencies import (
    PATIENCE,
    PAUSE_SECONDS,
    Dependency,
    NotAnswered,
    Patience,
    no_request,
    one_request,
)

SHORT = 0.02
MOMENT = Patience(request=SHORT, background=SHORT)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock) -> Dependency:
    return Dependency("redis", MOMENT, clock)


async def hang(server: Dependency) -> None:
    """Ask a server that gives no answer."""
    with pytest.raises(TimeoutError):
        async with server.asked():
            await asyncio.Event().wait()


async def is_asked(server: Dependency) -> bool:
    try:
        async with server.asked():
            return True
    except NotAnswered:
        return False


async def test_a_server_that_gives_no_answer_is_left_alone_for_a_moment(server, clock):
    await hang(server)

    clock.now += PAUSE_SECONDS - 0.01
    assert not await is_asked(server)
    clock.now += 0.01
    assert await is_asked(server)


async def test_it_is_asked_as_before_once_it_has_answered(server, clock):
    await hang(server)
    clock.now += PAUSE_SECONDS

    assert [await is_asked(server) for _ in range(3)] == [True] * 3


async def test_only_one_question_finds_out_whether_it_has_come_back(server, clock):
    await hang(server)
    clock.now += PAUSE_SECONDS

    first, second = asyncio.create_task(hang(server)), asyncio.create_task(is_asked(server))
    await first
    assert not await second


async def test_another_silence_begins_another_pause(server, clock):
    await hang(server)
    clock.now += PAUSE_SECONDS
    await hang(server)

    clock.now += PAUSE_SECONDS - 0.01
    assert not await is_asked(server)


async def test_a_refusal_is_an_answer(server, clock):
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            async with server.asked():
                raise ConnectionRefusedError

    assert await is_asked(server)


async def test_who_stops_waiting_says_nothing_about_the_server(server):
    async def ask() -> None:
        async with server.asked():
            await asyncio.Event().wait()

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert await is_asked(server)


async def asked(server: Dependency, seconds: float) -> None:
    """A question that is answered after this time."""
    async with server.asked():
        await asyncio.sleep(seconds)


async def test_a_request_waits_once_for_all_it_asks():
    server = Dependency("redis", Patience(request=0.2, background=None))

    with one_request():
        await asked(server, 0.12)
        with pytest.raises(TimeoutError):
            await asked(server, 0.12)
    with no_request():
        assert not await is_asked(server)


async def test_another_request_has_patience_of_its_own():
    server = Dependency("redis", Patience(request=0.2, background=None))

    for _ in range(3):
        with one_request():
            await asked(server, 0.12)


async def test_a_request_may_have_less_patience():
    server = Dependency("redis", Patience(request=10, background=None))

    with one_request(longest=SHORT), pytest.raises(TimeoutError):
        await asked(server, 5)


async def test_a_question_within_a_question_is_a_part_of_it():
    server = Dependency("redis", Patience(request=0.3, background=None))

    with one_request():
        async with server.asked():
            await asked(server, 0.12)
        await asked(server, 0.12)


async def test_what_a_process_itself_stood_still_does_not_count():
    server = Dependency("redis", Patience(request=0.2, background=0.2))

    async with server.asked():
        time.sleep(0.3)
        await asyncio.sleep(0)

    assert await is_asked(server)


async def test_work_outside_requests_goes_on_asking_what_it_needs(clock):
    server = Dependency("database", Patience(request=SHORT, background=SHORT, needed=True), clock)
    await hang(server)

    assert await is_asked(server)
    await hang(server)
    with one_request():
        assert not await is_asked(server)


def test_a_request_that_misses_every_server_is_answered_within_two_seconds():
    first_asked = PATIENCE["redis"].request + PATIENCE["database"].request

    assert first_asked < 2
    assert PAUSE_SECONDS + first_asked < 5
