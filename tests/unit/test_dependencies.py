import asyncio

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


async def test_a_request_waits_once_for_all_it_asks(clock):
    server = Dependency("redis", Patience(request=1, background=None), clock)

    with one_request():
        for _ in range(4):
            async with server.asked():
                clock.now += 0.25

        assert not await is_asked(server)
    with one_request():
        assert await is_asked(server)


async def test_a_request_may_have_less_patience(clock):
    server = Dependency("redis", Patience(request=1, background=None), clock)

    with one_request(longest=0.5):
        async with server.asked():
            clock.now += 0.5

        assert not await is_asked(server)
        with no_request():
            assert await is_asked(server)


async def test_a_question_within_a_question_is_a_part_of_it(clock):
    server = Dependency("redis", Patience(request=1, background=None), clock)

    with one_request():
        async with server.asked():
            clock.now += 0.5
            async with server.asked():
                clock.now += 0.25

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
