"""The product as `make dev` runs it, from the commit in the database to the client's frame."""

import asyncio
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from websockets.asyncio.client import connect

from bench.report import Goal
from bench.requests import percentile
from tests.e2e.product import Person, running, sign_up

TASKS = 20
MOST_P50_MS = 10
MOST_P99_MS = 40


async def measure() -> list[Goal]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data") as product,
        sign_up(product) as person,
    ):
        lags = [lag for _ in range(TASKS) for lag in await _watch(person)]
    what = f"commit to frame ({len(lags)} updates)"
    return [
        Goal.at_most(f"{what}, p50 ms", MOST_P50_MS, percentile(lags, 50)),
        Goal.at_most("… p99 ms", MOST_P99_MS, percentile(lags, 99)),
    ]


async def _watch(person: Person) -> list[float]:
    task = await asyncio.to_thread(person.submit, "a lighthouse in a storm", width=512, height=512)
    address = f"ws://localhost:{person.product.port}/ws/tasks/{task['id']}"
    lags = []
    async with connect(
        address, additional_headers={"Authorization": f"Bearer {person.token}"}
    ) as socket:
        async for text in socket:
            arrived = datetime.now(UTC)
            frame = json.loads(text)
            if frame["type"] == "update":
                committed = datetime.fromisoformat(frame["updated_at"])
                lags.append((arrived - committed).total_seconds() * 1000)
    return lags
