"""Tasks a second with a generator that does nothing, beside procrastinate and Dramatiq alone.

All have the same PostgreSQL and Redis and two worker processes, and take turns. A job of the peers
does nothing. A task of ours is claimed, published, stored, completed and published; its storage is
a stand-in that takes everything at once, since the peers store nothing.
"""

from contextlib import AsyncExitStack
from statistics import median

from bench.queue import ours, peers
from bench.queue.peers import Run
from bench.queue.servers import Servers, servers
from bench.report import Goal
from bench.requests import load, time_to_answer
from bench.servers import uvicorn

JOBS = 400
WARM_UP = 40
ROUNDS = 3
CONCURRENCIES = (1, 10)
OF_PROCRASTINATE = 0.8
# Figures with a goal are scaled to a machine on which uvicorn answers so many requests a second.
FAST_HELLOS = 12_000
SQLITE_A_SECOND = 150


async def measure() -> list[Goal]:
    with servers() as given:
        beside = [goal for number in CONCURRENCIES for goal in await _beside(given, number)]
        return [*beside, await _on_sqlite(given)]


async def _beside(given: Servers, concurrency: int) -> list[Goal]:
    async with AsyncExitStack() as opened:
        runners: dict[str, Run] = {
            "lampwork": await opened.enter_async_context(
                ours.working(given, given.postgresql_url, concurrency)
            ),
            "procrastinate": await opened.enter_async_context(
                peers.procrastinate(given, concurrency)
            ),
            "Dramatiq alone": await opened.enter_async_context(peers.dramatiq(given, concurrency)),
        }
        for run in runners.values():
            await run(WARM_UP)
        rounds = [{name: await run(JOBS) for name, run in runners.items()} for _ in range(ROUNDS)]
    figures = {name: median(each[name] for each in rounds) for name in runners}
    ratio = median(each["lampwork"] / each["procrastinate"] for each in rounds)
    mine = figures.pop("lampwork")
    return [
        Goal.without_limit(f"PostgreSQL, {concurrency} at once: tasks a second", mine, figures),
        Goal.at_least("… of procrastinate", OF_PROCRASTINATE, ratio),
    ]


async def _on_sqlite(given: Servers) -> Goal:
    async with ours.working(given, given.sqlite_url, max(CONCURRENCIES)) as run:
        await run(WARM_UP)
        figure = median([await run(JOBS) for _ in range(ROUNDS)])
    hellos = await _hellos_per_second()
    print(f"SQLite: {figure:.0f} tasks a second where uvicorn answers {hellos:.0f} hellos a second")
    what = f"SQLite, {max(CONCURRENCIES)} at once: tasks a second, on a fast machine's scale"
    return Goal.at_least(what, SQLITE_A_SECOND, figure * FAST_HELLOS / hellos)


async def _hellos_per_second() -> float:
    with uvicorn() as served:
        await time_to_answer(served.port, "/hello")
        return (await load(served.port, "/hello", connections=16, seconds=2)).per_second
