"""Three writers race on each of 60 tasks while 300 watchers join whenever they like."""

import asyncio
import random
import statistics
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, pairwise
from typing import Any
from uuid import UUID

import pytest
from redis.exceptions import RedisError

from shared.clients import redis_client
from shared.database import transaction
from shared.engine import transitions
from shared.engine.broadcast import TaskStatusBroadcaster
from shared.engine.transitions import Lease
from shared.errors import Unavailable
from shared.models.stored_picture import StoredPicture
from shared.process.event_loop import run
from shared.stream.connections import Connections, Cursor
from shared.stream.delivery import Deliverer, DeliveryIncomplete
from shared.stream.delivery_lock import LockLost
from shared.stream.reader import Reader, reader
from shared.stream.upkeep import Upkeep
from tests.tasks import claim, history, lease_of, make_task, make_user, read
from tests.watchers import FakeGateway, RecordingQueue, connection

pytestmark = pytest.mark.soak

TASKS = 60
WATCHERS = 5
WRITERS = 3
STEPS = 30
TICK_SECONDS = 0.5
PUBLISH_DELAY_SECONDS = 0.010
DELIVERERS = 3
END_SECONDS = 120
SETTLE_SECONDS = 30
PICTURE = StoredPicture("k", "image/png", width=64, height=64, bytes=1)

# As in the worker: nothing is missed when a wake-up or a tick fails on a slow machine.
MENDED_BY_THE_NEXT = (Unavailable, DeliveryIncomplete, LockLost, RedisError)


@asynccontextmanager
async def ending(seconds: float, what: str, left: Callable[[], object]) -> AsyncIterator[None]:
    """Fail, and show what is left, if this takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        pytest.fail(f"{what} took more than {seconds:.0f} s; {left()}")


class LossyQueue(RecordingQueue):
    """Wakes one of several deliverers, out of order, unless it loses the wake-up."""

    def __init__(self, loss: float) -> None:
        super().__init__()
        self.deliverers: list[Deliverer] = []
        self.lost = 0
        self._loss = loss
        self._running: set[asyncio.Task[None]] = set()

    async def ring_deliver(self, task_id: UUID) -> None:
        self.deliveries.append(task_id)
        if random.random() < self._loss:
            self.lost += 1
            return
        delivery = asyncio.create_task(self._deliver(task_id))
        self._running.add(delivery)
        delivery.add_done_callback(self._running.discard)

    async def _deliver(self, task_id: UUID) -> None:
        with suppress(*MENDED_BY_THE_NEXT):
            await random.choice(self.deliverers).deliver(task_id)

    async def settle(self) -> None:
        await asyncio.gather(*self._running)

    def running(self) -> object:
        return [task.get_stack() for task in self._running]


@dataclass
class Experiment:
    """The product's own code on real services; only the sockets and the queue are stand-ins."""

    queue: LossyQueue
    gateway: FakeGateway
    connections: Connections
    broadcaster: TaskStatusBroadcaster
    upkeep: Upkeep
    watchers: dict[UUID, list[str]] = field(default_factory=dict)
    lags: list[float] = field(default_factory=list)

    @classmethod
    def with_loss(cls, loss: float) -> "Experiment":
        redis, gateway, lossy = redis_client.client(), FakeGateway(), LossyQueue(loss)
        connections = Connections(redis, ttl_seconds=600, heartbeat_seconds=2)
        reads: Reader = reader()
        lossy.deliverers = [
            Deliverer(redis, connections=connections, reader=reads, gateway=gateway)
            for _ in range(DELIVERERS)
        ]
        upkeep = Upkeep(
            connections=connections,
            reader=reads,
            gateway=gateway,
            doorbells=lossy,
            tick_seconds=2,
        )
        made = cls(lossy, gateway, connections, TaskStatusBroadcaster(redis, lossy), upkeep)
        gateway.after_post = made._note_lag
        return made

    async def run(self) -> None:
        owner = await make_user()
        async with self._ticking():
            writing = ending(END_SECONDS, "writers and watchers", self._left)
            async with writing, asyncio.TaskGroup() as group:
                for _ in range(TASKS):
                    group.create_task(self._one_task(owner))
            async with ending(END_SECONDS, "the last sockets", self._left):
                while self.gateway.open:
                    await asyncio.sleep(0.05)
        async with ending(SETTLE_SECONDS, "deliveries under way", self.queue.running):
            await self.queue.settle()

    def _left(self) -> object:
        return f"{len(self.gateway.open)} sockets are open: {sorted(self.gateway.open)[:5]}"

    async def _one_task(self, owner: UUID) -> None:
        task = await make_task(owner)
        self.watchers[task.id] = []
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write(task.id))
            for _ in range(WATCHERS):
                group.create_task(self._join_at_random(task.id, owner))

    async def _write(self, task_id: UUID) -> None:
        """Claim the task, race to report its progress, and complete it while others still do."""
        claimed = await claim(await read(task_id))
        lease, steps = lease_of(claimed), count(1)
        await self.broadcaster.publish(claimed)
        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(self._race(lease, steps))

    async def _race(self, lease: Lease, steps: Iterator[int]) -> None:
        publishing: list[asyncio.Task[None]] = []
        while (step := next(steps)) <= STEPS:
            async with transaction() as session:
                task = (
                    await transitions.record_progress(session, lease, step / STEPS)
                    if step < STEPS
                    else await transitions.complete(session, lease, PICTURE)
                )
            if task is not None:
                publishing.append(asyncio.create_task(self._publish_late(task)))
            await asyncio.sleep(random.expovariate(1 / 0.02))
        await asyncio.gather(*publishing)

    async def _publish_late(self, task: Any) -> None:
        await asyncio.sleep(random.expovariate(1 / PUBLISH_DELAY_SECONDS))
        await self.broadcaster.publish(task)

    async def _join_at_random(self, task_id: UUID, owner: UUID) -> None:
        """As $connect does: registered and rung for first, open a moment later."""
        await asyncio.sleep(random.uniform(0, 4))
        watcher = connection(task_id, user_id=owner, age_seconds=0)
        self.watchers[task_id].append(watcher.id)
        newest = (await read(task_id)).sequence
        await self.connections.register(watcher, Cursor(first=newest))
        await self.queue.ring_deliver(task_id)
        await asyncio.sleep(random.uniform(0, 0.02))
        self.gateway.open.add(watcher.id)

    @asynccontextmanager
    async def _ticking(self) -> AsyncIterator[None]:
        async def tick() -> None:
            while True:
                await asyncio.sleep(TICK_SECONDS)
                with suppress(*MENDED_BY_THE_NEXT):
                    await self.upkeep.run()

        ticking = asyncio.create_task(tick())
        try:
            yield
        finally:
            ticking.cancel()
            # Without the limit, the test would wait forever for a tick that swallowed its
            # cancellation.
            await asyncio.wait((ticking,), timeout=SETTLE_SECONDS)
            assert ticking.done(), f"a tick does not end: {ticking.get_stack()}"

    def _note_lag(self, connection_id: str, frame: dict[str, Any]) -> None:
        if frame["type"] == "update":
            committed = datetime.fromisoformat(frame["updated_at"])
            self.lags.append((datetime.now(UTC) - committed).total_seconds() * 1000)

    async def judge(self) -> Counter[str]:
        """How many streams match what was written, from the snapshot to the end, and the faults of
        the others."""
        found: Counter[str] = Counter()
        for task_id, watchers in self.watchers.items():
            written = {event["sequence"]: event for event in await history(task_id)}
            for watcher in watchers:
                frames = [f for f in self.gateway.frames[watcher] if f["type"] != "heartbeat"]
                found.update(_faults(frames, written) or ["correct"])
                found["closed"] += watcher in self.gateway.closed
        return found


def _faults(frames: list[dict[str, Any]], written: dict[int, dict[str, Any]]) -> list[str]:
    sequences = [frame["sequence"] for frame in frames]
    jumps = [later - earlier for earlier, later in pairwise(sequences)]
    shown = [(frame["status"], frame["progress"]) for frame in frames]
    committed = [(written[each]["status"], written[each]["progress"]) for each in sequences]
    checks = {
        "gaps": any(jump > 1 for jump in jumps),
        "duplicates": 0 in jumps,
        "reorders": any(jump < 0 for jump in jumps),
        "no terminal": not frames or not frames[-1]["terminal"],
        "no snapshot first": [frame["type"] == "snapshot" for frame in frames].count(True) != 1,
        "other states": shown != committed,
    }
    return [name for name, wrong in checks.items() if wrong]


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.3])
@pytest.mark.stream_case(6, 8)
def test_every_stream_is_what_was_written(postgresql_backend, loss):
    experiment = Experiment.with_loss(loss)

    run(experiment.run())
    run(reader().close())

    found = run(experiment.judge())
    _print(experiment, found, loss)
    assert found == {"correct": TASKS * WATCHERS, "closed": TASKS * WATCHERS}


def _print(experiment: Experiment, found: Counter[str], loss: float) -> None:
    lags, rung = sorted(experiment.lags), len(experiment.queue.deliveries)
    print(
        f"\n{loss:.0%} of wake-ups lost ({experiment.queue.lost} of {rung}): {dict(found)}"
        f" of {TASKS * WATCHERS};"
        f" lag p50 {statistics.median(lags):.0f} ms, p99 {lags[int(len(lags) * 0.99)]:.0f} ms,"
        f" {len(lags)} updates"
    )
