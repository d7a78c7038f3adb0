"""A server stands still: it takes questions and answers none. Every route answers in time all the
same, with a status that is documented, and all is well soon after the server goes on.
"""

import asyncio
import json
import re
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from signal import SIGCONT, SIGSTOP
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.conftest import ROOT
from tests.e2e.conftest import MANY_SIGN_UPS
from tests.e2e.product import (
    LAMPWORK,
    Person,
    Product,
    all_processes,
    running,
    sign_up,
)
from tests.services import PostgresqlServer, postgresql_server
from tests.waiting import until

ANSWER_SECONDS = 2.0
HEAL_SECONDS = 5.0
AT_ONCE_SECONDS = 0.8  # less than a function waits for a database
AT_A_TIME = 10

SMALL = {"width": 64, "height": 64}
NO_TOKEN = {"token": "x" * 43}
PASSWORD = {"password": "another long pass phrase"}
# What a route needs to come as far as the servers that it asks. A new route is asked with an empty
# body until it has its own here.
BODIES: Mapping[str, Mapping[str, Any]] = {
    "POST /api/v1/auth/email/change": {"email": "new@example.com"},
    "POST /api/v1/auth/email/confirm": NO_TOKEN,
    "POST /api/v1/auth/login": {"email": "nobody@example.com", **PASSWORD},
    "POST /api/v1/auth/password/change": {
        "current_password": "a wrong password",
        "new_password": "another long pass phrase",
    },
    "POST /api/v1/auth/password/forgot": {"email": "nobody@example.com"},
    "POST /api/v1/auth/password/reset": {**NO_TOKEN, **PASSWORD},
    "POST /api/v1/auth/reauthenticate": PASSWORD,
    "POST /api/v1/auth/refresh": {"refresh_token": "x" * 43},
    "POST /api/v1/auth/verify": NO_TOKEN,
    "POST /api/v1/auth/verify/resend": {"email": "nobody@example.com"},
    "PATCH /api/v1/auth/me": {"display_name": "Ada"},
    "POST /api/v1/tasks": {"prompt": "a quiet harbour", "parameters": SMALL},
}
ENDS_THE_SESSION = {"POST /api/v1/auth/logout", "DELETE /api/v1/auth/me"}


@dataclass(frozen=True)
class Answer:
    route: str
    status: int
    seconds: float
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.route}: {self.status} after {self.seconds:.2f} s: {self.body[:120]!r}"


@dataclass
class World:
    """The product over a PostgreSQL and a Redis that can be stopped, and somebody who uses it."""

    product: Product
    postgresql: PostgresqlServer
    ada: Person
    spare: Person
    task_id: str

    @contextmanager
    def still(self, server: str) -> Iterator[None]:
        """A server that stands still until the end of the block."""
        pids = self._pids(server)
        for pid in pids:
            _signal(pid, SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                _signal(pid, SIGCONT)

    def _pids(self, server: str) -> list[int]:
        if server == "redis":
            return [int((self.product.data / "run" / "redis.pid").read_text().split()[0])]
        children = [p.pid for p in all_processes() if p.parent == self.postgresql.pid]
        return [self.postgresql.pid, *children]


def _signal(pid: int, which: Any) -> None:
    subprocess.run(["kill", f"-{int(which)}", str(pid)], check=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    data = tmp_path_factory.mktemp("hanging") / "data"
    with postgresql_server() as server:
        environment = {**MANY_SIGN_UPS, "DATABASE_URL": f"{server.address}/postgres"}
        with (
            running(data, environment=environment) as product,
            sign_up(product) as ada,
            sign_up(product) as spare,
        ):
            task_id = ada.submit("a lighthouse", **SMALL)["id"]
            until(lambda: ada.client.get(f"/tasks/{task_id}").json()["terminal"])
            made = World(product, server, ada, spare, task_id)
            # And every function has its process: to start one may take a busy machine seconds.
            asyncio.run(start_all(made))
            yield made


def routes() -> list[str]:
    """Every route of the template, as `METHOD /path`."""
    listed = subprocess.run(
        [LAMPWORK, "routes"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [
        f"{method} {path}"
        for method, path in re.findall(r"^ +([A-Z]+) +(/\S*) ", listed, re.MULTILINE)
        if method != "WS"
    ]


@asynccontextmanager
async def visitor(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=world.product.origin, timeout=60) as client:
        yield client


async def ask(client: httpx.AsyncClient, world: World, route: str) -> Answer:
    method, _, path = route.partition(" ")
    person = world.spare if route in ENDS_THE_SESSION else world.ada
    names = {"task_id": world.task_id, "asset": "swagger-ui.css", "version": "1", "name": "x.js"}
    body = dict(BODIES.get(route, {}))
    if route == "POST /api/v1/auth/register":
        body = {"email": f"{secrets.token_hex(6)}@example.com", **PASSWORD}
    if route == "DELETE /api/v1/tasks/{task_id}":
        names["task_id"] = world.spare.user_id  # there is no such task
    url = re.sub(r"{(\w+)}", lambda found: names.get(found[1], world.ada.user_id), path)
    began = time.monotonic()
    answer = await client.request(
        method,
        url,
        headers={"Authorization": f"Bearer {person.token}"},
        json=None if method == "GET" else body,
    )
    seconds = time.monotonic() - began
    return Answer(route, answer.status_code, seconds, answer.headers, answer.content)


async def ask_twice(world: World, route: str) -> Answer:
    """The second answer: by the first one the function knows that a server gives none."""
    async with visitor(world) as client:
        await ask(client, world, route)
        return await ask(client, world, route)


async def ask_all(world: World) -> list[Answer]:
    places = asyncio.Semaphore(AT_A_TIME)

    async def one(route: str) -> Answer:
        async with places:
            return await ask(client, world, route)

    async with visitor(world) as client:
        return await asyncio.gather(*map(one, routes()))


def is_documented(answer: Answer) -> bool:
    """Whether the schema names the status, or the answer is a problem that says what to do."""
    method, _, path = answer.route.partition(" ")
    schema = json.loads((ROOT / "functions" / "docs" / "openapi.json").read_text())
    if str(answer.status) in schema["paths"].get(path, {}).get(method.lower(), {})["responses"]:
        return True
    if answer.headers.get("content-type") != "application/problem+json":
        return False
    code = json.loads(answer.body)["code"]
    return 400 <= answer.status < 500 or (
        (answer.status, code) == (503, "unavailable") and "retry-after" in answer.headers
    )


def problems_of(answers: list[Answer]) -> list[str]:
    in_schema = json.loads((ROOT / "functions" / "docs" / "openapi.json").read_text())["paths"]
    return [
        str(answer)
        for answer in answers
        if answer.seconds > ANSWER_SECONDS
        or (answer.status >= 500 and answer.status != 503)
        or (answer.route.partition(" ")[2] in in_schema and not is_documented(answer))
    ]


async def wait_until_well(world: World) -> float:
    """Wait until people can sign in, submit, and watch again; returns the seconds it took."""
    began = time.monotonic()
    async with visitor(world) as client:
        for route in ("GET /api/health", "POST /api/v1/auth/login", "POST /api/v1/tasks"):
            while (await ask(client, world, route)).status >= 500:
                await asyncio.sleep(0.1)
        while (await client.get("/api/health")).json()["status"] != "ok":
            await asyncio.sleep(0.1)
    return time.monotonic() - began


async def connect(world: World) -> tuple[int, float]:
    began = time.monotonic()
    try:
        async with world.ada.socket(world.task_id):
            status = 101
    except InvalidStatus as refused:
        status = refused.response.status_code
    return status, time.monotonic() - began


async def start_all(world: World) -> None:
    await ask_all(world)
    await connect(world)


async def test_every_route_answers_in_time_while_redis_stands_still(world):
    with world.still("redis"):
        answers = await ask_all(world)
        status, seconds = await connect(world)
    healed = await wait_until_well(world)

    assert problems_of(answers) == []
    refused = {answer.route for answer in answers if answer.status == 503}
    assert refused <= {"POST /api/v1/tasks/{task_id}/ws-ticket"}
    assert (status, seconds < ANSWER_SECONDS) == (503, True)
    assert healed < HEAL_SECONDS


async def test_every_route_answers_in_time_while_postgresql_stands_still(world):
    with world.still("postgresql"):
        answers = await ask_all(world)
        again = await ask_twice(world, "GET /api/v1/auth/me")
        status, seconds = await connect(world)
        async with visitor(world) as client:
            health = await ask(client, world, "GET /api/health")
    healed = await wait_until_well(world)

    assert problems_of(answers) == []
    assert (again.status, again.seconds < AT_ONCE_SECONDS) == (503, True)
    assert (status, seconds < ANSWER_SECONDS) == (503, True)
    assert (health.status, health.seconds < 1) == (503, True)
    assert healed < HEAL_SECONDS


async def test_every_route_answers_in_time_while_both_stand_still(world):
    with world.still("redis"), world.still("postgresql"):
        answers = await ask_all(world)
    healed = await wait_until_well(world)

    assert problems_of(answers) == []
    assert healed < HEAL_SECONDS


async def test_a_task_that_ran_meanwhile_completes_and_is_told_of(world):
    with sign_up(world.product) as person:
        task = await asyncio.to_thread(person.submit, "a storm", width=512, height=512)
        for server in ("redis", "postgresql"):
            with world.still(server):
                await ask_twice(world, "POST /api/v1/tasks")
        async with asyncio.timeout(60):
            frames = await person.watch(task["id"])

    assert (frames[-1]["status"], frames[-1]["attempt"]) == ("completed", 1)
