"""Tries every part of the Compose stack from outside, through nginx: `make connectivity`.

Prints a table with the time of each check, and exits with 1 if any failed.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from local import stack
from local.demo import frames, sign_up
from local.stack import Stack

TIMEOUT_SECONDS = 15
SCRAPE_SECONDS = 10  # as local/monitoring/prometheus/prometheus.yml has it
PNG = b"\x89PNG\r\n\x1a\n"
STORY = "sign-up, task, WebSocket, picture"

Check = Callable[[], Awaitable[str]]


class Failed(Exception):
    """A part of the stack does not work."""


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    seconds: float
    detail: str
    passed: bool


class Connectivity:
    """The checks. Each returns a word on what it saw, and raises if something is wrong."""

    def __init__(self, tried: Stack, client: httpx.AsyncClient, patience_seconds: float) -> None:
        self._stack = tried
        self._client = client
        self._patience_seconds = patience_seconds

    def all(self) -> Mapping[str, Check]:
        dependencies = ("database", "redis", "queue", "storage")
        return {
            **{f"health: {name}": self._dependency(name) for name in dependencies},
            "web page": self._page("/"),
            "API description": self._page("/api/openapi.json"),
            "Grafana": self._page("/grafana/api/health"),
            "Prometheus": self._page("/prometheus/-/healthy"),
            "Prometheus: targets": self.targets,
            "MinIO console": self._page("/minio/"),
            STORY: self.story,
            "Sentry Relay": self.sentry,
        }

    async def targets(self) -> str:
        """A target that has just started counts as down until Prometheus's next scrape."""
        give_up = time.monotonic() + self._patience_seconds
        while True:
            answer = await self._get("/prometheus/api/v1/targets?state=active")
            active = answer.json()["data"]["activeTargets"]
            away = {each["scrapePool"] for each in active if each["health"] == "down"}
            if not away:
                return f"{len(active)} scraped"
            if time.monotonic() > give_up:
                raise Failed(f"down: {', '.join(sorted(away))}")
            await asyncio.sleep(1)

    async def story(self) -> str:
        """What a user does: create an account, submit a prompt, watch its progress, fetch the
        picture."""
        origin = self._stack.origin
        async with httpx.AsyncClient(base_url=f"{origin}/api/v1", timeout=TIMEOUT_SECONDS) as api:
            _, token = await sign_up(api)
            api.headers["Authorization"] = f"Bearer {token}"
            order = {"prompt": "a lamp in a window", "parameters": {"width": 256, "height": 256}}
            submitted = (await api.post("/tasks", json=order)).raise_for_status().json()
            async with asyncio.timeout(4 * TIMEOUT_SECONDS):
                seen = [frame async for frame in frames(origin, token, submitted["id"])]
            if seen[-1]["status"] != "completed":
                raise Failed(f"the task {seen[-1]['status']}")
            found = await api.get(f"/tasks/{submitted['id']}/result")
        picture = await self._get(found.headers["Location"])
        if not picture.content.startswith(PNG):
            raise Failed("the picture is none")
        return f"{len(seen)} frames, {len(picture.content):,} bytes"

    async def sentry(self) -> str:
        """An event of the application's own SDK, taken by the Relay of the stack."""
        return await asyncio.to_thread(
            self._stack.run, "backend", "python", "-m", "local.sentry_check"
        )

    def _dependency(self, name: str) -> Check:
        async def check() -> str:
            answer = await self._client.get("/api/health")
            if "dependencies" not in answer.text:
                raise Failed(f"{answer.status_code}")
            examined = answer.json()["dependencies"][name]
            if examined["status"] != "ok":
                raise Failed(examined["status"])
            return f"{examined['latency_ms']} ms"

        return check

    def _page(self, path: str) -> Check:
        async def check() -> str:
            answer = await self._get(path)
            return f"{answer.status_code}, {len(answer.content):,} bytes"

        return check

    async def _get(self, url: str) -> httpx.Response:
        return (await self._client.get(url)).raise_for_status()


async def examine(
    tried: Stack, *, patience_seconds: float = 0, without: Container[str] = ()
) -> list[Result]:
    """The result of every check but those, in order; targets that Prometheus reports as down may
    come up meanwhile."""
    async with httpx.AsyncClient(base_url=tried.origin, timeout=TIMEOUT_SECONDS) as client:
        checks = Connectivity(tried, client, patience_seconds).all()
        return [await _try(name, check) for name, check in checks.items() if name not in without]


async def _try(name: str, check: Check) -> Result:
    began = time.perf_counter()
    try:
        detail, passed = await check(), True
    except Exception as error:  # whatever it is, the table says it, and the next check follows
        detail, passed = f"{error}" or repr(error), False
    return Result(name, time.perf_counter() - began, detail, passed)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--env-file", type=Path, default=stack.ENV_FILE)
    tried = Stack(arguments.parse_args().env_file)
    results = asyncio.run(examine(tried, patience_seconds=SCRAPE_SECONDS + 2))
    Console(width=None if sys.stdout.isatty() else 100).print(_table(results))
    for image in tried.stand_ins():
        sys.stdout.write(f"A stand-in, not the real program: {image}\n")
    return 0 if all(result.passed for result in results) else 1


def _table(results: list[Result]) -> Table:
    table = Table("check", "", "seconds", "what was seen")
    for result in results:
        verdict = "[green]ok[/]" if result.passed else "[bold red]FAILED[/]"
        detail: Any = result.detail.splitlines()[0][:120]
        table.add_row(result.name, verdict, f"{result.seconds:.2f}", detail)
    return table


if __name__ == "__main__":
    sys.exit(main())
