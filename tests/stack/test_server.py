"""The production image in place of the emulator, as `make up SERVER=1` runs it: behind nginx, on
PostgreSQL and RabbitMQ, with what `tests/stack/test_gateway.py` asks of both."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import yaml
from websockets.asyncio.client import connect

from local.demo import sign_up
from local.stack import Stack
from tests.conftest import ROOT
from tests.stack.confined import assert_confined
from tests.stack.test_failures import (
    HEALED_SECONDS,
    SEEN_SECONDS,
    all_ended,
    is_completed,
    read,
    until,
)
from tests.stack.test_monitoring import ask

pytestmark = pytest.mark.server
ROLES = ["backend", "frontend", "worker", "deliverer", "schedule"]
SMALL = {"prompt": "a lamp in a container", "parameters": {"width": 64, "height": 64}}
GRACE_SECONDS = 30  # `stop_grace_period` of the servers
TASKS = 5  # at once, of one person


@asynccontextmanager
async def person(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The API for somebody with an account of their own."""
    async with httpx.AsyncClient(base_url=f"{stack.origin}/api/v1", timeout=60) as api:
        _, token = await sign_up(api)
        api.headers["Authorization"] = f"Bearer {token}"
        yield api


async def submit(api: httpx.AsyncClient) -> str:
    answer = await api.post("/tasks", json=SMALL)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in answer.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def state(stack: Stack, service: str) -> dict[str, Any]:
    """The state of a service's container, whether it runs or not."""
    container = stack.compose("ps", "--all", "-q", service).split()[0]
    shown = subprocess.run(
        ["docker", "inspect", "--format", "{{json .State}}", container],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


async def answers(stack: Stack) -> bool:
    async with httpx.AsyncClient(base_url=stack.origin, timeout=30) as client:
        health = await client.get("/api/health")
    return health.status_code == 200 and health.json()["status"] == "ok"


def test_the_smoke_test_passes_through_nginx(stack: Stack):
    command = [sys.executable, "-m", "local.smoke", stack.origin]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_image_has_no_emulator_and_knows_the_schema(stack: Stack):
    assert "(head)" in stack.run("backend", "alembic", "current")
    script = (
        "import importlib.util as u; print([n for n in ('lampwork', 'moto') if u.find_spec(n)])"
    )
    assert stack.run("backend", "python", "-c", script) == "[]"


@pytest.mark.parametrize("service", ROLES)
def test_every_role_is_an_ordinary_user_on_a_root_it_cannot_write(stack: Stack, service):
    assert_confined(stack, service)


async def test_events_come_through_nginx_as_they_happen(stack: Stack):
    async with person(stack) as api:
        stack.compose("pause", "worker")
        try:
            task = await submit(api)
            async with api.stream("GET", f"/tasks/{task}/stream") as stream, asyncio.timeout(60):
                told = events(stream)
                first = await anext(told)
                await api.post(f"/tasks/{task}/cancel")
                rest = [event async for event in told if event["type"] == "update"]
        finally:
            stack.compose("unpause", "worker")

        assert (first["type"], first["status"]) == ("snapshot", "queued")
        assert rest[-1]["status"] == "cancelled"
        seen = {"Last-Event-ID": str(rest[-1]["sequence"])}
        async with api.stream("GET", f"/tasks/{task}/stream", headers=seen) as again:
            assert again.status_code == 204


async def test_a_server_that_is_killed_loses_no_accepted_task(stack: Stack):
    async with person(stack) as ada, person(stack) as bob:
        accepted = [(ada, await submit(ada)) for _ in range(2)]

        async def go_on() -> None:
            """Submit through the kill, whatever becomes of it, until there are enough."""
            while len(accepted) < 2 + TASKS:
                try:
                    answer = await bob.post("/tasks", json=SMALL)
                except httpx.TransportError:
                    continue
                if answer.status_code == 202:
                    accepted.append((bob, answer.json()["id"]))
                else:
                    assert answer.status_code in (429, 502, 503), answer.text
                    await asyncio.sleep(0.1)

        async with asyncio.timeout(HEALED_SECONDS), asyncio.TaskGroup() as group:
            group.create_task(go_on())
            await asyncio.to_thread(stack.compose, "kill", "backend")
            await asyncio.to_thread(stack.compose, "start", "backend")

        for whose in (ada, bob):
            tasks = [task for each, task in accepted if each is whose]
            await until(HEALED_SECONDS, partial(all_ended, whose, tasks))
            assert [(await read(whose, task))["status"] for task in tasks] == ["completed"] * len(
                tasks
            )


async def test_a_process_of_the_server_that_is_killed_is_replaced(stack: Stack):
    """And the others answer meanwhile."""
    find = (
        "import glob\n"
        "for each in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    if b'spawn_main' in open(each, 'rb').read(): print(each.split('/')[2])"
    )
    before = set((await asyncio.to_thread(stack.run, "backend", "python", "-c", find)).split())
    victim = min(before)
    kill = f"import os; os.kill({victim}, 9)"
    await asyncio.to_thread(stack.run, "backend", "python", "-c", kill)

    async def is_whole() -> bool:
        now = set((await asyncio.to_thread(stack.run, "backend", "python", "-c", find)).split())
        return victim not in now and len(now) == len(before)

    await until(SEEN_SECONDS, is_whole)
    async with person(stack) as api:
        task = await submit(api)
        await until(HEALED_SECONDS, lambda: is_completed(api, task))


async def test_a_server_that_stops_lets_requests_end_and_streams_come_again(stack: Stack):
    async with person(stack) as api:
        await asyncio.to_thread(stack.compose, "pause", "worker")
        try:
            task = await submit(api)
            address = f"ws{stack.origin.removeprefix('http')}/ws/tasks/{task}"
            token = {"Authorization": api.headers["Authorization"]}
            async with (
                connect(address, additional_headers=token) as socket,
                api.stream("GET", f"/tasks/{task}/stream") as stream,
            ):
                await socket.recv()
                waiting = asyncio.create_task(api.get(f"/tasks/{task}?wait=3"))
                began = time.monotonic()
                stopping = asyncio.create_task(asyncio.to_thread(stack.compose, "stop", "backend"))
                async with asyncio.timeout(GRACE_SECONDS):
                    told = [event async for event in events(stream)]
                    await socket.wait_closed()
                await stopping
                assert time.monotonic() - began < GRACE_SECONDS
                assert (await waiting).status_code == 200
            assert socket.close_code == 1012
            assert all(event["type"] != "error" for event in told)
            assert state(stack, "backend")["ExitCode"] in (0, 143)
        finally:
            stack.compose("unpause", "worker")
            await asyncio.to_thread(stack.compose, "start", "backend")
        await until(HEALED_SECONDS, lambda: answers(stack))
        await until(HEALED_SECONDS, lambda: is_completed(api, task))


async def test_generators_could_grow_by_what_prometheus_has(stack: Stack):
    """The query of the manifest, and the requests of the server, have values."""
    manifest = ROOT / "deploy" / "kubernetes" / "keda" / "generate-scaler.yaml"
    trigger = yaml.safe_load(manifest.read_text())["spec"]["triggers"][0]
    served = 'sum(lampwork_http_requests_total{route="POST /api/v1/tasks",status="202"}) > 0'

    async with httpx.AsyncClient(base_url=stack.origin, timeout=30) as client:

        async def has_values() -> bool:
            found = [await ask(client, each) for each in (trigger["metadata"]["query"], served)]
            return all(found)

        async with person(stack) as api:
            await submit(api)
        await until(SEEN_SECONDS, has_values)
        answer = (await client.get("/prometheus/api/v1/alerts")).json()
    silent = [each["labels"]["alertname"] for each in answer["data"]["alerts"]]
    assert "SweepSilent" not in silent
