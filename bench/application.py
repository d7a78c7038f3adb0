"""The application's routes through the emulator, beside hello (FastAPI and Mangum through the same
emulator) and beside the same routes in the plainest way (FastAPI, SQLAlchemy, uvicorn, one process)
on a copy of the same database; and the application as one server (`functions.asgi`) without the
emulator. All take turns; a ratio is the median of the rounds' ratios."""

import argparse
import asyncio
import sqlite3
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain, cycle, repeat
from pathlib import Path
from statistics import median
from time import perf_counter

from bench.people import PASSWORD, make_accounts, make_finished_tasks
from bench.plain.passwords import hasher
from bench.plain.serving import copied_database, plain
from bench.product import act_as_a_worker_of
from bench.report import Goal, show_goals, show_table
from bench.requests import Figures, request, send, time_to_answer
from bench.servers import lampwork, uvicorn
from shared.database import engine
from shared.models.user import Plan
from tests.e2e.product import running
from tests.e2e.server import server as server_beside

CLIENTS = 16
WARM_UP_SHARE = 0.5  # of the seconds, for the environments that so many clients need
POSTERS = 128
TASKS_OF_EACH = 10  # fewer than the plan allows, since two of all are claimed and stay
TASKS_SHOWN = 20  # on a page of the list
HASHES = 20
# A POST's goal is for a machine on which uvicorn answers so many hellos a second.
FAST_MACHINE = 12_000
POSTS_THERE = 200
LOGIN_HELLOS = 6  # that a login may take besides argon2
SETTINGS = {
    "GENERATOR_URL": "python:bench.generators:never",
    "RATE_LIMITS": "off",
    "AUTH_ACCESS_TTL_SECONDS": "86400",
    "TASK_REDISPATCH_SECONDS": "86400",
    "TASK_RUN_TIMEOUT_SECONDS": "86400",
}

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Route:
    """A route, and the headers of each person who asks it, so many `times` or without end.

    The goals are the most hellos that one client's p50 may take, and the fewest requests of 16
    clients as a share of those that the plain application answers.
    """

    name: str
    path: str
    people: Sequence[Headers]
    method: str = "GET"
    body: object = None
    times: int | None = None
    hellos: float | None = None
    of_plain: float | None = None

    def clients(self, port: int, number: int) -> list[Iterable[bytes]]:
        """What each client sends, in the name of its share of the people."""
        return [self._requests(port, self.people[first::number]) for first in range(number)]

    def _requests(self, port: int, people: Sequence[Headers]) -> Iterable[bytes]:
        asked = [
            request(port, self.path, method=self.method, headers=headers, body=self.body)
            for headers in people
        ]
        if self.times is None:
            return cycle(asked)
        return chain.from_iterable(repeat(each, self.times) for each in asked)


@dataclass(frozen=True)
class Pair:
    """One measurement of a route on one server."""

    one: Figures
    all: Figures


@dataclass(frozen=True)
class Others:
    """Requests a second that uvicorn answers alone, and milliseconds that argon2 takes alone."""

    uvicorn: float
    argon2: float

    @classmethod
    def medians(cls, rounds: Sequence["Others"]) -> "Others":
        return cls(median(each.uvicorn for each in rounds), median(each.argon2 for each in rounds))


# By the name of a route, then by that of the server: one pair a round.
Measured = dict[str, dict[str, list[Pair]]]

POSTING = "POST /tasks"
LOGIN = "POST /auth/login"
HELLO = Route("hello", "/hello", [{}] * CLIENTS)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench application", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    options = parser.parse_args(arguments)
    asyncio.run(measure(options.rounds, options.seconds))
    return 0


async def measure(rounds: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as opened:
        folder = Path(name)
        product = opened.enter_context(running(folder / "data", environment=SETTINGS))
        act_as_a_worker_of(product)
        routes = await _routes()
        database = copied_database(product, folder)
        peer = opened.enter_context(plain(database, product.data / "keys.json", paints=False))
        hello, bare = opened.enter_context(lampwork()), opened.enter_context(uvicorn())
        one = opened.enter_context(server_beside(product, workers=1))
        ports = {
            "lampwork": product.port,
            "plain": peer.port,
            "one server": one.port,
            "hello": hello.port,
        }
        await time_to_answer(peer.port, "/api/health")
        for each in (hello.port, bare.port):
            await time_to_answer(each, "/hello")
        own_file = product.data / "lampwork.db"
        files = {"lampwork": own_file, "one server": own_file, "plain": database}
        measured: Measured = defaultdict(lambda: defaultdict(list))
        others: list[Others] = []
        for _ in range(rounds):
            bare_pair = await _pair(HELLO, bare.port, seconds)
            others.append(Others(bare_pair.all.per_second, _argon2_milliseconds()))
            for route in routes:
                for server, port in ports.items():
                    asked = HELLO if server == "hello" else route
                    pair = await _pair(asked, port, seconds, file=files.get(server))
                    measured[route.name][server].append(pair)
        await engine().dispose()
    _show(routes, measured)
    show_goals("What must hold", _goals(routes, measured, Others.medians(others)))


async def _routes() -> list[Route]:
    """The routes with the people who ask them, on the database of this process's settings."""
    reader, visitor = await make_accounts(2, Plan.FREE)
    posters = await make_accounts(POSTERS, Plan.PRO)
    task, *_ = await make_finished_tasks(reader.id, TASKS_SHOWN)
    readers: list[Headers] = [reader.headers] * CLIENTS
    anybody: list[Headers] = [{}] * CLIENTS
    return [
        Route("GET /auth/me", "/api/v1/auth/me", readers, hellos=4, of_plain=1.0),
        Route("GET /tasks/{id}", f"/api/v1/tasks/{task}", readers, hellos=4, of_plain=1.0),
        Route(f"GET /tasks ({TASKS_SHOWN})", "/api/v1/tasks", readers),
        Route(
            POSTING,
            "/api/v1/tasks",
            [each.headers for each in posters],
            method="POST",
            body={"prompt": "a lamp", "parameters": {"width": 64, "height": 64}},
            times=TASKS_OF_EACH,
            hellos=10,
        ),
        Route(
            LOGIN,
            "/api/v1/auth/login",
            anybody,
            method="POST",
            body={"email": visitor.email, "password": PASSWORD},
        ),
        Route("GET /api/health", "/api/health", anybody),
        Route("GET /", "/", anybody),
    ]


async def _pair(route: Route, port: int, seconds: float, *, file: Path | None = None) -> Pair:
    """One client after the other many, each with a queue that is empty at first."""

    async def sent(clients: int, seconds: float) -> Figures:
        if route.times is not None and file is not None:
            _forget_waiting_tasks(file)
        return await send(port, route.clients(port, clients), seconds=seconds)

    await sent(CLIENTS, seconds * WARM_UP_SHARE)
    return Pair(one=await sent(1, seconds), all=await sent(CLIENTS, seconds))


def _forget_waiting_tasks(file: Path) -> None:
    with closing(sqlite3.connect(file, timeout=30)) as database, database:
        database.execute("PRAGMA foreign_keys=ON")
        database.execute("DELETE FROM tasks WHERE status = 'queued'")


def _argon2_milliseconds() -> float:
    """How long one password takes, in this process, with the product's setting."""
    stored, times = hasher.hash(PASSWORD), []
    for _ in range(HASHES):
        began = perf_counter()
        hasher.verify(stored, PASSWORD)
        times.append((perf_counter() - began) * 1000)
    return median(times)


def _p50(pairs: Sequence[Pair]) -> float:
    return median(pair.one.p50 for pair in pairs)


def _per_second(pairs: Sequence[Pair]) -> float:
    return median(pair.all.per_second for pair in pairs)


def _hellos(servers: Mapping[str, Sequence[Pair]]) -> float:
    rounds = zip(servers["lampwork"], servers["hello"], strict=True)
    return median(ours.one.p50 / hello.one.p50 for ours, hello in rounds)


def _of_plain(servers: Mapping[str, Sequence[Pair]]) -> float:
    rounds = zip(servers["lampwork"], servers["plain"], strict=True)
    return median(ours.all.per_second / plain.all.per_second for ours, plain in rounds)


def _show(routes: Sequence[Route], measured: Measured) -> None:
    p50s = ["p50 ms", "hellos", "plain, ms", "one server, ms"]
    many = [
        f"{CLIENTS} clients, /s",
        "of plain",
        "plain, /s",
        "one server, /s",
        "p99 ms",
        "refused",
    ]
    rows = [[route.name, *_cells(measured[route.name])] for route in routes]
    hellos = [pair for servers in measured.values() for pair in servers["hello"]]
    hello = [f"{_p50(hellos):.2f}", "1.0", "", "", f"{_per_second(hellos):,.0f}"]
    title = (__doc__ or "").strip()
    show_table(title, ["", *p50s, *many], [*rows, ["hello", *hello]])


def _cells(servers: Mapping[str, Sequence[Pair]]) -> list[str]:
    ours, plain, one = servers["lampwork"], servers["plain"], servers["one server"]
    return [
        *(f"{_p50(ours):.2f}", f"{_hellos(servers):.1f}"),
        *(f"{_p50(plain):.2f}", f"{_p50(one):.2f}"),
        *(f"{_per_second(ours):,.0f}", f"{_of_plain(servers):.2f}"),
        *(f"{_per_second(plain):,.0f}", f"{_per_second(one):,.0f}"),
        *(f"{max(pair.all.p99 for pair in ours):.0f}", _refused(ours)),
    ]


def _refused(pairs: Sequence[Pair]) -> str:
    """Answers that are no success, by status."""
    refused = sum((each.refused for pair in pairs for each in (pair.one, pair.all)), Counter[int]())
    return ", ".join(f"{status}: {n}" for status, n in sorted(refused.items())) or "none"


def _goals(routes: Sequence[Route], measured: Measured, others: Others) -> list[Goal]:
    goals = []
    for route in routes:
        servers = measured[route.name]
        if route.hellos is not None:
            goals.append(Goal.at_most(f"{route.name}, hellos", route.hellos, _hellos(servers)))
        if route.of_plain is not None:
            what = f"… {CLIENTS} clients, of the plain application"
            goals.append(Goal.at_least(what, route.of_plain, _of_plain(servers)))
    posts, login = measured[POSTING]["lampwork"], measured[LOGIN]
    scaled = POSTS_THERE * others.uvicorn / FAST_MACHINE
    longest = others.argon2 + LOGIN_HELLOS * _p50(login["hello"])
    return [
        *goals,
        Goal.at_least(f"{POSTING}, {CLIENTS} clients, /s", round(scaled, 1), _per_second(posts)),
        Goal.at_most(
            f"{LOGIN} p50, ms",
            round(longest, 1),
            _p50(login["lampwork"]),
            {"argon2 alone": others.argon2},
        ),
    ]
