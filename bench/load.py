"""Fifty people submit five tasks each at the same moment and follow every one over a socket: what
`make dev` starts, beside the plain application (one process, and the same painter in a pool)."""

import argparse
import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from bench.crowd import Seen, come_at_once, orders
from bench.people import make_accounts
from bench.plain.painting import make_pool, paint
from bench.plain.serving import copied_database, plain
from bench.process_memory import Memory, memory_peak
from bench.product import act_as_a_worker_of
from bench.report import Goal, show_goals
from bench.requests import percentile, time_to_answer
from bench.visitors import sign_up_many
from shared.database import engine
from shared.models.user import Plan
from tests.e2e.product import running

MOST_MILLISECONDS = 2000  # p99 of POSTs and of handshakes
MOST_OF_PAINTER = 1.2
MOST_MEGABYTES = 1024
SETTINGS = {"AUTH_ACCESS_TTL_SECONDS": "86400"}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench load", description=__doc__)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--tasks", type=int, default=5, help="of each; the free plan allows five")
    parser.add_argument("--port", type=int, help="of a stack that runs here already: that alone")
    options = parser.parse_args(arguments)
    if options.port:
        asyncio.run(_measure_there(options.port, options.users, options.tasks))
    else:
        asyncio.run(_measure(options.users, options.tasks))
    return 0


@dataclass(frozen=True)
class Load:
    """What a crowd saw of a server, the server's memory, and the seconds that the painter alone
    took for the same pictures, before and after in the mean."""

    seen: Seen
    memory: Memory
    painter: float


async def _measure(users: int, tasks: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = await asyncio.to_thread(_paint_all, users * tasks)
        with running(folder / "data", environment=SETTINGS, reload=True) as product:
            act_as_a_worker_of(product)
            first, *people = [each.headers for each in await make_accounts(users + 1, Plan.FREE)]
            await engine().dispose()
            database = copied_database(product, folder)
            ours, our_memory = await _load(product.port, product.process.pid, first, people, tasks)
        between = await asyncio.to_thread(_paint_all, users * tasks)
        with plain(database, product.data / "keys.json", paints=True) as served:
            await time_to_answer(served.port, "/api/health")
            theirs, their_memory = await _load(served.port, served.pid, first, people, tasks)
        after = await asyncio.to_thread(_paint_all, users * tasks)
    _show(
        users * tasks,
        Load(ours, our_memory, (before + between) / 2),
        Load(theirs, their_memory, (between + after) / 2),
    )


async def _measure_there(port: int, users: int, tasks: int) -> None:
    """A stack that runs already has its own database, so people sign up; its memory is not seen."""
    people = await asyncio.to_thread(sign_up_many, port, users)
    before = await asyncio.to_thread(_paint_all, users * tasks)
    seen = await come_at_once(port, people, tasks)
    after = await asyncio.to_thread(_paint_all, users * tasks)
    _show(users * tasks, Load(seen, Memory(), (before + after) / 2), None)


async def _load(
    port: int, pid: int, first: Mapping[str, str], people: Sequence[Mapping[str, str]], tasks: int
) -> tuple[Seen, Memory]:
    """One person comes before the others, as somebody always does."""
    await come_at_once(port, [first], 1)
    async with memory_peak(pid) as memory:
        return await come_at_once(port, people, tasks), memory


def _paint_all(number: int) -> float:
    """Seconds that the painter alone takes for the crowd's pictures, in a process for each core."""
    with make_pool() as pool:
        began = perf_counter()
        painting = [
            pool.submit(paint, each["prompt"], each["parameters"]) for each in orders(number)
        ]
        for each in painting:
            each.result()
        return perf_counter() - began


def _show(tasks: int, ours: Load, theirs: Load | None) -> None:
    peers = {"plain": theirs} if theirs else {}

    def at_most(limit: float, what: str, figure: Callable[[Load], float]) -> Goal:
        return Goal.at_most(what, limit, figure(ours), _of(peers, figure))

    def figure(what: str, figure: Callable[[Load], float]) -> Goal:
        return Goal.without_limit(what, figure(ours), _of(peers, figure))

    goals = [
        at_most(0, "errors", lambda load: load.seen.errors.total()),
        at_most(0, f"tasks of {tasks} without a picture", lambda load: tasks - _completed(load)),
        figure("POST p50, ms", lambda load: percentile(load.seen.posts, 50)),
        at_most(MOST_MILLISECONDS, "… p99, ms", lambda load: percentile(load.seen.posts, 99)),
        at_most(
            MOST_MILLISECONDS,
            "handshake p99, ms",
            lambda load: percentile(load.seen.handshakes, 99),
        ),
        figure("all finished after, s", lambda load: load.seen.seconds),
        at_most(
            MOST_OF_PAINTER, "… of the painter alone", lambda load: load.seen.seconds / load.painter
        ),
    ]
    if ours.memory.pss:
        goals.append(at_most(MOST_MEGABYTES, "memory, PSS MB", lambda load: load.memory.pss))
    show_goals((__doc__ or "").strip(), goals)
    for name, load in {"lampwork": ours, **peers}.items():
        print(f"{name}: ended {_listed(load.seen.ends)}; errors {_listed(load.seen.errors)}")


def _of(peers: Mapping[str, Load], figure: Callable[[Load], float]) -> dict[str, float]:
    return {name: figure(load) for name, load in peers.items()}


def _completed(load: Load) -> int:
    return load.seen.ends["completed"]


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in counted.most_common()) or "none"
