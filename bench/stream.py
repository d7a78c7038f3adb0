"""The product as `make dev` runs it, from the commit in the database to the client's frame."""

import asyncio
import json
import statistics
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from websockets.asyncio.client import connect

from bench.report import Row
from tests.e2e.product import Person, running, sign_up

TASKS = 20


async def measure() -> list[Row]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data") as product,
        sign_up(product) as person,
    ):
        lags = [lag for _ in range(TASKS) for lag in await _watch(person)]
    ordered = sorted(lags)
    figures = {"p50": statistics.median(lags), "p99": ordered[int(len(ordered) * 0.99) - 1]}
    return [Row(f"commit to frame, ms ({len(lags)} updates)", figures, compared=False)]


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
