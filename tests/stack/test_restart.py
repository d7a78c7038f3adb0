"""A new version takes the place of the running one while people use it."""

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx
import pytest

from local.demo import sign_up
from local.stack import Stack
from local.stack_restart import restart
from tests.stack.test_failures import HEALED_SECONDS, ORDER, all_ended, read, until

pytestmark = pytest.mark.stack
# A client that keeps connections loses one that is closed while it writes, whoever closes it.
NOTHING_KEPT = httpx.Limits(max_keepalive_connections=0)
BACKEND = {False: "LAMPWORK_IMAGE", True: "SERVER_IMAGE"}
IMAGES = {"LAMPWORK_IMAGE": "lampwork:local", "SERVER_IMAGE": "lampwork-server:local"}


async def test_a_new_version_takes_over_without_a_failed_request(stack: Stack):
    image = make_another_version(stack)
    async with httpx.AsyncClient(
        base_url=f"{stack.origin}/api/v1", timeout=60, limits=NOTHING_KEPT
    ) as api:
        _, token = await sign_up(api)
        api.headers["Authorization"] = f"Bearer {token}"
        accepted = [await submit(api)]
        await until(HEALED_SECONDS, lambda: all_ended(api, accepted))
        found = await api.get(f"/tasks/{accepted[0]}/result")
        picture = (await api.get(found.headers["Location"], headers={"Authorization": ""})).content
        statuses: Counter[tuple[str, int]] = Counter()

        async def ask(method: str, path: str) -> httpx.Response:
            answer = await api.request(method, path, json=ORDER if method == "POST" else None)
            statuses[f"{method} {path.split('?')[0]}", answer.status_code] += 1
            return answer

        async def order() -> None:
            answer = await ask("POST", "/tasks")
            if answer.status_code == 202:
                accepted.append(answer.json()["id"])
            await asyncio.sleep(2)

        ended = asyncio.Event()
        users = [
            asyncio.create_task(repeat(each, ended))
            for each in (
                order,
                lambda: ask("GET", "/tasks"),
                lambda: ask("GET", f"/tasks/{accepted[-1]}?wait=5"),
                lambda: ask("GET", "/../../"),
                lambda: ask("GET", "/../health"),
            )
        ]
        await asyncio.to_thread(restart, stack, lambda line: None)
        ended.set()
        await asyncio.gather(*users)

        assert {key: n for key, n in statuses.items() if key[1] not in (200, 202, 304)} == {}
        assert running_images(stack) == {image}
        await until(HEALED_SECONDS, lambda: all_ended(api, accepted))
        tasks = [await read(api, task) for task in accepted]
        assert {task["status"] for task in tasks} == {"completed"}
        again = await api.get(f"/tasks/{accepted[0]}/result")
        kept = await api.get(again.headers["Location"], headers={"Authorization": ""})
        assert kept.content == picture


async def repeat(work: Callable[[], Awaitable[object]], ended: asyncio.Event) -> None:
    while not ended.is_set():
        await work()
        await asyncio.sleep(0.2)


async def submit(api: httpx.AsyncClient) -> str:
    answer = await api.post("/tasks", json=ORDER)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def make_another_version(stack: Stack) -> str:
    """The running image with another label, under the same name. Returns its id."""
    variable = BACKEND["compose.server.yml" in stack.files]
    name = stack.settings.get(variable, IMAGES[variable])
    text = f'FROM {name}\nLABEL test.version="{time.time_ns()}"\n'
    subprocess.run(
        ["docker", "build", "--tag", name, "-"],
        input=text,
        text=True,
        capture_output=True,
        check=True,
    )
    return docker("image", "inspect", "--format", "{{.Id}}", name)


def running_images(stack: Stack) -> set[str]:
    services = ("backend", "frontend", "worker", "deliverer")
    ids = [each for service in services for each in stack.compose("ps", "-q", service).split()]
    assert len(ids) == len(services)
    return set(docker("inspect", "--format", "{{.Image}}", *ids).split())


def docker(*arguments: str) -> str:
    ran = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return ran.stdout.strip()
