"""Tasks, their owners and their history, straight from the database."""

import struct
import zlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, select, text, update

from shared import clock
from shared.database import transaction
from shared.engine import transitions
from shared.generators.port import GenerationParameters, Image, Progress
from shared.models.base import database_now
from shared.models.task import Outbox, Task, TaskEvent
from shared.models.task_status import TaskStatus
from shared.models.user import Plan, Subscription, User, UserProfile, UserStatus

Generate = Callable[[str, GenerationParameters, Progress], Awaitable[Image]]


async def make_user() -> UUID:
    address = f"{uuid4().hex}@example.com"
    async with transaction() as session:
        user = User(email=address, email_canonical=address, status=UserStatus.ACTIVE)
        session.add(user)
    return user.id


async def make_subscriber(
    plan: Plan = Plan.FREE, *, ends_in: timedelta = timedelta(days=3)
) -> UUID:
    user_id, end = await make_user(), clock.now() + ends_in
    async with transaction() as session:
        session.add(UserProfile(user_id=user_id))
        session.add(
            Subscription(
                user_id=user_id, plan=plan, period_start=end - timedelta(days=30), period_end=end
            )
        )
    return user_id


async def make_task(
    owner_id: UUID | None = None, *, rings_at_once: bool = False, **columns: Any
) -> Task:
    """A queued task whose creation was not published."""
    owner_id = owner_id or await make_user()
    defaults: dict[str, Any] = {
        "id": uuid4(),
        "user_id": owner_id,
        "prompt": "a lamp",
        "parameters": {"width": 64, "height": 64, "style": "painting", "seed": 1},
        "run_timeout_seconds": 30,
        "runs_at_once": 100,
        "queued_deadline": database_now(3600),
    }
    async with transaction() as session:
        task = Task(**{**defaults, **columns})
        return await transitions.create(session, task, rings_at_once=rings_at_once)


async def claim(task: Task, worker_id: str = "worker") -> Task:
    async with transaction() as session:
        claimed = await transitions.claim(session, task.id, worker_id=worker_id)
    assert claimed is not None
    return claimed


def lease_of(task: Task) -> transitions.Lease:
    assert task.lease_token is not None
    return transitions.Lease(task.id, task.lease_token)


async def read(task_id: UUID) -> Task:
    async with transaction(writing=False) as session:
        return await session.get_one(Task, task_id)


async def change(task_id: UUID, **columns: Any) -> None:
    """Change columns of a task, for example to let time pass."""
    async with transaction() as session:
        await session.execute(update(Task).where(Task.id == task_id).values(**columns))


async def blocked_transactions() -> int:
    """How many transactions wait for a lock that another holds; only PostgreSQL reports it."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    async with transaction(writing=False) as session:
        return int(await session.scalar(text(waiting)) or 0)


async def forget_others() -> None:
    """Remove tasks that other tests left to be run in a shared database."""
    async with transaction() as session:
        await session.execute(delete(Task))


async def history(task_id: UUID) -> list[dict[str, Any]]:
    """The payloads of all events, in order."""
    async with transaction(writing=False) as session:
        query = select(TaskEvent).where(TaskEvent.task_id == task_id).order_by(TaskEvent.sequence)
        return [event.payload for event in await session.scalars(query)]


async def statuses(task_id: UUID) -> list[TaskStatus]:
    return [TaskStatus(payload["status"]) for payload in await history(task_id)]


async def open_promises(task_id: UUID) -> list[datetime]:
    """The times at which doorbells still have to ring for a task."""
    async with transaction(writing=False) as session:
        query = select(Outbox.available_at).where(
            Outbox.task_id == task_id, Outbox.done_at.is_(None)
        )
        return list(await session.scalars(query))


def error_of(task: Task) -> dict[str, Any]:
    assert task.error is not None
    return task.error


def object_key(task: Task) -> str:
    """Where the picture of a completed task is stored."""
    assert task.result is not None
    return task.result.key


def blank_png(width: int = 64, height: int = 64) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = zlib.compress((b"\x00" + b"\x7f" * width) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


class FakeGenerator:
    """A generator that does what a test tells it to."""

    def __init__(self, generate: Generate) -> None:
        self._generate = generate

    async def generate(
        self, prompt: str, parameters: GenerationParameters, progress: Progress
    ) -> Image:
        return await self._generate(prompt, parameters, progress)


async def picture(prompt: str, parameters: GenerationParameters, progress: Progress) -> Image:
    width, height = parameters.width, parameters.height
    await progress(0.5)
    await progress(1.0)
    return Image(blank_png(width, height), "image/png", width, height)
