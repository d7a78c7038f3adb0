"""A gateway with sockets, and tasks with a history, for tests of the live stream."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from shared.engine.task_payload import task_payload
from shared.models.api_key import ApiKey
from shared.models.session import UserSession
from shared.models.task import Task, TaskEvent
from shared.models.task_status import TaskStatus
from shared.models.user import User, UserStatus
from shared.security import api_keys
from shared.stream.connections import Connection
from shared.stream.gateway import GatewayError, Gone

Failure = GatewayError | None


class FakeGateway:
    """Sockets in memory. As in the real gateway, an id that is not open is gone, and close ends a
    socket.

    `before_post(connection_id, frame)` may return an error to raise instead of accepting the frame;
    `after_post` runs once the frame is accepted, before the caller learns of it.
    """

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.closed: set[str] = set()
        self.frames: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.before_post: Callable[[str, dict[str, Any]], Failure] = lambda _id, _frame: None
        self.after_post: Callable[[str, dict[str, Any]], None] = lambda _id, _frame: None
        self.changed = asyncio.Condition()

    async def post(self, connection_id: str, text: str) -> None:
        await asyncio.sleep(0)
        frame = json.loads(text)
        if connection_id not in self.open:
            raise Gone
        if error := self.before_post(connection_id, frame):
            raise error
        self.frames[connection_id].append(frame)
        self.after_post(connection_id, frame)
        async with self.changed:
            self.changed.notify_all()

    async def close(self, connection_id: str) -> None:
        await asyncio.sleep(0)
        if connection_id not in self.open:
            raise Gone
        self.open.remove(connection_id)
        self.closed.add(connection_id)

    def states(self, connection_id: str) -> list[tuple[str, int]]:
        """The type and sequence of each frame sent to a socket."""
        return [(frame["type"], frame["sequence"]) for frame in self.frames[connection_id]]

    def sequences(self, connection_id: str) -> list[int]:
        return [sequence for _, sequence in self.states(connection_id)]


class RecordingQueue:
    """A queue that records its doorbells."""

    def __init__(self) -> None:
        self.deliveries: list[UUID] = []

    async def ring_generate(self, task_id: UUID, delay_seconds: float = 0) -> None:
        raise AssertionError("Nothing here rings for generators.")

    async def ring_deliver(self, task_id: UUID) -> None:
        self.deliveries.append(task_id)

    async def ring_webhooks(self) -> None:
        raise AssertionError("Nothing here sends webhooks.")

    async def send_sweep(self, delay_seconds: float = 0) -> None:
        raise AssertionError("Nothing here sweeps.")

    async def send_tick(self, delay_seconds: float = 0, *, user_id: UUID | None = None) -> None:
        raise AssertionError("Nothing here ticks.")

    async def check(self) -> None:
        raise AssertionError("Nobody asks a test's queue for its health.")


class Story:
    """Writes users, sessions and tasks as the application does, with the events they leave."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def user(self, **columns: Any) -> UUID:
        name = f"{uuid4().hex}@example.com"
        user = User(
            id=uuid4(), email=name, email_canonical=name, **{"status": UserStatus.ACTIVE, **columns}
        )
        async with self._session() as session, session.begin():
            session.add(user)
        return user.id

    async def session(self, user_id: UUID, **columns: Any) -> UUID:
        now = datetime.now(UTC)
        row = UserSession(
            id=uuid4(),
            user_id=user_id,
            salt=b"s" * 32,
            refresh_token_hash=b"h" * 32,
            auth_time=now,
            idle_expires_at=now + timedelta(days=1),
            absolute_expires_at=now + timedelta(days=1),
            **columns,
        )
        async with self._session() as session, session.begin():
            session.add(row)
        return row.id

    async def key(self, user_id: UUID, scopes: str = "tasks:read", **columns: Any) -> str:
        """An API key of the user."""
        token = api_keys.create()
        row = ApiKey(
            id=uuid4(),
            user_id=user_id,
            made_by=uuid4(),
            name="A program",
            token_hash=api_keys.present(token).fingerprint,
            hint=api_keys.hint(token),
            scopes=scopes,
            **columns,
        )
        async with self._session() as session, session.begin():
            session.add(row)
        return token

    async def revoke_keys(self, user_id: UUID) -> None:
        async with self._session() as session, session.begin():
            await session.execute(delete(ApiKey).where(ApiKey.user_id == user_id))

    async def task(self, user_id: UUID | None = None, *, sequence: int = 1) -> UUID:
        """A task with events 1 to `sequence`."""
        task = Task(
            id=uuid4(),
            user_id=user_id or await self.user(),
            prompt="a lighthouse 💡",
            parameters={"width": 512, "style": "ink"},
            run_timeout_seconds=60,
            runs_at_once=1,
            queued_deadline=datetime.now(UTC) + timedelta(hours=1),
        )
        async with self._session() as session, session.begin():
            session.add(task)
            await session.flush()
            await self._record(session, task)
        for _ in range(sequence - 1):
            await self.progress(task.id)
        return task.id

    async def progress(self, task_id: UUID) -> None:
        await self.change(task_id, status=TaskStatus.PROCESSING)

    async def complete(self, task_id: UUID) -> None:
        await self.change(task_id, status=TaskStatus.COMPLETED, progress=1.0)

    async def change(self, task_id: UUID, **columns: Any) -> None:
        """One transition: the next sequence, and its event."""
        async with self._session() as session, session.begin():
            task = await session.get_one(Task, task_id)
            task.sequence += 1
            for name, value in columns.items():
                setattr(task, name, value)
            await session.flush()
            await self._record(session, task)

    async def delete_event(self, task_id: UUID, sequence: int) -> None:
        async with self._session() as session, session.begin():
            await session.delete(await session.get_one(TaskEvent, (task_id, sequence)))

    async def delete_task(self, task_id: UUID) -> None:
        async with self._session() as session, session.begin():
            await session.delete(await session.get_one(Task, task_id))

    async def revoke(self, session_id: UUID) -> None:
        async with self._session() as session, session.begin():
            (await session.get_one(UserSession, session_id)).revoked_at = datetime.now(UTC)

    async def _record(self, session: AsyncSession, task: Task) -> None:
        await session.refresh(task)
        payload = task_payload(task)
        session.add(TaskEvent(task_id=task.id, sequence=task.sequence, payload=payload))

    def _session(self) -> AsyncSession:
        return AsyncSession(self._engine, expire_on_commit=False)


def connection(task_id: UUID, *, age_seconds: float = 60, **fields: Any) -> Connection:
    """A registered socket of a user that a trusted gateway named, unless `fields` differ."""
    connected_at = datetime.now(UTC) - timedelta(seconds=age_seconds)
    defaults = {"id": f"{uuid4().hex[:15]}=", "user_id": uuid4()}
    return Connection(
        task_id=task_id,
        connected_at_ms=int(connected_at.timestamp() * 1000),
        **{**defaults, **fields},
    )
