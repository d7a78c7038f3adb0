"""Each server is stopped in turn: that is noticed, the rest works, and no accepted task is lost."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest

from local.connectivity import STORY, examine
from local.demo import sign_up
from local.stack import Stack

pytestmark = pytest.mark.stack
SEEN_SECONDS = 60
HEALTH_SECONDS = 10  # an answer is remembered for a second
HEALED_SECONDS = 150


@dataclass(frozen=True)
class Failure:
    """What the stop of a service changes in /api/health, in Prometheus, and for new tasks.

    A task whose attempts are used up before the service is back fails with `may_fail_with`, and
    succeeds when its owner tries it again.
    """

    service: str
    dependency: str | None
    alert: str
    health: int = 200
    accepts_tasks: bool = True
    may_fail_with: str | None = None


FAILURES = [
    Failure("rabbitmq", "queue", "TargetDown"),
    Failure("redis", "redis", "RedisDown"),
    Failure("minio", "storage", "TargetDown", may_fail_with="storage_unavailable"),
    Failure("worker", None, "NobodyConsumes"),
    Failure("postgres", "database", "PostgresDown", health=503, accepts_tasks=False),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: str(failure.service))
async def test_a_stopped_service_is_noticed_and_its_tasks_are_done_later(
    stack: Stack, failure: Failure
):
    async with (
        httpx.AsyncClient(base_url=stack.origin, timeout=30) as client,
        httpx.AsyncClient(base_url=f"{stack.origin}/api/v1", timeout=30) as api,
    ):
        _, token = await sign_up(api)
        api.headers["Authorization"] = f"Bearer {token}"
        accepted = [await submit(api)]

        stack.compose("stop", "-t", "5", failure.service)

        if failure.dependency:
            await until(HEALTH_SECONDS, lambda: health_names(client, failure))
        if failure.accepts_tasks:
            accepted.append(await submit(api))
        else:
            refused = await api.post("/tasks", json=ORDER)
            assert refused.status_code == 503
            assert refused.headers["Retry-After"]
        failed = [result.name for result in await examine(stack) if not result.passed]
        assert failed
        await until(SEEN_SECONDS, lambda: fires(client, failure.alert))

        stack.compose("up", "-d", "--no-build")

        await until(HEALED_SECONDS, lambda: all_ended(api, accepted))
        await until(SEEN_SECONDS, lambda: is_whole(client))
        for task in [await read(api, each) for each in accepted]:
            if task["status"] != "completed":
                assert task["error"]["code"] == failure.may_fail_with
                again = await retry(api, task["id"])
                await until(HEALED_SECONDS, partial(is_completed, api, again))


@pytest.mark.parametrize(
    ("service", "check", "alert"),
    [
        ("backend", "health: database", "TargetDown"),
        ("frontend", "web page", "TargetDown"),
        ("deliverer", STORY, "TargetDown"),
        ("nginx", "web page", "NginxDown"),
        ("grafana", "Grafana", "TargetDown"),
        ("sentry-relay", "Sentry Relay", None),  # it has no page of metrics
        ("prometheus", "Prometheus", None),  # nobody watches the watchman
    ],
)
async def test_a_stopped_part_of_the_stack_is_noticed_and_comes_back(
    stack: Stack, service: str, check: str, alert: str | None
):
    async with httpx.AsyncClient(base_url=f"{stack.origin}/api/v1", timeout=30) as api:
        _, token = await sign_up(api)
        api.headers["Authorization"] = f"Bearer {token}"
        accepted = await submit(api)

        stack.compose("stop", "-t", "5", service)

        assert check in [result.name for result in await examine(stack) if not result.passed]
        if alert:
            await until(SEEN_SECONDS, partial(fires_inside, stack, alert))

        stack.compose("up", "-d", "--no-build")

        await until(HEALED_SECONDS, partial(is_green, stack))
        assert await is_completed(api, accepted)


ORDER = {"prompt": "a lamp that goes out", "parameters": {"width": 256, "height": 256}}


async def health_names(client: httpx.AsyncClient, failure: Failure) -> bool:
    """Whether the answer says that this service is away, and no other."""
    health = await client.get("/api/health")
    body = health.json()
    down = [name for name, each in body["dependencies"].items() if each["status"] != "ok"]
    says = (health.status_code, body["status"], down)
    status = "degraded" if failure.health == 200 else "down"
    return says == (failure.health, status, [failure.dependency])


async def submit(api: httpx.AsyncClient) -> str:
    answer = await api.post("/tasks", json=ORDER)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def fires(client: httpx.AsyncClient, alert: str) -> bool:
    return is_firing((await client.get("/prometheus/api/v1/alerts")).json(), alert)


def is_firing(answer: dict[str, Any], alert: str) -> bool:
    active: list[dict[str, Any]] = answer["data"]["alerts"]
    return any(a["labels"]["alertname"] == alert and a["state"] == "firing" for a in active)


async def retry(api: httpx.AsyncClient, task_id: str) -> str:
    answer = await api.post(f"/tasks/{task_id}/retry")
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def read(api: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    """The task, or None while a service needed to read it is coming back."""
    answer = await api.get(f"/tasks/{task_id}")
    task: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
    return task


async def fires_inside(stack: Stack, alert: str) -> bool:
    """Like `fires`, but also works while nginx is stopped."""
    address = "http://127.0.0.1:9090/prometheus/api/v1/alerts"
    answer = await asyncio.to_thread(stack.run, "prometheus", "wget", "-qO-", address)
    return is_firing(json.loads(answer), alert)


async def is_green(stack: Stack) -> bool:
    """Nobody signs up before all else works: waiting for a slow part must not use up the limit."""
    for without in ({STORY}, ()):
        if not all(result.passed for result in await examine(stack, without=without)):
            return False
    return True


async def all_ended(api: httpx.AsyncClient, tasks: list[str]) -> bool:
    return all([(await read(api, task)).get("terminal") for task in tasks])


async def is_completed(api: httpx.AsyncClient, task_id: str) -> bool:
    return (await read(api, task_id)).get("status") == "completed"


async def is_whole(client: httpx.AsyncClient) -> bool:
    answer = await client.get("/api/health")
    return answer.status_code == 200 and bool(answer.json()["status"] == "ok")


async def until(seconds: float, condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(1)
