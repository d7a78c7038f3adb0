"""Each server is paused, as by a full disk or a lost network: it takes questions and answers none.

Somebody uses the product all the while. `make stack-test PAUSE_SECONDS=60` pauses for longer, and
waits for the alert too.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from local.demo import sign_up
from local.stack import Stack, StackError
from tests.stack.test_failures import HEALED_SECONDS, ORDER, all_ended, is_firing, read, until

pytestmark = pytest.mark.stack
PAUSE_SECONDS = float(os.environ.get("PAUSE_SECONDS", "10"))
ALERT_SECONDS = 45.0
# Beyond what an answer takes anyway, since a machine of tests has many other things to do.
ANSWER_SECONDS = 2.0
CALM_SECONDS = 1.0
EACH_SECONDS = 0.25
SUBMISSIONS = 3  # the smallest plan allows five tasks at once
FREEZE_TRIES = 10
BROWSER = {"Accept": "text/html"}


@dataclass(frozen=True)
class Hang:
    """What people see while the service hangs, beside what they always see."""

    service: str
    alerts: frozenset[str]
    dependency: str | None = None
    refused: frozenset[str] = frozenset()


HANGS = [
    Hang("rabbitmq", frozenset({"TargetDown"}), "queue"),
    Hang("redis", frozenset({"RedisDown", "TargetDown"}), "redis"),
    Hang("minio", frozenset({"TargetDown"}), "storage", frozenset({"picture"})),
    Hang("worker", frozenset({"TargetDown"})),
    Hang(
        "postgres",
        frozenset({"PostgresDown", "TargetDown"}),
        "database",
        frozenset({"POST /tasks", "GET /tasks", "GET /tasks/{task_id}", "health"}),
    ),
    Hang(
        "backend",
        frozenset({"TargetDown"}),
        refused=frozenset({"POST /tasks", "GET /tasks", "GET /tasks/{task_id}", "health"}),
    ),
]


@dataclass(frozen=True)
class Seen:
    what: str
    status: int
    seconds: float
    headers: httpx.Headers
    body: str

    def __str__(self) -> str:
        return f"{self.what}: {self.status} after {self.seconds:.2f} s: {self.body[:120]}"


@dataclass
class User:
    """Submits, looks at tasks and pictures, and at health, over and over."""

    api: httpx.AsyncClient
    picture: str
    accepted: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    async def use(self, until: float) -> None:
        asked = [self._submit(until), self._look(until), self._watch_health(until)]
        await asyncio.gather(*asked)

    async def _submit(self, until: float) -> None:
        async for _ in rounds(until, PAUSE_SECONDS / SUBMISSIONS):
            answer = await self._ask("POST /tasks", "POST", "/tasks", json=ORDER)
            if answer.status_code == 202:
                self.accepted.append(answer.json()["id"])

    async def _look(self, until: float) -> None:
        async for _ in rounds(until, EACH_SECONDS):
            await self._ask("GET /tasks", "GET", "/tasks")
            await self._ask("GET /tasks/{task_id}", "GET", f"/tasks/{self.accepted[0]}")
            await self._ask("picture", "GET", self.picture, headers={"Authorization": ""})

    async def _watch_health(self, until: float) -> None:
        async for _ in rounds(until, EACH_SECONDS):
            await self._ask("health", "GET", "/../health")

    async def _ask(self, what: str, method: str, url: str, **more: Any) -> httpx.Response:
        began = time.monotonic()
        answer = await self.api.request(method, url, **more)
        seconds = time.monotonic() - began
        self.seen.append(Seen(what, answer.status_code, seconds, answer.headers, answer.text))
        return answer


@pytest.mark.parametrize("hang", HANGS, ids=lambda hang: str(hang.service))
async def test_a_service_that_hangs_holds_nobody_up_and_loses_nothing(stack: Stack, hang: Hang):
    async with httpx.AsyncClient(base_url=f"{stack.origin}/api/v1", timeout=60) as api:
        _, token = await sign_up(api)
        api.headers["Authorization"] = f"Bearer {token}"
        user = User(api, "")
        user.accepted.append((await api.post("/tasks", json=ORDER)).json()["id"])
        await until(HEALED_SECONDS, lambda: all_ended(api, user.accepted))
        result = await api.get(f"/tasks/{user.accepted[0]}/result")
        user.picture = result.headers["Location"]
        await user.use(time.monotonic() + 1)  # every function has a process then
        user.seen.clear()
        await user.use(time.monotonic() + CALM_SECONDS)
        most = ANSWER_SECONDS + max(each.seconds for each in user.seen)
        user.seen.clear()

        with paused(stack, hang.service):
            await user.use(time.monotonic() + PAUSE_SECONDS)
            if PAUSE_SECONDS >= ALERT_SECONDS:
                await until(ALERT_SECONDS, lambda: fires(stack, hang.alerts))

        assert [f"{each}" for each in user.seen if each.seconds > most] == []
        assert [f"{each}" for each in user.seen if not is_expected(each, hang)] == []
        if hang.dependency:
            assert any(names(each, hang.dependency) for each in user.seen)
        await until(HEALED_SECONDS, lambda: all_ended(api, user.accepted))
        ended = [await read(api, task) for task in user.accepted]
        assert {task["status"] for task in ended} == {"completed"}


@pytest.mark.parametrize(
    ("service", "path"),
    [("frontend", "/"), ("grafana", "/grafana/login"), ("prometheus", "/prometheus/-/ready")],
)
async def test_a_page_whose_server_hangs_says_so_at_once(stack: Stack, service: str, path: str):
    async with httpx.AsyncClient(base_url=stack.origin, headers=BROWSER, timeout=60) as client:
        calm = await timed(client, path)

        with paused(stack, service):
            hung = await timed(client, path)

    assert (calm.status, hung.status, hung.headers["Retry-After"]) == (200, 503, "5")
    assert "is away for the moment" in hung.body
    assert hung.seconds < ANSWER_SECONDS + calm.seconds


async def timed(client: httpx.AsyncClient, path: str) -> Seen:
    began = time.monotonic()
    answer = await client.get(path)
    return Seen(path, answer.status_code, time.monotonic() - began, answer.headers, answer.text)


def is_expected(seen: Seen, hang: Hang) -> bool:
    """What is refused is refused as documented, and the rest is answered as always. A question that
    was asked before the pause may have its answer all the same."""
    usual = {"POST /tasks": 202}.get(seen.what, 200)
    if seen.status == usual:
        return True
    if seen.what not in hang.refused:
        return False
    return seen.status == 503 and (seen.what == "health" or "Retry-After" in seen.headers)


def names(seen: Seen, dependency: str) -> bool:
    """Whether health says that this server is away."""
    if seen.what != "health" or "dependencies" not in seen.body:
        return False
    return bool(json.loads(seen.body)["dependencies"][dependency]["status"] != "ok")


async def fires(stack: Stack, alerts: frozenset[str]) -> bool:
    async with httpx.AsyncClient(base_url=stack.origin, timeout=10) as client:
        answer = (await client.get("/prometheus/api/v1/alerts")).json()
    return any(is_firing(answer, alert) for alert in alerts)


async def rounds(until: float, seconds: float) -> AsyncIterator[None]:
    while time.monotonic() < until:
        yield
        await asyncio.sleep(seconds)


@contextmanager
def paused(stack: Stack, service: str) -> Iterator[None]:
    _freeze(stack, service)
    try:
        yield
    finally:
        stack.compose("unpause", service)


def _freeze(stack: Stack, service: str) -> None:
    """A kernel with control groups of version 1 may refuse to while processes are started."""
    for left in reversed(range(FREEZE_TRIES)):
        try:
            stack.compose("pause", service)
        except StackError:
            if not left:
                raise
        else:
            return
